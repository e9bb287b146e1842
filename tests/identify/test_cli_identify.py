"""The verbs ``merian identify`` and ``merian promise``, with a real library."""

from __future__ import annotations

import json

import pytest
from tests.identify.conftest import bases, fasta

from merian.catalogue import Catalogue
from merian.cli import main
from merian.formats import read_path
from merian.identify.answers import read_answers
from merian.taxonomy import MAIN_RANKS


@pytest.fixture
def said(small, tmp_path, capsys):
    """Run `merian identify` on the small queries; returns what was printed."""

    def run(*words, queries=None, code=0):
        asked = [str(path) for path in queries or [small.queries]]
        assert main(["identify", *asked, "--library", str(small.library), *map(str, words)]) == code
        return capsys.readouterr()

    return run


def test_identify_and_check(said, small, tmp_path, capsys):
    out = tmp_path / "a.tsv"
    shown = said("-o", out).out
    answers = [*read_answers(out)]
    assert f"{len(answers)} answers in {out}" in shown
    assert "stands at" in shown
    assert "promise:" in shown
    known = {row["id"]: row for row in answers if row["id"][1] != "d" and row["id"][2] != "c"}
    assert {row["species"] == f"G{key[:2]}us s{key[2]}us" for key, row in known.items()} == {True}
    check = ["promise", "check", str(small.truth), "--answers", str(out)]
    assert main([*check, "--library", str(small.library)]) == 0
    shown = capsys.readouterr().out
    for told in ("promised: at most 5 %", "species present", "genus absent", "too few genera"):
        assert told in shown
    assert main([*check, "--alpha", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alpha"] == 0.2
    assert found["overall"]["genera"] == 24


def test_all_forms_and_processes_agree(said, tmp_path):
    tables = {}
    for suffix, count in ((".tsv", 1), (".txt", 2), (".parquet", 2), (".jsonl", 1), (".json", 2)):
        said("-o", tmp_path / f"a{suffix}", "--processes", count, "-q")
        tables[suffix] = [*read_answers(tmp_path / f"a{suffix}")]
    assert all(rows == tables[".tsv"] for rows in tables.values())
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "a.txt").read_bytes()


def test_novelty_and_promise_by_rank(said, tmp_path):
    shown = said("-o", tmp_path / "a.tsv", "--novelty", "batch", "--promise", "rank").out
    assert "the mix as estimated from the queries: species present" in shown
    said("-o", tmp_path / "b.tsv", "--novelty", "0.7,0.2,0.08,0.02")
    stamp = json.loads((tmp_path / "b.tsv.merian.json").read_text())
    assert stamp["novelty"] == [0.7, 0.2, 0.08, 0.02]
    assert json.loads((tmp_path / "a.tsv.merian.json").read_text())["by_rank"] is True


def test_what_is_set_aside_is_told_and_listed(said, small, tmp_path):
    more = tmp_path / "more.fasta"
    more.write_text(">p\n" + "MKVLAAGIVGLLLAQWERTYPLKDFGHSPLIV" * 3 + "\n>s\nACGT\n")
    out = tmp_path / "a.tsv"
    shown = said("-o", out, queries=[small.queries, more])
    assert f"set aside, and listed in {out}.rejects.tsv" in shown.out
    assert "This is a protein" in shown.out
    lines = (tmp_path / "a.tsv.rejects.tsv").read_text().splitlines()
    assert lines[1].startswith(f"{more}\t1\tp\tThis is a protein: ")
    assert lines[2].startswith(f"{more}\t3\ts\tThe sequence is too short: 4 bases")
    empty = tmp_path / "empty.fasta"
    empty.touch()
    shown = said("-o", tmp_path / "b.tsv", queries=[empty], code=2)
    assert shown.err == "merian: error: nothing could be identified; the reasons stand above\n"
    assert "The file is empty" in shown.out
    assert [*read_answers(tmp_path / "b.tsv")] == []
    said("-o", out, queries=[small.queries])
    assert not (tmp_path / "a.tsv.rejects.tsv").exists()


def test_into_a_catalogue(said, small, tmp_path):
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(small.queries))

    def rows(sql):
        with Catalogue.open(folder, read_only=True) as opened:
            return opened.query(sql).fetch()

    sql = "SELECT * EXCLUDE (runID) FROM identification ORDER BY identificationID"
    shown = said("--into", folder, queries=[folder])
    first = rows(sql)
    out = next(folder.glob("runs/identify-*/answers.tsv"))
    standing = {row["id"]: row for row in read_answers(out) if row["rank"]}
    assert f"{len(first)} identifications appended" in shown.out
    assert len(first) == len(standing)
    again = said("--into", folder, queries=[folder])
    assert "the same was done before" in again.err
    assert "holds these identifications already" in again.out
    # The file that was imported is the same queries.
    said("--into", folder, "-o", tmp_path / "a.tsv")
    assert rows(sql) == first
    found = rows(
        "SELECT s.occurrenceID, i.* FROM identification i "
        "JOIN sequence s ON s.nucleotideSequenceID = i.nucleotideSequenceID ORDER BY ALL"
    )
    with Catalogue.open(folder, read_only=True) as opened:
        columns = ("occurrence", *opened.query("SELECT * FROM identification").columns)
    for values in found:
        row = dict(zip(columns, values, strict=True))
        answer = standing[row["occurrence"]]
        assert (row["scientificName"], row["taxonRank"]) == (answer["name"], answer["rank"])
        assert (row["identificationType"], row["agentType"]) == ("nucleotideSequence", "machine")
        assert row["probability"] == answer["p"]
        assert row["identificationRemarks"] == answer["explanation"]
        assert row["dateIdentified"] is None
        depth = MAIN_RANKS.index(answer["rank"])
        assert [row[r] for r in MAIN_RANKS] == [
            answer[r] if place <= depth else None for place, r in enumerate(MAIN_RANKS)
        ]
    # Another promise is another opinion, beside the first.
    said("--into", folder, "--alpha", "0.3", queries=[folder])
    assert {row[0] for row in first} < {row[0] for row in rows(sql)}


