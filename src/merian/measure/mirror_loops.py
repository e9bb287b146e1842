"""The loop of the search for a body's axis: how much of a body its mirror image covers.

`merian.measure.body_parts` says what it is for. The mirror image of a pixel falls between four
others, which count by how near they are; outside of the picture there is nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from merian.compiling import compiled

__all__ = ["covered"]

Array = npt.NDArray[Any]


@compiled("float64(float32[:,::1], float64[::1], float64[::1], float64, float64, float64, float64)")
def covered(core: Array, px: Array, py: Array, ox: float, oy: float, ax: float, ay: float) -> float:
    """Return the mean of a core where the mirror images of points about a line fall.

    Args:
        core: float32[h, w]; 1 inside, 0 outside.
        px: Of the points.
        py: The same.
        ox: A point of the line.
        oy: The same.
        ax: The direction of the line, of unit length.
        ay: The same.
    """
    high, wide = core.shape
    total = 0.0
    for place in range(len(px)):
        away = -(px[place] - ox) * ay + (py[place] - oy) * ax
        x, y = px[place] + 2 * away * ay - 0.5, py[place] - 2 * away * ax - 0.5
        if x < 0 or y < 0 or x > wide - 1 or y > high - 1:
            continue
        left, top = int(x), int(y)
        right, below = min(left + 1, wide - 1), min(top + 1, high - 1)
        h, v = x - left, y - top
        total += (1 - v) * ((1 - h) * core[top, left] + h * core[top, right])
        total += v * ((1 - h) * core[below, left] + h * core[below, right])
    return np.float64(total / len(px))
