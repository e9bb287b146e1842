"""Lines of text files that may be anything: one without line breaks, or one that unpacks for ever.

Neither may fill the memory, so that a line and a file have a length behind which nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from merian.files import open_text
from merian.formats.delimited import head_bytes

__all__ = ["LONGEST_LINE", "bounded_lines"]

LONGEST_LINE = 1 << 20
"""Characters; what is behind them in a line is left out."""

_MOST_CHARACTERS = 1 << 31  # of one file: none of a laboratory is a hundredth of it


def bounded_lines(
    path: Path, encoding: str | None = None, longest: int = LONGEST_LINE
) -> Iterator[tuple[int, str]]:
    """Return the lines of a text file with their numbers from 1, without what ends them.

    Args:
        path: The file, gzipped or not.
        encoding: As `merian.files.open_text` takes it; found from the first bytes if not given.
        longest: How much of a line is read.
    """
    read = 0
    with open_text(path, encoding or _encoding(path)) as stream:
        number = 0
        while read < _MOST_CHARACTERS:
            line = stream.readline(longest)
            if not line:
                return
            number += 1
            read += len(line)
            rest = line
            while rest and not rest.endswith("\n") and read < _MOST_CHARACTERS:
                rest = stream.readline(longest)
                read += len(rest)
            yield number, line.rstrip("\r\n")


def _encoding(path: Path) -> str:
    """Return the encoding by the first bytes alone: the rest may unpack without end."""
    head = head_bytes(path)
    try:
        head[: head.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"
