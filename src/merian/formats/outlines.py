"""Regions of pictures: boxes as fractions, outlines as WKT or as COCO's run lengths.

A region is left, top, width and height as fractions of its picture, clipped to it. Its outline is
in pixels of the picture and is not clipped. A polygon is closed in WKT by its first point, which
is added even where the last is the same, so that the very points come back. A mask is
``RLE(height width counts)``: its counts are COCO's letters, or numbers with blanks between; runs
go down the columns and begin with what is not set. From the fourth run on letters hold the
difference to the run two before, five bits a letter, the lowest first; the sixth bit says that
more follow, the fifth of the last is the sign.

References: OGC 06-103r4 (WKT); Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48 (run lengths).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST_SIDE",
    "Box",
    "Mask",
    "OutlineError",
    "bounds",
    "box_outline",
    "clipped",
    "is_pixel",
    "mask_outline",
    "outline_mask",
    "pixel_box",
    "point_outline",
    "polygon_area",
    "polygon_outline",
    "read_mask",
    "read_points",
    "read_rings",
    "sticks_out",
]

LARGEST_SIDE = 10_000_000
"""Pixels: no picture is wider or higher."""

_NEAR = 1e-6  # pixels: what sums of decimal fractions may be off
_MOST_LETTERS = 1 << 22
_NUMBERS = frozenset({int, float})
_FARTHEST = 10 * LARGEST_SIDE

Box = tuple[float, float, float, float]
"""Left, top, width and height."""


class OutlineError(ValueError):
    """An outline that cannot be one, and why."""


def is_pixel(value: object) -> bool:
    """Return whether a value is a coordinate: a number, and not absurd."""
    return type(value) in _NUMBERS and -_FARTHEST <= value <= _FARTHEST  # type: ignore[operator]


# -- boxes --------------------------------------------------------------------------------------


def clipped(box: Box, width: int, height: int) -> Box:
    """Return a box in pixels as fractions of its picture, clipped to it."""
    (x, w), (y, h) = _along(box[0], box[2], width), _along(box[1], box[3], height)
    return x, y, w, h


def _along(start: float, length: float, full: int) -> tuple[float, float]:
    """Return where a stretch begins and how long it is, as fractions of the full length."""
    if start >= 0 and length >= 0 and start + length <= full + _NEAR:
        return start / full, length / full
    begin = min(max(start, 0), full)
    end = min(max(start + length, begin), full)
    return begin / full, (end - begin) / full


def sticks_out(box: Box, width: int, height: int) -> bool:
    """Return whether a part of a box is not in its picture."""
    x, y, w, h = box
    return min(box) < 0 or x + w > width + _NEAR or y + h > height + _NEAR


def pixel_box(fractions: Box, width: int, height: int) -> Box:
    """Return a box in pixels whose fractions are these, with as few digits as they need."""
    x, y, w, h = fractions
    return _scaled(x, width), _scaled(y, height), _scaled(w, width), _scaled(h, height)


def _scaled(fraction: float, full: int) -> float:
    exact = fraction * full
    for digits in range(0, 12, 3):
        value = round(exact, digits)
        if value / full == fraction:
            return int(value) if not digits else value
    near = (exact, math.nextafter(exact, math.inf), math.nextafter(exact, -math.inf))
    return next((value for value in near if value / full == fraction), exact)


# -- polygons, lines and points -----------------------------------------------------------------


def polygon_outline(rings: Sequence[Sequence[float]]) -> str:
    """Return polygons, each a flat list x, y, x, y, as WKT.

    Raises:
        OutlineError: If one of them has too few points, half a point or none that is a pixel.
    """
    told = [f"(({_points(ring, 3)}))" for ring in rings]
    return f"POLYGON {told[0]}" if len(told) == 1 else f"MULTIPOLYGON ({', '.join(told)})"


def point_outline(flat: Sequence[float], kind: str) -> str:
    """Return points as WKT: as a LINESTRING that goes through them, or as a MULTIPOINT.

    Raises:
        OutlineError: If there are too few of them, half a point or none that is a pixel.
    """
    if kind == "MULTIPOINT":
        told = _points(flat, 1)
        return f"POINT ({told})" if len(flat) == 2 else f"MULTIPOINT ({told})"
    return f"{kind} ({_points(flat, 2)})"


def box_outline(box: Box) -> str:
    """Return a box as a polygon, from its left top corner to the right."""
    left, top = Decimal(str(box[0])), Decimal(str(box[1]))
    right, below = left + Decimal(str(box[2])), top + Decimal(str(box[3]))
    corners = ((left, top), (right, top), (right, below), (left, below), (left, top))
    return f"POLYGON (({', '.join(f'{x:f} {y:f}' for x, y in corners)}))"


def _points(flat: Sequence[float], least: int) -> str:
    if len(flat) % 2:
        raise OutlineError(f"an outline of {len(flat)} numbers: pairs of x and y are expected")
    if len(flat) < 2 * least:
        raise OutlineError(f"an outline of {len(flat) // 2} points: {least} at least are expected")
    plain = _NUMBERS.issuperset(map(type, flat))
    if not plain or not all(-_FARTHEST <= value <= _FARTHEST for value in flat):
        raise OutlineError("an outline with a coordinate that is no pixel")
    texts = list(map(repr, flat))
    told = list(map(" ".join, zip(texts[::2], texts[1::2], strict=True)))
    return ", ".join([*told, told[0]] if least == 3 else told)


def read_rings(outline: str) -> list[list[float]]:
    """Return the polygons of WKT as flat lists, each without the point that closes it.

    Raises:
        OutlineError: If it is no POLYGON or MULTIPOLYGON of numbers.
    """
    kind, groups = read_points(outline)
    if kind != "POLYGON":
        raise OutlineError(f"a {kind} is no polygon")
    return groups


def read_points(outline: str) -> tuple[str, list[list[float]]]:
    """Return what WKT is (POLYGON, LINESTRING or POINT) and its points, a flat list for each part.

    Raises:
        OutlineError: If it is none of them, or not of numbers.
    """
    word, _, inside = outline.partition("(")
    kind = word.strip().upper().removeprefix("MULTI")
    if kind not in {"POLYGON", "LINESTRING", "POINT"}:
        raise OutlineError(f"{outline[:20]!r} is no outline")
    groups = []
    for part in inside.replace("(", " ").split(")"):
        pairs = [pair.split() for pair in part.strip(" ,").split(",") if pair.strip()]
        if not pairs:
            continue
        if any(len(pair) != 2 for pair in pairs):
            raise OutlineError("a point that has not two coordinates")
        try:
            flat = [_number(text) for pair in pairs for text in pair]
        except ValueError:
            raise OutlineError("a coordinate that is no number") from None
        groups.append(flat[:-2] if kind == "POLYGON" else flat)
    return kind, groups


def _number(text: str) -> float:
    value = json.loads(text)
    if not is_pixel(value):
        raise ValueError(text)
    return value  # type: ignore[no-any-return]


def bounds(flat: Sequence[float]) -> Box:
    """Return the box around points."""
    across, down = flat[::2], flat[1::2]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def polygon_area(flat: Sequence[float]) -> float:
    """Return the area within one polygon."""
    x, y = np.array(flat[::2], np.float64), np.array(flat[1::2], np.float64)
    if not len(x):
        return 0.0
    x, y = x - x[0], y - y[0]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


# -- masks --------------------------------------------------------------------------------------


class Mask(NamedTuple):
    """A mask as it came.

    Attributes:
        height: Of the picture.
        width: Of the picture.
        counts: Letters, or lengths of runs.
        area: The number of pixels that are set.
        box: Around them.
    """

    height: int
    width: int
    counts: str | list[int]
    area: int
    box: Box

    def run_lengths(self) -> NDArray[np.int64]:
        """Return the lengths of its runs."""
        if isinstance(self.counts, str):
            return _unpacked(self.counts)
        return np.array(self.counts, np.int64)


def mask_outline(mask: Mask) -> str:
    """Return a mask as text."""
    counts = mask.counts
    told = counts if isinstance(counts, str) else " ".join(map(str, counts))
    return f"RLE({mask.height} {mask.width} {told})"


def read_mask(size: object, counts: object) -> Mask:
    """Return what a mask says.

    Args:
        size: Height and width.
        counts: COCO's letters, lengths of runs, or text with either in it.

    Raises:
        OutlineError: If the runs are none, or do not fill the size.
    """
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(map(_is_side, size))):
        raise OutlineError(f"a mask of size {str(size)[:40]}: height and width are expected")
    height, width = size
    if isinstance(counts, str):
        runs = _unpacked(counts)
    elif isinstance(counts, list):
        if not all(type(run) is int and 0 <= run <= height * width for run in counts):
            raise OutlineError("a mask with a run that is no length")
        runs = np.array(counts, np.int64)
    else:
        raise OutlineError("a mask without counts")
    # Summed as numbers of Python, which do not run over.
    total = sum(map(int, runs)) if len(runs) < 64 else int(runs.astype(np.float64).sum())
    if total != height * width or (len(runs) and int(runs.min()) < 0):
        raise OutlineError(f"a mask whose runs have {total} pixels and not {height} x {width}")
    return Mask(height, width, counts, int(runs[1::2].sum()), _mask_box(runs, height))


def outline_mask(outline: str) -> Mask:
    """Return the mask of an outline that is one.

    Raises:
        OutlineError: If it is none.
    """
    told = outline.removeprefix("RLE(").removesuffix(")").split()
    if not outline.startswith("RLE(") or len(told) < 3 or not all(t.isdecimal() for t in told[:2]):
        raise OutlineError(f"{outline[:20]!r} is no mask")
    size = [int(told[0]), int(told[1])]
    if len(told) > 3:
        if not all(text.isdecimal() and len(text) < 16 for text in told):
            raise OutlineError("a mask with a run that is no length")
        return read_mask(size, [int(text) for text in told[2:]])
    try:
        return read_mask(size, told[2])
    except OutlineError:  # one run alone looks like letters
        if not told[2].isdecimal() or len(told[2]) > 15:
            raise
        return read_mask(size, [int(told[2])])


def _is_side(value: object) -> bool:
    return type(value) is int and 0 < value <= LARGEST_SIDE


def _unpacked(letters: str) -> NDArray[np.int64]:
    """Return the lengths of runs that letters stand for."""
    if len(letters) > _MOST_LETTERS:
        raise OutlineError(f"a mask of {len(letters):,} letters")
    try:
        bits = np.frombuffer(letters.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise OutlineError("a mask with letters that COCO does not use") from None
    if not bits.size:
        return bits
    ends = np.flatnonzero((bits & 0x20) == 0)
    if bits.min() < 0 or bits.max() > 63 or not ends.size or ends[-1] != bits.size - 1:
        raise OutlineError("a mask with letters that COCO does not use, or that is cut short")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:  # of five bits: no picture has so many pixels
        raise OutlineError("a mask with a run that is no length")
    place = np.arange(bits.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((bits & 0x1F) << (5 * place), starts)
    runs -= ((bits[ends] >> 4) & 1) << (5 * lengths)  # the sign
    # Each of the even and of the odd runs adds to the one before it; the first is by itself.
    for first in (1, 2):
        runs[first::2] = np.cumsum(runs[first::2])
    return runs


def _mask_box(runs: NDArray[np.int64], height: int) -> Box:
    ends = np.cumsum(runs)
    first, last = (ends - runs)[1::2], ends[1::2] - 1
    set_ = last >= first
    if not set_.any():
        return 0, 0, 0, 0
    first, last = first[set_], last[set_]
    left, right = int(first[0] // height), int(last[-1] // height)
    whole = bool((first // height != last // height).any())
    # A run that goes on in the next column reaches both the last and the first row.
    top = 0 if whole else int((first % height).min())
    below = height - 1 if whole else int((last % height).max())
    return left, top, right - left + 1, below - top + 1
