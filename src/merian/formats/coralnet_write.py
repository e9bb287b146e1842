"""A catalogue as the table of points that CoralNet's upload takes; see `merian.formats.coralnet`.

Points may come from any format: the place is that of the outline in pixels, or else that of the
fractions and the size of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from merian.formats.delimited import write_delimited
from merian.formats.flat import rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

# What a migration or a map of labels says again is the same label. A suggestion of the machine is
# no label of the point, unless it is all that there is.
_LABELS = """
SELECT coalesce(i.occurrenceID, p.occurrenceID) AS subject, i.*,
    coalesce(i.identificationReferences, '') LIKE 'Machine suggestion _' AS suggested
FROM identification i LEFT JOIN media p ON p.mediaID = i.mediaID
WHERE i.replacesIdentificationID IS NULL
"""

_POINTS = f"""
WITH told AS ({_LABELS}),
stands AS (
    SELECT * FROM told WHERE subject IS NOT NULL AND NOT suggested
    QUALIFY row_number() OVER (PARTITION BY subject ORDER BY agentType = 'human' DESC NULLS LAST,
        dateIdentified DESC NULLS LAST, identificationID) = 1
),
suggested AS (
    SELECT subject, list(verbatimIdentification ORDER BY identificationReferences) AS labels,
        list(probability ORDER BY identificationReferences) AS sure
    FROM told WHERE suggested GROUP BY subject
)
SELECT p.accessURI, r.regionOutline, r.xFrac, r.yFrac, r.widthFrac, r.heightFrac,
    p.pixelXDimension, p.pixelYDimension, i.verbatimIdentification, i.taxonConceptID,
    i.identifiedBy, i.dateIdentified, m.labels, m.sure, e.eventID, e.eventDate, e.decimalLatitude,
    e.decimalLongitude, e.minimumDepthInMeters, p.captureDevice, o.recordedBy, p.mediaRemarks
FROM media r
JOIN media p ON p.mediaID = r.derivedFromMediaID
JOIN occurrence o ON o.occurrenceID = r.occurrenceID
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN stands i ON i.subject = r.occurrenceID
LEFT JOIN suggested m ON m.subject = r.occurrenceID
ORDER BY p.accessURI, r.mediaID
"""

_MEASURED = """
SELECT eventID, measurementType, measurementValue FROM measurement
WHERE starts_with(eventID, 'coralnet:') ORDER BY ALL
"""

_BEFORE = ("Name", "Date")
_BEHIND = ("Latitude", "Longitude", "Depth", "Camera", "Photographer", "Comments")
_PLACE = ("Row", "Column", "Label code")
_WHO = ("Annotator", "Date annotated")
_MACHINE = tuple(f"Machine {w} {n}" for n in range(1, 6) for w in ("suggestion", "confidence"))

Row = dict[str, object]


def write(catalogue: Catalogue, path: Path) -> int:
    """Write the points of all pictures, and return how many there are."""
    measured: dict[str, dict[str, object]] = {}
    for event, kind, value in rows(catalogue, _MEASURED):
        measured.setdefault(str(event), {})[str(kind)] = value
    own = sorted({kind for each in measured.values() for kind in each})
    by_number = _all_have_numbers(catalogue)
    filled: set[str] = {"Name", *_PLACE}
    for row in _rows(catalogue, measured, by_number):
        filled.update(name for name, value in row.items() if value is not None)
    listed = (*_BEFORE, *own, *_BEHIND, *_PLACE, *_WHO, *_MACHINE)
    columns = [name for name in listed if name in filled]
    shown = ["Label ID" if by_number and name == "Label code" else name for name in columns]
    written = ([row.get(name) for name in columns] for row in
               _rows(catalogue, measured, by_number))  # fmt: skip
    return write_delimited(path, shown, written, ",")


def _all_have_numbers(catalogue: Catalogue) -> bool:
    """Return whether all labels have the number of one of CoralNet's."""
    found = rows(
        catalogue,
        "SELECT count(*) > 0 AND count(*) = count(*) FILTER "
        "(starts_with(taxonConceptID, 'coralnet:label:')) FROM identification "
        "WHERE replacesIdentificationID IS NULL "
        "AND coalesce(identificationReferences, '') NOT LIKE 'Machine suggestion _'",
    )
    return bool(next(found)[0])


def _rows(
    catalogue: Catalogue, measured: dict[str, dict[str, object]], by_number: bool
) -> Iterator[Row]:
    for told in rows(catalogue, _POINTS):
        (address, drawn, x, y, w, h, width, height, label, concept, who, when, labels, sure, event,
         date, latitude, longitude, depth, camera, photographer, said) = told  # fmt: skip
        place = _place(drawn, (x, y, w, h), (width, height))
        if place is None or not address:
            continue
        row: Row = {
            "Name": _name(str(address)),
            "Date": date,
            **measured.get(str(event), {}),
            "Latitude": latitude,
            "Longitude": longitude,
            "Depth": depth,
            "Camera": camera,
            "Photographer": photographer,
            "Comments": said,
            "Row": place[1],
            "Column": place[0],
            "Label code": str(concept)[15:] if by_number and concept else label,
            "Annotator": who,
            "Date annotated": None if when is None else str(when).replace("T", " ", 1),
        }
        pairs = zip(_listed(labels), _listed(sure), strict=False)
        for number, (one, part) in enumerate(pairs, start=1):
            row[f"Machine suggestion {number}"] = one
            row[f"Machine confidence {number}"] = _percent(part)
        yield row


def _listed(values: object) -> list[object]:
    return list(values) if isinstance(values, list) else []


def _percent(part: object) -> str | None:
    return f"{round(part * 100, 6):.10g}" if isinstance(part, float) else None


def _name(address: str) -> str:
    """Return what CoralNet calls a picture: its file, or the path that a table gave."""
    if address.startswith("/") or "://" in address or re.match(r"[A-Za-z]:[\\/]", address):
        return re.split(r"[\\/]", address)[-1]
    return address


def _place(
    drawn: object, box: tuple[object, ...], size: tuple[object, object]
) -> tuple[str, str] | None:
    """Return column and row of the centre of a region in pixels."""
    if isinstance(drawn, str) and not drawn.startswith("RLE"):
        found = [float(one) for one in _NUMBER.findall(drawn)]
        xs, ys = found[::2], found[1::2]
        if xs and len(xs) == len(ys):
            return _pixel((min(xs) + max(xs)) / 2), _pixel((min(ys) + max(ys)) / 2)
    known = [part for part in (*box, *size) if isinstance(part, int | float)]
    if len(known) < 6:
        return None
    x, y, w, h, width, height = known
    inside = min((x + w / 2) * width, width - 1), min((y + h / 2) * height, height - 1)
    return _pixel(inside[0]), _pixel(inside[1])


def _pixel(place: float) -> str:
    return str(int(place))
