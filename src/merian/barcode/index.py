"""An index of words: which sequences of a library share the rarest ones with a query.

A word of ten nucleotides counts once for each sequence that has it, on either strand, and the
less the more sequences have it: log(1 + N / df), the inverse document frequency of text retrieval
(Sparck Jones 1972, Journal of Documentation 28:11). The sum of what two sequences share finds the
genus of an insect whose species is missing among 64 references in 96.5 % of cases, where counts
of words of six find it in 86 %: those are in every long reference, and as many as it is long.

The index is two plain arrays, so that a folder can hold them and memory can map them. A library
grows by another index, a segment, and segments answer together as one index over all of them
would. Nothing is random and sums are of whole numbers, so answers do not depend on order or batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from merian.barcode.words import CODE, LENGTH, broken, strandless, words_at

__all__ = ["BUDGET", "Scores", "WordIndex", "best", "build_index", "score"]

# Postings that one query looks at. Fewer cost insects their genus: of unseen species it is first
# for 85 % with 200,000 and for 80 % with 50,000 among 9,100 references. In a library of more than
# so many sequences the sums are out of the cache and each posting costs twice as much: half there.
BUDGET, _LARGE = 200_000, 500_000
_ALWAYS = 24  # of the rarest words, whatever they cost together: fewer may all be errors
_POSTINGS = 170_000_000  # in one index; a million barcodes of 658, every fourth word
_SEQUENCES, _BASES = 4096, 1 << 22  # indexed at once; the first is what a key has room for
_MOST = 1 << 32  # that the weights of all words that are looked at may sum to, of 1 / _UNIT each
_PLACES = 32  # bits that are enough for the place of a word in a query
_UNIT = 1024  # scores are whole multiples of 1 / _UNIT, so that their sum has no order

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class WordIndex:
    """Which sequences have which word. The arrays may be read-only and mapped from a file.

    Attributes:
        offset: int64[4**10 + 1]; where the postings of each word begin.
        posting: int32; the numbers of the sequences that have the word, ascending.
        count: How many sequences there are.
        sampling: A power of two; one in so many words is kept, the same ones in every index.
    """

    offset: npt.NDArray[np.int64]
    posting: npt.NDArray[np.int32]
    count: int
    sampling: int = 1


@dataclass(frozen=True)
class Scores:
    """What every sequence shares with a query.

    Attributes:
        summed: uint32[sequences]; of each, counted through all segments, the summed weight of the
            words that it shares, of those looked at, in parts of 1024; 0 where it shares none.
        total: The weight of all words of the query that any sequence has.
        visited: The weight of those of them that were looked at.
    """

    summed: npt.NDArray[np.uint32]
    total: float
    visited: float

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The sequences that share any word, ascending."""
        return np.flatnonzero(self.summed)

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """The weight that each of these shares."""
        return self.weight(self.numbers)

    def weight(self, numbers: Integers) -> npt.NDArray[np.float32]:
        """Return the summed weight of the words that sequences share."""
        return (self.summed[numbers] / _UNIT).astype(np.float32)


def build_index(
    text: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], sampling: int | None = None
) -> WordIndex:
    """Index clean sequences.

    Beside the text and the result it takes some hundred megabytes: the words are counted, and
    then read a second time to be put where they belong.

    Args:
        text: The letters of all sequences, one after the other, nothing between them.
        start: int64[n + 1]; where each begins.
        sampling: Keep one in so many words, a power of two. Left out, as many as there is room
            for: all, in libraries of up to a quarter of a million barcodes.
    """
    if sampling is None:
        sampling = 1
        while len(text) > sampling * _POSTINGS:
            sampling *= 2
    if sampling < 1 or sampling & (sampling - 1):
        raise ValueError(f"sampling is {sampling}; it must be a power of two")
    kept = _kept(sampling)
    offset = np.zeros(4**LENGTH + 1, np.int64)
    for first, last in _chunks(start):
        word, _, size, _ = _postings(text, start[first : last + 1], kept)
        offset[word + 1] += size
    np.cumsum(offset, out=offset)
    posting = np.empty(offset[-1], np.int32)
    free = offset[:-1].copy()
    for first, last in _chunks(start):
        word, begin, size, number = _postings(text, start[first : last + 1], kept)
        place = np.arange(len(number)) + np.repeat(free[word] - begin, size)
        posting[place] = number + first
        free[word] += size
    return WordIndex(offset, posting, len(start) - 1, sampling)


def _is_kept(words: Integers, sampling: int) -> npt.NDArray[np.bool_]:
    """Say which words are kept: by a hash, as neighbours in number are alike in sequence too."""
    mixed: npt.NDArray[np.bool_] = (words.astype(np.int64) * 2654435761 >> 13) % sampling == 0
    return mixed


