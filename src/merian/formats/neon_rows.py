"""Measured beetles as rows: pictures, the beetles on them, and each measurement with its line.

What a person drew is a line on the larger picture: a region of it whose outline is a LINESTRING. It
shows no beetle by itself, so the measurement names the beetle and the line, and the line no beetle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.formats.outlines import OutlineError, point_outline
from merian.formats.row_chunks import ChunkedRows

__all__ = ["Beetle", "Measure", "Measured", "length"]


@dataclass(frozen=True)
class Measure:
    """One measured length.

    Attributes:
        kind: What was measured, as the file calls it.
        values: unit -> the value as written.
        line: Where, x, y, x, y in pixels of the larger picture.
        key: The id that the file gives it.
        remarks: What else is said of it.
    """

    kind: str
    values: Mapping[str, str]
    line: Sequence[float] = ()
    key: str | None = None
    remarks: str | None = None


@dataclass(frozen=True)
class Beetle:
    """A beetle that one person measured on one picture.

    Attributes:
        line: In the file.
        name: Its occurrenceID.
        picture: The id of the larger picture.
        file: Where that lies, from the folder of pictures on.
        label: Its name as written.
        number: Its number in the collection.
        sample: The sample or vial that it is of.
        crop: Where its own picture lies, from the folder of pictures on.
        who: Who measured it.
        scale: Pixels per centimetre of what was measured on.
        bar: Where the scale bar is, in pixels of the larger picture.
        full: Whether the scale is that of the picture as it lies there.
        measures: What was measured.
        taxon: The code of its taxon.
    """

    line: int
    name: str
    picture: str | None = None
    file: str | None = None
    label: str | None = None
    number: str | None = None
    sample: str | None = None
    crop: str | None = None
    who: str | None = None
    scale: float | None = None
    bar: Sequence[float] = ()
    full: bool = False
    measures: Sequence[Measure] = field(default_factory=tuple)
    taxon: str | None = None


def length(flat: Sequence[float]) -> float:
    """Return the length of the line through points."""
    points = list(zip(flat[::2], flat[1::2], strict=False))
    return sum(math.dist(a, b) for a, b in pairwise(points))


Beetles = Callable[[], Iterator[Beetle | Reject]]


@dataclass(frozen=True)
class Measured(ChunkedRows):
    """The rows of one table of the catalogue, anew each time they are asked for.

    Attributes:
        table: ``media``, ``material``, ``record`` or ``measurement``.
        path: The file.
        beetles: Gives what is in it.
        folder: Where the pictures lie.
    """

    table: str
    path: Path
    beetles: Beetles
    folder: Path

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        seen: set[object] = set()
        for beetle in self.beetles():
            if isinstance(beetle, Reject):
                if self.table == "record":  # told once
                    yield beetle
            elif self.table == "record":
                yield self._record(beetle)
            elif self.table == "material":
                if beetle.sample and beetle.sample not in seen:
                    seen.add(beetle.sample)
                    yield {
                        "line": beetle.line,
                        "materialEntityID": beetle.sample,
                        "materialEntityType": "sample",
                    }
            elif self.table == "media":
                yield from self._media(beetle, seen)
            else:
                yield from self._measurements(beetle, seen)

    def _record(self, beetle: Beetle) -> Mapping[str, object]:
        return {
            "line": beetle.line,
            "occurrenceID": beetle.name,
            "basisOfRecord": "PreservedSpecimen",
            "materialEntityID": beetle.name,
            "materialEntityType": "specimen",
            "isPartOfMaterialEntityID": beetle.sample,
            "catalogNumber": beetle.number,
            "verbatimIdentification": beetle.label,
            "identificationRemarks": f"NEON's code {beetle.taxon}" if beetle.taxon else None,
        }

    def _media(self, beetle: Beetle, seen: set[object]) -> Iterator[Mapping[str, object] | Reject]:
        scale = beetle.scale / 10 if beetle.scale and beetle.full else None
        if beetle.picture and beetle.picture not in seen:
            seen.add(beetle.picture)
            yield {
                "line": beetle.line,
                "mediaID": beetle.picture,
                "accessURI": (self.folder / beetle.file).as_posix() if beetle.file else None,
                "pixelsPerMillimetre": scale,
            }
        if beetle.crop and (beetle.name, "crop") not in seen:
            seen.add((beetle.name, "crop"))
            yield {
                "line": beetle.line,
                "mediaID": f"{beetle.name}/crop",
                "occurrenceID": beetle.name,
                "derivedFromMediaID": beetle.picture,
                "accessURI": (self.folder / beetle.crop).as_posix(),
                "pixelsPerMillimetre": scale,
            }
        for media, line in _lines(beetle):
            if media in seen:
                continue
            seen.add(media)
            try:
                outline = point_outline(line, "LINESTRING")
            except OutlineError as fault:
                yield Reject(self.path, beetle.line, str(fault), media, "regionOutline", "value")
                continue
            yield {
                "line": beetle.line,
                "mediaID": media,
                "derivedFromMediaID": beetle.picture,
                "regionOutline": outline,
            }

    def _measurements(
        self, beetle: Beetle, seen: set[object]
    ) -> Iterator[Mapping[str, object] | Reject]:
        lines = dict(_lines(beetle))
        scale = _calibration(beetle)
        if scale and scale not in seen:
            seen.add(scale)
            yield {
                "line": beetle.line,
                "mediaID": f"{scale}/scalebar" if beetle.bar else beetle.picture,
                "measurementType": "scalebar",
                "measurementValue": f"{beetle.scale:.8g}",
                "measurementUnit": "px/cm",
                "measurementDeterminedBy": beetle.who,
                "calibrationID": scale,
                "measurementRemarks": None if beetle.full else "of a picture made smaller",
            }
        for measure in beetle.measures:
            media = f"{_drawn(beetle)}/{measure.kind}"
            for number, (unit, value) in enumerate(measure.values.items()):
                yield {
                    "line": beetle.line,
                    "measurementID": measure.key if not number else None,
                    "occurrenceID": beetle.name,
                    "mediaID": media if media in lines else beetle.picture,
                    "measurementType": measure.kind,
                    "measurementValue": value,
                    "measurementUnit": unit or None,
                    "calibrationID": scale if unit == "cm" else None,
                    "measurementDeterminedBy": beetle.who,
                    "measurementRemarks": measure.remarks,
                }


def _drawn(beetle: Beetle) -> str:
    return f"{beetle.name}/{beetle.who}" if beetle.who else beetle.name


def _calibration(beetle: Beetle) -> str | None:
    if not beetle.scale or not beetle.picture:
        return None
    return f"{beetle.picture}/{beetle.who}" if beetle.who else beetle.picture


def _lines(beetle: Beetle) -> Iterator[tuple[str, Sequence[float]]]:
    """Return the mediaID of each line that was drawn, and its points."""
    if not beetle.picture:
        return
    scale = _calibration(beetle)
    if beetle.bar and scale:
        yield f"{scale}/scalebar", beetle.bar
    for measure in beetle.measures:
        if len(measure.line) > 2:
            yield f"{_drawn(beetle)}/{measure.kind}", measure.line
