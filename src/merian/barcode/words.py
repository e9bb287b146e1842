"""Words: the stretches of a few nucleotides by which sequences are found and laid over each other.

A word is a number, its nucleotides read as digits to the base 4. The index of a library uses
words of ten nucleotides, in which a word and its reverse complement are one: `query_words` does
not know on which strand a sequence was read. Alignment uses shorter ones, with their strand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "AMBIGUOUS",
    "CODE",
    "LENGTH",
    "as_text",
    "broken",
    "clean",
    "opposite",
    "query_words",
    "strandless",
    "words_at",
]

LENGTH = 10  # of the words of the index; those of six fail where some references are long
AMBIGUOUS = 4  # the code of whatever is not A, C, G or T

CODE = np.full(256, AMBIGUOUS, np.uint8)
CODE[np.frombuffer(b"ACGT", np.uint8)] = range(4)

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.integer[Any]]


class _Read(dict[int, str]):
    """What a letter is read as: N where it means nothing."""

    def __missing__(self, letter: int) -> str:
        return "N"


_READ = _Read({ord(x): x for x in "ACGTRYSWKMBDHVN"})
_READ |= {ord("U"): "T"} | {ord(x): "" for x in "-. \t\r\n"}


def clean(sequence: str) -> str:
    """Return a sequence in capital letters of the IUPAC code, without gaps and outer N."""
    return sequence.upper().translate(_READ).strip("N")


def as_text(sequence: str) -> Bytes:
    """Return the letters of a clean sequence as numbers."""
    return np.frombuffer(sequence.encode("ascii"), np.uint8)


def words_at(code: Bytes, length: int) -> Integers:
    """Return the word that begins at each position, for as long as there are whole ones.

    Words are put together from halves, so that ten nucleotides take four steps. One with anything
    but A, C, G and T in it has some number or other: see `broken`.

    Args:
        code: 0 to 3 for A, C, G, T.
        length: At most 15.
    """
    word: Integers = (code & 3).astype(np.uint16 if length <= 8 else np.int32)
    if len(code) < length:
        return word[:0]
    powers, span = {1: word}, 1
    while 2 * span <= length:
        word = word[: len(word) - span] << 2 * span | word[span:]
        span *= 2
        powers[span] = word
    done = span
    while done < length:
        span //= 2
        if length - done >= span:
            word = word[: len(word) - span] << 2 * span | powers[span][done:]
            done += span
    return word


def broken(code: Bytes, length: int) -> npt.NDArray[np.int64]:
    """Return the positions at which words begin that have anything but A, C, G and T."""
    other = np.flatnonzero(code >= AMBIGUOUS)
    place = (other[:, None] - np.arange(length)).ravel()
    return place[(place >= 0) & (place <= len(code) - length)]


@lru_cache
def opposite(length: int) -> Integers:
    """Return the reverse complement of every word."""
    digits = np.arange(4**length)
    other = np.zeros_like(digits)
    for _ in range(length):
        other = other << 2 | 3 - (digits & 3)
        digits >>= 2
    other.flags.writeable = False
    return other


@lru_cache
def strandless() -> npt.NDArray[np.int32]:
    """Return for every word of the index the smaller of itself and its reverse complement."""
    both = np.minimum(opposite(LENGTH), np.arange(4**LENGTH)).astype(np.int32)
    both.flags.writeable = False
    return both


def query_words(sequence: str) -> npt.NDArray[np.int32]:
    """Return the different words of a clean sequence, ascending, whatever its strand."""
    from merian.barcode.search_loops import strandless_words  # noqa: PLC0415 - loads numba

    word = np.sort(strandless_words(CODE, as_text(sequence)))
    new = np.ones(len(word), bool)
    np.not_equal(word[1:], word[:-1], out=new[1:])
    found: npt.NDArray[np.int32] = word[new]
    return found
