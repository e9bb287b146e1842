"""Which pictures are measured, and what is known of each before it is looked at.

Pictures are files or folders of files. A table may tell more of them: the ids of the specimens in
the order in which they are read (row by row from the left top), their group, how many there should
be, the scale. Where outlines are given (COCO, CVAT, any format of regions, or a folder of masks),
these are measured and nothing is looked for.
"""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merian.catalogue import Catalogue
from merian.catalogue.media import ADDRESS, PARENT
from merian.errors import InputError
from merian.files import existing, find_encoding, open_text
from merian.image.addresses import Region
from merian.measure.calibration import BY_HAND, Calibration, declared
from merian.measure.calibrations import read_calibrations

__all__ = ["About", "Asked", "Given", "of_files", "read_about", "with_outlines",
           "with_scales"]  # fmt: skip

SUFFIXES = frozenset(
    ".jpg .jpeg .png .tif .tiff .bmp .gif .webp .avif .jp2 .ppm .pgm".split()
)  # fmt: skip
_MOST_BYTES = 1 << 28  # of a table about pictures
_MEMORY = "1GB"
_OUTLINED = f"""
SELECT {ADDRESS} AS address, x.mediaID, x.regionOutline, p.pixelXDimension, p.pixelYDimension,
    x.pixelXDimension, x.pixelYDimension
FROM media x {PARENT} WHERE x.regionOutline IS NOT NULL AND {ADDRESS} IS NOT NULL
ORDER BY address, x.mediaID
"""


@dataclass(frozen=True)
class Given:
    """An outline that is given: WKT or run lengths, in pixels of a picture of some size.

    Attributes:
        outline: As `merian.formats.outlines` tells it.
        id: Of the region, where it has one.
        record: Of the specimen in a catalogue.
        group: Of the specimen, where each has its own.
    """

    outline: str
    id: str = ""
    record: str = ""
    group: str = ""


@dataclass(frozen=True)
class Asked:
    """A picture that is to be measured.

    Attributes:
        name: What it is called; no other has it.
        address: Where it is.
        region: The part of it that is meant; None is all of it.
        ids: Of its specimens in reading order.
        group: Whose specimens are compared with each other: the species, as a rule.
        expected: How many specimens there should be.
        calibration: Its own scale.
        scale_frame: Width and height of the picture that the scale was taken from.
        outlines: What is measured; None where it is to be found.
        mask: A file of a mask, instead.
        frame: Width and height of the picture that outlines were drawn on.
        single: Whether there is one specimen, whatever was asked for all.
        media: Its id in a catalogue.
        record: Of its specimen there.
    """

    name: str
    address: str
    region: Region | None = None
    ids: tuple[str, ...] = ()
    group: str = ""
    expected: int | None = None
    calibration: Calibration | None = None
    scale_frame: tuple[int, int] | None = None
    outlines: tuple[Given, ...] | None = None
    mask: Path | None = None
    frame: tuple[int, int] | None = None
    single: bool | None = None
    media: str = ""
    record: str = ""


