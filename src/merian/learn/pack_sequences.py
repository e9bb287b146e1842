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
    tell_short(con, found)


def tell_short(con: duckdb.DuckDBPyConnection, found: Gathered) -> None:
    """Tell of each record whose sequence is too short."""
    short = con.execute(
        f"SELECT record, {CALLED} AS called FROM raw WHERE {CALLED} < {MINIMUM_BASES} "
        "QUALIFY row_number() OVER (PARTITION BY record, sequence ORDER BY n) = 1 ORDER BY n"
        if found.kind == "records"
        else f"SELECT record, {CALLED} FROM raw WHERE {CALLED} < {MINIMUM_BASES} ORDER BY n"
    ).fetchall()
    found.rejects += [
        ("", "", record, f"too short: {count} bases called of the {MINIMUM_BASES} needed")
        for record, count in short
    ]
