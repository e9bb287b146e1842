"""Queries: the sequences of files, or of a catalogue, one after the other.

Whatever `merian import` reads can be asked about. FASTA and FASTQ stream from the file, the
sequences of a catalogue from its database; tables are staged on the disk by DuckDB. So a million
queries take no more memory than a thousand. What is no barcode is set aside in its place, with
its file, line, id and the reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from merian.barcode import read_query
from merian.catalogue import Catalogue, Delimited, Reading, Rows
from merian.catalogue import Reject as Misread
from merian.catalogue.staging import Staging, line_of, source_of
from merian.database import connect
from merian.errors import FormatError, InputError
from merian.files import content_hash, existing
from merian.formats import Options, read_path
from merian.formats.fasta import Sequences
from merian.library.from_catalogue import is_catalogue
from merian.library.reading import Reject

__all__ = ["Queries", "Query"]

_MEMORY = "400MB"  # for DuckDB while it reads tables; the rest lies in the work folder
_BATCH = 5_000
_FEEDS = ("record", "sequence")

# Without a join, which would bring the rows in another order each time.
_IN_CATALOGUE = """
SELECT nucleotideSequenceID, occurrenceID, sequence, coalesce(targetGene, '') FROM sequence
WHERE sequence IS NOT NULL
"""
_SEVERAL = """
SELECT occurrenceID FROM sequence WHERE sequence IS NOT NULL AND occurrenceID IS NOT NULL
GROUP BY occurrenceID HAVING count(*) > 1
"""
_CATALOGUE_HASH = """
SELECT count(*), bit_xor(md5_number_lower(concat_ws(chr(31), nucleotideSequenceID, occurrenceID,
    sequence))) FROM sequence WHERE sequence IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Query:
    """One sequence to be named.

    Attributes:
        id: Its id.
        sequence: Its nucleotides as `read_query` cleans them.
        marker: Its gene, as its file calls it, or "".
        file: Where it stands.
        line: There.
    """

    id: str
    sequence: str
    marker: str = ""
    file: str = field(default="", compare=False)
    line: int | None = field(default=None, compare=False)

    @property
    def asked(self) -> str:
        """What is asked: the sequence, with the gene and a blank before it where that is known."""
        return f"{self.marker} {self.sequence}" if self.marker else self.sequence


class Queries:
    """The queries of several files, anew each time they are read.

    Attributes:
        paths: The files, or folders of catalogues.
        notes: What the formats have to say.
        said: What was said about them that decides how they are read.
    """

    def __init__(
        self, paths: Sequence[Path | str], options: Options | None = None, format: str | None = None
    ) -> None:
        """Look at all files, so that a wrong one costs nothing.

        Args:
            paths: Files in any format that can be imported, or folders of catalogues.
            options: What is said about them.
            format: Of all files; found from their content if None.
        """
        if not paths:
            raise InputError("there is nothing to identify; give a file of sequences")
        self.paths = [existing(path, "file of queries") for path in paths]
        self.said: dict[str, object] = {"format": format}
        if options is not None:
            self.said |= {"map": dict(options.mapping), "set": dict(options.extra)}
        self._readings = [_reading(path, options, format) for path in self.paths]
        self.notes = [
            f"{path}: {note}"
            for path, reading in zip(self.paths, self._readings, strict=True)
            if reading is not None and not _streams(reading)  # what a header says is not asked
            for note in reading.notes
        ]

    @cached_property
    def fingerprint(self) -> list[tuple[str, str]]:
        """Name and hash of everything that is read; a file that was moved is the same."""
        found = []
        for path, reading in zip(self.paths, self._readings, strict=True):
            if is_catalogue(path):
                with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
                    count, digest = opened.query(_CATALOGUE_HASH).fetch()[0]
                found.append((path.name, f"{count}-{digest}"))
            else:
                inputs = reading.inputs if reading else (path,)
                found += [(Path(file).name, content_hash(file)) for file in inputs]
        return found

    def read(self, work: Path) -> Iterator[Query | Reject]:
        """Return all queries in order, and between them what was set aside.

        Args:
            work: A folder for what does not fit into memory.
        """
        for path, reading in zip(self.paths, self._readings, strict=True):
            if is_catalogue(path):
                yield from _from_catalogue(path)
            elif reading is None:
                yield Reject(str(path), None, "", "The file is empty.")
            else:
                yield from _from_reading(reading, work)


