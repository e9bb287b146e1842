"""Groups of records that must stay together, each as SQL, and what hangs together by them.

A group is a key that several records share. Records that share any key of any declared group hang
together, and so do those that hang together with the same ones: the pieces are the connected
components of records and keys, found by union and find over pairs of a record and the first
record of its key, so that memory grows with the number of records alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from merian.catalogue.schema import TABLES, quoted
from merian.catalogue.splits.near import dated, spaced
from merian.errors import InputError, did_you_mean

__all__ = ["BARCODE", "KINDS", "Contained", "declared", "key_sql", "keyed", "pieces"]

Contained = Callable[[Sequence[str], npt.NDArray[np.int64]], npt.NDArray[np.int64]]
"""Is given distinct barcodes and the group of each; returns the groups, joined where one barcode
lies within another."""

_TURNED = "reverse(translate({x}, 'ACGTRYSWKMBDHVN', 'TGCAYRSWMKVHDBN'))"
_TRIMMED = "trim(x.sequence, 'N')"
# Turning is dear, and the ends alone mostly tell which strand comes first.
_FIRST, _LAST = f"left({_TRIMMED}, 16)", _TURNED.format(x=f"right({_TRIMMED}, 16)")
BARCODE = (
    f"CASE WHEN {_FIRST} < {_LAST} THEN {_TRIMMED} WHEN {_FIRST} > {_LAST} THEN "
    f"{_TURNED.format(x=_TRIMMED)} ELSE least({_TRIMMED}, {_TURNED.format(x=_TRIMMED)}) END"
)
"""A barcode as SQL, whichever strand was written and however many N stand at its ends."""

_SPECIMEN = """
SELECT n, key FROM (
    SELECT r.n, unnest([
        'thing ' || coalesce(t.derivedFromMaterialEntityID, t.materialEntityID),
        'number ' || lower(concat_ws(' ', t.institutionCode, t.collectionCode, t.catalogNumber))
    ]) AS key, t.catalogNumber FROM material t JOIN rec r ON r.recordID = t.occurrenceID
    UNION ALL
    SELECT n, 'accession ' || lower(regexp_replace(trim(accession), '[.][0-9]+$', '')), 'a' FROM (
        SELECT n, unnest(string_split_regex(associatedSequences, '[|;,]')) AS accession
        FROM own_sequence x WHERE associatedSequences IS NOT NULL
    ) WHERE trim(accession) <> ''
) WHERE key IS NOT NULL AND NOT (key LIKE 'number %' AND catalogNumber IS NULL)
"""
_ROOTS = """
WITH RECURSIVE up(eventID, root, depth) AS (
    SELECT eventID, coalesce(parentEventID, eventID), 0 FROM event
    UNION ALL
    SELECT u.eventID, e.parentEventID, u.depth + 1 FROM up u JOIN event e ON e.eventID = u.root
    WHERE e.parentEventID IS NOT NULL AND e.parentEventID <> u.root AND u.depth < 20
), top AS (SELECT eventID, arg_max(root, depth) AS root FROM up GROUP BY eventID)
SELECT r.n, coalesce(if(t.root <> o.eventID, t.root, NULL), o.datasetName) AS key
FROM rec r JOIN occurrence o ON o.occurrenceID = r.recordID LEFT JOIN top t USING (eventID)
WHERE key IS NOT NULL
"""
_PICTURE = """
SELECT n, 'bytes ' || contentHash AS key FROM own_media x
WHERE contentHash IS NOT NULL AND derivedFromMediaID IS NULL
UNION ALL SELECT n, 'bytes ' || contentHash FROM own_media
WHERE contentHash IS NOT NULL AND derivedFromMediaID IS NOT NULL AND accessURI IS NOT NULL
UNION ALL SELECT n, 'picture ' || coalesce(derivedFromMediaID, mediaID) FROM own_media
"""

# name -> (what it is, the SQL of pairs of a record and a key)
KINDS: dict[str, tuple[str, str]] = {
    "specimen": ("a specimen by its number, its material or an accession", _SPECIMEN),
    "barcode": (
        "a barcode, on either strand, and what lies within it",
        f"SELECT n, {BARCODE} AS key FROM own_sequence x "
        f"WHERE x.sequence IS NOT NULL AND {_TRIMMED} <> ''",
    ),
    "bin": (
        "a BIN or species hypothesis",
        "SELECT n, taxonConceptID AS key FROM label WHERE taxonConceptID IS NOT NULL",
    ),
    "sample": (
        "a sample: what was caught at one event",
        "SELECT n, eventID AS key FROM own_event",
    ),
    "cruise": ("a cruise, trap or transect: the event above; else the data set", _ROOTS),
    "picture": ("a picture: its regions, and files with the same bytes", _PICTURE),
    "instrument": (
        "a camera or instrument",
        "SELECT n, captureDevice AS key FROM own_media WHERE captureDevice IS NOT NULL",
    ),
    "date": ("a day; date=30: days with gaps of at most 30 days between", ""),
    "distance": ("distance=5: places with gaps of at most 5 km between", ""),
    "block": ("block=100: a cell of a grid of 100 km", ""),
}
"""The groups that have a name."""

_OF = {
    "occurrence": "SELECT r.n, o.{c} AS key FROM rec r JOIN occurrence o "
    "ON o.occurrenceID = r.recordID",
    "event": "SELECT n, {c} AS key FROM own_event",
    "media": "SELECT n, {c} AS key FROM own_media",
    "material": "SELECT r.n, t.{c} AS key FROM material t JOIN rec r "
    "ON r.recordID = t.occurrenceID",
    "sequence": "SELECT n, {c} AS key FROM own_sequence",
    "identification": "SELECT n, {c} AS key FROM named",
}
_KILOMETRES = re.compile(r"(?i)(\d+(?:\.\d+)?|\.\d+)(km|m|d|days?)?")


def declared(text: str) -> tuple[str, float | None]:
    """Read a group: its name, and the number that belongs to it (km or days), if any."""
    name, sign, size = text.strip().partition("=")
    if not sign:
        if name in ("distance", "block"):
            raise InputError(f"--by {text}: how far? Give kilometres, as in --by {name}=5")
        return name, None
    found = _KILOMETRES.fullmatch(size.strip())
    if name not in ("distance", "block", "date") or not found or float(found[1]) <= 0:
        raise InputError(
            f"--by {text}: expected distance=KM, block=KM or date=DAYS, such as distance=5"
        )
    unit = (found[2] or "").lower()
    if unit and (name == "date") == (unit in ("km", "m")):
        raise InputError(f"--by {text}: the unit does not fit; dates have days, places km")
    number = float(found[1])
    return name, number / 1000 if unit == "m" else number


def key_sql(name: str) -> str:
    """Return the SQL of records and keys of a group; of any column of the tables as well."""
    if name in KINDS and KINDS[name][1]:
        return KINDS[name][1]
    if name == "date":
        return "SELECT n, left(eventDate, 10) AS key FROM own_event WHERE length(eventDate) >= 10"
    for table, sql in _OF.items():
        for one in TABLES[table].columns:
            if one.lower() == name.lower():
                return f"SELECT n, CAST(key AS VARCHAR) AS key FROM " \
                       f"({sql.format(c=quoted(one))}) WHERE key IS NOT NULL"  # fmt: skip
    columns = dict.fromkeys(c for table in _OF for c in TABLES[table].columns)
    raise InputError(
        f"--by {name}: there is no such group or column; groups are {', '.join(KINDS)}."
        + did_you_mean(name, [*KINDS, *columns])
    )


def keyed(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return a table of records and the hashes of their keys; it is made once and kept for all.

    The hash of a key stands for it: it only has to be the same for the same.
    """
    table = quoted(f"keyed {name.lower()}")
    con.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {table} AS "
        f"SELECT DISTINCT n, hash(key) AS key FROM ({key_sql(name)})"
    ).fetchall()
    return table


