"""Alignment of a query with references: mismatches and columns of what both have.

Barcodes begin and end where the primers or the sequencer left off, on either strand. So a
reference is laid over the query along the diagonal on which most of their common words of six
lie; what hangs over on either side is cut off, and the windows are aligned from end to end (edlib:
Sosic and Sikic 2017, Bioinformatics 33:1394). Identity is matches by columns of that alignment,
gaps at its ends apart, as in vsearch's default; an ambiguous nucleotide matches what it may be.
Where windows of one length differ in no more places than any alignment with gaps would cost, they
are compared place by place: most pairs of barcodes are, and it is ten times as fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import edlib
import numpy as np
import numpy.typing as npt

from merian.barcode.words import CODE, as_text, broken, opposite, words_at
from merian.nucleotides import reverse_complement

__all__ = ["MINIMUM_OVERLAP", "Alignments", "align"]

MINIMUM_OVERLAP = (
    100  # bases; less says little, as stretches that short are shared by whole families
)

# How far insertions may shift the ends against the middle, and how many words at an end decide.
_SHIFT, _END = 24, 64
_WORD = 6
_FREE = 2  # differences; any gaps cost as much in windows of one length, as there are two at least
# A sequence of more than so many bases, and more than twice the other, has most words of six by
# chance: the stretch in question is found first, by longer words, in steps of so many diagonals.
_LONG, _LONG_WORD, _STEP, _MARGIN = 2000, 8, 32, 128
_CELLS = 1 << 22  # of the table of diagonals, at once

_MAY_BE = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT",
    "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_BITS = np.zeros(256, np.uint8)  # what a letter may be, a bit for each of A, C, G, T
for _letter, _bases in _MAY_BE.items():
    _BITS[ord(_letter)] = sum(1 << "ACGT".index(base) for base in _bases)
_EQUAL = [
    (one, other)
    for one, bases in _MAY_BE.items()
    for other, others in _MAY_BE.items()
    if one < other and set(bases) & set(others)
]
_RUN, _GAPS = re.compile(r"(\d+)([=XID])"), re.compile(r"(\d+)[ID]")

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Alignments:
    """A query aligned with each of several references.

    Attributes:
        mismatches: int32[n]; columns that do not match, gaps among them.
        overlap: int32[n]; columns of the alignment, gaps at its ends apart; 0 where the two do not
            align over 100 bases, or over the whole query if it is shorter.
        reverse: bool[n]; whether the reference has the other strand.
        query_start: int32[n]; where the alignment begins in the query or, for a reference on the
            other strand, in the query's reverse complement.
        query_stop: int32[n]; where it ends there.
    """

    mismatches: npt.NDArray[np.int32]
    overlap: npt.NDArray[np.int32]
    reverse: npt.NDArray[np.bool_]
    query_start: npt.NDArray[np.int32]
    query_stop: npt.NDArray[np.int32]

    @property
    def identity(self) -> npt.NDArray[np.float32]:
        """Matches by columns; 0 where the two do not align."""
        columns = np.maximum(self.overlap, 1)
        return np.where(self.overlap > 0, 1 - self.mismatches / columns, 0).astype(np.float32)


@dataclass(frozen=True)
class _Windows:
    """Where each reference lies on the query: the part of either that the other has too."""

    reverse: npt.NDArray[np.bool_]
    query_start: Places
    query_stop: Places
    start: Places
    stop: Places


def align(query: str, references: Sequence[str]) -> Alignments:
    """Align a query with each of the references, on whichever strand shares more with it.

    Args:
        query: Clean, as are the references.
        references: A handful; a library's best are found by its index.
    """
    rows = np.zeros((len(references), 5), np.int64)
    short, beside = list(references), []
    for number, reference in enumerate(references):
        if _is_long(reference, query):
            short[number] = reference[_stretch(reference, query)]
            beside.append(number)
        elif _is_long(query, reference):
            rows[number] = _aligned_within(query, reference)
        else:
            beside.append(number)
    longest = max((len(short[number]) for number in beside), default=0)
    many = max(1, _CELLS // (len(query) + longest + 1))
    for first in range(0, len(beside), many):
        part = beside[first : first + many]
        rows[part] = _aligned(query, [short[number] for number in part])
    return Alignments(
        rows[:, 0].astype(np.int32),
        rows[:, 1].astype(np.int32),
        rows[:, 2] > 0,
        rows[:, 3].astype(np.int32),
        rows[:, 4].astype(np.int32),
    )


def _is_long(one: str, other: str) -> bool:
    return len(one) > _LONG and len(one) > 2 * len(other)


def _stretch(long: str, short: str) -> slice:
    """Return where in a long sequence a short one lies, on either strand, with a margin."""
    word = _words(CODE.take(as_text(long)), _LONG_WORD)
    strands = []
    for at in _places(_words(CODE.take(as_text(short)), _LONG_WORD), _LONG_WORD):
        place = at.take(word)
        hit = np.flatnonzero(place >= 0)
        votes = np.bincount((hit - place[hit] + len(short)) // _STEP, minlength=2)
        strands.append(votes[1:] + votes[:-1])  # a diagonal may lie at the edge of a step
    votes = max(strands, key=np.max)
    diagonal = int(votes.argmax()) * _STEP - len(short)
    return slice(max(0, diagonal - _MARGIN), max(0, diagonal + 2 * _STEP + len(short) + _MARGIN))


def _aligned_within(query: str, reference: str) -> npt.NDArray[np.int64]:
    """Return what `_aligned` does for one reference that lies somewhere in a long query."""
    stretch = _stretch(query, reference)
    row: npt.NDArray[np.int64] = _aligned(query[stretch], [reference])[0]
    if row[1]:
        row[3:] += max(0, len(query) - stretch.stop) if row[2] else stretch.start
    return row


def _aligned(query: str, references: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return mismatches, columns, strand, and the query's window for each reference."""
    text = as_text(" ".join([*references, ""]))
    size = np.array([len(reference) for reference in references], np.int64)
    begin = np.cumsum(size + 1) - size - 1
    windows = _windows(query, text, begin, size)
    strands = (query, reverse_complement(query) if windows.reverse.any() else "")
    bits = (_BITS.take(as_text(strands[0])), _BITS.take(as_text(strands[1])))
    known = _BITS.take(text)
    # Letters that are several bits: there edlib is told what matches, which costs it time.
    several = np.add.reduceat((known & (known - 1)) > 0, begin, dtype=np.int64) > 0
    several |= bool((bits[0] & (bits[0] - 1)).any())
    least = min(MINIMUM_OVERLAP, len(query))
    rows = np.zeros((len(references), 5), np.int64)
    for number, (reverse, a, b, c, d) in enumerate(
        zip(
            windows.reverse.tolist(),
            windows.query_start.tolist(),
            windows.query_stop.tolist(),
            windows.start.tolist(),
            windows.stop.tolist(),
            strict=True,
        )
    ):
        if min(b - a, d - c) < max(least, 1):
            continue
        differ = -1
        if b - a == d - c:
            other = known[begin[number] + c : begin[number] + d]
            differ = b - a - int(np.count_nonzero(bits[reverse][a:b] & other))
        if 0 <= differ <= _FREE:
            rows[number] = differ, b - a, reverse, a, b
            continue
        one = strands[reverse][a:b]
        equal = _EQUAL if several[number] else None
        mismatches, columns, before, after = _alignment(one, references[number][c:d], differ, equal)
        if columns >= least:
            rows[number] = mismatches, columns, reverse, a + before, b - after
    return rows


