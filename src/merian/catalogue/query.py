"""Asking a catalogue: SQL that can read its tables and nothing else.

The database is opened read-only and without access to files, so that the SQL of a stranger
can neither change a catalogue nor read what lies beside it. The rows come in batches and are
never all in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import duckdb

from merian.catalogue.schema import AS_WRITTEN, REJECTS, RUN, TABLES
from merian.errors import CatalogueError, InputError, did_you_mean

__all__ = ["ITSELF", "STORED", "Result", "ask", "quiet_cursor", "readable", "refuse"]

STORED = "catalogue.main"
"""Where the tables themselves are, behind views of their names."""

ITSELF = "itself"
"""What a view that stands before a table calls what it stands before."""

_BATCH = 10_000


class Result:
    """The answer to a query. It can be read once.

    Attributes:
        columns: The names of its columns.
        types: Their DuckDB types.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        described = cursor.description or []
        self.columns: tuple[str, ...] = tuple(str(d[0]) for d in described)
        self.types: tuple[str, ...] = tuple(str(d[1]) for d in described)

    def batches(self, size: int = _BATCH) -> Iterator[list[tuple[object, ...]]]:
        """Return the rows, some thousand at a time."""
        try:
            while rows := self._cursor.fetchmany(size):
                yield rows
        except duckdb.Error as error:
            if isinstance(error, duckdb.ConnectionException) or "No open result" in str(error):
                raise CatalogueError(
                    "the catalogue was closed or written to while a result of it was being read; "
                    "read the result to its end first"
                ) from None
            raise refuse(error) from None
        self._cursor.close()

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        for batch in self.batches():
            yield from batch

    def fetch(self, most: int | None = None) -> list[tuple[object, ...]]:
        """Return all rows, or the first few."""
        found: list[tuple[object, ...]] = []
        for row in self:
            if most is not None and len(found) >= most:
                break
            found.append(row)
        return found

    def value(self) -> object:
        """Return the first column of the first row, for a query that has just one."""
        rows = self.fetch(1)
        return rows[0][0] if rows else None


def quiet_cursor(
    con: duckdb.DuckDBPyConnection, views: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a cursor that writes no progress of its own to where our answers go.

    Args:
        con: The catalogue.
        views: Name and query of what stands before tables, such as the parts of a split (see
            `splits.part_views`).
    """
    cursor = con.cursor()
    cursor.execute("SET enable_progress_bar = false").fetchall()
    for name, sql in (views or {}).items():
        cursor.execute(f"CREATE TEMP VIEW {name} AS {sql}").fetchall()
    return cursor


def ask(con: duckdb.DuckDBPyConnection, sql: str, views: Mapping[str, str] | None = None) -> Result:
    """Run one query on a read-only connection."""
    cursor = quiet_cursor(con, views)
    try:
        cursor.execute(readable(cursor, sql))
    except duckdb.Error as error:
        cursor.close()
        raise refuse(error) from None
    return Result(cursor)


def readable(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the query if it is a single one that only reads."""
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise refuse(error) from None
    if len(statements) != 1:
        raise InputError(f"expected one query, found {len(statements)} statements")
    kind = statements[0].type
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise InputError(
            f"expected a query that reads (SELECT ...), found {kind.name}. A catalogue is changed "
            "only by the verbs that write a run"
        )
    return str(statements[0].query)


def refuse(error: duckdb.Error) -> InputError:
    """Return what DuckDB says about a query, with the tables and columns that there are."""
    text = str(error).strip()
    first = text.splitlines()[0]
    known = {table.name: table.columns for table in (*TABLES.values(), RUN, REJECTS, *AS_WRITTEN)}
    known["determination"] = TABLES["identification"].columns
    missing = re.search(r"Table with name (\S+) does not exist", text)
    column = re.search(r'column "([^"]+)"', text)
    if missing:
        hint = f". There are {', '.join(known)}." + did_you_mean(missing[1], known)
    elif column:
        columns = dict.fromkeys(c for names in known.values() for c in names)
        where = {c: [t for t, names in known.items() if c in names] for c in columns}
        close = did_you_mean(column[1], columns)
        hint = (
            "."
            + close
            + "".join(f" {c} is in {', '.join(where[c])}." for c in columns if c in close.split())
        )
    else:
        hint = ""
    return InputError(f"the query cannot be answered: {first}{hint}")
