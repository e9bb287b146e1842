"""One way to open DuckDB, so that it behaves alike everywhere.

No progress bar of its own on the screen, a bounded memory with the rest on the disk, and the
order of rows kept: the same input gives the same output, whatever the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

__all__ = ["connect", "transaction"]


def connect(
    path: Path | str = ":memory:",
    *,
    read_only: bool = False,
    memory: str | None = None,
    threads: int | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a database.

    Args:
        path: Its file, or ``:memory:``.
        read_only: Whether it may not be changed.
        memory: The most that DuckDB may use, ``"1GB"``; most of the machine's if not given.
        threads: How many threads it may use; all cores if not given.
        spill: The folder for what does not fit into memory.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "preserve_insertion_order": True,
        "threads": threads or os.cpu_count() or 1,
    }
    if memory is not None:
        config["memory_limit"] = memory
    if spill is not None:
        config["temp_directory"] = str(spill)
    con = duckdb.connect(str(path), read_only=read_only, config=config)
    con.execute("SET enable_progress_bar = false").fetchall()
    return con


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Write all that is executed within it, or, if it is left by an exception, nothing."""
    con.execute("BEGIN TRANSACTION").fetchall()
    try:
        yield
        con.execute("COMMIT").fetchall()
    except BaseException:  # Ctrl-C too
        con.execute("ROLLBACK").fetchall()
        raise
