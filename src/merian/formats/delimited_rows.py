"""The rows of a table once more, in Python, for what SQL cannot work out of them.

A format that feeds the catalogue from a table by SQL sometimes needs a second look: at the
outline in a field, at the picture that a field names. The rows are the same, and under the same
lines, as those that the catalogue takes: a quote that is left open costs its own line and not those
behind it. Rows that do not fit the header are passed over here, since the catalogue tells them.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence

from merian.catalogue.lines import LONGEST_LINE, LONGEST_ROW
from merian.errors import FormatError
from merian.files import open_text
from merian.formats.delimited import Head
from merian.unpacking import UNREADABLE

__all__ = ["rows_of"]

_MOST_AGAIN = 1 << 26  # characters that are looked at again behind quotes which never close


def rows_of(
    head: Head, columns: Sequence[str], nulls: Sequence[str] = (), *, padded: bool = False
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Return the line and some fields of each row that fits the header.

    Args:
        head: Of the table.
        columns: Which fields; of a column that the table lacks they are empty.
        nulls: Texts that stand for an empty field.
        padded: Whether a row may have fewer fields than columns.
    """
    places = [head.columns.index(c) if c in head.columns else -1 for c in columns]
    width, nothing = len(head.columns), frozenset(nulls)
    for line, fields in _fields(head):
        if len(fields) > width or (len(fields) < width and not padded):
            continue
        found = (fields[p].strip(" ") if 0 <= p < len(fields) else "" for p in places)
        yield line, tuple("" if text in nothing else text for text in found)


def _fields(head: Head) -> Iterator[tuple[int, list[str]]]:
    """Return the fields of each row, with the line on which it begins."""
    left = _MOST_AGAIN
    waiting: deque[tuple[int, str]] = deque()
    lines = _lines(head)

    def following() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (item := following()) is not None:
        number, text = item
        if not text.strip(" "):
            continue
        if not head.quote or head.quote not in text:
            yield number, text.split(head.delimiter)
            continue
        held, fields = [text], _split(head, [text])
        while fields is None and len(held) < LONGEST_ROW and (more := following()):
            held.append(more[1])
            if head.quote in more[1]:
                fields = _split(head, held)
        if fields is not None:
            yield number, fields
            continue
        left -= sum(map(len, held))
        if left > 0:  # it never closes: what stands behind it are rows of their own
            waiting.extendleft(reversed([*enumerate(held[1:], number + 1)]))


def _split(head: Head, texts: Sequence[str]) -> list[str] | None:
    """Split one row; None while a quote is open at its end."""
    csv.field_size_limit(2 * LONGEST_LINE)
    ended = [text + "\n" for text in texts]
    options = {"delimiter": head.delimiter, "quotechar": head.quote}
    try:
        return next(csv.reader(ended, strict=True, **options), [])  # type: ignore[arg-type]
    except csv.Error as error:
        if "unexpected end" in str(error) or len(texts) > 1:
            return None
        return next(csv.reader(ended, **options), [])  # type: ignore[arg-type]


def _lines(head: Head) -> Iterator[tuple[int, str]]:
    """Return the lines behind the header with their numbers, without what ends them."""
    try:
        with open_text(head.path, head.encoding) as stream:
            stream.reconfigure(newline=None)
            for number, text in enumerate(_bounded(stream), start=1):
                if number > head.header_lines:
                    yield number, text
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=head.path) from None


def _bounded(stream: io.TextIOWrapper) -> Iterator[str]:
    """Return lines; of one that is too long for the catalogue nothing is read any more."""
    while text := stream.readline(LONGEST_LINE):
        if len(text) == LONGEST_LINE and not text.endswith("\n"):
            return
        yield text.removesuffix("\n")
