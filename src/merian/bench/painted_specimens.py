"""Specimens whose parts others painted, as COCO with outlines and landmarks to learn from.

Head, pronotum, elytra, legs and antennae have a colour each (BeetleFlow). The lines between parts
are painted as ground, and so is the head of a pin; a network is told that both are body: gaps
between head, pronotum and elytra are closed, holes in them are filled. Legs and antennae stay as
they are painted.

The elytra have the ends of the smallest rectangle around their largest piece, the head ends where
it is farthest from the pronotum, and the body is widest where head, pronotum and elytra are. The
end of the elytra is that of the abdomen, as in drawn worlds. What cannot be told is not in the
category of a specimen, so that nothing is asked of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.bench.drawn_specimens import NAMES
from merian.errors import NotFoundError
from merian.files import new_folder, write_json
from merian.measure.shapes import Point, Rectangle, Shape, rectangle
from merian.pictures import decode
from merian.world.masks import bounds, pack, runs_of

__all__ = ["COLOURS", "FILE", "has_learned_painted", "largest_piece", "painted_landmarks",
           "painted_names", "part_of_painting", "read_colours", "whole_body",
           "write_painted"]  # fmt: skip

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "head": (200, 0, 0), "pronotum": (0, 200, 0), "elytra": (0, 0, 200), "legs": (200, 200, 0),
    "antennae": (200, 0, 200),
}  # fmt: skip
"""How parts are painted."""

FILE = "painted.coco.json"
"""What the file is called: by it the card of a network tells that it has learned from them."""

_NEAR = 60  # of a painted colour
_TRUNK = ("head", "pronotum", "elytra")
_GAP = 0.03  # of the elytra's length: how wide the lines between parts are at the most
_STRIP, _LATE = 0.08, 0.06  # of the elytra's length: a strip along their middle; where it begins
_LEAST = 30  # pixels of a part; less is a slip of the brush
_BAND = 0.04  # of the elytra's length: how far back from its end the middle of a head is taken


def painted_names(folder: Path) -> list[str]:
    """Return the names of the pictures that have a painted one beside them.

    Args:
        folder: With images and masks.
    """
    pictures = sorted(file.name for file in (folder / "images").glob("*.png"))
    found = [name for name in pictures if (folder / "masks" / name).is_file()]
    if not found:
        raise NotFoundError(
            f"{folder / 'images'}: no picture; name the folder above it with --data"
        )
    return found


def write_painted(folder: Path, names: Iterable[str], out: Path, times: int = 1) -> Path:
    """Write a COCO file of painted specimens with their pictures, and return it.

    Args:
        folder: With images and masks.
        names: Of the pictures that are taken. All of them are learned from.
        out: The folder to make.
        times: How often each is listed, so that few count as much as many drawn ones.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[tuple[str, ...], int] = {}
    with new_folder(out) as part:
        for number, name in enumerate(names, 1):
            painted = read_colours(folder / "masks" / name)
            height, width = painted.shape[:2]
            (part / name).write_bytes((folder / "images" / name).read_bytes())
            images.append({"id": number, "file_name": name, "width": width, "height": height,
                           "split": "train"})  # fmt: skip
            marks = painted_landmarks(painted)
            if not marks:
                continue
            # A landmark that is not told must not be learned as absent: its category has not it.
            category = categories.setdefault(tuple(n for n in NAMES if n in marks),
                                             len(categories) + 1)  # fmt: skip
            own = _annotation(number, category, whole_body(painted), marks)
            annotations += [own | {"id": len(annotations) + n} for n in range(1, times + 1)]
        write_json(part / FILE, {
            "images": images, "annotations": annotations,
            "categories": [{"id": number, "name": f"beetle {number}", "keypoints": [*told],
                            "skeleton": []} for told, number in categories.items()],
        })  # fmt: skip
    return out / FILE


def has_learned_painted(card: Mapping[str, Any]) -> bool:
    """Return whether a network has learned from painted specimens, by its card."""
    of_run = (card.get("data") or {}).get("sources") or ()
    return any(one.get("path") == FILE for one in (*(card.get("sources") or ()), *of_run))


def _annotation(
    image: int, category: int, mask: Mask, marks: Mapping[str, Point]
) -> dict[str, Any]:
    told: list[float] = []
    for name in NAMES:
        if name in marks:
            told += [round(marks[name][0], 2), round(marks[name][1], 2), 2]
    left, top, width, height = bounds(mask)
    return {
        "image_id": image, "category_id": category, "iscrowd": 0, "area": int(mask.sum()),
        "bbox": [left, top, width, height],
        "segmentation": {"size": [*mask.shape], "counts": pack(runs_of(mask))},
        "keypoints": told, "num_keypoints": len(marks),
    }  # fmt: skip


# -- what is painted --------------------------------------------------------------------------


def read_colours(file: Path) -> Bytes:
    """Return uint8[h, w, 3] of a picture."""
    return np.asarray(decode(file.read_bytes()).convert("RGB"))


def part_of_painting(painted: Bytes, part: str) -> Mask:
    """Return where a part is painted; none of it where it is no more than a slip."""
    far = np.abs(painted.astype(np.int64) - COLOURS[part]).sum(axis=2)
    found: Mask = far < _NEAR
    return found if int(found.sum()) >= _LEAST else np.zeros_like(found)


