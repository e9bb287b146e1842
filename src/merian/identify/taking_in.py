"""Files whose records are to be identified, taken into one catalogue that is thrown away.

So whatever `merian import` reads can be asked about, with the same checks and the same reading of
labels and places. Tables come first, since they know most of a record, then FASTA and FASTQ, then
pictures: by then it is known which ids their names may mean. Sequences of FASTA are cleaned as
queries are, and one id may have several of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merian.barcode import read_query
from merian.catalogue import Catalogue, Chunk, Reading, Rows
from merian.catalogue import Reject as Misread
from merian.errors import FormatError
from merian.formats.fasta import Sequences, columns
from merian.formats.image_folder import Pictures
from merian.identify.joining import Joins
from merian.library.reading import Reject

__all__ = ["Taken", "pictures_in", "streams_in", "take_in"]

_MEMORY = "600MB"
_CHUNK = 2_000
_NO_ROWS = "found no rows"
_NAMED = ("fasta", "image-folder")  # formats whose rejects hold an id

_REJECTS = """
SELECT rejectID, runID, file, line, coalesce(content, ''), reason, coalesce(term, '') FROM rejects
WHERE (scope = 'row' OR term = 'sequence') AND rejectID > {last} ORDER BY rejectID LIMIT 2000
"""

Progress = Callable[[str, int], None]


@dataclass
class Taken:
    """What was taken in.

    Attributes:
        path: The catalogue.
        runs: By the id of an import, the place of its source among all, and its format.
        joined: In which way pictures were joined to records by their names, and how many.
        empty: Sources without any row.
    """

    path: Path
    runs: dict[str, tuple[int, str]]
    joined: dict[str, int]
    empty: list[Reading]

    def rejects(self) -> Iterator[Reject]:
        """Return what was set aside on the way, and the file without rows."""
        for reading in self.empty:
            yield Reject(str(reading.inputs[0]), None, "", "The file holds no rows.")
        last = -1
        while rows := self._rejects(last):
            last = int(str(rows[-1][0]))
            for _, run, file, line, content, reason, term in rows:
                format = self.runs[str(run)][1]
                yield _reject(file, line, content, reason, term, format)

    def _rejects(self, last: int) -> list[tuple[object, ...]]:
        """Return the next rows, and leave the catalogue closed while they are looked at."""
        with Catalogue.open(self.path, read_only=True, memory=_MEMORY) as opened:
            return opened.query(_REJECTS.format(last=last)).fetch()


def _reject(
    file: object, line: object, content: object, reason: object, term: object, format: str
) -> Reject:
    place = int(str(line)) if line is not None else None
    if term == "sequence":
        return Reject(str(file), place, "", read_query(str(content))[1] or str(reason))
    # Those of a table hold the whole row.
    return Reject(str(file), place, str(content) if format in _NAMED else "", str(reason))


def pictures_in(reading: Reading) -> list[Pictures]:
    """Return the folders of pictures of a reading; nothing for tables and sequences."""
    found = [source.chunks for source in reading.sources if isinstance(source, Rows)]
    return [chunks for chunks in found if isinstance(chunks, Pictures)]


def streams_in(reading: Reading) -> list[Sequences]:
    """Return what streams from FASTA and FASTQ; nothing for tables and pictures."""
    found = [source.chunks for source in reading.sources if isinstance(source, Rows)]
    return [chunks for chunks in found if isinstance(chunks, Sequences)]


def take_in(
    readings: Mapping[int, Reading],
    catalogues: Mapping[int, Path],
    place: Path,
    joins: Joins,
    progress: Progress | None = None,
) -> Taken:
    """Take files into a catalogue.

    Args:
        readings: What there is to read, by the place of its source among all.
        catalogues: The catalogues that were given, likewise; their ids are known too.
        place: The catalogue. Its name tells all that decides what is in it, so that what an earlier
            call has taken in is not taken in again.
        joins: Where ids are put together; holds those of all catalogues afterwards.
        progress: Is told what is being done, and how many rows were read.
    """
    taken = Taken(place, {}, {}, [])
    folders = {n: reading for n, reading in readings.items() if pictures_in(reading)}
    others = [n for n in readings if n not in folders]
    others.sort(key=lambda n: bool(streams_in(readings[n])))  # tables first
    with _open(place) as made:
        for n in others:
            _ingest(made, taken, n, _cleaned(readings[n]), progress)
    _know(taken, catalogues, joins)
    if folders:
        called = _called([pictures.root for reading in folders.values()
                          for pictures in pictures_in(reading)])  # fmt: skip
        number: dict[int, int] = {}
        for reading in folders.values():
            for pictures in pictures_in(reading):
                number[id(pictures)] = len(number)
                joins.take_pictures(number[id(pictures)], called[pictures.root], pictures)
        taken.joined = joins.name_pictures()
        with _open(place) as made:
            for n, reading in folders.items():
                sources = [
                    Rows(s.path, "record", _Named(s.chunks, joins, number[id(s.chunks)]))
                    for s in reading.sources
                    if isinstance(s, Rows) and isinstance(s.chunks, Pictures)
                    if joins.kept(number[id(s.chunks)])
                ]
                if sources:
                    _ingest(made, taken, n, replace(reading, sources=sources), progress)
        joins.forget_ids()
        _know(taken, catalogues, joins)
    return taken


def _open(place: Path) -> Catalogue:
    if (place / "catalogue.duckdb").exists():
        return Catalogue.open(place, memory=_MEMORY)
    return Catalogue.create(place, memory=_MEMORY)


def _ingest(
    made: Catalogue,
    taken: Taken,
    n: int,
    reading: Reading,
    progress: Progress | None,
) -> None:
    """Take one source in. The catalogue's name stands for its content, not hashed once more."""
    told = replace(reading, inputs=(), notes=())
    asked = {"records": made.path.name, "source": n}
    try:
        summary = made.ingest(told, arguments=asked, progress=progress)
    except FormatError as error:
        if _NO_ROWS not in str(error):
            raise
        taken.empty.append(reading)
        return
    taken.runs[summary.run] = (n, reading.format)


