"""The two sides of a leak: training and test, as sequences, records and all that they go by.

Whatever `merian import` reads can be held against each other, and libraries too. Each sequence is
kept once, on the disk; names do not matter here.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from merian.audit.contain import Sequences
from merian.barcode import MINIMUM_BASES, clean
from merian.catalogue import Reading
from merian.errors import InputError
from merian.files import content_hash, existing
from merian.formats import Options, read_path
from merian.library import Library
from merian.library.distinct import Distinct
from merian.library.gather import Texts
from merian.library.reading import Progress, Reject, staged
from merian.library.store import HEADER
from merian.taxonomy.strings import Strings

__all__ = ["Side", "read_side"]

# An id that says something: letters and digits. A bare number, or a word, is in every file.
_TELLS = re.compile(r"(?=.*[a-z])(?=.*\d).{4,}")
# What many specimens have in common, and headers join to ids: a cluster, a gene, "size=12".
_SHARED = re.compile(
    r"bold:[a-z]{3}\d{4,}|sh\d+\.\d+fu|.*=.*"
    r"|(?:coi{1,3}|cox?[1-3]|its[12]?|nd?ad?h?[1-6]l?|atp[68]|ef1)(?:-?[35]p.*|-?alpha|-f\d+)?"
    r"|\d{1,2}(?:\.\d)?s(?:-?(?:r[rd]na|[35]p|v\d.*|d\d.*))?"
)
_VERSION = re.compile(r"^([a-z]{1,4}_?\d{5,9})\.\d+$")  # of an accession
_PARTED = re.compile(r"\s*[;,|]\s*")


@dataclass(frozen=True, eq=False)
class Side:
    """The records of one side.

    Attributes:
        sequences: Each once, as they came first.
        of_record: int64[records]; the sequence of each record.
        ids: By record.
        files: The files.
        file: int32[records]; in ``files``.
        line: int64[records].
        keys: What records go by, several to a record.
        key_record: int64[keys]; the record of each.
        rejects: What was set aside.
        hash: Of what was read.
    """

    sequences: Sequences
    of_record: npt.NDArray[np.int64]
    ids: Strings
    files: Sequence[str]
    file: npt.NDArray[np.int32]
    line: npt.NDArray[np.int64]
    keys: Strings
    key_record: npt.NDArray[np.int64]
    rejects: Sequence[Reject]
    hash: str

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.of_record)

    def first_records(self) -> npt.NDArray[np.int64]:
        """Return the first record of each sequence."""
        _, first = np.unique(self.of_record, return_index=True)
        return first.astype(np.int64)

    def place(self, record: int) -> tuple[object, ...]:
        """Return id, file and line of a record."""
        return self.ids[record], self.files[int(self.file[record])], int(self.line[record])


class _Gathered:
    """What is read, record by record; distinct sequences go to a file."""

    def __init__(self, path: Path) -> None:
        self.distinct = Distinct(path)
        self.of_record, self.file, self.line = array("q"), array("i"), array("q")
        self.ids, self.keys = Texts(), Texts()
        self.key_record = array("q")
        self.files: list[str] = []
        self.rejects: list[Reject] = []

    def close(self) -> None:
        """Close the file."""
        self.distinct.close()

    def number(self, sequence: str) -> int:
        """Return the number of a clean sequence; the first time, write it. -1 if too short."""
        if sum(map(sequence.count, "ACGT")) < MINIMUM_BASES:
            return -1
        return self.distinct.number(sequence)

    def add(self, id: str, file: int, line: int, known_by: set[str]) -> None:
        """Add a record, whose sequence comes later."""
        record = len(self.of_record)
        self.of_record.append(-1)
        self.ids.append(id)
        self.file.append(file)
        self.line.append(line)
        for key in sorted(known_by):
            self.keys.append(key)
            self.key_record.append(record)

    def _too_short(self, of_record: npt.NDArray[np.int64]) -> list[Reject]:
        """Return the records without a sequence that is long enough."""
        ids, why = self.ids.strings(), f"shorter than {MINIMUM_BASES} called bases"
        return [
            Reject(self.files[self.file[record]], self.line[record], ids[record], why)
            for record in np.flatnonzero(of_record < 0).tolist()
        ]

    def side(self, digest: str) -> Side:
        """Return all that was read, without the records that are too short."""
        of_record = np.array(self.of_record, np.int64)
        kept = np.flatnonzero(of_record >= 0)
        new = np.full(len(of_record), -1, np.int64)
        new[kept] = np.arange(len(kept))
        key_record = new[np.array(self.key_record, np.int64)]
        there = np.flatnonzero(key_record >= 0)
        return Side(
            sequences=Sequences(self.distinct.text(), np.array(self.distinct.starts, np.int64)),
            of_record=of_record[kept],
            ids=self.ids.strings().select(kept),
            files=self.files,
            file=np.array(self.file, np.int32)[kept],
            line=np.array(self.line, np.int64)[kept],
            keys=self.keys.strings().select(there),
            key_record=key_record[there],
            rejects=[*self.rejects, *self._too_short(of_record)],
            hash=digest,
        )


def read_side(
    path: Path | str,
    work: Path,
    what: str,
    progress: Progress,
    options: Options | None = None,
    format: str | None = None,
) -> Side:
    """Read one side.

    Args:
        path: A file in any format that can be imported, or the folder of a library.
        work: A folder for what does not fit into memory.
        what: What it is, for the user.
        progress: Is told how far it is.
        options: What is said about the file.
        format: Of the file; found from its content if None.
    """
    path = existing(path, f"{what} file or library")
    with closing(_Gathered(work / f"{what}.sequences")) as gathered:
        if (path / HEADER).is_file():
            library = Library.open(path).of_kind("barcode")
            _take_library(gathered, library)
            side = gathered.side(library.hash)
        else:
            _take_file(
                gathered, read_path(path, options or Options(), format), work, what, progress
            )
            side = gathered.side(content_hash(path))
    if not len(side):
        raise InputError(
            f"{path}: holds no sequence of {MINIMUM_BASES} called bases or more; "
            "a file of DNA sequences is expected"
        )
    return side


def _take_file(
    gathered: _Gathered, reading: Reading, work: Path, what: str, progress: Progress
) -> None:
    """Take the records of a file."""
    with staged(reading, work, lambda _what, done: progress(f"reading {what}", done)) as found:
        gathered.files = found.files
        places = array("q")
        known_by = [more for _, more in found.identifiers()]  # in the same order
        for row, more in zip(found.rows(), known_by, strict=True):
            places.append(row.place)
            gathered.add(row.id, row.file, row.line, _keys((row.id, row.accession, *more)))
        _take_sequences(gathered, found.sequences(), np.array(places, np.int64))
        gathered.rejects += found.rejects()


def _take_sequences(
    gathered: _Gathered,
    batches: Iterator[tuple[npt.NDArray[np.int64], list[str]]],
    places: npt.NDArray[np.int64],
) -> None:
    """Give each record its sequence."""
    for asked, texts in batches:
        if not len(places):
            return
        at = np.minimum(np.searchsorted(places, asked), len(places) - 1)
        there = (places[at] == asked).tolist()
        for record, text, good in zip(at.tolist(), texts, there, strict=True):
            if good:
                gathered.of_record[record] = gathered.number(clean(text))


def _take_library(gathered: _Gathered, library: Library) -> None:
    """Take the records of a library."""
    known: dict[str, int] = {}
    for entry in range(len(library)):
        sequence = library.sequence(entry)
        for found in library.records_of(entry):
            file = known.setdefault(found.file, len(known))
            gathered.add(found.id, file, found.line, _keys((found.id, found.accession)))
            gathered.of_record[-1] = gathered.number(sequence)
    gathered.files = list(known)


def _keys(known_by: Sequence[str | None]) -> set[str]:
    """Return what a record goes by, in small letters and without versions of accessions."""
    found = set()
    for text in known_by:
        for part in _PARTED.split(text.lower()) if text else ():
            key = _VERSION.sub(r"\1", "".join(part.split()))
            if _TELLS.fullmatch(key) and not _SHARED.fullmatch(key):
                found.add(key)
    return found