def _barcodes(con: duckdb.DuckDBPyConnection) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return the first record of all distinct barcodes, and these."""
    found = con.execute(f"""
WITH b AS MATERIALIZED (
    SELECT n, f.key, {BARCODE} AS barcode FROM own_sequence x
    JOIN (SELECT key, min(n) AS n FROM {keyed(con, "barcode")} GROUP BY key) f USING (n)
    WHERE x.sequence IS NOT NULL
)
SELECT n, min(barcode) AS barcode FROM b WHERE hash(barcode) = key GROUP BY n, key ORDER BY n, key
""").fetchnumpy()
    return np.asarray(found["n"], np.int32), found["barcode"].tolist()


def pieces(
    con: duckdb.DuckDBPyConnection,
    by: Sequence[str],
    count: int,
    contained: Contained | None = None,
) -> npt.NDArray[np.int32]:
    """Return the piece of each record: those of one number hang together by a declared group.

    Pieces are numbered by their first records.

    Args:
        con: The catalogue, with its records numbered.
        by: The groups.
        count: How many records there are.
        contained: Joins barcodes that lie within others; None for those that are equal alone.
    """
    from merian.catalogue.splits.loops import join, numbered  # noqa: PLC0415 - loads numba

    above = np.arange(count, dtype=np.int32)
    for text in by:
        name, size = declared(text)
        for one, other in _pairs(con, name, size):
            join(above, np.ascontiguousarray(one, np.int32), np.ascontiguousarray(other, np.int32))
        if name == "barcode" and contained is not None:
            first, barcodes = _barcodes(con)
            if barcodes:
                held = contained(barcodes, numbered(above)[first].astype(np.int64))
                order = np.argsort(held, kind="stable")
                starts = np.flatnonzero(np.diff(held[order], prepend=-1))
                lead = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
                join(above, first[order], np.ascontiguousarray(first[lead]))
    return numbered(above)


def _pairs(
    con: duckdb.DuckDBPyConnection, name: str, size: float | None
) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
    """Return pairs of records that a group joins."""
    if name in ("distance", "block"):
        assert size is not None
        return [spaced(con, name, size)]
    if name == "date" and size is not None:
        return [dated(con, size)]
    table = keyed(con, name)
    found = con.execute(
        f"SELECT n, first FROM {table} JOIN (SELECT key, min(n) AS first FROM {table} "
        "GROUP BY key HAVING count(*) > 1) USING (key) WHERE n > first"
    ).fetchnumpy()
    return [(found["n"], found["first"])]
