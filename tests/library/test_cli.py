"""The verb ``merian library``."""

from __future__ import annotations

import errno
import json

import pytest

from merian.cli import main


def test_build_add_and_info(small, write, tmp_path, capsys):
    lib = str(tmp_path / "lib")
    assert main(["library", "build", str(small), "-o", lib]) == 0
    shown = capsys.readouterr()
    assert f"{lib}: 13 references taken in as 11 new entries" in shown.out
    assert "species 2, genus 1, family 2, phylum 1, kingdom 1, unnamed groups 6" in shown.out
    assert "note: headers are SINTAX" in shown.err
    more = write([("z", "f:Zidae", "ACGT" * 30), ("y", "f:Zidae", "ACGT")], "more.fasta")
    assert main(["library", "add", lib, str(more), str(small), "-q"]) == 0
    shown = capsys.readouterr()
    assert f"{lib}: 1 reference taken in as 1 new entry" in shown.out
    assert f"listed in {lib}/segments/001/rejects.tsv" in shown.out
    assert "shorter than 50 called bases" in shown.out
    assert shown.err == ""
    assert main(["library", "add", lib, str(small)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{lib}: nothing new\n"
    assert "is in the library already" in shown.err
    assert main(["library", "info", lib]) == 0
    shown = capsys.readouterr().out
    for told in ("references", "names of the references", "species", "segments/001", "shorter"):
        assert told in shown
    assert main(["library", "info", lib, "--json"]) == 0
    header = json.loads(capsys.readouterr().out)
    assert header["merian"]["format"] == "merian-library"
    assert header["counts"]["records"] == 14


def test_lineages_that_disagree_are_told(write, tmp_path, capsys):
    rows = [(f"r{i}", f"f:{f}idae,g:Aus,s:Aus_bus", "ACGT" * (20 + i)) for i, f in enumerate("ABB")]
    assert main(["library", "build", str(write(rows)), "-o", str(tmp_path / "lib")]) == 0
    assert "on 1 name the lineages disagree" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["build", "-o", "lib"], "give the references"),
        (["build", "no.fasta", "-o", "lib"], "no such reference"),
        (["build", "x.fasta", "-o", "lib", "--format", "fastq-x"], "no format is called"),
        (["build", "x.fasta", "-o", "lib", "--map", "oops"], "expected name=value"),
        (["build", "x.fasta", "-o", "lib", "--taxonomy", "none"], "no such taxonomy"),
        (["build", "x.fasta", "-o", "x.fasta"], "is there already"),
        (["build", "x.fasta"], "--out"),
        (["add", "x.fasta", "x.fasta"], "is no reference library"),
        (["add", "lib"], "give the references"),
        (["info", "lib"], "no such library"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_the_user_can_put_right_is_told_in_one_line(
    words, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.fasta").write_text(">a\nACGT\n")
    assert main(["library", *words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err
    assert [p.name for p in tmp_path.iterdir()] == ["x.fasta"]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "x.fasta"), 2, "Permission denied"),
        (KeyboardInterrupt(), 130, "stopped; nothing was half written"),
    ],
    ids=["no right to read", "stopped"],
)
def test_what_breaks_off_leaves_nothing(error, code, told, small, tmp_path, monkeypatch, capsys):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("merian.library.gather.staged", fail)
    there = sorted(tmp_path.iterdir())
    assert main(["library", "build", str(small), "-o", str(tmp_path / "lib")]) == code
    assert told in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == there
