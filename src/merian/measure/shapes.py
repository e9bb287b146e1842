"""Lengths and widths of a mask, as ImageJ defines them and exactly of its pixels.

A mask is the union of squares, one a pixel. Feret's diameters and the smallest rectangle are those
of its convex hull; the perimeter is the traced outline with its corners cut, and the ellipse has
the moments of the mask and its area: all as ImageJ has them, so that numbers can be compared with
published ones. A length that an outline gives keeps the points between which it runs, so that it
can be drawn and mended.

References: Schneider, Rasband & Eliceiri, NIH Image to ImageJ, Nature Methods 9, 2012, and its
user guide (Area, Perim., Feret, MinFeret, Major, Minor, Circ., AR, Round, Solidity); Shamos,
Computational geometry, 1978 (calipers on a hull); Andrew, Information Processing Letters 9, 1979.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.measure.outline import outer, outlines, signed_area

__all__ = ["Ellipse", "Rectangle", "Shape", "Span", "convex_hull", "feret", "min_feret",
           "rectangle", "traced_perimeter"]  # fmt: skip

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Point = tuple[float, float]

_CUT = 2 - math.sqrt(2)  # what a corner takes off the perimeter


@dataclass(frozen=True)
class Span:
    """A length and the points between which it runs."""

    length: float
    one: Point
    other: Point


@dataclass(frozen=True)
class Rectangle:
    """The rectangle of the smallest area around something.

    Attributes:
        length: The longer side.
        width: The shorter side.
        angle: Of the longer side, radians from right towards down, from 0 to pi.
        corners: float64[4, 2].
    """

    length: float
    width: float
    angle: float
    corners: Floats

    def middle(self, along: bool) -> tuple[Point, Point]:
        """Return the line through its middle, along its length or its width."""
        centre = self.corners.mean(axis=0)
        angle = self.angle if along else self.angle + math.pi / 2
        half = (self.length if along else self.width) / 2
        step = half * np.array([math.cos(angle), math.sin(angle)])
        (x1, y1), (x2, y2) = (centre - step).tolist(), (centre + step).tolist()
        return (x1, y1), (x2, y2)


@dataclass(frozen=True)
class Ellipse:
    """The ellipse with the second moments of a mask.

    Attributes:
        centre: Of the mask.
        major: Its longer axis, such that its area is that of the mask (ImageJ's Major).
        minor: Its shorter axis, the same.
        moment_major: Its longer axis by the moments alone.
        moment_minor: Its shorter axis, the same.
        angle: Of the longer axis, radians from right towards down, from 0 to pi.
    """

    centre: Point
    major: float
    minor: float
    moment_major: float
    moment_minor: float
    angle: float

    def axis(self, major: bool) -> tuple[Point, Point]:
        """Return the ends of one of its axes."""
        angle = self.angle if major else self.angle + math.pi / 2
        half = (self.major if major else self.minor) / 2
        dx, dy = half * math.cos(angle), half * math.sin(angle)
        x, y = self.centre
        return (x - dx, y - dy), (x + dx, y + dy)


class Shape:
    """What a mask measures, in pixels; each number is made when it is asked for.

    A point is x and y with the left top corner of the mask at 0, 0.
    """

    def __init__(self, mask: Mask) -> None:
        if mask.ndim != 2 or not mask.any():
            raise InputError("a mask without a pixel has no shape; nothing was found there")
        self.mask = mask

    @cached_property
    def area(self) -> float:
        """Pixels that are set."""
        return float(np.count_nonzero(self.mask))

    @cached_property
    def outer(self) -> list[NDArray[np.int64]]:
        """Its outlines without those of holes, the largest first."""
        return outer(outlines(self.mask))

    @cached_property
    def hull(self) -> Floats:
        """The corners of its convex hull."""
        return convex_hull(_extreme_corners(self.mask))

    @cached_property
    def perimeter(self) -> float:
        """The length of its outer outlines, as ImageJ tells it."""
        return sum(traced_perimeter(ring) for ring in self.outer)

    @cached_property
    def feret(self) -> Span:
        """The largest distance of two of its corners."""
        return feret(self.hull)

    @cached_property
    def min_feret(self) -> Span:
        """The least distance of two parallel lines with all of it between."""
        return min_feret(self.hull)

    @cached_property
    def rectangle(self) -> Rectangle:
        """The rectangle of the least area around it."""
        return rectangle(self.hull)

    @cached_property
    def ellipse(self) -> Ellipse:
        """The ellipse of its moments."""
        return _ellipse(self.mask)

    @property
    def solidity(self) -> float:
        """The share of the hull that lies within its outer outlines."""
        return sum(signed_area(ring) for ring in self.outer) / abs(signed_area(self.hull))

    @property
    def circularity(self) -> float:
        """4 pi area / perimeter²; of small things above 1, which ImageJ tells as 1."""
        return min(4 * math.pi * self.area / self.perimeter**2, 1.0)

    @property
    def aspect(self) -> float:
        """The longer axis of the ellipse over the shorter."""
        return self.ellipse.major / self.ellipse.minor

    @property
    def roundness(self) -> float:
        """4 area / (pi major²)."""
        return 4 * self.area / (math.pi * self.ellipse.major**2)


def convex_hull(points: NDArray[np.generic]) -> Floats:
    """Return the corners of the convex hull of points, clockwise as seen, none on a side."""
    xy = np.unique(np.asarray(points, np.float64), axis=0)
    if len(xy) < 3:
        return xy
    from merian.measure.outline_loops import hull_of  # noqa: PLC0415 - loads numba

    return hull_of(np.ascontiguousarray(xy))


def feret(hull: Floats) -> Span:
    """Return the largest distance of two corners of a hull."""
    apart = ((hull[:, None] - hull[None]) ** 2).sum(axis=2)
    one, other = divmod(int(apart.argmax()), len(hull))
    return Span(math.sqrt(float(apart[one, other])), _point(hull[one]), _point(hull[other]))


def min_feret(hull: Floats) -> Span:
    """Return the least width of a hull: across one of its sides, from there to the far corner."""
    sides, along, away = _from_sides(hull)
    far = away.max(axis=1)
    side = int(far.argmin())
    corner = int(away[side].argmax())
    foot = hull[side] + sides[side] * along[side, corner]
    return Span(float(far[side]), _point(foot), _point(hull[corner]))


def rectangle(hull: Floats) -> Rectangle:
    """Return the rectangle of the least area around a hull; one of its sides lies on one of it."""
    sides, along, away = _from_sides(hull)
    lengths = along.max(axis=1) - along.min(axis=1)
    heights = away.max(axis=1)
    best = int((lengths * heights).argmin())
    side = sides[best]
    across = np.array([-side[1], side[0]])
    low, high, height = along[best].min(), along[best].max(), heights[best]
    corners = hull[best] + np.array([
        low * side, high * side, high * side + height * across, low * side + height * across,
    ])  # fmt: skip
    longer = side if high - low >= height else across
    angle = math.atan2(float(longer[1]), float(longer[0])) % math.pi
    length, width = sorted((float(high - low), float(height)), reverse=True)
    return Rectangle(length, width, angle, corners)


def traced_perimeter(corners: NDArray[np.int64]) -> float:
    """Return the length of an outline along pixels, its corners cut as ImageJ does.

    Each corner saves 2 less the root of 2, but of steps of one pixel every other corner only.
    """
    sides = np.abs(np.roll(corners, -1, axis=0) - corners).sum(axis=1)
    before = np.roll(sides, 1)
    # A corner counts after a long side, or where the one before it did not count.
    number = np.arange(len(sides))
    anew = np.where((before > 1) | (number == 0), number, 0)
    counted = (number - np.maximum.accumulate(anew)) % 2 == 0
    return float(sides.sum() - _CUT * counted.sum())


def _point(xy: Floats) -> Point:
    return float(xy[0]), float(xy[1])


def _extreme_corners(mask: Mask) -> NDArray[np.int64]:
    """Return the outer corners of the first and last pixel of each row: the hull is theirs."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    return np.concatenate(
        [np.column_stack([x, rows + below]) for x in (first, last) for below in (0, 1)]
    )


