"""A pack of pictures whose bodies are known, as pixels that can be read anywhere at once.

A folder of pictures and a COCO file go in. For each picture there are then two arrays, its colours
and whose each pixel is, which are mapped and not read, so that a corner of a picture of 45 million
pixels costs no more than one of a small picture:

    pack.json        what is in it, with the hash of all that
    colours-N.npy    uint8[h, w, 3]
    owners-N.npy     uint16[h, w]: 0 nobody, a body of this picture from 1 on, 65535 not asked
    bodies.npy       a row a body: its picture, number, middle, area and box

Where outlines lie over each other the smaller body is on top. A split that was published stays:
MassID45's pictures are parted by the samples that their names begin with, and its test is never
learned from; pictures that say their part in COCO (`split`) keep it; else a share is held out, by
the hash of the name.

References: Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48; MassID45, arXiv:2507.06972.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from merian.errors import FormatError, InputError
from merian.files import content_hash, existing, new_folder, write_json
from merian.formats.coco_head import key_of, picture_address
from merian.formats.json_stream import members
from merian.formats.outlines import OutlineError, is_pixel, read_mask
from merian.learn.instance_targets import IGNORED, middle_of
from merian.pictures import BadPictureError, decode
from merian.stamp import check_stamp, run_id, stamp

__all__ = ["MASSID45", "Gathered", "InstancePack", "coco_file", "gather", "hash_of_pictures",
           "make_instance_pack", "nothing_in", "open_instance_pack", "outline_pixels",
           "outlines_of", "packed_array", "part_of", "picture_file"]  # fmt: skip

_FORMAT, _VERSION = "merian-instances", "1.0"
_PACK, _BODIES = "pack.json", "bodies.npy"
_LIST = np.dtype([
    ("picture", "<i4"), ("number", "<i4"), ("row", "<f4"), ("column", "<f4"), ("area", "<f4"),
    ("top", "<i4"), ("left", "<i4"), ("height", "<i4"), ("width", "<i4"),
])  # fmt: skip
_MOST = IGNORED - 1  # bodies of a picture
_WORDS = {"train": "train", "training": "train", "val": "valid", "valid": "valid",
          "validation": "valid", "test": "test", "testing": "test"}  # fmt: skip

MASSID45: dict[str, tuple[str, ...]] = {
    "valid": ("GYTL2T", "GUSA7Z", "GRLLN6"),
    "test": ("G9XHGJ", "G5JHXH", "GGCNMZ", "GZDUDR", "GEB17N", "GPRD1F"),
}
"""The samples that MassID45 holds out; all others are learned from."""

Owners = NDArray[np.uint16]
Places = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class InstancePack:
    """A pack that is open.

    Attributes:
        folder: Where it is.
        header: What is in it.
    """

    folder: Path
    header: dict[str, Any]

    @cached_property
    def bodies(self) -> NDArray[Any]:
        """Return a row a body, picture by picture."""
        return packed_array(self.folder / _BODIES)

    def pictures(self, part: str) -> list[int]:
        """Return the pictures of train, valid or test that have a body."""
        listed = self.header["pictures"]
        return [n for n, one in enumerate(listed) if one["part"] == part and one["bodies"]]

    def colours(self, picture: int) -> NDArray[np.uint8]:
        """Return uint8[h, w, 3] of a picture, mapped."""
        return self._mapped("colours", picture)

    def owners(self, picture: int) -> Owners:
        """Return whose each pixel of a picture is, mapped."""
        return self._mapped("owners", picture)

    def _mapped(self, what: str, picture: int) -> NDArray[Any]:
        return packed_array(self.folder / f"{what}-{picture}.npy", mapped=True)


def packed_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Return an array of a pack."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot be read ({error}); make the pack again", path=path) from None
    return found


def open_instance_pack(folder: Path | str) -> InstancePack:
    """Open a pack."""
    return InstancePack(Path(folder), check_stamp(Path(folder) / _PACK, _FORMAT, 1))


# -- making one -----------------------------------------------------------------------------------


@dataclass
class Gathered:
    """What a COCO file says, each picture with the file of its annotations."""

    pictures: list[dict[str, Any]] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)


def make_instance_pack(
    data: Sequence[Path | str],
    out: Path | str,
    *,
    valid: float = 0.1,
    categories: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> InstancePack:
    """Make a pack of COCO files and the pictures beside them, complete or not at all.

    A pack that was made of the same is opened.

    Args:
        data: COCO files, or folders with one.
        out: The folder to make.
        valid: The share of pictures held out where nobody says which.
        categories: The names of what is a body; all of them if not given.
        ignored: The names of what is neither a body nor ground, of which nothing is asked.
    """
    files = [coco_file(Path(one)) for one in data]
    asked = {"files": [[file.name, content_hash(file)] for file in files],
             "pictures": hash_of_pictures(files), "valid": valid,
             "categories": [*categories], "ignored": [*ignored]}  # fmt: skip
    run = run_id("instances", asked)
    out = Path(out)
    if (out / _PACK).is_file():
        there = open_instance_pack(out)
        if there.header["merian"]["run"] == run:
            return there
    with new_folder(out) as folder:
        gathered = Gathered()
        spool = folder / "spool"
        spool.mkdir()
        for file in files:
            gather(file, gathered, spool, valid, categories, ignored)
        rows: list[NDArray[Any]] = []
        for number, picture in enumerate(gathered.pictures):
            rows.append(_write_picture(folder, number, picture, spool, gathered.set_aside))
        bodies = np.concatenate([*rows, np.zeros(0, _LIST)])
        if not len(bodies):
            raise nothing_in(files, "no body with an outline", gathered.set_aside)
        spool.rmdir()
        np.save(folder / _BODIES, bodies)
        header = {
            "merian": stamp(_FORMAT, _VERSION, run), "asked": asked,
            "pictures": [{k: v for k, v in one.items() if k not in ("file", "told")}
                         for one in gathered.pictures],
            "bodies": len(bodies), "set_aside": dict(gathered.set_aside),
            "hash": hashlib.blake2b(bodies.tobytes(), digest_size=16).hexdigest(),
        }  # fmt: skip
        write_json(folder / _PACK, header)
    return open_instance_pack(out)


def nothing_in(files: Sequence[Path], what: str, set_aside: Counter[str]) -> InputError:
    """Return the error of files in which there is nothing to learn from, with the reasons."""
    told = "; ".join(f"{count} {why}" for why, count in set_aside.items())
    return InputError(
        f"{', '.join(map(str, files))}: {what} on a picture that is there"
        + (f" ({told})" if told else "")
    )


def coco_file(place: Path) -> Path:
    """Return the COCO file that is meant: itself, or the one in a folder."""
    place = existing(place, "COCO file")
    if place.is_file():
        return place
    found = sorted(p for p in place.glob("*.json") if p.is_file())
    coco = [p for p in found if p.name.endswith(".coco.json")] or found
    if len(coco) != 1:
        raise InputError(
            f"{place}: holds {len(coco)} COCO files; name the one that is meant, beside its "
            "pictures"
        )
    return coco[0]


def hash_of_pictures(files: Sequence[Path]) -> str:
    """Return a hash of the pictures themselves: one may be replaced, and the file stay as it is."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        for member in members(file):
            if member.key == "images" and isinstance(member.value, dict):
                found = picture_file(file, member.value)
                digest.update((content_hash(found) if found else "").encode() + b"\n")
    return digest.hexdigest()


