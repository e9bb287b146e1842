"""Counts of things from tables and catalogues, and the verb that corrects them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from merian.cli import main
from merian.errors import InputError
from merian.identify.answered import AnswerColumns, read_counts, read_recall
from merian.identify.composition import UNNAMED, compose

ROWS = [
    ("s1", "Calanus", "", "0.9"), ("s1", "Calanus", "Calanus", "0.8"),
    ("s1", "Oithona", "Calanus", "0.6"), ("s1", "", "none", ""), ("s2", "Oithona", " ", "1"),
]  # fmt: skip


def table(path: Path, rows=ROWS, head=("Sample", "predicted", "validated", "score")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *rows])
    return path


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_table_is_counted(tmp_path):
    found = read_counts(table(tmp_path / "t.csv"))
    assert [*found.samples] == ["s1", "s2"]
    assert [*found.kinds] == ["Calanus", "Oithona", ""]  # what is no thing is known to those alone
    assert [*found.answers] == ["Calanus", "Oithona", ""]
    assert found.unseen.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert found.seen.sum() == 3
    assert found.seen[0, 0].tolist() == [1, 1, 0]
    assert found.seen[0, 2].tolist() == [0, 0, 1]
    assert found.doubts is not None
    assert found.doubts.sum() == pytest.approx(4)  # of the four that have a probability
    assert found.doubts[0, 0] == pytest.approx(1.7)


def test_what_nothing_is_said_of_is_a_kind_of_its_own(tmp_path):
    rows = [("s", "a", "", "0.9")] * 2 + [("s", "", "", "")] * 98
    path = table(tmp_path / "t.csv", rows)
    assert [*read_counts(path).kinds] == ["a"]
    found = read_counts(path, unnamed=True)
    assert [*found.kinds] == [*found.answers] == [UNNAMED, "a"]
    told = compose(found)
    at = [*found.kinds].index("a")
    assert told.high[0, at] < 30
    assert told.mean[0, at] < 10
    assert told.richness[0, 2] == 1  # who has no name is no kind
    # Those that somebody has looked at tell what the others are.
    rows[2:32] = [("s", "", "a", "")] * 30
    found = read_counts(table(tmp_path / "u.csv", rows), unnamed=True)
    assert compose(found).mean[0, at] > 80


def test_rows_may_stand_for_many(tmp_path):
    rows = [("s", "a", "", "40"), ("s", "b", "a", "3"), ("s", "b", "b", "5")]
    path = table(tmp_path / "t.csv", rows, ("station", "guess", "looked", "n"))
    columns = AnswerColumns("station", "guess", "looked")
    found = read_counts(path, columns)
    assert found.unseen.tolist() == [[40, 0]]
    assert found.seen[0].tolist() == [[0, 3], [0, 5]]
    rows[0] = ("s", "a", "", "-1")
    with pytest.raises(InputError, match="the count '-1' is no number of things"):
        read_counts(table(tmp_path / "bad.csv", rows, ("station", "guess", "looked", "n")), columns)


def test_a_catalogue_is_counted_at_a_rank(tmp_path):
    head = ("occurrenceID", "eventID", "scientificName", "family", "identifiedBy", "agentType",
            "dateIdentified")  # fmt: skip
    rows = [
        ("o1", "e1", "Carabus auratus", "Carabidae", "net", "machine", "2024-01-01"),
        ("o2", "e1", "Carabus auratus", "Carabidae", "net", "machine", "2024-01-01"),
        ("o3", "e2", "Apis mellifera", "Apidae", "net", "machine", "2024-01-01"),
    ]
    assert run("import", table(tmp_path / "m.csv", rows, head), "--into", tmp_path / "c", "-q") == 0
    people = [("o2", "e1", "Abax ater", "Carabidae", "A. Person", "human", "2024-02-01")]
    path = table(tmp_path / "h.csv", people, head)
    assert run("import", path, "--into", tmp_path / "c", "-q") == 0
    found = read_counts(tmp_path / "c", rank="family")
    assert [*found.samples] == ["e1", "e2"]
    assert [*found.kinds] == ["Apidae", "Carabidae"]
    assert found.seen[0].tolist() == [[0, 0], [0, 1]]
    assert found.unseen.tolist() == [[0, 1], [1, 0]]
    names = read_counts(tmp_path / "c")
    assert [*names.kinds] == ["Abax ater", "Apis mellifera", "Carabus auratus"]
    with pytest.raises(InputError, match="no term of an event"):
        read_counts(tmp_path / "c", AnswerColumns(sample="nonsense"))


def test_what_was_missed_is_read(tmp_path):
    path = table(
        tmp_path / "r.csv", [("b", "8", "2"), ("x", "1", "1")], ("kind", "found", "missed")
    )
    found, said = read_recall(path, ["a", "b", ""])
    assert (found.found.tolist(), found.missed.tolist()) == ([0, 8, 0], [0, 2, 0])
    assert "'x' is not counted" in said
    with pytest.raises(InputError, match="of no kind that is counted; it has 'b', 'x'"):
        read_recall(path, ["a"])
    with pytest.raises(InputError, match="no column missed"):
        read_recall(table(tmp_path / "n.csv", [("b", "8")], ("kind", "found")), ["a"])
    with pytest.raises(InputError, match=r"r2\.csv:2: expected 0 or more"):
        bad = [("b", "8", "many")]
        read_recall(table(tmp_path / "r2.csv", bad, ("kind", "found", "missed")), ["b"])


def test_the_verb_writes_tables_and_a_page(tmp_path, capsys):
    random = np.random.default_rng(0)
    rows = []
    for n in range(300):
        kind = "<b>a</b>" if random.random() < 0.7 else "b"
        answer = kind if random.random() < 0.85 else "b"
        rows.append(("s", answer, kind if n % 5 == 0 else "", ""))
    path, out = table(tmp_path / "t.csv", rows), tmp_path / "out"
    assert run("counts", path, "-o", out) == 0
    with (out / "counts.tsv").open(encoding="utf-8") as stream:
        told = {row["kind"]: row for row in csv.DictReader(stream, delimiter="\t")}
    one = told["<b>a</b>"]
    assert float(one["count"]) > int(one["answered"])  # those that were answered b come back
    assert int(one["from"]) <= 210 <= int(one["to"])
    assert "<b>a" not in (out / "counts.html").read_text(encoding="utf-8")
    assert (out / "to_validate.tsv").read_text(encoding="utf-8").count("\n") > 1
    assert "60 of 300 things were validated" in capsys.readouterr().err
    before = (out / "counts.tsv").read_bytes()
    assert run("counts", path, "-o", out, "-q") == 0
    assert (out / "counts.tsv").read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        ([("s", "a", "", "")], (), "nothing tells how often the answers are wrong"),
        ([], (), "nothing in it was answered"),
        (ROWS, ("--answer", "guess"), "has no column guess for --answer"),
        (ROWS, ("--rank", "family"), "--rank is of a catalogue"),
        (ROWS, ("--precision", "2"), "a precision of 2"),
    ],
    ids=["no truth", "no rows", "no column", "rank of a table", "precision"],
)
def test_what_cannot_be_counted_is_said_in_one_line(rows, words, said, tmp_path, capsys):
    assert run("counts", table(tmp_path / "t.csv", rows), *words) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert said in told[-1]
