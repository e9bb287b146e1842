"""Which evidence is of one record: the ids of several catalogues, and names of files, put together.

Evidence hangs on an occurrence, or on a thing in a collection that an occurrence is known by. Two
ids are one record only where a file or a catalogue says so, letter by letter:

1. the same ``occurrenceID``;
2. an occurrence that no thing is named for, and whose id is the ``materialEntityID`` of a thing of
   another occurrence: a sequence under the id of its specimen;
3. the same with a ``catalogNumber`` (which is what BOLD and BIOSCAN call sampleid) that one thing
   alone has, for ids of FASTA and of files of pictures;
4. a file of a picture that is called like such an id (``ID.jpg``, or its whole name), or ``ID_1``,
   ``ID_2`` and so on without a gap, up to nine of them.

Files of one name in several classes are joined to nothing, since they cannot all be right. All is
worked out in a database on the disk, so that memory does not grow with the number of records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from merian.catalogue import Catalogue
from merian.catalogue.media import ADDRESS, PARENT, SCALE, box
from merian.database import connect
from merian.formats.image_folder import Pictures

__all__ = ["Joins", "Row"]

_MEMORY = "400MB"
_BATCH = 2_000
_CHUNK = 50_000
_FOLDER = "image-folder"
_BARE = ("fasta", _FOLDER)  # formats whose ids are all that is known of a record

Row = tuple[Any, ...]

_IDS = {
    "occurrences": "SELECT occurrenceID AS id, coalesce(runID, '') AS run, rowid AS place "
    "FROM occurrence",
    "materials": "SELECT materialEntityID AS id, occurrenceID AS occurrence, "
    "catalogNumber AS number, '' AS run FROM material",
    "addresses": "SELECT accessURI AS address, coalesce(runID, '') AS run FROM media "
    "WHERE accessURI IS NOT NULL",
}
# A picture that regions were cut from, and that is of no specimen itself, is nothing to be named.
_ITEMS = f"""
SELECT 's' AS kind, nucleotideSequenceID AS own, occurrenceID AS occurrence,
    materialEntityID AS material, coalesce(targetGene, '') AS marker, sequence,
    CAST(NULL AS VARCHAR) AS address, CAST(NULL AS DOUBLE) AS x, CAST(NULL AS DOUBLE) AS y,
    CAST(NULL AS DOUBLE) AS w, CAST(NULL AS DOUBLE) AS h, CAST(NULL AS DOUBLE) AS px,
    CAST(NULL AS VARCHAR) AS content, rowid AS place, coalesce(runID, '') AS run
FROM sequence WHERE sequence IS NOT NULL
UNION ALL
SELECT 'p', x.mediaID, x.occurrenceID, x.materialEntityID, '', NULL,
    {ADDRESS}, {box()}, {SCALE},
    if(x.accessURI IS NULL, p.contentHash, x.contentHash), x.rowid, coalesce(x.runID, '')
FROM media x {PARENT}
WHERE {ADDRESS} IS NOT NULL AND (
    x.occurrenceID IS NOT NULL OR x.materialEntityID IS NOT NULL OR x.mediaID NOT IN (
        SELECT derivedFromMediaID FROM media WHERE derivedFromMediaID IS NOT NULL))
"""

_TABLES = """
CREATE TABLE runs (run VARCHAR, source INT, format VARCHAR);
CREATE TABLE occurrences (catalogue INT, id VARCHAR, place BIGINT, format VARCHAR);
CREATE TABLE materials (id VARCHAR, occurrence VARCHAR, number VARCHAR);
CREATE TABLE addresses (address VARCHAR, format VARCHAR);
CREATE TABLE items (catalogue INT, source INT, format VARCHAR, kind VARCHAR, own VARCHAR,
    occurrence VARCHAR, material VARCHAR, marker VARCHAR, sequence VARCHAR, address VARCHAR,
    x DOUBLE, y DOUBLE, w DOUBLE, h DOUBLE, px DOUBLE, content VARCHAR, place BIGINT);