@lru_cache
def _kept(sampling: int) -> npt.NDArray[np.int32]:
    """Return every word as the index has it, -1 where it is not kept."""
    word = strandless()
    return np.where(_is_kept(word, sampling), word, np.int32(-1))


def _chunks(start: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Divide the sequences into runs that are read at once."""
    first, count = 0, len(start) - 1
    while first < count:
        last = int(np.searchsorted(start, start[first] + _BASES, side="right")) - 1
        last = min(max(last, first + 1), first + _SEQUENCES, count)
        yield first, last
        first = last


def _postings(
    text: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], kept: npt.NDArray[np.int32]
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return a chunk's words, where each begins in the last array, how often it is there, and that.

    The last array holds the numbers of the sequences, by word, each once for a word.
    """
    code = CODE.take(text[start[0] : start[-1]])
    if len(code) < LENGTH:
        return (np.empty(0, np.int64),) * 4
    word = kept.take(words_at(code, LENGTH))
    word[broken(code, LENGTH)] = -1
    end = (start[1:, None] - start[0] - np.arange(1, LENGTH)).ravel()
    word[end[(end >= 0) & (end < len(word))]] = -1  # the next sequence begins within these
    number = np.repeat(np.arange(len(start) - 1, dtype=np.uint32), np.diff(start))[: len(word)]
    whole = np.flatnonzero(word >= 0)
    # One sort puts the words in order and the copies of a word in one sequence side by side.
    key = np.sort(word[whole].astype(np.uint32) * np.uint32(_SEQUENCES) + number[whole])
    key = key[_changes(key)]
    word = (key // _SEQUENCES).astype(np.int32)
    begin = np.flatnonzero(_changes(word))
    return word[begin], begin, np.diff(begin, append=len(word)), key % _SEQUENCES


def _changes(values: Integers) -> npt.NDArray[np.bool_]:
    """Say where a value is not the one before it."""
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def score(words: Integers, indexes: Sequence[WordIndex], budget: int | None = None) -> Scores:
    """Return the sequences that share words with a query, and how much.

    The rarest words are looked at first, as they cost least and say most, until the next would
    exceed the budget: a small library uses all words, a large one answers as fast.

    Args:
        words: The different words of the query, from `query_words`.
        indexes: The segments of the library. Where they are sampled differently, the words that
            all of them keep are used.
        budget: How many postings to look at; left out, `BUDGET`, or half of it in a library of
            more than half a million. The rarest 24 words are looked at in any case, but for those
            that exceed it alone.
    """
    from merian.barcode.search_loops import accumulate  # noqa: PLC0415 - loads numba

    count = sum(index.count for index in indexes)
    if budget is None:
        budget = BUDGET if count <= _LARGE else BUDGET // 2
    sampling = max((index.sampling for index in indexes), default=1)
    if sampling > 1:
        words = words[_is_kept(words, sampling)]
    shape = (len(indexes), len(words))
    begin = np.array([index.offset[words] for index in indexes], np.int64).reshape(shape)
    size = np.array([index.offset[words + 1] for index in indexes], np.int64).reshape(shape) - begin
    df = size.sum(axis=0)
    # The rarest first, and among these the lowest: one number says both, and sorts fastest.
    order = np.sort(df << _PLACES | np.arange(len(words))) & (1 << _PLACES) - 1
    order = order[df[order] > 0]
    df = df[order]
    weight = np.rint(np.log1p(count / df) * _UNIT)
    allowed = np.cumsum(df) <= budget
    allowed[:_ALWAYS] |= df[:_ALWAYS] <= budget
    allowed &= np.cumsum(weight) < _MOST
    looked_at, each = order[allowed], weight[allowed].astype(np.uint32)
    summed, first = np.zeros(count, np.uint32), 0
    begin, size = begin.take(looked_at, axis=1), size.take(looked_at, axis=1)
    for index, begins, sizes in zip(indexes, begin, size, strict=True):
        accumulate(summed[first : first + index.count], index.posting, begins, sizes, each)
        first += index.count
    return Scores(summed, float(weight.sum()) / _UNIT, float(each.sum(dtype=np.int64)) / _UNIT)


def best(
    summed: npt.NDArray[np.uint32], group: npt.NDArray[np.int32], count: int, per_group: int
) -> npt.NDArray[np.int64]:
    """Return the sequences with the highest sums, at most so many of one group, best first.

    Of equal ones the one with the smaller number comes first; none is returned that has nothing.

    Args:
        summed: Of each sequence.
        group: Of each; its species, say.
        count: How many to return at most.
        per_group: How many of them may be of one group.
    """
    from merian.barcode.search_loops import leading  # noqa: PLC0415 - loads numba

    found: npt.NDArray[np.int64] = leading(summed, group, count, per_group)
    return found
