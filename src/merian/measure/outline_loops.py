"""The loops of outlines: the way along the edges of a mask, and the corners of a hull.

`merian.measure.outline` and `merian.measure.shapes` say what they are for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from merian.compiling import compiled

__all__ = ["hull_of", "traced"]

Array = npt.NDArray[Any]


@compiled("Tuple((int64[:,::1], int64[::1]))(uint8[:,::1], int64)")
def traced(edges: Array, many: int) -> tuple[Array, Array]:
    """Return the corners of all outlines of a mask, and where each outline ends among them.

    Args:
        edges: uint8[h + 1, w + 1], the edges that begin at each corner of pixels, a bit for each
            way: right, down, left and up. The four bits above are 0, and are set here where an
            edge was gone along.
        many: How many edges there are.
    """
    high, wide = edges.shape
    right, down = (1, 0, -1, 0), (0, 1, 0, -1)
    corners = np.empty((many, 2), np.int64)
    ends = np.empty(many // 4 + 1, np.int64)
    corner, ring = 0, 0
    for top in range(high):
        for left in range(wide):
            for first in range(4):
                if not edges[top, left] >> first & 1 or edges[top, left] >> (first + 4) & 1:
                    continue
                y, x, way, before = top, left, first, -1
                begin = corner
                while True:
                    edges[y, x] |= 16 << way
                    if way != before:
                        corners[corner, 0], corners[corner, 1] = x, y
                        corner += 1
                    before = way
                    x, y = x + right[way], y + down[way]
                    # The left turn first: it goes over to the pixel that is met at the corner.
                    for turn in (3, 0, 1):
                        way = (before + turn) & 3
                        if edges[y, x] >> way & 1:
                            break
                    if x == left and y == top and way == first:
                        break
                if before == first:  # the walk began within a straight side
                    for place in range(begin, corner - 1):
                        corners[place] = corners[place + 1]
                    corner -= 1
                ends[ring] = corner
                ring += 1
    return corners[:corner].copy(), ends[:ring].copy()


@compiled("float64[:,::1](float64[:,::1])")
def hull_of(points: Array) -> Array:
    """Return the corners of the convex hull of points, clockwise as seen, none on a side.

    Args:
        points: float64[n, 2], three or more, by x and then by y, each once.
    """
    many = len(points)
    chain = np.empty((2 * many, 2), np.float64)
    size = 0
    for turn in range(2):
        begin = size
        for place in range(many):
            at = place if turn == 0 else many - 1 - place
            x, y = points[at, 0], points[at, 1]
            while size - begin > 1:
                ax, ay = chain[size - 2, 0], chain[size - 2, 1]
                bx, by = chain[size - 1, 0], chain[size - 1, 1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                size -= 1
            chain[size, 0], chain[size, 1] = x, y
            size += 1
        size -= 1  # the other half begins with it
    return chain[:size].copy()
