"""Containment: which sequences lie letter by letter within longer ones, on either strand.

An ambiguous letter agrees with what it may be, so an N within a sequence is no obstacle. Each
sequence is found by a stretch of 32 called bases, the rarest of eight: one that has none is not
found, nor one whose stretch holds an ambiguous letter in the longer sequence.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from merian.barcode.words import CODE
from merian.nucleotides import MAY_BE, reverse_complement

__all__ = ["Sequences", "Within", "within"]

_LOAD = 8  # slots of the table for each anchor: most are empty, and a miss costs one look
_AT_ONCE = 2_000  # texts that a thread reads before it takes others

_BITS = np.zeros(256, np.uint8)
_OTHER_BITS = np.zeros(256, np.uint8)
for _letter, _bases in MAY_BE.items():
    _BITS[ord(_letter)] = sum(1 << "ACGT".index(base) for base in _bases)
for _letter in MAY_BE:
    _OTHER_BITS[ord(_letter)] = _BITS[ord(reverse_complement(_letter))]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Clean sequences, one after the other.

    Attributes:
        text: uint8; their letters.
        start: int64[n + 1]; where each begins.
    """

    text: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start) - 1

    def letters(self, number: int) -> npt.NDArray[np.uint8]:
        """Return one of them."""
        return self.text[self.start[number] : self.start[number + 1]]

    def sequence(self, number: int) -> str:
        """Return one of them as a string."""
        return self.letters(number).tobytes().decode("ascii")

    def size(self, number: int) -> int:
        """Return how many letters one of them has."""
        return int(self.start[number + 1] - self.start[number])

    def chosen(self, numbers: npt.NDArray[np.int64]) -> Sequences:
        """Return some of them, in this order."""
        if len(numbers) == len(self) and bool((np.diff(numbers) == 1).all()):
            return self
        parts = [self.letters(number) for number in numbers.tolist()]
        start = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return Sequences(np.concatenate([np.empty(0, np.uint8), *parts]), start)


@dataclass(frozen=True, eq=False)
class Within:
    """What lies within what.

    Attributes:
        of_pattern: int64[patterns]; the first text that holds each, -1 for none.
        of_text: int64[texts]; the longest pattern within each, -1 for none.
    """

    of_pattern: npt.NDArray[np.int64]
    of_text: npt.NDArray[np.int64]


def within(
    patterns: Sequences,
    texts: Sequences,
    pattern_group: npt.NDArray[np.int32] | None = None,
    text_group: npt.NDArray[np.int32] | None = None,
) -> Within:
    """Return which patterns lie within longer texts.

    Args:
        patterns: What is looked for.
        texts: Where.
        pattern_group: Of each; what is of the same group is passed over.
        text_group: Of each text.
    """
    from merian.audit.contain_loops import scan  # noqa: PLC0415 - loads numba

    found = Within(
        np.full(len(patterns), -1, np.int64),
        np.full(len(texts), -1, np.int64),
    )
    if not len(patterns) or not len(texts):
        return found
    if pattern_group is None or text_group is None:
        pattern_group = np.zeros(len(patterns), np.int32)
        text_group = np.ones(len(texts), np.int32)
    keys, bucket, known_by, anchor = _anchored(patterns)
    if not len(keys):
        return found
    slot = _table(keys)
    workers = min(2, os.cpu_count() or 1)
    bounds = np.arange(0, len(texts) + _AT_ONCE, _AT_ONCE).clip(max=len(texts)).tolist()
    parts = list(pairwise(bounds))
    stopped = threading.Event()
    own = [np.full(len(patterns), -1, np.int64) for _ in range(workers)]

    def read(worker: int) -> None:
        for low, high in parts[worker::workers]:
            if stopped.is_set():
                return
            scan(
                texts.text, texts.start, text_group, patterns.text, patterns.start, pattern_group,
                keys, bucket, known_by, anchor, slot, CODE, _BITS, _OTHER_BITS, low, high,
                own[worker], found.of_text,
            )  # fmt: skip

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(read, range(workers)))
        finally:
            stopped.set()  # whoever stops this does not wait for the rest
    last = len(texts)
    least = np.min([np.where(hits < 0, last, hits) for hits in own], axis=0)
    found.of_pattern[:] = np.where(least == last, -1, least)
    return found


def _anchored(
    patterns: Sequences,
) -> tuple[
    npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]
]:
    """Return anchors, where the patterns of each begin, the patterns, and the places of anchors."""
    from merian.audit.contain_loops import candidates  # noqa: PLC0415 - loads numba

    keys = np.zeros((len(patterns), 8), np.uint64)
    places = np.full((len(patterns), 8), -1, np.int32)
    candidates(patterns.text, patterns.start, CODE, keys, places)
    there = places >= 0
    _, number, count = np.unique(keys[there], return_inverse=True, return_counts=True)
    rarity = np.full(keys.shape, np.iinfo(np.int64).max, np.int64)
    rarity[there] = count[number]
    chosen = rarity.argmin(axis=1)
    rows = np.arange(len(patterns))
    key, anchor = keys[rows, chosen], places[rows, chosen]
    known = np.flatnonzero(anchor >= 0)
    known_by = known[np.argsort(key[known], kind="stable")].astype(np.int32)
    different, first = np.unique(key[known_by], return_index=True)
    bucket = np.append(first, len(known_by)).astype(np.int64)
    return different, bucket, known_by, np.ascontiguousarray(anchor)


def _table(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """Return a table from the hash of each key to its number."""
    from merian.audit.contain_loops import fill  # noqa: PLC0415 - loads numba

    size = 1 << 10
    while size < _LOAD * len(keys):
        size *= 2
    slot = np.full(size, -1, np.int32)
    fill(keys, slot)
    return slot
