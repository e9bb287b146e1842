"""The loop that looks for two primers in many sequences, on both strands.

A primer is laid at each place and its mismatches are counted until there are too many. Polymerases
forgive a wrong base and no shifted one, so insertions and deletions are not looked for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["BOTH", "DOWNSTREAM", "NEITHER", "UPSTREAM", "find_primers"]

NEITHER, UPSTREAM, DOWNSTREAM, BOTH = 0, 1, 2, 3
_MANY = 1 << 30

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@compiled()
def _mismatches(bits: Bytes, place: int, primer: Places, most: int) -> int:
    """Count mismatches of a primer at a place, up to one more than are allowed."""
    count = 0
    for i in range(1, len(primer)):
        letter = primer[i]
        if bits[place + (letter >> 4)] & letter & 15 == 0:
            count += 1
            if count > most:
                break
    return count


@compiled()
def _between(
    bits: Bytes, one: Places, other: Places, most_one: int, most_other: int
) -> tuple[int, int, int, int]:
    """Return what lies between a primer and another downstream of it.

    Returns:
        Which of the two were found, begin and end of what lies between, and the mismatches.
    """
    size = len(bits)
    first, first_end = _MANY, 0  # the best so far of the one upstream, the nearest among equals
    best, begin, end = _MANY, 0, size
    alone, alone_end = _MANY, 0
    last, last_begin = _MANY, size
    for place in range(size):
        if place + other[0] <= size:
            found = _mismatches(bits, place, other, most_other)
            if found <= most_other:
                if found < last:
                    last, last_begin = found, place
                if first < _MANY and place >= first_end and first + found < best:
                    best, begin, end = first + found, first_end, place
        if place + one[0] <= size:
            found = _mismatches(bits, place, one, most_one)
            if found <= most_one:
                if found <= first:
                    first, first_end = found, place + one[0]
                if found < alone:
                    alone, alone_end = found, place + one[0]
    if best < _MANY:
        return BOTH, begin, end, best
    if alone <= last and alone < _MANY:
        return UPSTREAM, alone_end, size, alone
    if last < _MANY:
        return DOWNSTREAM, 0, last_begin, last
    return NEITHER, 0, size, _MANY


@compiled(
    types.int64[:, ::1](
        readable(types.uint8),
        readable(types.int64),
        readable(types.int64),
        readable(types.int64),
        readable(types.int64),
        readable(types.int64),
        types.int64,
        types.int64,
    )
)
def find_primers(
    bits: Bytes,
    start: Places,
    forward: Places,
    reverse: Places,
    forward_opposite: Places,
    reverse_opposite: Places,
    most_forward: int,
    most_reverse: int,
) -> Places:
    """Return for each sequence where its amplicon lies.

    A primer is its length, then a number for each letter but N: its place times 16, and a bit for
    each base that it may be. The letters that say most come first, so that most places are done
    with after a few.

    Args:
        bits: Of all sequences, which bases each letter may be; 0 for N, which tells nothing.
        start: Where each begins, and where the last ends.
        forward: The forward primer.
        reverse: The reverse primer.
        forward_opposite: The reverse complement of the forward primer.
        reverse_opposite: That of the reverse primer.
        most_forward: How many mismatches the forward primer may have.
        most_reverse: How many the reverse primer may have.

    Returns:
        Rows of: which primers were found, begin, end, and whether it is on the other strand. There
        what is upstream for the letters is downstream for the amplicon.
    """
    rows = np.zeros((len(start) - 1, 4), np.int64)
    for number in range(len(start) - 1):
        own = bits[start[number] : start[number + 1]]
        plain = _between(own, forward, reverse_opposite, most_forward, most_reverse)
        turned = _between(own, reverse, forward_opposite, most_reverse, most_forward)
        both, other = plain[0] == BOTH, turned[0] == BOTH
        other_strand = (other and not both) or (both == other and turned[3] < plain[3])
        chosen = turned if other_strand else plain
        rows[number, 0], rows[number, 1], rows[number, 2] = chosen[0], chosen[1], chosen[2]
        rows[number, 3] = other_strand
    return rows
