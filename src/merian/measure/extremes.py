"""The largest and the smallest value around each pixel of a picture, in a square.

Of twice as many pixels the largest is the larger of two; so a wide square takes few steps, and as
the picture is gone through in bands, what a step needs is near at hand.

Reference: van Herk, Pattern Recognition Letters 13, 1992 (extremes of a window at a cost that does
not grow with it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["crests", "largest_near", "opened"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_BAND = 64  # rows at once
_THIN = 15  # pixels: legs are not thicker
_RIM = 4  # pixels of a blurred rim
_HALF = 0.5  # of the clearest near: what is less is its blurred rim


def largest_near(values: Floats, size: int) -> Floats:
    """Return the largest value in a square around each pixel.

    Args:
        values: float32[h, w].
        size: Pixels of the square's side, an odd number.
    """
    return _near(values, size, np.maximum, -np.inf)


def opened(values: Floats, size: int) -> Floats:
    """Return a picture without what is bright and narrower than a square: its opening."""
    return largest_near(_near(values, size, np.minimum, np.inf), size)


def crests(distance: Floats) -> tuple[Floats, Mask]:
    """Return how far what is thin stands out of what is beside it, and where that is its crest.

    What stands out less than half as far as the clearest near it is the blurred rim of that.
    """
    thin = distance - opened(distance, _THIN)
    return thin, thin > _HALF * largest_near(thin, 2 * _RIM + 1)


def _near(values: Floats, size: int, pick: Callable[..., Any], beyond: float) -> Floats:
    """Return the extreme of each square; beyond the border there is nothing."""
    framed = np.pad(values, size // 2, constant_values=beyond)
    found = np.empty_like(values)
    for top in range(0, len(values), _BAND):
        rows = framed[top : top + _BAND + size - 1]
        found[top : top + _BAND] = _along(_along(rows, size, pick).T, size, pick).T
    return found


def _along(values: Floats, size: int, pick: Callable[..., Any]) -> Floats:
    """Return the extreme of each so many rows that follow each other."""
    many, reach = len(values) - size + 1, 1
    while 2 * reach <= size:
        values, reach = pick(values[:-reach], values[reach:]), 2 * reach
    more = size - reach
    return pick(values[:many], values[more : more + many]) if more else values
