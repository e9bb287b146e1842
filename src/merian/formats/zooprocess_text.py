"""The text that ZooProcess (.pid) and ZooImage (.zim) write: sections, then a table.

::

    PID                             ZI1 in a .zim
    [Sample]
    SampleId= apero2023_st20_n7     lines without = are kept under the name of their section
    Latitude= 48.2584
    [Data]
    !Item;Label;Area;...            with tabs in a .zim
    1;apero2023_st20_n7_1;1031;...

A section may come twice. In a .pid places are degrees and minutes, ``48.2584`` for 48° 25.84', and
west is positive; 99999 and 9999 stand for no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merian.catalogue.sources import Reject

__all__ = ["NOTHING", "Item", "Statement", "Text", "degrees", "first", "items", "read_text", "when"]

NOTHING = frozenset({"99999", "9999", "999999", "nan", "na", ""})
_MOST_STATEMENTS = 20_000
_MOST_COLUMNS = 1_000
_WHOLE = re.compile(r"\d{1,9}(?:\.0*)?")


@dataclass(frozen=True)
class Statement:
    """A line of a section: its place, key and value."""

    line: int
    section: str
    key: str
    value: str


@dataclass(frozen=True)
class Item:
    """A row of the table.

    Attributes:
        line: Its line.
        number: Of the object in its scan.
        label: Of the scan.
        values: Column and value.
    """

    line: int
    number: int
    label: str
    values: Mapping[str, str]


@dataclass
class Text:
    """What stands before the rows.

    Attributes:
        statements: The lines of the sections.
        columns: The names of the columns; none if there is no table.
        delimiter: Between fields.
        line: Of the header of the table.
    """

    statements: list[Statement] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    delimiter: str = ";"
    line: int = 0


def read_text(lines: Iterator[tuple[int, str]]) -> Text:
    """Read the sections and the header of the table, and stop there."""
    found, section = Text(), ""
    for number, line in lines:
        told = line.strip()
        if re.match(r"!Item\s*[;\t]", line):
            found.delimiter = ";" if ";" in line else "\t"
            found.columns, found.line = header(line.lstrip("!"), found.delimiter), number
            return found
        if told.startswith("[") and told.endswith("]"):
            section = told[1:-1].strip()
        elif told and section and len(found.statements) < _MOST_STATEMENTS:
            key, sign, value = told.partition("=")
            place = (key.strip(), value.strip()) if sign and key.strip() else ("", told)
            found.statements.append(Statement(number, section, *place))
    return found


def header(line: str, delimiter: str) -> tuple[str, ...]:
    """Return the names of the columns; one that was there before gets its place."""
    names: dict[str, None] = {}
    for place, name in enumerate(line.rstrip().split(delimiter)[:_MOST_COLUMNS], 1):
        told = name.strip() or f"column {place}"
        names[told if told not in names else f"{told} ({place})"] = None
    return tuple(names)


def items(
    path: Path, lines: Iterable[tuple[int, str]], columns: tuple[str, ...], delimiter: str
) -> Iterator[Item | Reject]:
    """Read the rows of a table whose first columns are the number and the label."""
    seen: set[tuple[str, int]] = set()
    for line, text in lines:
        if not text.strip():
            continue
        fields = [one.strip() for one in text.rstrip().split(delimiter)]
        found = _item(line, fields, columns)
        if isinstance(found, Item) and (found.label, found.number) in seen:
            found = f"object {found.number} was there before"
        if isinstance(found, str):
            yield Reject(path, line, found, text)
            continue
        seen.add((found.label, found.number))
        yield found


def _item(line: int, fields: list[str], columns: tuple[str, ...]) -> Item | str:
    if len(fields) != len(columns):
        return f"has {len(fields)} fields, and the header {len(columns)}"
    if not _WHOLE.fullmatch(fields[0]):
        return f"no number of an object: {fields[0][:40]!r}"
    if not fields[1]:
        return "has no label"
    return Item(line, int(float(fields[0])), fields[1], dict(zip(columns, fields, strict=True)))


def first(statements: Iterable[Statement], section: str) -> dict[str, Statement]:
    """Return the first statement of each key of a section that says something, in lower case."""
    found: dict[str, Statement] = {}
    for one in statements:
        if one.section == section and one.key and one.value.lower() not in NOTHING:
            found.setdefault(one.key.lower(), one)
    return found


def degrees(text: str, most: int) -> float | None:
    """Return degrees and minutes (48.2584 for 48° 25.84') as degrees; None if they are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    whole = math.trunc(value)
    minutes = abs(value - whole) * 100
    found = math.copysign(abs(whole) + minutes / 60, value)
    # A minute too many by rounding alone is none too many.
    return round(found, 6) if minutes < 60 - 1e-9 and abs(found) <= most else None


def when(text: str) -> str:
    """Return 20230614-2251 as ISO 8601; anything else as it is."""
    found = re.fullmatch(r"(\d{4})(\d{2})(\d{2})[-_](\d{2})(\d{2})", text)
    return "{}-{}-{}T{}:{}".format(*found.groups()) if found else text
