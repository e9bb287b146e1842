"""Gathering pictures: each picture once, by the hash of what is looked at, with the names it has.

A picture is a file, or a region of one. It keeps its address, so that it can be shown again; its
pixels stay where they are. A file that is missing, damaged or too large is set aside with its
reason. That of a JPEG or PNG is looked at here without its pixels, so one that is damaged within is
found out when it is embedded (see `picture_vectors`).

What is not named to a species is told apart by its BIN, else by its label: no two pictures are the
same, and the classes of an imaging lab (copepods with eggs) are what it can tell apart by eye.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from merian.catalogue import Reading
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.catalogue.staging import Staging, line_of, source_of
from merian.image.addresses import PictureFile, Region, address_of, read_file, region_of
from merian.library.gather import Gathered
from merian.library.naming import LINEAGE, Namings
from merian.library.reading import (
    NAMED,
    Progress,
    Reject,
    Row,
    batches,
    cluster_of,
    files_in,
    names_in,
    rejects_in,
    split_rows,
)
from merian.pictures import BadPictureError

__all__ = ["GatheredPictures"]

_TOLD_AFTER = 500  # pictures between two words about how far it is
_CLASS = re.compile(r"[a-z][^\s_]*(_\S*)+")

_SQL = f"""
SELECT s.ord, {source_of("s.ord")}, {line_of("s.ord")}, coalesce(s.subject, s.mediaID), s.address,
    s.contentHash, CAST(s.scale AS DOUBLE), CAST(s.xFrac AS DOUBLE), CAST(s.yFrac AS DOUBLE),
    CAST(s.widthFrac AS DOUBLE), CAST(s.heightFrac AS DOUBLE), {NAMED}
FROM (SELECT x.* REPLACE ({box()}), {SUBJECT} AS subject, {ADDRESS} AS address, {SCALE} AS scale
      FROM media x {PARENT} {THING}) s
LEFT JOIN determination d ON d.occurrenceID = s.subject
WHERE s.address IS NOT NULL ORDER BY s.ord
"""
_WITHOUT = f"""
SELECT count(*) FROM occurrence WHERE occurrenceID NOT IN
    (SELECT coalesce({SUBJECT}, '') FROM media x {THING})
"""


class _Told(NamedTuple):
    """What is said of one picture."""

    row: Row
    place: str
    known: str | None
    region: Region | None
    scale: float | None


def _told(staging: Staging) -> Iterator[_Told]:
    """Return what is said of each picture, in the order of the input."""
    for batch in batches(staging, _SQL):
        for ord_, file, line, key, place, known, scale, x, y, w, h, *named in batch:
            concept, label, *names = named
            cells = _named(label, tuple(names))
            region = region_of((x, y, w, h))
            row = Row(ord_, key, file, line, address_of(place, region), "",
                      _kind_of(concept, label, cells), label, cells)  # fmt: skip
            yield _Told(row, place, known, region, scale)


def _kind_of(concept: str, label: str, cells: Sequence[str | None]) -> str:
    """Return what a picture that is not named to a species is one kind with.

    Its BIN, or whatever concept is given; else all that have its label are one kind, as the classes
    of plankton and of sea floors are: "calanoid, long antennae". Without a label, all that have its
    lowest name.
    """
    named = next((cell for cell in reversed(cells[: len(LINEAGE)]) if cell), "")
    return cluster_of(concept, label) or concept or label or named


def _named(label: str, cells: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Return the cells of a name, without what a lab's name of a class seems to say.

    "copepod_calanoid" reads like a species, and a source that gives ranks knows better what it is.
    """
    ranks, species = cells[: len(LINEAGE)], cells[LINEAGE.index("species")]
    if _CLASS.fullmatch(label) and any(ranks) and not species:
        return (*ranks, *(None for _ in cells[len(LINEAGE) :]))
    return cells


class GatheredPictures(Gathered):
    """All that was read; see `Gathered`. A sequence is a picture here, and has no letters.

    Attributes:
        longer: By record, the longer side in life in mm; NaN where that is not known.
        shorter: By record, the shorter side.
    """

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.lacking = "no picture"
        self.longer, self.shorter = array("d"), array("d")
        # Of files with regions, of which many lie in one.
        self._files: dict[str, PictureFile] = {}

    def take(self, reading: Reading, progress: Progress) -> None:
        """Read one source and look at its pictures."""
        with split_rows(reading, self._work, progress) as staging:
            namings = Namings(names_in(staging))
            files = [self.files(name) for name in files_in(staging)]
            for count, told in enumerate(_told(staging)):
                if count % _TOLD_AFTER == 0:
                    progress("looking at pictures", count)
                self._add(told.row, namings.read(told.row.cells), files[told.row.file])
                self._look_at(told)
            for file, line, content, reason in rejects_in(staging, "'accessURI'", "LEFT JOIN"):
                self.rejects.append(Reject(file, line, content.split("\t")[0], reason))
            self.without_sequence += staging.count(_WITHOUT)
        self.notes += reading.notes  # some are only known when all is read

    def _look_at(self, told: _Told) -> None:
        """Give the last record its picture, or say why it has none."""
        sides = [float("nan")] * 2
        try:
            file = self._file(told)
            key = file.content_of(told.region, told.known)
            sides = file.sides(told.region, told.scale)
            self.sequence[-1] = self._distinct.keyed(bytes.fromhex(key))
        except BadPictureError as bad:
            self.why[len(self) - 1] = f"{bad}: {told.place}"
        self.longer.append(sides[0])
        self.shorter.append(sides[1])

    def _file(self, told: _Told) -> PictureFile:
        if told.region is None:
            return PictureFile.of(read_file(told.place))
        found = self._files.get(told.place)
        if found is None:
            found = self._files[told.place] = PictureFile.of(read_file(told.place))
        return found
