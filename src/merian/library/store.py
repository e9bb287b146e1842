"""A reference library: one folder that can be copied, opens at once, and grows by appending.

It is of one kind: of barcodes or of pictures.

    library.json  what it is: format, version, run, counts, lock, and which of the folders below
                  count; it is written last, so that a killed addition has changed nothing
    segments/000  what the build brought, 001 what the first addition ... (see `segment`)
    editions/000  what holds for all of them together, made anew each time (see `edition`)

An entry is a sequence or a picture under a name. Entries are numbered through all segments, and
keep their number for as long as the library lives.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, InputError, NotFoundError
from merian.files import existing
from merian.image.addresses import Region, apart
from merian.library.edition import Edition, open_edition
from merian.library.segment import Segment, open_segment
from merian.stamp import check_stamp

__all__ = ["FORMAT", "HEADER", "VERSION", "Library", "Reference", "assemble"]

FORMAT, VERSION, HEADER = "merian-library", "1.0", "library.json"


@dataclass(frozen=True)
class Reference:
    """One record behind an entry.

    Attributes:
        id: Of the record, as its file gives it.
        file: The file, as it was given.
        line: Its line there, from 1; of a table the header counts.
        accession: In a public archive, or ""; of a picture, where it is (see
            `merian.image.addresses`).
        marker: The gene, or "".
        concept: Its BIN or species hypothesis; of a picture without one its label; or "".
        label: The name as it came, character by character, or "".
    """

    id: str
    file: str
    line: int
    accession: str
    marker: str
    concept: str
    label: str


@dataclass(frozen=True, eq=False)
class Library(Edition):
    """An open library: its newest edition, and the segments that this was made from.

    The arrays stay in their files until they are used; see `Edition` for those of the entries.

    Attributes:
        folder: Where it lies.
        segments: What each build and addition has brought.
        segment_folders: Where each lies; beside it, what is made of it alone (an index).
        edition_folder: Where what holds for all entries lies; beside it, what is fitted to all.
        hash: Of all that it holds.
        header: What ``library.json`` says.
    """

    folder: Path
    segments: Sequence[Segment]
    segment_folders: Sequence[Path]
    edition_folder: Path
    hash: str
    header: Mapping[str, Any]

    @staticmethod
    def open(folder: Path | str) -> Library:
        """Open a library."""
        folder = existing(folder, "library")
        if not (folder / HEADER).is_file():
            raise FormatError(
                "is no reference library; `merian library build REFERENCE -o LIBRARY` makes one",
                path=folder,
            )
        try:
            return _open(folder)
        except NotFoundError:
            # It may have grown between the reading of its header and of what that names.
            return _open(folder)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.node)

    @property
    def kind(self) -> str:
        """What it is of: barcode or picture."""
        return str(self.header.get("kind", "barcode"))

    @property
    def holds(self) -> str:
        """What an entry is, in a word: sequence or picture."""
        return "picture" if self.kind == "picture" else "sequence"

    def of_kind(self, kind: str) -> Library:
        """Return itself, or say that it is of the other kind."""
        if self.kind != kind:
            asked = "barcodes" if kind == "barcode" else "pictures"
            raise InputError(
                f"{self.folder}: is a library of {self.holds}s, and one of {asked} is needed here"
            )
        return self

    @property
    def encoder(self) -> Mapping[str, Any] | None:
        """The encoder whose vectors are a part of the evidence of what it holds, if there is one.

        One that was taught the names of most references is none of theirs (see
        `merian.identify.learned`), though it may see pictures for them.
        """
        told = self.header.get("encoder")
        return told if told and told.get("speaks", True) else None

    @cached_property
    def individuals(self) -> NDArray[np.int64]:
        """By entry, a number that entries of one specimen share: that of the id of its record.

        An id that two sources have is taken for one specimen, since what is not known to be apart
        must not bear witness for each other.
        """
        number: dict[str, int] = {}
        first = self.record[self.first_record[:-1]].tolist()
        ids = (self._id(record) for record in first)
        return np.array([number.setdefault(key, len(number)) for key in ids], np.int64)

    def picture_of(self, entry: int) -> tuple[str, Region | None]:
        """Return where the picture of an entry is, and which region of it is meant."""
        self.of_kind("picture")
        return apart(self.records_of(entry)[0].accession)

    @cached_property
    def first_entry(self) -> tuple[int, ...]:
        """The number of the first entry of each segment, and of the next that will be."""
        return (0, *(int(n) for n in np.cumsum([segment.entries for segment in self.segments])))

    @cached_property
    def _first_of_records(self) -> tuple[int, ...]:
        return (0, *(int(n) for n in np.cumsum([segment.records for segment in self.segments])))

    @property
    def records(self) -> int:
        """How many records stand behind all entries."""
        return self._first_of_records[-1]

    def sequence(self, entry: int) -> str:
        """Return the sequence of an entry: capitals of the IUPAC code, no gaps."""
        return self.letters(entry).tobytes().decode("ascii")

    def letters(self, entry: int) -> NDArray[np.uint8]:
        """Return the sequence of an entry as it lies in its file."""
        self._check(entry)
        number = bisect_right(self.first_entry, entry) - 1
        segment = self.segments[number]
        row = entry - self.first_entry[number]
        return segment.text[segment.start[row] : segment.start[row + 1]]

    def sequences(self, first: int = 0, stop: int | None = None) -> list[str]:
        """Return the sequences of a range of entries."""
        stop = len(self) if stop is None else min(stop, len(self))
        return [self.sequence(entry) for entry in range(first, stop)]

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of bases of every entry."""
        return np.concatenate([np.diff(segment.start) for segment in self.segments])

    def is_named(self) -> NDArray[np.bool_]:
        """Return which entries are named to a species."""
        return np.asarray(self.unnamed < 0)

    def name_of(self, entry: int) -> str:
        """Return the name of an entry, with that of its unnamed group behind it."""
        self._check(entry)
        name = self.taxonomy.name_of(int(self.node[entry]))
        group = int(self.unnamed[entry])
        return name if group < 0 else f"{name} ({self.group_name[group]})"

    def records_of(self, entry: int) -> list[Reference]:
        """Return the records behind an entry, the first that came first."""
        self._check(entry)
        rows = self.record[self.first_record[entry] : self.first_record[entry + 1]]
        return [self.reference(row) for row in rows.tolist()]

    def _row(self, record: int) -> tuple[Segment, int]:
        """Return the segment that brought a record, and its row there."""
        number = bisect_right(self._first_of_records, record) - 1
        return self.segments[number], record - self._first_of_records[number]

    def _id(self, record: int) -> str:
        segment, row = self._row(record)
        return segment.id[row]

    def reference(self, record: int) -> Reference:
        """Return one record by its number in the library."""
        segment, row = self._row(record)
        return Reference(
            id=segment.id[row],
            file=segment.files[int(segment.file[row])],
            line=int(segment.line[row]),
            accession=segment.accession[row],
            marker=segment.markers[int(segment.marker[row])],
            concept=segment.concepts[int(segment.concept[row])],
            label=segment.labels[int(segment.label[row])],
        )

    def _check(self, entry: int) -> None:
        if not 0 <= entry < len(self):
            raise IndexError(f"there is no entry {entry}; the library has {len(self)}")


def _open(folder: Path) -> Library:
    header = check_stamp(folder / HEADER, FORMAT, 1)
    segments = [folder / str(entry["folder"]) for entry in header["segments"]]
    return assemble(folder, header, segments, folder / str(header["edition"]))


def assemble(
    folder: Path, header: Mapping[str, Any], segments: Sequence[Path], edition: Path
) -> Library:
    """Return a library of folders that may not be in their place yet."""
    return Library(
        **vars(open_edition(edition)),
        folder=folder.resolve(),
        segments=tuple(open_segment(path) for path in segments),
        segment_folders=tuple(segments),
        edition_folder=edition,
        hash=str(header["hash"]),
        header=header,
    )
