"""Readers of checklists: one module a format, all into one table of usages.

A reader leaves three tables on a DuckDB connection. ``usage`` has one row a name as the source
gives it: a taxon, or a synonym that points to one by ``acceptedID``. ``problem`` has what was set
aside, with file, line and reason. ``alias`` has ids that were merged into others (``acceptedID``
is NULL for those that were deleted). What hangs wrongly (a parent that is missing, a circle, a
synonym of nothing) is passed on as it is: the build sees the whole tree and reports it.

The tables are sorted out in SQL, so that five million names take seconds and not hours.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import duckdb

from merian.errors import FormatError, NotFoundError, did_you_mean
from merian.files import existing

__all__ = ["KINDS", "Source", "make_tables", "read_usages", "sniff_kind"]

# In the order of asking: the surest first, a table of ranks last, since it claims the least.
KINDS = {
    "coldp": "merian.taxonomy.checklists.coldp",
    "dwca": "merian.taxonomy.checklists.dwca",
    "ncbi": "merian.taxonomy.checklists.ncbi",
    "ecotaxa": "merian.taxonomy.checklists.ecotaxa",
    "checklistbank": "merian.taxonomy.checklists.checklistbank",
    "catami": "merian.taxonomy.checklists.catami",
    "txtree": "merian.taxonomy.checklists.txtree",
    "ranks": "merian.taxonomy.checklists.ranks",
}

_TITLES = (
    "coldp (Catalogue of Life Data Package), dwca (Darwin Core Archive), ncbi (taxdump), ecotaxa "
    "(EcoTaxa's tree), checklistbank (name and name_usage CSV), catami "
    "(labels of the sea floor), txtree (indented text tree), "
    "ranks (a table with a column a rank)"
)


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        kind: One of `KINDS`.
        title: What the checklist calls itself, else the name of its file.
        version: Its version or date of issue, or ``""``.
        notes: What the user should know: what was implied, left out or resolved.
        problems: How many rows were set aside; they are in the table ``problem``.
    """

    kind: str
    title: str
    version: str
    notes: tuple[str, ...]
    problems: int


class _Reader(Protocol):
    def sniff(self, path: Path) -> bool: ...

    def read(self, path: Path, con: duckdb.DuckDBPyConnection) -> Source: ...


def _reader(kind: str) -> _Reader:
    return cast(_Reader, importlib.import_module(KINDS[kind]))


def sniff_kind(path: Path | str) -> str:
    """Return the kind of checklist that a file or folder is."""
    path = existing(path, "checklist")
    for kind in KINDS:
        if _reader(kind).sniff(path):
            return kind
    raise FormatError(
        f"is no checklist that is known. Known are {_TITLES}; if it is one of them, name its kind",
        path=path,
    )


def read_usages(
    path: Path | str, con: duckdb.DuckDBPyConnection, kind: str | None = None
) -> Source:
    """Read a checklist into the tables ``usage``, ``problem`` and ``alias`` of a connection.

    Args:
        path: The file or folder.
        con: The connection; tables of these names are replaced.
        kind: One of `KINDS`, or None to find out.
    """
    path = existing(path, "checklist")
    if kind is not None and kind not in KINDS:
        raise NotFoundError(
            f"no kind of checklist is called {kind!r}; there are {', '.join(KINDS)}."
            + did_you_mean(kind, KINDS)
        )
    make_tables(con)
    source = _reader(kind or sniff_kind(path)).read(path, con)
    (names,) = con.execute("SELECT count(*) FROM usage").fetchall()[0]
    if not names:
        raise FormatError(
            f"read as {source.kind}, it holds no names ({source.problems} rows set aside)",
            path=path,
        )
    return source


def make_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty tables that a reader fills."""
    for table, columns in (
        (
            "usage",
            "ordinal BIGINT, id VARCHAR, parentID VARCHAR, acceptedID VARCHAR, name VARCHAR, "
            "authorship VARCHAR, rank VARCHAR, status VARCHAR, code VARCHAR, file VARCHAR, "
            "line BIGINT",
        ),
        (
            "problem",
            "file VARCHAR, line BIGINT, id VARCHAR, reason VARCHAR, content VARCHAR",
        ),
        ("alias", "id VARCHAR, acceptedID VARCHAR"),
    ):
        con.execute(f"CREATE OR REPLACE TABLE {table}({columns})").fetchall()
