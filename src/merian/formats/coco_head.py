"""What a COCO file says beside its annotations: pictures, categories, licences, and of itself.

The file is read once from end to end, so that a fault in it is told before anything is taken in.
What stays in memory is a few numbers for each picture.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from merian.errors import FormatError
from merian.files import content_hash
from merian.formats.json_stream import Member, members
from merian.formats.outlines import LARGEST_SIDE
from merian.formats.registry import Options
from merian.formats.row_chunks import text_of
from merian.pictures import BadPictureError, facts

__all__ = ["NAMES", "Category", "CocoHead", "Picture", "key_of", "picture_address",
           "read_coco_head", "size_of"]  # fmt: skip

# Where the name of a picture's file may stand; TORAS begins it with a slash.
NAMES = ("file_name", "toras_path")
_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
          "test": "test", "testing": "test"}  # fmt: skip
_LISTS = ("images", "annotations", "categories", "licenses")


class Category(NamedTuple):
    """A category: its name as it came, and the one above it."""

    name: str
    above: str


class Picture(NamedTuple):
    """What the regions of a picture need to know of it.

    Attributes:
        media: Its mediaID.
        width: In pixels, where known.
        height: In pixels, where known.
        date: When it was taken.
        place: Where it was taken.
        split: The part of a split that it is in, if it says so itself.
    """

    media: str
    width: int | None
    height: int | None
    date: str | None
    place: str | None
    split: str | None


@dataclass
class CocoHead:
    """All of a file but its annotations.

    Attributes:
        path: The file.
        dataset: What its ids begin with.
        folder: Where the pictures lie.
        split: The part of a split that it is called.
        pictures: id -> what its regions need to know of it.
        categories: id -> category.
        licences: id -> licence.
        exported: When the file was made; a picture of that very second was not taken then.
        title: What it says of itself.
        notes: What the user should know.
    """

    path: Path
    dataset: str
    folder: Path
    split: str | None
    pictures: dict[str, Picture] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    exported: str | None = None
    title: str | None = None
    notes: list[str] = field(default_factory=list)


def key_of(value: object) -> str | None:
    """Return an id as text: 7, 7.0 and "7" are the same; None for what is no id."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return text_of(value)


def size_of(image: Mapping[str, object], file: Path) -> tuple[int | None, int | None]:
    """Return the size of a picture: as stated, else as the file that is there says."""
    width, height = image.get("width"), image.get("height")
    if type(width) is int and type(height) is int:
        good = 0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE
        return (width, height) if good else (None, None)
    try:
        told = facts(file.read_bytes()) if file.is_file() else None
    except (BadPictureError, OSError):
        told = None
    return (told.width, told.height) if told else (None, None)


def read_coco_head(path: Path, options: Options) -> CocoHead:
    """Read a whole file for what is not among its annotations.

    Raises:
        FormatError: If it is no JSON, or holds no images and annotations.
    """
    said = options.extra
    dataset = said.get("dataset") or f"{_stem(path)}-{content_hash(path)[:8]}"
    head = CocoHead(path, dataset, path.parent.absolute(), said.get("split") or _split_of(path))
    images: list[tuple[str, Mapping[str, object]]] = []
    keys, used, last = Counter[str](), Counter[str](), ""
    for member in members(path):
        if member.key in _LISTS and member.key != last:
            keys[member.key] += 1
        last = member.key
        _take(head, member, images, used, options)
        if member.key not in _LISTS and member.key != "info" and not keys[member.key]:
            keys[member.key] += 1
            head.notes.append(f"{member.key}: no part of COCO; not read")
    _place(head, images, options)
    twice = [key for key in _LISTS if keys[key] > 1]
    if twice or not head.pictures:
        raise FormatError(
            f"has {twice[0]} twice" if twice else "has no images with an id; COCO's instances have "
            "images, annotations and categories", path=path
        )  # fmt: skip
    idle = [f"{head.categories[key].name} ({key})" for key in head.categories if not used[key]]
    if idle and used:
        head.notes.append(f"categories that no annotation has: {', '.join(idle[:10])}")
    nameless = sum(count for key, count in used.items() if key not in head.categories)
    if nameless:
        head.notes.append(f"{nameless} annotations are of no category that is listed: no name")
    return head


