"""A catalogue as a source of references: its sequences, under the identifications that stand.

Each import of the catalogue is a source of its own, called by what was imported, so that a
reference still tells where it came from. Where the name that stands is one that `merian identify`
has given, the record is set aside: a library that takes its own answers for truth would only grow
surer of its errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue, Chunk, Reading, Reject, Rows
from merian.catalogue.schema import quoted
from merian.errors import FormatError
from merian.files import content_hash
from merian.library.naming import COLUMNS

__all__ = ["is_catalogue", "read_catalogue", "source_hash"]

_MEMORY = "400MB"
_TERMS = (*COLUMNS, "taxonConceptID")
_NAMES = ", ".join(f"d.{quoted(term)}" for term in _TERMS)
_SEQUENCES = f"""
SELECT s.nucleotideSequenceID AS key, coalesce(s.occurrenceID, t.occurrenceID) AS subject,
    s.targetGene, s.associatedSequences, s.sequence, coalesce(s.runID, '') AS run,
    coalesce(r.verb = 'identify', false) AS own, {_NAMES}
FROM sequence s
LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
LEFT JOIN determination d ON d.occurrenceID = coalesce(s.occurrenceID, t.occurrenceID)
LEFT JOIN run r ON r.runID = d.runID
WHERE s.sequence IS NOT NULL
"""
_HASH = f"SELECT count(*), bit_xor(md5_number_lower(CAST(x AS VARCHAR))) FROM ({_SEQUENCES}) x"
_OWN = "its name is an answer of merian identify that nobody has confirmed"
_CHUNK = 10_000


def is_catalogue(path: Path) -> bool:
    """Return whether a path is the folder of a catalogue."""
    return (path / "catalogue.duckdb").is_file()


def source_hash(path: Path) -> str:
    """Return the hash of a file's bytes; of a catalogue, of its sequences and their names."""
    if not is_catalogue(path):
        return content_hash(path)
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        count, digest = opened.query(_HASH).fetch()[0]
    return f"{count}-{digest}"


def read_catalogue(path: Path) -> Reading:
    """Return what a catalogue holds of references."""
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        inputs = {str(run): given for run, given in opened.query("SELECT runID, inputs FROM run")}
        asked = f"SELECT DISTINCT run FROM ({_SEQUENCES}) ORDER BY run"
        runs = [str(run) for (run,) in opened.query(asked)]
    if not runs:
        raise FormatError("the catalogue holds no sequences", path=path)
    sources = []
    for run in runs:
        called = _called(path, inputs.get(run))
        sources.append(Rows(called, "record", _Run(path, run, called)))
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
    """The sequences that one import has brought, in the order of their ids."""

    path: Path
    run: str
    called: Path

    def __iter__(self) -> Iterator[Chunk | Reject]:
        sql = f"SELECT * EXCLUDE (run) FROM ({_SEQUENCES}) WHERE run = '{_escaped(self.run)}' "
        rows: list[dict[str, object]] = []
        with Catalogue.open(self.path, read_only=True, threads=1, memory=_MEMORY) as opened:
            found = opened.query(sql + "ORDER BY subject, key")
            for line, (key, subject, gene, accession, text, own, *names) in enumerate(found, 1):
                called = str(subject or key)
                if own:
                    yield Reject(self.called, line, _OWN, called)
                    continue
                rows.append({
                    "occurrenceID": called, "targetGene": gene, "associatedSequences": accession,
                    "sequence": text, "line": line, **dict(zip(_TERMS, names, strict=True)),
                })  # fmt: skip
                if len(rows) == _CHUNK:
                    yield _columns(rows)
                    rows = []
        if rows:
            yield _columns(rows)


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def _columns(rows: list[dict[str, object]]) -> Chunk:
    return {name: [row[name] for row in rows] for name in rows[0]}
