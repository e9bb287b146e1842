"""A pack of bodies whose landmarks are known: each cut out with what lies around it.

A COCO file with keypoints and the pictures beside it go in. Landmarks have the names that the file
gives them. Of each body there is then one array, which is mapped and not read:

    pack.json      what is in it, with the names and the hash of all that
    bodies.npy     a row a body: its part, its box, whether it has an outline
    points.npy     float32[bodies, landmarks, 3]: x and y in its crop; 1 there, 0 absent, 2 unasked
    crop-N.npy     uint8[h, w, 4]: colours, and 255 where the body is

A landmark whose `v` is 0 counts as absent, as COCO's "not labelled" has no other meaning that could
be learned: bodies that lack a landmark are told so. A landmark that the category of a body does not
name is not asked of it, so that files with some landmarks can be learned beside those with all.

Reference: Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.errors import InputError
from merian.files import content_hash, new_folder, write_json
from merian.formats.coco_head import key_of
from merian.formats.json_stream import members
from merian.formats.outlines import OutlineError, is_pixel
from merian.learn.instance_pack import (
    coco_file,
    hash_of_pictures,
    nothing_in,
    outline_pixels,
    packed_array,
    part_of,
    picture_file,
)
from merian.pictures import BadPictureError, decode
from merian.stamp import check_stamp, run_id, stamp

__all__ = ["UNASKED", "LandmarkPack", "make_landmark_pack", "open_landmark_pack"]

UNASKED = 2
"""Of a landmark: nobody says whether the body has it."""

_FORMAT, _VERSION = "merian-landmarks", "1.0"
_PACK, _BODIES, _POINTS = "pack.json", "bodies.npy", "points.npy"
_PARTS = ("train", "valid", "test")
_LIST = np.dtype([
    ("picture", "<i4"), ("annotation", "<i4"), ("part", "u1"), ("outlined", "?"), ("left", "<f4"),
    ("top", "<f4"), ("width", "<f4"), ("height", "<f4"),
])  # fmt: skip
_AROUND = 0.6  # of the longer side of a box: what is kept on each side of it
_LARGEST = 420  # pixels of that side; what is larger is made smaller
_MOST = 200  # landmarks


@dataclass(frozen=True)
class LandmarkPack:
    """A pack that is open.

    Attributes:
        folder: Where it is.
        header: What is in it.
    """

    folder: Path
    header: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The landmarks."""
        return list(self.header["landmarks"])

    @cached_property
    def bodies(self) -> NDArray[Any]:
        """A row a body."""
        return packed_array(self.folder / _BODIES)

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """float32[bodies, landmarks, 3]: x and y in the crop; 1 there, 0 absent, `UNASKED`."""
        return packed_array(self.folder / _POINTS)

    def part(self, name: str) -> NDArray[np.int64]:
        """Return the bodies of train, valid or test."""
        return np.flatnonzero(self.bodies["part"] == _PARTS.index(name))

    def crop(self, body: int) -> NDArray[np.uint8]:
        """Return uint8[h, w, 4] of a body, mapped."""
        return packed_array(self.folder / f"crop-{body}.npy", mapped=True)


def open_landmark_pack(folder: Path | str) -> LandmarkPack:
    """Open a pack."""
    return LandmarkPack(Path(folder), check_stamp(Path(folder) / _PACK, _FORMAT, 1))


# -- making one -----------------------------------------------------------------------------------


@dataclass
class _Gathered:
    """What COCO files say, each picture with the file of its annotations."""

    names: list[str] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)


