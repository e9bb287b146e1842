"""The audit of a reference as its user meets it."""

from __future__ import annotations

import csv
import json

import pytest
from tests.audit.makers import bases, changed, library_of, lineage, species_of, write

from merian.cli import main


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture
def faulty(clean):
    """One fault of each kind that shows in a small reference."""
    return [
        *clean,
        ("wrong", lineage("Aus cus"), changed(bases(1), 2, 9)),
        ("equal", lineage("Dus fus", "Didae"), bases(3)),
        ("short", lineage("Aus cus"), bases(3)[40:200]),
        ("moved", lineage("Aus bus", "Xidae"), changed(bases(1), 5, 1)),
        ("posing", lineage("Aus bold-AAA1234"), bases(20)),
        ("open", lineage("Aus sp. 3"), bases(21)),
        ("virus", lineage("Aus speciesA"), bases(22)),
        ("tiny", lineage("Aus bus"), "ACGT" * 5),
    ]


def test_each_fault_has_its_row(faulty, tmp_path, capsys):
    file, out = write(tmp_path / "r.fasta", faulty), tmp_path / "out"
    assert main(["audit", "reference", str(file), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "Probable mislabels" in shown
    wrong = {row["record"]: row for row in rows_of(out / "mislabels.tsv")}
    assert wrong["wrong"]["fits_better"] == "Aus bus"
    assert wrong["wrong"]["file"] == str(file)
    assert wrong["wrong"]["line"] == str(2 * 24 + 1)
    assert {"equal", "Duseus0"} <= {row["record"] for row in rows_of(out / "shared.tsv")}
    inside = {row["record"]: row for row in rows_of(out / "contained.tsv")}
    assert inside["short"]["in_species"] in {"Dus eus", "Dus fus"}
    parents = [(row["name"], row["parent"], row["record"]) for row in rows_of(out / "parents.tsv")]
    assert ("Aus", "Xidae", "moved") in parents
    assert {row["record"] for row in rows_of(out / "posing.tsv")} >= {"virus"}
    assert any(row["record"] == "open" for row in rows_of(out / "unnamed.tsv"))
    aside = rows_of(out / "set_aside.tsv")
    assert [(row["record"], row["line"]) for row in aside] == [("tiny", str(2 * 31 + 1))]
    assert "50 called bases" in aside[0]["reason"]
    grades = {row["species"]: row["grade"] for row in rows_of(out / "grades.tsv")}
    assert grades["Fus gus"] == "B"
    assert grades["Dus eus"] == grades["Dus fus"] == grades["Aus bus"] == "E"
    found = json.loads((out / "audit.json").read_text())
    assert found["found"]["mislabels"] == len(rows_of(out / "mislabels.tsv"))
    assert "clusters of sequences within 2.5 %" in " ".join(found["notes"])
    page = (out / "audit.html").read_text()
    assert "Probable mislabels: " in page
    assert "Aus cus" in page


def test_strict_ends_with_one_only_if_anything_was_found(clean, faulty, tmp_path, capsys):
    good, bad = write(tmp_path / "good.fasta", clean), write(tmp_path / "bad.fasta", faulty)
    assert main(["audit", "reference", str(good), "--strict"]) == 0
    assert main(["audit", "reference", str(bad), "--strict"]) == 1
    assert main(["audit", "reference", str(bad)]) == 0


def test_a_library_and_its_files_are_audited_alike_and_twice_alike(faulty, tmp_path, capsys):
    library_of(tmp_path, faulty)
    file, folders = tmp_path / "reference.fasta", []
    for number, source in enumerate([tmp_path / "library", file, file]):
        folders.append(tmp_path / f"out{number}")
        assert main(["audit", "reference", str(source), "-o", str(folders[-1]), "-q"]) == 0
    names = sorted(path.name for path in folders[0].iterdir())
    assert "mislabels.tsv" in names
    for name in names:
        one, two, three = ((folder / name).read_bytes() for folder in folders)
        assert two == three
        if name.endswith(".tsv"):
            assert one == two


def test_a_lone_record_among_species_of_another_order_is_found(tmp_path):
    rows = []
    for number, order in enumerate(("Diptera", "Hemiptera")):
        root = bases(900 + number)
        rows += [
            (f"{order[:3]}{s}", lineage(f"{order[:4]}us a{chr(97 + s)}us", f"F{number}idae", order),
             changed(root, 45, 50 * number + s))
            for s in range(22)
        ]  # fmt: skip
    rows.append(("strange", lineage("Zus zus", "F0idae", "Diptera"), changed(bases(901), 50, 999)))
    file, out = write(tmp_path / "r.fasta", rows), tmp_path / "out"
    assert main(["audit", "reference", str(file), "-o", str(out)]) == 0
    assert rows_of(out / "mislabels.tsv") == []
    found = rows_of(out / "foreign.tsv")
    assert [(row["record"], row["fits_better"]) for row in found] == [("strange", "Hemiptera")]
    assert found[0]["why"] == "its ten nearest species are of another order"


def test_a_bacterium_among_insects_is_of_something_else(tmp_path):
    # An animal's marker: all sequences are some bases from one root, as those of one gene are.
    root = bases(0)
    rows = [
        (f"{genus}{s}{i}", lineage(f"{genus}us {s}us", f"{genus}idae"), changed(
            changed(root, 30, 100 * g + 7 * t), i, i))
        for g, genus in enumerate(("B", "C", "D", "F", "G"))
        for t, s in enumerate("bcdfgh")
        for i in range(4)
    ]  # fmt: skip
    rows.append(("microbe", lineage("Bus bus", "Bidae"), bases(99)))
    file, out = write(tmp_path / "r.fasta", rows), tmp_path / "out"
    assert main(["audit", "reference", str(file), "-o", str(out)]) == 0
    found = rows_of(out / "foreign.tsv")
    assert [row["record"] for row in found] == ["microbe"]
    assert found[0]["why"] == "near nothing of its claimed group"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.fasta"], "no such reference"),
        ([], "give a library or reference files"),
        (["empty.fasta"], "empty.fasta"),
        (["protein.fasta"], "protein.fasta"),
        (["x.fasta", "-o", "full"], "holds other things than an audit"),
        (["x.fasta", "-o", "x.fasta"], "is a file"),
        (["x.fasta", "--distance", "2"], "between 0 and 0.2"),
        (["x.fasta", "--bins", "none.tsv"], "no such table of BINs"),
        (["library", "x.fasta"], "is a library, and is audited by itself"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_the_user_can_put_right_is_told_in_one_line(
    words, told, clean, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "x.fasta", clean)
    library_of(tmp_path, clean[:2])
    (tmp_path / "empty.fasta").write_text("")
    (tmp_path / "protein.fasta").write_text(">a\n" + "MKVLAAGIVGEFPQ" * 20 + "\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert main(["audit", "reference", *words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_earlier_audit_is_replaced(clean, tmp_path):
    file, out = write(tmp_path / "r.fasta", clean), tmp_path / "out"
    for _ in range(2):
        assert main(["audit", "reference", str(file), "-o", str(out), "-q"]) == 0


def test_one_record_alone_can_be_audited(tmp_path, capsys):
    file = write(tmp_path / "r.fasta", species_of("Aus bus", 1, 1))
    assert main(["audit", "reference", str(file), "--strict"]) == 0
    assert "small" in capsys.readouterr().err
