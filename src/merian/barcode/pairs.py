"""Pairs of sequences that are near each other, of many sequences at once.

Each sequence asks the index of words of all of them for those that share most with it, and these
are aligned. The questions do not hang on each other, so that threads share them out; a pair that
both sequences have found is aligned once, by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from merian.barcode.align import align
from merian.barcode.index import WordIndex, best, build_index, score
from merian.barcode.words import as_text, query_words

__all__ = ["CANDIDATES", "Edges", "aligned_pairs", "near_pairs"]

Edges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Pairs of sequences, each once, the smaller number first, and their distances."""

Progress = Callable[[str, float], None]
Numbers = NDArray[np.int32]

CANDIDATES = 48  # that share the most words with a sequence
_SLICE = 1_000  # sequences that a thread looks at before it says so


def near_pairs(
    sequences: Sequence[str],
    distance: float,
    progress: Progress,
    candidates: int = CANDIDATES,
    group: Numbers | None = None,
    threads: int = 1,
) -> Edges:
    """Return the pairs of sequences within a distance.

    Args:
        sequences: Clean; those that are empty are in no pair.
        distance: Mismatches by columns, as identity is counted.
        progress: Is told how many sequences were looked at.
        candidates: How many others each is aligned with at most.
        group: Of each sequence; those of its own group are passed over, and of each other group
            the one that shares most is looked at.
        threads: How many look; the pairs are the same.
    """
    start = np.cumsum([0, *(len(text) for text in sequences)], dtype=np.int64)
    index = build_index(as_text("".join(sequences)), start)
    # Each difference costs at most ten words; among so many of a barcode, that leaves this share.
    least = max(0.05, 1 - 10 * distance * 1.5)
    group = np.arange(len(sequences), dtype=np.int32) if group is None else group

    def few(numbers: range) -> Numbers:
        return _candidates(sequences, index, numbers, candidates, least, group)

    found = []
    with ThreadPoolExecutor(threads) as pool:
        done = 0
        for part in pool.map(few, _slices(len(sequences))):
            progress("comparing sequences", done)
            found.append(part)
            done += _SLICE
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int32)
    one, other, far = aligned_pairs(sequences, pairs, threads)
    near = far <= distance
    return one[near], other[near], far[near]


def aligned_pairs(sequences: Sequence[str], pairs: Numbers, threads: int = 1) -> Edges:
    """Return how far the two of each pair are from each other, each pair once.

    Args:
        sequences: Clean.
        pairs: int32[n, 2]; who asks, and who was found.
        threads: How many align.

    Returns:
        Pairs in order, with infinity where the two do not align.
    """
    pairs = pairs.astype(np.int64)
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    # Where both have found each other, the first of them has asked.
    key = (low * (len(sequences) + 1) + high) * 2 + (pairs[:, 0] > low)
    key = np.unique(key)
    key = key[np.diff(key >> 1, prepend=-1) > 0]
    both, turned = key >> 1, (key & 1).astype(bool)
    low, high = both // (len(sequences) + 1), both % (len(sequences) + 1)
    asks, asked = np.where(turned, high, low), np.where(turned, low, high)
    order = np.lexsort((asked, asks))
    first = np.flatnonzero(np.diff(asks[order], prepend=-1))
    bounds = np.append(first, len(order))
    texts = [as_text(text) for text in sequences]

    def far_from(numbers: range) -> NDArray[np.float32]:
        apart = []
        for number in numbers:
            rows = order[bounds[number] : bounds[number + 1]]
            query = sequences[int(asks[rows[0]])]
            found = align(query, [texts[other] for other in asked[rows].tolist()])
            columns = np.maximum(found.overlap, 1)
            apart.append(np.where(found.overlap > 0, found.mismatches / columns, np.inf))
        return np.concatenate(apart).astype(np.float32)

    with ThreadPoolExecutor(threads) as pool:
        parts = [*pool.map(far_from, _slices(len(first)))]
    far = np.empty(len(order), np.float32)
    far[order] = np.concatenate(parts) if parts else far
    return low.astype(np.int32), high.astype(np.int32), far


def _slices(count: int) -> Iterator[range]:
    """Divide so many things into runs."""
    for first in range(0, count, _SLICE):
        yield range(first, min(first + _SLICE, count))


def _candidates(
    sequences: Sequence[str],
    index: WordIndex,
    numbers: range,
    count: int,
    least: float,
    group: Numbers,
) -> Numbers:
    """Return pairs of sequences with those of other groups that share the most words with them."""
    found = []
    for number in numbers:
        if not sequences[number]:  # it was set aside
            continue
        summed = score(query_words(sequences[number]), [index]).summed
        whole = summed[number]
        few = best(summed, group, count + 1, 1)
        few = few[(group[few] != group[number]) & (summed[few] >= least * whole)][:count]
        found.append(np.stack([np.full(len(few), number), few], axis=1).astype(np.int32))
    return np.concatenate(found) if found else np.empty((0, 2), np.int32)