def gather(
    file: Path,
    gathered: Gathered,
    spool: Path,
    valid: float,
    categories: Sequence[str],
    ignored: Sequence[str],
) -> None:
    """Walk a COCO file twice: its lists first, then each annotation to those of its picture.

    The lines of a picture come into a file of the spool that is called by its number.
    """
    names: dict[str, str] = {}
    own: dict[str, int] = {}
    for member in members(file):
        value = member.value
        if not isinstance(value, dict) or (key := key_of(value.get("id"))) is None:
            continue
        if member.key == "categories":
            names[key] = str(value.get("name"))
        elif member.key == "images":
            found = picture_file(file, value)
            if found is None:
                gathered.set_aside["pictures that are not there"] += 1
                continue
            own[key] = len(gathered.pictures)
            gathered.pictures.append({
                "name": found.name, "file": found, "part": part_of(found.name, value, valid),
                "told": (value["width"], value["height"])
                if {"width", "height"} <= {*value} else None,
            })  # fmt: skip
    for wanted in (*categories, *ignored):
        if wanted not in names.values():
            raise InputError(
                f"{file}: no category is called {wanted!r}; there are "
                f"{', '.join(sorted(set(names.values()))[:20])}"
            )
    for member in members(file):
        value = member.value
        if member.key != "annotations" or not isinstance(value, dict):
            continue
        picture = own.get(key_of(value.get("image_id")) or "")
        name = names.get(key_of(value.get("category_id")) or "", "")
        crowd = bool(value.get("iscrowd")) or name in ignored
        if picture is None:
            gathered.set_aside["bodies of pictures that are not there"] += 1
        elif crowd or not categories or name in categories:
            line = {"segmentation": value.get("segmentation"), "ignored": crowd}
            with (spool / str(picture)).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")


def picture_file(coco: Path, image: dict[str, Any]) -> Path | None:
    """Return the file of a picture that COCO tells of; None where it is not there."""
    near = coco.parent.absolute()
    for folder in (near, near / "images", near.parent / "images", near.parent):
        told = picture_address(folder, image)
        if told and "://" not in told and Path(told).is_file():
            return Path(told)
    return None


