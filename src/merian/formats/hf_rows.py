"""The rows of a Parquet file with pictures in it, as the catalogue takes them.

The columns become texts and are mapped as those of any table; a column of classes becomes their
names first. Pictures are read a few hundred at a time, looked at and let go: a row names the cell
in which its picture lies. A part of the file that is damaged is set aside and the rest is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from merian.catalogue.sources import Chunk, Reject
from merian.containers import member_address
from merian.errors import FormatError
from merian.formats.delimited import column, head_bytes, literal
from merian.formats.hf_features import Features, features_of
from merian.formats.table_mapping import NULLS
from merian.parquet import (
    Column,
    FileStamp,
    RowRange,
    columns_of,
    fetch,
    layout_of,
    new_session,
    run_on,
    scan,
    told_of,
)
from merian.pictures import BadPictureError, facts

__all__ = ["MAGIC", "MeasuredRows", "ParquetTable", "PictureRows", "TableRows", "open_table",
           "quiet_columns", "reason_of"]  # fmt: skip

MAGIC = b"PAR1"
_TEXT = 10_000  # rows that are read at once without pictures
_LOOKED_AT = 256  # and with them
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\(|.*\[\d*\]$", re.DOTALL)
_HOLDS_BYTES = re.compile(r'STRUCT\((?=.*"?\bbytes"? BLOB).*', re.DOTALL)
_LIKE_PICTURE = re.compile(r"\b(image|img|picture|photo|jpe?g|png)s?\b")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")


@dataclass(frozen=True)
class ParquetTable:
    """A file and what is known of its columns.

    Attributes:
        file: It.
        plain: The columns that hold one value a row.
        pictures: Those that hold pictures, by name -> the SQL of their bytes and of their path.
        idle: Those that hold anything else, which is not taken.
        features: What the file tells of them.
        notes: What else its writer noted beside the rows.
    """

    file: Path
    plain: tuple[Column, ...]
    pictures: Mapping[str, tuple[str, str]]
    idle: tuple[str, ...]
    features: Features
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def stamp(self) -> FileStamp:
        """The file as it is now."""
        told = self.file.stat()
        return FileStamp(str(self.file), told.st_size, told.st_mtime_ns)


def reason_of(error: Exception) -> str:
    """Return the first line of what DuckDB says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def quiet_columns(path: Path) -> dict[str, str]:
    """Return the columns of a Parquet file and their types, for sniffing; none for any other."""
    if head_bytes(path, 4) != MAGIC:
        return {}
    try:
        return dict(columns_of(str(path)))
    except duckdb.Error:
        return {}


def open_table(file: Path) -> ParquetTable:
    """Look at the footer of a file.

    Raises:
        FormatError: It is no Parquet file, or damaged.
    """
    with file.open("rb") as stream:
        start = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        end = stream.read(4)
    if start != MAGIC:
        raise FormatError(f"is no Parquet file: begins with {start!r} and not PAR1", path=file)
    if end != MAGIC:
        raise FormatError("is cut short: a Parquet file ends with PAR1; get it again", path=file)
    try:
        columns, notes = columns_of(str(file)), told_of(str(file))
        features = features_of(notes.get("huggingface", ""))
        pictures = {one.name: _cell(one) for one in columns if _holds_pictures(file, one, features)}
    except duckdb.Error as error:
        raise FormatError(f"cannot be read as Parquet ({reason_of(error)})", path=file) from None
    plain = tuple(
        one for one in columns
        if one.name not in pictures and not _NESTED.match(one.kind) and one.kind != "BLOB"
    )  # fmt: skip
    known = {*pictures, *(one.name for one in plain)}
    idle = tuple(one.name for one in columns if one.name not in known)
    return ParquetTable(file, plain, pictures, idle, features, notes)


def _cell(one: Column) -> tuple[str, str]:
    """Return the SQL of the bytes and of the path of a picture."""
    name = column(one.name)
    if one.kind == "BLOB":
        return name, "NULL"
    path = f"{name}.path" if re.search(r'\bpath"? VARCHAR', one.kind) else "NULL"
    return f"{name}.bytes", path


def _holds_pictures(file: Path, one: Column, features: Features) -> bool:
    """Return whether a column holds pictures: as it is said, by its shape, or by its content."""
    if one.kind != "BLOB":
        return bool(_HOLDS_BYTES.fullmatch(one.kind)) and one.name not in features.others
    if one.name in features.pictures:
        return True
    if not _LIKE_PICTURE.search(one.name.lower().replace("_", " ")):
        return False
    rows = fetch(f"SELECT {column(one.name)} FROM {scan(str(file))} LIMIT 20")
    return any(isinstance(cell, bytes) and cell.startswith(_STARTS) for (cell,) in rows)


