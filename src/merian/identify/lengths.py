"""How much of a barcode a query is: all of it, a piece, or a short piece.

A short piece agrees with more references than the whole would, so how near it is says less. Novelty
is simulated with pieces too, and a promise is kept at each of these lengths by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "NAMES", "SHORT", "SHORTEST", "WHOLE", "lengths_of"]

NAMES = ("whole", "piece", "short piece")

SHORTEST, LONGEST = 100, 400  # bases of the pieces that are simulated
SHORT = 200  # bases; a piece of fewer is a short one
WHOLE = 0.8  # of the nearest reference; what covers more of it is no piece

Integers = NDArray[np.integer[Any]]


def lengths_of(overlap: Integers, reference: Integers) -> NDArray[np.int8]:
    """Return the place in `NAMES` of queries.

    Args:
        overlap: Of each with its nearest reference.
        reference: The length of that.
    """
    whole = (overlap >= LONGEST) | (overlap >= WHOLE * reference)
    return np.where(whole, 0, np.where(overlap >= SHORT, 1, 2)).astype(np.int8)
