"""The loops of containment: which sequences lie within others, on either strand.

A stretch of 32 bases is one number of 64 bits. Every pattern is known by one such stretch of its
own, its anchor; texts are read once, and where an anchor turns up the whole pattern is compared.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["ANCHOR", "candidates", "fill", "scan"]

ANCHOR = 32  # bases; two fill one number of 64 bits
_SEGMENTS = 8
_AMBIGUOUS = 4
_MIX = np.uint64(0x9E3779B97F4A7C15)

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]


@compiled(
    types.void(
        readable(types.uint8),
        readable(types.int64),
        readable(types.uint8),
        types.uint64[:, ::1],
        types.int32[:, ::1],
    )
)
def candidates(text: Bytes, start: Places, codes: Bytes, keys: Keys, places: Numbers) -> None:
    """Write eight stretches of each sequence that may be its anchor, one of each eighth.

    The one with the least hash is taken, so that related sequences offer the same stretches, and
    it shows which of them are rare.

    Args:
        text: The letters of all sequences.
        start: Where each begins.
        codes: Of each letter, 0 to 3 for A, C, G, T, and 4 for the others.
        keys: uint64[n, 8]; of each stretch the smaller of its strands. Written.
        places: int32[n, 8]; where each lies, -1 where there is none. Written.
    """
    top = np.uint64(2 * ANCHOR - 2)
    two, three = np.uint64(2), np.uint64(3)
    for number in range(len(start) - 1):
        places[number] = -1
        least = np.full(_SEGMENTS, np.uint64(2**64 - 1), np.uint64)
        word, other, run = np.uint64(0), np.uint64(0), 0
        first, size = start[number], start[number + 1] - start[number]
        whole = max(1, size - ANCHOR + 1)
        for place in range(size):
            code = codes[text[first + place]]
            letter = np.uint64(code) & three
            word = word << two | letter
            other = other >> two | (three - letter) << top
            run = run + 1 if code < _AMBIGUOUS else 0
            if run < ANCHOR:
                continue
            at = place - ANCHOR + 1
            key = min(word, other)
            mixed = key * _MIX
            segment = at * _SEGMENTS // whole
            if mixed < least[segment] or places[number, segment] < 0:
                least[segment], keys[number, segment] = mixed, key
                places[number, segment] = at


@compiled(types.void(readable(types.uint64), types.int32[::1]))
def fill(keys: Keys, slot: Numbers) -> None:
    """Write the number of each key into a table, at its hash or behind it."""
    mask = len(slot) - 1
    for number in range(len(keys)):
        here = np.int64((keys[number] * _MIX) >> np.uint64(24)) & mask
        while slot[here] >= 0:
            here = (here + 1) & mask
        slot[here] = number


@compiled(
    types.boolean(
        readable(types.uint8),
        types.int64,
        types.int64,
        types.boolean,
        readable(types.uint8),
        types.int64,
        readable(types.uint8),
        readable(types.uint8),
    )
)
def _lies_at(
    patterns: Bytes,
    begin: int,
    size: int,
    reverse: bool,
    text: Bytes,
    at: int,
    bits: Bytes,
    other_bits: Bytes,
) -> bool:
    """Say whether a pattern may be what stands at a place of the text."""
    for place in range(size):
        if reverse:
            mine = other_bits[patterns[begin + size - 1 - place]]
        else:
            mine = bits[patterns[begin + place]]
        if not mine & bits[text[at + place]]:
            return False
    return True


@compiled(
    types.boolean(
        readable(types.uint8),
        types.int64,
        types.int64,
        types.int64,
        readable(types.uint8),
        types.int64,
        types.int64,
        types.int64,
        readable(types.uint8),
        readable(types.uint8),
    )
)
def _stands_at(
    patterns: Bytes,
    begin: int,
    length: int,
    anchor: int,
    text: Bytes,
    first: int,
    size: int,
    at: int,
    bits: Bytes,
    other_bits: Bytes,
) -> bool:
    """Say whether a pattern whose anchor is at a place of a text lies there, on either strand."""
    for turn in range(2):
        offset = at - (length - ANCHOR - anchor if turn else anchor)
        inside = offset >= 0 and offset + length <= size
        if inside and _lies_at(
            patterns, begin, length, turn == 1, text, first + offset, bits, other_bits
        ):
            return True
    return False


@compiled(
    types.void(
        readable(types.uint8),
        readable(types.int64),
        readable(types.int32),
        readable(types.uint8),
        readable(types.int64),
        readable(types.int32),
        readable(types.uint64),
        readable(types.int64),
        readable(types.int32),
        readable(types.int32),
        readable(types.int32),
        readable(types.uint8),
        readable(types.uint8),
        readable(types.uint8),
        types.int64,
        types.int64,
        types.int64[::1],
        types.int64[::1],
    )
)
def scan(
    text: Bytes,
    start: Places,
    group: Numbers,
    patterns: Bytes,
    pattern_start: Places,
    pattern_group: Numbers,
    keys: Keys,
    bucket: Places,
    known_by: Numbers,
    anchor: Numbers,
    slot: Numbers,
    codes: Bytes,
    bits: Bytes,
    other_bits: Bytes,
    low: int,
    high: int,
    in_text: Places,
    of_text: Places,
) -> None:
    """Find the patterns that lie within texts of another group and are shorter.

    Args:
        text: The letters of all texts.
        start: Where each begins.
        group: Of each.
        patterns: The letters of all patterns.
        pattern_start: Where each begins.
        pattern_group: Of each.
        keys: The different anchors, ascending.
        bucket: Where the patterns of each anchor begin in ``known_by``.
        known_by: The patterns by their anchors.
        anchor: Where the anchor of each pattern lies in it.
        slot: A table from the hash of a key to its number, -1 where there is none.
        codes: Of each letter, 0 to 3, or 4.
        bits: What each letter may be.
        other_bits: What its complement may be.
        low: The first text that is read.
        high: The first that is not.
        in_text: Of each pattern the first text that holds it, -1 for none. Written.
        of_text: Of each text the longest pattern within it, the first of such, or -1. Written.
    """
    top = np.uint64(2 * ANCHOR - 2)
    two, three = np.uint64(2), np.uint64(3)
    mask = len(slot) - 1
    shift = np.uint64(24)
    for number in range(low, high):
        word, other, run = np.uint64(0), np.uint64(0), 0
        first, size = start[number], start[number + 1] - start[number]
        longest = np.int64(0)
        for place in range(size):
            code = codes[text[first + place]]
            letter = np.uint64(code) & three
            word = word << two | letter
            other = other >> two | (three - letter) << top
            run = run + 1 if code < _AMBIGUOUS else 0
            if run < ANCHOR:
                continue
            key = min(word, other)
            here = np.int64((key * _MIX) >> shift) & mask
            while slot[here] >= 0 and keys[slot[here]] != key:
                here = (here + 1) & mask
            if slot[here] < 0:
                continue
            at = place - ANCHOR + 1
            which = slot[here]
            for row in range(bucket[which], bucket[which + 1]):
                pattern = known_by[row]
                begin = pattern_start[pattern]
                length = pattern_start[pattern + 1] - begin
                if length >= size or pattern_group[pattern] == group[number]:
                    continue
                behind = length < longest or (length == longest and pattern >= of_text[number])
                if in_text[pattern] >= 0 and behind:
                    continue
                if _stands_at(
                    patterns,
                    begin,
                    length,
                    anchor[pattern],
                    text,
                    first,
                    size,
                    at,
                    bits,
                    other_bits,
                ):
                    if in_text[pattern] < 0:
                        in_text[pattern] = number
                    if not behind:
                        longest, of_text[number] = length, pattern
