"""The head and the rows of a table of EcoTaxa, with their lines.

The first line names the columns; in a table that is to be imported the second gives their types,
``[f]`` or ``[t]``. A row may span lines where a quote is open. The bytes are UTF-8 if all of them
can be, else Windows-1252.

Reference: https://ecotaxa.obs-vlfr.fr (the help of its import); RFC 4180 on quotes.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from merian.catalogue.sources import Reject
from merian.errors import FormatError
from merian.formats.ecotaxa_tables import Table

__all__ = ["Head", "read_head", "rows_of"]

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 22  # characters; 500 columns of 250 characters are far fewer
_LONGEST_ROW = 100  # lines; a quote that stays open for longer was never meant as one
_SAMPLE = 100  # rows that are looked at to see how numbers are written
_TYPE = re.compile(r"\[\w*\]")
_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Head:
    """The head of a table.

    Attributes:
        table: The table.
        encoding: As Python calls it.
        marked: Whether it begins with the mark of UTF-8.
        names: The names of its columns as they came.
        columns: The same in small letters, unique, as EcoTaxa knows them.
        types: ``f`` or ``t``, or whatever else stands there, by column; nothing without a line of
            types, which tables to be imported have and most exports have not.
        first: The line of the first row behind names and types.
        comma: Whether its numbers have a decimal comma.
    """

    table: Table
    encoding: str
    marked: bool
    names: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    first: int
    comma: bool


def read_head(table: Table) -> Head:
    """Read the head of a table.

    Raises:
        FormatError: It is empty, damaged, no text, or has no names of columns.
    """
    marked, encoding = _encoding(table)
    with table.open() as stream:
        rows = _logical(stream, encoding, table)
        first = next(rows, None)
        if first is None or isinstance(first, Reject) or not any(map(str.strip, first[1])):
            raise FormatError(
                "has no header; the names of the columns are expected (object_id, "
                "img_file_name ...)",
                path=table.shown, line=1,
            )  # fmt: skip
        names = tuple(name.strip() for name in first[1])
        columns = _unique([name.lower() for name in names])
        sample = [row for _, row in zip(range(_SAMPLE), rows, strict=False)]
    types: tuple[str, ...] = ()
    start = first[0] + 1
    if sample and not isinstance(sample[0], Reject):
        cells = [cell.strip() for cell in sample[0][1]]
        given = [cell for cell in cells if cell]
        if given and all(_TYPE.fullmatch(cell) for cell in given):
            padded = [*cells, *[""] * len(columns)][: len(columns)]
            types, start = tuple(cell.strip("[]") for cell in padded), sample[0][0] + 1
    return Head(
        table, encoding, marked, names, columns, types, start, _has_comma(columns, sample)
    )  # fmt: skip


def rows_of(head: Head) -> Iterator[tuple[int, list[str]] | Reject]:
    """Return the rows behind the head: their lines and their cells, without white space around."""
    with head.table.open() as stream:
        for row in _logical(stream, head.encoding, head.table):
            if isinstance(row, Reject):
                yield row
            elif row[0] >= head.first:
                cells = [cell.strip() for cell in row[1]]
                if any(cells):
                    yield row[0], cells


def _encoding(table: Table) -> tuple[bool, str]:
    """Return whether the mark of UTF-8 stands first, and the encoding: UTF-8 if all of it is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    marked, length, utf8 = None, 0, True
    with table.open() as stream:
        while block := stream.read(_BLOCK):
            if marked is None:
                marked = block.startswith(codecs.BOM_UTF8)
                if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise FormatError(
                        "is UTF-16; save it as text in UTF-8", path=table.shown, line=1
                    )
            # A file that unpacks to one endless line is refused before all of it is unpacked.
            at = max(block.rfind(b"\n"), block.rfind(b"\r"))
            length = length + len(block) if at < 0 else len(block) - at - 1
            if length > _LONGEST_LINE:
                raise _too_long(table, None)
            if utf8:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    utf8 = False
    if marked is None:
        raise FormatError(
            "is empty; the names of the columns are expected", path=table.shown, line=1
        )
    return marked, "utf-8-sig" if utf8 else "cp1252"


def _too_long(table: Table, line: int | None) -> FormatError:
    return FormatError(
        f"a line is longer than {_LONGEST_LINE:,} characters; is it a table?",
        path=table.shown, line=line,
    )  # fmt: skip


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that are unique and not empty."""
    seen: dict[str, None] = {}
    for place, name in enumerate(names, start=1):
        new = name or f"column {place}"
        while new in seen:
            new = f"{new} ({place})"
        seen[new] = None
    return tuple(seen)


def _has_comma(
    columns: Sequence[str], sample: Sequence[tuple[int, list[str]] | Reject]
) -> bool:  # fmt: skip
    """Return whether places or depths are written with a decimal comma, as exports may be."""
    of_places = [
        columns.index(name)
        for name in ("object_lat", "object_lon", "object_depth_min", "object_depth_max")
        if name in columns
    ]
    return any(
        not isinstance(row, Reject) and at < len(row[1]) and _COMMA.fullmatch(row[1][at].strip())
        for row in sample
        for at in of_places
    )


def _logical(
    stream: IO[bytes], encoding: str, table: Table
) -> Iterator[tuple[int, list[str]] | Reject]:
    """Return rows that may span lines: the first line of each, and its cells."""
    with io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="") as text:
        lines = _Lines(text, table)
        while (line := lines.following()) is not None:
            # A quote counts at the beginning of a cell alone, as in Python's csv.
            if '"' in line and (line.startswith('"') or '\t"' in line):
                yield _quoted(line, lines, table)
            else:
                yield lines.number, line.rstrip("\r\n").split("\t")


def _quoted(line: str, lines: _Lines, table: Table) -> tuple[int, list[str]] | Reject:
    start, taken, unclosed = lines.number, [line], False

    def feed() -> Iterator[str]:
        nonlocal unclosed
        yield line
        while len(taken) < _LONGEST_ROW and (more := lines.following()) is not None:
            taken.append(more)
            yield more
        unclosed = True  # more is asked for only where a quote is open

    try:
        cells = next(csv.reader(feed(), delimiter="\t"))
    except (csv.Error, StopIteration):
        unclosed = True
    if unclosed:
        lines.back(taken[1:])
        reason = "a quote opens here and is not closed"
        return Reject(table.shown, start, reason, line.rstrip("\r\n"))
    return start, cells


class _Lines:
    """The lines of a text, which may be given back."""

    def __init__(self, stream: IO[str], table: Table) -> None:
        self._stream, self._table = stream, table
        self._again: list[str] = []
        self.number = 0

    def following(self) -> str | None:
        """Return the next line with its end, or None."""
        line = self._again.pop() if self._again else self._stream.readline(_LONGEST_LINE)
        if len(line) >= _LONGEST_LINE:
            raise _too_long(self._table, self.number + 1)
        self.number += bool(line)
        return line or None

    def back(self, lines: Sequence[str]) -> None:
        """Take lines back, to be returned once more."""
        self._again.extend(reversed(lines))
        self.number -= len(lines)