def part_of(name: str, image: dict[str, Any], valid: float) -> str:
    """Return the part of a picture: as published, as it says, or by the hash of its name."""
    for part, samples in MASSID45.items():
        if name.startswith(samples):
            return part
    said = _WORDS.get(str(image.get("split")).lower())
    if said:
        return said
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return "valid" if int.from_bytes(digest, "big") < valid * 2**64 else "train"


def _write_picture(
    folder: Path, number: int, picture: dict[str, Any], spool: Path, set_aside: Counter[str]
) -> NDArray[Any]:
    """Write the two arrays of a picture, and return its bodies."""
    image: NDArray[np.uint8] | None = None
    try:
        image = np.asarray(decode(picture["file"].read_bytes()))
    except (BadPictureError, OSError):
        set_aside["pictures that cannot be read"] += 1
    if image is None or (picture["told"] and image.shape[1::-1] != picture["told"]):
        if image is not None:
            set_aside["pictures of another size than the file says"] += 1
        picture |= {"width": 0, "height": 0, "bodies": 0}
        (spool / str(number)).unlink(missing_ok=True)
        return np.zeros(0, _LIST)
    height, width = image.shape[:2]
    outlines = [*outlines_of(spool / str(number), height, width, set_aside)]
    # The smaller is painted over the larger; what is not asked first of all.
    outlines.sort(key=lambda one: (not one[1], -len(one[0][0])))
    owners = np.zeros((height, width), np.uint16)
    body = 0
    for (rows, columns), crowd in outlines:
        if crowd or body < _MOST:
            body += not crowd
            owners[rows, columns] = IGNORED if crowd else body
        else:
            set_aside[f"bodies beyond {_MOST:,} of a picture"] += 1
    np.save(folder / f"colours-{number}.npy", image)
    np.save(folder / f"owners-{number}.npy", owners)
    rows_ = _rows(number, owners, body)
    picture |= {"width": width, "height": height, "bodies": len(rows_)}
    (spool / str(number)).unlink(missing_ok=True)
    return rows_


def _rows(picture: int, owners: Owners, count: int) -> NDArray[Any]:
    """Return a row for each body of which anything is in sight."""
    found = []
    boxes = ndimage.find_objects(np.where(owners == IGNORED, 0, owners).astype(np.int32), count)
    for number, box in enumerate(boxes, 1):
        if box is None:
            continue
        mask = owners[box] == number
        row, column = middle_of(mask)
        top, left = box[0].start, box[1].start
        found.append((picture, number, row + top, column + left, mask.sum(), top, left,
                      *mask.shape))  # fmt: skip
    return np.array(found, _LIST)


def outlines_of(
    file: Path, height: int, width: int, set_aside: Counter[str]
) -> Iterator[tuple[Places, bool]]:
    """Yield the pixels of each outline, and whether nothing is asked of it."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            told = json.loads(line)
            try:
                places = outline_pixels(told["segmentation"], height, width)
            except OutlineError:
                places = None
            if places is None or not len(places[0]):
                set_aside["bodies without an outline that can be read"] += 1
            else:
                yield places, bool(told["ignored"])


def outline_pixels(segmentation: object, height: int, width: int) -> Places | None:
    """Return the rows and columns of the pixels of a mask or of polygons."""
    if isinstance(segmentation, dict):
        mask = read_mask(segmentation.get("size"), segmentation.get("counts"))
        if (mask.height, mask.width) != (height, width):
            raise OutlineError("a mask of another size than its picture")
        runs = mask.run_lengths()
        ends = np.cumsum(runs)
        lengths, starts = runs[1::2], (ends - runs)[1::2]
        flat = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        return flat % height, flat // height
    if not isinstance(segmentation, list) or not segmentation:
        return None
    rings = segmentation if isinstance(segmentation[0], list) else [segmentation]
    found = [_polygon(ring, height, width) for ring in rings]
    return (np.concatenate([rows for rows, _ in found]),
            np.concatenate([columns for _, columns in found]))  # fmt: skip


def _polygon(ring: object, height: int, width: int) -> Places:
    """Return the pixels of a polygon that are in the picture."""
    if not isinstance(ring, list) or len(ring) < 6 or len(ring) % 2 or not all(map(is_pixel, ring)):
        raise OutlineError("a polygon that is none")
    x, y = np.array(ring[::2], np.float64), np.array(ring[1::2], np.float64)
    left, top = max(int(x.min()), 0), max(int(y.min()), 0)
    right, below = min(int(np.ceil(x.max())), width - 1), min(int(np.ceil(y.max())), height - 1)
    if right < left or below < top:
        raise OutlineError("a polygon outside its picture")
    canvas = Image.new("1", (right - left + 1, below - top + 1))
    points = np.stack([x - left - 0.5, y - top - 0.5], 1)
    ImageDraw.Draw(canvas).polygon([(float(a), float(b)) for a, b in points], fill=1, outline=1)
    rows, columns = np.nonzero(np.asarray(canvas))
    return rows + top, columns + left
