"""Bodies in photographs of trays: found, counted, put together from tiles, and how fast.

Four parts. "world": drawn trays at nuisance level 2 of worlds that nothing was chosen on. "real":
photographs whose animals somebody has pointed at. "boxes": boxes that people drew on traps and
trays, whose pictures are not at hand: they are cut by tiles and put together again, which has to
give the very boxes. "speed" and "gigapixel": one large photograph on two cores. What is not at hand
is left out of "all", and is an error when it is asked for.

The classical finder's levels were chosen on worlds 1 to 3.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from merian.bench.parts import measured_parts
from merian.bench.trays_large import LARGE, gigapixel, large
from merian.errors import NotFoundError
from merian.files import open_binary
from merian.tray.finding import finder as finder_of
from merian.tray.instances import Instance, cropped
from merian.tray.merging import Piece, merged
from merian.tray.photograph import open_photograph
from merian.tray.search import bodies_in
from merian.tray.tiles import tiles

__all__ = ["WORKING", "cut", "run"]

DATA = Path("../shared/data/traits")
WORKING = ("folder",)
Figures = dict[str, dict[str, object]]
Ints = NDArray[np.int64]

# The middles of animals, pointed at by one person, once, in pixels.
_ISOPODS = (
    (642, 310), (988, 298), (948, 412), (1766, 400), (304, 454), (1724, 464), (1412, 576),
    (1636, 636), (746, 704), (1740, 924), (1630, 992), (1626, 1096), (1854, 1116), (388, 1100),
    (398, 1194), (1098, 1152), (868, 1186), (588, 1284), (854, 1308), (1494, 1274),
)  # fmt: skip
_PINNED = ((272, 150), (580, 280), (283, 460))
_REAL = (
    ("isopods", "phenopype/isopods.jpg", _ISOPODS), ("pinned", "inselect/pinned.jpg", _PINNED)
)  # fmt: skip
_NEAR = 12  # pixels: how far a mark may lie beside a body
_TRAPS = ("train.annotations.coco.json.gz", "valid.annotations.coco.json",
          "test.annotations.coco.json")  # fmt: skip
_MANY = 33_000


def run(
    *,
    part: str = "all",
    data: Path = DATA,
    finder: str = "classical",
    trays: int = 1,
    folder: Path | None = None,
    seed: int = 0,
) -> Figures:
    """Measure one part, or all that are at hand.

    Args:
        part: world, real, boxes, speed, gigapixel or all.
        data: The folder with phenopype, inselect, yellow_trap_coco and neon2018_cvat.
        finder: How bodies are found, in all parts but that of boxes.
        trays: Of each world.
        folder: Where drawn trays are kept; they are drawn anew if not given.
        seed: Of the boxes that are drawn.
    """
    return measured_parts(part, {
        "world": lambda: _world(finder, trays, folder),
        "real": lambda: _real(data, finder),
        "boxes": lambda: _boxes(data, seed),
        "speed": lambda: large(finder, folder),
        "gigapixel": lambda: gigapixel(finder, folder),
    })  # fmt: skip


def _world(finder: str, trays: int, folder: Path | None) -> Figures:
    from merian.bench.trays_learned import run as drawn  # noqa: PLC0415 - draws trays

    return dict(drawn(trays=trays, finders=finder, folder=folder))


# -- photographs that somebody has looked at ----------------------------------------------------


def _real(data: Path, finder: str) -> Figures:
    figures: Figures = {}
    for name, file, marks in _REAL:
        path = data / file
        if not path.is_file():
            raise NotFoundError(f"{path}: not there; name the folder above it with --data")
        found = bodies_in(open_photograph(str(path)), finder_of(finder)[1])
        true = _pointed_at(found, marks)
        told = {
            "there": (len(marks), "animals"), "found": (len(found), "bodies"),
            "precision": (true / max(len(found), 1), "share"),
            "recall": (true / len(marks), "share"),
            "F1": (2 * true / (len(found) + len(marks)), "share"),
            "count error": (len(found) / len(marks) - 1, "share"),
        }  # fmt: skip
        for what, (value, unit) in told.items():
            figures[f"{name}: {what}"] = {"value": round(value, 4), "unit": unit, "n": len(marks)}
    return figures


def _pointed_at(found: Sequence[Instance], marks: Sequence[tuple[int, int]]) -> int:
    """Return how many animals have a body of their own: one that holds one mark alone."""
    held = np.zeros((len(found), len(marks)), np.bool_)
    for number, one in enumerate(found):
        for place, (x, y) in enumerate(marks):
            box = np.s_[max(y - one.top - _NEAR, 0) : max(y - one.top + _NEAR, 0),
                        max(x - one.left - _NEAR, 0) : max(x - one.left + _NEAR, 0)]  # fmt: skip
            held[number, place] = one.mask[box].any()
    alone = held.sum(axis=1) == 1
    return int(held[alone].any(axis=0).sum())


# -- boxes that tiles cut -----------------------------------------------------------------------


def _boxes(data: Path, seed: int) -> Figures:
    figures = _drawn_boxes(seed)
    for name, pictures in (("traps", _traps(data)), ("vials", _vials(data))):
        right = total = pieces = 0
        start = time.perf_counter()
        for size, boxes in pictures:
            whole = [_of_box(box) for box in boxes.tolist()]
            overlap = max(64, int((boxes[:, 2:] - boxes[:, :2]).max()))
            some = list(cut(whole, size, max(640, 2 * overlap), overlap))
            found = [one.box for one in merged(some)]
            right += sum(one.box in found for one in whole) - abs(len(found) - len(whole))
            total += len(whole)
            pieces += len(some)
        told = {
            "boxes": (total, "boxes"), "pieces": (pieces, "pieces of tiles"),
            "recovered exactly": (round(right / max(total, 1), 6), "share"),
            "time": (round(time.perf_counter() - start, 1), "s, cutting included"),
        }  # fmt: skip
        figures |= {f"{name}: {what}": {"value": v, "unit": unit, "n": total}
                    for what, (v, unit) in told.items()}  # fmt: skip
    return figures


def _drawn_boxes(seed: int) -> Figures:
    """Return how long 33,000 boxes of one photograph take; many of them overlap."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, np.array(LARGE) - 60, (_MANY, 2))
    sides = rng.integers(16, 60, (_MANY, 2))
    whole = [_of_box((*at, *(at + size))) for at, size in zip(corners, sides, strict=True)]
    pieces = list(cut(whole, LARGE, 1_024, 128))
    start = time.perf_counter()
    found = merged(pieces)
    seconds = time.perf_counter() - start
    return {
        "drawn: boxes": {"value": _MANY, "unit": "boxes"},
        "drawn: pieces": {"value": len(pieces), "unit": "pieces of tiles"},
        "drawn: put together": {"value": len(found), "unit": "boxes"},
        "drawn: time": {"value": round(seconds, 2), "unit": "s", "n": len(pieces)},
    }