def _alignment(
    one: str, other: str, differ: int, equal: list[tuple[str, str]] | None
) -> tuple[int, int, int, int]:
    """Return mismatches and columns, and how much of the first one's ends is not among these.

    Args:
        one: A window.
        other: Another.
        differ: In how many places they differ if laid over each other without gaps; -1 if they
            cannot be.
        equal: Pairs of letters that match, where there are others than A, C, G and T.
    """
    limit = -1
    if differ >= 0:
        limit = edlib.align(one, other, k=differ - 1, additionalEqualities=equal)["editDistance"]
        if limit < 0:
            return differ, len(one), 0, 0
    found = edlib.align(one, other, task="path", k=limit, additionalEqualities=equal)
    # Most runs are of letters that match or do not; those of gaps, which are few, say all.
    path = found["cigar"]
    gaps = sum(map(int, _GAPS.findall(path)))
    first, mine_first = _hanging(_RUN.finditer(path))
    last, mine_last = 0, 0
    if path[-1] in "ID":
        last, mine_last = _hanging(reversed(list(_RUN.finditer(path))))
    mismatches = found["editDistance"] - first - last
    return mismatches, (len(one) + len(other) + gaps) // 2 - first - last, mine_first, mine_last


def _hanging(runs: Iterable[re.Match[str]]) -> tuple[int, int]:
    """Return how many columns come before the first that has two letters; and of the first one's.

    Args:
        runs: Of an alignment, from either end.
    """
    columns, mine = 0, 0
    for run in runs:
        if run[2] not in "ID":
            break
        columns += int(run[1])
        mine += int(run[1]) if run[2] == "I" else 0
    return columns, mine


