"""The tables of a Darwin Core Data Package, and how a catalogue fills them.

They are written down in ``dwc_dp.toml``: for each table its fields with name, type, the term that
it is a version of, and the SQL that fills it. Names, types, terms and keys are those of the table
schemas of DwC-DP 1.0. A row's key (``_pk``) is its identifier, and what points to it (``_fk``) is
left empty where the package has no such row, so that no relation is broken. What the standard has
no field for yet stands in tables of our own, named ``merian-...``, which other readers pass over.

An occurrence must have an event there. Events that are named and not described get a row with their
identifier alone, and all occurrences without one share the row ``NO_EVENT``.

Reference: https://dwc.tdwg.org/dp/, table schemas at http://rs.tdwg.org/dwc-dp/1.0/table-schemas
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from merian.catalogue.schema import TABLES

__all__ = ["NO_EVENT", "OURS", "Field", "Relation", "Resource", "package_tables"]

NO_EVENT = "event-not-recorded"
OURS = "merian-"

_PREFIXES = {
    "dwc": "http://rs.tdwg.org/dwc/terms/",
    "dcterms": "http://purl.org/dc/terms/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "ac": "http://rs.tdwg.org/ac/terms/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "xmprights": "http://ns.adobe.com/xap/1.0/rights/",
    "gbif": "http://rs.gbif.org/terms/",
    "mixs": "https://w3id.org/mixs/",
    "merian": "urn:merian:",
}


@dataclass(frozen=True)
class Field:
    """One column of a table of the package.

    Attributes:
        name: Its name.
        type: ``string``, ``integer``, ``number`` or ``boolean``.
        term: The term that it is a version of.
        sql: What fills it.
        meaning: What it holds, in words.
    """

    name: str
    type: str
    term: str
    sql: str
    meaning: str

    @property
    def title(self) -> str:
        """The name in words."""
        plain = re.sub(r"_(pk|fk)$", "", self.name).replace("_", " ").strip()
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
        return words[:1].upper() + words[1:]


@dataclass(frozen=True)
class Relation:
    """A column that points to the key of a table; "" is the table itself."""

    field: str
    predicate: str
    resource: str
    key: str


@dataclass(frozen=True)
class Resource:
    """One table of the package.

    Attributes:
        name: Its name, one of those that the standard reserves, or one of ours.
        title: What a row is.
        source: The SQL that its rows come from, behind FROM.
        fields: Its columns.
        relations: What they point to.
    """

    name: str
    title: str
    source: str
    fields: tuple[Field, ...]
    relations: tuple[Relation, ...] = ()

    @property
    def key(self) -> str | None:
        """The primary key."""
        return next((f.name for f in self.fields if f.name.endswith("_pk")), None)

    @property
    def ours(self) -> bool:
        """Whether it holds what the standard has no place for."""
        return self.name.startswith(OURS)

    @property
    def sql(self) -> str:
        """The query that gives its rows, always in the same order."""
        listed = ", ".join(f'{field.sql} AS "{field.name}"' for field in self.fields)
        told = " OR ".join(f'"{field.name}" IS NOT NULL' for field in self.fields[1:])
        where = f" WHERE {told}" if self.ours else ""
        # The keys stand first; what follows decides between rows that have none.
        return f"SELECT * FROM (SELECT {listed} FROM {self.source}){where} ORDER BY ALL"


_MEANINGS = {field.name: field.meaning for t in TABLES.values() for field in t.fields} | {
    "eventCategory": "whether things were collected, organisms were found, or it is their context",
    "geodeticDatum": "what the coordinates refer to",
    "isAcceptedIdentification": "whether it is the name that stands now",
    "classificationSystem": "the checklist that the name was matched to, its version and hash",
    "genericName": "the genus in the name", "specificEpithet": "the second word of the name",
    "infraspecificEpithet": "the third word of the name",
    "mediaType": "what kind of medium it is", "isPartOfMediaID": "the picture it is a region of",
    "hashFunction": "how the hash was made", "hashValue": "the hash of the file's bytes",
    "comments": "remarks", "owner": "who holds the rights",
    "subjectPartLiteral": "the part of the body that it shows",
    "subjectOrientationLiteral": "from which side it is seen",
    "nucleotideSequenceRemarks": "remarks", "target_gene": "the marker",
    "pcr_primer_forward": "the forward primer", "pcr_primer_reverse": "the reverse primer",
    "protocolType": "what it is a protocol of", "protocolName": "the name of the protocol",
    "preferredAgentName": "the name of the agent", "agentRole": "what the agent did",
    "agentType": "a person, a group or a program; of an identification, human or machine",
    "agentRoleOrder": "the place among those who did it",
    "usageTerms": "the licence as it was given", "webStatement": "where the licence can be read",
    "assertionID": "identifies the measurement", "assertionType": "what was measured",
    "verbatimAssertionType": "what was measured, as it came",
    "assertionValue": "the value as it was written", "assertionUnit": "the unit",
    "assertionError": "the accuracy as it was written", "assertionBy": "who measured",
    "assertionMadeDate": "when it was measured", "assertionProtocols": "how it was measured",
    "assertionRemarks": "remarks",
}  # fmt: skip


@cache
def package_tables() -> tuple[Resource, ...]:
    """Return the tables that a catalogue fills, those of the standard first."""
    text = Path(__file__).with_name("dwc_dp.toml").read_text(encoding="utf-8")
    return tuple(
        _resource(name, told["title"], told["source"], told["fields"], told.get("relations", ""))
        for name, told in tomllib.loads(text).items()
    )


def _resource(name: str, title: str, source: str, fields: str, relations: str) -> Resource:
    """Read ``name type term [SQL]`` and ``field predicate > table.key`` lines."""
    told = []
    for line in relations.strip().splitlines():
        left, _, right = line.partition(" > ")
        field, _, predicate = left.partition(" ")
        table, _, key = right.partition(".")
        told.append(Relation(field, predicate, table, key))
    to = {relation.field: relation.resource or "this table" for relation in told}
    made = tuple(_field(line, to) for line in fields.strip().splitlines())
    return Resource(name, title, source, made, tuple(told))


def _field(line: str, to: dict[str, str]) -> Field:
    name, kind, term, *sql = line.split(maxsplit=3)
    prefix, _, local = term.partition(":")
    if name in to:
        meaning = f"the row of {to[name]} that it belongs to"
    elif name.endswith("_pk"):
        meaning = "the key of the row in this package"
    else:
        meaning = _MEANINGS[name]
    meaning = meaning[:1].upper() + meaning[1:]
    own = sql[0] if sql else f'x."{name}"'
    return Field(name, kind, _PREFIXES[prefix] + (local or name), own, meaning)
