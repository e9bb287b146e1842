"""Leaks of every kind, planted, and what is none."""

from __future__ import annotations

import csv

import pytest
from tests.audit.makers import bases, changed, library_of, lineage

from merian.audit import audit_leak
from merian.cli import main
from merian.nucleotides import reverse_complement


def fasta(path, sequences):
    path.write_text("".join(f">{key}\n{text}\n" for key, text in sequences.items()))
    return path


@pytest.fixture
def sides(tmp_path):
    """Training data, and a test with one leak of each kind."""
    train = {f"t{i}": bases(i) for i in range(40)} | {"GBA123-20": bases(100), "cut": bases(9)[:90]}
    test = {
        "new1": bases(500),
        "far": changed(bases(1), 20),
        "equal": bases(2),
        "equal_other_strand": reverse_complement(bases(3)),
        "equal_gaps": bases(4)[:100] + "--" + bases(4)[100:].lower() + "nn",
        "inner": bases(5)[30:200],
        "inner_other_strand": reverse_complement(bases(6)[30:200]),
        "outer": "ACGT" * 5 + bases(7) + "TTTT",
        "near": changed(bases(8), 3),
        "near_other_strand": reverse_complement(changed(bases(10), 2)),
        "near_unknown": bases(11)[:150] + "N" + bases(11)[151:],
        "overlap": bases(12)[60:] + bases(600)[:60],
        "GBA123-20": bases(501),
    }
    return fasta(tmp_path / "train.fasta", train), fasta(tmp_path / "test.fasta", test)


def found_of(audit):
    return {f.name: {row[1]: dict(zip(f.columns, row, strict=True)) for row in f.rows}
            for f in audit.findings if f.name != "set_aside"}  # fmt: skip


def test_each_kind_is_found_and_told_once(sides):
    found = found_of(audit_leak(*sides))
    assert set(found["exact"]) == {"equal", "equal_other_strand", "equal_gaps"}
    assert set(found["contained"]) == {"inner", "inner_other_strand", "outer"}
    assert set(found["near"]) == {"near", "near_other_strand", "near_unknown", "overlap"}
    assert set(found["specimen"]) == {"GBA123-20"}
    assert found["exact"]["equal_other_strand"]["strand"] == "other"
    assert found["exact"]["equal"]["train_record"] == "t2"
    assert found["contained"]["inner_other_strand"]["strand"] == "other"
    assert found["contained"]["inner"]["how"] == "test in training"
    assert found["contained"]["outer"]["how"] == "training in test"
    assert found["contained"]["outer"]["overlap"] == 300
    assert found["near"]["near"]["distance"] == pytest.approx(0.01)
    assert found["near"]["near_unknown"]["distance"] == 0
    assert found["near"]["overlap"]["overlap"] == 240
    assert found["specimen"]["GBA123-20"]["how"] == "id gba123-20"


def test_the_distance_is_what_was_stated(sides):
    near = [set(found_of(audit_leak(*sides, distance=d))["near"]) for d in (0, 0.009, 0.07)]
    assert near[0] == {"near_unknown", "overlap"}
    assert near[1] == near[0] | {"near_other_strand"}
    assert near[2] == near[1] | {"near", "far"}


def test_bare_numbers_and_words_are_no_ids(tmp_path):
    train = fasta(tmp_path / "a.fasta", {"1": bases(1), "sample": bases(2), "seq": bases(3)})
    test = fasta(tmp_path / "b.fasta", {"1": bases(11), "sample": bases(12), "seq": bases(13)})
    assert found_of(audit_leak(train, test))["specimen"] == {}


@pytest.mark.parametrize(
    "common",
    ["|COI-5P", "|28S-D2", "|ITS2", "|BOLD:AAA2326", ";size=12;", "|SH1.10FU"],
)
def test_what_many_headers_have_in_common_is_no_id(tmp_path, common):
    train = fasta(tmp_path / "train.fasta", {f"TRA01-20{common}": bases(1)})
    test = fasta(tmp_path / "test.fasta", {f"TES01-20{common}": bases(2)})
    assert found_of(audit_leak(train, test))["specimen"] == {}
    test = fasta(tmp_path / "test.fasta", {f"TRA01-20|X{common}": bases(2)})
    assert len(found_of(audit_leak(train, test))["specimen"]) == 1