def largest_piece(mask: Mask) -> Mask:
    """Return the largest piece of a mask, which is not empty."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    found: Mask = labels == sizes.argmax()
    return found


def whole_body(painted: Bytes) -> Mask:
    """Return all that is painted, with the lines between parts and the pin."""
    found: Mask = np.asarray(painted.any(axis=2)) | _trunk(painted)
    return found


def _trunk(painted: Bytes) -> Mask:
    """Return head, pronotum and elytra as one piece without holes."""
    trunk = np.logical_or.reduce([part_of_painting(painted, part) for part in _TRUNK])
    elytra = part_of_painting(painted, "elytra")
    length = math.sqrt(float(elytra.sum() if elytra.any() else trunk.sum()) * 2)
    radius = max(2, round(_GAP * length))
    # What is closed must not stop at the border of the picture.
    wide = np.pad(trunk, radius + 1)
    closed = ndimage.binary_closing(wide, _disc(radius))
    inside = np.s_[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    found: Mask = ndimage.binary_fill_holes(closed)[inside]
    return found


def painted_landmarks(painted: Bytes) -> dict[str, Point]:
    """Return the landmarks that the painted parts tell; none where elytra or their front are not.

    Args:
        painted: uint8[h, w, 3].
    """
    parts = {part: part_of_painting(painted, part) for part in _TRUNK}
    front = parts["pronotum"] if parts["pronotum"].any() else parts["head"]
    if not parts["elytra"].any() or not front.any():
        return {}
    elytra = largest_piece(parts["elytra"])
    base, tip = _ends(rectangle(Shape(elytra).hull), _middle(front))
    found = {"elytra_base": base, "elytra_tip": tip, "abdomen_tip": tip}
    if _doubtful(elytra, base, tip):
        del found["elytra_base"]
    along = np.subtract(tip, base) / max(math.dist(base, tip), 1e-9)
    found |= _widest(_trunk(painted), base, along)
    if parts["head"].any() and parts["pronotum"].any():
        middle = _middle(parts["pronotum"])
        found["head_tip"] = _head_tip(parts["head"], middle, math.dist(base, tip))
    height, width = painted.shape[:2]
    return {name: (min(max(found[name][0], 0.0), float(width)),
                   min(max(found[name][1], 0.0), float(height)))
            for name in NAMES if name in found}  # fmt: skip


def _doubtful(elytra: Mask, base: Point, tip: Point) -> bool:
    """Return whether the elytra begin far behind their rectangle in the middle.

    A shoulder of a leg was then painted as one of theirs.
    """
    length = max(math.dist(base, tip), 1e-9)
    along = np.subtract(tip, base) / length
    rows, columns = np.nonzero(elytra)
    away = np.stack([columns, rows], axis=1) + 0.5 - base
    near = np.abs(away @ np.array([along[1], -along[0]])) < _STRIP * length
    return not near.any() or float((away @ along)[near].min()) > _LATE * length


def _disc(radius: int) -> Mask:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    found: Mask = x**2 + y**2 <= radius**2
    return found


def _ends(box: Rectangle, front: Floats) -> tuple[Point, Point]:
    """Return the ends of a rectangle along its length, the one nearer to the front first."""
    one, other = box.middle(along=True)
    if math.dist(one, front) <= math.dist(other, front):
        return one, other
    return other, one


def _middle(mask: Mask) -> Floats:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()]) + 0.5


def _widest(trunk: Mask, origin: Point, along: Floats) -> dict[str, Point]:
    """Return the ends of the largest width across the axis; right lies as in drawn worlds."""
    rows, columns = np.nonzero(trunk)
    away = np.stack([columns, rows], axis=1) + 0.5 - origin
    across = np.array([along[1], -along[0]])
    place, side = np.floor(away @ along).astype(np.int64), away @ across
    place -= place.min()
    low, high = np.full(place.max() + 1, np.inf), np.full(place.max() + 1, -np.inf)
    np.minimum.at(low, place, side)
    np.maximum.at(high, place, side)
    best = int((high - low).argmax())
    # The middle of all rows that are about as wide, as the sides of many run side by side.
    alike = np.flatnonzero(high - low >= 0.99 * (high - low)[best])
    best = int(alike[np.abs(alike - np.median(alike)).argmin()])
    start = math.floor(float((away @ along).min()))
    ends = [origin + (start + best + 0.5) * along + (end * across)
            for end in (float(low[best]) - 0.5, float(high[best]) + 0.5)]  # fmt: skip
    (x1, y1), (x2, y2) = (end.tolist() for end in ends)
    return {"width_left": (x1, y1), "width_right": (x2, y2)}


def _head_tip(head: Mask, pronotum: Floats, elytra: float) -> Point:
    """Return where a head is farthest from the pronotum, in the middle of what is there."""
    piece = largest_piece(head)
    rows, columns = np.nonzero(piece)
    places = np.stack([columns, rows], axis=1) + 0.5
    ahead = _middle(piece) - pronotum
    ahead /= max(float(np.hypot(*ahead)), 1e-9)
    far = (places - pronotum) @ ahead
    across = (places - pronotum) @ np.array([-ahead[1], ahead[0]])
    last = far >= far.max() - max(_BAND * elytra, 1.0)
    side = (float(across[last].min()) + float(across[last].max())) / 2
    x, y = (pronotum + far.max() * ahead + side * np.array([-ahead[1], ahead[0]])).tolist()
    return x, y
