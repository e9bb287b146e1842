"""A library learns from what was validated at the desk: told first, applied when asked."""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

import pytest

from merian.catalogue import Catalogue
from merian.catalogue.reviewed import Decision
from merian.cli import main
from merian.desk.desk import Desk
from merian.desk.naming import named
from merian.identify.correcting import corrections_of
from merian.library import Library

HEAD = ("occurrenceID", "family", "genus", "scientificName", "sequence", "targetGene")


def mutated(text: str, share: float, chance: random.Random) -> str:
    return "".join(chance.choice("ACGT") if chance.random() < share else one for one in text)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A library of twelve species, and a catalogue of one of them and of one that it lacks."""
    folder, chance = tmp_path_factory.mktemp("learn"), random.Random(4)
    root = "".join(chance.choices("ACGT", k=600))
    kinds = {}
    for genus in ("Aus", "Bus", "Cus", "Dus"):
        above = mutated(root, 0.2, chance)
        for epithet in ("albus", "brevis", "cinctus"):
            kinds[f"{genus} {epithet}"] = mutated(above, 0.06, chance)
    lacking = "Aus novus"
    kinds[lacking] = mutated(kinds["Aus albus"], 0.08, chance)

    def write(file, names, count):
        with file.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(HEAD)
            for n in range(count):
                for name in names:
                    genus = name.split(" ")[0]
                    rows.writerow([f"{file.stem}-{name[:5]}{n}", f"{genus}idae", genus,
                                   name if file.stem == "reference" else "",
                                   mutated(kinds[name], 0.004, chance), "COI-5P"])  # fmt: skip

    write(folder / "reference.csv", [name for name in kinds if name != lacking], 3)
    write(folder / "field.csv", [lacking, "Bus albus"], 8)
    museum, library = str(folder / "museum"), str(folder / "library")
    assert main(["library", "build", str(folder / "reference.csv"), "-o", library, "-q"]) == 0
    assert main(["import", str(folder / "field.csv"), "--into", museum, "-q"]) == 0
    assert main(["identify", museum, "-l", library, "--into", museum, "-q"]) == 0
    with Catalogue.open(museum) as opened:
        desk = Desk(opened, "Anna")
        records = [f"field-Aus n{n}" for n in range(5)]
        seen = {row["record"]: row["stands"] or "" for row in desk.cards(records)}
        desk.decide(Decision("name", seen, "Anna", "", named(desk, lacking)))
    return folder


@pytest.fixture
def folder(reviewed, tmp_path):
    for name in ("museum", "library"):
        shutil.copytree(reviewed / name, tmp_path / name)
    return tmp_path


def said(folder):
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        return set(opened.query("SELECT COLUMNS(*)::VARCHAR FROM identification"))


def test_it_says_what_would_change_and_changes_nothing(folder, capsys):
    before, hashed = said(folder), Library.open(folder / "library").hash
    assert len(corrections_of(folder / "museum")) == 5
    asked = ["learn", str(folder / "museum"), "-l", str(folder / "library")]
    assert main([*asked, "-o", str(folder / "changes.tsv")]) == 0
    printed = capsys.readouterr().out
    assert "5 corrections that" in printed
    assert (said(folder), Library.open(folder / "library").hash) == (before, hashed)
    with (folder / "changes.tsv").open() as stream:
        changes = list(csv.DictReader(stream, delimiter="\t"))
    assert f"{len(changes)} determination" in printed
    assert changes
    # Nothing that a person has named is among them.
    assert not {one["id"] for one in changes} & {f"field-Aus n{n}" for n in range(5)}
    assert all((one["name_before"], one["rank_before"]) != (one["name"], one["rank"])
               for one in changes)  # fmt: skip
    page = (folder / "changes.html").read_text()
    assert "What would change" in page
    assert not [*folder.glob(".library.learning*")]

    assert main([*asked, "--apply", "-q"]) == 0
    after = said(folder)
    assert before < after
    named_now = [one for one in changes if one["name"]]
    assert len(after - before) == len(named_now)
    library = Library.open(folder / "library")
    assert library.hash != hashed
    assert "Aus novus" in {library.name_of(entry) for entry in range(len(library))}
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        # The new answer stands for the library's former one; a person's label stays above both.
        machine = opened.query(
            "SELECT s.occurrenceID, scientificName FROM identification "
            "JOIN sequence s USING (nucleotideSequenceID) WHERE agentType = 'machine' AND "
            "identificationID NOT IN (SELECT replacesIdentificationID FROM identification "
            "WHERE replacesIdentificationID IS NOT NULL)"
        ).fetch()
        assert len(machine) == 16
        for one in named_now:
            assert (one["id"], one["name"]) in machine
        stands = dict(opened.query("SELECT occurrenceID, scientificName FROM determination"))
        assert stands["field-Aus n0"] == "Aus novus"
    # Once more there is nothing left to learn.
    capsys.readouterr()
    assert main([*asked, "--apply"]) == 0
    assert "0 corrections that" in capsys.readouterr().out
    assert said(folder) == after


def test_stopped_as_the_library_is_replaced_it_is_still_there(folder, monkeypatch):
    hashed, rename = Library.open(folder / "library").hash, Path.rename

    def stopped(self: Path, to: Path) -> Path:
        if self.name == "library" and Path(to).name == "library":
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", stopped)
    asked = ["learn", str(folder / "museum"), "-l", str(folder / "library"), "--apply", "-q"]
    assert main(asked) == 130
    assert Library.open(folder / "library").hash == hashed
    assert not [*folder.glob(".library.learning*")]


def test_a_reference_of_another_name_is_set_aside(folder, capsys):
    shutil.rmtree(folder / "library")
    rows = (folder / "own.csv").open("w", newline="")
    with rows, Catalogue.open(folder / "museum", read_only=True) as opened:
        table = csv.writer(rows)
        table.writerow(HEAD)
        for record, text in opened.query("SELECT occurrenceID, sequence FROM sequence"):
            table.writerow([record, "Ausidae", "Aus", "Aus albus", text, "COI-5P"])
    assert (
        main(["library", "build", str(folder / "own.csv"), "-o", str(folder / "library"), "-q"])
        == 0
    )
    capsys.readouterr()
    assert main(["learn", str(folder / "museum"), "-l", str(folder / "library")]) == 0
    printed = capsys.readouterr().out
    assert "0 corrections that" in printed
    assert "Aus novus" in printed
    assert "build it anew" in printed


def test_without_corrections_it_says_what_to_do(folder, capsys):
    (folder / "one.csv").write_text(
        "occurrenceID,scientificName,sequence\nX,Aus albus," + "ACGT" * 60
    )
    assert main(["import", str(folder / "one.csv"), "--into", str(folder / "none"), "-q"]) == 0
    assert main(["learn", str(folder / "none"), "-l", str(folder / "library")]) == 2
    assert "merian review" in capsys.readouterr().err
    assert main(["learn", str(folder / "museum"), "-l", str(folder / "nowhere")]) == 2
    assert (
        main(["learn", str(folder / "museum"), "-l", str(folder / "library"), "-o", "x.doc"]) == 2
    )