def _from_sides(hull: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the directions of a hull's sides, and all corners along and away from each."""
    sides = np.roll(hull, -1, axis=0) - hull
    sides = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    apart = hull[None] - hull[:, None]
    along = (apart * sides[:, None]).sum(axis=2)
    away = apart[..., 1] * sides[:, None, 0] - apart[..., 0] * sides[:, None, 1]
    return sides, along, away


def _ellipse(mask: Mask) -> Ellipse:
    y, x = np.nonzero(mask)
    cx, cy = float(x.mean()), float(y.mean())
    dx, dy = x - cx, y - cy
    # A pixel is a square and no point: a twelfth of its side squared.
    xx, yy = float((dx * dx).mean()) + 1 / 12, float((dy * dy).mean()) + 1 / 12
    xy = float((dx * dy).mean())
    spread = math.hypot(xx - yy, 2 * xy)
    larger, smaller = (xx + yy + spread) / 2, max((xx + yy - spread) / 2, 1 / 12)
    major, minor = 4 * math.sqrt(larger), 4 * math.sqrt(smaller)
    scale = math.sqrt(len(x) / (math.pi / 4 * major * minor))
    angle = math.atan2(2 * xy, xx - yy) / 2 % math.pi
    return Ellipse((cx + 0.5, cy + 0.5), major * scale, minor * scale, major, minor, angle)
