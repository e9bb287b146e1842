"""Asking many questions of one catalogue: a connection that reads, and keeps what it has found.

What is needed again and again (what stands by each record) is made once as a temporary table. The
catalogue itself is not changed, and what does not fit into memory lies in its work folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from merian.catalogue.query import quiet_cursor
from merian.catalogue.store import Catalogue

__all__ = ["asking"]


@contextmanager
def asking(catalogue: Catalogue) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection that sees what queries see, and may have temporary tables.

    Args:
        catalogue: Open for reading.
    """
    cursor = quiet_cursor(catalogue._reader(), catalogue._views)
    try:
        yield cursor
    finally:
        cursor.close()
