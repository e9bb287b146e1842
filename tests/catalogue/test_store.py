"""Making, opening and locking a catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from merian.catalogue import TABLES, Catalogue
from merian.errors import CatalogueError

HOLD = """
import sys
from merian.catalogue import Catalogue
with Catalogue.open(sys.argv[1], read_only=sys.argv[2] == "read"):
    print("open", flush=True)
    sys.stdin.read()
"""


def hold(path: Path, mode: str) -> subprocess.Popen[str]:
    """Another process that has the catalogue open until its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), mode],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def let_go(child: subprocess.Popen[str]) -> None:
    child.communicate("")
    assert child.returncode == 0


def test_a_new_catalogue_is_a_database_and_a_stamp(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "new") as made:
        assert made.info().tables == dict.fromkeys(TABLES, 0)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "catalogue.duckdb",
        "merian.json",
    ]
    assert json.loads((tmp_path / "new/merian.json").read_text())["merian"]["format"] == (
        "merian-catalogue"
    )


def test_every_table_has_its_columns_and_the_run(catalogue: Catalogue) -> None:
    for name, table in TABLES.items():
        assert catalogue.query(f"SELECT * FROM {name}").columns == (*table.columns, "runID")


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    Catalogue.create(tmp_path / "new").close()
    with pytest.raises(CatalogueError, match="is a catalogue already"):
        Catalogue.create(tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/diary.txt").write_text("mine")
    with pytest.raises(CatalogueError, match="is not empty"):
        Catalogue.create(tmp_path / "full")
    assert (tmp_path / "full/diary.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    Catalogue.create(tmp_path / "empty").close()


def test_open_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such folder"):
        Catalogue.open(tmp_path / "nothing")
    with pytest.raises(CatalogueError, match="is no catalogue"):
        Catalogue.open(tmp_path)
    Catalogue.create(tmp_path / "old").close()
    stamp = tmp_path / "old/merian.json"
    content = json.loads(stamp.read_text())
    content["merian"]["format_version"] = "99"
    stamp.write_text(json.dumps(content))
    with pytest.raises(CatalogueError, match=r"merian-catalogue 99 .*this Merian reads"):
        Catalogue.open(tmp_path / "old")


def test_a_damaged_database_is_an_error_of_ours(tmp_path: Path) -> None:
    Catalogue.create(tmp_path / "new").close()
    (tmp_path / "new/catalogue.duckdb").write_bytes(b"no database at all" * 1000)
    with pytest.raises(CatalogueError, match="cannot be opened"):
        Catalogue.open(tmp_path / "new")


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_writer_must_be_alone(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "new"
    Catalogue.create(path).close()
    child = hold(path, mode)
    try:
        with pytest.raises(CatalogueError, match=rf"in use by process {child.pid}"):
            Catalogue.open(path)
    finally:
        let_go(child)
    Catalogue.open(path).close()


def test_readers_share(tmp_path: Path) -> None:
    path = tmp_path / "new"
    Catalogue.create(path).close()
    child = hold(path, "read")
    try:
        with (
            Catalogue.open(path, read_only=True) as one,
            Catalogue.open(path, read_only=True) as two,
        ):
            assert one.query("SELECT count(*) FROM event").value() == 0
            assert two.query("SELECT count(*) FROM event").value() == 0
    finally:
        let_go(child)


def test_two_writers_in_one_process_are_refused(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "new"):
        with pytest.raises(CatalogueError, match="open for writing in this process"):
            Catalogue.open(tmp_path / "new")
        with pytest.raises(CatalogueError, match="in this process in the other mode"):
            Catalogue.open(tmp_path / "new", read_only=True)
    Catalogue.open(tmp_path / "new").close()


def test_a_writer_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    Catalogue.create(tmp_path / "new").close()
    left = tmp_path / "new/.work-1234-abc"
    left.mkdir()
    (left / "spill").write_text("x")
    Catalogue.open(tmp_path / "new", read_only=True).close()
    assert left.exists()
    Catalogue.open(tmp_path / "new").close()
    assert not left.exists()


def test_a_reader_cannot_import(tmp_path: Path, make) -> None:
    Catalogue.create(tmp_path / "new").close()
    with (
        Catalogue.open(tmp_path / "new", read_only=True) as reader,
        pytest.raises(CatalogueError, match="reading only"),
    ):
        reader.ingest(make([{"occurrenceID": "a"}]))


def test_a_catalogue_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old"
    Catalogue.create(path).close()
    with duckdb.connect(path / "catalogue.duckdb") as con:
        con.execute("ALTER TABLE media DROP COLUMN regionOutline").fetchall()
        # The view of that time holds the columns of that time.
        con.execute("DROP VIEW determination").fetchall()
        con.execute("ALTER TABLE identification DROP COLUMN replacesIdentificationID").fetchall()
        con.execute("CREATE VIEW determination AS SELECT * FROM identification").fetchall()
        con.execute("INSERT INTO media (mediaID) VALUES ('m1')").fetchall()
    told = path / "merian.json"
    told.write_text(told.read_text().replace('"format_version": "1.3"', '"format_version": "1"'))
    with Catalogue.open(path, read_only=True) as opened:
        assert opened.query("SELECT mediaID, regionOutline FROM media").fetch() == [("m1", None)]
        sql = "SELECT count(replacesIdentificationID) FROM determination"
        assert opened.query(sql).fetch() == [(0,)]
    assert json.loads(told.read_text())["merian"]["format_version"] == "1.3"


def test_an_old_catalogue_in_use_says_so(tmp_path: Path) -> None:
    path = tmp_path / "old"
    Catalogue.create(path).close()
    told = path / "merian.json"
    old = told.read_text().replace('"format_version": "1.3"', '"format_version": "1"')
    child = hold(path, "write")
    try:
        told.write_text(old)
        with pytest.raises(CatalogueError, match=r"by an earlier Merian.*by nobody else"):
            Catalogue.open(path)
    finally:
        let_go(child)
    assert told.read_text() == old
