"""Pictures, barcodes and names in one space: small worlds that are drawn, and one made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from merian.bench import image_dna, paired_world
from merian.bench.aligned_arms import Plan, learn_arm
from merian.bench.aligned_scores import RANKS, case_of, claims, table
from merian.bench.paired_world import PairedSettings, PairedWorld, barcode_kinds
from merian.errors import FormatError, InputError
from merian.nucleotides import reverse_complement

_SHORT = Plan(steps=40, batch=128, width=16, hidden=16, axes=16, rate=3e-3, dropout=0.1)


def by_hand(seed: int = 0, kinds: int = 60, each: int = 6):
    """A world whose pictures tell the species in few directions, and something else in many.

    Barcodes tell the species plainly, and its kin: who looks alike is alike in a part of them. So
    what is learned of some species (which directions of a picture say nothing) helps with others.
    """
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(kinds), each)
    n = len(of)
    body = random.normal(size=(kinds, 6))
    image = np.concatenate(
        [body[of] + 0.3 * random.normal(size=(n, 6)),
         2 * random.normal(size=(n, 10))], 1,
    )  # fmt: skip
    barcode = np.concatenate([body, random.normal(size=(kinds, 6))], 1)[of]
    barcode += 0.1 * random.normal(size=barcode.shape)
    above = ["Aphylum", "Aclass"]
    lineages = [
        [*above, f"Order{k % 3}", f"Family{k % 6}", f"Gen{k % 20}", f"Gen{k % 20} s{k}"]
        for k in of.tolist()
    ]
    names = np.array(lineages)
    sequences = ["ACGT" if row % 17 else "" for row in range(n)]
    barcode[[not text for text in sequences]] = np.nan
    kept = {"image": image.astype(np.float32), "barcode": barcode.astype(np.float32)}
    return PairedWorld(names, sequences, np.arange(n), kept["image"], 0.0), kept


def test_what_is_learned_of_some_species_names_others_better(tmp_path):
    world, frozen = by_hand(1, 120)
    case = case_of(world, 0)
    before = case.ways(frozen, aligned=False)
    plan = replace(_SHORT, steps=60, batch=256)
    vectors = learn_arm("I+D", frozen, case.names, case.learned, plan, tmp_path / "run")
    after = case.ways(vectors)
    assert set(before) == {"image-image", "DNA-DNA", "both-both"}
    assert set(after) == {"image-image", "DNA-DNA", "image-DNA", "both-both"}
    rows = claims(case, "here", {"none": before, "I+D": after}, {"I+D": "DNA-DNA"}, 100)
    gain = rows["here: image-image, I+D less none, species, macro, unseen"]
    assert gain["low"] > 3
    assert set(rows) >= {f"here: I+D, both-both less DNA-DNA, {r}, macro, both" for r in RANKS[2:]}
    told = table(case, "here: I+D", after, 100)
    both = told["here: I+D: image-image, species, macro, both"]
    assert both["value"] == pytest.approx(100 * case.value(after["image-image"], "test"), abs=0.01)
    assert both["low"] <= both["value"] <= both["high"]
    assert np.isnan(vectors["barcode"][np.isnan(frozen["barcode"][:, 0])]).all()


def test_names_are_read_and_found(tmp_path):
    world, frozen = by_hand(kinds=24)
    case = case_of(world, 0)
    vectors = learn_arm("I+D+T", frozen, case.names, case.learned, _SHORT, tmp_path / "run")
    found = case.ways(vectors)
    assert vectors["text"].shape == (len(world), _SHORT.width)
    at_order = table(case, "x", {"image-text": found["image-text"]}, 10)
    assert at_order["x: image-text, order, macro, seen"]["value"] > 50  # a third by chance
    same = case.split.rows("train")[:1]
    twin = next(i for i, n in enumerate(case.names) if n == case.names[same[0]] and i != same[0])
    np.testing.assert_array_equal(vectors["text"][same[0]], vectors["text"][twin])


def test_reads_of_one_barcode_are_one_kind():
    random = np.random.default_rng(0)
    whole, other = ("".join(random.choice(list("ACGT"), 300)) for _ in range(2))
    found = barcode_kinds(
        [whole, whole[20:250], reverse_complement(whole[5:]), other, "", "", f"NN{other}N"]
    ).tolist()
    assert found[0] == found[1] == found[2]
    assert found[3] == found[6]
    assert len(set(found)) == 4  # and each empty one for itself


@pytest.fixture
def quick_look(monkeypatch):
    """Colours in place of a network's vectors."""

    def look(files, _seen, _processes):
        from PIL import Image

        return np.stack([np.asarray(Image.open(f).resize((4, 4)), np.float16).ravel() / 255
                         for f in files])  # fmt: skip

    monkeypatch.setattr(paired_world, "_looked_at", look)


def test_levels_have_the_same_species_and_a_world_is_made_once(tmp_path, quick_look, monkeypatch):
    settings = [PairedSettings(species=8, each=3, level=level, size=64) for level in (1, 3)]
    one, other = (
        paired_world.paired_world(tmp_path / str(s.level), s, processes=1) for s in settings
    )
    assert {*one.names[:, -1]} == {*other.names[:, -1]}
    assert len(one.vectors) == len(one) == len(one.sequences) <= 24
    monkeypatch.setattr(paired_world, "_make", None)  # it would fail
    again = paired_world.paired_world(tmp_path / "1", settings[0])
    np.testing.assert_array_equal(again.vectors, one.vectors)
    assert [*again.sequences] == [*one.sequences]
    with pytest.raises(FormatError, match="other settings"):
        paired_world.paired_world(tmp_path / "1", settings[1])


def test_the_bench_tells_its_table(tmp_path, quick_look):
    rows = image_dna.run(
        species=14, each=5, levels="2", barcodes=None, arms="I,I+D", steps=3, choose=False,
        draws=20, size=64, work=tmp_path, processes=1,
    )  # fmt: skip
    for arm in ("none", "I", "I+D"):
        assert 0 <= rows[f"level 2: {arm}: image-image, order, micro, both"]["value"] <= 100
    assert "level 2: I+D: image-DNA, species, macro, unseen" in rows
    assert "level 2: image-image, I+D less I, species, macro, both" in rows
    assert rows["level 2: learned from"]["value"] > 15
    json.dumps(rows)
    with pytest.raises(InputError, match="--arms"):
        image_dna.run(arms="I+X")