def test_a_specimen_is_known_by_any_of_its_numbers(tmp_path):
    head = "processid\tsampleid\tgenbank_accession\tspecies_name\tnucleotides\n"
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    train.write_text(
        head
        + f"AB1-20\tBIOUG12\t\tAus bus\t{bases(1)}\nAB2-20\tX\tMK123456.1\tAus bus\t{bases(2)}\n"
    )
    test.write_text(
        head
        + f"CD1-20\tbioug12\t\tAus bus\t{bases(3)}\nCD2-20\tY\tMK123456\tAus bus\t{bases(4)}\n"
        + f"CD3-20\tZ\t\tAus bus\t{bases(5)}\n"
    )
    found = found_of(audit_leak(train, test))["specimen"]
    assert {key: row["how"] for key, row in found.items()} == {
        "CD1-20": "id bioug12", "CD2-20": "id mk123456",
    }  # fmt: skip


def test_a_library_can_be_a_side(tmp_path):
    rows = [(f"r{i}", lineage("Aus bus"), bases(i)) for i in range(5)]
    library_of(tmp_path, rows)
    test = fasta(tmp_path / "test.fasta", {"a": bases(2), "b": bases(77)})
    found = found_of(audit_leak(tmp_path / "library", test))
    assert found["exact"]["a"]["train_record"] == "r2"
    assert sum(map(len, found.values())) == 1


def test_what_is_too_short_is_set_aside_with_its_place(tmp_path):
    train = fasta(tmp_path / "train.fasta", {"a": bases(1), "tiny": "ACGTACGT"})
    test = fasta(tmp_path / "test.fasta", {"b": bases(2)})
    audit = audit_leak(train, test)
    aside = next(finding for finding in audit.findings if finding.name == "set_aside")
    assert [row[:3] for row in aside.rows] == [("tiny", str(train), 3)]
    assert audit.found == 0


def test_all_records_of_a_sequence_are_told(tmp_path):
    train = fasta(tmp_path / "train.fasta", {"a": bases(1)})
    test = fasta(tmp_path / "test.fasta", {f"x{i}": bases(1) for i in range(3)})
    assert set(found_of(audit_leak(train, test))["exact"]) == {"x0", "x1", "x2"}


def test_the_command_writes_tables_and_a_page_twice_alike(sides, tmp_path, capsys):
    for number in range(2):
        out = tmp_path / f"out{number}"
        assert main(["audit", "leak", *map(str, sides), "-o", str(out), "--strict"]) == 1
    shown = capsys.readouterr().out
    assert "13 test records, 42 training records, 11 test records with a leak" in shown
    with (tmp_path / "out0" / "near.tsv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream, delimiter="\t"))) == 4
    for file in (tmp_path / "out0").iterdir():
        assert file.read_bytes() == (tmp_path / "out1" / file.name).read_bytes()


def test_without_a_leak_strict_ends_well(tmp_path, capsys):
    train = fasta(tmp_path / "train.fasta", {"a1xx": bases(1)})
    test = fasta(tmp_path / "test.fasta", {"b1xx": bases(2)})
    assert main(["audit", "leak", str(train), str(test), "--strict"]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.fasta", "x.fasta"], "no such training file"),
        (["x.fasta", "empty.fasta"], "empty.fasta"),
        (["x.fasta", "short.fasta"], "holds no sequence of 50 called bases"),
        (["x.fasta", "protein.fasta"], "protein.fasta"),
        (["x.fasta", "x.fasta", "--distance", "1"], "between 0 and 0.2"),
        (["x.fasta"], "merian audit leak"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_the_user_can_put_right_is_told_in_one_line(
    words, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    fasta(tmp_path / "x.fasta", {"a": bases(1)})
    (tmp_path / "empty.fasta").write_text("")
    fasta(tmp_path / "short.fasta", {"a": "ACGTACGT"})
    fasta(tmp_path / "protein.fasta", {"a": "MKVLAAGIVGEFPQ" * 20})
    assert main(["audit", "leak", *words, "-o", "out"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err
    assert not (tmp_path / "out").exists()
