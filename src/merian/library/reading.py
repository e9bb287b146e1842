"""Reading references: whatever `merian import` reads, as sequences with names and places.

The rows pass the first half of an import: they are staged in DuckDB, checked and split into
sequences and identifications, and nothing of it is kept. So a reference may be in any format, its
labels are read as everywhere, and of several identifications the one that would stand in a
catalogue counts. Names and sequences come in two streams, since sorting the sequences would write
each of them to the disk once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.catalogue import TABLES, Reading
from merian.catalogue.definitions import definitions
from merian.catalogue.schema import quoted
from merian.catalogue.split import split
from merian.catalogue.staging import Staging, line_of, source_of
from merian.database import connect
from merian.library.naming import COLUMNS

__all__ = [
    "NAMED",
    "Progress",
    "Reject",
    "Row",
    "Staged",
    "batches",
    "cluster_of",
    "files_in",
    "names_in",
    "rejects_in",
    "split_rows",
    "staged",
]

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many records were read so far."""

# For DuckDB; what does not fit lies in the work folder. The process takes some 500 MB more.
_MEMORY = "900MB"
_BATCH = 10_000

# Barcode clusters and species hypotheses; other concepts are numbers of the name itself.
_CLUSTER = re.compile(r"BOLD:[A-Z]{3}\d{4,}|SH\d+\.\d+FU")

