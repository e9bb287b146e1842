"""Answers into a catalogue: identifications, appended and never overwritten.

Those of a sequence, of a picture, and of a record of several as their consensus.

An answer carries the taxon that Merian stands by and the ranks above it, and nothing below. An
answer that stands by nothing names nothing, and is not written. What an identification is called
is a hash of what it says, of what, and by which library: the same answer is never written twice.
Only where a library that has learnt names nothing any more of what it had named, a row that names
nothing takes that back.
No clock is written, so that the same input gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from merian import __version__
from merian.catalogue import Catalogue, Chunk, Reading, Rows
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDING
from merian.catalogue.ingest import Progress
from merian.catalogue.reviewed import WITHDRAWN
from merian.catalogue.summary import Summary
from merian.identify.answers import read_answers
from merian.identify.job import Identified, stamp_of
from merian.identify.record_job import beside
from merian.taxonomy import MAIN_RANKS, TaxonomyLock

__all__ = ["append_answers"]

_BATCH = 5_000

Into = Callable[[Reading, Mapping[str, object]], Summary]
_TYPES = {"barcode": "nucleotideSequence", "picture": "media", "consensus": "consensus"}
_SUBJECTS = {"barcode": "nucleotideSequenceID", "picture": "mediaID", "consensus": "occurrenceID"}
_TERMS = (
    "identificationID", "nucleotideSequenceID", "mediaID", "occurrenceID", "identificationType",
    "agentType",
    "scientificName", "taxonRank", *MAIN_RANKS, "taxonomyLock", "identifiedBy",
    "identificationReferences", "identificationVerificationStatus", "probability",
    "identificationRemarks", "replacesIdentificationID",
)  # fmt: skip


def append_answers(
    folder: Path,
    found: Identified,
    progress: Progress | None = None,
    *,
    only: Collection[str] | None = None,
    instead_of: Mapping[str, str] | None = None,
    into: Into | None = None,
) -> Summary | None:
    """Append an answer table to a catalogue that holds what was asked about.

    An answer's id is that of a sequence, or of an occurrence; where the occurrence has several
    sequences, it is the occurrence that is identified. Of records of several kinds of evidence each
    single answer is an identification of its picture or sequence, and their consensus one of the
    occurrence. One that the catalogue does not have is set aside.

    Args:
        folder: The catalogue.
        found: What was identified.
        progress: Is told how far it is.
        only: The ids of the answers that are meant; all if not given.
        instead_of: By each hash that the libraries ever had, the one that they have now: an answer
            replaces what the same libraries, as they were then, have said of the same, and what
            they do not name any more is withdrawn.
        into: Takes in what is read, with the arguments of the run, where somebody holds the
            catalogue: ``folder`` is then a copy of it.

    Returns:
        What was written, or None where no answer names anything.
    """
    by = _by_library(found)
    method = _method(found)
    # The rows wait in a file: a catalogue is open for reading or for writing, not for both.
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=found.out.parent) as waiting:
        with Catalogue.open(folder, read_only=True) as opened:
            count = 0
            now = instead_of or {}
            wanted = _Wanted(only, unnamed=bool(now))
            rows = _subjects(opened, _standing(found.out, wanted))
            if found.disagreements is not None:
                rows = _of_records(found.out, wanted)
            former = _former(opened, now)
            for line, row in rows:
                own = _by(by, row)
                said = {**_row(row, method), **own} if row["name"] else _withdrawn(row, own)
                subject = _subject(own["identificationType"], said["nucleotideSequenceID"],
                                   said.get("mediaID"), said["occurrenceID"])  # fmt: skip
                told = former.get((subject, _libraries(str(own["identifiedBy"]), now)))
                if told:
                    said["replacesIdentificationID"] = told
                elif not row["name"]:
                    continue
                said["identificationID"] = _key(said)
                waiting.write(json.dumps([line, *(said.get(term) for term in _TERMS)]) + "\n")
                count += 1
        if not count:
            return None
        waiting.seek(0)
        source = Rows(found.out, "identification", _chunks(waiting))
        reading = Reading("answers", (source,), (found.out,))
        if into is not None:
            return into(reading, {"run": found.run})
        with Catalogue.open(folder) as opened:
            return opened.ingest(
                reading, verb="identify", arguments={"run": found.run}, progress=progress
            )


def _by_library(found: Identified) -> dict[str, dict[str, str | None]]:
    """Return what all identifications by one library say, by its name; "" where there is one."""
    stamp = stamp_of(found.out)
    locks = stamp.get("locks") or {"": stamp["merian"]["taxonomy"]}
    hashes = found.libraries or {"": found.library}
    return {
        name: {
            "identificationType": "nucleotideSequence",
            "agentType": "machine",
            "taxonomyLock": str(TaxonomyLock(**lock)) if lock else None,
            "identifiedBy": f"Merian {__version__}, library {hashes[name]}",
            "identificationVerificationStatus": "PredictedByMachine",
        }
        for name, lock in locks.items()
    }


def _by(by: Mapping[str, dict[str, str | None]], row: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what is said of the libraries of an answer, and the kind of its evidence."""
    names = (row.get("library") or "").split(";")
    found = dict(by[names[0]])
    if len(names) > 1:
        every = [by[name] for name in names]
        libraries = ", ".join(str(one["identifiedBy"]).rpartition(" ")[2] for one in every)
        found["identifiedBy"] = f"Merian {__version__}, libraries {libraries}"
        if len({one["taxonomyLock"] for one in every}) > 1:
            found["taxonomyLock"] = None
    if row.get("evidence"):
        found["identificationType"] = _TYPES[row["evidence"]]
    return found


