"""The rows of a feature table that is text: lines, fields and quotation marks.

Of fields between tabs or blanks none goes over a line, so a sign of inches or a quote that is left
open concerns its own line alone. Between commas a quoted field may hold line breaks; one that is
never closed would take in all rows behind it, and is told.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from merian.errors import FormatError

__all__ = ["fields", "read_rows"]


def read_rows(
    path: Path, stream: IO[str], delimiter: str, line: int, *, by_line: bool
) -> Iterator[tuple[int, list[str]]]:
    """Return the rows with their lines; a quote left open does not take in the rows behind it.

    Args:
        path: The file.
        stream: Its text, from the line below the header.
        delimiter: Between fields.
        line: The number of that line.
        by_line: Whether no field goes over a line.
    """
    if by_line:
        for number, text in enumerate(stream, start=line):
            yield number, fields(text.rstrip("\r\n"), delimiter)
        return
    held: list[str] = []  # the lines of a row
    before, width = 0, 0

    def lines() -> Iterator[str]:
        for text in stream:
            held.append(text)
            yield text

    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        for row in reader:
            if len(held) > 1 and (
                len(row) != (width or len(row))
                or len([*csv.reader(held, delimiter=delimiter, strict=True)]) != 1
            ):
                raise csv.Error
            yield line - 1 + reader.line_num, row
            held.clear()
            before, width = reader.line_num, width or len(row)
    except csv.Error:
        raise FormatError(
            "a quotation mark is opened here and not closed; close it, or take it out",
            path=path,
            line=line + before,
        ) from None


def fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line."""
    if delimiter == "\t" and line.count('"') % 2:  # a sign in a text, such as of inches
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])
