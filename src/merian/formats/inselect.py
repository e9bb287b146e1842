"""Inselect: boxes and labels of specimens in the scan of a drawer or of slides.

A document ``drawer.inselect`` is JSON and stands beside its scan::

    {"inselect version": 2, "scanned extension": ".jpg",
     "items": [{"rect": [left, top, width, height], "rotation": 90,
                "fields": {"catalogNumber": "1", "scientificName": "Plecoptera"}}],
     "properties": {"Created by": ..., "Created on": ..., "Saved by": ..., "Saved on": ...}}

``rect`` is in fractions of the scan, which is called as the document is, with the extension that it
names. The scan is a row of media, each item a region of it, an occurrence and a thing in a
collection. A field that has the name of a term (whatever its case) is that term, ``scientificName``
is the label; any other is a measurement under its own name, and so is a ``rotation`` other than 0,
in degrees to the right. Who made the document is not read. Items have no ids: they are called after
the document's name with a hash of it, or ``--set dataset=NAME``, and their place.

Odd, and real: version 1 has no rotation; items without fields; boxes a hair outside of the scan.

Reference: Hudson et al. 2015, doi:10.1371/journal.pone.0143402
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from merian.catalogue.schema import RANKS, TABLES
from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import content_hash, existing, write_json
from merian.formats.delimited import head_text
from merian.formats.json_stream import Member, first_object, lacking_members, members
from merian.formats.outlines import clipped, is_pixel
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows, said_text, text_of
from merian.pictures import BadPictureError, facts

__all__ = ["FORMAT"]

_VERSIONS = (1, 2, 3)
# What a field may feed, by its name in lower case.
_TERMS = {
    term.lower(): term
    for name in ("event", "occurrence", "material")
    for term in TABLES[name].columns
    if not term.endswith("ID")
} | {rank: rank for rank in RANKS} | {
    "scientificname": "verbatimIdentification",
    "identifiedby": "identifiedBy",
    "dateidentified": "dateIdentified",
}  # fmt: skip


def _sniff(path: Path) -> int:
    text = head_text(path).lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return 0
    if re.match(r'\{\s*"inselect version"\s*:', text):
        return 3
    at = text.find('"items"')
    first = first_object(text[at:], "[") if at >= 0 else None
    if not isinstance(first, dict) or "rect" not in first:
        return 0
    return 3 if '"inselect version"' in text or '"scanned extension"' in text else 2


def _lacks(path: Path) -> str:
    if _sniff(path):
        return ""
    return lacking_members(path, ("inselect version", "items"), "has no item with a rect")


@dataclass(frozen=True)
class _Document:
    """What a document says beside its items.

    Attributes:
        path: It.
        name: What its ids begin with.
        scan: Where its scan is.
        width: Of the scan, where that is there.
        height: Of the scan.
    """

    path: Path
    name: str
    scan: Path
    width: int | None
    height: int | None


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "Inselect document")
    if path.is_dir():
        raise FormatError("is a folder; an Inselect document is expected", path=path)
    version: object = None
    extension: object = ".jpg"
    items = 0
    for member in members(path):
        items += member.key == "items" and member.place > 0
        if member.key == "inselect version":
            version = member.value
        elif member.key == "scanned extension":
            extension = member.value
    if version not in _VERSIONS or isinstance(version, bool) or not items:
        raise FormatError(
            f"is no Inselect document: its version is {str(version)[:20]!r}, with {items} items; "
            "a version of 1 or 2 and items with a rect are expected", path=path
        )  # fmt: skip
    stem = re.sub(r"\.inselect(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    folder = (options.images or path.parent).absolute()
    scan = folder / f"{stem}{text_of(extension) or ''}"
    try:
        told = facts(scan.read_bytes()) if scan.is_file() else None
    except (BadPictureError, OSError):
        told = None
    name = options.extra.get("dataset") or f"{stem}-{content_hash(path)[:8]}"
    document = _Document(
        path, name, scan, told.width if told else None, told.height if told else None
    )
    notes = [f"items: {items}, on the scan {scan}"]
    if told is None:
        notes.append("the scan is not there, or cannot be opened; name its folder")
    sources = (
        Rows(path, "media", _Scan(document)),
        Rows(path, "record", _Items(document)),
        Rows(path, "measurement", _Facts(document)),
    )
    return Reading("inselect", sources, (path,), tuple(notes))


@dataclass(frozen=True)
class _Rows(ChunkedRows):
    """Rows of a document, anew each time they are asked for."""

    document: _Document

    def _items(self) -> Iterator[tuple[Member, str, Mapping[str, object]] | Reject]:
        for member in members(self.document.path):
            if member.key != "items" or not member.place:
                continue
            if isinstance(member.value, dict):
                yield member, f"{self.document.name}/{member.place}", member.value
            else:
                told = text_of(str(member.value)[:1000]) or ""
                reason = "no item: {...} is expected"
                yield Reject(self.document.path, member.line, reason, told)


class _Scan(_Rows):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        yield {
            "line": 1,
            "mediaID": self.document.name,
            "accessURI": self.document.scan.as_posix(),
            "pixelXDimension": self.document.width,
            "pixelYDimension": self.document.height,
        }


class _Items(_Rows):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._items():
            if isinstance(found, Reject):
                yield found
                continue
            member, name, item = found
            rect = item.get("rect")
            good = isinstance(rect, list) and len(rect) == 4 and all(map(is_pixel, rect))
            if not good or not isinstance(rect, list) or min(rect[2:]) < 0 or max(rect) > 2:
                reason = "no rect: left, top, width and height as fractions are expected"
                told = text_of(str(rect)[:1000]) or ""
                yield Reject(self.document.path, member.line, reason, told, "xFrac", "value")
                rect = None
            x, y, w, h = (
                clipped((rect[0], rect[1], rect[2], rect[3]), 1, 1) if rect else (None,) * 4
            )
            yield {
                "line": member.line,
                "occurrenceID": name,
                "basisOfRecord": "PreservedSpecimen",
                "materialEntityID": name,
                "materialEntityType": "specimen",
                "mediaID": name,
                "derivedFromMediaID": self.document.name,
                "xFrac": x, "yFrac": y, "widthFrac": w, "heightFrac": h,
                **_fields(item)[0],
            }  # fmt: skip


class _Facts(_Rows):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._items():
            if isinstance(found, Reject):
                continue
            member, name, item = found
            said = _fields(item)[1]
            if item.get("rotation"):
                said["rotation"] = said_text(item["rotation"])
            for kind, value in said.items():
                yield {
                    "line": member.line, "occurrenceID": name, "mediaID": name,
                    "measurementType": kind, "measurementValue": value,
                    "measurementUnit": "degrees" if kind == "rotation" else None,
                }  # fmt: skip


def _fields(item: Mapping[str, object]) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return the fields of an item that are terms, and the others."""
    fields = item.get("fields")
    terms: dict[str, str | None] = {}
    others: dict[str, str | None] = {}
    for key, value in fields.items() if isinstance(fields, dict) else ():
        term, told = _TERMS.get(key.lower()), said_text(value)
        if told is None:
            continue
        if term and term not in terms:
            terms[term] = told
        else:
            others[text_of(key) or "(no name)"] = told
    return terms, others


def _fake(folder: Path, seed: int) -> Path:
    """Write a scan and the boxes of six specimens on it."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    Image.new("L", (60, 40), seed % 256).save(folder / "drawer.png")
    items: list[dict[str, object]] = []
    for number in range(6):
        rect = [round(chance.uniform(0, 0.7), 6) for _ in range(2)] + [0.2, 0.25]
        fields = {"catalogNumber": f"{seed}-{number}", "scientificName": "Elsinoë", "Box": "7"}
        items.append({
            "fields": fields if number % 3 else {}, "rect": rect,
            "rotation": chance.choice((0, 90, 180)),
        })  # fmt: skip
    path = folder / "drawer.inselect"
    write_json(path, {
        "inselect version": 2, "items": items, "scanned extension": ".png",
        "properties": {"Created by": "anna", "Created on": "2016-02-29T22:24:29Z"},
    })  # fmt: skip
    return path


FORMAT = Format(
    name="inselect",
    title="Inselect: boxes of specimens in the scan of a drawer",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="a drawer of Plecoptera (336 boxes), barcodes, pinned insects and shapes of Inselect",
)