def make_landmark_pack(
    data: Sequence[Path | str],
    out: Path | str,
    *,
    valid: float = 0.1,
    categories: Sequence[str] = (),
) -> LandmarkPack:
    """Make a pack of COCO files and the pictures beside them, complete or not at all.

    A pack that was made of the same is opened.

    Args:
        data: COCO files, or folders with one.
        out: The folder to make.
        valid: The share of pictures held out where nobody says which.
        categories: The names of those that are learned; all with keypoints if not given.
    """
    files = [coco_file(Path(one)) for one in data]
    asked = {"files": [[file.name, content_hash(file)] for file in files],
             "pictures": hash_of_pictures(files), "valid": valid,
             "categories": [*categories]}  # fmt: skip
    run = run_id("landmarks", asked)
    out = Path(out)
    if (out / _PACK).is_file():
        there = open_landmark_pack(out)
        if there.header["merian"]["run"] == run:
            return there
    with new_folder(out) as folder:
        gathered = _Gathered()
        spool = folder / "spool"
        spool.mkdir()
        for file in files:
            _gather(file, gathered, spool, valid, categories)
        rows: list[tuple[Any, ...]] = []
        points: list[NDArray[np.float32]] = []
        for number, picture in enumerate(gathered.pictures):
            for row, marks in _of_picture(folder, number, picture, spool, len(rows), gathered):
                rows.append(row)
                points.append(marks)
        if not rows:
            raise nothing_in(files, "no body with landmarks", gathered.set_aside)
        spool.rmdir()
        bodies, places = np.array(rows, _LIST), np.array(points, np.float32)
        np.save(folder / _BODIES, bodies)
        np.save(folder / _POINTS, places)
        digest = hashlib.blake2b(bodies.tobytes() + places.tobytes(), digest_size=16)
        write_json(folder / _PACK, {
            "merian": stamp(_FORMAT, _VERSION, run), "asked": asked,
            "landmarks": gathered.names, "bodies": len(bodies),
            "pictures": [{"name": one["name"], "part": one["part"]} for one in gathered.pictures],
            "set_aside": dict(gathered.set_aside), "hash": digest.hexdigest(),
        })  # fmt: skip
    return open_landmark_pack(out)


def _gather(
    file: Path, gathered: _Gathered, spool: Path, valid: float, categories: Sequence[str]
) -> None:
    """Walk a COCO file: its lists first, then each annotation to those of its picture."""
    keypoints = _keypoints(file, gathered, categories)
    own: dict[str, int] = {}
    for member in members(file):
        value = member.value
        if member.key != "images" or not isinstance(value, dict):
            continue
        key, found = key_of(value.get("id")), picture_file(file, value)
        if key is None or found is None:
            gathered.set_aside["pictures that are not there"] += 1
            continue
        own[key] = len(gathered.pictures)
        told = (value["width"], value["height"]) if {"width", "height"} <= {*value} else None
        gathered.pictures.append({"name": found.name, "file": found, "told": told,
                                  "part": part_of(found.name, value, valid)})  # fmt: skip
    for member in members(file):
        value = member.value
        if member.key != "annotations" or not isinstance(value, dict):
            continue
        picture = own.get(key_of(value.get("image_id")) or "")
        names = keypoints.get(key_of(value.get("category_id")) or "")
        if picture is None:
            gathered.set_aside["bodies of pictures that are not there"] += 1
        elif names is not None and not value.get("iscrowd"):
            line = {"names": names, **{k: value.get(k) for k in ("keypoints", "segmentation",
                                                                 "bbox")}}  # fmt: skip
            with (spool / str(picture)).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")


