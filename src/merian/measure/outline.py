"""The outline of a mask as closed polygons that run between its pixels.

A pixel covers the square from its number to the next, as in ImageJ and COCO: the corners of the
outline are whole numbers and the area within is the number of pixels. Pixels that meet at a corner
are one piece. Outer outlines run clockwise (as seen, with y downwards), those of holes the other
way.

Reference: Freeman, On the encoding of arbitrary geometric configurations, IRE Transactions on
Electronic Computers 10, 1961.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["filled_polygon", "outer", "outlines", "signed_area"]

Mask = NDArray[np.bool_]
Corners = NDArray[np.int64]
"""Corners of a closed polygon, x and y; the last is joined to the first."""


def outlines(mask: Mask) -> list[Corners]:
    """Return the outlines of a mask, in the order in which reading meets them."""
    from merian.measure.outline_loops import traced  # noqa: PLC0415 - loads numba

    corners, ends = traced(*_edges(np.asarray(mask, np.bool_)))
    return np.split(corners, ends[:-1]) if len(ends) else []


def _edges(mask: Mask) -> tuple[NDArray[np.uint8], int]:
    """Return the edges that begin at each corner, a bit for each way, and how many there are.

    An edge runs right (1), down (2), left (4) or up (8), with what is set on its right.
    """
    high, wide = mask.shape
    padded = np.pad(mask, 1)
    found, many = np.zeros((high + 1, wide + 1), np.uint8), 0
    for bit, (y, x) in enumerate(((0, 1), (1, 2), (2, 1), (1, 0))):
        edge = mask & ~padded[y : y + high, x : x + wide]
        right, below = int(bit in (1, 2)), int(bit in (2, 3))  # where it begins
        found[below : below + high, right : right + wide] |= edge.astype(np.uint8) << bit
        many += int(np.count_nonzero(edge))
    return found, many


def signed_area(corners: NDArray[np.generic]) -> float:
    """Return the area within a polygon: above 0 if it runs clockwise as seen."""
    x, y = np.asarray(corners, np.float64).T
    open_ = np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])
    return float(open_ + x[-1] * y[0] - y[-1] * x[0]) / 2


def outer(rings: list[Corners]) -> list[Corners]:
    """Return the outlines that are of no hole, the largest first."""
    areas = [signed_area(ring) for ring in rings]
    order = sorted(range(len(rings)), key=lambda at: -areas[at])
    return [rings[at] for at in order if areas[at] > 0]


def filled_polygon(rings: list[NDArray[np.float64]], width: int, height: int) -> Mask:
    """Return the pixels whose middle is within an odd number of polygons."""
    crossings = np.zeros((height, width + 1), np.int64)
    for ring in rings:
        one = np.asarray(ring, np.float64) - 0.5  # middles of pixels are whole numbers now
        other = np.roll(one, -1, axis=0)
        up = one[:, 1] > other[:, 1]
        one[up], other[up] = other[up], one[up]
        for (ax, ay), (bx, by) in zip(one.tolist(), other.tolist(), strict=True):
            first, last = max(math.ceil(ay), 0), min(math.ceil(by), height)
            if first >= last:
                continue
            rows = np.arange(first, last)
            across = np.ceil(ax + (rows - ay) * ((bx - ax) / (by - ay)))
            crossings[rows, np.clip(across, 0, width).astype(np.int64)] += 1
    inside: Mask = np.cumsum(crossings, axis=1)[:, :width] % 2 == 1
    return inside
