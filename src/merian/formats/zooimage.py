"""ZooImage: a .zid, which is a zip with the pictures of the objects of a sample and their measures.

::

    BIO.2000-05-05.p72.zid
        BIO.2000-05-05.p72/BIO.2000-05-05.p72+A_dat1.zim   sections, then a row an object
        BIO.2000-05-05.p72/BIO.2000-05-05.p72+A_1.jpg      the picture of object 1

A folder with .zid below it is read too. A .zim is a text like that of ZooProcess, with tabs (see
`zooprocess_text`); a .zid has one for each fraction of its sample (``+A``, ``+B``). A sample is an
event, dated by its name (``series.2000-05-05.station``), as ZooImage asks for; a fraction is one
within it. An object is an occurrence, ``<fraction>_<item>``, with its columns as measurements, and
its picture stays in the .zid. Lengths and areas are in mm and mm2 there, since ZooImage multiplies
by ``PixSize`` (in mm), which gives the pixels of a millimetre of the pictures. ``X`` and ``Y`` are
in mm in the scan, which is not in the .zid. R's copy of the table (.RData) is passed over.

Reference: Grosjean and Denis, ZooImage user's manual, 2007; https://github.com/SciViews/zooimage
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.containers import member_address
from merian.errors import FormatError
from merian.files import existing, new_file
from merian.formats.delimited import head_bytes
from merian.formats.folders import visible_files
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked
from merian.formats.zooprocess_regions import scale
from merian.formats.zooprocess_text import Item, Text, first, items, read_text
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["FORMAT"]

_LOOKED_AT = 5_000
_LARGEST = 64 << 20  # bytes of a .zim
_MOST_MEMBERS = 200_000
_ORDER = 1 << 24
_DATE = re.compile(r"(?:^|\.)(\d{4}-\d{2}-\d{2})(?:\.|$)")
_DAMAGED = (*UNREADABLE_ZIP, ValueError, KeyError)


def _is_zid(path: Path) -> bool:
    return path.suffix.lower() == ".zid" and head_bytes(path, 4) == b"PK\x03\x04"


def _sniff(path: Path) -> int:
    try:
        if path.is_file():
            return 3 if _is_zid(path) else 0
        files = [*islice(visible_files(path), _LOOKED_AT)] if path.is_dir() else []
    except OSError:
        return 0
    share = sum(map(_is_zid, files)) / max(len(files), 1)
    return 3 if share >= 0.5 else 2 if share else 0


def _lacks(path: Path) -> str:
    if not path.is_file() or path.suffix.lower() != ".zid" or _is_zid(path):
        return ""
    return "is no zip"


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, ".zid or folder of them").absolute()
    files = [path] if path.is_file() else [f for f in visible_files(path) if _is_zid(f)]
    if not files:
        raise FormatError("holds no .zid", path=path)
    if path.is_file():
        found = [*_fractions(path)]
        if not any(isinstance(one, _Fraction) for one in found):
            why = "; ".join(one.reason for one in found if isinstance(one, Reject))
            why = why or "holds no .zim with a table of objects; a .zid of ZooImage does"
            raise FormatError(why, path=path)
    tables: tuple[tuple[str, Callable[[_Fraction], Iterator[Row | Reject]]], ...] = (
        ("event", _events), ("record", _objects), ("measurement", _measurements),
    )  # fmt: skip
    sources = [
        Rows(path, table, _Zids(files, rows, tell=not number))
        for number, (table, rows) in enumerate(tables)
    ]
    return Reading("zooimage", sources, files, [f"files of ZooImage: {len(files)}"])


@dataclass(frozen=True)
class _Fraction:
    """A .zim.

    Attributes:
        zid: The file that it is in.
        member: Its name there.
        text: What stands before its rows.
        rows: The lines behind.
        pictures: The names of all pictures in the .zid, by the name of their file alone.
    """

    zid: Path
    member: str
    text: Text
    rows: list[tuple[int, str]]
    pictures: dict[str, str]

    @property
    def name(self) -> str:
        """The fraction, by the name of the file."""
        return re.sub(r"(_dat\d+)?\.zim$", "", self.member.rpartition("/")[2], flags=re.IGNORECASE)

    def items(self) -> Iterator[Item | Reject]:
        """Return its objects."""
        return items(self.zid, self.rows, self.text.columns, self.text.delimiter)


def _fractions(zid: Path) -> Iterator[_Fraction | Reject]:
    """Return the fractions in a .zid, and what is wrong with it."""
    try:
        with zipfile.ZipFile(zid) as packed:
            told = packed.infolist()
            if len(told) > _MOST_MEMBERS:
                yield Reject(zid, None, f"holds more than {_MOST_MEMBERS:,} files")
                return
            pictures = {one.filename.rpartition("/")[2]: one.filename for one in told
                        if one.filename.lower().endswith((".jpg", ".png"))}  # fmt: skip
            for one in told:
                if one.filename.lower().endswith(".zim"):
                    yield _fraction(zid, packed, one, pictures)
    except _DAMAGED as error:
        told_why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        yield Reject(zid, None, f"is damaged or cannot be read ({told_why})")


def _fraction(
    zid: Path, packed: zipfile.ZipFile, one: zipfile.ZipInfo, pictures: dict[str, str]
) -> _Fraction | Reject:
    if one.file_size > _LARGEST:
        return Reject(zid, None, f"the .zim would unpack to {one.file_size:,} bytes", one.filename)
    with packed.open(one) as stream:
        content = stream.read(_LARGEST)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("cp1252", "replace").splitlines()
    numbered = iter(enumerate(lines, 1))
    text = read_text(numbered)
    if not text.columns:
        return Reject(zid, None, "the .zim has no table of objects", one.filename)
    return _Fraction(zid, one.filename, text, list(numbered), pictures)


@dataclass(frozen=True)
class _Zids:
    """The rows of one table, anew each time they are asked for.

    Attributes:
        files: All .zid.
        rows: What a fraction gives to the table.
        tell: Whether to tell what is wrong with a .zid; one of the tables does.
    """

    files: list[Path]
    rows: Callable[[_Fraction], Iterator[Row | Reject]]
    tell: bool

    def __iter__(self) -> Iterator[Chunk | Reject]:
        yield from chunked(self._all())

    def _all(self) -> Iterator[Row | Reject]:
        place = 0
        for file in self.files:
            for found in _fractions(file):
                if isinstance(found, Reject):
                    if self.tell:
                        yield found
                    continue
                for row in self.rows(found):
                    if isinstance(row, Reject):
                        yield row
                    else:
                        yield {**row, "line": int(str(row["line"])) + place * _ORDER}
                place += 1


# -- tables -------------------------------------------------------------------------------------


def _events(one: _Fraction) -> Iterator[Row | Reject]:
    sample = one.name.partition("+")[0]
    date = _DATE.search(sample)
    told: dict[str, object] = {"line": 1, "eventDate": date[1] if date else None}
    yield {**told, "eventID": sample, "eventType": "sample"}
    if sample != one.name:
        yield {**told, "eventID": one.name, "parentEventID": sample, "eventType": "fraction"}


def _objects(one: _Fraction) -> Iterator[Row | Reject]:
    pixels = scale(s for s in one.text.statements if s.key.lower() == "pixsize")
    hardware = first(one.text.statements, "Image").get("hardware")
    for row in one.items():
        if isinstance(row, Reject):
            yield row
            continue
        name = f"{row.label}_{row.number}"
        picture = next((one.pictures[name + kind] for kind in (".jpg", ".png")
                        if name + kind in one.pictures), None)  # fmt: skip
        told: dict[str, object] = {
            "line": row.line, "occurrenceID": name, "eventID": one.name,
            "basisOfRecord": "MachineObservation", "accessURI": None,
        }  # fmt: skip
        if picture is not None:
            told |= {"mediaID": f"{name}.jpg", "accessURI": member_address(one.zid, picture),
                     "pixelsPerMillimetre": pixels,
                     "captureDevice": hardware.value if hardware else None}  # fmt: skip
        else:
            yield Reject(one.zid, row.line, "there is no picture of the object", name,
                         "accessURI", "value")  # fmt: skip
        yield told


def _measurements(one: _Fraction) -> Iterator[Row | Reject]:
    for said in one.text.statements:
        if said.value:
            kind = f"{said.section}/{said.key}" if said.key else said.section
            yield {"line": said.line, "eventID": one.name, "measurementType": kind,
                   "measurementValue": said.value}  # fmt: skip
    for row in one.items():
        if isinstance(row, Item):
            for kind, value in islice(row.values.items(), 2, None):
                if value.lower() not in {"", "nan", "na"}:
                    yield {"line": row.line, "occurrenceID": f"{row.label}_{row.number}",
                           "measurementType": kind, "measurementValue": value}  # fmt: skip


def _fake(folder: Path, seed: int) -> Path:
    """Write a .zid of four objects, one without picture, and a row that is cut short."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    sample = f"BIO.2000-05-{1 + seed % 28:02d}.p72"
    rows = [f"{n}\t{sample}+A\t{chance.random():.4f}\t{chance.randrange(60, 170)}\t"
            for n in (1, 2, 3, 4)]  # fmt: skip
    text = ("ZI1\n[Image]\nHardware=HP_Scanjet_8200\n\n[Subsample]\nSubPart=0.024\nVolPrec=\n\n"
            "[Process]\nMethod=default [0.75 - 10]\nPixSize=0.04233\n\n[Data]\n"
            "!Item \tLabel\tArea\tMean\t\n" + "\n".join([*rows, "5\tx"]) + "\n")  # fmt: skip
    path = folder / f"{sample}.zid"
    with new_file(path) as stream, zipfile.ZipFile(stream, "w") as packed:
        packed.writestr(zipfile.ZipInfo(f"{sample}/{sample}+A_dat1.zim"), text)
        for number in (1, 2, 3):
            picture = io.BytesIO()
            Image.new("L", (20 + number, 12), chance.randrange(250)).save(picture, "JPEG")
            member = zipfile.ZipInfo(f"{sample}/{sample}+A_{number}.jpg")
            packed.writestr(member, picture.getvalue())
    return path


FORMAT = Format(
    name="zooimage",
    title="ZooImage: objects of a sample with their pictures (.zid)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="two samples of the Bay of Biscay in ZooImage's examples (66 and 226 objects)",
)