def _windows(query: str, text: Bytes, begin: Places, size: Places) -> _Windows:
    """Lay each reference over the query: strand, and the diagonals at both ends."""
    long = len(query)
    word = _words(CODE.take(text), _WORD)
    at = _places(_words(CODE.take(as_text(query)), _WORD), _WORD)
    there = at[0].take(word), at[1].take(word)
    one, other = (np.add.reduceat(place >= 0, begin, dtype=np.int64) for place in there)
    reverse = other > one
    # By chance a strand may have as many words as a distant relative, but not on one diagonal.
    unsure = 2 * np.maximum(one, other) < 3 * np.minimum(one, other) + 60
    if unsure.any():
        asked = np.repeat(unsure, size + 1)
        one, other = (
            _diagonals(np.where(asked, place, -1), begin, size, long)[3].max(axis=1)
            for place in there
        )
        reverse = np.where(unsure, other > one, reverse)
    mine = there[0]
    if reverse.any():
        mine = np.where(np.repeat(reverse, size + 1), there[1], there[0])
    pair, mine, diagonal, votes = _diagonals(mine, begin, size, long)
    middle = votes.argmax(axis=1) - long
    start, stop = np.maximum(0, -middle), np.minimum(long, size - middle)
    left = middle + _common_shift(pair, diagonal, middle, mine < (start + _END).take(pair))
    right = middle + _common_shift(pair, diagonal, middle, mine >= (stop - _END).take(pair))
    query_start, query_stop = np.maximum(0, -left), np.minimum(long, size - right)
    return _Windows(reverse, query_start, query_stop, query_start + left, query_stop + right)


def _diagonals(
    there: npt.NDArray[np.int32], begin: Places, size: Places, long: int
) -> tuple[Places, Places, Places, Places]:
    """Return of each hit its reference, place in the query and diagonal; and the hits of each.

    Args:
        there: At each position of the text, where its word is in the query, -1 if it is not.
        begin: Where each reference begins in the text.
        size: How long each is.
        long: How long the query is; the last array has its diagonal 0 in this column.
    """
    hit = np.flatnonzero(there >= 0)
    mine = there.take(hit).astype(np.int64)
    pair = np.repeat(np.arange(len(size)), size + 1).take(hit)
    diagonal = hit - mine - begin.take(pair)
    wide = long + int(size.max(initial=0)) + 1
    votes = np.bincount(pair * wide + diagonal + long, minlength=len(size) * wide)
    return pair, mine, diagonal, votes.reshape(len(size), wide)


def _common_shift(
    pair: Places, diagonal: Places, middle: Places, chosen: npt.NDArray[np.bool_]
) -> Places:
    """Return by how much the words at one end of each reference are shifted: most often 0."""
    at = np.flatnonzero(chosen)
    pair = pair.take(at)
    shift = diagonal.take(at) - middle.take(pair)
    near = np.flatnonzero(np.abs(shift) <= _SHIFT)
    few, wide = len(middle), 2 * _SHIFT + 1
    votes = np.bincount(
        pair.take(near) * wide + shift.take(near) + _SHIFT, minlength=few * wide
    ).reshape(few, wide)
    votes[:, _SHIFT] += 6  # one long word may lie anywhere by chance
    shifts: Places = votes.argmax(axis=1) - _SHIFT
    return shifts


def _words(code: Bytes, length: int) -> npt.NDArray[np.int32]:
    """Return the word at each position of a text; where there is none, one more than the last."""
    word = np.full(len(code), 4**length, np.int32)
    if len(code) >= length:
        whole = words_at(code, length)
        word[: len(whole)] = whole
        word[broken(code, length)] = 4**length
    return word


def _places(word: npt.NDArray[np.int32], length: int) -> npt.NDArray[np.int32]:
    """Return where a sequence has each word first, -1 where it has not: itself, other strand."""
    at = np.full((2, 4**length + 1), -1, np.int32)
    last = len(word) - length
    place = np.flatnonzero(word < 4**length).astype(np.int32)
    word = word[place]
    at[0, word[::-1]] = place[::-1]
    at[1, opposite(length)[word]] = last - place
    return at
