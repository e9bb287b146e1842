"""Writing tables: the same catalogue gives the same bytes, whatever the threads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest

from merian.catalogue import TABLES, Catalogue, Columns, Reading, Rows
from merian.errors import InputError

SUFFIXES = ("tsv", "csv", "parquet", "json", "jsonl")


def specimens(count: int, chunk: int, path: Path) -> Reading:
    """The same records in chunks of any size."""
    path.write_text("the input")

    def chunks():
        for first in range(0, count, chunk):
            numbers = range(first, min(first + chunk, count))
            yield {
                "line": [n + 2 for n in numbers],
                "occurrenceID": [f"S{n % (count - 50):06d}" for n in numbers],
                "sex": ["FM"[n % 2] for n in numbers],
                "country": [f"Land {n % 17}" for n in numbers],
                "decimalLatitude": [str(n % 100) for n in numbers],
                "sequence": ["ACGT"[n % 4] * 40 + "ACGT" * (n % 30 + 10) for n in numbers],
                "verbatimIdentification": [
                    ["Apis", "Bombus cf. lucorum", "Diptera larva"][n % 3] for n in numbers
                ],
            }

    return Reading("made", (Rows(path, "record", chunks()),), (path,))


def written(folder: Path, threads: int, chunk: int) -> dict[str, bytes]:
    """Import and write everything; return the bytes by file."""
    folder.mkdir()
    with Catalogue.create(folder / "catalogue", threads=threads) as made:
        made.ingest(specimens(30_000, chunk, folder.parent / "input.txt"))
        for name in (*TABLES, "determination", "run", "rejects"):
            for suffix in SUFFIXES:
                made.write_table(name, folder / "out" / f"{name}.{suffix}")
        sql = "SELECT genus, scientificName, count(*) AS n FROM identification GROUP BY ALL"
        made.write_table(sql, folder / "out" / "query.tsv")
        made.write_table(f"{sql} ORDER BY n DESC", folder / "out" / "sorted.parquet")
    return {p.name: p.read_bytes() for p in sorted((folder / "out").iterdir())}


def test_the_same_bytes_whatever_the_threads_and_chunks(tmp_path: Path) -> None:
    one = written(tmp_path / "one", 1, 30_000)
    two = written(tmp_path / "two", 2, 7_000)
    assert set(one) == set(two)
    assert [name for name in one if one[name] != two[name]] == []
    assert len(one["rejects.tsv"].splitlines()) > 1000


def test_what_is_written_is_what_is_held(catalogue: Catalogue, make, tmp_path: Path) -> None:
    rows = [
        {"occurrenceID": "b", "occurrenceRemarks": 'a\ttab, a "quote"', "sex": "F"},
        {"occurrenceID": "a", "occurrenceRemarks": "Ünïcode", "sex": ""},
    ]
    catalogue.ingest(make(rows))
    sql = "SELECT occurrenceID, occurrenceRemarks, sex FROM occurrence"
    expected = [("a", "Ünïcode", None), ("b", 'a\ttab, a "quote"', "female")]
    for suffix in SUFFIXES:
        assert catalogue.write_table(sql, tmp_path / f"t.{suffix}") == 2
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (tmp_path / f"t.{suffix}").open(newline="") as stream:
            found = list(csv.reader(stream, delimiter=delimiter))
        assert found[0] == ["occurrenceID", "occurrenceRemarks", "sex"]
        assert [tuple(v or None for v in row) for row in found[1:]] == expected
    assert [tuple(r.values()) for r in json.loads((tmp_path / "t.json").read_text())] == expected
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == expected
    with duckdb.connect() as con:
        assert con.execute(f"SELECT * FROM '{tmp_path}/t.parquet'").fetchall() == expected


def test_a_written_table_says_what_it_is(
    catalogue: Catalogue, make, checklist, tmp_path: Path
) -> None:
    catalogue.ingest(make([{"occurrenceID": "a"}]), taxonomy=checklist)
    catalogue.write_table("occurrence", tmp_path / "t.tsv")
    mark = json.loads((tmp_path / "t.tsv.merian.json").read_text())["merian"]
    assert mark["format"] == "merian-table"
    assert mark["run"].startswith("export-")
    assert mark["taxonomy"] == checklist.lock.as_dict()
    catalogue.write_table("occurrence", tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet.merian.json").exists()
    with duckdb.connect() as con:
        found = con.execute(
            "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'merian'",
            [str(tmp_path / "t.parquet")],
        ).fetchall()
    assert json.loads(found[0][0])["format"] == "merian-table"


def test_an_order_of_the_query_is_kept(catalogue: Catalogue, make, tmp_path: Path) -> None:
    catalogue.ingest(make([{"occurrenceID": c} for c in "bca"]))
    catalogue.write_table("SELECT occurrenceID FROM occurrence ORDER BY 1 DESC", tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().split() == ["occurrenceID", "c", "b", "a"]
    catalogue.write_table("SELECT occurrenceID FROM occurrence;", tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().split() == ["occurrenceID", "a", "b", "c"]


def test_bad_requests_write_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    for what, name in (
        ("occurrence", "t.xls"),
        ("SELECT nonsense", "t.tsv"),
        ("DROP TABLE event", "t.tsv"),
    ):
        with pytest.raises(InputError):
            catalogue.write_table(what, tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalogue"]


def test_a_reader_can_export_from_a_folder_that_it_cannot_write_to(tmp_path: Path) -> None:
    Catalogue.create(tmp_path / "new").close()
    (tmp_path / "new").chmod(0o500)
    try:
        with Catalogue.open(tmp_path / "new", read_only=True) as reader:
            assert reader.write_table("event", tmp_path / "t.tsv") == 0
    finally:
        (tmp_path / "new").chmod(0o700)


def test_columns_feed_only_what_there_is() -> None:
    """The contract with formats: a feed is frozen, so that a reading can be kept and read again."""
    with pytest.raises(AttributeError):
        Columns("record", {}).table = "media"  # type: ignore[misc]