# What names a record, in SQL over the view `determination` as d: concept, label and `COLUMNS`.
NAMED = ", ".join(
    ["coalesce(d.taxonConceptID, '')", "coalesce(d.verbatimIdentification, '')",
     *(f"d.{quoted(column)}" for column in COLUMNS)]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of one sequence.

    Attributes:
        place: Sorts as the input does, and finds its sequence.
        id: Of the record.
        file: Number of the file among those of the reading.
        line: In that file, from 1.
        accession: In a public archive, or "".
        marker: The gene, or "".
        concept: Its BIN or species hypothesis, or "".
        label: The name as it came, or "".
        cells: What `COLUMNS` hold.
    """

    place: int
    id: str
    file: int
    line: int
    accession: str
    marker: str
    concept: str
    label: str
    cells: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Reject:
    """A reference that was set aside: where it stood, its id, and why."""

    file: str
    line: int | None
    id: str
    reason: str


def cluster_of(concept: str, label: str) -> str:
    """Return the BIN or species hypothesis that a concept or a label tells, or ""."""
    found = _CLUSTER.search(concept) or _CLUSTER.search(label)
    return found[0] if found else ""


class Staged:
    """The references of one reading, in a database that is thrown away."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        # A table may name its sequences by their accessions alone.
        self._has_sequences = "sequence" in {*staging.terms("record"), *staging.terms("sequence")}

    @property
    def files(self) -> list[str]:
        """The files, as they were given."""
        return files_in(self._staging)

    def names(self) -> list[str]:
        """Return every distinct text in which a name of a genus or a species may stand."""
        return names_in(self._staging)

    def rows(self) -> Iterator[Row]:
        """Return what is said of each good sequence, in the order of the input."""
        sql = f"""
            SELECT s.ord, {source_of("s.ord")}, {line_of("s.ord")},
                   coalesce(s.subject, s.nucleotideSequenceID),
                   coalesce(s.associatedSequences, ''), coalesce(s.targetGene, ''),
                   {NAMED}
            FROM (SELECT q.*, coalesce(q.occurrenceID, t.occurrenceID) AS subject
                  FROM sequence q LEFT JOIN material t ON t.materialEntityID = q.materialEntityID
                 ) s
            LEFT JOIN determination d ON d.occurrenceID = s.subject
            WHERE s.sequenceLength IS NOT NULL ORDER BY s.ord
        """
        for batch in self._batches(sql):
            for place, file, line, key, accession, marker, concept, label, *rest in batch:
                cluster = cluster_of(concept, label)
                yield Row(place, key, file, line, accession, marker, cluster, label, tuple(rest))

    def identifiers(self) -> Iterator[tuple[int, tuple[str | None, ...]]]:
        """Return the place of each good sequence and what else its specimen is known by."""
        sql = """
            SELECT s.ord, s.materialEntityID, m.catalogue, m.others
            FROM (SELECT q.*, coalesce(q.occurrenceID, t.occurrenceID) AS subject
                  FROM sequence q LEFT JOIN material t ON t.materialEntityID = q.materialEntityID
                 ) s
            LEFT JOIN (SELECT occurrenceID, string_agg(catalogNumber, ';') AS catalogue,
                              string_agg(otherCatalogNumbers, ';') AS others
                       FROM material GROUP BY occurrenceID) m ON m.occurrenceID = s.subject
            WHERE s.sequenceLength IS NOT NULL ORDER BY s.ord
        """
        for batch in self._batches(sql):
            for place, *known_by in batch:
                yield place, tuple(known_by)

    def sequences(self) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
        """Return places and sequences as they came, some thousand at a time."""
        if not self._has_sequences:
            return
        texts = "(SELECT ord, sequence AS text__ FROM new_sequence)"
        if self._staging.texts_stay:
            texts = self._staging.texts()
        for batch in self._batches(f"SELECT ord, text__ FROM {texts}"):
            places, found = zip(*batch, strict=True)
            yield np.array(places, dtype=np.int64), list(found)

    def rejects(self) -> Iterator[Reject]:
        """Return what was set aside before it had a name: no sequence, or none that is one."""
        for file, line, key, reason in rejects_in(self._staging, "'sequence'"):
            yield Reject(file, line, " ".join(key.split()[:1]), reason)

    def without_sequence(self) -> int:
        """Return how many records came without any sequence; a table of specimens has many."""
        without = self._staging.count(
            "SELECT count(*) FROM occurrence WHERE occurrenceID NOT IN "
            "(SELECT coalesce(s.occurrenceID, t.occurrenceID, '') FROM sequence s "
            "LEFT JOIN material t ON t.materialEntityID = s.materialEntityID "
            "WHERE s.sequenceLength IS NOT NULL)"
        )
        refused = self._staging.count("SELECT count(*) FROM rejects WHERE term = 'sequence'")
        return max(0, without - refused)

    def _batches(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        return batches(self._staging, sql)


def batches(staging: Staging, sql: str) -> Iterator[list[tuple[Any, ...]]]:
    """Return the rows of a query, some thousand at a time."""
    result = staging.con.execute(sql)
    while batch := result.fetchmany(_BATCH):
        yield batch


def files_in(staging: Staging) -> list[str]:
    """Return the files, as they were given."""
    return [str(file) for (file,) in staging.run("SELECT file FROM files ORDER BY source")]


def names_in(staging: Staging) -> list[str]:
    """Return every distinct text in which a name of a genus or a species may stand."""
    found = [
        staging.run(f"SELECT DISTINCT {c} FROM determination WHERE {c} IS NOT NULL")
        for c in ("genus", "species", "scientificName")
    ]
    return [str(text) for rows in found for (text,) in rows]


def rejects_in(
    staging: Staging, terms: str, join: str = "JOIN"
) -> Iterator[tuple[str, int | None, str, str]]:
    """Return file, line, record or content, and reason of what was set aside.

    Args:
        staging: The rows.
        terms: The terms whose values count, besides whole rows, as a list in SQL.
        join: With LEFT JOIN also of files that are no source themselves: pictures of a folder.
    """
    staging.flush_rejects()
    sql = f"""
        SELECT r.file, r.line, coalesce(o.occurrenceID, r.content, ''), r.reason
        FROM rejects r {join} files f ON f.file = r.file
        LEFT JOIN occurrence o
            ON {source_of("o.ord")} = f.source AND {line_of("o.ord")} = r.line
        WHERE r.scope = 'row' OR r.term IN ({terms})
        ORDER BY f.source, r.line, r.reason
    """
    for batch in batches(staging, sql):
        yield from batch


@contextmanager
def staged(reading: Reading, work: Path, progress: Progress) -> Iterator[Staged]:
    """Read the sequences that a format found.

    Args:
        reading: Where the rows are.
        work: A folder for what does not fit into memory.
        progress: Is told how far it is.
    """
    with split_rows(reading, work, progress) as staging:
        yield Staged(staging)


@contextmanager
def split_rows(reading: Reading, work: Path, progress: Progress) -> Iterator[Staging]:
    """Read what a format found, and split it into tables that look like those of a catalogue."""
    con = connect(memory=_MEMORY, spill=work / "spill")
    try:
        staging = Staging(con, work, progress)
        staging.load(reading)
        split(staging)
        _complete(staging)
        yield staging
    finally:
        con.close()


def _complete(staging: Staging) -> None:
    """Make the tables of the staging database look like those of a catalogue."""
    for name in ("occurrence", "identification", "sequence", "media", "material"):
        have = staging.columns(f"new_{name}") if staging.has(f"new_{name}") else []
        columns = ", ".join(
            quoted(c) if c in have else f"CAST(NULL AS VARCHAR) AS {quoted(c)}"
            for c in TABLES[name].columns
            if c != "sequence"
        )
        place = "ord, " if have else "CAST(NULL AS BIGINT) AS ord, "
        if name == "identification":  # the view of what stands has no such column
            place = ""
        source = f"FROM new_{name}" if have else "WHERE false"
        staging.run(f"CREATE VIEW {name} AS SELECT {place}{columns} {source}")
    # What stands of several identifications is told by the catalogue's own view.
    staging.run(definitions()[-1].replace("CREATE OR REPLACE VIEW", "CREATE TABLE", 1))
