"""A picture against barcodes: what a library of barcodes learns of pictures, and how it answers."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.identify.aligned import RANKS, aligned_model, world, write  # noqa: E402

from merian.cli import main  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.formats import Options  # noqa: E402
from merian.identify import (  # noqa: E402
    PARTS,
    PICTURE_PARTS,
    Choice,
    Identifier,
    consensus,
    learned,
    learning_across,
)
from merian.identify.answers import read_answers  # noqa: E402
from merian.identify.ladder import ladder_of  # noqa: E402
from merian.identify.learning_across import answers_pictures, learn_across  # noqa: E402
from merian.identify.learning_pictures import open_learnt_pictures  # noqa: E402
from merian.identify.picture_evidence import PictureEvidence  # noqa: E402
from merian.identify.record_panel import RecordPanel  # noqa: E402
from merian.learn.saved import load_model  # noqa: E402
from merian.library import Library, Settings, add_to_library, build_library  # noqa: E402
from merian.library.index import write_index  # noqa: E402
from merian.library.neighbours import finder_of  # noqa: E402
from merian.library.vectors import raw_vectors  # noqa: E402
from merian.library.witnesses import open_witnesses  # noqa: E402

WORLD = world(24, 3, 3, 3)
FAMILIES = sorted({one.names[1] for one in WORLD})
KNOWN = [  # four families are lacking, of all others the last genus, of each genus the last species
    one for one in WORLD
    if one.names[1] in FAMILIES[:-4] and not one.names[2].endswith("cus")
    and not one.names[3].endswith("scus")
]  # fmt: skip
REFERENCES = [one for one in KNOWN if not one.id.endswith("2")]
ASKED = [one for one in WORLD if one.id.endswith("2")]


def told(folder: Path) -> list[str]:
    return ["--map", "file=accessURI", "--images", str(folder / "images")]


def build(table: Path, out: Path, model: Path, *more: str) -> int:
    return main(["library", "build", str(table), "-o", str(out), "--encoder", str(model),
                 "--processes", "1", "-q", *more])  # fmt: skip


QUICK = (write_index, learned.let_speak, learn_across)


def quick(table: Path, out: Path, model: Path, **options: object) -> Library:
    """A library that has learnt nothing of barcodes, which takes long."""
    given = Settings(encoder=str(model), processes=1, options=Options(**options))
    return build_library([table], out, settings=given, parts=QUICK).library


@pytest.fixture(scope="module", autouse=True)
def few_pairs():
    """What a consensus is learnt on takes longer than all else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consensus, "_PAIRS", 1_000)
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return aligned_model(tmp_path_factory.mktemp("model") / "both")


