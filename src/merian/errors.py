"""Every error that Merian raises on purpose.

The tree::

    MerianError
    ├── InputError            what the user gave cannot be used
    │   ├── NotFoundError     a path, format, column or name that is not there
    │   └── FormatError       a file that is not what it claims, with file, line and column
    ├── CatalogueError        the catalogue is missing, locked, or from another version
    └── MissingExtraError     an optional package is needed; names the extra that brings it

The text says what was found, where, what was expected and what to do next. The command line
prints it in one line, without a traceback, and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "CatalogueError",
    "FormatError",
    "InputError",
    "MerianError",
    "MissingExtraError",
    "NotFoundError",
    "did_you_mean",
]


class MerianError(Exception):
    """The root of the tree. Catch this to catch all that Merian raises on purpose."""


class InputError(MerianError):
    """What the user gave cannot be used as it is."""


class NotFoundError(InputError):
    """A path, format, column or name that is not there."""


class FormatError(InputError):
    """A file that is not what it claims to be.

    Args:
        message: What was found and what was expected.
        path: The file.
        line: Its line, counted from 1.
        column: The column's name, or its number counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        column: int | str | None = None,
    ) -> None:
        place = "" if path is None else str(path)
        place += "" if line is None else f":{line}"
        place += "" if column is None else f":{column}"
        super().__init__(f"{place}: {message}" if place else message)
        self.path, self.line, self.column = path, line, column


class CatalogueError(MerianError):
    """The catalogue is missing, locked by another process, or from another version."""


class MissingExtraError(MerianError):
    """An optional package is needed for this.

    Args:
        what: What the user asked for, as the subject of a sentence.
        extra: The extra in ``pip install "merian[extra]"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an extra: pip install "merian[{extra}]"')
        self.extra = extra


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> str:
    """Return `` Did you mean ...?`` with the closest of the known words, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=limit, cutoff=0.5)
    return f" Did you mean {' or '.join(close)}?" if close else ""
