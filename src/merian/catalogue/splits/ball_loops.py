"""The compiled loop of what lies around a point: the cells about its own are looked through."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from merian.compiling import compiled

__all__ = ["ball"]


@compiled()
def ball(
    point: npt.NDArray[np.float64],
    order: npt.NDArray[np.int64],
    cells: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    own: npt.NDArray[np.int64],
    one: int,
    chord: float,
) -> Any:
    """Return the points within a chord of one of them.

    Args:
        point: float64[n, 3]; the points.
        order: The points, cell by cell.
        cells: int64[m, 3]; the cells that hold any, in order; as wide as the chord.
        start: Where the points of each cell begin in the order, and their end.
        own: The cell of the one.
        one: The one.
        chord: How far.
    """
    limit = chord * chord
    found = np.empty(16, np.int64)
    count = 0
    for di in range(-1, 2):
        for dj in range(-1, 2):
            for dk in range(-1, 2):
                wi, wj, wk = own[0] + di, own[1] + dj, own[2] + dk
                low, high = 0, len(cells)
                while low < high:
                    mid = (low + high) // 2
                    i, j, k = cells[mid, 0], cells[mid, 1], cells[mid, 2]
                    if i < wi or (i == wi and (j < wj or (j == wj and k < wk))):
                        low = mid + 1
                    else:
                        high = mid
                if low == len(cells):
                    continue
                if cells[low, 0] != wi or cells[low, 1] != wj or cells[low, 2] != wk:
                    continue
                for at in range(start[low], start[low + 1]):
                    other = order[at]
                    far = 0.0
                    for axis in range(3):
                        far += (point[one, axis] - point[other, axis]) ** 2
                    if far <= limit:
                        if count == len(found):
                            longer = np.empty(2 * count, np.int64)
                            longer[:count] = found
                            found = longer
                        found[count] = other
                        count += 1
    return found[:count]
