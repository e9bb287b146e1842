"""A barcode as words that were learned: the pairs that stand side by side most often become one.

Learning begins with the letters A, C, G and T, makes one word of the most frequent pair, and does
so again. A sequence is read by the same merges in the same order, each from the left to the right.
No word reaches over a letter that is none of the four, which is unknown.

Reading does not replay the merges. Words in a row are the right ones if, and only if, each two
neighbours are: undoing the merges on both sides of their border, the latest first, never meets a
pair that would have been merged across it. So the longest words are tried first, and taken back
where they do not go together.

References: Sennrich, Haddow and Birch, ACL 2016, arXiv:1508.07909; for barcodes MycoAI, Molecular
Ecology Resources 2024, and BarcodeMamba+, arXiv:2512.15931.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from merian.barcode.tokens import FIRST_WORD, UNKNOWN, Tokens
from merian.barcode.words import AMBIGUOUS, CODE, as_text
from merian.errors import InputError

__all__ = ["PairTokens", "learn_pairs"]

_LETTERS = "ACGT"
_MOST = 8192  # merges; the table of pairs is square
_FEW = 5  # letters by which long words are looked up
_REMEMBERED = 200_000  # pairs
_MOST_OF, _MARGIN = 0.99, 1.1  # other barcodes may take more words than those learned from

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class PairTokens:
    """Words made by merging pairs.

    Attributes:
        merges: Each as two words with a blank between them, in the order in which they are merged.
        bases: What lies beyond so many bases is not read.
        room: What lies beyond so many words is not read either; as many as there are bases if 0.
    """

    merges: tuple[str, ...]
    bases: int = 660
    room: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "merges", tuple(self.merges))
        if self.bases < 1 or self.room < 0:
            raise InputError(f"{self.bases} bases and room for {self.room} words hold no barcode")
        if len(self.merges) > _MOST:
            raise InputError(f"{len(self.merges)} merges; {_MOST} at most")
        known = set(_LETTERS)
        for merge in self.merges:
            pair = merge.split(" ")
            if len(pair) != 2 or not known.issuperset(pair) or "".join(pair) in known:
                raise InputError(
                    f"the merge {merge!r} is none of two words that there are, into a new one"
                )
            known.add("".join(pair))
        for (left, right), number in self._made.items():
            if not self._fit(left, right, number):
                word = self._spelling[number]
                raise InputError(f"the merges before it never leave the parts of {word}")

    @property
    def size(self) -> int:
        """How many words there are, with padding, mask and unknown."""
        return len(self._spelling) + FIRST_WORD

    @property
    def length(self) -> int:
        """The most words of a barcode."""
        return self.room or self.bases

    @property
    def frames(self) -> int:
        """At how many bases a barcode may begin in training: as many as a word has, on average."""
        return round(sum(map(len, self._spelling)) / len(self._spelling))

    @property
    def shortest(self) -> int:
        """Bases without which nothing can be read."""
        return 1

    def encode(self, sequence: str, offset: int = 0) -> Tokens:
        """Return the words of a clean sequence.

        Args:
            sequence: Capital letters of the IUPAC code, as `merian.barcode.clean` leaves them.
            offset: Where the first word begins.
        """
        text = sequence[offset : offset + self.bases]
        other = np.flatnonzero(CODE[as_text(text)] == AMBIGUOUS).tolist()
        found: list[int] = []
        begin = 0
        for stop in (*other, len(text)):
            found += self._read(text[begin:stop])
            if stop < len(text):
                found.append(-1)
            begin = stop + 1
        words = np.array(found[: self.length], np.int64)
        return np.where(words < 0, UNKNOWN, words + FIRST_WORD)

    # -- tables, known from the merges alone ------------------------------------------------------

    @cached_property
    def _spelling(self) -> list[str]:
        return [*_LETTERS, *(merge.replace(" ", "") for merge in self.merges)]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self._spelling)}

    @cached_property
    def _parts(self) -> list[tuple[int, int]]:
        """Of each word the two that it was made of; a letter is made of none."""
        pairs = [merge.split(" ") for merge in self.merges]
        numbers = [(self._number[left], self._number[right]) for left, right in pairs]
        return [(-1, -1)] * len(_LETTERS) + numbers

    @cached_property
    def _made(self) -> dict[tuple[int, int], int]:
        """Of two words the one that they make."""
        return {pair: n for n, pair in enumerate(self._parts) if n >= len(_LETTERS)}

    @cached_property
    def _shorter(self) -> list[int]:
        """Of each word the longest other one that it begins with; -1 of a letter."""
        found = []
        for word in self._spelling:
            begins = (self._number.get(word[:stop], -1) for stop in range(len(word) - 1, 0, -1))
            found.append(next((n for n in begins if n >= 0), -1))
        return found

    @cached_property
    def _long(self) -> dict[str, list[tuple[str, int]]]:
        """Of each first few letters the words that go on from there, the longest first."""
        found: dict[str, list[tuple[str, int]]] = {}
        for word in sorted(self._spelling, key=len, reverse=True):
            if len(word) >= _FEW:
                found.setdefault(word[:_FEW], []).append((word, self._number[word]))
        return found

    @cached_property
    def _together(self) -> dict[int, bool]:
        """Of pairs of words whether they may stand side by side; filled as they are met."""
        return {}

    def __getstate__(self) -> dict[str, object]:
        """Leave the tables behind; they are made again where they are needed."""
        return {"merges": self.merges, "bases": self.bases, "room": self.room}

    # -- reading ----------------------------------------------------------------------------------

    def _read(self, text: str) -> list[int]:
        """Return the words of a text of the four letters."""
        shorter, spelling, together, end = self._shorter, self._spelling, self._together, len(text)
        found: list[int] = []
        if len(together) > _REMEMBERED:
            together.clear()
        never = len(spelling)
        dead = bytearray(end + 1)  # from there on no words lead to the end
        place = 0
        word = self._longest(text, 0) if text else -1
        while place < end:
            while word >= 0:
                stop = place + len(spelling[word])
                if not dead[stop]:
                    if not found:
                        break
                    pair = found[-1] * never + word
                    fits = together.get(pair)
                    if fits is None:
                        fits = together[pair] = self._fit(found[-1], word, never)
                    if fits:
                        break
                word = shorter[word]
            if word >= 0:
                found.append(word)
                place += len(spelling[word])
                word = self._longest(text, place) if place < end else -1
            else:
                dead[place] = True
                word = found.pop()
                place -= len(spelling[word])
                word = shorter[word]
        return found

    def _longest(self, text: str, place: int) -> int:
        """Return the longest word that a text goes on with."""
        few = text[place : place + _FEW]
        for word, number in self._long.get(few, ()):
            if text.startswith(word, place):
                return number
        while few not in self._number:
            few = few[:-1]
        return self._number[few]

    def _fit(self, left: int, right: int, before: int) -> bool:
        """Return whether two words stay apart by all merges that come before one.

        Of the words at the border the later one is undone, until both are letters. On the way
        stands each pair that was there at some time; it would have been merged if its turn came
        before that of the word which either went into. Where the turns are the same, the pair
        that lies further left goes first.
        """
        parts, made = self._parts, self._made
        left_turn = right_turn = before  # when the word at the border goes into a larger one
        while True:
            turn = made.get((left, right), before)
            if turn < left_turn and turn <= right_turn:
                return False
            if left > right:
                left_turn, left = left, parts[left][1]
            elif right >= len(_LETTERS):
                right_turn, right = right, parts[right][0]
            else:
                return True


# -- learning -------------------------------------------------------------------------------------


def learn_pairs(sequences: Iterable[str], merges: int, bases: int = 660) -> PairTokens:
    """Learn words from clean sequences; the same from the same, whatever the machine.

    The most frequent pair is merged; of several the one whose words were made first. Fewer words
    are made where no pair is left that stands twice.

    Args:
        sequences: To learn from.
        merges: How many pairs to merge.
        bases: What lies beyond so many bases of a sequence is not read.
    """
    if not 1 <= merges <= _MOST:
        raise InputError(f"{merges} merges; 1 to {_MOST} expected")
    row = _row(sequences, bases)
    words = list(_LETTERS)
    told: list[str] = []
    size = len(_LETTERS) + merges
    counts = np.zeros((size, size), np.int64)
    _count(counts, row, np.arange(len(row) - 1), 1)
    while len(told) < merges:
        best = int(counts[: len(words), : len(words)].argmax())
        left, right = divmod(best, len(words))
        if counts[left, right] < 2:
            break
        row = _merged(row, left, right, len(words), counts)
        words.append(words[left] + words[right])
        told.append(f"{words[left]} {words[right]}")
    if not told:
        raise InputError("there are no sequences in which two letters stand side by side twice")
    return PairTokens(tuple(told), bases, _room(row, bases))


def _row(sequences: Iterable[str], bases: int) -> Codes:
    """Return all letters in a row, with -1 between sequences and for what is unknown."""
    parts = [np.full(1, -1, np.int32)]
    for sequence in sequences:
        code = CODE[as_text(sequence[:bases])].astype(np.int32)
        parts += [np.where(code == AMBIGUOUS, -2, code).astype(np.int32), parts[0]]
    return np.concatenate(parts)


def _count(counts: NDArray[np.int64], row: Codes, places: NDArray[np.int64], sign: int) -> None:
    """Add the pairs that begin at some places to the counts, or take them away."""
    left, right = row[places], row[places + 1]
    whole = (left >= 0) & (right >= 0)
    flat = left[whole].astype(np.int64) * counts.shape[1] + right[whole]
    pairs, times = np.unique(flat, return_counts=True)
    counts.reshape(-1)[pairs] += sign * times


def _merged(row: Codes, left: int, right: int, new: int, counts: NDArray[np.int64]) -> Codes:
    """Return the row with a pair made one, from the left to the right, and mend the counts."""
    places = np.flatnonzero((row[:-1] == left) & (row[1:] == right))
    if left == right:  # of AAA the first two; in a run every second place begins a pair
        run = np.cumsum(np.diff(places, prepend=-2) > 1)
        first = places[np.searchsorted(run, run)]
        places = places[(places - first) % 2 == 0]
    _count(counts, row, np.unique(np.concatenate([places - 1, places, places + 1])), -1)
    stays = np.ones(len(row), bool)
    stays[places + 1] = False
    row = row.copy()
    row[places] = new
    row = row[stays]
    places = places - np.arange(len(places))  # one fewer for each before it
    _count(counts, row, np.unique(np.concatenate([places - 1, places])), 1)
    return row


def _room(row: Codes, bases: int) -> int:
    """Return how many words to leave room for; one odd sequence shall not make all slow."""
    lengths = np.sort(np.diff(np.flatnonzero(row == -1)) - 1)
    longest = int(lengths[int(_MOST_OF * (len(lengths) - 1))])
    return min(bases, max(1, math.ceil(_MARGIN * longest)))
