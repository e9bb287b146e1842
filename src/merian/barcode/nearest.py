"""The nearest references of a barcode: their identity over what both have.

Barcodes begin and end where the primers or the sequencer left off, on either strand. So the
references that share the most words are laid over the query along the diagonal on which most of
the shared words lie; what hangs over on either side is cut off, and the windows are aligned from
end to end (edlib: Sosic and Sikic 2017, Bioinformatics 33:1394). Identity is matches by columns of
that alignment, gaps at its ends apart, as in vsearch's default; an ambiguous nucleotide matches
what it may be.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import edlib
import numpy as np
import numpy.typing as npt

from merian.barcode.words import (
    NONE,
    OTHER,
    Words,
    candidates,
    clean,
    words_of,
)
from merian.nucleotides import reverse_complement

__all__ = ["Neighbours", "nearest"]

MINIMUM_OVERLAP = (
    100  # bases; less says little, as stretches that short are shared by whole families
)

# How far insertions may shift the ends against the middle, and how many words at an end decide.
_SHIFT, _END = 24, 64

_MAY_BE = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT",
    "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_EQUAL = [
    (one, other)
    for one, bases in _MAY_BE.items()
    for other, others in _MAY_BE.items()
    if one < other and set(bases) & set(others)
]
_AMBIGUOUS = re.compile("[^ACGT]")
_STEP = re.compile(r"(\d+)([=XID])")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of each query, best first.

    Attributes:
        index: int32[n, count]; the number of the reference, -1 where there is none.
        identity: float32[n, count]; matches by columns of the alignment; 0 where there is none.
        overlap: int32[n, count]; columns of the alignment.
        mismatches: int32[n, count]; columns that do not match, gaps among them.
        reverse: bool[n, count]; whether the reference has the other strand.
    """

    index: npt.NDArray[np.int32]
    identity: npt.NDArray[np.float32]
    overlap: npt.NDArray[np.int32]
    mismatches: npt.NDArray[np.int32]
    reverse: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Windows:
    """Where each candidate lies on its query: the part of either that the other has too."""

    reverse: npt.NDArray[np.bool_]
    query_start: Integers
    query_stop: Integers
    start: Integers
    stop: Integers


def nearest(
    queries: Sequence[str], references: Sequence[str], count: int = 8, candidates: int = 16
) -> Neighbours:
    """Return the nearest references of each query.

    An overlap of 100 bases is needed, or of the whole query if it is shorter.

    Args:
        queries: Nucleotides; gaps are dropped, letters that mean nothing are read as N.
        references: The same.
        count: How many neighbours to return.
        candidates: How many references, those that share the most words, are looked at.
    """
    asked, known = [clean(q) for q in queries], [clean(r) for r in references]
    words, known_words = words_of(asked), words_of(known)
    chosen = _candidates(words, known_words, max(count, candidates))
    shape = (len(asked), count)
    found = Neighbours(
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros(shape, bool),
    )
    for number, query in enumerate(asked):
        few = chosen[number][chosen[number] >= 0]
        if not query or not len(few):
            continue
        own = words.word[words.start[number] : words.start[number + 1] - 1]
        rows = _aligned(query, own, [known[i] for i in few], few, known_words, count)
        for column, (mismatches, overlap, reverse, which) in enumerate(rows):
            found.index[number, column] = which
            found.identity[number, column] = 1 - mismatches / overlap
            found.overlap[number, column] = overlap
            found.mismatches[number, column] = mismatches
            found.reverse[number, column] = reverse
    return found


_candidates = candidates  # the argument of `nearest` has the better claim to the name


def _aligned(
    query: str,
    own: npt.NDArray[np.uint16],
    known: list[str],
    few: Integers,
    words: Words,
    count: int,
) -> list[tuple[int, int, bool, int]]:
    """Return mismatches, overlap, strand and number of the nearest among the candidates."""
    windows = _windows(own, [len(k) for k in known], few, words)
    strands = (query, reverse_complement(query) if windows.reverse.any() else "")
    least = min(MINIMUM_OVERLAP, len(query))
    pairs: list[tuple[float, int, int, str, str]] = []
    for i, reference in enumerate(known):
        one = strands[int(windows.reverse[i])][windows.query_start[i] : windows.query_stop[i]]
        other = reference[windows.start[i] : windows.stop[i]]
        long = max(len(one), len(other))
        if min(len(one), len(other)) < least:
            continue
        limit = int(pairs[-1][0] * long) if len(pairs) == count else -1
        distance = _distance(one, other, limit)
        if distance >= 0:
            insort(pairs, (distance / long, -long, i, one, other))
            del pairs[count:]
    # Whole alignments cost four times as much as distances; only the best are worth them.
    rows = []
    for _, _, i, one, other in pairs:
        mismatches, overlap = _alignment(one, other)
        if overlap >= least:
            rows.append((mismatches, overlap, bool(windows.reverse[i]), int(few[i])))
    return sorted(rows, key=lambda row: (row[0] / row[1], -row[1], row[3]))


