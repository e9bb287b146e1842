"""A library with an encoder: its vectors are kept, added to, and one more evidence."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.identify.biota import biota, drifted

from merian.cli import main
from merian.errors import FormatError, InputError, NotFoundError
from merian.identify import PARTS, Identifier, novelty
from merian.identify.barcode import OF_KIN, OF_ROOT_KIN, describe
from merian.identify.ladder import ladder_of
from merian.identify.learned import learned_of
from merian.identify.learning import open_learnt, usual_weights
from merian.identify.novelty import simulate
from merian.library import Library, Settings, add_to_library, build_library
from merian.library.index import write_index
from merian.library.neighbours import find, finder_of
from merian.library.vectors import Kinship
from merian.nucleotides import reverse_complement

torch = pytest.importorskip("torch")

from merian.barcode.spectrum import BarcodeSpectrum, SpectrumConfig  # noqa: E402
from merian.learn.encoding import EncoderAlone  # noqa: E402
from merian.learn.learned_names import learned_names  # noqa: E402
from merian.learn.saved import save_model  # noqa: E402

BIOTA = biota(4, 3, 2, 2)


def written(folder: Path, records, name: str = "reference.fasta") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(record.as_fasta() for record in records))
    return path


def silent(*_: object) -> None:
    pass


def small_model(folder: Path, seed: int = 0, **card: object) -> Path:
    """An encoder of words of four bases."""
    torch.manual_seed(seed)
    network = BarcodeSpectrum(SpectrumConfig(width=16, patterns="1111"))
    told = {"name": "small", "preprocessing": {"k": 1, "stride": None, "bases": 600}, **card}
    save_model(folder, EncoderAlone(network, "encoder"), told)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Library:
    """A library with a spectrum that is fitted to it."""
    folder = tmp_path_factory.mktemp("built")
    path = written(folder, BIOTA)
    words = ["library", "build", str(path), "--out", str(folder / "lib")]
    assert main([*words, "--encoder", "barcode-spectrum", "-q"]) == 0
    return Library.open(folder / "lib")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Library:
    folder = tmp_path_factory.mktemp("plain")
    return build_library([written(folder, BIOTA)], folder / "lib", parts=PARTS).library


def test_a_library_says_what_its_encoder_is(built, plain, capsys):
    told = built.header["encoder"]
    assert told["name"] == "barcode-spectrum"
    assert told["fitted"]
    assert (built.folder / "encoder" / "weights.safetensors").is_file()
    assert main(["library", "info", str(built.folder)]) == 0
    assert f"barcode-spectrum ({told['id']})" in capsys.readouterr().out
    card = json.loads((built.edition_folder / "barcode.json").read_text())
    assert card["encoder"] == {"id": told["id"], "name": "barcode-spectrum"}
    # Without one nothing of it is there, and the library is another one.
    assert "encoder" not in plain.header
    assert not [*plain.folder.rglob("vectors*")]
    assert not (plain.folder / "encoder").exists()
    assert plain.hash != built.hash


def test_without_an_encoder_all_numbers_are_as_they_were(built, plain):
    """The new numbers stand last, and usually weigh nothing."""
    query = drifted(random.Random(3), BIOTA[0].sequence, 0.05)
    near = find(finder_of(built), query)[0]
    clades = open_learnt(plain, ladder_of(plain)).clades
    with_kin, without = (describe(each, 1, clades) for each in (near, replace(near, kin=None)))
    for ours, theirs in zip(with_kin.features[:-1], without.features[:-1], strict=True):
        assert (ours[:, :-OF_KIN] == theirs).all()
    assert (with_kin.features[-1][:, :-OF_ROOT_KIN] == without.features[-1]).all()
    ranks = ladder_of(plain).ranks
    for ours, theirs in zip(usual_weights(ranks, kin=True), usual_weights(ranks), strict=True):
        assert (ours[: len(theirs)] == theirs).all()
        assert not ours[len(theirs) :].any()
    assert find(finder_of(plain), query)[0].kin is None


def test_cosines_are_exact_whatever_the_batch(built):
    """Whole numbers as the oracle: so no batch, thread or library of algebra can change a bit."""
    kinship = Kinship.open(built)
    texts = [record.sequence for record in BIOTA[:21]]
    texts[3] = texts[3][:200]
    whole = kinship.encode(texts).astype(np.int64)
    exact = whole @ np.concatenate(kinship.vectors).astype(np.int64).T
    wanted = np.clip(exact.astype(np.float32) / np.float32(4000 * 4000), -1, 1)
    together = np.stack([*kinship.of(texts)])
    assert (together[:, 0] == wanted).all()
    for number, text in enumerate(texts[:4]):
        assert (next(kinship.of([text])) == together[number]).all()
    assert together[0, 0, 0] == pytest.approx(1, abs=1e-3)
    assert kinship.to(texts[:2], [5, 0]) == [wanted[0, 5], wanted[1, 0]]


def test_kin_is_of_the_strand_that_fits(built):
    text = BIOTA[0].sequence
    here, there = (find(finder_of(built), query)[0] for query in (text, reverse_complement(text)))
    assert (here.entry == there.entry).all()
    turned = here.reverse != there.reverse  # of the rest neither strand fits better
    assert turned[here.mismatches < 0.3 * here.overlap].all()
    assert (here.kin == there.kin)[turned].all()
    assert here.kin.max() > 0.99
    # A mitochondrial genome is cut to the barcode before it is embedded.
    around = drifted(random.Random(1), text * 6, 1.0)
    within = find(finder_of(built), around[:1500] + text + around[1500:])[0]
    assert within.kin.max() > 0.9


def test_vectors_find_what_shares_no_word(built, monkeypatch):
    """Candidates are those of the index and those nearest by vector, within what is left."""
    from merian.library import neighbours

    text, finder = BIOTA[0].sequence, finder_of(built)
    every = find(finder, text)[0].entry
    monkeypatch.setattr(neighbours, "CANDIDATES", 2)
    (few,) = find(finder, text, [(None, 0)])
    assert 0 not in few.entry
    assert 2 <= len(few.entry) <= 4
    assert set(few.entry) <= set(every)
    assert len(set(finder.species[few.entry])) == len(few.entry)


def test_explain_and_identify_say_that_the_encoder_speaks(built, plain, capsys, tmp_path):
    text = BIOTA[0].sequence
    for library, there in ((built, True), (plain, False)):
        words = ["explain", "--library", str(library.folder), "--sequence", text, "-q"]
        assert main(words) == 0
        assert ("cosine" in capsys.readouterr().out) is there
        assert main([*words, "--json"]) == 0
        first = json.loads(capsys.readouterr().out)["references"][0]
        assert (first.get("cosine", 0) > 0.99) is there
        lines = Identifier.open(library).promised()
        assert ("barcode-spectrum" in lines[-1]) is there


def test_answers_do_not_hang_on_batch_or_processes(built, tmp_path):
    chance = random.Random(2)
    texts = [drifted(chance, record.sequence, 0.06) for record in BIOTA[::5]]
    identifier = Identifier.open(built)
    together = identifier.identify(texts)
    assert [identifier.identify([text])[0] for text in texts] == together
    query = tmp_path / "q.fasta"
    query.write_text("".join(f">q{n}\n{text}\n" for n, text in enumerate(texts * 60)))
    for count in ("1", "2"):
        words = ["identify", str(query), "--library", str(built.folder), "--processes", count]
        assert main([*words, "-o", str(tmp_path / f"{count}.tsv"), "-q"]) == 0
    assert (tmp_path / "1.tsv").read_bytes() == (tmp_path / "2.tsv").read_bytes()


def test_the_same_references_give_the_same_bytes(tmp_path, model):
    path = written(tmp_path, BIOTA[:12])
    files = []
    for name in ("one", "two"):
        build_library([path], tmp_path / name, settings=Settings(encoder=str(model)), parts=PARTS)
        found = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        files.append({str(f.relative_to(tmp_path / name)): f.read_bytes() for f in found})
    assert files[0] == files[1]
    assert any("vectors" in name for name in files[0])


def test_an_addition_embeds_what_is_new_alone(built, tmp_path, model, plain):
    place = tmp_path / "lib"
    shutil.copytree(built.folder, place)  # a library can be copied
    shutil.copytree(place, tmp_path / "before")
    more = written(tmp_path, biota(2, 2, 2, 1, seed=77), "more.fasta")
    add_to_library(
        place, [more], settings=Settings(encoder="barcode-spectrum"), parts=[write_index]
    )
    grown = Library.open(place)
    assert grown.header["encoder"] == built.header["encoder"]
    assert grown.hash != built.hash
    old, new = Kinship.open(grown).vectors
    assert (old == Kinship.open(built).vectors[0]).all()
    texts = grown.sequences(len(built))
    assert (new == Kinship.open(built).encode(texts)).all()
    # Another encoder is refused, before anything is done.
    again = written(tmp_path, biota(1, 1, 1, 1, seed=78), "again.fasta")
    for folder, given, why in (
        (place, model, "its vectors are those of barcode-spectrum"),
        (plain.folder, "barcode-spectrum", "was built without an encoder"),
    ):
        with pytest.raises(InputError, match=why):
            add_to_library(folder, [again], settings=Settings(encoder=str(given)), parts=PARTS)


def test_what_is_killed_leaves_nothing(built, tmp_path, model):
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    path = written(tmp_path, BIOTA[:8])
    with pytest.raises(KeyboardInterrupt):
        build_library(
            [path], tmp_path / "lib", settings=Settings(encoder=str(model)), parts=[broken]
        )
    assert [file.name for file in tmp_path.iterdir()] == ["reference.fasta"]
    place = tmp_path / "grown"
    shutil.copytree(built.folder, place)
    before = sorted(place.rglob("*"))
    with pytest.raises(KeyboardInterrupt):
        add_to_library(place, [written(tmp_path, biota(1, 1, 1, 1, seed=9), "x.fasta")],
                       parts=[broken])  # fmt: skip
    assert sorted(place.rglob("*")) == before


def test_encoders_that_do_not_fit_are_refused(tmp_path, built):
    path = written(tmp_path, BIOTA[:8])
    for given, error, why in (
        ("efficientnet-lite0", InputError, "it turns pictures into vectors"),
        ("no-such-encoder", NotFoundError, "no folder of a model or of a run"),
        ("barcode-bert", InputError, "ships no weights"),
    ):
        with pytest.raises(error, match=why):
            build_library([path], tmp_path / "lib", settings=Settings(encoder=given))
    place = tmp_path / "copy"
    shutil.copytree(built.folder, place)
    shutil.copytree(small_model(tmp_path / "m", 4), place / "encoder", dirs_exist_ok=True)
    more = written(tmp_path, biota(1, 1, 1, 1, seed=9), "more.fasta")
    with pytest.raises(InputError, match="the library was embedded by"):
        add_to_library(place, [more], parts=PARTS)
    file = next((place / "segments").rglob("vectors*"))
    shutil.copyfile(place / "encoder" / "centre.safetensors", file)
    with pytest.raises((FormatError, KeyError)):
        finder_of(Library.open(place))


# -- what an encoder learned by name --------------------------------------------------------------


def test_a_card_tells_the_names_that_were_learned():
    labels = {"ranks": ["genus", "species"], "names": [["Aus"], ["Aus bus", "Aus ata"]]}
    named = {"objective": {"heads": {"labels": labels, "options": {"frozen": False}}}}
    assert learned_names(named) == {"genus": ["Aus"], "species": ["Aus ata", "Aus bus"]}
    named["objective"]["heads"]["options"]["frozen"] = True
    assert learned_names(named) == {}
    aim = {"objective": {"heads": {"auxiliary": {"labels": {"ranks": ["genus"],
                                                            "names": [["Bus"]]}}}}}  # fmt: skip
    assert learned_names(aim) == {"genus": ["Bus"]}
    assert learned_names({"data": {"learned_names": {"genus": ["Cus"]}}}) == {"genus": ["Cus"]}
    assert learned_names({"objective": {"heads": {"mask": 1}}}) == {}


def test_what_was_learned_by_name_is_not_asked(tmp_path, monkeypatch):
    taught = {r.species.replace(" ", "_") for r in BIOTA if r.family in ("Faidae", "Fbidae")}
    names = {"genus": sorted({s.split("_")[0] for s in taught}), "species": sorted(taught)}
    given = Settings(encoder=str(small_model(tmp_path / "m", learned_names=names)))
    path = written(tmp_path, BIOTA)
    with pytest.raises(InputError, match=r"6 genera are left .* barcode-spectrum"):
        build_library([path], tmp_path / "lib", settings=given, parts=PARTS)
    assert not (tmp_path / "lib").exists()
    library = build_library([path], tmp_path / "lib", settings=given, parts=[write_index]).library
    ladder = ladder_of(library)
    learned = learned_of(library, ladder)
    monkeypatch.setattr(novelty, "_SHOWN", 6)
    episodes = simulate(library, ladder, silent)
    asked = {library.name_of(int(entry)) for entry in episodes.own}
    assert asked == {r.species for r in BIOTA if r.family in ("Fcidae", "Fdidae")}
    taken = {library.name_of(int(entry)) for entry in np.flatnonzero(learned.entries)}
    assert {name.replace(" ", "_") for name in taken} == taught
    genus = ladder.ranks.index("genus")
    assert not learned.rungs[ladder.path[~learned.entries, genus]].any()


def test_genera_that_were_learned_count_for_all_their_records(tmp_path):
    """Of an encoder that learned genera it is not known which species it saw."""
    given = small_model(tmp_path / "m", learned_names={"genus": ["Gaaus"]})
    library = build_library(
        [written(tmp_path, BIOTA)], tmp_path / "lib", settings=Settings(encoder=str(given))
    ).library
    learned = learned_of(library, ladder_of(library))
    found = {library.name_of(int(e)).split()[0] for e in np.flatnonzero(learned.entries)}
    assert found == {"Gaaus"}


def test_a_record_that_stands_for_another_is_less_near_to_itself(tmp_path):
    records = biota(2, 3, 3, 1)
    library = build_library(
        [written(tmp_path, records)],
        tmp_path / "lib",
        settings=Settings(encoder="barcode-spectrum"),
        parts=[write_index],
    ).library
    episodes = simulate(library, ladder_of(library), silent)
    near = episodes.neighbours
    assumed = episodes.assumed[near.query] & (near.entry == episodes.own[near.query])
    whole = assumed & ~episodes.piece[near.query]
    apart = near.mismatches[whole] > 0
    assert 0 < apart.sum() < len(apart)
    assert near.kin[whole][~apart] == pytest.approx(1, abs=1e-3)
    assert (near.kin[whole][apart] < 1).all()
    assert near.kin[whole][apart].min() > 0.5
    far = np.argmax(near.mismatches[whole])
    assert near.kin[whole][far] < near.kin[whole][apart].mean()
