"""A catalogue as a source of references: sequences or pictures, and the names that stand.

Each import of the catalogue is a source of its own, called by what was imported, so that a
reference still tells where it came from. Where the name that stands is one that `merian identify`
has given, the record is set aside: a library that takes its own answers for truth would only grow
surer of its errors. So is one that a person has marked to be looked at again. Members of a cluster
that `merian discover` has named provisionally are taken in: they are named to no species, and are
an unnamed outcome under the taxon that they support.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue, Chunk, Reading, Reject, Rows
from merian.catalogue.definitions import own_answer
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.catalogue.reviewed import DUBIOUS
from merian.catalogue.schema import quoted
from merian.catalogue.splits.chosen import within
from merian.errors import FormatError
from merian.files import content_hash
from merian.library.naming import COLUMNS

__all__ = ["is_catalogue", "read_catalogue", "source_hash"]

_MEMORY = "400MB"
_TERMS = (*COLUMNS, "taxonConceptID")
_NAMES = ", ".join(f"d.{quoted(term)}" for term in _TERMS)
_ANSWERED = (
    f"CASE WHEN {own_answer('d', 'r')} AND NOT coalesce(d.identificationType = 'cluster', false) "
    f"THEN 1 WHEN d.identificationVerificationStatus = '{DUBIOUS}' THEN 2 ELSE 0 END AS own"
)
_SEQUENCES = f"""
SELECT s.nucleotideSequenceID AS key, coalesce(s.occurrenceID, t.occurrenceID) AS subject,
    s.targetGene, s.associatedSequences, s.sequence, coalesce(s.runID, '') AS run,
    {_ANSWERED}, {_NAMES}
FROM sequence s
LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
LEFT JOIN determination d ON d.occurrenceID = coalesce(s.occurrenceID, t.occurrenceID)
LEFT JOIN run r ON r.runID = d.runID
WHERE s.sequence IS NOT NULL
"""
_PICTURES = f"""
SELECT x.mediaID AS key, {SUBJECT} AS subject, {ADDRESS} AS accessURI, x.contentHash,
    {box()}, {SCALE} AS pixelsPerMillimetre,
    coalesce(x.runID, '') AS run, {_ANSWERED}, {_NAMES}
FROM media x {PARENT} {THING}
LEFT JOIN determination d ON d.occurrenceID = {SUBJECT}
LEFT JOIN run r ON r.runID = d.runID
WHERE {ADDRESS} IS NOT NULL
"""
_ASIDE = {
    1: "its name is an answer of merian identify that nobody has confirmed",
    2: "its name is marked to be looked at again",
}
_CHUNK = 10_000


def is_catalogue(path: Path) -> bool:
    """Return whether a path is the folder of a catalogue."""
    return (path / "catalogue.duckdb").is_file()


def source_hash(path: Path, pictures: bool = False, split: str | None = None) -> str:
    """Return the hash of a file's bytes; of a catalogue, of what is asked of it, and the names."""
    if not is_catalogue(path):
        return content_hash(path)
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        sql = _asked(opened, pictures, split)
        told = f"SELECT * REPLACE (own <> 0 AS own) FROM ({sql})"
        hashed = f"SELECT count(*), bit_xor(md5_number_lower(CAST(x AS VARCHAR))) FROM ({told}) x"
        count, digest = opened.query(hashed).fetch()[0]
    return f"{count}-{digest}"


def _asked(opened: Catalogue, pictures: bool, split: str | None) -> str:
    """Return the SQL of what is taken in; of a split, of the parts that are named."""
    sql = _PICTURES if pictures else _SEQUENCES
    return sql if split is None else within(sql, opened.splits(), split, "coalesce(subject, key)")


def read_catalogue(path: Path, pictures: bool = False, split: str | None = None) -> Reading:
    """Return what a catalogue holds of references: its sequences, or its pictures."""
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        sql = _asked(opened, pictures, split)
        inputs = {str(run): given for run, given in opened.query("SELECT runID, inputs FROM run")}
        asked = f"SELECT DISTINCT run FROM ({sql}) ORDER BY run"
        runs = [str(run) for (run,) in opened.query(asked)]
    if not runs:
        held = "pictures" if pictures else "sequences"
        raise FormatError(f"the catalogue holds no {held}", path=path)
    sources = []
    for run in runs:
        called = _called(path, inputs.get(run))
        sources.append(Rows(called, "record", _Run(path, sql, run, called)))
    return Reading("catalogue", sources, (path,))


def _called(path: Path, inputs: object) -> Path:
    """Return what an import is called: the catalogue, and the files that were imported."""
    try:
        given = json.loads(str(inputs)) if inputs else {}
    except ValueError:
        given = {}
    names = sorted({Path(str(name)).name for name in given})
    return Path(f"{path} ({', '.join(names[:3])})") if names else path


@dataclass(frozen=True)
class _Run:
    """What one import has brought, in the order of its ids."""

    path: Path
    sql: str
    run: str
    called: Path

    def __iter__(self) -> Iterator[Chunk | Reject]:
        asked = f"SELECT * EXCLUDE (run) FROM ({self.sql}) WHERE run = '{_escaped(self.run)}'"
        rows: list[dict[str, object]] = []
        with Catalogue.open(self.path, read_only=True, threads=1, memory=_MEMORY) as opened:
            found = opened.query(f"SELECT key, subject, own, * EXCLUDE (key, subject, own) "
                                 f"FROM ({asked}) ORDER BY subject, key")  # fmt: skip
            terms = found.columns[3:]
            for line, (key, subject, aside, *cells) in enumerate(found, 1):
                called = str(subject or key)
                if aside:
                    yield Reject(self.called, line, _ASIDE[int(str(aside))], called)
                    continue
                told = zip(terms, cells, strict=True)
                rows.append({"occurrenceID": called, **dict(told), "line": line})
                if len(rows) == _CHUNK:
                    yield _columns(rows)
                    rows = []
        if rows:
            yield _columns(rows)


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def _columns(rows: list[dict[str, object]]) -> Chunk:
    return {name: [row[name] for row in rows] for name in rows[0]}
