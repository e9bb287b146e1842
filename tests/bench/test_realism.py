"""What measures realism, on data whose answer is known."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest

from merian.bench import measure
from merian.bench.realism import image_neighbours, mean_figure, overlap, share_figure
from merian.bench.splits import (
    Labelled,
    barcode_figures,
    closed,
    opened,
    our_answers,
    unique,
    vsearch_answers,
)


def barcodes(rng, genera=12):
    """Genera that differ by 20 %, species by 6 %, specimens by 0.5 %."""

    def changed(sequence, share):
        other = rng.choice(list("ACGT"), len(sequence))
        return np.where(rng.random(len(sequence)) < share, other, sequence)

    root = rng.choice(list("ACGT"), 658)
    found = []
    for genus in range(genera):
        stem = changed(root, 0.25)
        for species in range(3):
            kind = changed(stem, 0.08)
            found += [
                Labelled("".join(changed(kind, 0.005)), f"G{genus}", f"G{genus} s{species}")
                for _ in range(6)
            ]
    return found


def test_well_apart_species_are_all_right_and_none_identical():
    figures = barcode_figures([barcodes(np.random.default_rng(0))], seed=0)
    assert figures["species of the known"].value == 100
    assert figures["genus of the unknown"].value == 100
    assert figures["unknown identical to a named species"].value == 0
    assert figures["species of the known"].low > 90


def test_a_shared_barcode_is_identical():
    made = barcodes(np.random.default_rng(0))
    withheld = {b.species for b in opened(made, 0)[1]}
    named = next(b for b in made if b.species not in withheld)
    one = next(b for b in made if b.species in withheld)
    made[made.index(one)] = Labelled(named.sequence, one.genus, one.species)
    figure = barcode_figures([made], seed=0, rounds=1)["unknown identical to a named species"]
    assert figure.value == pytest.approx(100 / figure.n)


@pytest.mark.skipif(not shutil.which("vsearch"), reason="vsearch is not installed")
def test_vsearch_finds_the_same():
    references, queries = closed(barcodes(np.random.default_rng(1)), 0)
    ours, theirs = our_answers(references, queries), vsearch_answers(references, queries)
    kinds = np.array([r.species for r in references])
    assert (kinds[ours.reference] == kinds[theirs.reference]).all()


def test_the_splits_are_those_of_the_yardstick(shared):
    path = shared.parent / "bench" / "barcodes.py"
    if not path.is_file():
        pytest.skip("the yardstick is not beside this checkout")
    spec = importlib.util.spec_from_file_location("yardstick", path)
    yardstick = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(yardstick)
    rows = yardstick.named(list(yardstick.sources()["coi"]()))
    mine = unique([Labelled(s, n[4], n[5]) for _, s, n in rows])
    theirs = yardstick.unique(rows)
    for kind, split in (("closed", closed), ("open", opened)):
        for ours, given in zip(split(mine, 1), yardstick.make(theirs, kind, 1), strict=True):
            assert [(b.sequence, b.species) for b in ours] == [(s, n[5]) for _, s, n in given]


def test_real_barcodes_are_as_hard_as_published(shared):
    table = shared / "dna" / "coi_reference" / "coi_reference.tsv"
    if not (table.is_file() or table.with_suffix(".tsv.gz").is_file()):
        pytest.skip("the real barcodes are not beside this checkout")
    spec = importlib.util.spec_from_file_location("y", shared.parent / "bench" / "barcodes.py")
    yardstick = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(yardstick)
    rows = yardstick.named(list(yardstick.sources()["coi"]()))
    figures = barcode_figures([[Labelled(s, n[4], n[5]) for _, s, n in rows]], 0, vsearch=False)
    assert 93 <= figures["species of the known"].value <= 97
    assert 83 <= figures["genus of the unknown"].value <= 92
    assert 1.5 <= figures["unknown identical to a named species"].value <= 5


def test_intervals_hold_the_value_and_groups_widen_them():
    right = np.arange(400) % 4 > 0
    wilson = share_figure(right, "%")
    assert wilson.value == 75
    assert (wilson.low, wilson.high) == pytest.approx((70.5, 79.0), abs=0.1)
    together = share_figure(np.repeat(right[:40], 10), "%", np.repeat(np.arange(40), 10))
    assert together.low < wilson.low < wilson.high < together.high
    assert mean_figure(np.ones(4), "", np.arange(4)).low == 1


def test_the_nearest_picture_is_another_specimen_s():
    features = np.eye(6, dtype=np.float32)
    features[1] = features[0]  # the same specimen, and the same picture
    features[2] = features[0] * 0.9 + features[5] * np.sqrt(1 - 0.81)
    figures = image_neighbours(
        features,
        species=np.array([0, 0, 0, 1, 1, 2]),
        genus=np.array([0, 0, 0, 1, 1, 2]),
        family=np.array([0, 0, 0, 1, 1, 1]),
        specimen=np.array([0, 0, 1, 2, 3, 4]),
    )
    # Asked are those of species 0 and 1; 3 and 4 are like nothing and are answered with the first.
    assert figures["species"].n == 5
    assert figures["species"].value == 60


def test_overlap_of_masks():
    a = np.zeros((4, 4), bool)
    a[:2] = True
    pairs = [(a, a), (a, ~a), (a, np.ones_like(a)), (~a & a, a & ~a)]
    assert [overlap(found, true) for found, true in pairs] == [1, 0, 0.5, 1]


def test_the_bench_runs_on_a_small_world():
    settings = {"species": "30", "specimens": "150", "pictures": "8"}
    result = measure("world", settings)
    assert {"species of the known", "place and month", "mask by Otsu"} <= set(result.figures)
    assert result.seed == 0
    figures = dict(result.figures)
    speed = figures.pop("a thousand pictures")  # One time, and so without an interval.
    assert speed["value"] > 0
    assert speed["low"] is speed["high"] is None
    for figure in figures.values():
        assert figure["low"] <= figure["value"] <= figure["high"]
