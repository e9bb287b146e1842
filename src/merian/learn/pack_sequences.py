"""Barcodes on their way into a pack: looked at, and the same on either strand known as one."""

from __future__ import annotations

import duckdb

from merian.barcode import MINIMUM_BASES
from merian.learn.pack_gather import Gathered
from merian.learn.pack_items import CALLED

__all__ = ["CONTENT", "look_at_sequences", "tell_short"]

_TRIMMED = "trim(sequence, 'N')"
_OTHER = f"reverse(translate({_TRIMMED}, 'ACGTRYSWKMBDHVN', 'TGCAYRSWMKVHDBN'))"

CONTENT = f"md5(least({_TRIMMED}, {_OTHER}))"
"""The hash of what a sequence says, on whichever strand."""


def look_at_sequences(con: duckdb.DuckDBPyConnection, found: Gathered) -> None:
    """Make the table ``looked`` of good sequences: their number, and the hash of what they say."""
    con.execute(
        f"CREATE TABLE looked AS SELECT n, {CONTENT} AS content FROM raw "
        f"WHERE {CALLED} >= {MINIMUM_BASES}"
    )
    tell_short(con, found, f"SELECT n, record, {CALLED} AS called FROM raw")


def tell_short(con: duckdb.DuckDBPyConnection, found: Gathered, counts: str) -> None:
    """Tell of each record whose sequence is too short, in the order of the numbers.

    Args:
        con: The database.
        found: What is told is added to its rejects.
        counts: The SQL of number, record, and how many bases are called.
    """
    short = con.execute(
        f"SELECT record, called FROM ({counts}) WHERE called < {MINIMUM_BASES} ORDER BY n"
    ).fetchall()
    found.rejects += [
        ("", "", record, f"too short: {count} bases called of the {MINIMUM_BASES} needed")
        for record, count in short
    ]
