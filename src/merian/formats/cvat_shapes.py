"""The shapes of CVAT as regions of pictures, and back.

A box is its fractions, a polygon POLYGON, a polyline LINESTRING, points POINT or MULTIPOINT, a
mask RLE. What has no such outline (ellipse, cuboid, skeleton, turned box) keeps its numbers as they
came, in a measurement that is called after the shape, and is drawn as a polygon or as its points.
A mask of CVAT has its runs along the rows of its own box; those of an outline go down the columns
of the picture.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from merian.formats.cvat_xml import Shape
from merian.formats.outlines import (
    LARGEST_SIDE,
    Box,
    Mask,
    OutlineError,
    bounds,
    clipped,
    mask_outline,
    outline_mask,
    point_outline,
    polygon_outline,
    read_mask,
    read_points,
    sticks_out,
)

__all__ = ["Drawn", "drawn", "mask_attributes", "shape_of"]

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_ELLIPSE = ("cx", "cy", "rx", "ry")
_ROUND = 36  # points of an ellipse that is drawn as a polygon
_MOST_PIXELS = 1 << 28  # of the box of one mask


class Drawn(NamedTuple):
    """A shape as a region.

    Attributes:
        fractions: Of the picture.
        outline: As in the catalogue.
        kept: The numbers of a shape whose outline does not tell it, as JSON.
    """

    fractions: Box | None
    outline: str | None
    kept: str | None


def drawn(shape: Shape, width: int | None, height: int | None) -> Drawn:
    """Return where on its picture a shape is.

    Raises:
        OutlineError: If its numbers are none, or cannot be.
    """
    if shape.kind == "tag":
        return Drawn((0, 0, 1, 1), None, None)
    if shape.kind == "mask":
        return _mask(shape, width, height)
    box, outline, kept = _measured(shape)
    if not width or not height:
        return Drawn(None, outline or polygon_outline([_corners(box)]), kept)
    fractions = clipped(box, width, height)
    if shape.kind == "box" and kept is None and (
        sticks_out(box, width, height) or fractions == (0, 0, 1, 1)
    ):  # fmt: skip
        kept = _numbers(shape, _CORNERS)
        outline = polygon_outline([_corners(box)])
    return Drawn(fractions, outline, kept)


def _measured(shape: Shape) -> tuple[Box, str | None, str | None]:
    """Return the box around a shape, its outline, and its numbers where those do not tell it."""
    if shape.kind == "box":
        box = _box(shape)
        turn = _number(shape, "rotation") if "rotation" in shape.attributes else 0.0
        if not turn:
            return box, None, None
        ring = _turned(_corners(box), turn)
        return bounds(ring), polygon_outline([ring]), _numbers(shape, (*_CORNERS, "rotation"))
    if shape.kind == "ellipse":
        ring = _round(shape)
        kept = _numbers(shape, (*_ELLIPSE, "rotation"))
        return bounds(ring), polygon_outline([ring]), kept
    if shape.kind == "cuboid":
        names = [f"{side}{n}" for n in (1, 2) for side in ("xtl", "ytl", "xbl", "ybl", "xbr",
                                                           "ybr", "xtr", "ytr")]  # fmt: skip
        flat = [_number(shape, name) for name in names]
        return bounds(flat), point_outline(flat, "MULTIPOINT"), _numbers(shape, names)
    if shape.kind == "skeleton":
        flat = [n for part in shape.parts for n in _points(part.get("points", ""))]
        kept = json.dumps([dict(part) for part in shape.parts], ensure_ascii=False)
        return bounds(flat or _nothing()), point_outline(flat, "MULTIPOINT"), kept
    flat = _points(shape.attributes.get("points", ""))
    if shape.kind == "polygon":
        outline = polygon_outline([flat])
    else:
        outline = point_outline(flat, "LINESTRING" if shape.kind == "polyline" else "MULTIPOINT")
    return bounds(flat), outline, None


def _nothing() -> list[float]:
    raise OutlineError("a skeleton without points")


def _number(shape: Shape, name: str) -> float:
    text = shape.attributes.get(name, "")
    value = _float(text)
    if value is None:
        raise OutlineError(f"{name} is {text[:40]!r}; a number of pixels is expected")
    return value


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= 10 * LARGEST_SIDE else None


def _numbers(shape: Shape, names: Sequence[str]) -> str:
    return json.dumps({name: shape.attributes[name] for name in names if name in shape.attributes})


def _box(shape: Shape) -> Box:
    left, top, right, below = (_number(shape, name) for name in _CORNERS)
    if right < left or below < top:
        raise OutlineError(f"a box from {left:g}, {top:g} to {right:g}, {below:g}")
    try:  # the difference of the texts: 0.3 - 0.1 is 0.2
        texts = [Decimal(shape.attributes[name].strip()) for name in _CORNERS]
        return left, top, float(texts[2] - texts[0]), float(texts[3] - texts[1])
    except InvalidOperation:
        return left, top, right - left, below - top


def _corners(box: Box) -> list[float]:
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def _turned(ring: Sequence[float], degrees: float) -> list[float]:
    """Turn points around the middle of their box, to the right as the picture is seen."""
    x, y, w, h = bounds(ring)
    middle_x, middle_y = x + w / 2, y + h / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = []
    for px, py in zip(ring[::2], ring[1::2], strict=True):
        dx, dy = px - middle_x, py - middle_y
        turned += [middle_x + dx * cos - dy * sin, middle_y + dx * sin + dy * cos]
    return [round(value, 3) for value in turned]


def _round(shape: Shape) -> list[float]:
    x, y, rx, ry = (_number(shape, name) for name in _ELLIPSE)
    if rx <= 0 or ry <= 0:
        raise OutlineError(f"an ellipse with the radii {rx:g} and {ry:g}")
    ring = []
    for step in range(_ROUND):
        turn = 2 * math.pi * step / _ROUND
        ring += [x + rx * math.cos(turn), y + ry * math.sin(turn)]
    turn = _number(shape, "rotation") if "rotation" in shape.attributes else 0.0
    return _turned(ring, turn)


def _points(text: str) -> list[float]:
    flat = []
    for pair in text.strip(" ;").split(";"):
        values = [_float(part) for part in pair.split(",")]
        if len(values) != 2 or values[0] is None or values[1] is None:
            raise OutlineError(f"{pair[:40]!r} is no point; x,y is expected")
        flat += [values[0], values[1]]
    # CVAT writes 12.00 for 12.
    return [int(value) if value.is_integer() else value for value in flat]


# -- masks --------------------------------------------------------------------------------------


def _mask(shape: Shape, width: int | None, height: int | None) -> Drawn:
    left, top, wide, high = (_whole(shape, name) for name in ("left", "top", "width", "height"))
    if not width or not height:
        raise OutlineError("a mask on a picture whose size is not told")
    if left + wide > width or top + high > height or not wide or not high:
        raise OutlineError(
            f"a mask of {wide} x {high} pixels at {left}, {top} on a picture of {width} x {height}"
        )
    if wide * high > _MOST_PIXELS:
        raise OutlineError(f"a mask of {wide} x {high} pixels")
    texts = shape.attributes.get("rle", "").replace(" ", "").split(",")
    if not all(re.fullmatch("[0-9]{1,9}", text) for text in texts):
        raise OutlineError("a mask with a run that is no length")
    runs = np.array([int(text) for text in texts], np.int64)
    total = int(runs.sum())
    if total > wide * high:
        raise OutlineError(f"a mask whose runs have {total} pixels and not {high} x {wide}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    # Some tools leave out the last run of what is not set.
    inside = np.pad(flat, (0, wide * high - total)).reshape(high, wide)
    mask = read_mask([height, width], _runs_down(inside, left, top, height, width))
    x, y, w, h = mask.box
    return Drawn((x / width, y / height, w / width, h / height), mask_outline(mask), None)


def _whole(shape: Shape, name: str) -> int:
    text = shape.attributes.get(name, "")
    if not re.fullmatch("[0-9]{1,8}", text):
        raise OutlineError(f"{name} is {text[:40]!r}; a whole number of pixels is expected")
    return int(text)


def _runs_down(
    inside: NDArray[np.bool_], left: int, top: int, height: int, width: int
) -> list[int]:
    """Return the runs down the columns of a picture of a mask that is set within a box."""
    high = inside.shape[0]
    columns = np.zeros((inside.shape[1], high + 1), np.int8)
    columns[:, :high] = inside.T
    steps = np.diff(columns.ravel(), prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    starts = (left + starts // (high + 1)) * height + top + starts % (high + 1)
    ends = (left + ends // (high + 1)) * height + top + ends % (high + 1)
    # A run to the last row goes on with one from the first row of the next column.
    apart = starts[1:] != ends[:-1]
    first = np.concatenate([starts[:1], starts[1:][apart]])
    last = np.concatenate([ends[:-1][apart], ends[-1:]])
    edges = np.column_stack([first, last]).ravel()
    kept: list[int] = np.diff(edges, prepend=0, append=height * width).tolist()
    return kept if kept[-1] or len(kept) == 1 else kept[:-1]


def mask_attributes(mask: Mask) -> dict[str, str]:
    """Return a mask as CVAT writes it.

    Raises:
        OutlineError: If its box is too large to be looked at.
    """
    x, y, w, h = (int(side) for side in mask.box)
    if w * h > _MOST_PIXELS:
        raise OutlineError(f"a mask of {w} x {h} pixels")
    runs = mask.run_lengths()
    ends = np.cumsum(runs)
    first, last = (ends - runs)[1::2], ends[1::2]
    columns = np.zeros(w * mask.height + 1, np.int8)
    np.add.at(columns, first - x * mask.height, 1)
    np.add.at(columns, last - x * mask.height, -1)
    inside = np.cumsum(columns[:-1], dtype=np.int8).reshape(w, mask.height)[:, y : y + h]
    flat = inside.T.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    lengths = np.diff(edges).tolist()
    if flat.size and flat[0]:
        lengths = [0, *lengths]
    return {
        "rle": ", ".join(map(str, lengths)),
        "left": str(x), "top": str(y), "width": str(w), "height": str(h),
    }  # fmt: skip


# -- back ---------------------------------------------------------------------------------------


def shape_of(
    outline: str | None, kept: Mapping[str, str], box: Box | None, whole: bool
) -> list[tuple[str, dict[str, str], list[dict[str, str]]]]:
    """Return the elements that a region is written as: name, attributes, points of a skeleton.

    Args:
        outline: As in the catalogue.
        kept: The measurements that are called after shapes.
        box: In pixels, where known.
        whole: Whether it is all of its picture.
    """
    for kind in ("box", "ellipse", "cuboid", "skeleton"):
        value = _object(kept.get(kind))
        if kind == "skeleton" and isinstance(value, list):
            return [(kind, {}, [_texts(part) for part in value if isinstance(part, dict)])]
        if kind != "skeleton" and isinstance(value, dict):
            return [(kind, _texts(value), [])]
    if outline and outline.startswith("RLE("):
        return [("mask", mask_attributes(outline_mask(outline)), [])]
    if outline:
        kind, groups = read_points(outline)
        name = {"POLYGON": "polygon", "LINESTRING": "polyline"}.get(kind, "points")
        return [(name, {"points": _pairs(flat)}, []) for flat in groups]
    if whole or box is None:
        return [("tag", {}, [])]
    x, y, w, h = (Decimal(str(side)) for side in box)
    corners = zip(_CORNERS, (x, y, x + w, y + h), strict=True)
    return [("box", {name: f"{side:f}" for name, side in corners}, [])]


def _object(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _texts(value: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(said) for key, said in value.items()}


def _pairs(flat: Sequence[float]) -> str:
    return ";".join(f"{x!r},{y!r}" for x, y in zip(flat[::2], flat[1::2], strict=True))
