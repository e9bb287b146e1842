"""Checking a Darwin Core Data Package: its descriptor, its tables, and the relations between them.

Reference: https://dwc.tdwg.org/dp/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.formats.delimited import delimited
from merian.formats.dwc_dp_open import DESCRIPTOR, Package, open_package
from merian.formats.dwc_dp_tables import OURS
from merian.formats.dwc_dp_write import PROFILE
from merian.report.publish.looking import Looking, Sight

__all__ = ["check_package"]

_FIELD = ("name", "title", "description", "type", "dcterms:isVersionOf")
_TYPES = {
    "integer": "try_cast({0} AS BIGINT) IS NULL",
    "number": "try_cast({0} AS DOUBLE) IS NULL",
    "boolean": "lower({0}) NOT IN ('true', 'false', '1', '0')",
}
_REQUIRED = {
    "event": ("event_pk", "eventCategory"),
    "occurrence": ("occurrence_pk", "event_fk", "occurrenceStatus"),
    "material": ("materialEntity_pk",),
    "media": ("media_pk",),
    "identification": ("identification_pk",),
    "nucleotide-sequence": ("nucleotideSequence_pk",),
}
_SUBJECTS = (
    "materialEntity",
    "media",
    "nucleotideAnalysis",
    "nucleotideSequence",
    "occurrence",
    "organism",
)


def check_package(path: Path, looking: Looking) -> None:
    """Check the package at a path."""
    try:
        package = open_package(path)
    except FormatError as error:
        looking.tell("error", "DATAPACKAGE_UNREADABLE", DESCRIPTOR, str(error))
        return
    _check_descriptor(package, looking)
    told = {r["name"]: r for r in package.said["resources"]}
    sights: dict[str, Sight] = {}
    for name, heads in package.tables.items():
        for head in heads:
            _check_columns(name, head.path.name, head.columns, told[name], looking)
            sight = looking.lay_out(delimited(head, []), head.path.name)
            if sight is not None:
                sights[name] = sight
                _check_rows(name, sight, told[name], looking)
    for name, sight in sights.items():
        _check_relations(sight, told[name], sights, name, looking)


def _check_descriptor(package: Package, looking: Looking) -> None:
    said = package.said
    profile = str(said.get("profile", ""))
    if not profile.startswith(PROFILE.partition("1.0")[0]):
        looking.tell(
            "error",
            "PROFILE_UNKNOWN",
            DESCRIPTOR,
            f"the profile must be {PROFILE}",
            term="profile",
            value=profile,
        )
    for name, severity, what in (
        ("id", "warning", "an identifier, best a DOI"),
        ("created", "info", "when it was made"),
        ("version", "info", "its version"),
        ("title", "warning", "a title"),
        ("licenses", "error", "a licence of the data"),
        ("contributors", "warning", "who made it"),
    ):
        if not said.get(name):
            code = "LICENSE_MISSING_OR_UNKNOWN" if name == "licenses" else "METADATA_MISSING"
            looking.tell(severity, code, DESCRIPTOR, f"does not say {what}", term=name)
    for table, file in package.missing:
        looking.tell(
            "error",
            "FILE_MISSING",
            file or DESCRIPTOR,
            f"is named for the table {table}, and is not there",
        )


def _check_columns(
    name: str, file: str, columns: tuple[str, ...], told: Mapping[str, Any], looking: Looking
) -> None:
    """Tell where the descriptor and the header of a table differ, and what a field lacks."""
    schema = told.get("schema")
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        looking.tell("error", "SCHEMA_MISSING", file, "the descriptor has no schema for it")
        return
    fields = [f for f in schema["fields"] if isinstance(f, dict)]
    names = tuple(str(f.get("name", "")) for f in fields)
    if names != columns:
        looking.tell(
            "error",
            "COLUMN_MISMATCH",
            file,
            "the header and the fields of the "
            f"descriptor differ: {', '.join(columns)} and {', '.join(names)}",
            1,
        )
    for field in fields if not name.startswith(OURS) else ():
        lacks = [key for key in _FIELD if not field.get(key)]
        if lacks:
            looking.tell(
                "error",
                "FIELD_DESCRIPTOR_INCOMPLETE",
                DESCRIPTOR,
                f"a field of {name} lacks {', '.join(lacks)}",
                term=str(field.get("name")),
            )
    for term in _REQUIRED.get(name, ()):
        if term not in columns and term.replace("_pk", "ID").replace("_fk", "ID") not in columns:
            looking.tell(
                "error", "REQUIRED_TERM_MISSING", file, "the table needs this field", term=term
            )


def _check_rows(name: str, sight: Sight, told: Mapping[str, Any], looking: Looking) -> None:
    schema = told.get("schema")
    schema = schema if isinstance(schema, dict) else {}
    keys = schema.get("primaryKey") or []
    keys = [keys] if isinstance(keys, str) else keys
    if len(keys) == 1 and keys[0] in sight.columns:
        looking.hold_unique(sight, keys[0])
    for field in schema.get("fields") or ():
        term, kind = str(field.get("name")), str(field.get("type"))
        if term in sight.columns and kind in _TYPES:
            wrong = _TYPES[kind].format(f"{{{term}}}")
            looking.ask(
                sight,
                "error",
                "VALUE_NOT_OF_TYPE",
                term,
                f"{{{term}}} IS NOT NULL AND {wrong}",
                f"is no {kind}",
            )
    for term in _REQUIRED.get(name, ())[1:]:
        if term in sight.columns:
            looking.ask(
                sight,
                "error",
                "REQUIRED_VALUE_MISSING",
                term,
                f"{{{term}}} IS NULL",
                "must not be empty",
            )
    if name == "identification":
        _check_subjects(sight, looking)
    looking.hold_against_rules(sight)


def _check_subjects(sight: Sight, looking: Looking) -> None:
    """Tell identifications of nothing, and those of several things."""
    given = [
        next((c for c in (f"{s}_fk", f"{s}ID") if c in sight.columns), None) for s in _SUBJECTS
    ]
    count = " + ".join(f"CAST({{{c}}} IS NOT NULL AS INTEGER)" for c in given if c) or "0"
    key = next((c for c in ("identification_pk", "identificationID") if c in sight.columns), "")
    for condition, why in (
        (f"{count} = 0", "is of nothing: one of its relations must be given"),
        (f"{count} > 1", "is of several things: each identification rests on one"),
    ):
        looking.ask(sight, "error", "IDENTIFICATION_SUBJECT_INVALID", key, condition, why)


def _check_relations(
    sight: Sight, told: Mapping[str, Any], sights: Mapping[str, Sight], name: str, looking: Looking
) -> None:
    schema = told.get("schema")
    relations = schema.get("foreignKeys") if isinstance(schema, dict) else None
    for relation in relations if isinstance(relations, list) else ():
        reference = relation.get("reference") if isinstance(relation, dict) else None
        if not isinstance(reference, dict):
            continue
        field, key = relation.get("fields"), reference.get("fields")
        field = field[0] if isinstance(field, list) and len(field) == 1 else field
        key = key[0] if isinstance(key, list) and len(key) == 1 else key
        other = reference.get("resource") or name
        if field not in sight.columns:
            continue
        if other not in sights or key not in sights[other].columns:
            looking.tell(
                "error",
                "RECORD_REFERENTIAL_INTEGRITY_VIOLATION",
                sight.file,
                f"points to {other}.{key}, which is not there",
                term=str(field),
            )
            continue
        looking.hold_related(sight, field, [(sights[other], key)], other)
