"""The loops of search: the words of a query, the sums of what sequences share with it, the best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.barcode.words import AMBIGUOUS, LENGTH
from merian.compiling import compiled, readable

__all__ = ["accumulate", "alike", "leading", "strandless_words"]

Bytes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]


@compiled(types.int32[::1](readable(types.uint8), readable(types.uint8)))
def strandless_words(codes: Bytes, text: Bytes) -> Numbers:
    """Return for each word of the index in a sequence the smaller of its strands.

    Args:
        codes: Of each letter, 0 to 3 for A, C, G, T, and 4 for the others.
        text: The letters.
    """
    words, filled, run = np.empty(len(text), np.int32), 0, 0
    word, other = 0, 0
    for letter in text:
        code = codes[letter]
        word = (word << 2 | code & 3) & (4**LENGTH - 1)
        other = other >> 2 | (3 - (code & 3)) << 2 * (LENGTH - 1)
        run = run + 1 if code < AMBIGUOUS else 0
        if run >= LENGTH:
            words[filled] = min(word, other)
            filled += 1
    return words[:filled]


@compiled(
    types.void(
        types.uint32[::1],
        readable(types.int32),
        readable(types.int64),
        readable(types.int64),
        readable(types.uint32),
    )
)
def accumulate(
    summed: Sums,
    posting: Numbers,
    begin: Places,
    size: Places,
    weight: Sums,
) -> None:
    """Add the weight of each word to the sums of the sequences of a segment that have it.

    Args:
        summed: Of each sequence; changed.
        posting: Of the segment's index.
        begin: Of each word, where its postings begin.
        size: How many there are.
        weight: Of each word.
    """
    for word in range(len(begin)):
        more = weight[word]
        for number in posting[begin[word] : begin[word] + size[word]]:
            summed[np.uint32(number)] += more


@compiled()
def _highest(summed: Sums, count: int) -> npt.NDArray[np.uint64]:
    """Return the sequences with the highest sums that are not 0, the first of equal ones first."""
    keys, filled, least = np.empty(2 * count, np.uint64), 0, np.uint32(0)
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    for number in range(len(summed)):
        if summed[number] > least:
            keys[filled] = (low - np.uint64(summed[number])) << half | np.uint64(number)
            filled += 1
            if filled == len(keys):  # the worse half, and what is no better, is out
                keys[:filled].sort()
                filled = count
                least = np.uint32(low - (keys[count - 1] >> half))
    keys[:filled].sort()
    return keys[: min(filled, count)] & low


@compiled(
    types.int64[::1](readable(types.uint32), readable(types.int32), types.int64, types.int64),
)
def leading(summed: Sums, group: Numbers, count: int, per_group: int) -> Places:
    """Return the sequences with the highest sums, at most so many of one group, best first.

    Args:
        summed: Of each sequence.
        group: Of each.
        count: How many to return at most.
        per_group: How many of them may be of one group.
    """
    chosen, look = np.empty(count, np.int64), 4 * max(count, 1)
    while True:
        filled = 0
        found = _highest(summed, look)
        for number in found:
            alike = 0
            for other in chosen[:filled]:
                alike += group[other] == group[number]
            if alike < per_group and filled < count:
                chosen[filled] = number
                filled += 1
        if filled == count or len(found) < look:
            return chosen[:filled]
        look *= 4


@compiled()
def _rarest_first(words: Numbers, offset: Places) -> Places:
    """Return the different words of a sequence that an index has, each below how many have it."""
    words = np.sort(words)
    keys, kept = np.empty(len(words), np.int64), 0
    for place in range(len(words)):
        word = words[place]
        if not place or words[place - 1] != word:
            frequency = offset[word + 1] - offset[word]
            if frequency:
                keys[kept] = frequency << 20 | word
                kept += 1
    keys[:kept].sort()
    return keys[:kept]


@compiled()
def _of_other_groups(summed: Sums, group: Numbers, own: int, enough: int, count: int) -> Places:
    """Return the sequences of other groups that have enough, the best of each, best first."""
    keys, many = np.empty(len(summed), np.int64), 0
    for other in range(len(summed)):
        if summed[other] >= enough and group[other] != own:
            keys[many] = (1 << 32) - np.int64(summed[other]) << 31 | other
            many += 1
    keys[:many].sort()
    chosen, filled = np.empty(count, np.int64), 0
    for key in keys[:many]:
        other = key & (1 << 31) - 1
        is_new = True
        for before in chosen[:filled]:
            if group[before] == group[other]:
                is_new = False
        if is_new:
            chosen[filled] = other
            filled += 1
            if filled == count:
                break
    return chosen[:filled]


@compiled(
    types.int32[:, ::1](
        readable(types.uint8), readable(types.int64), readable(types.uint8),
        readable(types.int64), readable(types.int32), readable(types.int64),
        readable(types.int32), types.float64, types.int64, types.int64,
    )
)  # fmt: skip
def alike(
    text: Bytes, start: Places, codes: Bytes, offset: Places, posting: Numbers, asking: Places,
    group: Numbers, least: float, count: int, budget: int,
) -> Numbers:  # fmt: skip
    """Return pairs of indexed sequences with those of other groups that share most with them.

    Args:
        text: The letters of all sequences.
        start: Where each begins, and where the last ends.
        codes: Of each letter, as for `strandless_words`.
        offset: Of their index.
        posting: Of their index.
        asking: The numbers of those that ask.
        group: Of each; its own is passed over, and of each other only the best is returned.
        least: The share of its own weight that another must have.
        count: How many are returned of each at most, best first, of equal ones the first.
        budget: How many postings are looked at, of the rarest words; their weights are those of
            `merian.barcode.index.score`.
    """
    summed = np.empty(len(start) - 1, np.uint32)
    rows, filled = np.empty((len(asking) * count, 2), np.int32), 0
    for number in asking:
        own = text[start[number] : start[number + 1]]
        summed[:] = 0
        spent, whole = np.int64(0), np.int64(0)
        for key in _rarest_first(strandless_words(codes, own), offset):
            frequency, word = key >> 20, key & (1 << 20) - 1
            weight = np.uint32(np.rint(np.log1p(len(summed) / frequency) * 1024))
            spent += frequency
            whole += np.int64(weight)
            if spent > budget or whole >= 1 << 32:
                break
            for other in posting[offset[word] : offset[word + 1]]:
                summed[np.uint32(other)] += weight
        enough = max(int(least * summed[number]), 1)
        for other in _of_other_groups(summed, group, group[number], enough, count):
            rows[filled, 0], rows[filled, 1] = number, other
            filled += 1
    return rows[:filled].copy()
