"""The loop that reads sequences in all six frames and tells where their stop codons are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["OPEN", "SHIFTED", "STOPPED", "read_frames"]

OPEN, SHIFTED, STOPPED = 0, 1, 2

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@compiled(
    types.uint8[::1](
        readable(types.uint8), readable(types.int64), readable(types.uint8), readable(types.boolean)
    )
)
def read_frames(text: Bytes, start: Places, code: Bytes, is_stop: npt.NDArray[np.bool_]) -> Bytes:
    """Say how each sequence can be read: in one frame, in one after another, or in none.

    A stop at the very end of a frame is none: there a complete gene has its own.

    Args:
        text: The letters of all sequences.
        start: Where each begins, and where the last ends.
        code: Of each letter, 0 to 3 for A, C, G, T, and more for any other.
        is_stop: Of each codon, whether it ends a protein; the letters are digits to the base 4.
    """
    found = np.empty(len(start) - 1, np.uint8)
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for number in range(len(start) - 1):
        begin, end = start[number], start[number + 1]
        best = STOPPED
        for strand in range(2):
            first[:], last[:] = end, -1
            for place in range(begin, end - 2):
                one, two, three = code[text[place]], code[text[place + 1]], code[text[place + 2]]
                if one > 3 or two > 3 or three > 3:
                    continue
                codon = 16 * one + 4 * two + three
                if strand:
                    codon = 63 - (16 * three + 4 * two + one)
                # A stop behind which no codon follows ends the gene, as in every complete one.
                is_last = place - begin < 3 if strand else place + 6 > end
                if is_stop[codon] and not is_last:
                    frame = (place - begin) % 3
                    first[frame] = min(first[frame], place)
                    last[frame] = place
            for frame in range(3):
                if last[frame] < 0:
                    best = OPEN
                for other in range(3):
                    # Open in one frame up to a place from which another is open to the end.
                    if other != frame and last[other] < first[frame]:
                        best = min(best, SHIFTED)
        found[number] = best
    return found
