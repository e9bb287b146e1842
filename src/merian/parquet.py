"""Parquet files: their columns, what their writer told of them, and cells by the number of the row.

Opening a database takes longer than reading a hundred pictures, so one is kept for each process. It
remembers the footers of the files that it has seen, and looks again at one that was written anew.
Cells are read a block at a time: the row group that a row lies in (hubs write a hundred pictures
into one), or a part of it where it is large, so that memory stays bounded whatever a file holds.

Reference: Apache Parquet, format 2.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import duckdb

from merian.database import connect

__all__ = ["Column", "FileStamp", "Layout", "RowRange", "columns_of", "fetch", "layout_of",
           "new_session", "run_on", "scan", "told_of"]  # fmt: skip

_BLOCK = 16 << 20  # bytes of a block of cells
_MEMORY = "1GB"


class FileStamp(NamedTuple):
    """A file as it was when it was looked at: one that is written again is looked at again."""

    path: str
    size: int
    changed: int


class Column(NamedTuple):
    """A column of a file: its name and its type as DuckDB calls it."""

    name: str
    kind: str


class RowRange(NamedTuple):
    """A run of rows: the first, counted from 0, and how many."""

    first: int
    number: int


class Layout(NamedTuple):
    """The row groups of a file.

    Attributes:
        first: The first row of each group.
        rows: How many rows each has.
        sizes: The bytes of each, unpacked, in the columns that are meant.
    """

    first: tuple[int, ...]
    rows: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.first[-1] + self.rows[-1] if self.first else 0

    def block(self, row: int) -> RowRange | None:
        """Return the rows that are read with a row; None where there is no such row."""
        group = bisect_right(self.first, row) - 1
        if row < 0 or group < 0 or row >= self.first[group] + self.rows[group]:
            return None
        first, count = self.first[group], self.rows[group]
        step = max(1, count * _BLOCK // self.sizes[group]) if self.sizes[group] > _BLOCK else count
        start = first + (row - first) // step * step
        return RowRange(start, min(step, first + count - start))

    def run(self, first: int, most: int) -> RowRange:
        """Return the rows that are read from a row on: so many at most, and what memory holds."""
        group = bisect_right(self.first, first) - 1
        number = size = 0
        for rows, bulk in zip(self.rows[group:], self.sizes[group:], strict=True):
            left = min(rows, self.first[group] + rows - first) if not number else rows
            fit = min(left, most - number)
            if bulk > _BLOCK:
                fit = min(fit, max(1, rows * (_BLOCK - size) // bulk) if not number else 0)
            elif number and size + bulk > _BLOCK:
                fit = 0
            number, size = number + fit, size + bulk
            if fit < left:
                break
        return RowRange(first, number)

    def end_of_group(self, row: int) -> int:
        """Return the first row behind the group that a row lies in."""
        group = bisect_right(self.first, row) - 1
        return self.first[group] + self.rows[group]


def scan(path: str, rows: RowRange | None = None) -> str:
    """Return the SQL of a file's rows, in order, with their numbers as ``file_row_number``.

    Args:
        path: The file, whatever its name.
        rows: Those that are meant; all if not given.
    """
    source = f"read_parquet({_name(path)}, file_row_number = true)"
    if rows is None:
        return source
    return (
        f"(SELECT * FROM {source} WHERE file_row_number BETWEEN {rows.first} AND "
        f"{rows.first + rows.number - 1})"
    )


def fetch(sql: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query on files; whatever goes wrong is a ``duckdb.Error``."""
    return run_on(new_session(), sql)


def new_session() -> duckdb.DuckDBPyConnection:
    """Return a session of this process's database; its variables are its own."""
    return _database(os.getpid()).cursor()


def run_on(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run a statement; a database that breaks on a damaged file is not used again."""
    try:
        return con.execute(sql, list(values)).fetchall()
    except (duckdb.InternalException, duckdb.FatalException):
        _database.cache_clear()
        raise


@cache
def _database(_process: int) -> duckdb.DuckDBPyConnection:
    """Return the database of a process: one that was forked must not use its parent's."""
    con = connect(memory=_MEMORY, threads=1)
    con.execute("SET parquet_metadata_cache = true").fetchall()
    return con


def columns_of(path: str) -> tuple[Column, ...]:
    """Return the columns of a file."""
    found = fetch(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {scan(path)}")
    return tuple(Column(str(name), str(kind)) for name, kind, *_ in found)


def told_of(path: str) -> dict[str, str]:
    """Return what the writer of a file noted beside its rows."""
    found = fetch(f"SELECT key, value FROM parquet_kv_metadata({_name(path)})")
    return {_text(key): _text(value) for key, value in found}


@lru_cache(maxsize=64)
def layout_of(file: FileStamp, columns: tuple[str, ...]) -> Layout:
    """Return the row groups of a file, with their sizes in these columns."""
    names = [name.replace("'", "''") for name in columns]
    meant = " OR ".join(
        f"path_in_schema = '{name}' OR starts_with(path_in_schema, '{name}, ')" for name in names
    )
    size = f"sum(greatest(total_uncompressed_size, 0)) FILTER ({meant or 'false'})"
    found = fetch(
        f"SELECT any_value(row_group_num_rows), coalesce({size}, 0)::BIGINT "
        f"FROM parquet_metadata({_name(file.path)}) GROUP BY row_group_id ORDER BY row_group_id"
    )
    first: list[int] = []
    end = 0
    for rows, _ in found:
        first.append(end)
        end += max(int(rows or 0), 0)
    rows = tuple(max(int(count or 0), 0) for count, _ in found)
    return Layout(tuple(first), rows, tuple(int(size) for _, size in found))


def _name(path: str) -> str:
    """Return a path as SQL; stars and brackets in it would be taken for a pattern."""
    name = "".join(f"[{c}]" if c in "*?[" else c for c in path).replace("'", "''")
    return f"'{name}'"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
