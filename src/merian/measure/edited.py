"""End points and outlines that somebody has mended: a CSV table, CVAT or COCO.

They are matched to the specimens of a run by picture and number; where an annotation program has
lost the number, by the box that they lie in. Each coordinate is brought to the size of the picture
that was measured, if its own picture had another. What fits nothing is set aside with its reason.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import existing, find_encoding, open_text
from merian.formats.cvat_xml import Picture, Shape, walk
from merian.measure.shapes import Point

__all__ = ["Box", "Edits", "Key", "read_edited"]

Key = tuple[str, int]
"""A specimen: its picture, and its number there."""

Box = tuple[float, float, float, float]

_MOST_BYTES = 1 << 29
_CSV = ("image", "specimen", "point", "x", "y")
_SHAPES = frozenset({"points", "polyline", "polygon", "skeleton"})
_ALIKE = 0.01  # sides of two pictures that are the same but for their size


@dataclass
class Edits:
    """What was found in an edited file.

    Attributes:
        points: By specimen, its points by name.
        rings: By specimen, its outline as flat lists x, y, x, y.
        aside: What could not be used: where, and why.
    """

    points: dict[Key, dict[str, Point]] = field(default_factory=dict)
    rings: dict[Key, list[list[float]]] = field(default_factory=dict)
    aside: list[tuple[str, str]] = field(default_factory=list)


def read_edited(
    path: Path, sizes: Mapping[str, tuple[int, int]], boxes: Mapping[str, Mapping[int, Box]]
) -> Edits:
    """Read an edited file.

    Args:
        path: A CSV table as points.csv, CVAT's XML or COCO's JSON.
        sizes: Width and height of the pictures that were measured.
        boxes: By picture, around each specimen's points: left, top, right, below.
    """
    if existing(path, "edited file").is_dir():
        raise FormatError("is a folder; a CSV, CVAT or COCO file is expected", path=path)
    if path.stat().st_size > _MOST_BYTES:
        raise FormatError(f"is larger than {_MOST_BYTES >> 20} MiB", path=path)
    edits = Edits()
    with open_text(path, find_encoding(path)) as stream:
        head = stream.read(200).lstrip("\ufeff \r\n\t")
    try:
        if head.startswith("<"):
            found = _cvat(path)
        elif head.startswith("{"):
            found = _coco(path)
        else:
            found = _table(path)
        for one in found:
            _take(edits, one, sizes, boxes)
    except (json.JSONDecodeError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"is damaged ({error})", path=path) from None
    return edits


@dataclass(frozen=True)
class _Mark:
    """A point or an outline as it was read."""

    where: str
    image: str
    size: tuple[float, float] | None
    specimen: int | None
    name: str
    points: tuple[Point, ...]
    ring: bool = False
    fault: str = ""


def _take(
    edits: Edits,
    mark: _Mark,
    sizes: Mapping[str, tuple[int, int]],
    boxes: Mapping[str, Mapping[int, Box]],
) -> None:
    if mark.fault:
        edits.aside.append((mark.where, mark.fault))
        return
    image = mark.image if mark.image in sizes else _same_name(mark.image, sizes)
    if image is None:
        edits.aside.append((mark.where, f"no picture of this run is called {mark.image!r}"))
        return
    width, height = sizes[image]
    across = down = 1.0
    if mark.size is not None and mark.size != (width, height):
        across, down = width / mark.size[0], height / mark.size[1]
        if abs(across / down - 1) > _ALIKE:
            edits.aside.append((
                mark.where, f"was made on a picture of {mark.size[0]:g} x {mark.size[1]:g} pixels; "
                f"{image} has {width} x {height}, which is of another shape",
            ))  # fmt: skip
            return
    points = [(x * across, y * down) for x, y in mark.points]
    if any(not (0 <= x <= width and 0 <= y <= height) for x, y in points):
        edits.aside.append((mark.where, f"lies outside of {image}, {width} x {height} pixels"))
        return
    number = mark.specimen if mark.specimen is not None else _holder(points, boxes.get(image, {}))
    if number is None or number not in boxes.get(image, {}):
        edits.aside.append((mark.where, f"fits no specimen of {image}"))
        return
    key = image, number
    if mark.ring:
        edits.rings.setdefault(key, []).append([value for point in points for value in point])
    elif len(points) == 1:
        edits.points.setdefault(key, {})[mark.name] = points[0]
    else:
        for at, point in enumerate(points, 1):
            edits.points.setdefault(key, {})[f"{mark.name}:{at}"] = point


def _same_name(image: str, sizes: Mapping[str, tuple[int, int]]) -> str | None:
    """Return the one picture whose file has the same name."""
    name = Path(image).name
    found = [one for one in sizes if Path(one).name == name]
    return found[0] if len(found) == 1 else None


def _holder(points: list[Point], boxes: Mapping[int, Box]) -> int | None:
    """Return the specimen whose box has most of some points; the nearest middle among equals."""
    best: tuple[float, float, int] | None = None
    mx = sum(x for x, _ in points) / len(points)
    my = sum(y for _, y in points) / len(points)
    for number, (left, top, right, below) in boxes.items():
        reach = 0.15 * max(right - left, below - top) + 3
        inside = sum(left - reach <= x <= right + reach and top - reach <= y <= below + reach
                     for x, y in points)  # fmt: skip
        far = math.hypot(mx - (left + right) / 2, my - (top + below) / 2)
        if inside and (best is None or (-inside, far, number) < best):
            best = (-inside, far, number)
    return None if best is None else best[2]


# -- files ------------------------------------------------------------------------------------


def _table(path: Path) -> Iterator[_Mark]:
    with open_text(path, find_encoding(path)) as stream:
        head = stream.readline()
        delimiter = max(",;\t", key=head.count)
        names = [name.strip() for name in head.lstrip("\ufeff").rstrip("\r\n").split(delimiter)]
        if missing := [name for name in _CSV if name not in names]:
            raise FormatError(
                f"has no column {missing[0]}; expected the columns of points.csv: "
                f"{', '.join(_CSV)}, width and height", path=path,
            )  # fmt: skip
        for line, row in enumerate(csv.reader(stream, delimiter=delimiter), 2):
            cells = dict(zip(names, (value.strip() for value in row), strict=False))
            if not any(cells.values()):
                continue
            where = f"{path.name}:{line}"
            x, y = _float(cells.get("x")), _float(cells.get("y"))
            width, height = _float(cells.get("width")), _float(cells.get("height"))
            told = cells.get("specimen", "")
            if x is None or y is None or not told.isdecimal() or not cells.get("point"):
                fault = "has no number of a specimen, no name of a point, or no x and y"
                yield _Mark(where, "", None, None, "", (), fault=fault)
                continue
            size = (width, height) if width and height else None
            yield _Mark(where, cells["image"], size, int(told), cells["point"], ((x, y),))


def _float(text: str | None) -> float | None:
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _coco(path: Path) -> Iterator[_Mark]:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    images = {one.get("id"): one for one in _listed(content, "images", path)}
    marks = {one.get("id"): one.get("keypoints", []) for one in content.get("categories", [])}
    for one in _listed(content, "annotations", path):
        image = images.get(one.get("image_id"))
        where = f"{path.name}, annotation {one.get('id')}"
        if image is None:
            continue
        size = _size(image.get("width"), image.get("height"))
        number = _number(_attributes(one).get("specimen"))
        flat = one.get("keypoints") or []
        names = marks.get(one.get("category_id"), [])
        for name, x, y, seen in zip(names, flat[::3], flat[1::3], flat[2::3], strict=False):
            if seen:
                yield _Mark(where, str(image.get("file_name")), size, number, str(name),
                            ((float(x), float(y)),))  # fmt: skip
        rings = one.get("segmentation")
        for ring in rings if isinstance(rings, list) else []:
            pairs = tuple(zip(map(float, ring[::2]), map(float, ring[1::2]), strict=False))
            if len(pairs) > 2:
                yield _Mark(where, str(image.get("file_name")), size, number, "", pairs, ring=True)


def _listed(content: Any, key: str, path: Path) -> list[dict[str, Any]]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise FormatError(f"has no list of {key}; COCO is expected", path=path)
    return found


def _attributes(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found = one.get("attributes")
    return found if isinstance(found, dict) else {}


def _cvat(path: Path) -> Iterator[_Mark]:
    picture: Mapping[str, str] = {}
    for one in walk(path):
        if isinstance(one, Picture):
            picture = one.attributes
        if not isinstance(one, Shape) or one.kind not in _SHAPES or one.tracked:
            continue
        name = picture.get("name", "")
        size = _size(picture.get("width"), picture.get("height"))
        number = _number(one.said.get("specimen"))
        for shape in one.parts if one.kind == "skeleton" else [one.attributes]:
            if shape.get("outside") == "1":
                continue
            where = f"{path.name}:{one.line}"
            pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair]
            values = [(_float(pair[0]), _float(pair[-1])) for pair in pairs]
            points = tuple((x, y) for x, y in values if x is not None and y is not None)
            fault = "has no points" if not points or len(points) < len(values) else ""
            yield _Mark(where, name, size, number, shape.get("label", ""), points,
                        ring=one.kind == "polygon", fault=fault)  # fmt: skip


def _size(width: Any, height: Any) -> tuple[float, float] | None:
    across, down = _float(str(width)), _float(str(height))
    return (across, down) if across and down else None


def _number(value: Any) -> int | None:
    return int(str(value)) if value is not None and str(value).isdecimal() else None
