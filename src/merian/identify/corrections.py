"""What people have validated at the desk, as references that a library can take in.

A correction is a name to the genus or deeper that a person has validated and that still stands:
what was marked to be looked at again, dismissed or taken back is none. For a library of barcodes it
is the longest sequence of the record, for one of pictures each of its pictures.

A record that the library holds already is passed over if it has this name there; under another it
is contrary, since two names for one specimen would only tell that they contradict each other.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.catalogue.schema import quoted
from merian.library import Library

__all__ = ["against", "corrections_of", "write_corrections"]

_NAMES = ", ".join(f"d.{quoted(rank)}" for rank in RANKS)
_DECIDED = """
JOIN run r ON r.runID = d.runID
WHERE d.agentType = 'human' AND r.verb IN ('review', 'discover')
    AND d.identificationVerificationStatus = 'ValidatedByHuman'
    AND d.identificationQualifier IS NULL AND coalesce(d.genus, d.species) IS NOT NULL
"""
_BARCODES = f"""
SELECT coalesce(s.occurrenceID, t.occurrenceID) AS record, s.nucleotideSequenceID AS key,
    s.sequence, s.targetGene, d.scientificName, d.taxonRank, {_NAMES}
FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
JOIN determination d ON d.occurrenceID = coalesce(s.occurrenceID, t.occurrenceID)
{_DECIDED} AND s.sequence IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY record ORDER BY length(s.sequence) DESC, key) = 1
ORDER BY record
"""
_PICTURES = f"""
SELECT {SUBJECT} AS record, x.mediaID AS key, {ADDRESS} AS accessURI, x.contentHash,
    {box()}, {SCALE} AS pixelsPerMillimetre, d.scientificName, d.taxonRank, {_NAMES}
FROM media x {PARENT} {THING} JOIN determination d ON d.occurrenceID = {SUBJECT}
{_DECIDED} AND {ADDRESS} IS NOT NULL
ORDER BY record, key
"""

Row = dict[str, Any]


def corrections_of(catalogue: Path, kind: str = "barcode") -> list[Row]:
    """Return what people have validated at the desk, with its lineage.

    Args:
        catalogue: Where.
        kind: Of the library that is to learn: barcode or picture.
    """
    with Catalogue.open(catalogue, read_only=True) as opened:
        found = opened.query(_PICTURES if kind == "picture" else _BARCODES)
        return [dict(zip(found.columns, row, strict=True)) for row in found]


def against(
    library: Library, told: Sequence[Row]
) -> tuple[list[Row], frozenset[str], list[tuple[str, str, str]]]:
    """Return the corrections that a library lacks, the records that it has, and those against it.

    A record has a row for each of its pictures; it is known, or against the library, once.
    """
    wanted = {str(key): str(row["record"]) for row in told for key in (row["record"], row["key"])}
    hits: dict[int, str] = {}  # of a record of the library, that of the catalogue
    first = 0
    for segment in library.segments if wanted else ():
        hits |= {first + row: wanted[key] for row, key in enumerate(segment.id) if key in wanted}
        first += segment.records
    at = np.flatnonzero(np.isin(library.record, [*hits]))
    entries = np.searchsorted(library.first_record, at, side="right") - 1
    there = {
        hits[record]: library.name_of(entry)
        for record, entry in zip(library.record[at].tolist(), entries.tolist(), strict=True)
    }
    fresh, known, contrary = [], set[str](), dict[str, tuple[str, str, str]]()
    for row in told:
        record = str(row["record"])
        name = there.get(record)
        if name is None:
            fresh.append(row)
        elif name == row["scientificName"]:
            known.add(record)
        else:
            contrary[record] = (record, name, str(row["scientificName"]))
    return fresh, frozenset(known), [*contrary.values()]


def write_corrections(file: Path, rows: Sequence[Row]) -> None:
    """Write corrections as a table that `merian library add` reads."""
    terms = [term for term in rows[0] if term not in ("record", "key")]
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["occurrenceID", *terms])
        table.writerows([row["record"], *(row[term] for term in terms)] for row in rows)