@dataclass(frozen=True)
class _Wanted:
    """Which answers are meant: of which ids (all if None), and whether those that name nothing."""

    only: Collection[str] | None
    unnamed: bool


def _of_records(path: Path, wanted: _Wanted) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the answers of records that are meant, single ones first."""
    for table in (beside(path)[0], path):
        for line, row in _standing(table, wanted):
            term = _SUBJECTS[row["evidence"]]
            key = row["id"] if term == "occurrenceID" else row["item"]
            yield line, {**row, "nucleotideSequenceID": None, "occurrenceID": None, term: key}


def _standing(path: Path, wanted: _Wanted) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the answers that are meant, with their lines."""
    for line, row in enumerate(read_answers(path), start=2):
        meant = wanted.only is None or row["id"] in wanted.only
        if meant and (row["name"] or wanted.unnamed):
            yield line, row


def _libraries(by: str, now: Mapping[str, str]) -> str:
    """Return by which libraries something was said, each by the hash that it has now."""
    told = by.rpartition("librar")[2].partition(" ")[2]
    return ", ".join(now.get(one, one) for one in told.split(", "))


def _subject(*ids: object) -> tuple[object, ...]:
    return tuple(str(one) if one else None for one in ids)


def _former(
    catalogue: Catalogue, now: Mapping[str, str]
) -> dict[tuple[tuple[object, ...], str], str]:
    """Return what libraries have said that stands, by what it is about and who they are now."""
    if not now:
        return {}
    said = " OR ".join(f"contains(i.identifiedBy, {literal(one)})" for one in sorted(now))
    return {
        (_subject(*subject), _libraries(str(by), now)): str(key)
        for *subject, by, key in catalogue.query(
            "SELECT i.identificationType, i.nucleotideSequenceID, i.mediaID, i.occurrenceID, "
            f"i.identifiedBy, i.identificationID FROM identification i WHERE {STANDING} "
            f"AND i.agentType = 'machine' AND ({said}) ORDER BY i.identificationID DESC"
        )
    }


def _subjects(
    catalogue: Catalogue, rows: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Add to each row what it is about: nucleotideSequenceID, or else occurrenceID."""
    stream = iter(rows)
    while batch := [*islice(stream, _BATCH)]:
        keys = ", ".join(literal(key) for key in sorted({row["id"] for _, row in batch}))
        sql = (
            "SELECT nucleotideSequenceID, occurrenceID FROM sequence WHERE sequence IS NOT NULL "
            f"AND (nucleotideSequenceID IN ({keys}) OR occurrenceID IN ({keys}))"
        )
        pairs = catalogue.query(sql).fetch()
        sequences = {key for key, _ in pairs}
        count = Counter(occurrence for _, occurrence in pairs)
        only = {occurrence: key for key, occurrence in pairs if count[occurrence] == 1}
        for line, row in batch:
            key = row["id"]
            sequence = key if key in sequences else only.get(key)
            subject = {"nucleotideSequenceID": sequence, "occurrenceID": None if sequence else key}
            yield line, {**row, **subject}


def _row(row: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return what an identification says, of an answer."""
    above = MAIN_RANKS[: MAIN_RANKS.index(row["rank"]) + 1]
    nearest = f"; nearest references {row['nearest']}" if row["nearest"] else ""
    media = {"mediaID": row["mediaID"]} if "mediaID" in row else {}
    kind = row.get("evidence") or "barcode"
    return {
        **media,
        "nucleotideSequenceID": row["nucleotideSequenceID"],
        "occurrenceID": row["occurrenceID"],
        "scientificName": row["name"],
        "taxonRank": row["rank"],
        **{rank: row[rank] if rank in above else None for rank in MAIN_RANKS},
        "identificationReferences": f"{kind}{method}{nearest}",
        "probability": row["p"],
        "identificationRemarks": row["explanation"],
    }


def _withdrawn(row: Mapping[str, Any], by: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what takes back a name: it names nothing and is no evidence, so that it stands last.

    The desk writes the same where a decision is undone; see `merian.catalogue.reviewed`.
    """
    return {
        **({"mediaID": row["mediaID"]} if "mediaID" in row else {}),
        "nucleotideSequenceID": row["nucleotideSequenceID"],
        "occurrenceID": row["occurrenceID"],
        "identifiedBy": by["identifiedBy"],
        "identificationVerificationStatus": WITHDRAWN,
        "identificationRemarks": row["explanation"],
    }


def _method(found: Identified) -> str:
    """Return what was promised, in a few words."""
    if found.novelty is None:
        mixture = "any mixture of known and unknown"
    else:
        mixture = f"known, new species, genus, family {', '.join(map(str, found.novelty))}"
    return f", at most {100 * found.alpha:g} % wrong for {mixture}"


def _key(said: Mapping[str, Any]) -> str:
    """Return the id of an identification."""
    text = json.dumps([said[term] for term in _TERMS if term in said], ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _chunks(stream: IO[str]) -> Iterator[Chunk]:
    """Return the rows as columns."""
    while lines := [*islice(stream, _BATCH)]:
        columns: Sequence[Sequence[object]] = [*zip(*map(json.loads, lines), strict=True)]
        yield dict(zip(("line", *_TERMS), columns, strict=True))
