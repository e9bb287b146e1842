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
from pathlib import Path

from merian.catalogue.schema import TABLES
from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError
from merian.files import existing, write_text
from merian.formats.delimited import (
    delimited,
    head_text,
    literal,
    read_head,
)
from merian.formats.registry import Format, Options
from merian.formats.table_mapping import NULLS, TableMapping, complete_names, map_columns
from merian.formats.table_terms import guess

__all__ = ["FORMAT"]

_NAMED = 60  # columns that a note names; a damaged file has thousands


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
    mapping = map_columns(head, options)
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
    source = delimited(head, feeds, NULLS, padded)
    return Reading("table", (source,), (path,), (*_tell(mapping, table), *notes))


def _table(mapping: TableMapping) -> str:
    """Return the table that the columns feed: an event's or a measurement's own, or a record."""
    terms = set(mapping.terms)
    if "measurementType" in terms and terms <= set(TABLES["measurement"].columns):
        return "measurement"
    about = terms - {"occurrenceID", "datasetName"}
    if "eventID" in terms and "occurrenceID" not in terms and about <= set(TABLES["event"].columns):
        mapping.terms.pop("datasetName", None)
        return "event"
    return "record"


def _complete(mapping: TableMapping, options: Options, notes: list[str]) -> None:
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
    complete_names(terms, options.marker)
    if "accessURI" in terms:
        folder = _folder_of(mapping, options.images)
        if folder is not None:
            terms["accessURI"] = _placed(terms["accessURI"], folder)


def _folder_of(mapping: TableMapping, images: Path | None) -> Path | None:
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


def _tell(mapping: TableMapping, table: str) -> list[str]:
    """Say what was made of the columns."""
    kind = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
    notes = [f"{len(mapping.head.columns)} columns parted by {kind[mapping.head.delimiter]}"]
    if mapping.said:
        notes.append(f"mapped: {', '.join(mapping.said)}")
    if mapping.guessed:
        notes.append(f"guessed: {', '.join(mapping.guessed)}")
    if mapping.left:
        left = ", ".join(mapping.left[:_NAMED])
        more = f" and {len(mapping.left) - _NAMED:,} more" if len(mapping.left) > _NAMED else ""
        notes.append(f"ignored (give --map column=term to keep one): {left}{more}")
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