def _know(taken: Taken, catalogues: Mapping[int, Path], joins: Joins) -> None:
    """Tell all ids that are known."""
    joins.name_runs(taken.runs)
    for n, path in catalogues.items():
        joins.take_ids(path, n)
    joins.take_ids(taken.path, -1)


def _called(roots: Sequence[Path]) -> dict[Path, str]:
    """Return what folders are called: their names, and as much above as tells them apart."""
    roots = [*dict.fromkeys(roots)]
    for parts in range(1, max(len(root.parts) for root in roots) + 1):
        names = ["/".join(root.parts[-parts:]) for root in roots]
        if len(set(names)) == len(names):
            break
    return dict(zip(roots, names, strict=True))


# -- rows on their way in -----------------------------------------------------------------------


def _cleaned(reading: Reading) -> Reading:
    """Return a reading whose streams of sequences are clean."""
    sources = [
        Rows(source.path, source.table, _Clean(source.chunks))
        if isinstance(source, Rows) and isinstance(source.chunks, Sequences)
        else source
        for source in reading.sources
    ]
    return replace(reading, sources=sources)


@dataclass(frozen=True)
class _Clean:
    """The sequences of a file as they are asked; of one id there may be several."""

    stream: Sequences

    def __iter__(self) -> Iterator[Chunk | Misread]:
        rows: list[dict[str, object]] = []
        for found in self.stream.rows():
            if isinstance(found, Misread):
                yield replace(found, content=" ".join(found.content.split()[:1]))
                continue
            record, row = found
            sequence, reason = read_query(record.sequence)
            if reason:
                key = str(row["occurrenceID"])
                yield Misread(self.stream.path, record.line, reason, key)
                continue
            rows.append({**row, "sequence": sequence})
            if len(rows) == _CHUNK:
                yield columns(rows)
                rows = []
        if rows:
            yield columns(rows)


@dataclass(frozen=True)
class _Named:
    """The pictures of a folder that nothing else names, under the ids of their records."""

    pictures: Pictures
    joins: Joins
    number: int

    def __iter__(self) -> Iterator[Chunk | Misread]:
        files = [self.pictures.files[k] for k in self.joins.kept(self.number)]
        for item in replace(self.pictures, files=files):
            if isinstance(item, Misread):
                yield replace(item, content=self.joins.record_at(item.path.as_posix()))
            else:
                lines = [int(str(line)) for line in item["line"]]
                yield {**item, "occurrenceID": self.joins.records_of(self.number, lines)}
