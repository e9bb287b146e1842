"""Many strings as two arrays, so that millions open at once and cost no Python object.

`Strings` keeps them in the order of rows; `NamePool` keeps each once, in byte order, and finds
them: exactly by hash, by their first letters by bisection. Both lie flat in memory or in a
mapped file. A newline ends each string, so that a range of them is one `split` away.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NamePool", "Strings", "hash_strings"]

_STEP = 1 << 18  # strings hashed at a time: bounds the temporary arrays
_PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Strings:
    """Strings in the order of rows. ``text`` is uint8[bytes], ``start`` is int64[n + 1]."""

    text: NDArray[np.uint8]
    start: NDArray[np.int64]

    @classmethod
    def pack(cls, text: bytes) -> Strings:
        """Make one from bytes in which a newline ends each string."""
        array = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(array == ord("\n")) + 1
        return cls(array, np.concatenate([np.zeros(1, np.int64), ends.astype(np.int64)]))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """Make one from texts; a line break would cut one in two, so it becomes a blank."""
        return cls.pack("".join(text.replace("\n", " ") + "\n" for text in texts).encode())

    @classmethod
    def among(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> Strings:
        """Return the strings that `arrays` has put among others by this name."""
        return cls(arrays[f"{name}.text"], arrays[f"{name}.start"])

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return both arrays by the names under which a file holds them."""
        return {f"{name}.text": self.text, f"{name}.start": self.start}

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, row: int) -> str:
        if row < 0:
            raise IndexError(f"there is no row {row}")
        return self.text[self.start[row] : self.start[row + 1] - 1].tobytes().decode()

    def bytes_at(self, row: int) -> bytes:
        """Return one string as bytes."""
        return self.text[self.start[row] : self.start[row + 1] - 1].tobytes()

    def find(self, text: str) -> int:
        """Return the first row that holds exactly this text, or -1, by reading through all."""
        wanted = text.encode() + b"\n"
        if b"\n" in wanted[:-1]:
            return -1
        data = self.text.tobytes()
        if data.startswith(wanted):
            return 0
        place = data.find(b"\n" + wanted)
        return -1 if place < 0 else int(np.searchsorted(self.start, place + 1))

    def between(self, first: int, stop: int) -> list[str]:
        """Return the strings of the rows from ``first`` up to but not with ``stop``."""
        if stop <= first:
            return []
        return self.text[self.start[first] : self.start[stop] - 1].tobytes().decode().split("\n")

    def take(self, rows: NDArray[np.integer]) -> list[str]:
        """Return the strings of any rows."""
        return self.select(rows).between(0, len(rows))

    def select(self, rows: NDArray[np.integer]) -> Strings:
        """Return the strings of any rows as `Strings`, without a Python loop."""
        begin, length = self.start[rows], self.start[np.asarray(rows) + 1] - self.start[rows]
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
        shift = np.repeat(begin - start[:-1], length)
        return Strings(self.text[np.arange(start[-1]) + shift], start)

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _STEP):
            yield from self.between(first, min(first + _STEP, len(self)))


