"""A whole world: its folder, what can be read of it, and that it is the same each time."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue
from merian.cli import main
from merian.errors import InputError
from merian.files import content_hash
from merian.formats import read_path
from merian.nucleotides import reverse_complement
from merian.taxonomy import Taxonomy, read_checklist, save_taxonomy
from merian.world import Settings, make_world

SMALL = Settings(species=40, specimens=80, seed=3, size=64, trays=1, quadrats=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "world"
    make_world(folder, SMALL)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_it_has_what_a_campaign_leaves(world: Path) -> None:
    assert {path.name for path in world.iterdir()} == {
        "specimens.csv", "images", "trays", "quadrats", "checklist", "environment", "accounts",
        "truth", "world.json",
    }  # fmt: skip
    told = json.loads((world / "world.json").read_text())
    assert told["merian"]["format"] == "merian-world"
    assert told["counts"]["specimens"] == 80
    assert [p.name for p in world.parent.iterdir()] == ["world"]


def test_the_tables_speak_of_the_same_records(world: Path) -> None:
    specimens, truth = rows(world / "specimens.csv"), rows(world / "truth" / "specimens.csv")
    assert [s["processid"] for s in specimens] == [t["processid"] for t in truth]
    species = {row["species"]: row for row in rows(world / "truth" / "species.csv")}
    assert len(species) == 40
    for seen, true in zip(specimens, truth, strict=True):
        assert species[true["species"]]["withheld"] == true["withheld"]
        assert seen["taxon"] == true["label"]
        if true["mislabelled"] == "0" and seen["species"] and not true["label_fault"]:
            assert seen["species"] == true["species"]
        assert (seen["dna_barcode"] == "") == (true["missing_barcode"] == "1")
        with Image.open(world / "images" / f"{seen['processid']}.jpg") as picture:
            assert picture.size == (64, 64)
        with Image.open(world / "truth" / "masks" / f"{seen['processid']}.png") as mask:
            pixels = int(np.asarray(mask).sum())
        assert pixels == int(true["organism_px"])
        assert (pixels == 0) == (true["state"] == "empty")
        assert float(seen["px_per_mm"]) == pytest.approx(float(true["px_per_mm"]), rel=1e-3)


def told_to_users(world: Path, hidden: list[str]) -> list[tuple[str, str]]:
    """Return which of the names stand where in what users read."""
    return [
        (name, path.name)
        for path in world.rglob("*")
        if path.suffix in (".csv", ".json", ".tsv", ".yaml") and "truth" not in path.parts
        for name in hidden
        if name in path.read_text(encoding="utf-8")
    ]


def test_nothing_that_users_read_tells_the_truth(world: Path, tmp_path: Path) -> None:
    species = rows(world / "truth" / "species.csv")
    hidden = [r["species"] for r in species if r["withheld"] != "none"]
    assert hidden
    assert not told_to_users(world, hidden)
    for path in [
        *world.glob("images/*"),
        *world.glob("trays/*.jpg"),
        *world.glob("quadrats/*.jpg"),
    ]:
        with Image.open(path) as picture:
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}

    large = Settings(species=300, specimens=600, trays=0, quadrats=0, pictures=False)
    make_world(tmp_path / "large", large)
    species = rows(tmp_path / "large" / "truth" / "species.csv")
    families = sorted({r["family"] for r in species if r["withheld"] == "family"})
    described = {r["genus"] for r in species if r["withheld"] in ("none", "species")}
    genera = sorted({r["genus"] for r in species} - described)
    assert families
    assert genera
    hidden = [r["species"] for r in species if r["withheld"] != "none"]
    assert not told_to_users(tmp_path / "large", hidden + genera + families)


def test_second_entries_agree_and_numbers_tell_nothing(tmp_path: Path) -> None:
    settings = Settings(species=200, specimens=2000, seed=6, level=3, trays=0, quadrats=0,
                        pictures=False)  # fmt: skip
    make_world(tmp_path / "w", settings)
    truth = rows(tmp_path / "w" / "truth" / "specimens.csv")
    seen = {row["processid"]: row for row in rows(tmp_path / "w" / "specimens.csv")}
    copies = [row for row in truth if row["copy_of"]]
    assert len(copies) > 20
    for row in copies:
        first, second = seen[row["copy_of"]], seen[row["processid"]]
        # What is tubed, placed and dated once reads the same in both; its splits and own numbers
        # are those of the records.
        differ = {name for name in first if first[name] != second[name]}
        assert differ <= {"processid", "sampleid", "split", "index_bioscan_1M_insect", "chunk"}

    bins = {row["processid"]: seen[row["processid"]]["dna_bin"] for row in truth}
    of_bin = {int(bins[r["processid"]][-4:]): r["family"] for r in truth if bins[r["processid"]]}
    family = [of_bin[number] for number in sorted(of_bin)]
    beside = np.mean([one == other for one, other in zip(family[1:], family[:-1], strict=True)])
    shuffled = np.random.default_rng(0).permutation(family)
    chance = np.mean(shuffled[1:] == shuffled[:-1])
    assert beside < chance + 0.1

    names = [row.split("\t")[0] for row in (tmp_path / "w/checklist/NameUsage.tsv").read_text()
             .splitlines()[1:]]  # fmt: skip
    accepted = [name for name in names if not name.startswith("s-")]
    for rank in range(6):
        numbers = sorted(int(n.partition("-")[2]) for n in accepted if n[0] == str(rank))
        assert numbers == list(range(len(numbers)))


def test_relatives_are_more_alike_than_strangers(world: Path) -> None:
    """Barcodes belong to the species that the truth says, whatever stands on the label."""
    truth = [r for r in rows(world / "truth" / "specimens.csv") if r["slipped"] == "0"
             and r["missing_barcode"] == r["numt"] == "0" and not r["tube_of"]]  # fmt: skip
    read = {r["processid"]: r["dna_barcode"] for r in rows(world / "specimens.csv")}

    def line(row: dict[str, str]) -> str:
        text = read[row["processid"]]
        text = reverse_complement(text) if row["reverse"] == "1" else text
        return "-" * int(row["start"]) + text + "-" * (658 - int(row["stop"]))

    def apart(one: str, two: str) -> float:
        pairs = [(a, b) for a, b in zip(one, two, strict=True) if a in "ACGT" and b in "ACGT"]
        return sum(a != b for a, b in pairs) / len(pairs) if len(pairs) > 100 else np.nan

    found: dict[str, list[float]] = {"species": [], "family": [], "phylum": []}
    for i, one in enumerate(truth):
        for two in truth[i + 1 :]:
            rank = next((r for r in found if one[r] == two[r]), None)
            if rank:
                found[rank].append(apart(line(one), line(two)))
    species, family, phylum = (np.nanmedian(values) for values in found.values())
    assert species < 0.02 < family < phylum


def test_it_is_imported_with_pictures_places_and_names(world: Path, tmp_path: Path) -> None:
    taxonomy, report = read_checklist(world / "checklist")
    save_taxonomy(taxonomy, tmp_path / "taxonomy", report)
    with Catalogue.create(tmp_path / "catalogue") as catalogue:
        summary = catalogue.ingest(read_path(world), taxonomy=Taxonomy.open(tmp_path / "taxonomy"))
        assert summary.rows_read == 80
        assert summary.rows_rejected == 0
        assert summary.values_rejected == 0
        assert summary.added["occurrence"] == 80
        assert summary.added["media"] == 80
        counted = catalogue.query(
            "SELECT count(pixelsPerMillimetre), count(captureDevice), count(accessURI) FROM media"
        )
        assert next(iter(counted)) == (80, 80, 80)
        dated = catalogue.query("SELECT count(eventDate) FROM event").value()
        assert int(str(dated)) > 10
        matched = catalogue.query("SELECT count(taxonID) FROM identification").value()
        assert int(str(matched)) > 60


def test_splits_do_not_leak_barcodes(tmp_path: Path) -> None:
    settings = Settings(species=60, specimens=1500, seed=1, trays=0, quadrats=0, pictures=False)
    counts = make_world(tmp_path / "world", settings)
    assert counts["pictures"] == 0
    specimens = rows(tmp_path / "world" / "specimens.csv")
    truth = rows(tmp_path / "world" / "truth" / "specimens.csv")
    whole: dict[str, set[str]] = {}
    for seen, true in zip(specimens, truth, strict=True):
        if true["start"] == "0" and true["stop"] == "658" and seen["split"] in ("train", "test"):
            whole.setdefault(seen["dna_barcode"], set()).add(seen["split"])
    assert len(whole) > 50
    assert all(len(splits) == 1 for splits in whole.values())
    shares = {s: sum(r["split"] == s for r in specimens) for s in ("train", "val", "test")}
    assert shares["train"] > shares["test"] > shares["val"] > 0
    unseen = {t["species"] for s, t in zip(specimens, truth, strict=True)
              if s["split"] == "test_unseen"}  # fmt: skip
    trained = {s["species"] for s in specimens if s["split"] == "train"}
    assert unseen
    assert not unseen & trained


def test_the_same_settings_make_the_same_bytes(world: Path, tmp_path: Path) -> None:
    make_world(tmp_path / "one", SMALL, processes=1)
    assert content_hash(tmp_path / "one") == content_hash(world)
    other = Settings(species=40, specimens=80, seed=4, size=64, trays=0, quadrats=0, pictures=False)
    make_world(tmp_path / "other", other)
    assert rows(tmp_path / "other" / "specimens.csv") != rows(world / "specimens.csv")


def test_real_barcodes_get_invented_bodies(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    reference = tmp_path / "reference.fasta"
    text, sequences = "", {}
    for family in range(3):
        for species in range(4):
            name = f"Genus{'abc'[family]} species{'abcd'[species]}"
            for copy in range(5):
                sequence = "".join(chance.choice(list("ACGT"), size=300))
                sequences.setdefault(name, set()).add(sequence)
                text += (
                    f">r{family}{species}{copy};tax=p:Arthropoda,c:Insecta,o:Diptera,"
                    f"f:Fam{'abc'[family]}idae,g:Genus{'abc'[family]},s:{name.replace(' ', '_')};\n"
                    f"{sequence}\n"
                )
    reference.write_text(text)
    settings = Settings(species=12, specimens=60, seed=0, size=64, trays=0, quadrats=0)
    counts = make_world(tmp_path / "world", settings, barcodes=reference)
    assert counts["species"] == 12
    truth = {r["processid"]: r for r in rows(tmp_path / "world" / "truth" / "specimens.csv")}
    for row in rows(tmp_path / "world" / "specimens.csv"):
        true = truth[row["processid"]]
        assert true["order"] == "Diptera"
        if row["dna_barcode"] and not true["tube_of"]:
            read = row["dna_barcode"]
            read = reverse_complement(read) if true["reverse"] == "1" else read
            assert read in sequences[true["species"]]
    with pytest.raises(InputError, match="species with a sequence and a name"):
        (tmp_path / "bare.fasta").write_text(">a\nACGTACGTAC\n")
        make_world(tmp_path / "no", settings, barcodes=tmp_path / "bare.fasta")
    assert not (tmp_path / "no").exists()


def reference_of(path: Path, names: list[str], above: str) -> Path:
    """Write a table of species with two barcodes each, of one family."""
    chance = np.random.default_rng(1)
    lines = ["processid\tphylum\tclass\torder\tfamily\tgenus\tspecies\tnucleotides"]
    for number, name in enumerate(names):
        for copy in "ab":
            sequence = "".join(chance.choice(list("ACGT"), size=200))
            lines.append(f"r{number}{copy}\t{above}\t{name.split()[0]}\t{name}\t{sequence}")
    path.write_text("\n".join(lines) + "\n")
    return path


NAMES = ["Ia io", "Ia minor", "Osmia bicornis", "Osmia rufa", "Apis mellifera", "Bombus fo"]


@pytest.mark.parametrize(
    ("above", "trays", "quadrats"),
    [
        ("Arthropoda\tInsecta\tHymenoptera\tApidae", 1, 0),
        ("Cnidaria\tAnthozoa\tScleractinia\tPoritidae", 0, 1),
    ],
)
def test_a_reference_may_lack_what_trays_or_quadrats_need(
    tmp_path: Path, above: str, trays: int, quadrats: int
) -> None:
    reference = reference_of(tmp_path / "reference.tsv", NAMES, above)
    settings = Settings(species=6, specimens=4, size=64, trays=1, quadrats=1)
    counts = make_world(tmp_path / "world", settings, barcodes=reference)
    assert (counts["trays"], counts["quadrats"]) == (trays, quadrats)
    made = [len(list((tmp_path / "world" / part).glob("*.jpg"))) for part in ("trays", "quadrats")]
    assert made == [trays, quadrats]


def test_real_names_are_written_with_real_slips(tmp_path: Path) -> None:
    """The shortest there are, too; and what is no name of a species is none here."""
    doubtful = ["Osmia cf. rufa", "Osmia sp. 3", "Osmia sp.", "Bombus"]
    above = "Arthropoda\tInsecta\tHymenoptera\tApidae"
    reference = reference_of(tmp_path / "reference.tsv", NAMES + doubtful, above)
    settings = Settings(20, 3000, level=3, labels="full", trays=0, quadrats=0, pictures=False)
    make_world(tmp_path / "world", settings, barcodes=reference)
    assert {row["species"] for row in rows(tmp_path / "world" / "truth" / "species.csv")} == {
        *NAMES
    }
    truth = rows(tmp_path / "world" / "truth" / "specimens.csv")
    slips = {row["label"] for row in truth if row["label_fault"] == "slip"}
    assert slips & {"Ia oi", "Bombus of"}
    for slip in slips:
        assert slip not in NAMES
        assert any(
            sorted(slip) == sorted(name) or len(slip) == len(name) - 1
            for name in NAMES
            if name.split()[0] == slip.split()[0]
        )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--species", "2"], "--species 2: expected a number from 6"),
        (["--level", "4"], "--level 4"),
        (["--labels", "none"], "expected one of museum, bioscan, full"),
        (["--barcodes", "nowhere.fasta"], "nowhere.fasta"),
    ],
)
def test_what_cannot_be_made_is_said(tmp_path, monkeypatch, capsys, words, told) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["world", "make", "w", *words]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_world_is_kept(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    few = [
        "--species",
        "20",
        "--specimens",
        "5",
        "--no-pictures",
        "--trays",
        "0",
        "--quadrats",
        "0",
    ]
    assert main(["world", "make", "thesis", *few, "--force"]) == 2
    assert "is no world" in capsys.readouterr().err
    assert main(["world", "make", "thesis", *few]) == 2
    assert "--force" not in capsys.readouterr().err, "it would not help"
    (tmp_path / "w").mkdir()  # an empty folder is as good as none
    assert main(["world", "make", "w", *few]) == 0
    assert "merian import w" in capsys.readouterr().out
    assert main(["world", "make", "w", *few]) == 2
    assert main(["world", "make", "w", *few, "--force"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis", "w"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a group")
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    words = ["world", "make", "w", "--specimens", "3000"]
    with subprocess.Popen(
        [sys.executable, "-c", "from merian.cli import main; import sys; sys.exit(main())", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            for _ in range(300):
                if any(tmp_path.glob(".w.*.part/images/*.jpg")):
                    break
                assert child.poll() is None
                time.sleep(0.1)
            os.killpg(child.pid, signal.SIGINT)
            told = child.communicate(timeout=30)[1]
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 130
    assert b"nothing was half written" in told
    assert not list(tmp_path.iterdir())
