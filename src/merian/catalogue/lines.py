"""The physical lines of a delimited text file, and the rows that quotes spread over them.

DuckDB reads the lines of a table as they are, one text each, and splits them itself: that is
several times faster than a full parser, and every row knows its line. It is sure only of plain
files, though, so anything else (gzipped, Windows-1252, or with carriage returns, which real
exports mix with plain line ends) is first copied as UTF-8 with one kind of line end. Lines that
hold a quote are few in most files; they go to Python's csv module, which joins those whose
fields hold line ends. A file that is quoted throughout goes that way too, in bounded memory.

Reference: RFC 4180.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue.sources import Delimited
from merian.errors import FormatError
from merian.files import existing, open_binary

__all__ = ["LONGEST_LINE", "LONGEST_ROW", "PlainFile", "Unreadable", "plain_file", "quoted_rows"]

LONGEST_LINE = 8 << 20
"""Bytes. A chromosome belongs in a FASTA file."""

LONGEST_ROW = 1000
"""Lines that one row may span. A quote that stays open for longer was never meant as one."""

_BLOCK = 1 << 22

# Characters that no table holds; the first that is absent from a file separates nothing in it.
_ABSENT = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x01", b"\x02", b"\x03", b"\x04")


@dataclass(frozen=True)
class PlainFile:
    """A UTF-8 file with plain line ends.

    Attributes:
        path: The file itself or its copy.
        absent: A character that does not occur in it.
        has_quotes: Whether the quote character occurs in it.
    """

    path: Path
    absent: str
    has_quotes: bool


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be split: its first line, the reason and its text."""

    line: int
    reason: str
    content: str


def plain_file(source: Delimited, scratch: Path) -> PlainFile:
    """Return the source as a plain file, copied into the scratch folder if it is not one."""
    path = existing(source.path, "file")
    absent = list(_ABSENT)
    quote = source.quote.encode()
    has_quotes = False
    with path.open("rb") as stream:
        plain = source.encoding in {"utf-8", "utf-8-sig"} and stream.read(2) != b"\x1f\x8b"
    line, length = 1, 0  # of the line that the last block broke off
    with open_binary(path) as stream:
        while block := stream.read(_BLOCK):
            length = _longest(path, line, length, block)
            line += block.count(b"\n")
            plain = plain and b"\r" not in block
            has_quotes = has_quotes or (bool(quote) and quote in block)
            absent = [character for character in absent if character not in block]
    if not absent:
        raise FormatError("expected a text table, found binary content", path=path)
    if not plain:
        path = _copy(source, scratch / "lines.txt")
    return PlainFile(path, absent[0].decode(), has_quotes)


def _longest(path: Path, line: int, length: int, block: bytes) -> int:
    """Return how long the last line is so far; a longer one than DuckDB reads is an error.

    DuckDB would pass over it without a word. Lines within one block are short enough.
    """
    first = block.find(b"\n")
    length += len(block) if first < 0 else first
    if length >= LONGEST_LINE:
        raise FormatError(
            f"a line is longer than {LONGEST_LINE:,} bytes; is it a table?", path=path, line=line
        )
    return length if first < 0 else len(block) - block.rfind(b"\n") - 1


def _copy(source: Delimited, target: Path) -> Path:
    """Copy the text as UTF-8 in which every line ends with a line feed."""
    strict = source.encoding.startswith("utf-8")
    decoder = codecs.getincrementaldecoder(source.encoding)("strict" if strict else "replace")
    carried = ""
    with open_binary(source.path) as stream, target.open("wb") as copy:
        while True:
            block = stream.read(_BLOCK)
            try:
                text = carried + decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise FormatError(
                    f"expected {source.encoding}, found the byte {error.object[error.start]:#04x}",
                    path=source.path,
                ) from None
            # The pair may lie across two blocks.
            carried = "\r" if block and text.endswith("\r") else ""
            text = text.removesuffix(carried).replace("\r\n", "\n").replace("\r", "\n")
            copy.write(text.encode())
            if not block:
                return target


def quoted_rows(
    lines: Iterable[tuple[int, str]],
    between: Callable[[int, int], list[str]],
    delimiter: str,
    quote: str,
) -> Iterator[tuple[int, int, list[str]] | Unreadable]:
    """Return the rows that begin on a line with a quote: first line, last line, fields.

    Args:
        lines: The lines that hold a quote, with their numbers, in order.
        between: Gives the lines from one number to another, both included.
        delimiter: Between fields.
        quote: Around fields.
    """
    csv.field_size_limit(2 * LONGEST_LINE)
    start, open_text = 0, [""]
    waiting: list[tuple[int, str]] = []  # lines to be read again after a quote that never closed
    stream = iter(lines)

    def following() -> tuple[int, str] | None:
        return waiting.pop(0) if waiting else next(stream, None)

    while True:
        item = following()
        if start and (item is None or item[0] - start >= LONGEST_ROW):
            yield Unreadable(start, "a quote opens here and is not closed", open_text[0])
            tail = [(n, t) for n, t in enumerate(open_text, start) if n > start and quote in t]
            waiting = tail + ([item] if item else []) + waiting
            start, open_text = 0, [""]
            continue
        if item is None:
            return
        number, text = item
        if start:
            last = start + len(open_text) - 1
            if number - last > 1:
                open_text += between(last + 1, number - 1)
            open_text.append(text)
        else:
            start, open_text = number, [text]
        fields = _parse(open_text, delimiter, quote)
        if fields is not None:
            yield start, number, fields
            start, open_text = 0, [""]


def _parse(texts: list[str], delimiter: str, quote: str) -> list[str] | None:
    """Split one row; None when a quote is still open at its end."""
    ended = [text + "\n" for text in texts]
    try:
        rows = list(csv.reader(ended, delimiter=delimiter, quotechar=quote, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error) or len(texts) > 1:
            return None
        # A quote closed in the middle of a field: taken as text, as every spreadsheet does.
        rows = list(csv.reader(ended, delimiter=delimiter, quotechar=quote))
    return rows[0] if rows else []
