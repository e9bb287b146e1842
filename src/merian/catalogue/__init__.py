"""The catalogue: the record of everything, in tables shaped like the Darwin Core Data Package.

The door of the room: everything a caller needs is imported from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from merian.catalogue.schema import (
    AS_WRITTEN,
    PLACEMENT,
    RANKS,
    REJECTS,
    RUN,
    SPLIT,
    TABLES,
    Field,
    Table,
    record_terms,
)
from merian.catalogue.sources import (
    Chunk,
    Columns,
    Delimited,
    Reading,
    Reject,
    Rows,
    Source,
)

if TYPE_CHECKING:
    from merian.catalogue.query import Result
    from merian.catalogue.store import Catalogue
    from merian.catalogue.summary import Info, RunInfo, Summary

__all__ = [
    "AS_WRITTEN",
    "PLACEMENT",
    "RANKS",
    "REJECTS",
    "RUN",
    "SPLIT",
    "TABLES",
    "Catalogue",
    "Chunk",
    "Columns",
    "Delimited",
    "Field",
    "Info",
    "Reading",
    "Reject",
    "Result",
    "Rows",
    "RunInfo",
    "Source",
    "Summary",
    "Table",
    "record_terms",
]

# The database is loaded when a catalogue is opened, not when a format is looked up.
_LATER = {
    "Catalogue": "merian.catalogue.store",
    "Result": "merian.catalogue.query",
    "Info": "merian.catalogue.summary",
    "RunInfo": "merian.catalogue.summary",
    "Summary": "merian.catalogue.summary",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(_LATER[name]), name)
