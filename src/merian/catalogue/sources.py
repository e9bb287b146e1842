"""What a format hands to the catalogue: where the rows are and which term each column feeds.

Two kinds. `Delimited` is a table in a text file: DuckDB reads its physical lines and splits
them, so that it is fast, streams whatever the size, and every row knows its line. `Rows` is
anything else, made by Python in chunks (FASTA, folders of pictures, archives).

Both feed staging tables: ``record``, a flat row with the evidence of one specimen, which the
catalogue splits into event, occurrence, material, media, sequence, identification and
measurement; or one of those tables itself, for what there are several of per specimen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Chunk", "Columns", "Delimited", "Reading", "Reject", "Rows", "Source"]


@dataclass(frozen=True)
class Columns:
    """Which terms the columns of a file feed.

    Attributes:
        table: ``record`` or the name of a table of the catalogue.
        terms: term -> SQL expression over the file's columns (``"processid"``,
            ``nullif("class", 'None')``). All columns are text; the catalogue casts.
        each: SQL expression of a list; the row is repeated for each element, as ``item``.
        where: SQL condition that a row must meet to feed this table.
    """

    table: str
    terms: Mapping[str, str]
    each: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class Delimited:
    """A delimited text file.

    Attributes:
        path: The file, gzipped or not.
        delimiter: One character.
        columns: The names of its columns, in order, unique.
        feeds: What its columns feed.
        encoding: ``utf-8-sig`` or ``cp1252`` (see `merian.files.find_encoding`).
        header_lines: Lines before the first row.
        quote: The character around fields that hold a delimiter, or ``""`` for none.
        nulls: Texts that mean "no value" (``None``, ``not_classified``); empty always does.
        padded: Whether a row may have fewer fields than columns (spreadsheets drop empty ends).
        shown: What to call the file where it is named, if ``path`` is an unpacked copy.
    """

    path: Path
    delimiter: str
    columns: Sequence[str]
    feeds: Sequence[Columns]
    encoding: str = "utf-8-sig"
    header_lines: int = 1
    quote: str = '"'
    nulls: Sequence[str] = ()
    padded: bool = False
    shown: Path | None = None

    @property
    def called(self) -> Path:
        """The file as the user knows it."""
        return self.shown or self.path


Chunk = Mapping[str, Sequence[object]]
"""Columns of equal length by term, with the column ``line`` (an int, counted from 1)."""


@dataclass(frozen=True)
class Reject:
    """One thing set aside by a reader, with its place and the reason."""

    path: Path
    line: int | None
    reason: str
    content: str = ""
    term: str | None = None
    scope: str = "row"


@dataclass(frozen=True)
class Rows:
    """Rows made by Python. A chunk holds some ten thousand rows; a `Reject` may stand between."""

    path: Path
    table: str
    chunks: Iterable[Chunk | Reject]

    @property
    def called(self) -> Path:
        """The file as the user knows it."""
        return self.path


Source = Delimited | Rows


@dataclass(frozen=True)
class Reading:
    """What a format found at a path.

    Attributes:
        format: The name of the format.
        sources: Where the rows are.
        inputs: The files that decide the content; their hashes name the run.
        notes: What the user should know (a guessed mapping, columns that feed nothing).
    """

    format: str
    sources: Sequence[Source]
    inputs: Sequence[Path]
    notes: Sequence[str] = field(default_factory=tuple)
