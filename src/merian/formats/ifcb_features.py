"""IFCB features: what was measured on the pictures of a bin, a CSV a bin.

``D20220522T003051_IFCB134_fea_v2.csv`` (or v4), of ifcb-analysis or ifcb-features, with a row a
region and some 240 columns: ``roi_number``, then ``Area``, ``Biovolume``, ``MajorAxisLength`` ...
in pixels (cubic pixels for volumes), then texture and shape (``Wedge01``, ``HOG01`` ...). A folder
with such files below it is read too. Where the name tells no bin, ``--set bin=`` does.

Every value is a measurement of the occurrence ``<bin>_<number of the trigger>`` of the format ifcb:
import the bins first. ``--set columns=Area,Biovolume`` takes these columns alone. NaN is no value.

Reference: Sosik and Olson 2007, doi:10.4319/lom.2007.5.204; https://github.com/WHOIGit/ifcb-features
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError, NotFoundError, did_you_mean
from merian.files import existing
from merian.formats.bounded_lines import bounded_lines
from merian.formats.delimited import peek_columns, write_delimited
from merian.formats.folders import visible_files
from merian.formats.ifcb_bins import BinName, bin_of
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked
from merian.unpacking import UNREADABLE

__all__ = ["FORMAT"]

_ENDING = re.compile(r"_fea_?v\d+\.csv(\.gz)?", re.IGNORECASE)
_NUMBER = "roi_number"
_LOOKED_AT = 5_000
_ORDER = 1 << 24
_MOST_COLUMNS = 2_000
_LONGEST_LINE = 1 << 16
_NONE = frozenset({"", "nan", "na"})


def _is_of_features(path: Path) -> bool:
    name = bin_of(path.name)
    return name is not None and bool(_ENDING.fullmatch(path.name[len(name.text) :]))


def _sniff(path: Path) -> int:
    try:
        if path.is_file():
            return 3 if _is_of_features(path) and _NUMBER in peek_columns(path, ",") else 0
        files = [*islice(visible_files(path), _LOOKED_AT)] if path.is_dir() else []
    except OSError:
        return 0
    share = sum(map(_is_of_features, files)) / max(len(files), 1)
    return 3 if share >= 0.5 else 2 if share else 0


def _lacks(path: Path) -> str:
    if not path.is_file() or bin_of(path.name) is None or "_fea" not in path.name:
        return ""
    return "" if _NUMBER in peek_columns(path, ",") else f"has no column {_NUMBER}"


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "table of features or folder of them").absolute()
    files = _files(path, options)
    wanted = [name.strip() for name in options.extra.get("columns", "").split(",") if name.strip()]
    names = _header(files[0][1])
    missing = [name for name in wanted if name not in names]
    if missing:
        raise NotFoundError(
            f"{files[0][1]}: has no column {missing[0]!r}." + did_you_mean(missing[0], names)
        )
    notes = [f"tables of features: {len(files)}"]
    if wanted:
        left = len(names) - 1 - len({*wanted} - {_NUMBER})
        notes.append(f"columns that were not asked for: {left}")
    sources = [
        Rows(path, "record", _Files(files, _regions, wanted, tell=True)),
        Rows(path, "measurement", _Files(files, _measured, wanted)),
    ]
    return Reading("ifcb-features", sources, [file for _, file in files], notes)


def _files(path: Path, options: Options) -> list[tuple[BinName, Path]]:
    if path.is_file():
        told = options.extra.get("bin", "") or path.name
        name = bin_of(told)
        if name is None:
            raise FormatError(
                f"{told!r} tells no bin; rename the file to <bin>_fea_v2.csv or give "
                "--set bin=D20220522T000439_IFCB134",
                path=path,
            )
        return [(name, path)]
    files = [(bin_of(file.name), file) for file in visible_files(path) if _is_of_features(file)]
    found = [(name, file) for name, file in files if name is not None]
    if not found:
        raise FormatError(
            "holds no features; files called as D20220522T003051_IFCB134_fea_v2.csv are expected",
            path=path,
        )
    return found


def _header(path: Path) -> list[str]:
    """Return the names of the columns.

    Raises:
        FormatError: If this is no table of features.
    """
    try:
        _, line = next(bounded_lines(path, longest=_LONGEST_LINE), (0, ""))
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None
    names = _split(line)
    if _NUMBER not in names:
        raise FormatError(f"has no column {_NUMBER}, which a table of features has",
                          path=path, line=1)  # fmt: skip
    if len(names) > _MOST_COLUMNS or len(set(names)) < len(names):
        raise FormatError("names a column twice, or more columns than there are features",
                          path=path, line=1)  # fmt: skip
    return names


def _split(line: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line]), [])]
    except csv.Error:
        return [field.strip() for field in line.split(",")]


@dataclass(frozen=True)
class _Region:
    """A row of a table.

    Attributes:
        name: The bin.
        line: Of the row.
        number: Of the region.
        values: Column and value, without what is none.
    """

    name: BinName
    line: int
    number: int
    values: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class _Files:
    """The rows of one table of the catalogue, anew each time they are asked for.

    Attributes:
        files: All files with their bins.
        rows: What a region gives to the table.
        wanted: The columns that are taken; all if there are none.
        tell: Whether to tell what is wrong; one of the tables does.
    """

    files: list[tuple[BinName, Path]]
    rows: Callable[[_Region], Iterator[Row]]
    wanted: list[str]
    tell: bool = False

    def __iter__(self) -> Iterator[Chunk | Reject]:
        yield from chunked(self._all())

    def _all(self) -> Iterator[Row | Reject]:
        for place, (name, file) in enumerate(self.files):
            for region in self._regions(name, file):
                if isinstance(region, Reject):
                    if self.tell:
                        yield region
                    continue
                line = region.line + place * _ORDER
                yield from ({**row, "line": line} for row in self.rows(region))

    def _regions(self, name: BinName, file: Path) -> Iterator[_Region | Reject]:
        try:
            names = _header(file)
            seen: set[int] = set()
            for line, text in bounded_lines(file, longest=_LONGEST_LINE):
                if line > 1 and text.strip():
                    yield self._region(name, file, line, text, names, seen)
        except FormatError as error:
            yield Reject(file, error.line, str(error).removeprefix(f"{file}:1: "))
        except UNREADABLE as error:
            yield Reject(file, None, f"is damaged or cannot be read ({error})")

    def _region(
        self, name: BinName, file: Path, line: int, text: str, names: list[str], seen: set[int]
    ) -> _Region | Reject:
        fields = _split(text)
        if len(fields) != len(names):
            reason = f"has {len(fields)} fields, and the header {len(names)}"
            return Reject(file, line, reason, text)
        told = fields[names.index(_NUMBER)]
        if not re.fullmatch(r"0*[1-9]\d{0,6}(\.0*)?", told):
            return Reject(file, line, f"no number of a region: {told[:40]!r}", text, _NUMBER)
        number = int(told.split(".")[0])
        if number in seen:
            return Reject(file, line, f"region {number} was there before", text, _NUMBER)
        seen.add(number)
        values = [
            (column, value)
            for column, value in zip(names, fields, strict=True)
            if column != _NUMBER
            and value.lower() not in _NONE
            and (not self.wanted or column in self.wanted)
        ]
        return _Region(name, line, number, values)


def _regions(region: _Region) -> Iterator[Row]:
    yield {
        "occurrenceID": region.name.region(region.number),
        "basisOfRecord": "MachineObservation",
        **region.name.event(),
    }


def _measured(region: _Region) -> Iterator[Row]:
    occurrence = region.name.region(region.number)
    for column, value in region.values:
        yield {"occurrenceID": occurrence, "measurementType": column, "measurementValue": value}


def _fake(folder: Path, seed: int) -> Path:
    """Write a table with a region that is not measured whole, one twice and a line cut short."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    names = [_NUMBER, "Area", "Biovolume", "Eccentricity", "HOG01"]
    rows: list[list[object]] = [
        [number, chance.randrange(900, 9000), f"{chance.random() * 1e5:.4f}",
         f"{chance.random():.8f}", "NaN"]
        for number in (2, 3, 5, 5)
    ]  # fmt: skip
    path = folder / f"D2022052{1 + seed % 9}T003051_IFCB134_fea_v2.csv"
    write_delimited(path, names, [*rows, [8, 700]], ",")
    return path


FORMAT = Format(
    name="ifcb-features",
    title="IFCB: features of the pictures of a bin (_fea_v2.csv, _fea_v4.csv)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="iRfcb's features of a bin of IFCB134 (2 regions, 239 features)",
)
