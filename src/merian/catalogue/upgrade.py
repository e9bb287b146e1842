"""Bringing a catalogue of an earlier version up to this one: columns and tables added since.

It is done when the catalogue is first opened. They are only ever added, so an earlier Merian
can still read what comes out.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from merian.catalogue.definitions import DETERMINATION, definition
from merian.catalogue.schema import AS_WRITTEN
from merian.errors import CatalogueError
from merian.files import write_json

__all__ = ["upgrade"]

# What came after 1: table, column and type.
_ADDED = (
    ("media", "regionOutline", "VARCHAR"),  # 1.1
    ("identification", "replacesIdentificationID", "VARCHAR"),  # 1.2
)


def upgrade(folder: Path, database: Path, told: Path, version: str) -> None:
    """Add what is missing and write the version, unless it is there already.

    Args:
        folder: The catalogue.
        database: Its file of tables.
        told: Its stamp.
        version: The one to be brought up to.
    """
    content = json.loads(told.read_text(encoding="utf-8"))
    if content["merian"]["format_version"] == version:
        return
    try:
        with duckdb.connect(database) as con:
            for table, column, kind in _ADDED:
                sql = f'ALTER TABLE {table} ADD COLUMN IF NOT EXISTS "{column}" {kind}'
                con.execute(sql).fetchall()
            con.execute(DETERMINATION).fetchall()  # it holds the columns that there were
            for new in AS_WRITTEN:  # splits since 1.2, clusters since 1.3
                con.execute(definition(new)).fetchall()
        content["merian"]["format_version"] = version
        write_json(told, content)
    except (duckdb.Error, OSError) as error:
        raise CatalogueError(
            f"{folder}: was made by an earlier Merian and has to be brought up to date: open it "
            f"once where it can be written to, and by nobody else ({str(error).splitlines()[0]})"
        ) from None
