"""What people decide while a run is looking, or in what it has written, is never lost."""

from __future__ import annotations

import numpy as np
import pytest

from merian.catalogue import Catalogue
from merian.cli import main
from merian.discover.folder import read_folder
from merian.discover.job import Asked, run_discover
from merian.discover.kept import read_kept, write_kept
from merian.discover.merging import merge
from merian.discover.run import Method
from merian.discover.source import Source
from merian.errors import CatalogueError, InputError

WHO = {"by": "A. Person", "at": "2026-05-01"}


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def barcodes(tmp_path):
    chance = np.random.default_rng(5)
    path = tmp_path / "specimens.csv"
    rows = ["occurrenceID,sequence"]
    for group in "ab":
        text = "".join(chance.choice([*"ACGT"], 400))
        rows += [f"{group}{n},{text}" for n in range(3)]
    path.write_text("\n".join(rows) + "\n")
    return path


def merged(path):
    known = read_kept(path)
    after = merge(known, [one.code for one in known.standing()], **WHO)
    write_kept(path, after, {"do": "merge"})
    return after


@pytest.mark.parametrize("where", ["catalogue", "folder"])
def test_what_was_merged_meanwhile_is_not_overwritten(where, barcodes, tmp_path):
    kept, source, out = tmp_path / where, barcodes, tmp_path / "folder"
    if where == "catalogue":
        assert run("import", barcodes, "--into", kept, "-q") == 0
        source, out = kept, None
    asked = Asked(Source(source), Method(), out=out)
    run_discover(asked, lambda *_: None, 0, lambda *_: None)
    with pytest.raises(CatalogueError if where == "catalogue" else InputError, match="entry 3"):
        run_discover(asked, lambda *_: merged(kept), 0, lambda *_: None)
    assert [e.action for e in read_kept(kept).history] == ["founded", "founded", "merged"]
    run_discover(asked, lambda *_: None, 0, lambda *_: None)
    assert [one.specimens for one in read_kept(kept).standing()] == [6]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("clusters.tsv", "\t2\n", "\t2.0 May\n", "cannot be read"),
        ("clusters.tsv", "MRN-", "../../MRN-", "where the code of a cluster was"),
        ("members.tsv", "\tMRN-", "\tMRN-9", "have no row for it"),
        ("history.tsv", "\n1\t", "\n\t", "cannot be read"),
    ],
    ids=["number", "path", "unknown", "none"],
)
def test_tables_that_something_else_has_changed_are_told_in_one_line(
    file, old, new, said, barcodes, tmp_path, capsys
):
    out = tmp_path / "out"
    assert run("discover", barcodes, "-o", out, "-q") == 0
    text = (out / file).read_text()
    assert old in text
    (out / file).write_text(text.replace(old, new))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for words in (["list", out], [barcodes, "-o", out]):
        capsys.readouterr()
        assert run("discover", *words) == 2
        error = capsys.readouterr().err
        assert f"{out}: " in error
        assert said in error
        assert error.count("\n") == 1
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_the_later_word_of_a_person_stands_above_a_promoted_name(barcodes, tmp_path):
    catalogue = tmp_path / "catalogue"
    assert run("import", barcodes, "--into", catalogue, "-q") == 0
    assert run("discover", catalogue, "-q") == 0
    code = read_kept(catalogue).code["a0"]
    words = ("--name", "Aus bus", "--who", "A. Person", "--date", "2026-05-01")
    assert run("discover", "promote", catalogue, code, *words, "-q") == 0
    later = tmp_path / "later.csv"
    later.write_text(
        "occurrenceID,scientificName,identifiedBy,dateIdentified\n"
        "a0,Aus cus,An Expert,2026-06-01\na1,Aus cus,An Expert,2026-04-01\n"
    )
    assert run("import", later, "--into", catalogue, "-q") == 0
    with Catalogue.open(catalogue, read_only=True) as opened:
        sql = "SELECT occurrenceID, scientificName FROM determination ORDER BY 1"
        assert opened.query(sql).fetch() == [
            ("a0", "Aus cus"),
            ("a1", "Aus bus"),
            ("a2", "Aus bus"),
        ]


def test_a_folder_with_decisions_of_its_own_is_not_replaced(barcodes, tmp_path, capsys):
    catalogue, out = tmp_path / "catalogue", tmp_path / "out"
    assert run("import", barcodes, "--into", catalogue, "-q") == 0
    assert run("discover", barcodes, "-o", out, "-q") == 0
    merged(out)
    capsys.readouterr()
    assert run("discover", catalogue, "-o", out, "-q") == 2
    error = capsys.readouterr().err
    assert "would be lost" in error
    assert error.count("\n") == 1
    assert read_folder(out).history[-1].action == "merged"
    # What a catalogue shows of itself is no place to decide anything.
    assert run("discover", catalogue, "-q") == 0
    with pytest.raises(InputError, match="give that"):
        merged(catalogue / "runs" / "discover")
