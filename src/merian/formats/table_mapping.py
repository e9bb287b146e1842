"""Which term each column of a table of unknown columns feeds, as SQL over its columns.

What the user said comes first, then Darwin Core's own names and those that people commonly write.
A genus and an epithet, or year, month and day, are put together. What was said, guessed and left is
kept, so that it can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from merian.catalogue.schema import RANKS, record_terms
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.formats.delimited import Head, binomial, column, literal
from merian.formats.registry import Options
from merian.formats.table_terms import guess, plain, term_named

__all__ = ["NULLS", "TableMapping", "complete_names", "map_columns"]

# What foreign tables write for "no value". Whole fields only. NA, which R writes, is apart: as a
# country code it is Namibia.
NULLS = ("N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "not_classified")
_R_NULL = "NA"
_FOOT = 0.3048
_MEDIA = frozenset({"associatedmedia", "imageurls"})
_NAMED = ("verbatimIdentification", "scientificName", *reversed(RANKS))


@dataclass
class TableMapping:
    """What is known of the columns of one table; filled step by step."""

    head: Head
    terms: dict[str, str] = field(default_factory=dict)  # term -> SQL
    said: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pictures: str | None = None
    columns: dict[str, str] = field(default_factory=dict)  # term -> what it is of

    def take(self, term: str, sql: str, shown: str, said: bool = False) -> bool:
        """Let a column feed a term; False if another does."""
        if term in self.terms:
            return False
        self.terms[term], self.columns[term] = sql, shown
        (self.said if said else self.guessed).append(f"{shown}={term}")
        return True


def _value(name: str) -> str:
    """Return a column as SQL, without R's NA."""
    if guess(name) == "countryCode":
        return column(name)
    return f"nullif({column(name)}, '{_R_NULL}')"


def map_columns(head: Head, options: Options) -> TableMapping:
    """Return which term each column feeds, by what the user says and by the names."""
    mapping = TableMapping(head)
    _take_said(mapping, options.mapping)
    _take_guessed(mapping, {name for name in options.mapping if name in head.columns})
    return mapping


def _take_said(mapping: TableMapping, said: Mapping[str, str]) -> None:
    """Take what the user mapped, and refuse columns and terms that do not exist."""
    names = mapping.head.columns
    known = set(record_terms())
    for name, term in said.items():
        if name not in names:
            raise NotFoundError(
                f"{mapping.head.path}: has no column {name!r}; its columns are "
                f"{', '.join(names)}.{did_you_mean(name, names)}"
            )
        if not term:
            continue
        exact = term if term in known else term_named(term)
        if exact is None:
            raise InputError(
                f"--map {name}={term}: no term is called {term!r}.{did_you_mean(term, known)} "
                "The terms are those of Darwin Core, https://dwc.tdwg.org/list"
            )
        sql = column(name) if exact == "countryCode" else _value(name)
        if not mapping.take(exact, sql, name, said=True):
            raise InputError(f"--map {name}={term}: another column is mapped to {exact!r} already")


def _take_guessed(mapping: TableMapping, said: set[str]) -> None:
    names = {plain(name): name for name in mapping.head.columns if name not in said}
    _take_together(mapping, names)
    for word, name in names.items():
        term = guess(name)
        if word in _MEDIA:
            mapping.pictures = _value(name)
            mapping.guessed.append(f"{name}=accessURI (split at '|')")
        elif term is None or not mapping.take(term, _value(name), name):
            mapping.left.append(name)
    ranks = [rank for rank in RANKS if rank in mapping.terms]
    if ranks == ["class"] and "verbatimIdentification" not in mapping.terms:
        # Alone, "class" is what a data set calls its labels, not the rank.
        mapping.terms["verbatimIdentification"] = mapping.terms.pop("class")
        mapping.guessed = [g.replace("=class", "=verbatimIdentification") for g in mapping.guessed]


def _take_together(mapping: TableMapping, names: dict[str, str]) -> None:
    """Take what stands in several columns, or in another unit."""
    epithet = next((w for w in ("specificepithet", "speciesepithet", "epithet") if w in names), "")
    if "genus" in names and not epithet and _are_epithets(mapping.head, names.get("species")):
        epithet = "species"
    if "genus" in names and epithet:
        first, second = _value(names["genus"]), _value(names[epithet])
        shown = f"{names['genus']} + {names.pop(epithet)}"
        mapping.take("species", f"{first} || ' ' || {second}", shown)
    if {"year", "month", "day"} <= set(names) and "eventDate" not in mapping.terms:
        parts = [names.pop(word) for word in ("year", "month", "day")]
        year, month, day = map(_value, parts)
        sql = (
            f"concat_ws('-', {year}, lpad({month}, 2, '0'), "
            f"CASE WHEN {month} IS NOT NULL THEN lpad({day}, 2, '0') END)"
        )
        mapping.take("eventDate", f"CASE WHEN {year} IS NOT NULL THEN {sql} END", "-".join(parts))
    feet = [w for w in names if w.endswith(("ft", "feet")) and w.startswith(("elev", "depth"))]
    for word in feet:
        kind = "Elevation" if word.startswith("elev") else "Depth"
        name = names.pop(word)
        metres = f"round(try_cast({_value(name)} AS DOUBLE) * {_FOOT}, 1)::VARCHAR"
        sql = f"coalesce({metres}, {_value(name)})"
        mapping.take(f"minimum{kind}InMeters", sql, f"{name} in feet")


def _are_epithets(head: Head, name: str | None) -> bool:
    """Return whether a column called species holds epithets: single words in lower case."""
    if name is None:
        return False
    place = head.columns.index(name)
    nothing = {"", _R_NULL, *NULLS}
    given = [r[place] for r in head.rows if len(r) > place and r[place] not in nothing]
    return bool(given) and all(" " not in text and text[0].islower() for text in given)


def complete_names(terms: dict[str, str], marker: str | None) -> None:
    """Add what follows from the names that the columns hold: the label, who gave it, the gene."""
    label = [terms[term] for term in _NAMED if term in terms]
    if label:
        sql = f"coalesce({', '.join(label)})" if len(label) > 1 else label[0]
        terms.setdefault("verbatimIdentification", sql)
        status = terms.get("identificationVerificationStatus")
        if status:
            machine = f"CASE WHEN {status} ILIKE '%machine%' THEN 'machine' END"
            terms.setdefault("agentType", machine)
    if "scientificName" in terms and "species" not in terms:
        terms["species"] = binomial(terms["scientificName"])
    if "sequence" in terms and marker:
        terms.setdefault("targetGene", literal(marker))
