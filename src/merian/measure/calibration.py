"""How many pixels a millimetre has, and how sure that is: never a bare number.

Of the squared errors of published beetle lengths 62 to 88 % are of the scale: one person's click on
one bar, taken as exact. So a scale has a standard uncertainty, where it comes from, and what else
it could be (a ruler's ticks may be millimetres or half ones). A rig that takes many pictures from
one distance has one scale, the median of what its pictures say; a picture that is far from it is
told and takes the rig's.

Defaults of uncertainty are from the table of three who measured 3,976 beetles (`merian agreement`):
two who click the ends of one bar differ by 1.3 to 1.7 % between pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merian.errors import InputError
from merian.measure.units import MILLIMETRES

__all__ = [
    "Calibration", "NoScaleError", "Outlier", "Point", "Series", "declared", "pool", "two_points",
]  # fmt: skip

Point = tuple[float, float]

BY_HAND = 0.013  # of the scale: how far one person's bars spread over pictures
CLICK = 1.0  # pixels: how far a click is off its end
OUTLIER = 0.02  # of the scale: no rig moves so far, and a wrong bar is farther
_NORMAL = 1.4826  # times the median absolute deviation: the spread of what is normal
_OF_A_MEDIAN = 1.2533  # times that of a mean


class NoScaleError(InputError):
    """A picture in which no scale is found, and why."""


@dataclass(frozen=True)
class Calibration:
    """The scale of a picture, or of all pictures of a rig.

    Attributes:
        pixels_per_mm: The scale.
        relative: Its standard uncertainty (k = 1) as a share of it.
        method: declared, two points, bar, ruler, graph paper, board or series.
        source: The picture, or the rig and how many of its pictures, that it is from.
        residual: How far its marks are from where they should be, root mean square in pixels; NaN
            where nothing is left over to tell it.
        plane: What is known of the plane of the marks and of what is measured.
        others: What the scale may be instead, in pixels a millimetre, the likeliest first, each
            with the reason.
        marks: Of a bar or ruler, where its ends are in the picture; of a board, its corners.
        why: What says that the scale is this.
    """

    pixels_per_mm: float
    relative: float
    method: str
    source: str = ""
    residual: float = math.nan
    plane: str = ""
    others: tuple[tuple[float, str], ...] = ()
    marks: tuple[Point, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.pixels_per_mm) and self.pixels_per_mm > 0):
            raise InputError(
                f"a scale of {self.pixels_per_mm} pixels a millimetre; a number above 0 is expected"
            )
        if not (math.isfinite(self.relative) and 0 <= self.relative < 1):
            raise InputError(
                f"a scale that is uncertain by {self.relative}; a share from 0 to 1 is expected"
            )

    @property
    def ambiguous(self) -> bool:
        """Whether the marks could also mean another scale."""
        return bool(self.others)

    def millimetres(self, pixels: float) -> float:
        """Return a length in millimetres."""
        return pixels / self.pixels_per_mm

    def resized(self, factor: float) -> Calibration:
        """Return the scale of the same picture made larger by a factor."""
        return replace(
            self,
            pixels_per_mm=self.pixels_per_mm * factor,
            residual=self.residual * factor,
            others=tuple((scale * factor, why) for scale, why in self.others),
            marks=tuple((x * factor, y * factor) for x, y in self.marks),
        )


@dataclass(frozen=True)
class Outlier:
    """A picture whose own scale is far from that of its rig."""

    source: str
    pixels_per_mm: float
    ratio: float  # to the rig's


@dataclass(frozen=True)
class Series:
    """The scale of a rig, and the pictures that disagree with it."""

    calibration: Calibration
    outliers: tuple[Outlier, ...]


def declared(pixels_per_mm: float, relative: float = 0.0, source: str = "") -> Calibration:
    """Return a scale that was told.

    Args:
        pixels_per_mm: The scale.
        relative: Its standard uncertainty, if that is known: a share of the scale.
        source: Who told it.
    """
    return Calibration(pixels_per_mm, relative, "declared", source)


def two_points(
    one: Point,
    other: Point,
    length: float,
    unit: str = "mm",
    *,
    click: float = CLICK,
    by_hand: float = BY_HAND,
    source: str = "",
) -> Calibration:
    """Return the scale from two points that somebody set on marks a known length apart.

    Args:
        one: A point in pixels, x and y.
        other: The other.
        length: What lies between them in life.
        unit: Of the length.
        click: How far a click is off, in pixels.
        by_hand: How far one person's bars spread over pictures, as a share.
        source: The picture.
    """
    pixels = math.dist(one, other)
    if unit.lower() not in MILLIMETRES:
        raise InputError(f"a length in {unit}; one of {', '.join(sorted(MILLIMETRES))} is expected")
    if not length > 0:
        raise InputError(f"a length of {length} {unit} between two marks; above 0 is expected")
    if pixels < 2:
        raise InputError(
            f"two marks {pixels:.3g} pixels apart cannot tell a scale; set them on marks that are "
            "farther apart"
        )
    relative = math.hypot(math.sqrt(2) * click / pixels, by_hand)
    scale = pixels / (length * MILLIMETRES[unit.lower()])
    return Calibration(scale, min(relative, 0.99), "two points", source, marks=(one, other))


def pool(calibrations: Mapping[str, Calibration], rig: str = "") -> Series:
    """Return one scale for all pictures of a rig, and the pictures that disagree with it.

    The median does not follow what is wrong. Where only one picture is left it is that picture's.

    Args:
        calibrations: Of each picture, by its name.
        rig: What the rig is called.
    """
    if not calibrations:
        raise InputError("no picture of the series has a scale; one at least is needed")
    calibrations = _agreed(calibrations)
    names = sorted(calibrations)
    scales = np.array([calibrations[name].pixels_per_mm for name in names])
    middle = float(np.median(scales))
    outliers = tuple(
        Outlier(name, float(scale), float(scale) / middle)
        for name, scale in zip(names, scales, strict=True)
        if abs(scale / middle - 1) > OUTLIER
    )
    away = {outlier.source for outlier in outliers}
    kept = [name for name in names if name not in away] or names
    return Series(_pooled([calibrations[name] for name in kept], len(names), rig), outliers)


def _agreed(calibrations: Mapping[str, Calibration]) -> dict[str, Calibration]:
    """Return scales; one that may be several is the one that the sure pictures of the rig tell."""
    sure = [one.pixels_per_mm for one in calibrations.values() if not one.ambiguous]
    if not sure:
        return dict(calibrations)
    middle = float(np.median(sure))
    agreed = {}
    for name, one in calibrations.items():
        meant = [one.pixels_per_mm, *(scale for scale, _ in one.others)]
        near = min(meant, key=lambda scale: abs(math.log(scale / middle)))
        agreed[name] = replace(one, pixels_per_mm=near, others=())
    return agreed


def _pooled(kept: Sequence[Calibration], pictures: int, rig: str) -> Calibration:
    scales = np.array([one.pixels_per_mm for one in kept])
    middle = float(np.median(scales))
    spread = _NORMAL * float(np.median(np.abs(scales - middle))) / middle
    # A fault that all share (a bar that is printed too long, one person's way to click) stays.
    # Hand-made marks share the hand; what a program finds shares what it says of itself.
    single = float(np.median([one.relative for one in kept]))
    methods = {one.method for one in kept}
    common = BY_HAND if methods == {"two points"} else single
    relative = math.hypot(_OF_A_MEDIAN * spread / math.sqrt(len(kept)), common)
    if len(kept) == 1:
        relative = single
    told = f"{rig or 'series'}: {len(kept)} of {pictures} pictures"
    return Calibration(
        middle,
        min(relative, 0.99),
        "series",
        told,
        residual=spread * middle,
        plane="; ".join(sorted({one.plane for one in kept if one.plane})),
        others=min(kept, key=lambda one: abs(one.pixels_per_mm - middle)).others,
        why="the median of the rig",
    )
