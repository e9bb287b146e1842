"""A catalogue's database as it is opened: where it works, what it may see, why it does not open.

Reference: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from pathlib import Path

import duckdb

from merian.catalogue.checks import literal
from merian.errors import CatalogueError

__all__ = ["WORK", "explained", "shut_in", "work_folder"]

WORK = ".work-"
"""How the name of a folder begins in which a process works."""

_TOKEN = secrets.token_hex(6)


def work_folder(path: Path) -> Path:
    """Return where this process puts what it needs for a while.

    The name is the same for all catalogues that a process opens at one path, because DuckDB
    opens a file twice only with the same settings.
    """
    parent = path if os.access(path, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"{WORK}{os.getpid()}-{_TOKEN}"


def shut_in(con: duckdb.DuckDBPyConnection, work: Path) -> None:
    """Take away access to all files but those in the work folder; it cannot be had again."""
    if con.execute("SELECT current_setting('enable_external_access')").fetchall()[0][0]:
        con.execute("SET allowed_directories = [" + literal(work) + "]").fetchall()
        con.execute("SET enable_external_access = false").fetchall()


def explained(path: Path, error: duckdb.Error) -> CatalogueError:
    """Return why the database cannot be opened, and what to do."""
    text = str(error)
    if "lock" in text.lower():
        holder = re.search(r"PID (\d+)", text)
        who = f"process {holder[1]}" if holder else "another process"
        return CatalogueError(
            f"{path}: is in use by {who}. One process may write, or several may read; wait until "
            "it is done, or end it"
        )
    if "different configuration" in text:
        return CatalogueError(
            f"{path}: is open in this process in the other mode (reading or writing); close it "
            "first"
        )
    return CatalogueError(f"{path}: the database cannot be opened: {text.splitlines()[0]}")
