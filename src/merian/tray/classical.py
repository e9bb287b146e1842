"""The finder that needs no training: what stands out of the ground by its colour.

All that must be the same in every tile is settled on the photograph at reduced size: the surface of
the ground and its noise, the level from which on something is a body, where print, charts and the
rim of the tray are, how small a body is at the least, and by how much the photograph may be made
smaller so that bodies are still large enough. Then each pixel's answer hangs on its near ones
alone, and a body has the same mask whichever tile it lies in. See `merian.measure.masks`, which
does the same with a picture as a whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.measure.ground import Ground, ground_of, lab_of
from merian.measure.masks import (
    Region,
    filled,
    least_size,
    level_of,
    pieces_of,
    region_from,
    two_levels,
)
from merian.measure.outline import filled_polygon, signed_area
from merian.measure.print_and_charts import print_and_charts
from merian.measure.shapes import Shape
from merian.measure.touching import parted
from merian.tray.finding import Found, Look
from merian.tray.parting import at_necks

__all__ = ["OUTSIDE", "Beyond", "Classical", "settle"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

_TRAY = 0.4  # of the photograph: where less is ground, a tray may lie on something else
_STRONG = 60.0  # in CIELAB: what is farther from a tray's ground is not asked for the level
_WIDE = 0.25  # of the photograph's side: what is wider and a rectangle is a ruler
_RECTANGLE = 0.75  # of its rectangle: what a ruler fills
_FINE = 80  # pixels: what the side of a usual body is made no smaller than
_TWELVE, _PART = 12, 40  # bodies in a tray differ more in size than those that `regions` is for
_DIRT = 60.0  # pixels of the photograph: less is never a body
_HALO = 24  # pixels: thin things are told from wide ones within so many
_LARGER = 1.3  # times as large as at reduced size, which loses the ends of legs
_LEAST = 64  # pixels that tiles overlap at least
_MOST = 1_280  # and at most: one long cable would make a single tile of a gigapixel
_AT_ONCE = 16_000_000  # pixels of the smaller photograph: with fewer a single tile can be borne
OUTSIDE = 0.5
"""Of a find: if so much is in print or beside the tray, it is no body."""


@dataclass(frozen=True, eq=False)
class Beyond:
    """Where no body is: rulers, print, charts, and what is beside the tray.

    Attributes:
        mask: bool[h, w], of the photograph at the size of a look.
        step: How many times smaller that is than the photograph.
    """

    mask: Mask
    step: int

    def seen(self, shape: tuple[int, ...], left: int, top: int, factor: int) -> Mask:
        """Return where in a tile no body is; the photograph was made `factor` times smaller."""
        rows = (np.arange(top, top + shape[0]) * factor) // self.step
        columns = (np.arange(left, left + shape[1]) * factor) // self.step
        high, wide = self.mask.shape
        rows, columns = np.minimum(rows, high - 1), np.minimum(columns, wide - 1)
        found: Mask = self.mask[rows[:, None], columns]
        return found


@dataclass(frozen=True)
class Classical:
    """What is the same in all tiles of a photograph.

    Attributes:
        factor: How many times smaller it is made.
        halo: How far an answer hangs on its neighbours.
        largest: How wide or high a body is at most; in large photographs those that are wider are
            joined from pieces.
        ground: Of the smaller photograph.
        level: From which on something is a body.
        least: Pixels of a body.
        usual: Pixels of a body of median size.
        beyond: Where no body is.
        known: Bodies of pieces that lie whole in several tiles, which are parted once.
    """

    factor: int
    halo: int
    largest: int
    ground: Ground
    level: float
    least: float
    usual: float
    beyond: Beyond
    known: dict[bytes, tuple[Region, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, picture: Bytes, left: int, top: int) -> tuple[Found, ...]:
        """Return the bodies in a tile; those that its border cuts are not parted."""
        distance = self.ground.distance(lab_of(picture), top, left)
        labels, sizes = pieces_of(two_levels(distance, self.level, self.ground.noise))
        outside = self.beyond.seen(picture.shape[:2], left, top, self.factor)
        if outside.any():
            lost = np.bincount(labels[outside], minlength=len(sizes) + 1)[1:]
            sizes[lost > OUTSIDE * sizes] = 0
        boxes = ndimage.find_objects(labels)
        found: list[Found] = []
        for number in np.flatnonzero(sizes >= max(self.least, 4)).tolist():
            found += self._bodies(labels, number + 1, boxes[number], distance, (left, top))
        return tuple(found)

    def _bodies(
        self,
        labels: NDArray[np.int32],
        number: int,
        box: tuple[slice, slice],
        distance: Floats,
        at: tuple[int, int],
    ) -> list[Found]:
        """Return the bodies of a piece."""
        here = distance[box]
        whole = filled(labels[box] == number, here, self.level)
        height, width = self.ground.shape
        rows, columns = labels.shape
        edges = (box[0].start, box[1].start, rows - box[0].stop, columns - box[1].stop)
        beyond = (at[1], at[0], height - at[1] - rows, width - at[0] - columns)
        cut = any(not edge and more > 0 for edge, more in zip(edges, beyond, strict=True))
        place = box[0].start + at[1], box[1].start + at[0]
        key = hashlib.blake2b(repr((place, whole.shape)).encode() + np.packbits(whole).tobytes())
        bodies = None if cut else self.known.get(key.digest())
        if bodies is None:
            parts = [whole] if cut else self._parted(whole)
            codes = ("parted",) if len(parts) > 1 else ()
            bodies = tuple(
                region_from(part, *place, (height, width), here, codes)
                for part in parts if part.any()
            )  # fmt: skip
            if not cut:
                self.known[key.digest()] = bodies
        return [self._scored(one, here, place, at) for one in bodies]

    def _parted(self, whole: Mask) -> list[Mask]:
        """Return the bodies of a whole piece: parted at necks, or where round ones touch."""
        parts = at_necks(whole, self.least)
        return parts if len(parts) > 1 else parted(whole)

    def _scored(
        self, region: Region, distance: Floats, place: tuple[int, int], at: tuple[int, int]
    ) -> Found:
        """Return a body in its tile: the surer, the clearer and the larger it is."""
        high, wide = region.mask.shape
        top, left = region.top - place[0], region.left - place[1]
        here = distance[top : top + high, left : left + wide][region.mask]
        clear = float(np.median(here)) / self.level
        share = clear / (1 + clear) * min(1.0, np.sqrt(len(here) / self.usual))
        moved = replace(region, left=region.left - at[0], top=region.top - at[1])
        return Found(moved, float(np.clip(share, 0.01, 0.99)))


def settle(look: Look) -> Classical:
    """Settle on what is the same in all tiles of a photograph."""
    lab = lab_of(look.picture)
    ground = ground_of(lab)
    tray = False
    if ground.share < _TRAY and (inner := ground_of(lab, inside=True)).share > ground.share:
        ground, tray = inner, True
    distance = ground.distance(lab)
    level = level_of(distance[distance < _STRONG] if tray else distance)
    standing = two_levels(distance, level, ground.noise)
    outside = ~_floor(~standing)
    standing &= ~outside
    labels, sizes = pieces_of(standing)
    extents = _extents(labels)
    gone = np.zeros(len(sizes) + 1, np.bool_)
    gone[1:] = _rulers(labels, extents)
    sizes[gone[1:]] = 0
    least = _least(sizes, look.step)
    gone[1 + print_and_charts(lab, labels, sizes, least)] = True
    sizes[gone[1:]] = 0
    outside |= gone[labels]
    least = _least(sizes, look.step)
    some = sizes >= least
    usual = float(np.median(sizes[some])) * look.step**2 if some.any() else 1.0
    factor = max(1, int(np.sqrt(usual) / _FINE))
    widest = int(extents[some].max()) * look.step if some.any() else _LEAST
    width, height = look.width // factor, look.height // factor
    largest = max(_LEAST, int(_LARGER * widest / factor))
    if width * height > _AT_ONCE:
        largest = min(largest, _MOST)
    return Classical(
        factor, _HALO, largest,
        Ground(ground.surface, ground.noise, ground.share, (height, width)), level,
        max(least * look.step**2 / factor**2, 1.0), max(usual / factor**2, 1.0),
        Beyond(outside, look.step),
    )  # fmt: skip


def _least(sizes: Ints, step: int) -> float:
    """Return how many pixels of the look a body has at the least: less is dirt."""
    return max(least_size(sizes) * _TWELVE / _PART, _DIRT / step**2)


def _floor(ground: Mask) -> Mask:
    """Return the floor of the tray: the convex hull of the largest piece of ground.

    The rim is beyond it, even where bodies lean on the rim.
    """
    labels, sizes = pieces_of(ground)
    if not len(sizes):
        return np.ones_like(ground)
    hull = Shape(labels == int(sizes.argmax()) + 1).hull
    return filled_polygon([hull], ground.shape[1], ground.shape[0])


def _rulers(labels: NDArray[np.int32], extents: Ints) -> Mask:
    """Return which pieces are rulers, labels or what is left of a rim: wide, and a rectangle."""
    boxes = ndimage.find_objects(labels)
    found = np.zeros(len(extents), np.bool_)
    for at in np.flatnonzero((extents > _WIDE * max(labels.shape)).any(axis=1)).tolist():
        shape = Shape(labels[boxes[at]] == at + 1)
        box = shape.rectangle
        share = sum(abs(signed_area(ring)) for ring in shape.outer) / (box.length * box.width)
        found[at] = share > _RECTANGLE
    return found


def _extents(labels: NDArray[np.int32]) -> Ints:
    """Return height and width of each piece, int64[n, 2]."""
    boxes = ndimage.find_objects(labels)
    return np.array(
        [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in boxes],
        np.int64,
    ).reshape(-1, 2)