def _reading(path: Path, options: Options | None, format: str | None) -> Reading | None:
    """Return what there is to read, None for a catalogue or an empty file."""
    if is_catalogue(path) or (path.is_file() and not path.stat().st_size):
        return None
    reading = read_path(path, options, format)
    tables = [source for source in reading.sources if isinstance(source, Delimited)]
    fed = any("sequence" in f.terms for s in tables for f in s.feeds if f.table in _FEEDS)
    if len(tables) == len(reading.sources) and not fed:
        columns = ", ".join(tables[0].columns[:12]) if tables else "none"
        raise FormatError(
            f"no column holds sequences; say which one does with --map column=sequence. "
            f"Its columns are {columns}",
            path=path,
        )
    return reading


def _streams(reading: Reading) -> list[Sequences]:
    """Return what streams from the file by itself; nothing for tables."""
    found = [source.chunks for source in reading.sources if isinstance(source, Rows)]
    streams = [chunks for chunks in found if isinstance(chunks, Sequences)]
    return streams if len(streams) == len(reading.sources) else []


def _clean(file: str, line: int | None, key: str, text: str, marker: str) -> Query | Reject:
    """Return a query, or why it is none."""
    sequence, reason = read_query(text)
    if reason:
        return Reject(file, line, key, reason)
    return Query(key, sequence, " ".join(marker.split()), file, line)


def _from_catalogue(path: Path) -> Iterator[Query | Reject]:
    """Return the sequences, called by their occurrence where that has no other."""
    with Catalogue.open(path, read_only=True, threads=1, memory=_MEMORY) as opened:
        several = {key for (key,) in opened.query(_SEVERAL)}
        for key, occurrence, text, marker in opened.query(_IN_CATALOGUE):
            called = key if occurrence is None or occurrence in several else occurrence
            yield _clean(str(path), None, str(called), str(text), str(marker))


def _from_reading(reading: Reading, work: Path) -> Iterator[Query | Reject]:
    """Return the queries of one reading: straight from a FASTA file, staged from tables."""
    streams = _streams(reading)
    if not streams:
        yield from _from_tables(reading, work)
    for stream in streams:
        file = str(stream.path)
        for found in stream.rows():
            if isinstance(found, Misread):
                yield Reject(file, found.line, " ".join(found.content.split()[:1]), found.reason)
            else:
                record, row = found
                marker = str(row.get("targetGene") or "")
                yield _clean(file, record.line, str(row["occurrenceID"]), record.sequence, marker)


def _from_tables(reading: Reading, work: Path) -> Iterator[Query | Reject]:
    """Return the queries of tables, by the first half of an import; rows with quotes come last."""
    scratch = work / "tables"
    scratch.mkdir(parents=True, exist_ok=True)
    con = connect(memory=_MEMORY, spill=scratch / "spill")
    try:
        staging = Staging(con, scratch, lambda _what, _rows: None)
        try:
            staging.load(reading)
        except FormatError:
            if staging.rows_read:
                raise
            yield Reject(str(reading.inputs[0]), None, "", "The file holds no rows.")
            return
        files = dict(staging.run("SELECT source, file FROM files"))
        staging.run("SET threads = 1")  # so that the rows come in order
        sql = " UNION ALL ".join(_selected(staging, table) for table in _FEEDS)
        result = con.execute(sql)
        while batch := result.fetchmany(_BATCH):
            for source, line, key, text, marker in batch:
                if not key:
                    yield Reject(files[source], line, "", "The row has no identifier.")
                else:
                    yield _clean(files[source], line, key, text, marker)
        refused = "SELECT file, line, reason FROM rejects WHERE scope = 'row' ORDER BY file, line"
        for file, line, reason in staging.run(refused):
            yield Reject(file, line, "", reason)
    finally:
        con.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _selected(staging: Staging, table: str) -> str:
    """Return the SQL of source, line, id, text and gene of sequences fed to a table."""
    terms = staging.terms(table)
    if "sequence" not in terms:
        return "SELECT 0::BIGINT, 0::BIGINT, '', '', '' WHERE false"
    keys = ["occurrenceID", "nucleotideSequenceID", "materialEntityID"]
    key = ", ".join([*(k for k in keys if k in terms), "NULL"])
    gene = "coalesce(targetGene, '')" if "targetGene" in terms else "''"
    return (
        f"SELECT {source_of('ord')}, {line_of('ord')}, coalesce({key}), "
        f"coalesce(sequence, ''), {gene} "
        f"FROM {staging.view(table)}"
    )