CREATE TABLE pictures (source INT, k BIGINT, address VARCHAR, folder VARCHAR, whole VARCHAR,
    file VARCHAR, stem VARCHAR, class VARCHAR)
"""
_TAKEN = {
    "occurrences": "{source}, x.id, x.place, coalesce(r.format, '')",
    "materials": "x.id, x.occurrence, x.number",
    "addresses": "x.address, coalesce(r.format, '')",
    "items": "{source}, coalesce(r.source, {source}), coalesce(r.format, ''), x.* EXCLUDE (run)",
}
_THINGS = """
CREATE OR REPLACE TABLE things AS SELECT id,
    if(count(DISTINCT occurrence) = 1, min(occurrence), NULL) AS occurrence
FROM materials GROUP BY id
"""
_ALIASES = f"""
CREATE OR REPLACE TABLE alias AS
WITH lone AS (
    SELECT o.id, bool_and(o.format IN {_BARE}) AS bare FROM occurrences o
    ANTI JOIN (SELECT occurrence FROM materials WHERE occurrence IS NOT NULL) m
        ON m.occurrence = o.id
    GROUP BY o.id
)
SELECT l.id, t.occurrence AS record, 'materialEntityID' AS told
FROM lone l JOIN things t ON t.id = l.id WHERE t.occurrence IS NOT NULL
UNION ALL
SELECT l.id, min(coalesce(t.occurrence, t.id)), 'catalogNumber'
FROM lone l JOIN materials m ON m.number = l.id JOIN things t ON t.id = m.id
WHERE l.bare AND l.id NOT IN (SELECT id FROM things)
GROUP BY l.id HAVING count(DISTINCT coalesce(t.occurrence, t.id)) = 1
"""
_KNOWN = f"""
CREATE OR REPLACE TABLE known AS
WITH said AS (
    SELECT o.id, coalesce(a.record, o.id) AS record, 1 AS step
    FROM occurrences o LEFT JOIN alias a ON a.id = o.id
    WHERE o.format <> '{_FOLDER}'
    UNION ALL SELECT id, coalesce(occurrence, id), 2 FROM things
    UNION ALL SELECT m.number, coalesce(t.occurrence, t.id), 3
    FROM materials m JOIN things t ON t.id = m.id WHERE m.number IS NOT NULL
)
SELECT id, min(record) AS record FROM said
SEMI JOIN (SELECT id, min(step) AS step FROM said GROUP BY id) least USING (id, step)
GROUP BY id HAVING count(DISTINCT record) = 1
"""
# Of several ways in which a picture may name a record the most literal one counts.
_CALLED = f"""
CREATE OR REPLACE TABLE called AS
WITH there AS (
    SELECT * FROM pictures ANTI JOIN (SELECT address FROM addresses WHERE format <> '{_FOLDER}') a
        USING (address)
    QUALIFY row_number() OVER (PARTITION BY address ORDER BY source, k) = 1
), plain AS (
    SELECT p.*, coalesce(w.record, f.record, s.record) AS record,
        regexp_extract(p.stem, '^(.+)_([1-9])$', 1) AS base,
        try_cast(regexp_extract(p.stem, '^(.+)_([1-9])$', 2) AS INT) AS number
    FROM there p LEFT JOIN known w ON w.id = p.whole LEFT JOIN known f ON f.id = p.file
    LEFT JOIN known s ON s.id = p.stem
), counted AS (
    SELECT folder, base, count(*) = max(number) AND count(DISTINCT number) = max(number) AS whole
    FROM plain WHERE record IS NULL AND base <> '' GROUP BY folder, base
), named AS (
    SELECT p.source, p.k, p.address, p.whole, p.class, coalesce(p.record, b.record) AS record,
        p.record IS NULL AND b.record IS NOT NULL AS numbered
    FROM plain p LEFT JOIN counted c
        ON c.folder = p.folder AND c.base = p.base AND p.record IS NULL AND c.whole
    LEFT JOIN known b ON b.id = c.base
), torn AS (
    SELECT record FROM named WHERE record IS NOT NULL
    GROUP BY record HAVING count(DISTINCT class) > 1
)
SELECT n.source, row_number() OVER (PARTITION BY n.source ORDER BY n.k) AS line, n.k, n.address,
    if(t.record IS NULL, coalesce(n.record, n.whole), n.whole) AS record,
    if(t.record IS NULL AND n.record IS NOT NULL, if(n.numbered, 'numbered', 'named'),
        if(t.record IS NULL, '', 'torn')) AS told
