"""What a person asks for in the field of the desk, as conditions in SQL with bound values.

Words are separated by blanks, and all of them have to hold::

    family:Apidae          a term and what it is; * stands for anything: locality:*forest*
    p<0.8  eventDate>=2019 compared, as numbers or as texts
    -country:Chad          not so
    habitat:none           without a value
    state:open             open, accepted, look again, dismissed, or reviewed
    clash:yes              where voices contradict each other
    within:47,5,55,15      between degrees south, west, north and east
    "some words"           a bare word is looked for in names and in the record's id

Any term of the catalogue's tables may be asked for, and any kind of measurement (bodyLength>5).
Nothing that is typed becomes a part of the SQL: terms are looked up, and values are bound.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from merian.catalogue.schema import RANKS, TABLES, quoted
from merian.errors import InputError, did_you_mean

__all__ = ["Condition", "condition_of", "within", "without", "words_of"]

_OWN = {
    "record": "record", "id": "record", "name": "scientificName", "rank": "taxonRank",
    "p": "probability", "by": "identifiedBy", "state": "state", "date": "eventDate",
    "country": "country", "locality": "locality", "latitude": "decimalLatitude",
    "longitude": "decimalLongitude", "dataset": "datasetName", "cluster": "clusterCode",
    "bin": "taxonConceptID", "evidence": "identificationType", "agent": "agentType",
    "human": "human", "machine": "machine", "picture": "picture", "barcode": "barcode",
    "pictures": "pictures", "outlier": "outlier", "clash": "clash", "sequenced": "sequenced",
    **{rank: rank for rank in RANKS},
}  # fmt: skip
_COLUMNS = {name.lower(): column for name, column in _OWN.items()} | {
    column.lower(): column
    for column in ("scientificName", "taxonRank", "identificationQualifier", "agentType",
                   "identifiedBy", "dateIdentified", "probability", "identificationType",
                   "taxonConceptID", "eventDate", "decimalLatitude", "decimalLongitude",
                   "datasetName", "clusterCode")
}  # fmt: skip
_NUMBERS = {"probability", "decimalLatitude", "decimalLongitude", "pictures", "outlier"}
# Where a term of a table stands, and how a row of it is one of a record.
_REACHED = {
    "event": "SELECT o.occurrenceID FROM main.occurrence o JOIN main.event x USING (eventID)",
    "occurrence": "SELECT x.occurrenceID FROM main.occurrence x",
    "material": "SELECT x.occurrenceID FROM main.material x",
    "media": "SELECT coalesce(x.occurrenceID, t.occurrenceID, x.mediaID) FROM main.media x "
             "LEFT JOIN main.material t ON t.materialEntityID = x.materialEntityID",
    "sequence": "SELECT coalesce(x.occurrenceID, t.occurrenceID, x.nucleotideSequenceID) "
                "FROM main.sequence x "
                "LEFT JOIN main.material t ON t.materialEntityID = x.materialEntityID",
    "identification": "SELECT s.record FROM main.identification x "
                      "JOIN desk.main.said s USING (identificationID)",
    "measurement": "SELECT coalesce(x.occurrenceID, m.occurrenceID, t.occurrenceID, x.mediaID) "
                   "FROM main.measurement x LEFT JOIN main.media m ON m.mediaID = x.mediaID "
                   "LEFT JOIN main.material t ON t.materialEntityID = x.materialEntityID",
}  # fmt: skip
_PIECE = re.compile(r'(-?)(?:([\w.]+)(:|<=|>=|<|>|=))?("(?:[^"]*)"|[^\s"]+)')
_QUOTED = re.compile(r"[\s:<>=]|^-")
_MOST = 500


@dataclass(frozen=True)
class Condition:
    """A condition on rows of the board, and the values that are bound to it."""

    sql: str = "true"
    values: tuple[object, ...] = ()

    def __and__(self, other: Condition) -> Condition:
        if self.sql == "true":
            return other
        if other.sql == "true":
            return self
        return Condition(f"{self.sql} AND {other.sql}", (*self.values, *other.values))


def words_of(text: str) -> list[tuple[bool, str, str, str]]:
    """Return the words of a question: whether it is denied, the term, the comparison, the value."""
    if len(text) > _MOST:
        raise InputError(f"a question of {len(text):,} letters; {_MOST} at most")
    found, end = [], 0
    for match in _PIECE.finditer(text):
        if text[end : match.start()].strip():
            break
        end = match.end()
        denied, term, sign, value = match.groups()
        found.append((bool(denied), term or "", sign or "", value.strip('"')))
    if text[end:].strip():
        raise InputError(f"{text[end:].strip()[:40]!r}: a quotation mark has no partner")
    return found


def condition_of(text: str, measured: Collection[str] = ()) -> Condition:
    """Return what a question asks for.

    Args:
        text: As it was typed.
        measured: The kinds of measurements that the catalogue holds.
    """
    whole = Condition()
    for denied, term, sign, value in words_of(text):
        one = _condition(term, sign, value, measured)
        whole &= Condition(f"NOT coalesce({one.sql}, false)", one.values) if denied else one
    return whole


def _condition(term: str, sign: str, value: str, measured: Collection[str]) -> Condition:
    if not term:
        pattern = f"%{_escaped(value)}%"
        columns = ("record", "scientificName", "human", "machine", "locality")
        sql = " OR ".join(rf"{column} ILIKE ? ESCAPE '\'" for column in columns)
        return Condition(f"({sql})", (pattern,) * len(columns))
    lower = term.lower()
    if lower == "state" and value.lower() == "reviewed":
        return Condition("state <> 'open'")
    if lower == "within":
        return _within(value)
    if lower == "clash" and value.lower() in ("yes", "no"):
        return Condition(f"clash IS {'NOT ' if value.lower() == 'yes' else ''}NULL")
    if lower in _COLUMNS:
        column = _COLUMNS[lower]
        return _compared(quoted(column), sign, value, column in _NUMBERS)
    for name, table in TABLES.items():
        field = next((f for f in table.fields if f.name.lower() == lower), None)
        if field is not None:
            one = _compared(
                f"x.{quoted(field.name)}", sign, value, field.type in ("DOUBLE", "BIGINT")
            )
            return Condition(f"record IN ({_REACHED[name]} WHERE {one.sql})", one.values)
    kind = next((one for one in measured if one.lower() == lower), None)
    if kind is not None:
        one = _compared("x.measurementValueNumeric", sign, value, number=True)
        return Condition(
            f"record IN ({_REACHED['measurement']} WHERE x.measurementType = ? AND {one.sql})",
            (kind, *one.values),
        )
    known = [
        *_OWN,
        "within",
        *(f.name for table in TABLES.values() for f in table.fields),
        *measured,
    ]
    raise InputError(f"{term}: is no term of the catalogue.{did_you_mean(term, known)}")


def _within(value: str) -> Condition:
    """Return a box on the map; one that ends west of where it begins crosses the date line."""
    try:
        south, west, north, east = (float(one) for one in value.split(","))
    except ValueError:
        south = west = north = east = math.nan
    if not (-90 <= south <= north <= 90 and abs(west) <= 180 and abs(east) <= 180):
        raise InputError(
            f"within:{value[:60]}: expected degrees south,west,north,east as in within:47,5,55,15"
        )
    both = "AND" if west <= east else "OR"
    return Condition(
        "(decimalLatitude BETWEEN ? AND ? "
        f"AND (decimalLongitude >= ? {both} decimalLongitude <= ?))",
        (south, north, west, east),
    )


def within(text: str) -> list[str]:
    """Return south, west, north and east of the box that a question asks for; nothing for none."""
    boxes = [value for denied, term, _, value in words_of(text)
             if term.lower() == "within" and not denied]  # fmt: skip
    sides = boxes[-1].split(",") if boxes else []
    return sides if len(sides) == 4 else []


def without(term: str, text: str) -> str:
    """Return a question without the words of a term."""
    kept = []
    for denied, own, sign, value in words_of(text):
        if own.lower() != term:
            # What would be read otherwise without them keeps its quotation marks.
            told = f'"{value}"' if not value or _QUOTED.search(value) else value
            kept.append(f"{'-' if denied else ''}{own}{sign}{told}")
    return " ".join(kept)


def _compared(column: str, sign: str, value: str, number: bool) -> Condition:
    """Return a comparison of a column; equality of texts is blind to case."""
    if value.lower() == "none" and sign in (":", "="):
        return Condition(f"{column} IS NULL")
    if number:
        try:
            found = float(value)
        except ValueError:
            raise InputError(f"{value!r}: a number is expected after {sign}") from None
        return Condition(f"{column} {'=' if sign == ':' else sign} ?", (found,))
    text = f"CAST({column} AS VARCHAR)"
    if sign in ("<", ">", "<=", ">="):
        return Condition(f"{text} {sign} ?", (value,))
    pattern = _escaped(value).replace("*", "%")
    return Condition(rf"{text} ILIKE ? ESCAPE '\'", (pattern,))


def _escaped(text: str) -> str:
    """Return a text in which nothing but our star stands for something else."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
