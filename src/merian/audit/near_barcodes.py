"""Barcodes that are nearly those that are learned from: for the leak report of a split.

One base in a hundred is what a second reading of the same animal may differ by. Over at least half
of the shorter barcode no more than that may differ, on either strand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merian.audit.contain import Sequences
from merian.audit.leak_near import nearest_in
from merian.barcode import build_index

__all__ = ["NEAR", "near_barcodes"]

NEAR = 0.01
"""Up to which two barcodes are nearly the same, as a share of differing columns."""


def near_barcodes(asked: Sequence[str], learned: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return of each barcode whether one that is learned from is nearly the same.

    Args:
        asked: Barcodes.
        learned: Those that are learned from.
    """
    start = np.cumsum([0, *map(len, learned)], dtype=np.int64)
    text = np.frombuffer("".join(learned).encode("ascii"), np.uint8)
    nearest = nearest_in(Sequences(text, start), build_index(text, start), NEAR)
    return np.array([nearest(one) is not None for one in asked], bool)
