"""What people decide at the desk, appended to a catalogue: accepted, named, dismissed, undone.

Each decision is one run of the verb ``review``, written with its identifications in one
transaction: who, when and why. What a decision was about is said together with the identification
that was seen; where another stands there by now nothing is written, and it is told what stands.

To accept, to name and to dismiss are identifications by a person. "Look again" says what stood
before once more, with its own author, and replaces it. To undo replaces what was decided by an
identification that names nothing, so that what stood before stands again; where that had been
replaced, by saying it once more. Neither is a name that anybody gives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from merian import __version__
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDS_FIRST
from merian.catalogue.schema import RANKS, TABLES, quoted
from merian.database import transaction
from merian.errors import CatalogueError, InputError

__all__ = [
    "ACCEPTED", "DISMISSED", "DUBIOUS", "VERB", "WITHDRAWN", "Changed", "Decision", "StaleError",
    "decide", "decisions", "said_of", "undo",
]  # fmt: skip

VERB = "review"
ACCEPTED, DUBIOUS, DISMISSED = "ValidatedByHuman", "dubious", "dismissed"
WITHDRAWN = "withdrawn"

_COLUMNS = TABLES["identification"].columns
_SUBJECT = {"occurrence": "occurrenceID", "media": "mediaID", "sequence": "nucleotideSequenceID"}
_SUBJECTS = ("occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID")
_NAMED = ("scientificName", "scientificNameAuthorship", "taxonRank", "identificationQualifier",
          "taxonConceptID", *RANKS, "taxonID", "taxonomyLock")  # fmt: skip
_KINDS = ("accept", "name", "up", "dismiss", "look")
_MOST = 20_000  # records of one decision

Row = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """What a person has decided.

    Attributes:
        kind: accept, name, up (one rank), dismiss or look (again).
        seen: By record, the identification that stood there when it was looked at, or "".
        by: Who.
        why: For what reason.
        says: Of a name: the columns of it.
    """

    kind: str
    seen: Mapping[str, str]
    by: str
    why: str = ""
    says: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class Changed:
    """What was written: the run, and by record the identification that stands now."""

    run: str
    at: str
    stands: Mapping[str, str]


class StaleError(CatalogueError):
    """Something else stands by now than what was seen.

    Attributes:
        stands: By record, the identification that stands.
    """

    def __init__(self, stands: Mapping[str, str]) -> None:
        super().__init__(
            f"{len(stands):,} of these were changed meanwhile, and nothing was written; look at "
            "them again"
        )
        self.stands = dict(stands)


def said_of(records: str, said: str, without: str = "") -> str:
    """Return the SQL of all that is said of records, with ``standing`` (its place, from 1).

    Args:
        records: SQL of a column ``record``.
        said: The table of records and the identifications that are about them.
        without: A run whose identifications are looked past.
    """
    other = f"AND runID IS DISTINCT FROM {literal(without)}" if without else ""
    # Not by a common table: it would be made whole, with all columns of all identifications.
    return f"""
        SELECT c.record, row_number() OVER (PARTITION BY c.record ORDER BY {STANDS_FIRST})
            AS standing, i.*
        FROM (SELECT record, identificationID FROM {said} WHERE record IN ({records})) c
        JOIN main.identification i USING (identificationID)
        WHERE i.identificationID NOT IN (SELECT replacesIdentificationID FROM main.identification
            WHERE replacesIdentificationID IS NOT NULL {other}) {other}
    """


def decide(
    con: duckdb.DuckDBPyConnection, decision: Decision, kinds: Mapping[str, str], said: str
) -> Changed:
    """Write a decision; it is on the disk when this returns.

    Args:
        con: The catalogue, open for writing.
        decision: What was decided.
        kinds: By record, what it is: occurrence, media or sequence.
        said: The table of records and identifications; the new ones are added to it by the caller.

    Raises:
        StaleError: Something else stands by one of the records.
    """
    by = _checked(decision)
    at = _now()
    standing = _standing(con, list(decision.seen), said)
    stale = {
        record: standing.get(record, {}).get("identificationID") or ""
        for record, seen in decision.seen.items()
        if (standing.get(record, {}).get("identificationID") or "") != seen
    }
    if stale:
        raise StaleError(stale)
    run = _run_of({"at": at, "by": by, "kind": decision.kind, "seen": dict(decision.seen)})
    rows = []
    for record in decision.seen:
        row = _said(decision, standing.get(record, {}), by, at)
        rows.append(_of_record(row, record, kinds[record], run))
    told = {"kind": decision.kind, "by": by, "why": decision.why,
            "name": (decision.says or {}).get("scientificName")}  # fmt: skip
    _write(con, rows, run, at, told)
    return Changed(run, at, {row["record"]: row["identificationID"] for row in rows})


def undo(
    con: duckdb.DuckDBPyConnection, run: str, by: str, kinds: Mapping[str, str], said: str
) -> Changed:
    """Undo a decision: what stood before is said again, and replaces what was decided.

    Raises:
        StaleError: Something else stands by one of the records since then.
    """
    rows = con.execute(
        "SELECT identificationID, coalesce(occurrenceID, nucleotideSequenceID, mediaID) "
        "FROM main.identification WHERE runID = ?", [run],
    ).fetchall()  # fmt: skip
    known = {found["run"]: found for found in decisions(con)}
    if run not in known or not rows:
        raise InputError(f"{run}: there is no such decision")
    if known[run]["kind"] == "undo":
        raise InputError(f"{run}: is itself an undoing; decide anew instead")
    if known[run]["undone"]:
        raise InputError(f"{run}: was undone already")
    made = {record: key for key, record in rows}
    standing = _standing(con, list(made), said)
    stale = {
        record: standing.get(record, {}).get("identificationID") or ""
        for record, key in made.items()
        if standing.get(record, {}).get("identificationID") != key
    }
    if stale:
        raise StaleError(stale)
    before = _standing(con, list(made), said, without=run)
    at = _now()
    undoing = _run_of({"at": at, "by": _who(by), "kind": "undo", "undoes": run})
    news = []
    for record, key in made.items():
        stood, taken = before.get(record, {}), standing[record]
        # What was not replaced stands by itself again; the rest names nothing, and so stands last.
        replaced = taken["replacesIdentificationID"]
        hidden = replaced is not None and replaced == stood.get("identificationID")
        row = _again(stood if hidden else {}, key)
        row["identificationVerificationStatus"] = (
            stood.get("identificationVerificationStatus") if hidden else WITHDRAWN
        )
        row["identificationRemarks"] = _joined(
            stood.get("identificationRemarks") if hidden else None,
            f"{taken.get('scientificName') or 'no name'} was taken back by {_who(by)}, {at}",
        )
        news.append(_of_record(row, record, kinds[record], undoing))
    _write(con, news, undoing, at, {"kind": "undo", "by": _who(by), "undoes": run})
    return Changed(undoing, at, {row["record"]: row["identificationID"] for row in news})


def decisions(con: duckdb.DuckDBPyConnection, most: int | None = None) -> list[dict[str, Any]]:
    """Return what was decided, the last first: run, at, kind, by, why, name, records, undone."""
    found = con.execute(
        "SELECT runID, arguments, summary, startedAt FROM main.run WHERE verb = ? "
        "ORDER BY startedAt DESC, runID", [VERB],
    ).fetchall()  # fmt: skip
    told = [
        {"run": run, "at": at, **json.loads(arguments), "records": json.loads(summary)["records"]}
        for run, arguments, summary, at in found
    ]
    undone = {one["undoes"] for one in told if one["kind"] == "undo"}
    return [{**one, "undone": one["run"] in undone} for one in told[:most]]


# -- what is said ---------------------------------------------------------------------------------


def _said(decision: Decision, stood: Row, by: str, at: str) -> Row:
    """Return what a decision says of one record, of which ``stood`` stood until now."""
    if decision.kind == "look":
        again = _again(stood, stood.get("identificationID"))
        told = f"look again ({by}, {at})" + (f": {decision.why}" if decision.why else "")
        return again | {
            "identificationVerificationStatus": DUBIOUS,
            "identificationRemarks": _joined(stood.get("identificationRemarks"), told),
        }
    row: Row = {
        "identificationType": "consensus", "agentType": "human", "identifiedBy": by,
        "dateIdentified": at, "identificationReferences": "seen at the desk of Merian "
        + __version__, "identificationVerificationStatus": ACCEPTED,
        "identificationRemarks": decision.why or None,
    }  # fmt: skip
    if decision.kind == "name":
        return row | dict(decision.says or {})
    if not stood.get("scientificName") and decision.kind == "accept":
        raise InputError("what has no name cannot be accepted; give it one")
    if decision.kind == "accept":
        return row | {column: stood.get(column) for column in _NAMED}
    row |= _above(stood)
    if decision.kind == "dismiss":
        row["identificationVerificationStatus"] = DISMISSED
        told = f"not {stood.get('scientificName') or 'this'}"
        row["identificationRemarks"] = _joined(told, decision.why)
    return row


def _above(stood: Row) -> Row:
    """Return the name one rank above that of an identification."""
    named = [rank for rank in RANKS if stood.get(rank)]
    rank = stood.get("taxonRank")
    if rank in RANKS:
        named = [one for one in named if RANKS.index(one) < RANKS.index(str(rank))]
    elif named and stood.get(named[-1]) == stood.get("scientificName"):
        named = named[:-1]
    said: Row = {one: stood[one] for one in named}
    if named:
        said |= {"scientificName": stood[named[-1]], "taxonRank": named[-1]}
    return said


def _again(stood: Row, replaced: str | None) -> Row:
    """Return what says an identification once more, in the place of another."""
    kept = [c for c in _COLUMNS if c not in _SUBJECTS]
    row: Row = {column: stood.get(column) for column in kept}
    return row | {"replacesIdentificationID": replaced or None}


def _joined(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _of_record(row: Row, record: str, kind: str, run: str) -> Row:
    text = f"{run}\x1f{record}"
    key = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
    if row.get("replacesIdentificationID"):
        key = f"-{key}"  # of equals the id decides, and what is said again stands before them
    subjects = dict.fromkeys(_SUBJECTS) | {_SUBJECT[kind]: record}
    return {**row, **subjects, "identificationID": key, "record": record}


def _checked(decision: Decision) -> str:
    if decision.kind not in _KINDS:
        raise InputError(f"{decision.kind!r}: expected one of {', '.join(_KINDS)}")
    if not decision.seen:
        raise InputError("no record is chosen")
    if len(decision.seen) > _MOST:
        raise InputError(f"{len(decision.seen):,} records are chosen; {_MOST:,} at a time")
    if decision.kind == "name" and not (decision.says or {}).get("scientificName"):
        raise InputError("say which name")
    return _who(decision.by)


def _who(by: str) -> str:
    if not by.strip():
        raise InputError("say who decides this; it stands in the catalogue")
    return " ".join(by.split())[:200]


# -- reading and writing --------------------------------------------------------------------------


def _standing(
    con: duckdb.DuckDBPyConnection, records: Sequence[str], said: str, without: str = ""
) -> dict[str, Row]:
    """Return what stands by records."""
    con.execute(
        f"SELECT * FROM ({said_of('SELECT unnest(?::VARCHAR[])', said, without)}) "
        "WHERE standing = 1", [records],
    )  # fmt: skip
    names = [column[0] for column in con.description or ()]
    return {row[0]: dict(zip(names, row, strict=True)) for row in con.fetchall()}


def _write(
    con: duckdb.DuckDBPyConnection, rows: Sequence[Row], run: str, at: str, told: Row
) -> None:
    """Append identifications and their run, in one transaction that is on the disk at its end."""
    # A row of texts first, so that a column of nothing else is one of texts.
    arrays: dict[str, Any] = {
        column: np.array(["", *(_text(row.get(column)) for row in rows)], object)
        for column in _COLUMNS
    }
    arrays["place"] = np.arange(len(rows) + 1)
    types = {field.name: field.type for field in TABLES["identification"].fields}
    cast = ", ".join(f"CAST({quoted(c)} AS {types[c]}) AS {quoted(c)}" for c in _COLUMNS)
    clock = datetime.fromisoformat(at).astimezone(UTC).replace(tzinfo=None)
    con.register("decided", arrays)
    try:
        with transaction(con):
            con.execute(
                f"INSERT INTO main.identification BY NAME SELECT {cast}, ? AS runID FROM "
                "(SELECT * FROM decided WHERE place > 0) ORDER BY place", [run],
            ).fetchall()  # fmt: skip
            con.execute(
                "INSERT INTO main.run BY NAME SELECT ? AS runID, ? AS verb, ? AS arguments, "
                "'{}' AS inputs, ? AS merianVersion, ? AS summary, ?::TIMESTAMP AS startedAt, "
                "?::TIMESTAMP AS finishedAt",
                [run, VERB, json.dumps(told, ensure_ascii=False), __version__,
                 json.dumps({"records": len(rows), "added": {"identification": len(rows)}}),
                 clock, clock],
            ).fetchall()  # fmt: skip
    finally:
        con.unregister("decided")


def _text(value: object) -> str | None:
    return None if value is None else repr(value) if isinstance(value, float) else str(value)


def _run_of(what: Mapping[str, object]) -> str:
    text = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return f"{VERB}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def _now() -> str:
    """Return the time, to the microsecond: of two decisions the later one stands."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
