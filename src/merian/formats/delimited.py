"""What the formats that are tables in text files share: their header, and terms in SQL.

A reader looks at the head of a file (encoding, delimiter, quotes, names of the columns) and says
in SQL which column feeds which term; the rows themselves are read by the catalogue.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from merian.catalogue.sources import Columns, Delimited
from merian.errors import FormatError
from merian.files import find_encoding, new_file, open_binary, open_text
from merian.unpacking import UNREADABLE

if TYPE_CHECKING:
    from _csv import Reader

__all__ = [
    "Head",
    "binomial",
    "column",
    "delimited",
    "first_given",
    "head_bytes",
    "head_text",
    "interval",
    "is_binary",
    "lacking_columns",
    "literal",
    "peek_columns",
    "place_in_words",
    "read_head",
    "rows_behind",
    "tabbed",
    "terms_of",
    "unique_names",
    "write_delimited",
]

_HEAD = 1 << 16
_LONGEST_LINE = 1 << 22
_DELIMITERS = "\t,;|"
# Control characters that no text holds; a file with one of them is something else.
_BINARY = bytes(sorted(set(range(32)) - set(b"\t\n\r\f\x1b")))


@dataclass(frozen=True)
class Head:
    """The head of a delimited file.

    Attributes:
        path: The file.
        encoding: As in `Delimited`.
        delimiter: As in `Delimited`.
        quote: As in `Delimited`.
        header_lines: As in `Delimited`.
        columns: The names of its columns, unique.
        notes: What had to be changed in the header.
        rows: The fields of the first rows, to look at.
    """

    path: Path
    encoding: str
    delimiter: str
    quote: str
    header_lines: int
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def is_binary(block: bytes) -> bool:
    """Return whether bytes hold what no text does."""
    return len(block.translate(None, _BINARY)) < len(block)


def head_bytes(path: Path, size: int = _HEAD) -> bytes:
    """Return the first bytes of a file, unpacked; nothing for what cannot be read."""
    try:
        if not path.is_file():
            return b""
        with open_binary(path) as stream:
            return stream.read(size)
    except UNREADABLE:
        return b""


def head_text(path: Path, size: int = _HEAD) -> str:
    """Return the first characters of a text file; nothing for what is no text."""
    block = head_bytes(path, size)
    if is_binary(block):
        return ""
    try:
        # A character may be cut at the end of the block.
        return io.TextIOWrapper(io.BytesIO(block[:-4] if len(block) == size else block),
                                encoding="utf-8-sig").read()  # fmt: skip
    except UnicodeDecodeError:
        return block.decode("cp1252", errors="replace")


def peek_columns(path: Path, delimiter: str) -> frozenset[str]:
    """Return the names in the first line of a table, for sniffing; empty for anything else."""
    line = head_text(path).split("\n", 1)[0].rstrip("\r")
    return frozenset(name.strip() for name in _split(line, delimiter, '"'))


def lacking_columns(path: Path, delimiter: str, sure: Collection[str]) -> str:
    """Return which columns a table lacks that has half of those that make it out, or ""."""
    if not path.is_file():
        return ""
    here = peek_columns(path, delimiter)
    missing = [name for name in sorted(sure) if name not in here]
    if not missing or 2 * len(missing) > len(sure):
        return ""
    return f"has no column{'s' * (len(missing) > 1)} {', '.join(missing)}"


def read_head(path: Path, delimiter: str = "", quote: str | None = None) -> Head:
    """Read the head of a delimited file.

    Args:
        path: The file, gzipped or not.
        delimiter: One character; found from the first lines if empty.
        quote: The character around fields, or ``""`` for none; found if not given.

    Raises:
        FormatError: If the file is empty, damaged, or no text.
    """
    if path.is_dir():
        raise FormatError("is a folder; a table in a text file is expected", path=path)
    try:
        _refuse_binary(path)
        encoding = find_encoding(path)
        with open_text(path, encoding) as stream:
            lines = [stream.readline(_LONGEST_LINE) for _ in range(200)]
    except UNREADABLE as error:
        raise FormatError(
            f"the compressed file is damaged or cut short ({error}); get a fresh copy", path=path
        ) from None
    lines = [line.rstrip("\r\n") for line in lines if line]
    start = next((i for i, s in enumerate(lines) if s.strip() and not s.startswith("#")), None)
    if start is None:
        raise FormatError("is empty; a header with the names of the columns is expected", path=path)
    header, sample = lines[start], lines[start + 1 :]
    delimiter = delimiter or max(_DELIMITERS, key=lambda d: len(_split(header, d, '"')))
    if quote is None:
        quote = _find_quote(header, sample, delimiter)
    names, notes = _unique(_split(header, delimiter, quote))
    rows = tuple(tuple(_split(line, delimiter, quote)) for line in sample if line)
    return Head(path, encoding, delimiter, quote, start + 1, names, notes, rows)


def rows_behind(
    stream: IO[str], head: Head, lines: int | None = None, *, strict: bool = False
) -> Reader:
    """Return the rows of a table by the marks of its head, without those that stand before them.

    Args:
        stream: The table, from its beginning.
        head: Of the table.
        lines: How many are passed over; those of the head if not given.
        strict: Whether a quote that is wrong is an error of csv.
    """
    for _ in range(head.header_lines if lines is None else lines):
        stream.readline()
    return csv.reader(
        stream,
        delimiter=head.delimiter,
        quotechar=head.quote or None,
        quoting=csv.QUOTE_MINIMAL if head.quote else csv.QUOTE_NONE,
        strict=strict,
    )


def _refuse_binary(path: Path) -> None:
    block = head_bytes(path)
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FormatError(
            "is UTF-16 (Excel's 'Unicode text'); save it as 'CSV UTF-8'", path=path, line=1
        )
    if block.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise FormatError("is a workbook or a zip; save the sheet as 'CSV UTF-8'", path=path)
    if is_binary(block):
        raise FormatError("is no text; a table in a text file is expected", path=path)


def _split(line: str, delimiter: str, quote: str) -> list[str]:
    if not quote or quote not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [""])
    except csv.Error:
        return line.split(delimiter)


def _find_quote(header: str, sample: Iterable[str], delimiter: str) -> str:
    """Return the quote of a table.

    In a CSV it is the double quote. In a tab-separated file a double quote is mostly an inch or
    a nickname; it is a quote only where whole fields stand in a pair of them.
    """
    if delimiter != "\t":
        return '"'
    quoted = plain = 0
    for line in (header, *sample):
        for text in line.split("\t"):
            if '"' in text:
                inside = text[1:-1].replace('""', "")
                whole = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in inside
                quoted, plain = quoted + whole, plain + (not whole)
    return '"' if quoted > plain else ""


def _unique(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names that are unique and not empty, and what was changed."""
    given = [name.strip().strip("\ufeff") for name in names]
    unique, notes = unique_names(given), []
    for place, (name, new) in enumerate(zip(given, unique, strict=True), start=1):
        if name and new != name:
            notes.append(f"column {place} is a second {name!r}; it is called {new!r}")
    return unique, tuple(notes)


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names for columns that DuckDB tells apart, which takes Species for species."""
    unique: list[str] = []
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        new = name or f"column {place}"
        while new.casefold() in seen:
            new = f"{new} ({place})"
        seen.add(new.casefold())
        unique.append(new)
    return tuple(unique)


def column(name: str) -> str:
    """Return a column as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_given(names: Iterable[str], present: Iterable[str]) -> str | None:
    """Return SQL for the first of these columns that holds something, among those present."""
    there = set(present)
    found = [column(name) for name in names if name in there]
    if len(found) < 2:
        return found[0] if found else None
    return f"coalesce({', '.join(found)})"


