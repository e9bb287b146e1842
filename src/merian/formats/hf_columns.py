"""Which columns a Hugging Face data set is written with, and what it is told of them.

A row is a record with one of its pictures, the name that stands, its place and time, its barcode
and what was measured on it; a column that is empty throughout is left out. What was said of it
before the name that stands, or beside it, is a list in JSON in one column. Beside the features for
`datasets` stands, under a key of our own, which term each column is: so nothing has to be guessed
when the files are read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from merian.catalogue.schema import TABLES
from merian.formats.delimited import column, literal
from merian.formats.flat import FIRST_MATERIAL, NAMED, SEQUENCES, STANDING, rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["BEFORE", "HISTORY", "OURS", "Plan", "plan_of"]

OURS = "merian"
"""The key beside the rows: JSON, ``terms`` (column -> term), ``measured`` (column -> type and unit)
and ``history`` (the column of further identifications)."""

HISTORY = "identifications"
"""The column of further identifications of a record: a list of objects, in JSON."""

BEFORE = ("part", "address", "derived", "x", "y", "w", "h", "label")
"""What stands before the columns in a row of the query."""

# What the files of a part of a split are called: what is in none stands in train.
_PART = "regexp_replace(coalesce(o.split, 'train'), '[^A-Za-z0-9_]+', '_', 'g')"
_CLASSES = 20_000  # more labels than this are no classes
_MEASURED = 500  # columns of measurements
_TYPES = {"VARCHAR": "string", "DOUBLE": "float64", "BIGINT": "int64"}
_TABLES = {"o": "occurrence", "e": "event", "t": "material", "i": "identification", "p": "media",
           "s": "sequence"}  # fmt: skip
# What is not written of a picture: where it was. What hangs on a record needs no subject.
_LEFT = {
    "e": {"eventID"},
    "t": {"occurrenceID"},
    "i": {"occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID",
          "verbatimIdentification"},
    "p": {"occurrenceID", "materialEntityID", "accessURI", "contentHash", "format",
          "pixelXDimension", "pixelYDimension"},
    "s": {"occurrenceID", "materialEntityID", "sequenceLength"},
}  # fmt: skip
_SOURCE = f"""
occurrence o
LEFT JOIN event e USING (eventID)
LEFT JOIN ({FIRST_MATERIAL}) t ON t.occurrenceID = o.occurrenceID
LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID
LEFT JOIN ({SEQUENCES}) s ON s.subject = o.occurrenceID AND s.place = 1
LEFT JOIN (
    SELECT coalesce(m.occurrenceID, k.occurrenceID) AS subject,
        -- A region becomes a picture of its own, which tells where it lay in the larger one.
        m.* REPLACE (CASE WHEN m.derivedFromMediaID IS NULL
            AND m.xFrac + m.yFrac + m.widthFrac + m.heightFrac IS NOT NULL
            AND (m.xFrac, m.yFrac, m.widthFrac, m.heightFrac) <> (0, 0, 1, 1)
            THEN m.mediaID || '#whole' ELSE m.derivedFromMediaID END AS derivedFromMediaID),
        coalesce(m.accessURI, larger.accessURI) AS address,
        m.accessURI IS NOT NULL AND m.derivedFromMediaID IS NOT NULL AS derived
    FROM media m LEFT JOIN material k ON k.materialEntityID = m.materialEntityID
    LEFT JOIN media larger ON larger.mediaID = m.derivedFromMediaID
) p ON p.subject = o.occurrenceID
"""

# What is said of a record beside the name that stands. What it rests on is named where it is
# written too; else it hangs on the record.
_HISTORY = f"""
SELECT n.subject, '[' || string_agg(
    -- Merged into nothing, an object loses the keys that are empty.
    CAST(json_merge_patch('{{{{}}}}', to_json(struct_pack({{fields}}))) AS VARCHAR),
    ',' ORDER BY n.identificationID) || ']' AS told
FROM (
    SELECT named.* EXCLUDE (occurrenceID, materialEntityID, nucleotideSequenceID),
        CASE WHEN t.materialEntityID IS NULL AND s.nucleotideSequenceID IS NULL AND
            named.mediaID IS NULL THEN named.subject ELSE named.occurrenceID END AS occurrenceID,
        t.materialEntityID, s.nucleotideSequenceID
    FROM ({NAMED}) named
    LEFT JOIN ({FIRST_MATERIAL}) t ON t.materialEntityID = named.materialEntityID
    LEFT JOIN (SELECT nucleotideSequenceID FROM ({SEQUENCES}) WHERE place = 1) s
        ON s.nucleotideSequenceID = named.nucleotideSequenceID
) n
WHERE n.subject IS NOT NULL AND n.identificationID NOT IN (
    SELECT identificationID FROM determination WHERE identificationID IS NOT NULL)