def _keypoints(file: Path, gathered: _Gathered, categories: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the landmarks of each category, and enter those that are new."""
    found: dict[str, list[str]] = {}
    called: set[str] = set()
    for member in members(file):
        value = member.value
        if member.key != "categories" or not isinstance(value, dict):
            continue
        name, key, names = str(value.get("name")), key_of(value.get("id")), value.get("keypoints")
        called.add(name)
        if key and isinstance(names, list) and names and (not categories or name in categories):
            found[key] = [str(one) for one in names]
    for wanted in categories:
        if wanted not in called:
            raise InputError(f"{file}: no category is called {wanted!r}; there are "
                             f"{', '.join(sorted(called)[:20])}")  # fmt: skip
    if not found:
        raise InputError(
            f"{file}: no category with keypoints; their names are expected in "
            "categories[].keypoints, and their places in annotations[].keypoints"
        )
    for name in (name for names in found.values() for name in names):
        if name not in gathered.names:
            gathered.names.append(name)
    if len(gathered.names) > _MOST:
        raise InputError(f"{file}: {len(gathered.names):,} landmarks; {_MOST} at most expected")
    return found


def _of_picture(
    folder: Path, number: int, picture: dict[str, Any], spool: Path, first: int, to: _Gathered
) -> Iterator[tuple[tuple[Any, ...], NDArray[np.float32]]]:
    """Write the crops of a picture, and yield a row and the landmarks of each body."""
    lines = spool / str(number)
    if not lines.is_file():
        return
    image: NDArray[np.uint8] | None = None
    try:
        image = np.asarray(decode(picture["file"].read_bytes()).convert("RGB"))
    except (BadPictureError, OSError):
        to.set_aside["pictures that cannot be read"] += 1
    if image is not None and picture["told"] and image.shape[1::-1] != picture["told"]:
        to.set_aside["pictures of another size than the file says"] += 1
        image = None
    part = _PARTS.index(picture["part"])
    if image is not None:
        with lines.open(encoding="utf-8") as stream:
            for at, line in enumerate(stream):
                told = json.loads(line)
                marks = _marks(told, to.names, image.shape[1::-1])
                if marks is None:
                    to.set_aside["bodies without landmarks that can be read"] += 1
                    continue
                crop, box, marks, outlined = _cut(told, image, marks, to.set_aside)
                np.save(folder / f"crop-{first}.npy", crop)
                yield (number, at, part, outlined, *box), marks
                first += 1
    lines.unlink()


def _marks(
    told: dict[str, Any], names: Sequence[str], size: tuple[int, ...]
) -> NDArray[np.float32] | None:
    """Return x, y and whether it is there of each landmark; None where nothing can be read.

    What the category of the body does not name is not asked.
    """
    values, own = told["keypoints"], told["names"]
    if not isinstance(values, list) or len(values) != 3 * len(own) or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
        for one in values
    ):  # fmt: skip
        return None
    found = np.zeros((len(names), 3), np.float32)
    found[:, 2] = UNASKED
    for name, x, y, seen in zip(own, values[::3], values[1::3], values[2::3], strict=True):
        if seen and not (0 <= x <= size[0] and 0 <= y <= size[1]):
            return None
        found[names.index(name)] = (x, y, 1) if seen else (0, 0, 0)
    return found if (found[:, 2] == 1).any() else None


def _cut(
    told: dict[str, Any],
    image: NDArray[np.uint8],
    marks: NDArray[np.float32],
    set_aside: Counter[str],
) -> tuple[NDArray[np.uint8], tuple[float, ...], NDArray[np.float32], bool]:
    """Return the crop of a body, its box in it, its landmarks in it and whether it is outlined."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    outlined = False
    if told["segmentation"]:
        try:
            places = outline_pixels(told["segmentation"], height, width)
        except OutlineError:
            places = None
        if places is None or not len(places[0]):
            set_aside["outlines that cannot be read, of bodies with landmarks"] += 1
        else:
            mask[places], outlined = 255, True
    left, top, right, below = _box(told, mask, marks)
    longer = max(right - left, below - top, 1.0)
    around = _AROUND * longer
    x, y = max(0, math.floor(left - around)), max(0, math.floor(top - around))
    cut = np.s_[y : math.ceil(below + around), x : math.ceil(right + around)]
    crop = np.concatenate([image[cut], mask[cut][..., None]], axis=2)
    factor = math.ceil(longer / _LARGEST)
    if factor > 1:
        crop = np.stack([np.asarray(Image.fromarray(np.ascontiguousarray(crop[..., c]))
                                    .reduce(factor)) for c in range(4)], axis=2)  # fmt: skip
    moved = marks.copy()
    moved[:, :2] = np.where(marks[:, 2:] == 1, (marks[:, :2] - (x, y)) / factor, 0)
    box = tuple(v / factor for v in (left - x, top - y, right - left, below - top))
    return np.ascontiguousarray(crop), box, moved, outlined


def _box(
    told: dict[str, Any], mask: NDArray[np.uint8], marks: NDArray[np.float32]
) -> tuple[float, float, float, float]:
    """Return left, top, right and lower end of a body: of its outline, its box or its landmarks."""
    if mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    box = told["bbox"]
    if isinstance(box, list) and len(box) == 4 and all(map(is_pixel, box)) and min(box[2:]) > 0:
        return box[0], box[1], box[0] + box[2], box[1] + box[3]
    seen = marks[marks[:, 2] == 1, :2]
    (left, top), (right, below) = seen.min(axis=0).tolist(), seen.max(axis=0).tolist()
    return left, top, right, below