# -- rows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableRows:
    """Rows of terms, anew each time they are asked for.

    Attributes:
        table: The file.
        terms: term -> SQL over its columns as texts, and ``file_row_number``.
        classes: column -> the names of its classes, which stand in place of the numbers.
    """

    table: ParquetTable
    terms: Mapping[str, str]
    classes: Mapping[str, Sequence[str]]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        for numbers, rows, _ in self.parts((), _TEXT):
            if isinstance(rows, Reject):
                yield rows
            elif rows:
                yield _chunk(("line", *self.terms), zip(numbers, rows, strict=True))

    def parts(
        self, cells: Sequence[str], most: int
    ) -> Iterator[tuple[list[int], list[tuple[Any, ...]] | Reject, list[tuple[Any, ...]]]]:
        """Return lines, values of the terms and cells, a part of the file after the other.

        Args:
            cells: SQL of what is wanted beside the terms, unchanged.
            most: How many rows are read at once.
        """
        plain = [
            one for one in self.table.plain
            if any(column(one.name) in sql for sql in self.terms.values())
        ]  # fmt: skip
        coded = [c.name for c in plain if c.name in self.classes]
        used = tuple(c.name for c in plain) + (tuple(self.table.pictures) if cells else ())
        session = new_session()
        for place, name in enumerate(coded):
            run_on(session, f"SET VARIABLE classes{place} = ?", [list(self.classes[name])])
        try:
            layout = layout_of(self.table.stamp, used)
        except (duckdb.Error, OSError) as error:
            raise FormatError(
                f"cannot be read as Parquet ({reason_of(error)})", path=self.table.file
            ) from None
        row = narrow = 0
        while row < layout.total:
            rows = layout.run(row, most)
            if row < narrow:
                rows = RowRange(row, min(rows.number, layout.end_of_group(row) - row))
            sql = self._sql(plain, coded, cells, scan(str(self.table.file), rows))
            try:
                found = run_on(session, sql)
                told = "the file ends before them"
            except (duckdb.Error, UnicodeDecodeError, ValueError, OverflowError) as error:
                found, told = [], f"damaged: {reason_of(error)}"
            whole = len(found) == rows.number
            if not whole and row + rows.number > layout.end_of_group(row):
                narrow = row + rows.number  # the other groups may be good
                continue
            if found:
                yield from self._apart(found, coded, len(cells))
            row += rows.number
            if not whole:
                # What a group claims may be absurd: no more of it is tried.
                row = layout.end_of_group(row - 1)
                first = rows.first + len(found) + 1
                reason = f"rows {first} to {row} cannot be read: {told}"
                yield [], Reject(self.table.file, first, reason), []

    def _sql(self, plain: list[Column], coded: list[str], cells: Sequence[str], source: str) -> str:
        nulls = ", ".join(literal(text) for text in NULLS)
        texts = []
        for one in plain:
            name = column(one.name)
            if one.name in coded:
                names = f"getvariable('classes{coded.index(one.name)}')"
                number = f"try_cast({name} AS BIGINT)"
                text = f"CASE WHEN {number} >= 0 THEN {names}[{number} + 1] END"
            else:
                text = f"CAST({name} AS VARCHAR)"
                text = f"CASE WHEN {text} NOT IN ({nulls}) THEN {text} END"
            texts.append(f"{text} AS {name}")
        for place, name in enumerate(coded):
            number = f"try_cast({column(name)} AS BIGINT)"
            wrong = f"{number} < -1 OR {number} >= len(getvariable('classes{place}'))"
            texts.append(f"CASE WHEN {wrong} THEN {number} END AS wrong{place}__")
        texts += [f"{cell} AS cell{place}__" for place, cell in enumerate(cells)]
        inner = ", ".join(["file_row_number", *texts])
        outer = [f"CAST(({sql}) AS VARCHAR)" for sql in self.terms.values()]
        outer += [f"wrong{place}__" for place in range(len(coded))]
        outer += [f"cell{place}__" for place in range(len(cells))]
        listed = ", ".join(["file_row_number", *outer])
        return f"SELECT {listed} FROM (SELECT {inner} FROM {source}) ORDER BY 1"

    def _apart(
        self, found: list[tuple[Any, ...]], coded: list[str], cells: int
    ) -> Iterator[tuple[list[int], list[tuple[Any, ...]] | Reject, list[tuple[Any, ...]]]]:
        """Part what was found into lines, terms and cells, and tell of classes without a name."""
        end = 1 + len(self.terms)
        for place, name in enumerate(coded):
            known = len(self.classes[name])
            for values in found:
                number = values[end + place]
                if number is not None:
                    yield [], Reject(
                        self.table.file, values[0] + 1,
                        f"class {number} has no name: {known} are named", str(number), name,
                        "value",
                    ), []  # fmt: skip
        yield (
            [values[0] + 1 for values in found],
            [values[1:end] for values in found],
            [values[len(values) - cells :] for values in found] if cells else [],
        )


