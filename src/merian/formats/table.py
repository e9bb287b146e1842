"""Any table in a text file, with a mapping of its columns to terms.

CSV or TSV (also ``;`` and ``|``), gzipped or not, with one line of names at the top; lines before
it that begin with ``#`` are passed over. A column is mapped by the user (``--map column=term``),
by its Darwin Core name, or by a name that people commonly write for it; what was mapped, guessed
and left is shown. ``--map column=`` leaves a column out.

A genus and a specific epithet are put together; so are year, month and day; feet become metres;
several pictures in one field are split at ``|``. A path of a picture begins in the folder that the
user names, or else in that of the table, where such files lie. A table of events or of measurements
feeds that table. Without a column of ids a row is called ``file:line``.

The terms are those of the catalogue's tables: https://dwc.tdwg.org/terms/ and
https://dwc.tdwg.org/dp/.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merian.catalogue.schema import RANKS, TABLES, record_terms
from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError, InputError, NotFoundError, did_you_mean
from merian.files import existing, write_text
from merian.formats.delimited import (
    Head,
    binomial,
    column,
    delimited,
    head_text,
    literal,
    read_head,
)
from merian.formats.registry import Format, Options
from merian.formats.table_terms import guess, plain, term_named

__all__ = ["FORMAT"]

# What foreign tables write for "no value". Whole fields only. NA, which R writes, is apart: as a
# country code it is Namibia.
_NULLS = ("N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "not_classified")
_R_NULL = "NA"
_FOOT = 0.3048
_MEDIA = frozenset({"associatedmedia", "imageurls"})
_NAMED = ("verbatimIdentification", "scientificName", *reversed(RANKS))


@dataclass
class _Mapping:
    """What is known of the columns of one table; filled step by step."""

    head: Head
    terms: dict[str, str] = field(default_factory=dict)  # term -> SQL
    said: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pictures: str | None = None
    columns: dict[str, str] = field(default_factory=dict)  # term -> what it is of

    def take(self, term: str, sql: str, shown: str, said: bool = False) -> bool:
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


def _sniff(path: Path) -> int:
    """Return 2 for a table with columns that are known, 1 for any other table."""
    if not path.is_file():
        return 0
    text = head_text(path)
    if not text.strip() or text[0] in "{[<>@":
        return 0
    try:
        head = read_head(path)
    except (FormatError, OSError):
        return 0
    if len(head.columns) < 2 or not head.rows:
        return 0
    even = sum(len(row) == len(head.columns) for row in head.rows[:-1] or head.rows)
    if 2 * even < len(head.rows):
        return 0
    return 2 if sum(guess(name) is not None for name in head.columns) > 1 else 1


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "table")
    head = read_head(path, options.extra.get("delimiter", ""))
    mapping = _Mapping(head)
    _take_said(mapping, options.mapping)
    _take_guessed(mapping, {name for name in options.mapping if name in head.columns})
    table = _table(mapping)
    notes = [*head.notes]
    if table == "record":
        _complete(mapping, options, notes)
    if not mapping.terms:
        raise FormatError(
            f"none of its columns is known ({', '.join(head.columns[:12])}); say what they are "
            "with --map column=term",
            path=path,
            line=head.header_lines,
        )
    feeds = [Columns(table, mapping.terms)]
    if mapping.pictures and "occurrenceID" in mapping.terms:
        feeds.append(_pictures(mapping.pictures, mapping.terms["occurrenceID"]))
    padded = options.extra.get("padded", "") in {"yes", "true", "1"}
    source = delimited(head, feeds, _NULLS, padded)
    return Reading("table", (source,), (path,), (*_tell(mapping, table), *notes))


def _take_said(mapping: _Mapping, said: Mapping[str, str]) -> None:
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


def _take_guessed(mapping: _Mapping, said: set[str]) -> None:
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


def _take_together(mapping: _Mapping, names: dict[str, str]) -> None:
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
    nothing = {"", _R_NULL, *_NULLS}
    given = [r[place] for r in head.rows if len(r) > place and r[place] not in nothing]
    return bool(given) and all(" " not in text and text[0].islower() for text in given)


def _table(mapping: _Mapping) -> str:
    """Return the table that the columns feed: an event's or a measurement's own, or a record."""
    terms = set(mapping.terms)
    if "measurementType" in terms and terms <= set(TABLES["measurement"].columns):
        return "measurement"
    about = terms - {"occurrenceID", "datasetName"}
    if "eventID" in terms and "occurrenceID" not in terms and about <= set(TABLES["event"].columns):
        mapping.terms.pop("datasetName", None)
        return "event"
    return "record"


def _complete(mapping: _Mapping, options: Options, notes: list[str]) -> None:
    """Add what a record needs and the columns do not hold."""
    terms = mapping.terms
    if "occurrenceID" not in terms:
        other = next((t for t in ("materialEntityID", "catalogNumber") if t in terms), None)
        if other:
            terms["occurrenceID"] = terms[other]
            notes.append(f"{other} is also taken as the id of a record")
        else:
            name = mapping.head.path.name.removesuffix(".gz").rsplit(".", 1)[0]
            terms["occurrenceID"] = f"{literal(name + ':')} || line__"
            notes.append(f"no column of ids: rows are called {name}:LINE")
    if "minimumElevationInMeters" in terms:
        terms.setdefault("maximumElevationInMeters", terms["minimumElevationInMeters"])
    if "minimumDepthInMeters" in terms:
        terms.setdefault("maximumDepthInMeters", terms["minimumDepthInMeters"])
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
    if "sequence" in terms and options.marker:
        terms.setdefault("targetGene", literal(options.marker))
    if "accessURI" in terms:
        folder = _folder_of(mapping, options.images)
        if folder is not None:
            terms["accessURI"] = _placed(terms["accessURI"], folder)


def _folder_of(mapping: _Mapping, images: Path | None) -> Path | None:
    """Return where paths of pictures begin: as the user says, or else beside the table.

    None where none of those at its head lies there, and they are kept as they stand.
    """
    if images is not None:
        return existing(images, "folder of pictures").absolute()
    folder = mapping.head.path.absolute().parent
    place = mapping.head.columns.index(mapping.columns["accessURI"])
    given = [row[place] for row in mapping.head.rows if len(row) > place and row[place]]
    there = any(os.path.isfile(folder / text) for text in given)  # noqa: PTH113 - never raises
    return folder if there else None


def _placed(sql: str, folder: Path) -> str:
    """Return paths below a folder; whole ones and those of the web stay as they are."""
    whole = f"regexp_matches({sql}, '^(/|[A-Za-z]:[/\\\\]|[A-Za-z][A-Za-z0-9+.-]*://)')"
    return f"CASE WHEN {whole} THEN {sql} ELSE {literal(folder.as_posix() + '/')} || {sql} END"


def _pictures(pictures: str, identifier: str) -> Columns:
    parts = f"string_split({pictures}, '|')"
    return Columns(
        "media",
        {"occurrenceID": identifier, "accessURI": f"nullif(trim({parts}[item]), '')"},
        each=f"range(1, 1 + coalesce(len({parts}), 0))",
        where=f"{pictures} IS NOT NULL",
    )


def _tell(mapping: _Mapping, table: str) -> list[str]:
    """Say what was made of the columns."""
    kind = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
    notes = [f"{len(mapping.head.columns)} columns parted by {kind[mapping.head.delimiter]}"]
    if mapping.said:
        notes.append(f"mapped: {', '.join(mapping.said)}")
    if mapping.guessed:
        notes.append(f"guessed: {', '.join(mapping.guessed)}")
    if mapping.left:
        notes.append(f"ignored (give --map column=term to keep one): {', '.join(mapping.left)}")
    if table != "record":
        notes.append(f"the rows are {table}s, not specimens")
    return notes


def _fake(folder: Path, seed: int) -> Path:
    """Write a table with the habits of spreadsheets: odd names, two name columns, NA."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    lines = ["Specimen ID;Genus;specific epithet;Lattitude;Lon;Year;Month;Day;BIN;shelf"]
    for number in range(25):
        genus, epithet = chance.choice((("Aedes", "aegypti"), ("Apis", "mellifera"), ("Vespa", "")))
        place = f"{chance.uniform(-60, 60):.4f};{chance.uniform(-170, 170):.4f}"
        if number == 3:
            place = "NA;NA"
        lines.append(
            f"SPEC-{seed}-{number:03d};{genus};{epithet};{place};"
            f"{2000 + number % 20};{1 + number % 12};{1 + number};"
            f"BOLD:AAA{1000 + number % 7};A{number}"
        )
    path = folder / f"specimens{seed}.csv"
    write_text(path, "\n".join(lines) + "\n")
    return path


FORMAT = Format(
    name="table",
    title="Any CSV or TSV with a mapping of its columns",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    tested_on="BAGS Palaemonidae, Naturalis NLVRT, IFCB tables for OBIS, Pacific Northwest Moths, "
    "Tanytarsus of BOLD as Darwin Core tables",
)
