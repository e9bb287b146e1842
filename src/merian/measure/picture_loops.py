"""The loops over all pixels of a picture: their colours, and how far they are from a ground.

`merian.measure.ground` says what they are for. numpy would write a picture's numbers to memory a
dozen times over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, uint8

from merian.compiling import compiled, readable

__all__ = ["distances", "lab_from"]

Array = npt.NDArray[Any]


@compiled(float32[:, :, ::1](readable(uint8, 3, "A"), readable(float32, 2), readable(float32)))
def lab_from(picture: Array, shares: Array, roots: Array) -> Array:
    """Return float32[h, w, 3], CIELAB of a picture.

    Args:
        picture: uint8[h, w, 3].
        shares: float32[768, 3]; what a value of red, then of green, then of blue adds to X, Y and
            Z, each over that of the white, in steps of the roots.
        roots: What L*, a* and b* are made of, at each step of X, Y or Z from 0 to the white's, and
            one more.
    """
    high, wide = picture.shape[:2]
    found = np.empty((high, wide, 3), np.float32)
    for y in range(high):
        for x in range(wide):
            red, green, blue = picture[y, x, 0], picture[y, x, 1] + 256, picture[y, x, 2] + 512
            at = shares[red, 0] + shares[green, 0] + shares[blue, 0]
            step = int(at)
            fx = roots[step] + (at - step) * (roots[step + 1] - roots[step])
            at = shares[red, 1] + shares[green, 1] + shares[blue, 1]
            step = int(at)
            fy = roots[step] + (at - step) * (roots[step + 1] - roots[step])
            at = shares[red, 2] + shares[green, 2] + shares[blue, 2]
            step = int(at)
            fz = roots[step] + (at - step) * (roots[step + 1] - roots[step])
            found[y, x, 0] = np.float32(116) * fy - np.float32(16)
            found[y, x, 1] = np.float32(500) * (fx - fy)
            found[y, x, 2] = np.float32(200) * (fy - fz)
    return found


@compiled("float32[:,::1](float32[:,:,:], float64[:,::1], int64, int64, int64, int64)")
def distances(lab: Array, surface: Array, top: int, left: int, height: int, width: int) -> Array:
    """Return float32[h, w], how far a part of a picture is from its ground.

    Args:
        lab: The part in CIELAB.
        surface: See `merian.measure.ground.Ground`.
        top: Where it is in the picture.
        left: The same.
        height: Of the picture.
        width: The same.
    """
    high, wide = lab.shape[:2]
    found = np.empty((high, wide), np.float32)
    down, across = max(height - 1, 1), max(width - 1, 1)
    for row in range(high):
        y = 2 * (row + top) / down - 1
        for column in range(wide):
            x = 2 * (column + left) / across - 1
            total = np.float32(0)
            for channel in range(3):
                on = surface[0, channel] + y * (surface[2, channel] + y * surface[5, channel])
                on += x * (surface[1, channel] + y * surface[4, channel] + x * surface[3, channel])
                away = np.float32(lab[row, column, channel] - on)
                total += away * away
            found[row, column] = np.sqrt(total)
    return found
