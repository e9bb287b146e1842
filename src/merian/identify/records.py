"""Records to be identified: the barcodes and the pictures of one specimen, put together.

They come from any mix of pictures, folders of pictures, FASTA and FASTQ, tables and catalogues.
What belongs to one specimen is told by ids, see `merian.identify.joining`. A class folder is a
label and no evidence, so it is not told here. All passes through a database on the disk, so that a
million records take no more memory than a thousand.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path

from merian.barcode import read_query
from merian.errors import InputError
from merian.files import existing
from merian.formats import Options
from merian.identify.given import (
    has_pictures,
    hash_of_catalogue,
    hashes_of,
    notes_of,
    readings_of,
)
from merian.identify.joining import Joins, Row
from merian.identify.taking_in import Progress, Taken, streams_in, take_in
from merian.image.addresses import read_file
from merian.library.from_catalogue import is_catalogue
from merian.library.reading import Reject
from merian.pictures import BadPictureError, facts
from merian.stamp import run_id

__all__ = ["PictureAsked", "Record", "Records", "has_pictures"]


Region = tuple[float, float, float, float]
Look = Callable[[str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PictureAsked:
    """Where a picture is.

    Attributes:
        address: The file.
        region: Left, top, width and height of the part that is meant, as fractions; None for all.
        px_per_mm: The pixels of a millimetre in life, where that is known.
        content: The hash of the file (blake2b-128).
    """

    address: str
    region: Region | None = None
    px_per_mm: float | None = None
    content: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One specimen, with all that is to be asked about it.

    Attributes:
        id: Of the occurrence; where that is not known, of the thing, the picture or the sequence.
        barcodes: The marker, or "", and the clean sequence, by marker and then by their ids.
        pictures: Each once.
        file: Where its first barcode comes from, or else its first picture.
        line: There, where that is known.
        sequence_ids: Of each barcode, in its catalogue; the first where several are the same.
        media_ids: Of each picture, in its catalogue.
        spot: Latitude, longitude and half of a month, where place and date are evidence too.
    """

    id: str
    barcodes: tuple[tuple[str, str], ...] = ()
    pictures: tuple[PictureAsked, ...] = ()
    file: str = field(default="", compare=False)
    line: int | None = field(default=None, compare=False)
    sequence_ids: tuple[str, ...] = field(default=(), compare=False)
    media_ids: tuple[str, ...] = field(default=(), compare=False)
    spot: tuple[float, float, int] | None = None

    @property
    def asked(self) -> str:
        """What is asked, as JSON: barcodes and pictures, each with its id behind it."""
        barcodes = [[*one, key] for one, key in zip(self.barcodes, self.sequence_ids, strict=True)]
        pictures = [
            [one.address, one.region, one.px_per_mm, one.content, key]
            for one, key in zip(self.pictures, self.media_ids, strict=True)
        ]
        place = {"spot": self.spot} if self.spot is not None else {}
        return json.dumps({"barcodes": barcodes, "pictures": pictures, **place})


