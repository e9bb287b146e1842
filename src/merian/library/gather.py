"""Gathering references: each sequence once, each label once, and numbers that join them.

Files are read one after the other. What is kept in memory is a few numbers for each record and a
hash of 128 bits for each distinct sequence; the sequences themselves go straight to the disk.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from merian.barcode import MINIMUM_BASES, clean
from merian.catalogue import Reading
from merian.library.amplicon import Primers
from merian.library.distinct import Distinct
from merian.library.naming import Namings
from merian.library.reading import Progress, Reject, Row, staged
from merian.taxonomy.strings import Strings

__all__ = ["Gathered", "Numbers", "Texts"]

_MANY = 20_000  # texts joined at a time, and records between two words to the user


class Numbers:
    """Distinct texts, numbered as they are met."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def __call__(self, text: str) -> int:
        """Return the number of a text."""
        return self._number.setdefault(text, len(self._number))

    def strings(self) -> Strings:
        """Return all texts in the order of their numbers."""
        return Strings.of(self._number)


class Texts:
    """Texts one after the other, one for each record."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._open: list[str] = []

    def append(self, text: str) -> None:
        """Add a text."""
        self._open.append(text.replace("\n", " ") if "\n" in text else text)
        if len(self._open) == _MANY:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._pieces.append(("\n".join(self._open) + "\n").encode())
            self._open = []

    def strings(self) -> Strings:
        """Return them all."""
        self._close()
        return Strings.pack(b"".join(self._pieces))


class Gathered:
    """All that was read, in the order of the input; sequences lie in a file of the work folder.

    Attributes:
        sequence: By record, the number of its sequence, -1 where that is too short.
        naming: By record, in ``namings``.
        concept: By record, its BIN or species hypothesis, in ``concepts``.
        label: By record, the name as it came, in ``labels``.
        marker: By record, in ``markers``.
        file: By record, in ``files``.
        line: By record.
        ids: By record.
        accessions: By record.
        starts: Where each distinct sequence begins in the file, and where the last ends.
        rejects: What was set aside on the way.
        without_sequence: How many records had none.
        lacking: What such records are said to have: "no sequence".
        notes: What the formats have to say.
        primers_found: By record, which primers were found (see `amplicon_loops`), if any were asked
            for.
        why: Why records are set aside that were looked at already.
    """

    def __init__(self, work: Path, primers: Primers | None = None) -> None:
        self._work = work
        self._primers = primers
        self._distinct = Distinct(work / "sequences")
        self.sequence, self.naming, self.concept = array("q"), array("i"), array("i")
        self.label, self.marker, self.file = array("i"), array("i"), array("i")
        self.line, self.starts = array("q"), self._distinct.starts
        self.ids, self.accessions = Texts(), Texts()
        self.namings, self.concepts, self.labels = Numbers(), Numbers(), Numbers()
        self.markers, self.files = Numbers(), Numbers()
        self.rejects: list[Reject] = []
        self.without_sequence = 0
        self.lacking = "no sequence"
        self.notes: list[str] = []
        self.primers_found = array("b")
        self.why: dict[int, str] = {}
        self._mapped: NDArray[np.uint8] = np.empty(0, np.uint8)

    def __enter__(self) -> Gathered:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._distinct.close()

    def __len__(self) -> int:
        return len(self.sequence)

    def digests(self) -> NDArray[np.uint64]:
        """Return the hash of each distinct sequence as two numbers: uint64[distinct, 2]."""
        return self._distinct.digests()

    def text(self) -> NDArray[np.uint8]:
        """Return all distinct sequences, mapped from their file."""
        return self._distinct.text()

    def letters(self, number: int) -> str:
        """Return a distinct sequence."""
        first, stop = self.starts[number], self.starts[number + 1]
        if stop > len(self._mapped):
            self._mapped = self.text()
        return self._mapped[first:stop].tobytes().decode("ascii")

    def packed(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return some distinct sequences, one after the other, and where each begins."""
        text, starts = self.text(), np.array(self.starts, np.int64)
        begin, size = starts[numbers], starts[numbers + 1] - starts[numbers]
        start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        if len(numbers) == len(starts) - 1:
            return text, start
        found = np.empty(start[-1], np.uint8)
        for place, (first, count) in enumerate(zip(begin.tolist(), size.tolist(), strict=True)):
            found[start[place] : start[place + 1]] = text[first : first + count]
        return found, start

    def take(self, reading: Reading, progress: Progress) -> None:
        """Read one reference file."""
        self.notes += reading.notes
        with staged(reading, self._work, progress) as found:
            namings = Namings(found.names())
            files = [self.files(name) for name in found.files]
            first = len(self)
            places = array("q")
            for row in found.rows():
                places.append(row.place)
                self._add(row, namings.read(row.cells), files[row.file])
                if len(places) % _MANY == 0:
                    progress("reading names", len(places))
            self._take_sequences(found.sequences(), np.array(places, np.int64), first, progress)
            self.rejects += found.rejects()
            self.without_sequence += found.without_sequence()

    def _add(self, row: Row, naming: str, file: int) -> None:
        self.sequence.append(-1)
        self.naming.append(self.namings(naming))
        self.concept.append(self.concepts(row.concept))
        self.label.append(self.labels(row.label))
        self.marker.append(self.markers(row.marker))
        self.file.append(file)
        self.line.append(row.line)
        self.ids.append(row.id)
        self.accessions.append(row.accession)
        if self._primers is not None:
            self.primers_found.append(0)

    def _take_sequences(
        self,
        batches: Iterable[tuple[NDArray[np.int64], list[str]]],
        places: NDArray[np.int64],
        first: int,
        progress: Progress,
    ) -> None:
        """Give each record its sequence, or set it aside."""
        done = 0
        for asked, texts in batches:
            if not len(places):
                return
            at = np.minimum(np.searchsorted(places, asked), len(places) - 1)
            there = places[at] == asked
            records = (at + first)[there].tolist()
            cleaned = [clean(text) for text in _where(texts, there)]
            if self._primers is not None:
                cleaned, which = self._primers.cut(cleaned)
                for record, found in zip(records, which, strict=True):
                    self.primers_found[record] = found
            for record, text in zip(records, cleaned, strict=True):
                self.sequence[record] = self.number(text)
            done += len(texts)
            progress("reading sequences", done)

    def number(self, sequence: str) -> int:
        """Return the number of a clean sequence; the first time, write it. -1 if too short."""
        # In a longer one half of the bases are called, or it would not be here; but not so in what
        # was cut out of it.
        looked_at = self._primers is not None or len(sequence) < 4 * MINIMUM_BASES
        if looked_at and _called(sequence) < MINIMUM_BASES:
            return -1
        return self._distinct.number(sequence)


def _called(sequence: str) -> int:
    """Return how many bases of a sequence are known: A, C, G or T."""
    return sum(sequence.count(base) for base in "ACGT")


def _where(texts: list[str], chosen: NDArray[np.bool_]) -> list[str]:
    return texts if chosen.all() else [t for t, c in zip(texts, chosen.tolist(), strict=True) if c]
