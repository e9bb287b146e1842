"""Outlines of a mask as polygons that are valid: none crosses or touches itself.

The outline of pixels that meet at a corner goes through that corner twice, which programs for maps
and for annotations call invalid. There it is parted in two.

Reference: OGC 06-103r4, 6.1.11 (a ring is simple).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from merian.measure.outline import outer, outlines

__all__ = ["polygons", "simple"]

Corners = NDArray[np.int64]


def polygons(mask: NDArray[np.bool_]) -> list[Corners]:
    """Return the outer outlines of a mask as simple polygons, the largest first; holes are lost."""
    return outer([ring for one in outlines(mask) for ring in _simple(one)])


def _simple(corners: Corners) -> list[Corners]:
    """Return what `simple` does of corners; most outlines go through no point twice."""
    key = corners[:, 1] * (int(corners[:, 0].max()) + 1) + corners[:, 0]
    return [corners] if len(np.unique(key)) == len(key) else simple(corners.tolist())


def simple(points: Iterable[list[int]]) -> list[Corners]:
    """Return a closed outline as closed outlines that go through no point twice."""
    found, path = [], list[tuple[int, int]]()
    place: dict[tuple[int, int], int] = {}
    for x, y in points:
        point = (x, y)
        if point in place:
            start = place[point]
            found.append(np.array(path[start:], np.int64))
            for gone in path[start + 1 :]:
                del place[gone]
            del path[start + 1 :]
        else:
            place[point] = len(path)
            path.append(point)
    found.append(np.array(path, np.int64))
    return [ring for ring in found if len(ring) > 2]
