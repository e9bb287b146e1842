"""A text as numbers that a network reads: bytes, and the pairs of them that stand together often.

Learning begins with the 256 bytes, makes one word of the most frequent pair, and does so again. So
any text can be read, in any script, and what is common (``idae``, ``photo of``) is short. Text is
read without regard to case, to which form of a letter was typed, and to how many blanks there are;
each run of letters and figures is read by itself, with the blank before it.

Reference: Sennrich, Haddow and Birch, ACL 2016, arXiv:1508.07909; over bytes, Radford and others,
GPT-2, 2019.
"""

from __future__ import annotations

import heapq
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["PAD", "TextWords", "learn_words"]

PAD = 0
_BYTE = 1  # the number of the first byte
_FIRST = _BYTE + 256  # and of the first merge
_MOST = 65_536  # merges
_REMEMBERED = 100_000  # pieces of text
_WORDS = "byte-pairs"
_PIECES = re.compile(r" ?\w+| ?[^\w ]+")

Pair = tuple[int, int]


@dataclass(frozen=True)
class TextWords:
    """Words made by merging pairs of bytes; the number 0 is padding and is never read.

    Attributes:
        merges: Each as the numbers of two words, in the order in which they are merged: a byte has
            its value and 1, a merge follows on those and on the merges before it.
        length: What lies beyond so many words is not read.
    """

    merges: tuple[Pair, ...]
    length: int = 48

    def __post_init__(self) -> None:
        if len(self.merges) > _MOST or self.length < 1:
            raise InputError(
                f"{len(self.merges)} merges and {self.length} words of a text; up to {_MOST} "
                "merges and one word or more expected"
            )
        known: set[Pair] = set()
        for number, pair in enumerate(self.merges, _FIRST):
            if not all(_BYTE <= word < number for word in pair) or pair in known:
                raise InputError(
                    f"the merge {list(pair)!r} is none of two words that there are, into a new one"
                )
            known.add(pair)

    @classmethod
    def of(cls, preprocessing: Mapping[str, Any]) -> TextWords:
        """Return the words that a card tells of; TypeError where it does not."""
        told = dict(preprocessing)
        if told.pop("words", None) != _WORDS:
            raise TypeError(f"words = {_WORDS!r} expected")
        merges = tuple((left, right) for left, right in told.pop("merges", ()))
        return cls(merges, **told)

    def preprocessing(self) -> dict[str, Any]:
        """Return what is done to a text before a network, as a card holds it."""
        return {"words": _WORDS, "merges": [list(pair) for pair in self.merges],
                "length": self.length}  # fmt: skip

    @property
    def size(self) -> int:
        """How many words there are, with padding."""
        return _FIRST + len(self.merges)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return int64[t], the words of a text; none of a text of blanks."""
        held = self._held
        found: list[int] = []
        for piece in _pieces(text):
            if len(found) >= self.length:
                break
            words = held.get(piece)
            if words is None:
                if len(held) >= _REMEMBERED:
                    held.clear()
                words = held[piece] = self._read(piece)
            found += words
        return np.array(found[: self.length], np.int64)

    def spelled(self, words: Iterable[int]) -> str:
        """Return the text of some words; padding is left out, and half of a letter is a mark."""
        spelling = self._spelling
        joined = b"".join(spelling[int(word)] for word in words)
        return joined.decode("utf-8", errors="replace").removeprefix(" ")

    @cached_property
    def _held(self) -> dict[str, list[int]]:
        """The words of pieces that were read; filled as they are met."""
        return {}

    @cached_property
    def _made(self) -> dict[Pair, int]:
        """Of two words the one that they make."""
        return {(a, b): number for number, (a, b) in enumerate(self.merges, _FIRST)}

    @cached_property
    def _spelling(self) -> list[bytes]:
        found = [b"", *(bytes([value]) for value in range(256))]
        for left, right in self.merges:
            found.append(found[left] + found[right])
        return found

    def __getstate__(self) -> dict[str, object]:
        """Leave the tables behind; they are made again where they are needed."""
        return {"merges": self.merges, "length": self.length}

    def _read(self, piece: str) -> list[int]:
        """Return the words of a piece: the pair that was made first is merged first."""
        words = _bytes(piece)
        made = self._made
        while len(words) > 1:
            new = min(made.get(pair, _MOST + _FIRST) for pair in itertools.pairwise(words))
            if new == _MOST + _FIRST:
                break
            words = _merged(words, self.merges[new - _FIRST], new)
        return words


def learn_words(texts: Iterable[str], merges: int = 2000, length: int = 48) -> TextWords:
    """Learn words from texts; the same from the same, in whatever order they come.

    The most frequent pair is merged; of several the one whose words were made first. Fewer words
    are made where no pair is left that stands twice.

    Args:
        texts: To learn from.
        merges: How many pairs to merge, at most.
        length: The most words of a text.
    """
    if not 0 <= merges <= _MOST:
        raise InputError(f"{merges} merges; 0 to {_MOST} expected")
    seen = Counter(piece for text in texts for piece in _pieces(text))
    pieces = sorted(seen)
    times = [seen[piece] for piece in pieces]
    rows = [_bytes(piece) for piece in pieces]
    counts: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = {}
    for number, row in enumerate(rows):
        for pair in itertools.pairwise(row):
            counts[pair] += times[number]
            where.setdefault(pair, set()).add(number)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    told: list[Pair] = []
    while len(told) < merges and heap:
        count, best = heapq.heappop(heap)
        if -count != counts[best]:  # it has changed since; it stands elsewhere in the heap too
            continue
        if -count < 2:
            break
        changed: set[Pair] = set()
        for number in where.pop(best):
            before, after = rows[number], _merged(rows[number], best, _FIRST + len(told))
            rows[number] = after
            for pair in itertools.pairwise(before):
                counts[pair] -= times[number]
                changed.add(pair)
            for pair in itertools.pairwise(after):
                counts[pair] += times[number]
                where.setdefault(pair, set()).add(number)
                changed.add(pair)
        for pair in changed:
            if counts[pair] > 0:
                heapq.heappush(heap, (-counts[pair], pair))
        told.append(best)
    return TextWords(tuple(told), length)


def _pieces(text: str) -> list[str]:
    """Return the pieces of a text, each with the blank before it, as they are read."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = plain.split()
    return _PIECES.findall(" " + " ".join(words)) if words else []


def _bytes(piece: str) -> list[int]:
    """Return the numbers of the bytes of a piece; a lone half of a pair of codes is kept."""
    return [value + _BYTE for value in piece.encode("utf-8", errors="surrogatepass")]


def _merged(words: list[int], pair: Pair, new: int) -> list[int]:
    """Return words with a pair made one wherever it stands, from the left to the right."""
    found: list[int] = []
    place = 0
    while place < len(words):
        if place + 1 < len(words) and (words[place], words[place + 1]) == pair:
            found.append(new)
            place += 2
        else:
            found.append(words[place])
            place += 1
    return found
