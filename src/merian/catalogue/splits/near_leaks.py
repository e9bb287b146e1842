"""Near duplicates across the parts of a split: barcodes nearly the same, pictures that look alike.

What is equal is told by the groups (see `leaks`); these differ a little, and a score on them says
nearly as little. Of barcodes a sample of those outside the parts that learn is looked at, drawn by
the hash of the barcode, so that it is the same every time and takes no longer in a large catalogue.
Of pictures the catalogue can tell what `merian audit pictures --write` has seen of them. What was
not looked at is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.groups import BARCODE, keyed
from merian.catalogue.splits.leaks import Leak

__all__ = ["LOOKS_LIKE", "PIXELS", "NearBarcodes", "near_leaks"]

NearBarcodes = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.bool_]]
"""Is given barcodes, and those that are learned from; returns which have a near one there."""

PIXELS, LOOKS_LIKE = "picture pixels", "picture looks like"
"""The types of measurements that hold the hash of a picture's pixels, and what it is like."""

_SAMPLE = 1_000  # barcodes that are looked at
_SEARCHED = 200_000  # barcodes to learn from, at most: they are held in memory


def near_leaks(con: duckdb.DuckDBPyConnection, fold: bool, near: NearBarcodes) -> list[Leak]:
    """Return near duplicates across parts.

    Args:
        con: The catalogue, with the temporary table ``sides`` (n, part, role).
        fold: Whether every part is a test once: then the first is asked of all others.
        near: Finds barcodes that are nearly the same.
    """
    found = [_barcodes(con, fold, near), _pictures(con, fold)]
    return [leak for leak in found if leak is not None]


def _barcodes(con: duckdb.DuckDBPyConnection, fold: bool, near: NearBarcodes) -> Leak | None:
    """Look for a sample of barcodes among those that are learned from."""
    learns = "part <> (SELECT min(part) FROM sides)" if fold else "role = 'learn'"
    con.execute(f"""
CREATE OR REPLACE TEMP TABLE near_key AS
SELECT key, min(n) AS n, bool_or({learns}) AS learned, count(DISTINCT n) AS records
FROM {keyed(con, "barcode")} JOIN sides USING (n) WHERE role <> 'aside' GROUP BY key
""").fetchall()
    try:
        learned, asked = con.execute(
            "SELECT count(*) FILTER (learned), count(*) FILTER (NOT learned) FROM near_key"
        ).fetchall()[0]
        if not learned or not asked:
            return None
        if learned > _SEARCHED:
            why = f"not looked at: {learned:,} barcodes to learn from; {_SEARCHED:,} at most"
            return Leak("near barcode", 0, 0, 0, 0, why)
        sample = _texts(con, f"NOT learned ORDER BY key LIMIT {_SAMPLE}")
        there = near([text for text, _ in sample], [text for text, _ in _texts(con, "learned")])
        records = np.array([count for _, count in sample], np.int64)
        note = f"{len(sample):,} of {asked:,} barcodes looked at" if asked > len(sample) else ""
        return Leak("near barcode", len(sample), int(there.sum()), int(records[there].sum()),
                    int(records.sum()), note)  # fmt: skip
    finally:
        con.execute("DROP TABLE IF EXISTS temp.near_key").fetchall()


def _texts(con: duckdb.DuckDBPyConnection, where: str) -> list[tuple[str, int]]:
    """Return barcodes by their keys, with the number of records of each."""
    rows = con.execute(f"""
WITH chosen AS MATERIALIZED (SELECT * FROM near_key WHERE {where}),
b AS (SELECT c.key, c.records, {BARCODE} AS barcode FROM own_sequence x JOIN chosen c USING (n)
    WHERE x.sequence IS NOT NULL)
SELECT min(barcode), any_value(records) FROM b WHERE hash(barcode) = key GROUP BY key ORDER BY key
""").fetchall()
    return [(str(text), int(records)) for text, records in rows]


def _pictures(con: duckdb.DuckDBPyConnection, fold: bool) -> Leak | None:
    """Look at what an audit has written of pictures that look alike."""
    pictures, seen = con.execute(
        "SELECT (SELECT count(*) FROM media), (SELECT count(DISTINCT mediaID) FROM measurement "
        f"WHERE measurementType = '{PIXELS}')"
    ).fetchall()[0]
    if not pictures:
        return None
    if not seen:
        why = "not looked at; `merian audit pictures CATALOGUE --write` first"
        return Leak("near picture", 0, 0, 0, 0, why)
    other = "t.part <> s.part" if fold else "t.role = 'learn' AND s.role <> 'learn'"
    tested = "true" if fold else "s.role <> 'learn'"
    row = con.execute(f"""
WITH look AS (
    SELECT DISTINCT mediaID, measurementValue AS pixels FROM measurement
    WHERE measurementType = '{PIXELS}'
), pair AS (
    SELECT a.pixels AS one, b.pixels AS other FROM measurement m
    JOIN look a ON a.mediaID = m.mediaID JOIN look b ON b.mediaID = m.measurementValue
    WHERE m.measurementType = '{LOOKS_LIKE}'
), link AS (
    SELECT one, other FROM pair UNION SELECT other, one FROM pair
    UNION SELECT pixels, pixels FROM look
), s AS (
    SELECT DISTINCT x.n, l.pixels, d.part, d.role FROM own_media x
    JOIN look l ON l.mediaID = x.mediaID JOIN sides d ON d.n = x.n WHERE d.role <> 'aside'
), met AS (
    SELECT s.n, s.pixels, bool_or({other}) AS leaks, bool_or(t.part <> s.part) AS parts
    FROM s JOIN link ON link.one = s.pixels JOIN s t ON t.pixels = link.other AND t.n <> s.n
    GROUP BY ALL
)
SELECT (SELECT count(DISTINCT pixels) FROM met), (SELECT count(DISTINCT pixels) FROM met
    WHERE parts), (SELECT count(DISTINCT n) FROM met WHERE leaks),
    (SELECT count(DISTINCT n) FROM s WHERE {tested})
""").fetchall()[0]
    note = f"{seen:,} of {pictures:,} pictures were audited" if seen < pictures else ""
    groups, shared, records, asked = (int(value or 0) for value in row)
    return Leak("near picture", groups, shared, records, asked, note)
