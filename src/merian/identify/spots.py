"""Where and when the records that are asked about were found, as their catalogues tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.identify.place_evidence import Spot, spot_of
from merian.identify.records import Record
from merian.library.reading import Reject

__all__ = ["with_spots"]

_BATCH = 5_000
_MEMORY = "400MB"


def with_spots(
    stream: Iterator[Record | Reject], catalogues: Callable[[], Sequence[Path]]
) -> Iterator[Record | Reject]:
    """Return records with their spots, where these are known.

    Args:
        stream: The records.
        catalogues: Returns where their places stand, when the first record has come; the first
            that has one counts.
    """
    while batch := [*islice(stream, _BATCH)]:
        ids = [one.id for one in batch if isinstance(one, Record)]
        known: dict[str, Spot] = {}
        for path in catalogues() if ids else ():
            with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
                known = _spots_of(opened, ids) | known
        for one in batch:
            spot = known.get(one.id) if isinstance(one, Record) else None
            yield replace(one, spot=spot) if spot and isinstance(one, Record) else one


def _spots_of(catalogue: Catalogue, ids: Sequence[str]) -> dict[str, Spot]:
    """Return where and when records were found; 0/0 is what a program writes that knows none."""
    asked = ", ".join(literal(key) for key in sorted(set(ids)))
    rows = catalogue.query(
        "SELECT o.occurrenceID, e.decimalLatitude, e.decimalLongitude, e.eventDate "
        "FROM occurrence o JOIN event e ON e.eventID = o.eventID "
        f"WHERE o.occurrenceID IN ({asked}) ORDER BY 1"
    )
    found = {}
    for key, y, x, date in rows:
        if y is None or x is None:
            continue
        latitude, longitude = float(str(y)), float(str(x))
        if abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude):
            found[str(key)] = spot_of(latitude, longitude, None if date is None else str(date))
    return found