class Records:
    """The records of several files and catalogues, anew each time they are read.

    Attributes:
        paths: What was given.
        notes: What the formats have to say; how records were joined is added when they are read.
        said: What was said about the files that decides how they are read.
    """

    def __init__(
        self, paths: Sequence[Path | str], options: Options | None = None, format: str | None = None
    ) -> None:
        """Look at all that is given, so that a wrong one costs nothing.

        Args:
            paths: Pictures, folders of pictures, files in any format that can be imported, and
                folders of catalogues.
            options: What is said about the files.
            format: Of all files but pictures; found from their content if None.
        """
        if not paths:
            raise InputError("there is nothing to identify; give pictures, sequences or both")
        given = dict.fromkeys(existing(path, "file or folder to identify") for path in paths)
        self.paths = [*given]
        self.said: dict[str, object] = {"format": format}
        if options is not None:
            self.said |= {"map": dict(options.mapping), "set": dict(options.extra)}
            self.said |= {"marker": options.marker}
        self._catalogues = {n: path for n, path in enumerate(self.paths) if is_catalogue(path)}
        self._empty = [path for path in self.paths if path.is_file() and not path.stat().st_size]
        self._readings = readings_of(self.paths, options, format)
        self.notes = [
            f"{self.paths[n]}: {note}"
            for n, reading in self._readings.items()
            if not streams_in(reading)  # what a header says is not asked
            for note in notes_of(reading)
        ]

    @cached_property
    def fingerprint(self) -> list[tuple[str, str]]:
        """Name and hash of everything that is read; a file that was moved is the same."""
        found = [(path.name, "") for path in self._empty]
        found += [hash_of_catalogue(path) for path in self._catalogues.values()]
        return found + [one for r in self._readings.values() for one in hashes_of(r)]

    def catalogues(self, work: Path) -> list[Path]:
        """Return the catalogues that were given, and the one that `read` has made of the files.

        The labels and places of records stand there.
        """
        made = self._made_in(work)
        return [*self._catalogues.values(), *([made] if is_catalogue(made) else [])]

    def _made_in(self, work: Path) -> Path:
        """Return where the files are taken in: another place for other files."""
        asked = {"records": self.fingerprint, "order": [*map(str, self.paths)], "said": self.said}
        return work / run_id("records", asked)

    def read(self, work: Path, progress: Progress | None = None) -> Iterator[Record | Reject]:
        """Return all records by first appearance, and between them what was set aside.

        Args:
            work: A folder for what does not fit into memory. The catalogue made of the files stays
                there: given once more, it is not made again.
            progress: Is told what is being done before the first record, and how far it is.
        """
        work.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="joins", dir=work))
        try:
            yield from (Reject(str(p), None, "", "The file is empty.") for p in self._empty)
            with Joins(scratch) as joins:
                made = self._made_in(work)
                taken = take_in(self._readings, self._catalogues, made, joins, progress)
                yield from taken.rejects()
                for n, path in self._catalogues.items():
                    joins.take_items(path, n)
                joins.take_items(taken.path, -1)
                self._tell(taken, *joins.join())
                look = lru_cache(maxsize=1_024)(_look)  # regions of one picture stand together
                for key, rows in groupby(joins.rows(), key=lambda row: str(row[0])):
                    yield from _record(key, rows, self.paths, look)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _tell(self, taken: Taken, bare: int, things: int, numbers: int) -> None:
        """Say how records were joined, once."""
        by_name = taken.joined
        told = {
            "records hold neither a sequence nor a picture and are not asked about": bare,
            "ids are the materialEntityID of another record's specimen, and joined to it": things,
            "ids are the catalogNumber of one specimen alone, and joined to it": numbers,
            "pictures are called like a record, and joined to it": by_name.get("named", 0),
            "pictures are called ID_1, ID_2 ... after the ID of a record, and joined to it; give a "
            "table of ids and files where that is wrong": by_name.get("numbered", 0),
            "pictures are called like a record but lie in several classes, so that they are "
            "records of their own": by_name.get("torn", 0),
        }
        notes = [f"{count:,} {text}" for text, count in told.items() if count]
        self.notes += [note for note in notes if note not in self.notes]


# -- records ------------------------------------------------------------------------------------


def _record(
    key: str, rows: Iterator[Row], paths: Sequence[Path], look: Look
) -> Iterator[Record | Reject]:
    """Return one record, after what had to be set aside of it."""
    barcodes: dict[str, tuple[str, str]] = {}
    pictures: dict[PictureAsked, str] = {}
    first = ""
    for _, source, format, kind, own, marker, sequence, address, *cells in rows:
        file = str(address) if format == "image-folder" else str(paths[source])
        if kind == "s":
            text, reason = read_query(sequence)
            if not reason:
                told, first_id = barcodes.get(text, ("", own))
                barcodes[text] = (told or " ".join(marker.split()), first_id)
        else:
            looked = format == "image-folder"  # when it was taken in
            picture, reason = _asked(address, cells, None if looked else look)
            if picture is not None:
                pictures.setdefault(picture, own)
            file = file if not reason else str(address)
        if reason:
            yield Reject(file, None, key, reason)
        else:
            first = first or file
    if barcodes or pictures:
        ordered = sorted(((m, s, own) for s, (m, own) in barcodes.items()), key=lambda one: one[0])
        yield Record(
            key, tuple((m, s) for m, s, _ in ordered), (*pictures,), first, None,
            tuple(own for *_, own in ordered), tuple(map(str, pictures.values())),
        )  # fmt: skip


def _asked(
    address: str, cells: Sequence[float | str | None], look: Look | None
) -> tuple[PictureAsked | None, str]:
    """Return a picture and "", or None and the reason why it cannot be asked about."""
    *box, scale, known = cells
    content, reason = look(address) if look else (str(known), "")
    if not reason and known and len(str(known)) == len(content) and known != content:
        reason = "the file has changed since it was imported; import it again"
    if reason:
        return None, reason
    return PictureAsked(address, _region(box), float(scale) if scale else None, content), ""


def _region(box: Sequence[float | str | None]) -> Region | None:
    """Return the part of a picture that is meant; None is all of it."""
    if any(value is None for value in box):
        return None
    x, y, w, h = (float(value or 0) for value in box)
    return None if (x, y, w, h) == (0, 0, 1, 1) else (x, y, w, h)


def _look(address: str) -> tuple[str, str]:
    """Return the hash of a file and "", or "" and why it is no picture."""
    try:
        content = read_file(address)
        facts(content)
    except BadPictureError as error:
        return "", str(error)
    return hashlib.blake2b(content, digest_size=16).hexdigest(), ""
