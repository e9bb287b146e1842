"""Traits of a catalogue whose end points a person sets anew: what is there, and what comes of it.

A row that `merian measure` has written tells its definition, scale, end points and the size of the
picture. When points are moved, each trait that runs between them is measured again as `merian
measure correct` does it (see `corrections`): by the same definition and the same scale, with the
uncertainty of a point that is set by hand. What was there stays; the new row says what it was
corrected from, and by whom.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merian.errors import InputError
from merian.measure.calibration import Calibration
from merian.measure.corrections import Held, measured_again, moved_points
from merian.measure.definitions import Definition, definitions
from merian.measure.edited import Edits
from merian.measure.in_catalogue import TERMS, row_id
from merian.measure.measurement import Measurement
from merian.measure.shapes import Point

__all__ = ["CORRECTED", "Drawn", "drawn_of", "redrawn", "row_of"]

CORRECTED = "merian measure correct"
_METHOD = re.compile(r"(\S+) (\S+); merian measure( correct)?")
_SCALE = re.compile(r"([\d.e+-]+) px/mm ±([\d.e+-]+) %(?:; ([^;]*))?(?:; (.*))?")
_POINT = re.compile(r"([\w.-]+): (-?[\d.]+) (-?[\d.]+)")
_FRAME = re.compile(r"frame: (\d+) x (\d+)")
_SPECIMEN = re.compile(r"specimen (\d+) of \d+")


@dataclass(frozen=True)
class Drawn:
    """A trait of a specimen, as it stands.

    Attributes:
        id: Of the measurement.
        record: The occurrence that it is of, or "".
        media: The picture.
        specimen: Its number there.
        definition: Of the trait.
        value: In `unit`.
        unit: Of it.
        points: Between which it runs, by name, in pixels of the picture that was measured.
        frame: Width and height of that.
        calibration: Its scale; None where none is known.
    """

    id: str
    record: str
    media: str
    specimen: int
    definition: Definition
    value: float
    unit: str
    points: Mapping[str, Point]
    frame: tuple[int, int]
    calibration: Calibration | None


def drawn_of(row: Mapping[str, Any]) -> Drawn | None:
    """Return what a row of the table of measurements says, if its end points can be moved."""
    method = _METHOD.fullmatch(str(row["measurementMethod"] or ""))
    remarks = str(row["measurementRemarks"] or "")
    known = definitions().get(method[1]) if method else None
    parts = remarks.split("; ")
    frame = next(filter(None, map(_FRAME.fullmatch, parts)), None)
    value = row["measurementValueNumeric"]
    if method is None or known is None or frame is None or value is None:
        return None
    if known.version != method[2] or known.dimension != 1:
        return None
    there = {part[1]: (float(part[2]), float(part[3]))
             for part in filter(None, map(_POINT.fullmatch, parts))}  # fmt: skip
    named = {name: name for name in known.landmarks} or {
        f"{known.id}:{at}": str(at) for at in (1, 2)
    }
    if not set(named.values()) <= set(there) or (not known.landmarks and "3" in there):
        return None
    number = next(filter(None, map(_SPECIMEN.fullmatch, parts)), None)
    return Drawn(
        str(row["measurementID"]), str(row["occurrenceID"] or ""), str(row["mediaID"] or ""),
        int(number[1]) if number else 1, known, float(value), str(row["measurementUnit"] or ""),
        {name: there[own] for name, own in named.items()}, (int(frame[1]), int(frame[2])),
        _calibration(str(row["calibrationID"] or "")),
    )  # fmt: skip


def _calibration(told: str) -> Calibration | None:
    found = _SCALE.fullmatch(told)
    if found is None:
        return None
    try:
        return Calibration(float(found[1]), float(found[2]) / 100, found[3] or "", found[4] or "")
    except (ValueError, InputError):
        return None


def redrawn(
    traits: Sequence[Drawn], points: Mapping[str, Point]
) -> list[tuple[Drawn, Measurement, str]]:
    """Return each trait of a specimen that changes, what it is then, and what was moved.

    Args:
        traits: Of one specimen in one picture.
        points: Where some of their points are now.
    """
    if not traits:
        raise InputError("no trait of this picture has end points that can be moved")
    width, height = traits[0].frame
    there = {name: at for one in traits for name, at in one.points.items()}
    for name, (x, y) in points.items():
        if name not in there:
            raise InputError(f"{name[:40]}: is no end point of a trait of this specimen")
        if not (math.isfinite(x) and math.isfinite(y) and 0 <= x <= width and 0 <= y <= height):
            raise InputError(f"{name}: lies outside of the picture, {width} x {height} pixels")
    moved = moved_points(there, points)
    key = traits[0].media, traits[0].specimen
    edits = Edits({key: {name: points[name] for name in moved}})
    found = []
    for one in traits:
        held = Held(
            {one.definition.id: one.definition}, {key[0]: one.frame},
            {key[0]: one.calibration}, {key[0]: ""}, {key: there},
        )  # fmt: skip
        new = measured_again(held, key, edits, moved, None).get(one.definition.id)
        if new is not None:
            own = [name for name in moved if name in one.points]
            found.append((one, new, _ways(there, points, own)))
    if not found:
        raise InputError("no end point was moved")
    return found


def _ways(before: Mapping[str, Point], now: Mapping[str, Point], names: Iterable[str]) -> str:
    return ", ".join(
        f"{name} {before[name][0]:.2f} {before[name][1]:.2f} -> "
        f"{now[name][0]:.2f} {now[name][1]:.2f}"
        for name in names
    )


def row_of(one: Drawn, new: Measurement, moved: str, by: str, at: str, why: str) -> dict[str, Any]:
    """Return the row of a corrected trait; it holds all that the next correction needs."""
    names = new.named or tuple(str(place) for place in range(1, len(new.points) + 1))
    known = not math.isnan(new.low)
    remarks = [
        "codes: corrected",
        f"specimen {one.specimen} of {one.specimen}" if one.specimen > 1 else "",
        f"pixels: {new.pixels:.6g}",
        *(f"{name}: {x:.2f} {y:.2f}" for name, (x, y) in zip(names, new.points, strict=True)),
        f"frame: {one.frame[0]} x {one.frame[1]}",
        f"corrected from {one.value:.6g} ({one.id})", f"moved {moved}", why,
    ]  # fmt: skip
    told: list[object] = [
        one.record or None, one.media or None, one.definition.id, f"{new.value:.6g}", new.value,
        new.unit or None, f"± {(new.high - new.low) / 2:.2g} {new.unit} (k = 2)" if known else None,
        new.low if known else None, new.high if known else None,
        f"{one.definition.cited}; {CORRECTED}", new.calibration or None, by, at,
        "; ".join(part for part in remarks if part),
    ]  # fmt: skip
    return dict(zip(TERMS, [row_id(told), *told], strict=True))
