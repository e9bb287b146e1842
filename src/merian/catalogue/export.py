"""Writing a table or the answer to a query: TSV, CSV, Parquet or JSON.

Rows are in one order, whatever the number of threads, so that the same catalogue gives the same
bytes. DuckDB writes into the work folder, and the file then appears under its name, complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from merian import __version__
from merian.catalogue.checks import literal
from merian.catalogue.query import quiet_cursor, readable, refuse
from merian.catalogue.schema import AS_WRITTEN, REJECTS, RUN, TABLES
from merian.errors import InputError
from merian.files import new_file
from merian.stamp import run_id, stamp, stamp_beside

__all__ = ["export"]

_KEYS = {table.name: table.key for table in (*TABLES.values(), RUN, REJECTS)} | {
    "determination": "occurrenceID",
    **{table.name: table.key for table in AS_WRITTEN},
    "placement": "splitName, recordID",
}
# No clock in what is written: the same catalogue is the same bytes.
_CLOCKS = {"run": ("startedAt", "finishedAt")}

_OPTIONS = {
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    ".csv": "FORMAT csv, HEADER",
    ".parquet": "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880",
    ".json": "FORMAT json, ARRAY true",
    ".jsonl": "FORMAT json",
}


def export(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    what: str,
    path: Path,
    views: Mapping[str, str] | None = None,
) -> int:
    """Write a table or a query's answer and return its number of rows.

    Args:
        con: The catalogue.
        work: Where DuckDB writes first.
        what: The name of a table, or a query.
        path: The file.
        views: What stands before tables (see `quiet_cursor`).
    """
    options = _OPTIONS.get(path.suffix.lower())
    if options is None:
        raise InputError(
            f"{path}: the suffix says how to write, and {path.suffix or 'none'!r} is not known; "
            f"use one of {', '.join(_OPTIONS)}"
        )
    cursor = quiet_cursor(con, views)
    try:
        select = _ordered(cursor, what)
        asked: dict[str, Any] = {"what": what, "runs": _runs(cursor)}
        if views:  # where it is made is another folder each time
            asked["views"] = {name: sql.replace(str(work), "") for name, sql in views.items()}
        run = run_id("export", asked)
        mark = stamp("merian-table", "1.0", run, _lock(cursor))
        if path.suffix.lower() == ".parquet":
            options += f", KV_METADATA {{merian: {literal(json.dumps(mark))}}}"
        return _copy(cursor, select, options, work, path, mark)
    except duckdb.Error as error:
        raise refuse(error) from None
    finally:
        cursor.close()


def _copy(
    cursor: duckdb.DuckDBPyConnection,
    select: str,
    options: str,
    work: Path,
    path: Path,
    mark: dict[str, Any],
) -> int:
    """Let DuckDB write beside its own files, then put the file under its name."""
    work.mkdir(parents=True, exist_ok=True)
    part = work / f"export{path.suffix.lower()}"
    threads = cursor.execute("SELECT current_setting('threads')").fetchall()[0][0]
    try:
        # One thread writes; otherwise the pieces of a file depend on who was first.
        cursor.execute("SET threads = 1").fetchall()
        counted = cursor.execute(f"COPY ({select}) TO {literal(part)} ({options})").fetchall()
        with part.open("rb") as made, new_file(path) as stream:
            shutil.copyfileobj(made, stream, 1 << 20)
    finally:
        cursor.execute(f"SET threads = {threads}").fetchall()
        part.unlink(missing_ok=True)
        with suppress(OSError):  # what was laid beside the tables stays until all is closed
            work.rmdir()
    if path.suffix.lower() != ".parquet":
        stamp_beside(path, mark)
    return int(counted[0][0])


def _ordered(cursor: duckdb.DuckDBPyConnection, what: str) -> str:
    """Return the query in an order that is always the same."""
    if what in _KEYS:
        without = _CLOCKS.get(what)
        drop = f" EXCLUDE ({', '.join(without)})" if without else ""
        return f"SELECT *{drop} FROM {what} ORDER BY {_KEYS[what]}"
    sql = readable(cursor, what).strip().rstrip(";")
    tree = cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
    nodes = json.loads(tree).get("statements", [])
    kinds = {m.get("type") for n in nodes for m in n.get("node", {}).get("modifiers", [])}
    if "ORDER_MODIFIER" in kinds:
        return sql
    return f"SELECT * FROM ({sql}) ORDER BY ALL"


def _runs(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    found = cursor.execute("SELECT runID FROM run ORDER BY runID").fetchall()
    return [f"{__version__} {run}" for (run,) in found]


def _lock(cursor: duckdb.DuckDBPyConnection) -> dict[str, str] | None:
    """Return the lock of the names, if all of them were matched to one checklist."""
    found = cursor.execute(
        "SELECT DISTINCT taxonomyLock FROM run WHERE taxonomyLock IS NOT NULL LIMIT 2"
    ).fetchall()
    return dict(json.loads(found[0][0])) if len(found) == 1 else None
