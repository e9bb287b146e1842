"""ZooProcess: scans of a ZooScan with the objects that were found in them.

Read are ``<scan>_dat1.pid`` (sections, then a row an object; see `zooprocess_text`),
``<scan>_meas.txt`` (the rows alone, with tabs), ``zooscan_sample_header_table.csv`` and
``zooscan_scan_header_table.csv`` (a row a sample or scan, with ``;``), and a folder with any of
them below it. Of a scan that has both, the .pid is read and the _meas.txt is not.

A sample is an event and a scan of a fraction of it is one within it, which repeats its place and
date. All that sections and tables state are measurements of these events. An object is an
occurrence, ``<scan>_<item>`` as in EcoTaxa, and a region of the scan; its columns are measurements,
in pixels where ``Measures_unit`` says so. A picture of an object, ``<scan>_<item>.jpg`` beside the
.pid, is a picture of its own. Pixels of a millimetre are those of ``Resolution``, in dots an inch,
unless ``PixSize``, in mm, says otherwise by more than 2 %: then neither is believed.

Latitude and longitude are degrees and minutes (48.2584 is 48° 25.84'), and west is positive, as
ZooProcess asks for. ``Zmin`` and ``Zmax`` are the depth, ``Vol`` the water that was filtered, in
m3.

Reference: Gorsky et al. 2010, doi:10.1093/plankt/fbp124; ZooProcess manual, Villefranche
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.bounded_lines import bounded_lines
from merian.formats.delimited import head_text, peek_columns
from merian.formats.folders import visible_files
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked
from merian.formats.zooprocess_fake import fake_project
from merian.formats.zooprocess_regions import region, scale, size_of
from merian.formats.zooprocess_text import (
    NOTHING,
    Item,
    Statement,
    Text,
    degrees,
    first,
    header,
    items,
    read_text,
    when,
)
from merian.unpacking import UNREADABLE

__all__ = ["FORMAT"]

_LOOKED_AT = 5_000
_LONGEST_LINE = 1 << 14
_ORDER = 1 << 24
_TABLES = {"zooscan_sample_header_table.csv": ("sampleid", "Sample"),
           "zooscan_scan_header_table.csv": ("scanid", "Scan")}  # fmt: skip
_UNITS = {"vol": "m3", "zmin": "m", "zmax": "m", "netmesh": "um", "netsurf": "m2",
          "pixsize": "mm", "resolution": "dpi"}  # fmt: skip


def _kind(path: Path) -> str:
    """Return which of the files it is by its name and first bytes: pid, meas, table or ""."""
    name = path.name.lower()
    if name.endswith(".pid"):
        return "pid" if head_text(path, 256).startswith("PID") else ""
    if name.endswith("_meas.txt"):
        return "meas" if {"Label", "Area", "BX", "BY"} <= peek_columns(path, "\t") else ""
    key = _TABLES.get(name)
    return "table" if key and key[0] in peek_columns(path, ";") else ""


def _sniff(path: Path) -> int:
    try:
        if path.is_file():
            return 3 if _kind(path) else 0
        files = [*islice(visible_files(path), _LOOKED_AT)] if path.is_dir() else []
        found = [file for file in files if _kind(file)]
        near = any(len(file.relative_to(path).parts) <= 2 for file in found)
    except OSError:
        return 0
    return 3 if near else 2 if found else 0


def _lacks(path: Path) -> str:
    if not path.is_file() or path.suffix.lower() != ".pid" or _kind(path):
        return ""
    return "does not begin with PID"


@dataclass(frozen=True)
class _Source:
    """One of the files."""

    path: Path
    kind: str

    @property
    def scan(self) -> str:
        """The scan by the name of the file."""
        return re.sub(r"(_dat1)?\.pid$|_meas\.txt$", "", self.path.name, flags=re.IGNORECASE)


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "file or project of ZooProcess").absolute()
    files = [path] if path.is_file() else [*visible_files(path)]
    found = [_Source(file, kind) for file in files if (kind := _kind(file))]
    if path.is_file() and not found:
        raise FormatError(
            "is no .pid that begins with PID, no _meas.txt and no header table of ZooScan",
            path=path,
        )
    if not found:
        raise FormatError("holds no .pid, no _meas.txt and no header table of ZooScan", path=path)
    scans = {one.scan for one in found if one.kind == "pid"}
    kept = [one for one in found if one.kind != "meas" or one.scan not in scans]
    notes = [f"files of ZooProcess: {len(kept)}"]
    if len(kept) < len(found):
        notes.append(f"_meas.txt of scans that have a .pid are not read: {len(found) - len(kept)}")
    if len(files) > len(found):
        notes.append(f"files that are none of these: {len(files) - len(found)}")
    tables: tuple[tuple[str, Callable[[_Source], Iterator[Row | Reject]]], ...] = (
        ("event", _events), ("media", _scans), ("record", _objects), ("media", _vignettes),
        ("measurement", _measurements),
    )  # fmt: skip
    sources = [Rows(path, table, _Files(kept, rows)) for table, rows in tables]
    return Reading("zooprocess", sources, [one.path for one in kept], notes)


@dataclass(frozen=True)
class _Files:
    """The rows of one table, anew each time they are asked for."""

    files: list[_Source]
    rows: Callable[[_Source], Iterator[Row | Reject]]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        yield from chunked(self._all())

    def _all(self) -> Iterator[Row | Reject]:
        for place, one in enumerate(self.files):
            try:
                for row in self.rows(one):
                    if isinstance(row, Reject):
                        yield row
                    else:
                        yield {**row, "line": int(str(row["line"])) + place * _ORDER}
            except UNREADABLE as error:
                yield Reject(one.path, None, f"is damaged or cannot be read ({error})")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return bounded_lines(path, longest=_LONGEST_LINE)


def _opened(one: _Source) -> tuple[Text, Iterator[Item | Reject]]:
    """Return what stands before the rows of a .pid or _meas.txt, and its rows."""
    lines = _lines(one.path)
    if one.kind == "pid":
        text = read_text(lines)
    else:
        _, line = next(lines, (0, ""))
        text = Text(columns=header("Item" + line.lstrip(" \ufeff"), "\t"), delimiter="\t", line=1)
    if not text.columns:
        return text, iter(())
    return text, items(one.path, lines, text.columns, text.delimiter)


# -- events -------------------------------------------------------------------------------------


def _events(one: _Source) -> Iterator[Row | Reject]:
    if one.kind == "table":
        for told in _table_rows(one.path):
            if isinstance(told, Reject):
                yield told
            else:
                yield from _sample(one.path, told[1], told[2])
        return
    text, rows = _opened(one)
    if one.kind == "pid" and not text.columns:
        yield Reject(one.path, None, "has no table of objects: no line begins with !Item")
    sample = first(text.statements, "Sample")
    event = dict[str, object]()
    for row in _sample(one.path, None, sample):
        if isinstance(row, Reject):
            yield row
        else:
            event = dict(row)
            yield row
    for label in dict.fromkeys(row.label for row in rows if isinstance(row, Item)):
        parent = event.get("eventID")
        yield {**event, "line": text.line, "eventID": label, "parentEventID": parent,
               "eventType": "scan"}  # fmt: skip


def _table_rows(path: Path) -> Iterator[tuple[str, int, dict[str, Statement]] | Reject]:
    """Return the rows of a header table: id, line, and what the row says."""
    key, section = _TABLES[path.name.lower()]
    names: list[str] = []
    for line, text in _lines(path):
        if not text.strip():
            continue
        read = next(csv.reader([text.replace("\0", "")], delimiter=";"), [])
        fields = [one.strip() for one in read]
        if not names:
            names = [name.lower().lstrip("\ufeff") for name in fields]
            continue
        row = dict(zip(names, fields, strict=False))
        if len(fields) != len(names) or not row.get(key):
            why = f"has {len(fields)} fields, and the header {len(names)}"
            reason = why if len(fields) != len(names) else f"has no {key}"
            yield Reject(path, line, reason, text)
            continue
        told = {name: Statement(line, section, name, value) for name, value in row.items()
                if value.lower() not in NOTHING}  # fmt: skip
        yield row[key], line, told


def _sample(path: Path, line: int | None, told: dict[str, Statement]) -> Iterator[Row | Reject]:
    """Return the event of a sample, or of a scan in a table of scans."""
    identifier = told.get("scanid") or told.get("sampleid")
    if identifier is None:
        return
    row: dict[str, object] = {"line": line or identifier.line, "eventID": identifier.value,
                              "eventType": "sample"}  # fmt: skip
    if "scanid" in told:
        parent = told["sampleid"].value if "sampleid" in told else None
        yield {**row, "eventType": "scan", "parentEventID": parent}
        return
    places: dict[str, object] = {}
    for term, key, most, sign in (("decimalLatitude", "latitude", 90, 1),
                                  ("decimalLongitude", "longitude", 180, -1)):  # fmt: skip
        if key in told:
            value = degrees(told[key].value, most)
            if value is None:
                yield Reject(path, told[key].line, f"no degrees and minutes: {key}",
                             told[key].value, term, "value")  # fmt: skip
            else:
                places[term] = value * sign
    row |= places if len(places) == 2 else {}  # half a place is none
    if "date" in told:
        row["eventDate"] = when(told["date"].value)
    for term, key in (("minimumDepthInMeters", "zmin"), ("maximumDepthInMeters", "zmax")):
        if key in told:
            row[term] = told[key].value
    if "nettype" in told:
        row["samplingProtocol"] = told["nettype"].value
    yield row


# -- pictures and objects -----------------------------------------------------------------------


def _scans(one: _Source) -> Iterator[Row | Reject]:
    if one.kind != "pid":
        return
    text, rows = _opened(one)
    size = size_of(text.statements)
    for label in dict.fromkeys(row.label for row in rows if isinstance(row, Item)):
        file = one.path.with_name(f"{label}.tif") if _is_name(label) else None
        there = file is not None and file.is_file()
        yield {
            "line": text.line, "mediaID": label, "captureDevice": _device(text),
            "accessURI": file.as_posix() if there and file else None,
            "pixelXDimension": size[0] if size else None,
            "pixelYDimension": size[1] if size else None,
            "pixelsPerMillimetre": scale(text.statements),
        }  # fmt: skip


def _is_name(label: str) -> bool:
    return not {"/", "\\", "\0"} & set(label) and len(label) < 200


def _device(text: Text) -> str:
    told = first(text.statements, "Info")
    return f"ZooScan {told['hardware'].value}" if "hardware" in told else "ZooScan"


def _objects(one: _Source) -> Iterator[Row | Reject]:
    if one.kind == "table":
        return
    text, rows = _opened(one)
    size, pixels = size_of(text.statements), scale(text.statements)
    for row in rows:
        if isinstance(row, Reject):
            yield row
            continue
        name = f"{row.label}_{row.number}"
        told: dict[str, object] = {
            "line": row.line, "occurrenceID": name, "eventID": row.label,
            "basisOfRecord": "MachineObservation",
        }  # fmt: skip
        outline = region(row, size)
        if outline and one.kind == "pid":
            told |= {"mediaID": name, "derivedFromMediaID": row.label,
                     "pixelsPerMillimetre": pixels, **outline}  # fmt: skip
        yield told


def _vignettes(one: _Source) -> Iterator[Row | Reject]:
    """Return the pictures of objects that lie beside a .pid."""
    if one.kind == "table":
        return
    text, rows = _opened(one)
    beside = {file.name: file for file in one.path.parent.iterdir()
              if file.suffix.lower() in {".jpg", ".png"}}  # fmt: skip
    pixels = scale(text.statements)
    for row in rows if beside else ():
        if isinstance(row, Item):
            name = f"{row.label}_{row.number}"
            for file in (beside.get(f"{name}{suffix}") for suffix in (".jpg", ".png")):
                if file is not None:
                    yield {"line": row.line, "mediaID": file.name, "occurrenceID": name,
                           "accessURI": file.as_posix(), "pixelsPerMillimetre": pixels,
                           "captureDevice": _device(text)}  # fmt: skip


# -- measurements -------------------------------------------------------------------------------


def _measurements(one: _Source) -> Iterator[Row | Reject]:
    if one.kind == "table":
        for told in _table_rows(one.path):
            if not isinstance(told, Reject):
                yield from (_fact(one.line, told[0], one) for one in told[2].values())
        return
    text, rows = _opened(one)
    sample, label = first(text.statements, "Sample").get("sampleid"), ""
    unit = next((s.value for s in text.statements if s.key == "Measures_unit"), None)
    for row in rows:
        if isinstance(row, Reject):
            continue
        if row.label != label:
            label = row.label
            for statement in text.statements:
                of_sample = sample is not None and statement.section == "Sample"
                event = sample.value if sample and of_sample else label
                yield _fact(statement.line, event, statement)
        name = f"{row.label}_{row.number}"
        for kind, value in islice(row.values.items(), 2, None):
            if value.lower() not in {"", "nan"}:
                yield {"line": row.line, "occurrenceID": name, "measurementType": kind,
                       "measurementValue": value,
                       "measurementMethod": f"in {unit}" if unit else None}  # fmt: skip


def _fact(line: int, event: str, one: Statement) -> Row:
    kind = f"{one.section}/{one.key}" if one.key else one.section
    unit = _UNITS.get(one.key.lower())
    return {"line": line, "eventID": event, "measurementType": kind,
            "measurementValue": one.value, "measurementUnit": unit}  # fmt: skip


FORMAT = Format(
    name="zooprocess",
    title="ZooProcess: scans of a ZooScan (.pid, _meas.txt, header tables)",
    sniff=_sniff,
    read=_read,
    fake=fake_project,
    lacks=_lacks,
    tested_on="scans of APERO 2023 in ZooProcess-lib's tests (a .pid of 439 objects, two "
    "_meas.txt, header tables)",
)