def terms_of(
    head: Head, plain: Mapping[str, str], computed: Mapping[str, str | None]
) -> dict[str, str]:
    """Return term -> SQL: the plain columns that are there, and what is computed from columns.

    Args:
        head: The file.
        plain: column -> term.
        computed: term -> SQL, or None where its columns are missing.
    """
    terms = {term: column(name) for name, term in plain.items() if name in head.columns}
    return terms | {term: sql for term, sql in computed.items() if sql is not None}


def delimited(
    head: Head, feeds: Sequence[Columns], nulls: Sequence[str] = (), padded: bool = False
) -> Delimited:
    """Return the source for a file whose head was read."""
    return Delimited(
        path=head.path,
        delimiter=head.delimiter,
        columns=head.columns,
        feeds=feeds,
        encoding=head.encoding,
        header_lines=head.header_lines,
        quote=head.quote,
        nulls=nulls,
        padded=padded,
    )


def write_delimited(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str,
    show: Callable[[object], str] = lambda value: "" if value is None else str(value),
) -> int:
    """Write a table, complete or not at all, and return the number of rows.

    A tab-separated file has no quotes, so a tab or a line break inside a field becomes a space.
    """
    count = 0
    with new_file(path, text=True) as stream:
        write_rows = _tabbed(stream) if delimiter == "\t" else _quoted(stream, delimiter)
        write_rows([columns])
        for row in rows:
            write_rows([[show(value) for value in row]])
            count += 1
    return count


def _tabbed(stream: IO[str]) -> Callable[[Iterable[Sequence[str]]], None]:
    def write(rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            stream.write(tabbed(row))

    return write


def tabbed(row: Iterable[str]) -> str:
    """Return a line of a tab-separated file, which has no quotes."""
    fields = "\t".join([field.replace("\t", " ") for field in row])
    return fields.replace("\r", " ").replace("\n", " ") + "\n"


def _quoted(stream: IO[str], delimiter: str) -> Callable[[Iterable[Sequence[str]]], None]:
    return csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows


def interval(present: Iterable[str], start: str, end: str) -> str | None:
    """Return SQL for an ISO 8601 date or interval from two columns."""
    there = set(present)
    if start not in there or end not in there:
        return column(start) if start in there else None
    first, last = column(start), column(end)
    return (
        f"CASE WHEN {last} IS NULL OR {last} = {first} THEN {first} "
        f"WHEN {first} IS NULL THEN {last} ELSE {first} || '/' || {last} END"
    )


def binomial(name: str) -> str:
    """Return SQL of a name if it is a plain binomial, else NULL: ``Aus sp`` is none."""
    return (
        f"CASE WHEN regexp_full_match({name}, '[A-Z][a-z-]+ [a-z][a-z-]+') AND NOT "
        f"regexp_matches({name}, ' (sp|spp|cf|aff|nr|gen|indet|species|larva|juv)$') "
        f"THEN {name} END"
    )


def place_in_words(present: Iterable[str], names: Sequence[str]) -> str | None:
    """Return SQL for a locality put together from columns, without empty ones."""
    found = [column(name) for name in names if name in set(present)]
    return f"nullif(concat_ws(', ', {', '.join(found)}), '')" if found else None
