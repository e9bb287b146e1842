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


def test_names_primers_screening_and_markers_on_the_command_line(tmp_path, capsys):
    from .conftest import bases
    from .test_amplicon import AT_END, AT_START, FORWARD, REVERSE

    fasta, table = tmp_path / "plain.fasta", tmp_path / "names.tsv"
    fasta.write_text("".join(f">s{i}\n{AT_START}{bases(i, 200)}{AT_END}\n" for i in range(4)))
    table.write_text("id\tgenus\tspecies\tmarker\n" + "".join(
        f"s{i}\tAus\tAus b{'abc'[i]}s\t{'COI-5P' if i else '28S'}\n" for i in range(3)
    ))  # fmt: skip
    one, each = str(tmp_path / "one"), str(tmp_path / "each")
    asked = [str(fasta), "--names", str(table), "--primers", FORWARD, REVERSE, "--screen"]
    assert main(["library", "build", *asked, "-o", one]) == 0
    shown = capsys.readouterr()
    assert "3 references taken in as 3 new entries" in shown.out
    assert "its id is not in the table of names" in shown.out
    assert "3 references have both primers" in shown.err
    assert main(["library", "info", one]) == 0
    shown = capsys.readouterr().out
    assert "cut with the primers" in shown
    assert "suspects set aside" in shown
    assert main(["library", "build", *asked, "-o", each, "--each-marker", "-q"]) == 0
    shown = capsys.readouterr()
    assert f"{each}/28S: 1 reference taken in" in shown.out
    assert f"{each}/COI-5P: 2 references taken in" in shown.out
    assert "in no library" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--keep-trimmed"], "need --primers"),
        (["--primer-mismatches", "2"], "need --primers"),
        (["--primers", "ACGTACGTAA", "ACGXACGTAA"], "'X'"),
        (["--genetic-code", "5"], "is for --screen"),
        (["--screen", "--genetic-code", "8"], "expected a number of the NCBI"),
        (["--each-marker", "--marker", "28S"], "leave --marker out"),
        (["--names", "nowhere.tsv"], "no such table of names"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_does_not_go_together_is_told(words, told, small, tmp_path, capsys):
    there = sorted(tmp_path.iterdir())
    assert main(["library", "build", str(small), "-o", str(tmp_path / "lib"), *words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err
    assert sorted(tmp_path.iterdir()) == there