@dataclass(frozen=True)
class NamePool:
    """Distinct strings in byte order, with an index by hash.

    Attributes:
        strings: The names.
        hashes: uint64[n], sorted.
        hash_row: int32[n], the row in ``strings`` of each hash.
    """

    strings: Strings
    hashes: NDArray[np.uint64]
    hash_row: NDArray[np.int32]

    @classmethod
    def index(cls, strings: Strings) -> NamePool:
        """Index strings that are distinct and in byte order."""
        hashes = hash_strings(strings)
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        return cls(strings, hashes[order], order)

    def __len__(self) -> int:
        return len(self.strings)

    def __getitem__(self, row: int) -> str:
        return self.strings[row]

    def find(self, name: str) -> int:
        """Return the row of a name, or -1."""
        row = self._bisect(name.encode())
        return row if row < len(self) and self[row] == name else -1

    def find_all(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return the rows of many names, -1 where there is none. A prefix is never a match."""
        rows = np.full(len(names), -1, dtype=np.int32)
        if not len(names) or not len(self):
            return rows
        asked = Strings.of(names)
        hashes = hash_strings(asked)
        place = np.searchsorted(self.hashes, hashes)
        pending = np.flatnonzero(place < len(self))
        # Equal hashes of different names are possible, so each candidate is compared in full.
        while len(pending):
            pending = pending[self.hashes[place[pending]] == hashes[pending]]
            if not len(pending):
                break
            candidate = self.hash_row[place[pending]]
            same = _equal(asked, pending, self.strings, candidate)
            rows[pending[same]] = candidate[same]
            pending = pending[~same]
            place[pending] += 1
            pending = pending[place[pending] < len(self)]
        return rows

    def starting_with(self, prefix: str) -> tuple[int, int]:
        """Return the range of rows whose names start with these letters."""
        return self._bisect(prefix.encode()), self._bisect(prefix.encode() + b"\xff")

    def _bisect(self, key: bytes) -> int:
        return bisect_left(range(len(self)), key, key=self.strings.bytes_at)

    @cached_property
    def first_words(self) -> tuple[Strings, NDArray[np.int32]]:
        """Return the distinct first words of all names, and the row where each begins.

        Byte order puts a space before any letter, so that names with the same first word stand
        together; a uninomial stands before the binomials of its genus.
        """
        text, start = self.strings.text, self.strings.start
        breaks = np.flatnonzero((text == ord(" ")) | (text == ord("\n")))
        stop = breaks[np.searchsorted(breaks, start[:-1])]  # end of each name's first word
        length = stop - start[:-1]
        new = np.ones(len(self), dtype=bool)
        if len(self) > 1:
            alike = np.flatnonzero(length[1:] == length[:-1])
            same = _same_bytes(text, start[alike + 1], text, start[alike], length[alike])
            new[alike[same] + 1] = False
        first = np.flatnonzero(new).astype(np.int32)
        keep = np.zeros(len(text), dtype=bool)
        width = length[first] + 1
        offset = np.concatenate([np.zeros(1, np.int64), np.cumsum(width)])
        keep_at = np.arange(offset[-1]) + np.repeat(start[first] - offset[:-1], width)
        keep[keep_at] = True
        words = text[keep].copy()
        words[offset[1:] - 1] = ord("\n")
        return Strings(words, offset), first


def hash_strings(strings: Strings) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each string, the same on every machine."""
    hashes = np.empty(len(strings), dtype=np.uint64)
    longest = int(np.max(np.diff(strings.start), initial=1))
    powers = np.ones(longest, dtype=np.uint64)
    powers[1:] = _PRIME
    powers = np.multiply.accumulate(powers)  # wraps, as hashes do
    for first in range(0, len(strings), _STEP):
        start = strings.start[first : min(first + _STEP, len(strings)) + 1]
        text = strings.text[start[0] : start[-1]].astype(np.uint64)
        length = np.diff(start)
        place = np.arange(len(text)) - np.repeat(start[:-1] - start[0], length)
        total = np.add.reduceat((text + np.uint64(1)) * powers[place], start[:-1] - start[0])
        total ^= total >> np.uint64(29)
        total *= np.uint64(0xBF58476D1CE4E5B9)
        hashes[first : first + len(length)] = total ^ (total >> np.uint64(32))
    return hashes


def _equal(
    a: Strings, rows_a: NDArray[np.integer], b: Strings, rows_b: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Compare strings pair by pair."""
    length = a.start[rows_a + 1] - a.start[rows_a]
    same = length == b.start[rows_b + 1] - b.start[rows_b]
    where = np.flatnonzero(same)
    same[where] = _same_bytes(
        a.text, a.start[rows_a[where]], b.text, b.start[rows_b[where]], length[where]
    )
    return np.asarray(same)


def _same_bytes(
    text_a: NDArray[np.uint8],
    start_a: NDArray[np.int64],
    text_b: NDArray[np.uint8],
    start_b: NDArray[np.int64],
    length: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Compare stretches of equal length, some hundred thousand at a time."""
    same = np.ones(len(length), dtype=bool)
    for first in range(0, len(length), _STEP):
        part = slice(first, first + _STEP)
        span = length[part]
        offset = np.cumsum(span) - span
        inside = np.arange(int(span.sum())) - np.repeat(offset, span)
        differ = (
            text_a[np.repeat(start_a[part], span) + inside]
            != text_b[np.repeat(start_b[part], span) + inside]
        )
        nonempty = np.flatnonzero(span)
        if len(nonempty):
            same[first + nonempty] = np.add.reduceat(differ, offset[nonempty], dtype=np.int64) == 0
    return same
