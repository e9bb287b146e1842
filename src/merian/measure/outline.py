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

__all__ = ["filled_polygon", "outlines", "signed_area"]

Mask = NDArray[np.bool_]
Corners = NDArray[np.int64]
"""Corners of a closed polygon, x and y; the last is joined to the first."""

# Right, down, left, up: the step of each, and where its first corner is seen from the pixel.
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


def outlines(mask: Mask) -> list[Corners]:
    """Return the outlines of a mask, in the order in which reading meets them."""
    start, way = _edges(mask)
    if not len(start):
        return []
    following = _following(start, way, mask.shape)
    left = np.ones(len(start), bool)
    links, ways, points = following.tolist(), way.tolist(), start.tolist()
    found = []
    for first in range(len(links)):
        if not left[first]:
            continue
        at, before, corners = first, -1, []
        seen = []
        while True:
            if ways[at] != before:
                corners.append(points[at])
            before = ways[at]
            seen.append(at)
            at = links[at]
            if at == first:
                break
        left[seen] = False
        if before == ways[first]:  # the walk began within a straight side
            corners = corners[1:]
        found.append(np.array(corners, np.int64))
    return found


def signed_area(corners: NDArray[np.generic]) -> float:
    """Return the area within a polygon: above 0 if it runs clockwise as seen."""
    x, y = np.asarray(corners, np.float64).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


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


def _edges(mask: Mask) -> tuple[Corners, NDArray[np.int64]]:
    """Return the first corner and the way of every edge, with what is set on its right."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    sides = (
        (inner & ~padded[:-2, 1:-1], 0, 0),  # above: runs right from the left top corner
        (inner & ~padded[1:-1, 2:], 1, 0),  # right: runs down from the right top corner
        (inner & ~padded[2:, 1:-1], 1, 1),  # below: runs left
        (inner & ~padded[1:-1, :-2], 0, 1),  # left: runs up
    )
    starts, ways = [], []
    for way, (edge, right, below) in enumerate(sides):
        row, column = np.nonzero(edge)
        starts.append(np.column_stack([column + right, row + below]))
        ways.append(np.full(len(row), way, np.int64))
    start, way_of = np.concatenate(starts), np.concatenate(ways)
    order = np.lexsort((way_of, start[:, 0], start[:, 1]))
    return start[order], way_of[order]


def _following(start: Corners, way: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return for each edge the number of the one that goes on where it ends."""
    wide = shape[1] + 1
    key = (start[:, 1] * wide + start[:, 0]) * 4 + way  # in order, as the edges are
    end = start + _STEPS[way]
    corner = (end[:, 1] * wide + end[:, 0]) * 4
    following = np.full(len(way), -1, np.int64)
    # The left turn first: it goes over to the pixel that is met at the corner.
    for turn in (3, 0, 1):
        wanted = corner + (way + turn) % 4
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        good = (following < 0) & (key[place] == wanted)
        following[good] = place[good]
    return following