def _distance(one: str, other: str, limit: int) -> int:
    """Return the edit distance, or -1 where it is above the limit (-1: there is none)."""
    if one == other:
        return 0
    equal = _equalities(one, other)
    return int(edlib.align(one, other, k=limit, additionalEqualities=equal)["editDistance"])


def _alignment(one: str, other: str) -> tuple[int, int]:
    """Return mismatches and columns of the alignment, gaps at its ends apart."""
    if one == other:
        return 0, len(one)
    found = edlib.align(one, other, task="path", additionalEqualities=_equalities(one, other))
    path = [(int(n), kind) for n, kind in _STEP.findall(found["cigar"])]
    while path and path[0][1] in "ID":
        path.pop(0)
    while path and path[-1][1] in "ID":
        path.pop()
    columns = sum(n for n, _ in path)
    return columns - sum(n for n, kind in path if kind == "="), columns


def _equalities(one: str, other: str) -> list[tuple[str, str]] | None:
    """Return the pairs of letters that match, where there are others than A, C, G and T."""
    return _EQUAL if _AMBIGUOUS.search(one) or _AMBIGUOUS.search(other) else None


def _windows(
    own: npt.NDArray[np.uint16], lengths: list[int], few: Integers, words: Words
) -> _Windows:
    """Lay each candidate over the query: strand, and the diagonals at both ends."""
    long, size = len(own), np.array(lengths)
    first = words.start[few]
    pair = np.repeat(np.arange(len(few)), size)  # every position of every candidate
    place = np.arange(len(pair)) - np.repeat(np.cumsum(size) - size, size)
    word = words.word[np.repeat(first, size) + place]
    at = np.full((2, NONE + 1), -1)  # where the query has a word, on either strand
    at[0, own[::-1]] = np.arange(long)[::-1]
    at[1, OTHER[own]] = long - 6 - np.arange(long)
    at[:, NONE] = -1
    there = at[:, word]
    hits = np.stack([np.bincount(pair, strand >= 0, len(few)) for strand in there])
    reverse = hits[1] > hits[0]
    mine = np.where(reverse[pair], there[1], there[0])
    hit = mine >= 0
    pair, mine, place = pair[hit], mine[hit], place[hit]
    diagonal = place - mine
    wide = long + int(size.max()) + 1
    votes = np.bincount(pair * wide + diagonal + long, minlength=len(few) * wide)
    middle = votes.reshape(len(few), wide).argmax(axis=1) - long
    shift = diagonal - middle[pair]
    near = np.abs(shift) <= _SHIFT
    pair, mine, shift = pair[near], mine[near], shift[near]
    start = np.maximum(0, -middle)
    stop = np.minimum(long, size - middle)
    left = middle + _common_shift(pair, shift, mine < start[pair] + _END, len(few))
    right = middle + _common_shift(pair, shift, mine >= stop[pair] - _END, len(few))
    query_start, query_stop = np.maximum(0, -left), np.minimum(long, size - right)
    return _Windows(reverse, query_start, query_stop, query_start + left, query_stop + right)


def _common_shift(
    pair: npt.NDArray[Any], shift: npt.NDArray[Any], chosen: npt.NDArray[np.bool_], few: int
) -> Integers:
    """Return by how much the words at one end of each candidate are shifted: most often 0."""
    wide = 2 * _SHIFT + 1
    votes = np.bincount(pair[chosen] * wide + shift[chosen] + _SHIFT, minlength=few * wide)
    table = votes.reshape(few, wide)
    table[:, _SHIFT] += 6  # one long word may lie anywhere by chance
    shifts: Integers = table.argmax(axis=1) - _SHIFT
    return shifts
