"""A table of texts that is laid beside those of a catalogue, for queries to join.

A catalogue that is open for reading takes no table, and a list of ten million pictures is no part
of a query. Such a list is a Parquet file in the work folder, the only one that queries see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.database import connect

__all__ = ["laid"]

_BATCH = 10_000


def laid(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Write rows of texts into a Parquet file; return what stands behind FROM to read it."""
    names = ", ".join(f"{quoted(name)} VARCHAR" for name in columns)
    lists = ", ".join("unnest(?::VARCHAR[])" for _ in columns)
    given = iter(rows)
    with connect(memory="500MB", threads=1, spill=path.parent) as con:
        con.execute(f"CREATE TABLE laid ({names})").fetchall()
        while batch := list(islice(given, _BATCH)):
            con.execute(
                f"INSERT INTO laid SELECT {lists}", [list(c) for c in zip(*batch, strict=True)]
            ).fetchall()
        con.execute(f"COPY laid TO {literal(str(path))} (FORMAT parquet)").fetchall()
    return f"read_parquet({literal(str(path))})"