_AT_ONCE = 1_000


def _take(
    head: CocoHead,
    member: Member,
    images: list[tuple[str, Mapping[str, object]]],
    used: Counter[str],
    options: Options,
) -> None:
    value = member.value
    if not isinstance(value, dict):
        return
    key = key_of(value.get("id"))
    if member.key == "annotations":
        if category := key_of(value.get("category_id")):
            used[category] += 1
    elif member.key == "images" and key is not None:
        # The folder is looked for with the first of them.
        images.append((key, value))
        if len(images) >= _AT_ONCE:
            _place(head, images, options)
    elif member.key == "categories" and key is not None:
        above = text_of(value.get("supercategory")) or ""
        head.categories.setdefault(key, Category(text_of(value.get("name")) or "", above))
    elif member.key == "licenses" and key is not None:
        name, url = text_of(value.get("name")), text_of(value.get("url"))
        if name or url:
            head.licences[key] = url or name or ""
            head.notes.append(f"licence {key}: {' '.join(filter(None, (name, url)))}")
    elif member.key == "info":
        head.title = text_of(value.get("description"))
        head.exported = text_of(value.get("date_created"))
        told = [f"{name} {said}" for name, said in value.items() if text_of(said)]
        if told:
            head.notes.append(f"info: {text_of('; '.join(told))}")


def _place(
    head: CocoHead, images: list[tuple[str, Mapping[str, object]]], options: Options
) -> None:
    """Keep what the regions need to know of some pictures."""
    if images and not head.pictures:
        _find_folder(head, [image for _, image in images], options)
    for key, image in images:
        if key in head.pictures:
            continue
        width, height = size_of(image, Path(picture_address(head.folder, image) or head.folder))
        taken = text_of(image.get("datetime") or image.get("date_captured"))
        head.pictures[key] = Picture(
            text_of(image.get("media_id")) or f"{head.dataset}/image/{key}",
            width,
            height,
            taken if taken not in {"0", head.exported} else None,
            text_of(image.get("location")),
            text_of(image.get("split")),
        )
    images.clear()


def picture_address(folder: Path, image: Mapping[str, object]) -> str | None:
    """Return where a picture is; None if that is not told."""
    key = next((key for key in NAMES if isinstance(image.get(key), str)), None)
    name = text_of(image[key]) if key else None
    if name is None or "://" in name:
        return name
    return Path(
        os.path.normpath(folder / (name if key == NAMES[0] else name.lstrip("/")))
    ).as_posix()


def _find_folder(head: CocoHead, images: list[Mapping[str, object]], options: Options) -> None:
    """Find the folder in which the pictures lie, by those that are there."""
    near = head.path.parent.absolute()
    bare = re.sub(r"^instances_", "", head.path.name.split(".")[0])
    places = (
        [options.images.absolute(), options.images.absolute() / bare, near] if options.images
        else [near, near / "images", near.parent / "images", near.parent / "images" / bare,
              near.parent / bare, near.parent]
    )  # fmt: skip
    first = images[:50]
    found = [
        place
        for place in places
        if any((name := picture_address(place, i)) and Path(name).is_file() for i in first)
    ]
    head.folder = found[0] if found else places[0]
    head.notes.append(
        f"pictures are taken from {head.folder}" if found
        else f"none of the first {len(first)} pictures lies in {head.folder}; name their folder"
    )  # fmt: skip


def _stem(path: Path) -> str:
    return re.sub(r"(\.coco)?\.json(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def _split_of(path: Path) -> str | None:
    """Return the part of a split that a file, or its folder, is called."""
    words = [w for w in re.split(r"[^a-z]+", _stem(path).lower()) if w in _WORDS]
    folder = path.parent.name.lower()
    return _WORDS.get(words[0] if words else folder)
