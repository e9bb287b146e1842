"""JSON files of any size, one element of their lists at a time.

A file of annotations is one object with a few long lists (``images``, ``annotations``), or one
list. Taken whole it needs some ten times its size in memory; here only one element of a list is
held, and a window of text around it. Every element comes with its line.

A file comes from a stranger: an element may not be larger than 64 MB, nor nested without bound.
Reference: RFC 8259 (JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from merian.errors import FormatError
from merian.files import open_text
from merian.formats.delimited import head_text
from merian.unpacking import UNREADABLE

__all__ = ["Member", "broken_json", "first_object", "lacking_members", "members"]

_BLOCK = 1 << 20
_LARGEST = 1 << 26
_LOOKED_AT = 1 << 24  # bytes of a file that is only looked at
_SLACK = 12  # of characters: a fault this near to the end of the window may be its end
_NOT_BLANK = re.compile(r"[^ \t\r\n]")


class Member(NamedTuple):
    """What stands under a key of the object that a file is, or an element of the list there.

    Attributes:
        key: The key; "" in a file that is a list.
        line: Where it begins, counted from 1. In a file of one line: its place in its list.
        place: Its place in its list, counted from 1; 0 for what is in no list.
        value: What it is.
    """

    key: str
    line: int
    place: int
    value: object


def members(path: Path) -> Iterator[Member]:
    """Return what a file holds, in its order.

    Raises:
        FormatError: If it is no JSON, cut short, or not an object or a list.
    """
    one_line = "\n" not in head_text(path).strip()
    try:
        with open_text(path) as stream:
            for key, line, place, value in _walk(_Window(stream, path)):
                yield Member(key, place or 1 if one_line else line, place, value)
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None


def first_object(text: str, start: str) -> object:
    """Return the first element behind a text in the head of a file; None if it is not whole."""
    at = text.find(start)
    if at < 0:
        return None
    begin = _NOT_BLANK.search(text, at + len(start))
    try:
        return _DECODER.raw_decode(text, begin.start())[0] if begin else None
    except (ValueError, RecursionError):
        return None


def lacking_members(path: Path, needed: Sequence[str], otherwise: str) -> str:
    """Return which members the object in a file lacks, or has only as an empty list.

    Args:
        path: Any file.
        needed: The members that the objects of a format have.
        otherwise: What is said where all are there and the format does not know the file.

    Returns:
        Words that follow "but it"; "" for what is no object, or is broken.
    """
    if not head_text(path).lstrip(_BLANK).startswith("{"):
        return ""
    try:
        if path.stat().st_size > _LOOKED_AT:
            return ""
        here = {member.key for member in members(path)}
    except (FormatError, OSError):
        return ""
    missing = [name for name in needed if name not in here]
    return "has no " + ", no ".join(missing) if missing else otherwise


def broken_json(path: Path) -> str:
    """Return what is wrong with a file that should be JSON by its name, or begins as it does."""
    begins = head_text(path).lstrip(_BLANK)[:1] in {"{", "["}
    if path.suffix.lower() != ".json" or not path.is_file():
        return ""
    if not begins:
        return "It is no JSON, as its name says: that begins with { or [. "
    try:
        if path.stat().st_size <= _LOOKED_AT:
            for _ in members(path):
                pass
    except (FormatError, OSError) as error:
        return f"As JSON it is broken ({error}). "
    return ""


_BLANK = "\ufeff \t\r\n"
_DECODER = json.JSONDecoder()


class _Window:
    """The text of a file around the place that is read."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self.stream, self.path = stream, path
        self.text, self.at, self.ended = "", 0, False
        self._line, self._counted = 1, 0

    @property
    def line(self) -> int:
        """The line of the place that is read."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def fail(self, found: str) -> FormatError:
        return FormatError(
            f"{found}; JSON is expected. Get a fresh copy, or check it with a JSON validator",
            path=self.path,
            line=self.line,
        )

    def more(self) -> None:
        """Read on; what was passed is forgotten."""
        _ = self.line  # counts the lines of what is forgotten
        block = self.stream.read(max(_BLOCK, len(self.text) - self.at))
        self.ended = not block
        self.text, self.at, self._counted = self.text[self.at :] + block, 0, 0

    def peek(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            found = _NOT_BLANK.search(self.text, self.at)
            if found:
                self.at = found.start()
                return found[0]
            self.at = len(self.text)
            if self.ended:
                return ""
            self.more()

    def take(self, wanted: str) -> str:
        """Pass over one of these characters and return it."""
        found = self.peek()
        if not found:
            raise self.fail("is cut short")
        if found not in wanted:
            raise self.fail(f"found {found!r} where {' or '.join(wanted)} is expected")
        self.at += 1
        return found

    def value(self) -> object:
        """Return the value that begins here and pass over it."""
        if not self.peek():
            raise self.fail("is cut short")
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                raise self.fail("is nested too deeply") from None
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self.text) - _SLACK or error.msg.startswith("Unterminated")
                if not cut or self.ended:
                    self.at = min(error.pos, len(self.text))
                    raise self.fail(
                        "is cut short" if cut else f"is no JSON ({error.msg})"
                    ) from None
            except ValueError as error:  # a number of thousands of digits
                raise self.fail(f"holds a value that is none ({str(error)[:60]})") from None
            else:
                # A number that ends with the window may go on behind it.
                if end < len(self.text) - _SLACK or self.ended:
                    self.at = end
                    return value
            if len(self.text) - self.at > _LARGEST:
                raise self.fail("holds an element that is larger than 64 MB")
            self.more()


def _walk(window: _Window) -> Iterator[tuple[str, int, int, object]]:
    if window.take("{[") == "[":
        yield from _elements(window, "")
    elif window.peek() == "}":
        window.take("}")
    else:
        while True:
            if window.peek() != '"':
                window.take('"')
            key = str(window.value())
            window.take(":")
            if window.peek() == "[":
                window.take("[")
                yield from _elements(window, key)
            else:
                line = window.line
                yield key, line, 0, window.value()
            if window.take(",}") == "}":
                break
    if window.peek():
        raise window.fail("has more behind its end")


def _elements(window: _Window, key: str) -> Iterator[tuple[str, int, int, object]]:
    if window.peek() == "]":
        window.take("]")
        return
    place = 0
    while True:
        window.peek()
        place += 1
        line = window.line
        yield key, line, place, window.value()
        if window.take(",]") == "]":
            return