FROM named n LEFT JOIN torn t ON t.record = n.record
"""
# Rows of sequences are in no order of their own: a record stands where its occurrence does.
_RECORDS = """
CREATE OR REPLACE TABLE firsts AS
WITH direct AS (
    SELECT i.catalogue, i.source, i.kind, i.place, i.own, i.material,
        coalesce(i.occurrence, t.occurrence) AS occurrence
    FROM items i LEFT JOIN things t ON t.id = i.material
), keyed AS (
    SELECT d.catalogue, d.source, d.kind, d.place, d.occurrence, a.told,
        coalesce(a.record, d.occurrence, d.material, d.own) AS record,
        (CAST(d.source AS BIGINT) << 44) + coalesce(o.place, 1::BIGINT << 43) AS first
    FROM direct d LEFT JOIN alias a ON a.id = coalesce(d.occurrence, d.material)
    LEFT JOIN occurrences o ON o.catalogue = d.catalogue AND o.id = d.occurrence
)
SELECT *, min(first) OVER (PARTITION BY record) AS at FROM keyed
"""
_STREAM = """
SELECT f.record, i.source, i.format, i.kind, i.own, i.marker, i.sequence, i.address, i.x, i.y, i.w,
    i.h, i.px, i.content
FROM firsts f JOIN items i
    ON i.catalogue = f.catalogue AND i.kind = f.kind AND i.place = f.place
ORDER BY f.at, f.record, f.kind DESC, i.marker, f.source, if(f.kind = 's', i.own, ''), i.place
"""
_COUNTS = """
SELECT
    (SELECT count(*) FROM (SELECT DISTINCT id FROM occurrences) o
        ANTI JOIN (SELECT record AS id FROM firsts UNION ALL SELECT occurrence FROM firsts) f
        USING (id)) AS bare,
    (SELECT count(DISTINCT occurrence) FROM firsts WHERE told = 'materialEntityID') AS things,
    (SELECT count(DISTINCT occurrence) FROM firsts WHERE told = 'catalogNumber') AS numbers