def _of_box(box: Sequence[int]) -> Instance:
    left, top, right, below = (int(side) for side in box)
    return Instance(np.ones((below - top, right - left), np.bool_), left, top)


def cut(
    whole: Sequence[Instance], size: tuple[int, int], side: int, overlap: int
) -> Iterator[Piece]:
    """Yield what a finder without fault finds in each tile of a photograph."""
    boxes = np.array([one.box for one in whole])
    for tile in tiles(*size, side, overlap):
        left, top, right, below = tile.frame
        near = (boxes[:, 0] < right) & (boxes[:, 2] > left)
        near &= (boxes[:, 1] < below) & (boxes[:, 3] > top)
        for at in np.flatnonzero(near).tolist():
            part = cropped(whole[at], tile.frame)
            if part is not None:
                yield Piece(part, tile.number, tile.frame, part is not whole[at])


def _traps(data: Path) -> Iterator[tuple[tuple[int, int], Ints]]:
    """Yield size and boxes of each picture of a trap."""
    for name in _TRAPS:
        path = data / "yellow_trap_coco" / name
        if not path.is_file():
            raise NotFoundError(f"{path}: not there; name the folder above it with --data")
        with open_binary(path) as stream:
            told = json.load(stream)
        sizes = {one["id"]: (one["width"], one["height"]) for one in told["images"]}
        boxes: dict[int, list[list[float]]] = {}
        for one in told["annotations"]:
            x, y, w, h = one["bbox"]
            boxes.setdefault(one["image_id"], []).append([x, y, x + w, y + h])
        for key, some in boxes.items():
            yield sizes[key], _whole_pixels(np.array(some), sizes[key])


def _vials(data: Path) -> Iterator[tuple[tuple[int, int], Ints]]:
    """Yield size and boxes of each picture of beetles from vials."""
    path = data / "neon2018_cvat" / "2018_neon_beetles_bbox.xml"
    if not path.is_file():
        raise NotFoundError(f"{path}: not there; name the folder above it with --data")
    for image in ElementTree.parse(path).getroot().iter("image"):  # noqa: S314 - a file of ours
        size = int(image.attrib["width"]), int(image.attrib["height"])
        some = [[float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr")]
                for box in image.iter("box")]  # fmt: skip
        if some:
            yield size, _whole_pixels(np.array(some), size)


def _whole_pixels(boxes: NDArray[np.float64], size: tuple[int, int]) -> Ints:
    """Return boxes in whole pixels within their picture, each at least one wide, each once."""
    first = np.clip(np.floor(boxes[:, :2]), 0, np.array(size) - 1)
    last = np.clip(np.ceil(boxes[:, 2:]), first + 1, size)
    return np.unique(np.concatenate([first, last], axis=1).astype(np.int64), axis=0)
