"""Masks as COCO stores them: run lengths down the columns, packed into letters.

Runs of 0 and 1 alternate and begin with 0. From the fourth run on, the difference to the run two
before is stored, five bits a letter, the lowest first; the sixth bit says that more follow, the
fifth of the last is the sign. Every reader of COCO takes it.

Reference: Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48; common/maskApi.c of its toolkit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bounds", "mask_of", "pack", "runs_of", "unpack"]


def bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is set in a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return 0, 0, 0, 0
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def runs_of(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of runs down the columns, the first of them of what is not set."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0] * (1 + bool(flat[0])), changes, [flat.size]])
    return [int(length) for length in np.diff(edges)]


def mask_of(runs: list[int], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of run lengths."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def pack(runs: list[int]) -> str:
    """Return run lengths as letters."""
    letters = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            letters.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(letters)


def unpack(letters: str) -> list[int]:
    """Return the run lengths that letters stand for."""
    runs: list[int] = []
    value = shift = 0
    for letter in letters:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
