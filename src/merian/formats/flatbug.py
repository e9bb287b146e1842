"""flatbug: insects that the program found in a picture, one JSON a picture, or a folder of them.

::

    {"boxes": [[left, top, right, below], ...], "contours": [[[x, ...], [y, ...]], ...],
     "confs": [0.93, ...], "classes": [1, ...], "scales": [1.0, ...], "identifier": "UUID",
     "image_path": "tray.jpg", "image_width", "image_height", "mask_width", "mask_height"}

All lists are as long as there are insects. Boxes are in pixels of the picture, contours in those of
a mask, which may be smaller: they are scaled. Each insect is an occurrence, and a region of the
picture with its outline; ``conf``, ``class`` and ``scale`` (of the pyramid in which it was found)
are measurements by ``flatbug``. flatbug knows one class and names nothing, so there is no
identification. An insect whose box or contour is none is kept without it, and the fault is told.

The picture is looked for by its name in the folder that the user names, or beside the file, or in
the folder above: flatbug writes the path on the machine where it ran. Two files about one picture
are two predictions of it. ``--set threshold=0.5`` leaves out what is less sure.

Reference: https://github.com/darsa-group/flat-bug
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

from PIL import Image

from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.files import existing, write_json
from merian.formats.delimited import head_text
from merian.formats.folders import visible_files
from merian.formats.json_stream import lacking_members
from merian.formats.outlines import (
    LARGEST_SIDE,
    OutlineError,
    clipped,
    is_pixel,
    polygon_outline,
)
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows, Row, text_of
from merian.unpacking import UNREADABLE

__all__ = ["FORMAT"]

_KEYS = frozenset({"boxes", "contours", "confs", "image_path", "mask_width", "mask_height"})
_LISTS = ("boxes", "contours", "confs", "classes", "scales")
_LARGEST = 256 << 20  # bytes of a file: a thousand outlines are some megabytes
_LOOKED_AT = 1 << 22  # bytes of a file that is looked at to know what it is
_FILES = 200
_FACTS = (("conf", "confs"), ("class", "classes"), ("scale", "scales"))
_ORDER = 1 << 24


def _is_one(path: Path) -> bool:
    try:
        if path.suffix.lower() != ".json" or path.stat().st_size > _LARGEST:
            return False
        text = head_text(path).lstrip("\ufeff \t\r\n")
        if not text.startswith("{") or '"boxes"' not in text[:200]:
            return False
        if path.stat().st_size > _LOOKED_AT:
            return '"contours"' in text
        told = json.loads(path.read_bytes())
        return isinstance(told, dict) and told.keys() >= _KEYS
    except (OSError, ValueError, RecursionError):
        return False


def _sniff(path: Path) -> int:
    """Return 3 for a prediction, or a folder whose first JSON files are some."""
    if path.is_file():
        return 3 if _is_one(path) else 0
    try:
        found = [p for p in islice(visible_files(path), _FILES) if p.suffix.lower() == ".json"]
    except OSError:
        return 0
    return 3 if found and all(map(_is_one, found[:3])) else 0


def _lacks(path: Path) -> str:
    if not path.is_file() or '"contours"' not in head_text(path) or _is_one(path):
        return ""
    return lacking_members(path, tuple(sorted(_KEYS)), "")


@dataclass(frozen=True)
class _Prediction:
    """What one file says.

    Attributes:
        path: It.
        name: What the ids of its insects begin with.
        media: The id of its picture.
        picture: Where that lies, or what it is called.
        size: Of the picture; None where that cannot be.
        scale: From pixels of the mask to pixels of the picture, across and down.
        lists: What there is of each insect.
        count: How many there are.
    """

    path: Path
    name: str
    media: str
    picture: str
    size: tuple[int, int] | None
    scale: tuple[float, float] | None
    lists: Mapping[str, list[Any]]
    count: int


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "prediction of flatbug or folder of them")
    files = [path]
    if path.is_dir():
        files = [p for p in visible_files(path) if p.suffix.lower() == ".json" and _is_one(p)]
        if not files:
            raise FormatError("holds no JSON with boxes, contours and confs, as flatbug writes it",
                              path=path)  # fmt: skip
    else:
        _open(path, options)  # a file that cannot be read at all is no reject
    threshold = _threshold(options)
    sources = tuple(
        Rows(path, table, made(tuple(files), options, threshold))
        for table, made in (("media", _Pictures), ("record", _Insects), ("measurement", _Facts))
    )
    notes = [f"predictions: {len(files)}"]
    if threshold:
        notes.append(f"insects with a conf below {threshold:g} are left out")
    return Reading("flatbug", sources, tuple(files), tuple(notes))


def _threshold(options: Options) -> float:
    text = options.extra.get("threshold", "0")
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise InputError(f"threshold={text}: a number from 0 to 1 is expected")
    return found


def _open(path: Path, options: Options) -> _Prediction:
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"has more than {_LARGEST >> 20} MB", path=path)
        told = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise FormatError(f"is no JSON ({error.msg})", path=path, line=error.lineno) from None
    except (*UNREADABLE, ValueError, RecursionError) as error:
        raise FormatError(f"cannot be read ({error})", path=path) from None
    missing = sorted(_KEYS - told.keys()) if isinstance(told, dict) else sorted(_KEYS)
    if missing:
        raise FormatError(f"has no {', '.join(missing)}; a prediction of flatbug has", path=path)
    lists = {name: told[name] for name in _LISTS if isinstance(told.get(name), list)}
    count = max((len(values) for values in lists.values()), default=0)
    uneven = [name for name in ("boxes", "contours") if len(lists.get(name, ())) != count]
    if uneven:
        raise FormatError(
            f"has {len(lists.get(uneven[0], ()))} {uneven[0]} for {count} insects; its lists must "
            "be of one length",
            path=path,
        )
    size, mask = (_size(told, kind) for kind in ("image", "mask"))
    scale = (size[0] / mask[0], size[1] / mask[1]) if size and mask else None
    called = PureWindowsPath(text_of(told["image_path"]) or path.stem).name or path.stem
    media = options.extra.get("dataset", "")
    media = f"{media}/{called}" if media else called
    name = f"{media}/{text_of(told.get('identifier')) or path.stem}"
    picture = _picture(called, path, options)
    return _Prediction(path, name, media, picture, size, scale, lists, count)


def _size(told: Mapping[str, object], kind: str) -> tuple[int, int] | None:
    sides = told.get(f"{kind}_width"), told.get(f"{kind}_height")
    width, height = (
        side if type(side) is int and 0 < side <= LARGEST_SIDE else 0 for side in sides
    )
    return (width, height) if width and height else None


def _picture(called: str, path: Path, options: Options) -> str:
    """Return where a picture lies, or how it is called if it is not there."""
    folders = [options.images] if options.images else [path.parent, path.parent.parent]
    for folder in folders:
        try:
            if folder is not None and (folder / called).is_file():
                return (folder / called).absolute().as_posix()
        except (OSError, ValueError):  # an endless name, a null byte
            break
    return called


@dataclass(frozen=True)
class _Of(ChunkedRows):
    """Rows of all files, anew each time they are asked for."""

    files: tuple[Path, ...]
    options: Options
    threshold: float

    def _opened(self) -> Iterator[tuple[int, _Prediction] | Reject]:
        for place, file in enumerate(self.files):
            try:
                yield place * _ORDER, _open(file, self.options)
            except FormatError as error:
                yield Reject(file, None, str(error).removeprefix(f"{file}: "))

    def _sure(self, one: _Prediction) -> Iterator[int]:
        confs = one.lists.get("confs", [])
        for number in range(one.count):
            conf = confs[number] if number < len(confs) else None
            if not isinstance(conf, int | float) or conf >= self.threshold:
                yield number


class _Pictures(_Of):
    def _rows(self) -> Iterator[Row | Reject]:
        told: set[str] = set()
        for found in self._opened():
            if isinstance(found, Reject):
                yield found
                continue
            order, one = found
            if one.size is None:
                reason = "its image_width and image_height are no size: the insects have no region"
                yield Reject(one.path, None, reason, term="pixelXDimension", scope="value")
            width, height = one.size or (None, None)
            if one.media not in told:
                told.add(one.media)
                yield {"line": order + 1, "mediaID": one.media, "accessURI": one.picture,
                       "pixelXDimension": width, "pixelYDimension": height}  # fmt: skip


class _Insects(_Of):
    def _rows(self) -> Iterator[Row | Reject]:
        for found in self._opened():
            if isinstance(found, Reject):
                continue  # it was told with the pictures
            order, one = found
            for number in self._sure(one):
                name = f"{one.name}/{number + 1}"
                row: dict[str, object] = {
                    "line": order + number + 1, "occurrenceID": name, "mediaID": name,
                    "basisOfRecord": "MachineObservation", "derivedFromMediaID": one.media,
                }  # fmt: skip
                for part in (_box(one, number), _outline(one, number)):
                    if isinstance(part, Reject):
                        yield part
                    else:
                        row |= part
                yield row


class _Facts(_Of):
    def _rows(self) -> Iterator[Row | Reject]:
        for found in self._opened():
            if isinstance(found, Reject):
                continue
            order, one = found
            for number in self._sure(one):
                name = f"{one.name}/{number + 1}"
                for kind, of in _FACTS:
                    values = one.lists.get(of, [])
                    if number < len(values) and isinstance(values[number], int | float):
                        yield {
                            "line": order + number + 1, "occurrenceID": name, "mediaID": name,
                            "measurementType": kind, "measurementValue": str(values[number]),
                            "measurementMethod": "flatbug",
                        }  # fmt: skip


def _box(one: _Prediction, number: int) -> dict[str, object] | Reject:
    box = one.lists["boxes"][number]
    if one.size is None:
        return {}
    good = isinstance(box, list) and len(box) == 4 and all(map(is_pixel, box))
    if not good or box[2] < box[0] or box[3] < box[1]:
        reason = f"insect {number + 1} has no box: left, top, right and below are expected"
        return Reject(one.path, None, reason, str(box)[:200], "xFrac", "value")
    fractions = clipped((box[0], box[1], box[2] - box[0], box[3] - box[1]), *one.size)
    return dict(zip(("xFrac", "yFrac", "widthFrac", "heightFrac"), fractions, strict=True))


def _outline(one: _Prediction, number: int) -> dict[str, object] | Reject:
    contour = one.lists["contours"][number]
    why = "a list of x and one of y are expected"
    if one.scale is None:
        return {}
    if isinstance(contour, list) and len(contour) == 2 and all(
        isinstance(axis, list) and all(map(is_pixel, axis)) for axis in contour
    ) and len(contour[0]) == len(contour[1]):  # fmt: skip
        across, down = one.scale
        flat = [
            round(value * by, 3)
            for point in zip(*contour, strict=True)
            for value, by in zip(point, (across, down), strict=True)
        ]
        try:
            return {"regionOutline": polygon_outline([flat])}
        except OutlineError as error:
            why = str(error)
    reason = f"insect {number + 1} has no outline: {why}"
    return Reject(one.path, None, reason, str(contour)[:200], "regionOutline", "value")


def _fake(folder: Path, seed: int) -> Path:
    """Write a tray and what was found on it, in pixels of a mask half as large; one box is none."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"flatbug{seed}"
    root.mkdir(parents=True)
    Image.new("L", (80, 60), seed % 256).save(root / "tray.png")
    told: dict[str, list[Any]] = {name: [] for name in _LISTS}
    for number in range(5):
        x, y = chance.randrange(0, 50, 2), chance.randrange(0, 40, 2)
        told["boxes"].append([x, y, x + 20, y + 16] if number != 3 else [x, y, x - 20, y])
        left, top = x // 2, y // 2
        told["contours"].append([[left, left + 10, left + 5], [top, top, top + 8]])
        told["confs"].append(round(chance.uniform(0.3, 1), 6))
        told["classes"].append(1)
        told["scales"].append(1.0)
    write_json(root / f"metadata_tray_UUID_{seed}.json", {
        **told, "identifier": f"fake-{seed}", "image_path": "D:\\trays\\tray.png",
        "image_width": 80, "image_height": 60, "mask_width": 40, "mask_height": 30,
    })  # fmt: skip
    return root


FORMAT = Format(
    name="flatbug",
    title="flatbug: insects found in pictures (JSON)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="two predictions of a picture of harvestmen in flatbug's tests (10 and 11 outlines)",
)