"""


class Joins:
    """A database of ids, in a folder that is thrown away. Use it in a ``with`` block.

    A source is what was given, by its place among all that was.
    """

    def __init__(self, work: Path) -> None:
        self._con = connect(work / "joins.duckdb", memory=_MEMORY, spill=work / "spill")
        for statement in _TABLES.split(";"):
            self._con.execute(statement)

    def __enter__(self) -> Joins:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._con.close()

    def name_runs(self, runs: Mapping[str, tuple[int, str]]) -> None:
        """Say which runs of the catalogue of files are which source, and of which format."""
        self._con.execute("DELETE FROM runs")
        for run, (source, format) in runs.items():
            self._con.execute("INSERT INTO runs VALUES (?, ?, ?)", [run, source, format])

    def take_ids(self, path: Path, source: int) -> None:
        """Take in what things and occurrences a catalogue knows, and which pictures it names."""
        with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
            for name, sql in _IDS.items():
                self._take(opened, sql, name, source)

    def take_items(self, path: Path, source: int) -> None:
        """Take in the sequences and pictures of a catalogue."""
        with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
            self._take(opened, _ITEMS, "items", source)

    def _take(self, opened: Catalogue, sql: str, table: str, source: int) -> None:
        found = opened.query(sql)
        into = f"INSERT INTO {table} SELECT {_TAKEN[table].format(source=source)} "
        for rows in found.batches(_BATCH):
            columns = dict(zip(found.columns, zip(*rows, strict=True), strict=True))
            self._insert(columns, f"{into} FROM batch x LEFT JOIN runs r ON r.run = x.run")

    def _insert(self, columns: Mapping[str, Sequence[object]], sql: str) -> None:
        """Insert columns of values, as texts: DuckDB reads those fastest."""
        held = {
            name: np.array([None if v is None else str(v) for v in values], dtype=object)
            for name, values in columns.items()
        }
        self._con.register("batch", held)
        self._con.execute(sql)
        self._con.unregister("batch")

    def forget_ids(self) -> None:
        """Empty the tables of ids, to take them again."""
        for name in _IDS:
            self._con.execute(f"DELETE FROM {name}")

    # -- names of files -------------------------------------------------------------------------

    def take_pictures(self, source: int, called: str, pictures: Pictures) -> None:
        """Take in the names of the files of a folder, whose ids begin with what it is called."""
        for start in range(0, len(pictures.files), _CHUNK):
            files = pictures.files[start : start + _CHUNK]
            below = [file.relative_to(pictures.root).as_posix() for file in files]
            columns: dict[str, Sequence[object]] = {
                "source": [source] * len(files),
                "k": [*range(start, start + len(files))],
                "address": [file.as_posix() for file in files],
                "folder": [file.parent.as_posix() for file in files],
                "whole": [f"{called}/{name}" for name in below],
                "file": [file.name for file in files],
                "stem": [file.stem for file in files],
                "class": [pictures.class_of(file) for file in files],
            }
            self._insert(columns, "INSERT INTO pictures BY NAME SELECT * FROM batch")

    def name_pictures(self) -> dict[str, int]:
        """Find out which record each file is of; return how many were joined in which way."""
        for sql in (_THINGS, _ALIASES, _KNOWN, _CALLED):
            self._con.execute(sql)
        counted = "SELECT told, count(*) FROM called WHERE told <> '' GROUP BY told"
        return dict(self._con.execute(counted).fetchall())

    def kept(self, source: int) -> list[int]:
        """Return which files of a folder are pictures that nothing else names, in order."""
        sql = "SELECT k FROM called WHERE source = ? ORDER BY k"
        return [k for (k,) in self._con.execute(sql, [source]).fetchall()]

    def records_of(self, source: int, lines: Sequence[int]) -> list[str]:
        """Return the ids of the records that these lines of a folder's kept files are of."""
        rows = self._con.execute(
            "SELECT line, record FROM called WHERE source = ? AND line BETWEEN ? AND ?",
            [source, min(lines), max(lines)],
        ).fetchall()
        found = dict(rows)
        return [found[line] for line in lines]

    def record_at(self, address: str) -> str:
        """Return the id of the record that a file is of."""
        sql = "SELECT record FROM called WHERE address = ?"
        return str(self._con.execute(sql, [address]).fetchall()[0][0])

    # -- records --------------------------------------------------------------------------------

    def join(self) -> tuple[int, int, int]:
        """Put all evidence together.

        Returns:
            How many occurrences have none; how many are known by the id of a thing, and how many
            by its number.
        """
        for sql in (_THINGS, _ALIASES, _RECORDS):
            self._con.execute(sql)
        bare, things, numbers = self._con.execute(_COUNTS).fetchall()[0]
        return bare, things, numbers

    def rows(self) -> Iterator[Row]:
        """Return all evidence, that of one record together, by first appearance."""
        found = self._con.execute(_STREAM)
        while batch := found.fetchmany(_BATCH):
            yield from batch
