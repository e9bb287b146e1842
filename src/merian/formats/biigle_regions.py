"""The pictures of a report of BIIGLE and the regions of them; see `merian.formats.biigle`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.formats.delimited import Head
from merian.formats.delimited_rows import rows_of
from merian.formats.picture_shelf import PictureShelf
from merian.formats.region_shapes import corners, numbers, outline, region, side
from merian.formats.row_chunks import ChunkedRows
from merian.unpacking import Scratch

__all__ = ["Regions"]

_WANTED = ("image_id", "filename", "attributes", "shape_name", "points", "annotation_id")
_KINDS = {
    "Point": "POINT", "LineString": "LINESTRING", "Polygon": "POLYGON", "Rectangle": "POLYGON",
    "Circle": "POLYGON", "Ellipse": "POLYGON",
}  # fmt: skip
_SCALES = (("laserpoints", "area"), ("metadata", "area"))  # of the whole picture, in m²

Size = tuple[int, int]


class Regions(ChunkedRows):
    """The rows of a report as media; anew each time they are asked for.

    Attributes:
        head: Of the table.
        shown: What to call it.
        shelf: Where the pictures lie.
        whole: Whether the report is of whole pictures.
        scratch: The folder that the table was unpacked to, which has to stay as long as this.
    """

    def __init__(
        self, head: Head, shown: Path, shelf: PictureShelf, whole: bool, scratch: Scratch | None
    ) -> None:
        self.head, self.shown, self.shelf, self.whole = head, shown, shelf, whole
        self.scratch = scratch

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        last, size, before = "", None, None
        for line, (image, name, told, shape, points, annotation) in rows_of(self.head, _WANTED):
            if not image:
                continue
            picture = f"biigle:image:{image}"
            if picture != last:
                row, size = self._picture(picture, name, told)
                yield {"line": line, **row}
                yield from self.shelf.rejects()
                last, before = picture, None
            if self.whole:
                continue
            known = f"biigle:annotation:{annotation}" if annotation else (
                f"{picture}:{shape}{points}"
            )  # fmt: skip
            # The labels of one annotation mostly stand together: one region is enough.
            if known != before and (annotation or "annotation_id" not in self.head.columns):
                yield from self._region(line, known, picture, shape, points, size)
                before = known

    def _picture(self, picture: str, name: str, told: str) -> tuple[dict[str, object], Size | None]:
        attributes = _attributes(told)
        width, height = side(attributes.get("width")), side(attributes.get("height"))
        size = (width, height) if width and height else self.shelf.size(name)
        kind = attributes.get("mimetype")
        return {
            "mediaID": picture,
            "occurrenceID": picture if self.whole else None,
            "accessURI": self.shelf.place(name),
            "format": kind if isinstance(kind, str) else None,
            "pixelXDimension": size and size[0],
            "pixelYDimension": size and size[1],
            "pixelsPerMillimetre": _scale(attributes, size),
        }, size

    def _region(
        self, line: int, known: str, picture: str, shape: str, text: str, size: Size | None
    ) -> Iterator[dict[str, object] | Reject]:
        row: dict[str, object] = {
            "line": line, "mediaID": known, "occurrenceID": known, "derivedFromMediaID": picture,
        }  # fmt: skip
        points = corners(shape, numbers(text) or [])
        if points is None:
            reason = (
                f"not the points of a {shape}: {_expected(shape)} expected"
                if shape in _KINDS
                else f"a shape that is not known; there are {', '.join(_KINDS)}"
            )
            content = text if shape in _KINDS else shape
            yield Reject(self.shown, line, reason, content, "regionOutline", "value")
            yield row
            return
        row["regionOutline"] = outline(_KINDS[shape], points)
        if shape in ("Circle", "Ellipse"):
            row["mediaRemarks"] = f"{shape} {text}"
        yield row | region(points, size)


def _expected(shape: str) -> str:
    return {
        "Point": "x and y", "Circle": "x, y and a radius", "LineString": "two points or more",
        "Polygon": "three points or more",
    }.get(shape, "four points")  # fmt: skip


def _attributes(text: str) -> dict[str, object]:
    """Return the attributes of a picture; nothing where they are no JSON object."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _scale(attributes: dict[str, object], size: Size | None) -> float | None:
    """Return pixels of a millimetre, where it is told how much ground a picture shows."""
    for group, name in _SCALES:
        part = attributes.get(group)
        area = part.get(name) if isinstance(part, dict) else None
        if size and isinstance(area, int | float) and 1e-9 < area < 1e9:
            return math.sqrt(size[0] * size[1] / (area * 1e6))
    return None
