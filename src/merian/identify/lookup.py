"""One barcode of a file, found by the id of its record."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from merian.barcode import read_query
from merian.catalogue import Reading
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.library.reading import Staged, staged

__all__ = ["find_barcode", "read_barcode"]

_REMEMBERED = 10_000  # ids that a misspelt one is compared with


def read_barcode(text: str) -> str:
    """Return the clean sequence, or say why it is none."""
    sequence, reason = read_query(text)
    if reason:
        raise InputError(reason)
    return sequence


def find_barcode(reading: Reading, id: str) -> str:
    """Return the clean sequence of a record.

    Args:
        reading: What a format found in the file.
        id: Of the record.
    """
    file = reading.inputs[0]
    with (
        TemporaryDirectory(prefix="merian-") as work,
        staged(reading, Path(work), lambda *_: None) as found,
    ):
        text, seen = _text_of(found, id)
        if text is not None:
            return read_barcode(text)
        reasons = [reject.reason for reject in found.rejects() if reject.id == id]
    if reasons:
        raise InputError(f"{file}: the record {id!r} was set aside: {reasons[0]}")
    raise NotFoundError(
        f"{file}: there is no record {id!r} with a sequence.{did_you_mean(id, seen)}"
    )


def _text_of(found: Staged, id: str) -> tuple[str | None, list[str]]:
    """Return the sequence of a record as it came, and ids that were seen on the way."""
    seen: list[str] = []
    for row in found.rows():
        if row.id == id:
            break
        if len(seen) < _REMEMBERED:
            seen.append(row.id)
    else:
        return None, seen
    for places, texts in found.sequences():
        for place, text in zip(places.tolist(), texts, strict=True):
            if place == row.place:
                return text, seen
    return None, seen
