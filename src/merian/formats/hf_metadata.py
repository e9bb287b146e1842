"""The table beside the pictures of a folder: CSV, lines of JSON, or Parquet, row by row.

The table may come from anywhere: a picture that it names is looked at only within the folder.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.errors import FormatError, MerianError
from merian.files import open_text
from merian.formats.delimited import column, read_head, rows_behind
from merian.formats.hf_rows import TableRows, open_table
from merian.pictures import BadPictureError, facts
from merian.unpacking import UNREADABLE

__all__ = ["METADATA", "Metadata", "Row", "look_at", "open_metadata"]

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""What such a table is called."""

_PICTURE = ("accessURI", "contentHash", "format", "pixelXDimension", "pixelYDimension")
_FILE, _FILES, _FURTHER = "file_name", "file_names", "_file_name"
_LONGEST = 1 << 20  # characters of a line of JSON
_LOOKED_AT = 1_000  # lines whose keys are the columns
_COLUMNS = 1_000
_PARQUET_ROWS = 2_000


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: Where it stands, counted from 1.
        values: column -> text, of the columns with one value.
        pictures: (column, file) of its pictures.
        remark: What lists and objects hold, as JSON.
    """

    line: int
    values: dict[str, str]
    pictures: tuple[tuple[str, str], ...]
    remark: str = ""


@dataclass(frozen=True)
class Metadata:
    """A table.

    Attributes:
        file: It.
        columns: All of its columns.
        pictures: Those that name files of pictures, the first of a record first.
        several: Whether a record may have further pictures.
    """

    file: Path
    columns: tuple[str, ...]
    pictures: tuple[str, ...]

    @property
    def plain(self) -> tuple[str, ...]:
        """The other columns."""
        return tuple(name for name in self.columns if name not in self.pictures)

    @property
    def several(self) -> bool:
        """Whether a record may have further pictures."""
        return len(self.pictures) > 1 or _FILES in self.pictures

    def rows(self) -> Iterator[Row | Reject]:
        """Return its rows; one that cannot be read is a reject."""
        if self.file.suffix == ".csv":
            return self._of_csv()
        return self._of_lines() if self.file.suffix == ".jsonl" else self._of_parquet()

    def _of_csv(self) -> Iterator[Row | Reject]:
        head = read_head(self.file, ",", '"')
        try:
            with open_text(self.file, head.encoding) as stream:
                lines = rows_behind(stream, head)
                for values in lines:
                    line = head.header_lines + lines.line_num
                    if not values:
                        continue
                    if len(values) != len(head.columns):
                        reason = f"{len(values)} fields, expected {len(head.columns)}"
                        yield Reject(self.file, line, reason, ",".join(values)[:1000])
                        continue
                    yield self._row(line, dict(zip(head.columns, values, strict=True)))
        except (csv.Error, *UNREADABLE) as error:
            yield Reject(self.file, None, f"what follows cannot be read: {error}")

    def _of_lines(self) -> Iterator[Row | Reject]:
        try:
            for line, text in _lines(self.file):
                told = _object(text)
                if isinstance(told, str):
                    yield Reject(self.file, line, told, text[:1000])
                else:
                    yield self._row(line, told)
        except UNREADABLE as error:
            yield Reject(self.file, None, f"what follows cannot be read: {error}")

    def _of_parquet(self) -> Iterator[Row | Reject]:
        table = open_table(self.file)
        known = {one.name for one in table.plain}
        terms = {name: column(name) for name in self.columns if name in known}
        cells = [column(name) for name in self.pictures if name not in known]
        listed = [name for name in self.pictures if name not in known]
        rows = TableRows(table, terms, table.features.classes)
        for lines, found, further in rows.parts(cells, _PARQUET_ROWS):
            if isinstance(found, Reject):
                yield found
                continue
            for place, values in enumerate(found):
                told: dict[str, object] = dict(zip(terms, values, strict=True))
                if listed:
                    told |= dict(zip(listed, further[place], strict=True))
                yield self._row(lines[place], told)

    def _row(self, line: int, told: dict[str, object] | dict[str, str]) -> Row:
        """Return a row: what is a text, what names pictures, and what is neither."""
        pictures: list[tuple[str, str]] = []
        values: dict[str, str] = {}
        rest: dict[str, object] = {}
        for name in self.pictures:
            given = told.get(name)
            files = given if isinstance(given, list) else [given]
            pictures += [(name, str(file)) for file in files if file]
        for name, value in told.items():
            if value is None or name in self.pictures:
                continue
            if isinstance(value, dict | list) or name not in self.columns:
                rest[name] = value
            else:
                values[name] = str(value).lower() if isinstance(value, bool) else str(value)
        remark = json.dumps(rest, ensure_ascii=False) if rest else ""
        return Row(line, values, tuple(pictures), remark)


def open_metadata(file: Path, *, quiet: bool = False) -> Metadata:
    """Look at the columns of a table.

    Args:
        file: It.
        quiet: Whether one that cannot be read has no columns, and is no error.
    """
    try:
        columns = _columns(file)
    except (MerianError, *UNREADABLE) as error:
        if quiet:
            return Metadata(file, (), ())
        if isinstance(error, MerianError):
            raise
        raise FormatError(f"is damaged or cannot be read ({error})", path=file) from None
    first = [name for name in (_FILE, _FILES) if name in columns]
    further = [name for name in columns if name.endswith(_FURTHER)]
    return Metadata(file, columns, (*first, *further))


def look_at(file: Path, root: Path) -> dict[str, object] | str:
    """Return what is known of a picture below a folder, or why it is none."""
    try:
        if not file.resolve().is_relative_to(root.resolve()):
            return "leads out of the folder of the data set"
        if not file.is_file():
            return "is not there"
        content = file.read_bytes()
        told = facts(content)
    except BadPictureError as bad:
        return str(bad)
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, null bytes
        return f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    values = (file.as_posix(), digest, told.mime, told.width, told.height)
    return dict(zip(_PICTURE, values, strict=True))


def _columns(file: Path) -> tuple[str, ...]:
    if file.suffix == ".csv":
        return read_head(file, ",", '"').columns
    if file.suffix == ".parquet":
        table = open_table(file)
        return tuple(one.name for one in table.plain) + tuple(
            name for name in table.idle if name == _FILES
        )
    names: dict[str, None] = {}
    for number, (_, text) in enumerate(_lines(file)):
        told = _object(text)
        if isinstance(told, dict):
            names |= dict.fromkeys(
                name for name, value in told.items()
                if not isinstance(value, dict | list) or name == _FILES
            )  # fmt: skip
        if number >= _LOOKED_AT or len(names) > _COLUMNS:
            break
    # DuckDB does not tell Lat from lat: the first of them is a column.
    unique = {name.casefold(): name for name in reversed(names) if name}
    return tuple(name for name in names if name in set(unique.values()))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Return the lines of a text that are not empty; one that is too long is given in part."""
    with open_text(file) as stream:
        line = 0
        while text := stream.readline(_LONGEST):
            line += 1
            if len(text) == _LONGEST and not text.endswith("\n"):
                while (more := stream.readline(_LONGEST)) and not more.endswith("\n"):
                    pass
            if text.strip("\ufeff \t\r\n\0"):
                yield line, text.strip("\ufeff \t\r\n\0")


def _object(text: str) -> dict[str, object] | str:
    """Return the object of a line of JSON, or what is wrong with it."""
    try:
        told = json.loads(text, parse_int=_whole, parse_constant=str)
    except (ValueError, RecursionError) as error:
        return f"is no JSON ({getattr(error, 'msg', 'too deep or too long')})"
    return told if isinstance(told, dict) else "is JSON, but no object"


def _whole(text: str) -> int | str:
    return int(text) if len(text) < 19 else text
