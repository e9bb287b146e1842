"""What the writers of annotations share: a catalogue as pictures and regions of them.

A picture is a row of media that is a region of no other. What shows an occurrence, or is a region
of a picture, is one annotation; a picture that shows one thing as a whole is both. Of several names
the one that stands is written. All is in the order of the ids.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from merian.formats.flat import STANDING

__all__ = ["PICTURES", "REGIONS", "SAID", "Said", "numbers", "only", "picture_name"]

PICTURES = """
SELECT m.mediaID, m.accessURI, m.pixelXDimension, m.pixelYDimension, m.license, m.rightsHolder,
    m.pixelsPerMillimetre, e.dates, e.places, e.splits, m.occurrenceID
FROM media m LEFT JOIN (
    SELECT coalesce(x.derivedFromMediaID, x.mediaID) AS mediaID,
        list(DISTINCT e.eventDate ORDER BY e.eventDate) AS dates,
        list(DISTINCT e.locality ORDER BY e.locality) AS places,
        list(DISTINCT o.split ORDER BY o.split) AS splits
    FROM media x JOIN occurrence o USING (occurrenceID) LEFT JOIN event e USING (eventID)
    GROUP BY 1
) e USING (mediaID)
WHERE m.derivedFromMediaID IS NULL ORDER BY m.mediaID
"""

REGIONS = f"""
SELECT x.mediaID, coalesce(x.derivedFromMediaID, x.mediaID), x.occurrenceID,
    x.xFrac, x.yFrac, x.widthFrac, x.heightFrac, x.regionOutline,
    p.pixelXDimension, p.pixelYDimension,
    coalesce(i.verbatimIdentification, i.scientificName, ''), i.identificationRemarks,
    CASE WHEN i.agentType = 'machine' THEN i.probability END
FROM media x
JOIN media p ON p.mediaID = coalesce(x.derivedFromMediaID, x.mediaID)
LEFT JOIN ({STANDING}) i ON i.subject = x.occurrenceID
WHERE p.derivedFromMediaID IS NULL
    AND (x.occurrenceID IS NOT NULL OR x.derivedFromMediaID IS NOT NULL)
ORDER BY x.mediaID
"""

# What was said of a region is of its picture, or of its occurrence where that has one picture.
SAID = """
SELECT coalesce(s.mediaID, m.mediaID), s.measurementType, s.measurementValue FROM measurement s
LEFT JOIN (
    SELECT occurrenceID, min(mediaID) AS mediaID FROM media
    GROUP BY occurrenceID HAVING count(*) = 1
) m ON m.occurrenceID = s.occurrenceID AND s.mediaID IS NULL
WHERE coalesce(s.mediaID, m.mediaID) IS NOT NULL AND s.measurementValue IS NOT NULL
ORDER BY ALL
"""

_NEAR = 2  # folders up
_NUMBERED = re.compile(r"(.+)/(?:image|annotation)/(\d{1,9})")


def numbers(ids: Iterable[str]) -> dict[str, int]:
    """Return a number for each id: its own, if all came from one file, else its place."""
    listed = list(ids)
    found = [_NUMBERED.fullmatch(one) for one in listed]
    if found and all(found) and len({one[1] for one in found if one}) == 1:
        given = {key: int(one[2]) for key, one in zip(listed, found, strict=True) if one}
        if len(set(given.values())) == len(listed):
            return given
    return {key: place for place, key in enumerate(listed, 1)}


class Said:
    """What was measured of media, walked along with them in the order of their keys."""

    def __init__(self, found: Iterator[tuple[Any, ...]]) -> None:
        self._found, self._next = found, next(found, None)

    def of(self, key: object) -> dict[str, str]:
        """Return type -> value; keys must be asked for in order."""
        told: dict[str, str] = {}
        while self._next is not None and self._next[0] <= key:
            if self._next[0] == key:
                told.setdefault(str(self._next[1]), str(self._next[2]))
            self._next = next(self._found, None)
        return told


def picture_name(address: str | None, folder: Path) -> str:
    """Return how a file in a folder calls a picture: from there on, where it lies near."""
    if not address or "://" in address or not Path(address).is_absolute():
        return address or ""
    steps = Path(os.path.relpath(address, folder))
    # What lies near moves along with the file; to a far place the whole path leads.
    near = steps.parts.count("..") <= _NEAR
    return steps.as_posix() if near else address


def only(values: Sequence[str] | None) -> str | None:
    """Return the value of a list of one."""
    return values[0] if values and len(values) == 1 else None
