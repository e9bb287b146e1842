"""The records that a split places, as a table of numbers that the rest of a split works on.

A record is an occurrence with all that hangs on it; a picture or a sequence that belongs to no
occurrence is a record by itself, as it is in a pack. Records are numbered in the order of their
ids, so that nothing depends on the order in which they were imported. What machines have answered
is no label.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from merian.catalogue.definitions import STANDING, STANDS_FIRST, own_answer
from merian.catalogue.media import SUBJECT, THING
from merian.catalogue.schema import RANKS, quoted
from merian.errors import CatalogueError, InputError, did_you_mean

__all__ = ["Numbers", "column", "count_records", "drop_tables", "number_records", "texts"]

Numbers = npt.NDArray[Any]

_NAMES = ("species", "genus", "scientificName", "verbatimIdentification")

# A picture and a sequence without an occurrence may have names of their own.
_MAKE = (
    f"""
CREATE OR REPLACE TEMP TABLE rec AS
WITH known AS (
    SELECT occurrenceID AS recordID FROM occurrence
    UNION SELECT x.mediaID FROM media x {THING} WHERE {SUBJECT} IS NULL
    UNION SELECT x.nucleotideSequenceID FROM sequence x {THING} WHERE {SUBJECT} IS NULL
)
SELECT CAST(row_number() OVER (ORDER BY recordID) - 1 AS INTEGER) AS n, recordID FROM known
ORDER BY n
""",
    f"""
CREATE OR REPLACE TEMP VIEW own_media AS
SELECT r.n, x.* FROM media x {THING} JOIN rec r ON r.recordID = coalesce({SUBJECT}, x.mediaID)
""",
    f"""
CREATE OR REPLACE TEMP VIEW own_sequence AS
SELECT r.n, x.* FROM sequence x {THING}
JOIN rec r ON r.recordID = coalesce({SUBJECT}, x.nucleotideSequenceID)
""",
    """
CREATE OR REPLACE TEMP VIEW own_event AS
SELECT r.n, e.* FROM rec r JOIN occurrence o ON o.occurrenceID = r.recordID
JOIN event e ON e.eventID = o.eventID
""",
    f"""
CREATE OR REPLACE TEMP VIEW named AS
SELECT r.n, d.* FROM rec r JOIN determination d ON d.occurrenceID = r.recordID
LEFT JOIN run w ON w.runID = d.runID WHERE NOT {own_answer("d", "w")}
UNION ALL BY NAME
SELECT r.n, i.* FROM rec r
JOIN identification i ON coalesce(i.mediaID, i.nucleotideSequenceID) = r.recordID
LEFT JOIN run w ON w.runID = i.runID WHERE NOT {own_answer("i", "w")} AND {STANDING}
AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.occurrenceID = r.recordID)
QUALIFY row_number() OVER (PARTITION BY r.n ORDER BY {STANDS_FIRST}) = 1
""",
)

_VIEWS = ("named", "own_event", "own_sequence", "own_media")


def number_records(con: duckdb.DuckDBPyConnection, rank: str | None) -> int:
    """Make the tables ``rec`` (number, id) and ``label`` (number, label, species, genus, BIN).

    Args:
        con: The catalogue, open for writing; the tables are temporary.
        rank: The rank of ``label``; of None it is the lowest name that a record has.

    Returns:
        How many records there are.
    """
    if rank is not None and rank not in RANKS:
        raise InputError(f"--rank {rank}: expected one of {', '.join(RANKS)}." +
                         did_you_mean(rank, RANKS))  # fmt: skip
    for sql in _MAKE:
        con.execute(sql).fetchall()
    count = count_records(con)
    if not count:
        raise CatalogueError("the catalogue holds no records to divide; import some first")
    chosen = quoted(rank) if rank else "coalesce(species, scientificName, verbatimIdentification)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE label AS SELECT n, {chosen} AS label, species, genus, "
        "taxonConceptID FROM named"
    ).fetchall()
    return count


def count_records(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many records are numbered."""
    return int(con.execute("SELECT count(*) FROM rec").fetchall()[0][0])


def drop_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Remove what was made."""
    for view in _VIEWS:
        con.execute(f"DROP VIEW IF EXISTS temp.{view}").fetchall()
    keyed = "SELECT table_name FROM duckdb_tables() WHERE temporary AND table_name LIKE 'keyed %'"
    for table in ("rec", "label", "made", "made_reason", "sides", *texts(con, keyed)):
        con.execute(f"DROP TABLE IF EXISTS temp.{quoted(table)}").fetchall()


def column(
    con: duckdb.DuckDBPyConnection, name: str, count: int
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return a column of ``label`` as numbers of its values in their order, -1 for none.

    Args:
        con: The catalogue.
        name: The column.
        count: How many records there are.
    """
    found = con.execute(
        f"WITH kinds AS (SELECT {name} AS kind, row_number() OVER (ORDER BY {name}) - 1 AS k "
        f"FROM label WHERE {name} IS NOT NULL GROUP BY {name}) "
        f"SELECT n, CAST(k AS INTEGER) AS k FROM label JOIN kinds ON kind = {name}"
    ).fetchnumpy()
    codes = np.full(count, -1, np.int32)
    codes[found["n"]] = found["k"]
    return codes, texts(
        con, f"SELECT DISTINCT {name} FROM label WHERE {name} IS NOT NULL ORDER BY 1"
    )


def texts(con: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """Return a column of texts."""
    return [str(text) for (text,) in con.execute(sql).fetchall()]
