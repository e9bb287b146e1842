"""A measurement: a value with its interval, what it means, what it rests on, and what is doubtful.

The squares of four uncertainties add up: the scale's (once for a length, twice for an area, three
times for a volume), that of the ends or the outline in pixels, that of the definition, and nothing
else::

    (u / value)² = (d u_scale)² + (u_pixels / pixels)² + spread²

The interval is two of these to both sides (k = 2), which holds about 95 of 100 true values.

Reference: JCGM 100:2008, 5.1 and 6.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from merian.measure.calibration import Calibration
from merian.measure.definitions import Definition
from merian.measure.quantities import Quantity
from merian.measure.shapes import Point

__all__ = ["COVERAGE", "Measurement", "measurement", "told_calibration"]

COVERAGE = 2.0
"""How many standard uncertainties an interval reaches to each side."""


@dataclass(frozen=True)
class Measurement:
    """A value of one trait of one specimen.

    Attributes:
        trait: The id of its definition.
        version: Of the definition.
        value: In `unit`; in pixels where no scale is known.
        low: Lower end of the interval (k = 2); NaN where nothing is known of it.
        high: Upper end.
        unit: mm, mm2, mm3, px, px2, px3 or none.
        pixels: The value in pixels, whatever the scale; of a ratio or a colour the value.
        calibration: The scale, how it was found and how sure it is; empty where there is none.
        points: Between which it runs, in the picture.
        named: Their names; as many, or none.
        codes: What is doubtful of this value; see `merian.measure.codes`.
    """

    trait: str
    version: str
    value: float
    low: float
    high: float
    unit: str
    pixels: float
    calibration: str = ""
    points: tuple[Point, ...] = ()
    named: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


def measurement(
    found: Quantity, definition: Definition, calibration: Calibration | None
) -> Measurement:
    """Return what was measured, in life where the scale is known.

    Args:
        found: In pixels.
        definition: What it is.
        calibration: Of the picture; None if it is not known.
    """
    power = definition.dimension
    value, scale = found.value, 0.0
    unit = definition.pixel_unit
    if calibration is not None:
        value = found.value / calibration.pixels_per_mm**power
        scale = power * calibration.relative
        unit = definition.unit
    if found.value > 0:
        own = found.uncertainty / found.value
        half = COVERAGE * value * math.sqrt(scale**2 + own**2 + definition.spread**2)
    else:  # a colour may be 0 or below
        half = COVERAGE * found.uncertainty
    low = value - half
    if definition.how != "colour":
        low = max(low, 0.0)
    told = told_calibration(calibration) if power and calibration else ""
    return Measurement(
        definition.id, definition.version, value, low, value + half, unit, found.value, told,
        found.points, found.named,
    )  # fmt: skip


def told_calibration(calibration: Calibration) -> str:
    """Return a scale in a line: its value, how sure it is, how it was found and where."""
    told = f"{calibration.pixels_per_mm:.6g} px/mm ±{100 * calibration.relative:.2g} %"
    return "; ".join(part for part in (told, calibration.method, calibration.source) if part)