@dataclass
class About:
    """What a table tells of pictures, by the name of the picture."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    group: dict[str, str] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    scale: dict[str, Calibration] = field(default_factory=dict)

    def told(self, asked: Asked) -> Asked:
        """Return a picture with what is told of it, by its name with or without its ending."""
        for name in (asked.name, Path(asked.name).name, Path(asked.name).stem):
            if name in self.group or name in self.ids or name in self.scale or (
                name in self.expected
            ):  # fmt: skip
                ids = tuple(self.ids.get(name, ()))
                return replace(
                    asked, ids=ids or asked.ids, group=self.group.get(name, asked.group),
                    expected=self.expected.get(name, len(ids) or asked.expected),
                    calibration=self.scale.get(name, asked.calibration),
                )  # fmt: skip
        return asked


def read_about(path: Path) -> About:
    """Read a table about pictures: image, and any of id, group, expected, px_per_mm, uncertainty.

    The uncertainty is standard (k = 1), in percent of the scale; where it is not told, that of a
    bar which somebody has clicked is taken. A picture may have several rows, one for each specimen
    in reading order.
    """
    if existing(path, "table").stat().st_size > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB; import pictures into a "
                         "catalogue and measure that")  # fmt: skip
    about = About()
    with open_text(path, find_encoding(path)) as stream:
        head = stream.readline()
        delimiter = "\t" if "\t" in head else ";" if ";" in head and "," not in head else ","
        names = [name.strip() for name in next(csv.reader([head.lstrip("\ufeff")],
                                                          delimiter=delimiter), [])]  # fmt: skip
        if "image" not in names:
            raise InputError(f"{path}: has no column image; its columns are {', '.join(names)}")
        for line, row in enumerate(csv.reader(stream, delimiter=delimiter), 2):
            cells = {name: value.strip() for name, value in zip(names, row, strict=False)}
            if cells.get("image"):
                _take(about, cells, f"{path}:{line}")
    return about


def _take(about: About, cells: Mapping[str, str], where: str) -> None:
    name = cells["image"]
    if cells.get("id"):
        about.ids.setdefault(name, []).append(cells["id"])
    if cells.get("group"):
        about.group[name] = cells["group"]
    if told := cells.get("expected"):
        if not told.isdecimal():
            raise InputError(f"{where}: expected is {told!r}; a whole number is expected")
        about.expected[name] = int(told)
    if told := cells.get("px_per_mm"):
        scale, relative = _number(told, "px_per_mm", where), BY_HAND
        if sure := cells.get("uncertainty"):
            relative = _number(sure.rstrip("% "), "uncertainty", where) / 100
        about.scale[name] = declared(scale, relative, Path(where.rpartition(":")[0]).name)


def _number(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {column} is {text!r}; a number is expected")
    return value


def with_scales(pictures: Iterable[Asked], path: Path) -> Iterator[Asked]:
    """Yield pictures with the scales of a file that `merian calibrate` wrote.

    A picture is found by its address or its name. Where the file has one picture only, its scale is
    that of all: of a rig.
    """
    known = {
        name: one.calibration for name, one in read_calibrations(path).items() if one.calibration
    }
    frames = {name: (one.width, one.height) for name, one in read_calibrations(path).items()}
    if not known:
        raise InputError(f"{path}: none of its pictures has a scale")
    lone = next(iter(known.values())) if len(known) == 1 else None
    by_name: dict[str, str] = {}
    for full in known:
        for name in (full, Path(full).name, Path(full).stem):
            by_name.setdefault(name, full)
    for one in pictures:
        place = Path(one.address)
        wanted = (one.address, place.absolute().as_posix(), one.name, place.name, place.stem)
        at = next((by_name[name] for name in wanted if name in by_name), None)
        if at is not None:
            frame = frames[at] if all(frames[at]) else None
            yield replace(one, calibration=known[at], scale_frame=frame)
        else:
            yield replace(one, calibration=lone) if lone is not None else one


def of_files(paths: Sequence[Path]) -> Iterator[Asked]:
    """Yield the pictures of files and folders, each once, those of a folder by their names."""
    seen = set()
    for path in paths:
        found = existing(path, "picture or folder")
        files = _within(found) if found.is_dir() else [found]
        if not files:
            raise InputError(f"{path}: holds no picture; expected files such as .jpg, .png or .tif")
        for file in files:
            name = file.relative_to(found).as_posix() if found.is_dir() else file.name
            address = file.as_posix()
            if address in seen:
                continue
            seen.add(address)
            yield Asked(name if len(paths) == 1 else address, address)


def _within(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )  # fmt: skip


def with_outlines(pictures: Iterable[Asked], masks: Path) -> Iterator[Asked]:
    """Yield pictures with the outlines that are given of them.

    Args:
        pictures: By whose names outlines are found; all that the file names, if there is none.
        masks: A folder of masks that are called as the pictures, or a file of outlines.
    """
    listed = list(pictures)
    if existing(masks, "masks").is_dir() and any(masks.glob("*.png")):
        yield from _with_files(listed, masks)
        return
    outlines = _outlines(masks)
    if not outlines:
        raise InputError(
            f"{masks}: has no outlines; expected polygons or masks in COCO, CVAT or another format "
            "of regions, or a folder of .png files"
        )
    if not listed:
        for address, (given, frame) in outlines.items():
            yield Asked(address, address, outlines=given, frame=frame)
        return
    by_name: dict[str, str] = {}
    for address in outlines:
        for name in (address, Path(address).name, Path(address).stem):
            by_name.setdefault(name, address)
    for one in listed:
        place = Path(one.address)
        wanted = (one.address, place.absolute().as_posix(), place.name, place.stem)
        at = next((by_name[name] for name in wanted if name in by_name), None)
        given, frame = outlines[at] if at is not None else ((), None)
        yield replace(one, outlines=given, frame=frame)


def _with_files(pictures: Sequence[Asked], masks: Path) -> Iterator[Asked]:
    if not pictures:
        raise InputError(f"{masks}: is a folder of masks; name the pictures that they are of too")
    for one in pictures:
        stem = Path(one.address).stem
        names = (f"{Path(one.address).name}.png", f"{stem}.png")
        there = next((masks / name for name in names if (masks / name).is_file()), None)
        yield replace(one, mask=there, outlines=None if there else ())


def _outlines(
    masks: Path,
) -> dict[str, tuple[tuple[Given, ...], tuple[int, int] | None]]:
    """Return the outlines of a file by the address of their picture."""
    from merian.formats import read_path  # noqa: PLC0415 - all formats, for files alone

    found: dict[str, tuple[list[Given], tuple[int, int] | None]] = {}
    with tempfile.TemporaryDirectory(prefix="merian-measure-") as work:
        place = Path(work) / "catalogue"
        with Catalogue.create(place, memory=_MEMORY) as made:
            made.ingest(read_path(masks))
        with Catalogue.open(place, read_only=True, memory=_MEMORY) as opened:
            for row in opened.query(_OUTLINED):
                address, media, outline, width, height, own_width, own_height = row
                sides = (width or own_width, height or own_height)
                frame = (int(str(sides[0])), int(str(sides[1]))) if all(sides) else None
                given, _ = found.setdefault(str(address), ([], frame))
                given.append(Given(str(outline), str(media)))
    return {address: (tuple(given), frame) for address, (given, frame) in found.items()}