def _chunk(names: Sequence[str], rows: Iterator[tuple[int, tuple[Any, ...]]]) -> Chunk:
    columns = zip(*((line, *values) for line, values in rows), strict=True)
    return dict(zip(names, columns, strict=True))


@dataclass(frozen=True)
class MeasuredRows:
    """The columns that no term has a place for, each a measurement of its row.

    Attributes:
        table: The file.
        identifier: SQL of the id of a row's record.
        measured: column -> what was measured, and its unit.
        classes: As in `TableRows`.
    """

    table: ParquetTable
    identifier: str
    measured: Mapping[str, tuple[str, str]]
    classes: Mapping[str, Sequence[str]]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        terms = {"": self.identifier, **{name: column(name) for name in self.measured}}
        names = ("line", "occurrenceID", "measurementType", "measurementUnit", "measurementValue")
        for lines, rows, _ in TableRows(self.table, terms, self.classes).parts((), _TEXT):
            if isinstance(rows, Reject):
                continue  # it was told with the records
            made = [
                (line, (values[0], *told, value))
                for line, values in zip(lines, rows, strict=True)
                for told, value in zip(self.measured.values(), values[1:], strict=True)
                if value is not None
            ]
            for start in range(0, len(made), _TEXT):
                yield _chunk(names, iter(made[start : start + _TEXT]))


_OF_PICTURE = ("accessURI", "contentHash", "format", "pixelXDimension", "pixelYDimension")


@dataclass(frozen=True)
class PictureRows:
    """Rows of terms with a picture each.

    Attributes:
        rows: The terms of the rows.
        picture: The column of the pictures.
        look: Whether each is looked at; else no more is known than where it lies.
        needed: Whether a row without a picture is left out.
    """

    rows: TableRows
    picture: str
    look: bool = True
    needed: bool = False

    def __iter__(self) -> Iterator[Chunk | Reject]:
        cell, path = self.rows.table.pictures[self.picture]
        there = cell if self.look else f"CASE WHEN {cell} IS NULL THEN NULL ELSE ''::BLOB END"
        named = ("mediaRemarks",) if path != "NULL" and self._unnamed else ()
        names = ("line", *self.rows.terms, *_OF_PICTURE, *named)
        for numbers, rows, cells in self.rows.parts((there, path), _LOOKED_AT):
            if isinstance(rows, Reject):
                yield rows
                continue
            made = []
            for line, values, (content, place) in zip(numbers, rows, cells, strict=True):
                told = self._told(line, content, place)
                if isinstance(told, Reject):
                    yield told
                    told = (None,) * len(_OF_PICTURE)
                if told[0] is None and self.needed:
                    continue
                remark = (f"file {place}" if place and content is not None else None,)
                made.append((line, (*values, *told, *(remark if named else ()))))
            if made:
                yield _chunk(names, iter(made))

    @property
    def _unnamed(self) -> bool:
        return "mediaRemarks" not in self.rows.terms

    def _told(
        self, line: int, content: bytes | None, place: str | None
    ) -> tuple[object, ...] | Reject:
        """Return what is known of a picture, or why it is none."""
        file = self.rows.table.file
        if content is None:
            # It lies in a file of its own, whose path is told, or there is none.
            return (self._beside(place), None, None, None, None)
        address = member_address(file, self.picture, line - 1)
        if not self.look:
            return (address, None, None, None, None)
        try:
            told = facts(content)
        except BadPictureError as bad:
            return Reject(file, line, str(bad), address, "accessURI", "value")
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return (address, digest, told.mime, told.width, told.height)

    def _beside(self, place: str | None) -> str | None:
        if not place or "://" in place:
            return place or None
        return (self.rows.table.file.parent / place).as_posix()
