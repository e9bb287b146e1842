"""Words of six nucleotides: which references share the most of them with a sequence.

A word and its reverse complement count as the same word, so that one multiplication of matrices
finds candidates on both strands. Every difference between two barcodes breaks six words at most;
those that share the most are those worth aligning. The idea is that of USEARCH (Edgar 2010,
Bioinformatics 26:2460) and of vsearch (Rognes et al. 2016, PeerJ 4:e2584).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LENGTH", "NONE", "Words", "candidates", "clean", "words_of"]

LENGTH = 6
NONE = 4**LENGTH  # in place of a word that has anything but A, C, G, T
_REFERENCES, _QUERIES = 4096, 256  # how many are counted at once; 40 megabytes
_FEW = 150  # words; a shorter sequence counts as one of so many

_CODE = np.full(256, 4, np.uint8)
_CODE[np.frombuffer(b"ACGT", np.uint8)] = range(4)


class _Read(dict[int, str]):
    """What a letter is read as: N where it means nothing."""

    def __missing__(self, letter: int) -> str:
        return "N"


_READ = _Read({ord(x): x for x in "ACGTRYSWKMBDHVN"})
_READ |= {ord("U"): "T"} | {ord(x): "" for x in "-. \t\r\n"}
Integers = npt.NDArray[np.integer[Any]]


def clean(sequence: str) -> str:
    """Return a sequence in capital letters of the IUPAC code, without gaps and outer N."""
    return sequence.upper().translate(_READ).strip("N")


def _other_strand() -> npt.NDArray[np.uint16]:
    """Return the reverse complement of every word."""
    word = np.arange(NONE)
    other = np.zeros(NONE, np.int64)
    for _ in range(LENGTH):
        other = other * 4 + 3 - word % 4
        word = word // 4
    return np.append(other, NONE).astype(np.uint16)


OTHER = _other_strand()
# Words numbered so that a word and its reverse complement have one number; NONE has the last.
_STRANDLESS = np.unique(np.minimum(OTHER, np.arange(NONE + 1)), return_inverse=True)[1]
_KINDS = int(_STRANDLESS.max())


@dataclass(frozen=True)
class Words:
    """The words of many sequences, one after the other.

    Attributes:
        word: uint16; at every position of a sequence the word that begins there, or NONE.
        start: int64[n + 1]; where each sequence begins.
    """

    word: npt.NDArray[np.uint16]
    start: npt.NDArray[np.int64]

    def presence(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return which strandless words the sequences of a range have: float32[last - first, k]."""
        has = np.zeros((last - first, _KINDS + 1), np.float32)
        row = np.repeat(np.arange(last - first), np.diff(self.start[first : last + 1]))
        has[row, _STRANDLESS[self.word[self.start[first] : self.start[last]]]] = 1
        return has[:, :-1]


def words_of(sequences: Sequence[str]) -> Words:
    """Return the words of clean sequences."""
    # The blank is no nucleotide, so that no word runs over the end of a sequence.
    text = np.frombuffer("".join(f"{s} " for s in sequences).encode("ascii"), np.uint8)
    start = np.concatenate([[0], np.cumsum([len(s) + 1 for s in sequences], dtype=np.int64)])
    code = np.append(_CODE[text], np.full(LENGTH, 4, np.uint8))
    word = np.zeros(len(text), np.uint16)
    whole = np.ones(len(text), bool)
    for step in range(LENGTH):
        letter = code[step : step + len(text)]
        word = word * np.uint16(4) + (letter & 3)
        whole &= letter < 4
    word[~whole] = NONE
    return Words(word, start)


def candidates(queries: Words, references: Words, count: int) -> npt.NDArray[np.int64]:
    """Return int64[n, count]: the references that share the most words, best first.

    The number shared is divided by the root of the number of words of the one that has fewer: in
    full a short reference would win by a stretch that all have, without a long one by its length
    alone. Of two alike the first comes first; -1 where there are fewer references.
    """
    asked, known = len(queries.start) - 1, len(references.start) - 1
    score = np.full((asked, count), -np.inf, np.float32)
    best = np.full((asked, count), -1, np.int64)
    for first in range(0, known, _REFERENCES):
        last = min(first + _REFERENCES, known)
        has = references.presence(first, last)
        keep = min(count, last - first)
        size = has.sum(axis=1)
        for start in range(0, asked, _QUERIES):
            stop = min(start + _QUERIES, asked)
            own = queries.presence(start, stop)
            shared = own @ has.T  # exact, whatever the order of the sum: these are small integers
            fewer = np.minimum(own.sum(axis=1)[:, None], size)
            shared /= np.sqrt(np.maximum(fewer, _FEW))
            top = np.argpartition(shared, -keep, axis=1)[:, -keep:]
            merged = np.concatenate(
                [score[start:stop], np.take_along_axis(shared, top, axis=1)], axis=1
            )
            number = np.concatenate([best[start:stop], top + first], axis=1)
            order = np.lexsort((number, -merged))[:, :count]
            score[start:stop] = np.take_along_axis(merged, order, axis=1)
            best[start:stop] = np.take_along_axis(number, order, axis=1)
    return best
