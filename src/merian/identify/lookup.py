"""One barcode of a file or a catalogue, found by the id of its record."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from merian.barcode import read_query
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.identify.queries import Queries, Query

__all__ = ["find_barcode", "read_barcode"]

_REMEMBERED = 10_000  # ids that a misspelt one is compared with


def read_barcode(text: str) -> str:
    """Return the clean sequence, or say why it is none."""
    sequence, reason = read_query(text)
    if reason:
        raise InputError(reason)
    return sequence


def find_barcode(queries: Queries, id: str) -> Query:
    """Return a record with its clean sequence, the first of that id.

    Args:
        queries: What `merian identify` would be asked.
        id: Of the record.
    """
    file = queries.paths[0]
    seen: list[str] = []
    with TemporaryDirectory(prefix="merian-") as work:
        for found in queries.read(Path(work)):
            if found.id != id:
                if len(seen) < _REMEMBERED:
                    seen.append(found.id)
            elif isinstance(found, Query):
                return found
            else:
                raise InputError(f"{file}: the record {id!r} was set aside: {found.reason}")
    raise NotFoundError(
        f"{file}: there is no record {id!r} with a sequence.{did_you_mean(id, seen)}"
    )