GROUP BY n.subject
"""


@dataclass(frozen=True)
class Plan:
    """The columns that are written.

    Attributes:
        sql: The query of all rows: what is `BEFORE`, then the columns.
        names: The columns beside those of pictures and labels.
        types: Their types as DuckDB calls them.
        classes: The labels in order; empty where there are none, or too many.
        measured: column -> what was measured and its unit.
        pictures: Whether there are any.
        history: The column of further identifications; "" if there are none.
    """

    sql: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    classes: tuple[str, ...]
    measured: dict[str, tuple[str, str]]
    pictures: bool
    history: str = ""

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.classes)}

    def number_of(self, label: str | None) -> str | None:
        """Return the number of a class, as a text."""
        return None if label is None else str(self._numbers[label])

    def told(self) -> dict[str, str]:
        """Return what is written beside the rows."""
        features: dict[str, dict[str, object]] = {}
        terms = {
            name: name for name in self.names if name not in self.measured and name != self.history
        }
        if "label" in terms:
            terms["label"] = "verbatimIdentification"
        if self.pictures:
            features["image"] = {"_type": "Image"}
        if self.classes:
            features["label"] = {"names": list(self.classes), "_type": "ClassLabel"}
            terms["label"] = "verbatimIdentification"
        for name, kind in zip(self.names, self.types, strict=True):
            features[name] = {"dtype": _TYPES[kind], "_type": "Value"}
        own: dict[str, object] = {"terms": terms, "measured": self.measured}
        if self.history:
            own["history"] = self.history
        return {
            "huggingface": json.dumps({"info": {"features": features}}, ensure_ascii=False),
            OURS: json.dumps(own, ensure_ascii=False),
        }


def plan_of(catalogue: Catalogue) -> Plan:
    """Find the columns of a catalogue that hold anything."""
    listed: dict[str, tuple[str, str]] = {}  # name -> type, SQL
    for letter, table in _TABLES.items():
        for one in TABLES[table].fields:
            if one.name not in _LEFT.get(letter, ()):
                listed.setdefault(one.name, (one.type, f"{letter}.{column(one.name)}"))
    counted = ", ".join(f"count({sql})" for _, sql in listed.values())
    pictures, *found = next(rows(catalogue, f"SELECT count(p.address), {counted} FROM {_SOURCE}"))
    kept = {name: listed[name] for name, number in zip(listed, found, strict=True) if number}
    labels = _labels(catalogue)
    classes = labels if len(labels) <= _CLASSES else ()
    if labels and not classes:
        kept["label"] = ("VARCHAR", "i.verbatimIdentification")
    measured = _measured(
        catalogue, {name.casefold() for name in (*listed, "image", "label", HISTORY)}
    )
    for name, (kind, unit) in measured.items():
        kept[name] = ("VARCHAR", _measurement(kind, unit))
    history = _history(catalogue)
    if history:
        # Once for a record, with the first of its pictures.
        first = "row_number() OVER (PARTITION BY o.occurrenceID ORDER BY p.mediaID) = 1"
        kept[HISTORY] = ("VARCHAR", f"CASE WHEN {first} THEN h.told END")
    label = "i.verbatimIdentification" if classes else "NULL"
    columns = ", ".join(f"{sql} AS {column(name)}" for name, (_, sql) in kept.items())
    sql = (
        f"SELECT {_PART} AS part__, p.address, p.derived, p.xFrac, p.yFrac, p.widthFrac, "
        f"p.heightFrac, {label}, {columns} FROM {_SOURCE} {history} "
        "ORDER BY part__, o.occurrenceID, p.mediaID"
    )
    types = tuple(kind for kind, _ in kept.values())
    return Plan(
        sql, tuple(kept), types, classes, measured, bool(pictures), HISTORY if history else ""
    )


def _history(catalogue: Catalogue) -> str:
    """Return the SQL that joins further identifications, "" where a record has one at most."""
    names = [one.name for one in TABLES["identification"].fields if one.name != "runID"]
    fields = ", ".join(f"{column(name)} := n.{column(name)}" for name in names)
    told = _HISTORY.format(fields=fields)
    found = next(rows(catalogue, f"SELECT count(*) FROM ({told})"))[0]
    return f"LEFT JOIN ({told}) h ON h.subject = o.occurrenceID" if found else ""


def _labels(catalogue: Catalogue) -> tuple[str, ...]:
    found = rows(
        catalogue,
        "SELECT DISTINCT verbatimIdentification FROM determination "
        "WHERE verbatimIdentification IS NOT NULL ORDER BY 1",
    )
    return tuple(str(label) for (label,) in found)


def _measured(catalogue: Catalogue, taken: set[str]) -> dict[str, tuple[str, str]]:
    """Return column -> what was measured on records and its unit."""
    found = rows(
        catalogue,
        "SELECT measurementType, coalesce(measurementUnit, '') FROM measurement "
        "WHERE occurrenceID IS NOT NULL AND measurementType IS NOT NULL AND mediaID IS NULL "
        f"GROUP BY ALL ORDER BY 1, 2 LIMIT {_MEASURED}",
    )
    columns: dict[str, tuple[str, str]] = {}
    for kind, unit in found:
        name = f"{kind} ({unit})" if unit and str(kind) in columns else str(kind)
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        columns[name] = (str(kind), str(unit))
    return columns


def _measurement(kind: str, unit: str) -> str:
    """Return the SQL of what was measured on a record; of several values the first."""
    return (
        "(SELECT min(m.measurementValue) FROM measurement m WHERE m.occurrenceID = o.occurrenceID "
        f"AND m.mediaID IS NULL AND m.measurementType = {literal(kind)} "
        f"AND coalesce(m.measurementUnit, '') = {literal(unit)})"
    )
