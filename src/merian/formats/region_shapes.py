"""Regions of pictures: from the points that an annotation has to fractions and an outline.

Every program that annotates pictures has points, circles, boxes and polygons, in pixels or as parts
of the picture. Here they become points, and of these the outline as it was drawn; the box
around them becomes fractions as `merian.formats.outlines` makes them of any box.

References: OGC 06-103r4, Simple Feature Access (well-known text).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from merian.formats.outlines import LARGEST_SIDE, bounds, clipped

__all__ = ["Point", "corners", "numbers", "outline", "region", "side"]

Point = tuple[float, float]

_STEPS = 32  # corners of the polygon that stands for a circle: within half a percent of it
_NUMBERS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LIST = re.compile(r"[\[\](),;\s\d.eE+-]*")


def numbers(text: str) -> list[float] | None:
    """Return the numbers of a list as it is written in a field, nested or not; None for no list."""
    if not _LIST.fullmatch(text):
        return None
    found = [float(one) for one in _NUMBERS.findall(text)]
    return found if found and all(map(_believable, found)) else None


def _believable(number: float) -> bool:
    return math.isfinite(number) and abs(number) <= LARGEST_SIDE


def side(value: object) -> int | None:
    """Return a width or a height as it was told, None where it cannot be one."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if 1 <= number <= LARGEST_SIDE and number == int(number) else None


def corners(shape: str, found: Sequence[float]) -> list[Point] | None:
    """Return the corners of a shape, None where the numbers are not those of one.

    Args:
        shape: Point, LineString, Polygon, Rectangle (four corners), Circle (centre and radius) or
            Ellipse (the ends of one axis and of the other).
        found: x and y in turns.
    """
    pairs = list(zip(found[::2], found[1::2], strict=False))
    if shape == "Circle":
        good = len(found) == 3 and found[2] > 0
        return _round(pairs[0], (found[2], 0.0), (0.0, found[2])) if good else None
    if len(found) % 2:
        return None
    if shape == "Ellipse":
        return _turned(pairs) if len(pairs) == 4 else None
    counts = {"Point": (1, 1), "LineString": (2, None), "Polygon": (3, None), "Rectangle": (4, 4)}
    least, most = counts.get(shape, (1, 0))
    return pairs if least <= len(pairs) <= (len(pairs) if most is None else most) else None


def _turned(ends: Sequence[Point]) -> list[Point]:
    """Return the corners of an ellipse by the ends of its two axes."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ends
    center = (ax + bx) / 2, (ay + by) / 2
    return _round(center, ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))


def _round(center: Point, first: Point, second: Point) -> list[Point]:
    """Return the corners of a polygon that stands for an ellipse of two half axes."""
    angles = [2 * math.pi * step / _STEPS for step in range(_STEPS)]
    return [
        (
            center[0] + math.cos(a) * first[0] + math.sin(a) * second[0],
            center[1] + math.cos(a) * first[1] + math.sin(a) * second[1],
        )
        for a in angles
    ]


def outline(kind: str, points: Sequence[Point]) -> str:
    """Return well-known text; a polygon is closed.

    Args:
        kind: POINT, LINESTRING or POLYGON.
        points: In pixels.
    """
    closed = kind == "POLYGON" and points[0] != points[-1]
    told = ", ".join(f"{_shown(x)} {_shown(y)}" for x, y in [*points, *points[: int(closed)]])
    return f"POLYGON (({told}))" if kind == "POLYGON" else f"{kind} ({told})"


def _shown(number: float) -> str:
    """Return a number of pixels without noise in its last places."""
    return f"{round(number, 3):.10g}"


def region(points: Iterable[Point], size: tuple[int, int] | None) -> dict[str, object]:
    """Return the box around points in pixels as fractions of a picture, clipped to it.

    Nothing where the size of the picture is not known.
    """
    if size is None:
        return {}
    box = bounds([value for point in points for value in point])
    fractions = clipped(box, *size)
    return dict(zip(("xFrac", "yFrac", "widthFrac", "heightFrac"), fractions, strict=True))