def test_what_the_catalogue_does_not_hold_is_set_aside(said, small, tmp_path):
    folder = tmp_path / "catalogue"
    Catalogue.create(folder).close()
    shown = said("--into", folder, "-o", tmp_path / "a.tsv")
    assert "set aside, mostly of what the catalogue does not hold" in shown.err
    with Catalogue.open(folder, read_only=True) as opened:
        assert opened.query("SELECT count(*) FROM identification").value() == 0
        (reason,) = {r for (r,) in opened.query(
            "SELECT split_part(reason, ':', 1) FROM rejects")}  # fmt: skip
    assert reason.startswith("hangs on an occurrence that is neither in this input")


def test_a_page_about_the_answers(said, tmp_path):
    page = tmp_path / "a.html"
    shown = said("-o", tmp_path / "a.tsv", "--novelty", "batch", "--report", page).out
    assert f"a page about the answers: {page}" in shown
    text = page.read_text(encoding="utf-8")
    for told in ("No promise: ", "was estimated from", "species absent", "Gabus"):
        assert told in text


def test_what_is_asked_is_never_replaced(said, small, tmp_path):
    asked = tmp_path / "q.txt"
    asked.write_bytes(small.queries.read_bytes())
    listed = tmp_path / "a.tsv.rejects.tsv"
    listed.write_bytes(small.queries.read_bytes())
    out = tmp_path / "a.tsv"
    for words in (
        ["-o", asked],
        ["-o", out, "--report", asked],
        ["-o", out],  # what is set aside would be listed in the place of the queries
    ):
        queries = [asked, listed] if len(words) == 2 else [asked]
        told = said(*words, queries=queries, code=2).err
        assert "holds the queries, and would be replaced" in told
    assert "is where the answers go" in said("-o", out, "--report", out, code=2).err
    assert asked.read_bytes() == listed.read_bytes() == small.queries.read_bytes()
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["identify", "--library", "lib", "-o", "a.tsv"], "give the sequences"),
        (["identify", "no.fasta", "--library", "lib", "-o", "a.tsv"], "no such file of queries"),
        (["identify", "q.fasta", "--library", "no", "-o", "a.tsv"], "no such library"),
        (["identify", "q.fasta", "--library", "lib"], "say where the answers go"),
        (["identify", "q.fasta", "-o", "a.tsv"], "--library"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.xlsx"], "the suffix says"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.tsv"], "build it anew"),
        (["identify", "q.fasta", "--library", "lib", "--into", "no"], "no such folder"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.tsv", "--alpha", "5"], "between 0"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.tsv", "--novelty", "x"], "four"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.tsv", "--processes", "0"], "1 or"),
        (["identify", "q.fasta", "--library", "lib", "-o", "a.tsv", "--format", "x"], "no format"),
        (["promise", "check", "no.tsv", "--answers", "a.tsv"], "validated records"),
        (["promise", "check", "t.tsv", "--answers", "no.tsv"], "no such answer table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_user_can_put_right(words, told, plain_library, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fasta(tmp_path / "q.fasta", [("a", bases(1))])
    (tmp_path / "t.tsv").write_text("id\tspecies\na\tAus bus\n")
    (tmp_path / "lib").symlink_to(plain_library)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("merian: error: ")
    assert told in shown.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lib", "q.fasta", "t.tsv"]