@pytest.fixture(scope="module")
def place(tmp_path_factory, model) -> Path:
    """A library of barcodes that was given the pictures of its references; and what is asked."""
    folder = tmp_path_factory.mktemp("across")
    table = write(folder / "known", "references", REFERENCES)
    write(folder / "asked", "asked", ASKED, named=False)
    rows = [{"id": f"images/{one.id}.png", **dict(zip(RANKS, one.names, strict=True))}
            for one in ASKED]  # fmt: skip
    with (folder / "truth.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    assert build(table, folder / "codes", model, *told(folder / "known")) == 0
    shutil.move(folder / "known", folder / "kept")  # an answer needs no picture of a reference
    return folder


def identify(place: Path, out: Path, *more: str, library: Path | None = None) -> int:
    return main(["identify", str(place / "asked" / "images"), "--library",
                 str(library or place / "codes"), "-o", str(out), *more])  # fmt: skip


@pytest.fixture(scope="module")
def answered(place, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("answers") / "a.tsv"
    assert identify(place, out, "--processes", "1", "-q") == 0
    return out


# -- what is learnt -------------------------------------------------------------------------------


def test_the_towers_share_a_space(model):
    some = REFERENCES[::9]
    image, barcode = (load_model(model, "cpu", "float32", modality=m) for m in ("image", "barcode"))
    assert image.space == barcode.space and image.id != barcode.id
    cosines = image.encode([s.pixels for s in some]) @ barcode.encode([s.barcode for s in some]).T
    assert np.mean(cosines.argmax(axis=1) == np.arange(len(some))) > 0.8


def test_a_library_holds_barcodes_and_remembers_what_pictures_showed(place, capsys):
    library = Library.open(place / "codes")
    assert library.kind == "barcode"
    assert library.header["encoder"]["modalities"] == ["image", "barcode"]
    said = library.header["across"]
    assert said["answers"] and said["witnesses"] == said["asked"] == len(REFERENCES)
    assert answers_pictures(library)
    witnesses = open_witnesses(library)
    assert sorted(witnesses.id) == sorted(one.id for one in REFERENCES)
    card = json.loads((library.edition_folder / "picture.json").read_text())
    losses = card["loss_on_other_genera"]
    assert losses[card["likeness"]] == min(losses.values())
    assert main(["library", "info", str(place / "codes")]) == 0
    assert "answers pictures" in capsys.readouterr().out


def test_a_witness_stands_where_its_barcode_does(place):
    library = Library.open(place / "codes")
    ladder = ladder_of(library)
    witnesses = open_witnesses(library)
    placed = learning_across._placed(library, ladder, witnesses)
    names = {one.id: one.names for one in REFERENCES}
    for key, rung, who in zip(witnesses.id, placed.rung, placed.individual, strict=True):
        assert library.taxonomy.name_of(int(ladder.node[rung])) == names[key][-1]
        own = np.flatnonzero(placed.of_entry == who)
        ids = {reference.id for entry in own for reference in library.records_of(entry)}
        assert ids <= {key}
    # An entry that two specimens have is not taken away with one of them.
    several = np.flatnonzero(library.multiplicity > 1)
    assert not np.isin(placed.of_entry[several], placed.individual).any()


def test_pictures_are_never_asked_of_the_barcode_of_their_own_specimen(place):
    """Were it so, the nearest of a species with one barcode alone would be its own."""
    simulated = open_learnt_pictures(Library.open(place / "codes")).simulated
    assert np.bincount(simulated.stratum)[:3].tolist() == [len(REFERENCES)] * 3
    last = simulated.true.shape[1] - 1
    assert (simulated.true[simulated.stratum == 0, last] >= 0).all()
    assert (simulated.true[simulated.stratum == 1, last] == -2).all()


# -- answers --------------------------------------------------------------------------------------


def test_a_folder_of_pictures_is_named_by_barcodes(place, answered):
    rows = {row["id"]: row for row in read_answers(answered)}
    assert len(rows) == len(ASKED)
    kinds = {(row["evidence"], row["library"]) for row in rows.values()}
    assert kinds == {("picture", "codes")}
    known = [one for one in ASKED if one in KNOWN]
    right = [rows[f"images/{one.id}.png"]["species"] == one.names[-1] for one in known]
    assert np.mean(right) > 0.8
    new = [row for one in ASKED if one.names[1] == FAMILIES[-1]
           for row in [rows[f"images/{one.id}.png"]]]  # fmt: skip
    assert np.mean(["not in this library" in row["verdict"] for row in new]) > 0.8


def test_the_promise_is_kept_on_species_that_the_library_lacks(place, answered, capsys):
    assert main(["promise", "check", str(place / "truth.csv"), "--answers", str(answered),
                 "--library", str(place / "codes"), "--json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["overall"]["error"] < 0.05
    rows = [*read_answers(answered)]
    stood = [row["rank"] for row in rows]
    assert stood.count("species") > len(ASKED) / 10 > stood.count("") / 2


def test_what_is_promised_is_said_for_pictures_by_themselves(answered):
    said = "\n".join(json.loads(Path(f"{answered}.merian.json").read_text())["promise"])
    assert "pictures by codes: promise: at most 5 %" in said
    assert "compared with barcodes" in said


def test_answers_do_not_hang_on_batch_or_processes(place, answered, tmp_path):
    assert identify(place, tmp_path / "a.tsv", "--processes", "2", "-q") == 0
    assert (tmp_path / "a.tsv").read_bytes() == answered.read_bytes()
    panel = RecordPanel({"codes": Library.open(place / "codes")}, Choice())
    images = sorted((place / "asked" / "images").iterdir())[:9]
    asked = [
        json.dumps({"barcodes": [], "pictures": [[str(path), None, None, "", path.stem]]})
        for path in images
    ]
    together = panel.answers(asked)
    assert [panel.answers([one])[0] for one in asked] == together


def test_a_record_of_both_gets_a_consensus_by_one_library(place, tmp_path):
    out = tmp_path / "b.tsv"
    few = [one for one in ASKED if one in KNOWN][::12]
    table = write(tmp_path / "few", "few", few, named=False)
    page = tmp_path / "page.html"
    words = ["identify", str(table), "--library", str(place / "codes"), "-o", str(out), "-q"]
    more = ["--processes", "1", "--report", str(page), *told(tmp_path / "few")]
    assert main([*words, *more]) == 0
    assert "pictures by codes" in page.read_text(encoding="utf-8")
    rows = {row["id"]: row for row in read_answers(out)}
    assert {row["evidence"] for row in rows.values()} == {"consensus"}
    assert {row["library"] for row in rows.values()} == {"codes"}
    assert np.mean([rows[one.id]["species"] == one.names[-1] for one in few]) > 0.8
    parts = [*read_answers(out.with_suffix(".evidence.tsv"))]
    assert {(row["evidence"], row["library"]) for row in parts} == {
        ("picture", "codes"), ("barcode", "codes")
    }  # fmt: skip


def test_barcodes_alone_are_asked_as_of_any_library(place, tmp_path, capsys):
    query = tmp_path / "q.fasta"
    query.write_text("".join(f">{one.id}\n{one.barcode}\n" for one in ASKED[:5]))
    assert main(["identify", str(query), "--library", str(place / "codes"), "-o",
                 str(tmp_path / "q.tsv"), "--processes", "1"]) == 0  # fmt: skip
    assert "pictures" not in capsys.readouterr().out
    assert not (tmp_path / "q.evidence.tsv").exists()


# -- growing --------------------------------------------------------------------------------------


def test_an_addition_brings_witnesses_of_its_own(place, model, tmp_path):
    known = {"mapping": {"file": "accessURI"}, "images": place / "kept" / "images"}
    before = quick(place / "kept" / "references.csv", tmp_path / "codes", model, **known)
    more = [one for one in WORLD if one.names[1] == FAMILIES[-1] and not one.id.endswith("2")]
    table = write(tmp_path / "more", "more", more)
    new = Options(mapping={"file": "accessURI"}, images=tmp_path / "more" / "images")
    given = Settings(processes=1, options=new)
    asked = [one for one in WORLD if one.names[1] == FAMILIES[-1] and one.id.endswith("2")]
    assert not any(named(before, asked))
    grown = add_to_library(tmp_path / "codes", [table], settings=given, parts=QUICK).library
    assert grown.hash != before.hash
    assert len(open_witnesses(grown)) == len(REFERENCES) + len(more)
    assert grown.header["across"]["genera"] == before.header["across"]["genera"] + 3
    assert np.mean(named(grown, asked)) > 0.8


def named(library, some):
    """Whether the family that is found for pictures is theirs."""
    evidence = PictureEvidence(library)
    queries = evidence.queries(raw_vectors(evidence.eye, [one.pixels for one in some]))
    answers = Identifier(library, Choice(), evidence).identify(queries)
    return [
        answer.names.get("family") == one.names[1]
        for answer, one in zip(answers, some, strict=True)
    ]


def test_where_there_is_a_library_of_pictures_they_are_asked_of_that(place, model, tmp_path):
    table = write(tmp_path / "looks", "looks", REFERENCES[:12])
    options = Options(mapping={"file": "accessURI"}, images=tmp_path / "looks" / "images")
    given = Settings(encoder=str(model), pictures=True, processes=1, options=options)
    looks = build_library([table], tmp_path / "lib", settings=given, parts=PICTURE_PARTS).library
    codes = Library.open(place / "codes")
    both = RecordPanel({"codes": codes, "looks": looks}, Choice())
    assert [*both.identifiers] == ["codes", "looks"]
    assert [*RecordPanel({"codes": codes}, Choice()).identifiers] == ["codes", "pictures by codes"]


# -- what is refused ------------------------------------------------------------------------------


def test_without_witnesses_pictures_are_refused(place, model, tmp_path, capsys):
    table = write(tmp_path / "bare", "bare", REFERENCES[:20], blank=("picture",))
    library = quick(table, tmp_path / "codes", model)
    assert open_witnesses(library) is None
    with pytest.raises(InputError, match="none was given of named records"):
        PictureEvidence(library)
    assert identify(place, tmp_path / "a.tsv", library=tmp_path / "codes") == 2
    said = capsys.readouterr().err
    assert "none was given of named records" in said and "build it anew" in said
    assert not (tmp_path / "a.tsv").exists()


def test_too_few_genera_promise_nothing(place, model, tmp_path, capsys):
    few = [one for one in REFERENCES if one.names[1] in FAMILIES[:3]]
    table = write(tmp_path / "few", "few", few)
    library = quick(table, tmp_path / "codes", model, mapping={"file": "accessURI"},
                    images=tmp_path / "few" / "images")  # fmt: skip
    assert not answers_pictures(library)
    assert identify(place, tmp_path / "a.tsv", library=tmp_path / "codes") == 2
    assert "6 genera are among them, and 40 are needed" in capsys.readouterr().err


def test_what_the_model_was_taught_is_not_asked(place, tmp_path):
    """And where that leaves too little, barcodes are named without its vectors."""
    taught = [one for one in REFERENCES if one.names[1] == REFERENCES[0].names[1]]
    names = {"genus": sorted({one.names[2] for one in taught}),
             "species": sorted({one.names[3] for one in taught})}  # fmt: skip
    model = aligned_model(tmp_path / "both", learned_names=names)
    table = write(tmp_path / "known", "references", REFERENCES)
    library = quick(table, tmp_path / "codes", model, mapping={"file": "accessURI"},
                    images=tmp_path / "known" / "images")  # fmt: skip
    assert library.header["across"]["genera"] == 38
    assert "38 genera that its encoder was not taught by name" in library.header["across"]["why"]
    assert not library.header["encoder"]["speaks"] and library.encoder is None
    assert finder_of(library).kinship is None
    bare = write(tmp_path / "few", "few", taught, blank=("picture",))
    few = build_library(
        [bare], tmp_path / "few-codes", settings=Settings(encoder=str(model)), parts=PARTS
    ).library
    assert "encoder" not in json.loads((few.edition_folder / "barcode.json").read_text())
    found = Identifier.open(few).identify([taught[0].barcode])
    assert found[0].names["species"] == taught[0].names[-1]


def test_a_model_that_does_not_tell_what_it_was_taught_is_not_trusted(model, tmp_path):
    card = json.loads((model / "card.json").read_text())
    del card["learned_names"]
    shutil.copytree(model, tmp_path / "both")
    (tmp_path / "both" / "card.json").write_text(json.dumps(card))
    table = write(tmp_path / "few", "few", REFERENCES[:12])
    library = quick(table, tmp_path / "codes", tmp_path / "both",
                    mapping={"file": "accessURI"}, images=tmp_path / "few" / "images")  # fmt: skip
    assert "does not tell which names" in library.header["across"]["why"]
    assert library.encoder is None


def test_an_encoder_without_a_tower_of_barcodes_is_refused(tmp_path, model):
    alone = f"{model}-image"
    table = write(tmp_path / "few", "few", REFERENCES[:3])
    with pytest.raises(InputError, match="it turns pictures into vectors"):
        build_library([table], tmp_path / "codes", settings=Settings(encoder=alone))


# -- other sources --------------------------------------------------------------------------------


def test_folders_of_named_pictures_and_catalogues_bring_witnesses(model, tmp_path):
    codes = tmp_path / "codes.fasta"
    codes.write_text("".join(
        f">{one.id};tax=k:Animalia,f:{one.names[1]},g:{one.names[2]},"
        f"s:{one.names[3].replace(' ', '_')};\n{one.barcode}\n" for one in REFERENCES[:30]
    ))  # fmt: skip
    write(tmp_path / "shots", "shots", REFERENCES[:24])
    for one in REFERENCES[:24]:  # a folder for each species
        folder = tmp_path / "classes" / one.names[3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "shots" / "images" / f"{one.id}.png", folder)
    given = Settings(encoder=str(model), processes=1)
    library = build_library(
        [codes, tmp_path / "classes"], tmp_path / "one", settings=given, parts=[write_index]
    ).library
    assert len(open_witnesses(library)) == 24
    ladder = ladder_of(library)
    placed = learning_across._placed(library, ladder, open_witnesses(library))
    assert (placed.rung >= 0).all()
    # They are called like the barcodes, so that each is of one specimen with its own.
    own = np.isin(placed.individual, placed.of_entry)
    ids = [Path(address).stem for address in open_witnesses(library).address]
    entry = {r.id: e for e in range(len(library)) for r in library.records_of(e)}
    assert own.tolist() == [int(library.multiplicity[entry[key]]) == 1 for key in ids]
    table = write(tmp_path / "both", "both", REFERENCES[:24])
    assert main(["import", str(table), "--into", str(tmp_path / "catalogue"),
                 *told(tmp_path / "both")]) == 0  # fmt: skip
    other = build_library(
        [tmp_path / "catalogue"], tmp_path / "two", settings=given, parts=[write_index]
    ).library
    assert sorted(open_witnesses(other).id) == sorted(one.id for one in REFERENCES[:24])
