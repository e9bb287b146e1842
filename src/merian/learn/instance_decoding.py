"""From what a network says of a picture to the bodies in it.

Places that are near a middle and hang together are one seed. Each cell that is body goes to the
seed that it points to, by a distance measured in the size of the seed's body; a cell that points
nowhere near a seed is nobody's. Nothing here knows of torch: what comes in are three maps, however
they were made.

Reference: Cheng et al. 2020, arXiv:1911.10194 (grouping of pixels by the middles they point to).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from merian.learn.instance_targets import CORE

__all__ = ["Decoding", "Found", "decode"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_EVERYWHERE = np.ones((3, 3), np.bool_)
_NEAREST = 6  # seeds that are asked for each cell
_GLINT = 0.01  # of a body: holes that are smaller are light on it, and not the ground


@dataclass(frozen=True)
class Decoding:
    """What is taken for a body.

    Attributes:
        body: The probability from which a pixel is body.
        core: The probability from which a cell is near a middle.
        same: Seeds nearer than this share of the smaller one's size are one.
        far: A cell that points farther from a seed than this, in sizes of its body, is not its.
        smallest: Pixels of the smallest body.
        score: Bodies with a lower score are left out.
        piece: Pieces of a body smaller than this share of it are left out.
    """

    body: float = 0.5
    core: float = 0.5
    same: float = 0.35
    far: float = 0.9
    smallest: int = 24
    score: float = 0.3
    piece: float = 0.03


@dataclass(frozen=True, eq=False)
class Found:
    """A body.

    Attributes:
        mask: bool[h, w], cropped to its box.
        left: Where the box is in the picture.
        top: Where the box is in the picture.
        score: The mean probability that its pixels are body times the highest that a place of it
            is its middle.
    """

    mask: Mask
    left: int
    top: int
    score: float


@dataclass(frozen=True)
class _Seeds:
    places: NDArray[np.float64]  # [n, 2], row and column in pixels
    sizes: NDArray[np.float64]  # [n], the root of the area of the body
    peaks: NDArray[np.float64]  # [n], the highest probability of a middle


def decode(body: Floats, core: Floats, way: Floats, asked: Decoding | None = None) -> list[Found]:
    """Return the bodies, from the top down.

    Args:
        body: float32[h, w], the probability that a pixel is body; sides are even.
        core: float32[h / 2, w / 2], that a cell is near the middle of its body.
        way: float32[2, h / 2, w / 2], how far down and right that middle is, in pixels.
        asked: What is taken for a body.
    """
    asked = asked or Decoding()
    height, width = core.shape
    inside = body > asked.body
    cells = inside.reshape(height, 2, width, 2).any(axis=(1, 3))
    rows, columns = np.nonzero(cells)
    seeds = _seeds(core, way, asked)
    if not len(rows) or not len(seeds.sizes):
        return []
    owner = np.zeros((height, width), np.int32)
    points = np.stack(
        [2 * rows + 0.5 + way[0, rows, columns], 2 * columns + 0.5 + way[1, rows, columns]], 1
    )
    owner[rows, columns] = _owners(points, seeds, asked.far)
    full = owner.repeat(2, 0).repeat(2, 1)
    full[~inside] = 0
    found = [
        one
        for number, box in enumerate(ndimage.find_objects(full, len(seeds.sizes)))
        if box is not None
        and (one := _body(full[box] == number + 1, body[box], box, seeds.peaks[number], asked))
    ]
    return sorted(found, key=lambda one: (one.top, one.left, one.mask.shape))


def _seeds(core: Floats, way: Floats, asked: Decoding) -> _Seeds:
    """Return what hangs together near a middle; what points to one place is one."""
    labels, count = ndimage.label(core > asked.core, _EVERYWHERE)
    rows, columns = np.nonzero(labels)
    number = labels[rows, columns] - 1
    weight = core[rows, columns].astype(np.float64)
    total = np.bincount(number, weight, minlength=count)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(number, weight * values, minlength=count) / np.maximum(total, 1e-9)

    y = mean(2 * rows + 0.5 + way[0, rows, columns])
    x = mean(2 * columns + 0.5 + way[1, rows, columns])
    cells = np.bincount(number, minlength=count)
    peaks = np.asarray(ndimage.maximum(core, labels, range(1, count + 1)), np.float64)
    sizes = np.sqrt(4 * cells / np.pi) / CORE
    seeds = _Seeds(np.stack([y, x], 1), sizes, peaks.reshape(count))
    return _joined(seeds, cells, asked.same)


def _joined(seeds: _Seeds, cells: NDArray[np.int64], same: float) -> _Seeds:
    """Join seeds that point to one place: a leg that lies across a middle cuts it in two."""
    order = np.argsort(-seeds.sizes, kind="stable")
    kept: list[int] = []
    held = cells.astype(np.float64)
    for number in order.tolist():
        if kept:
            apart = np.hypot(*(seeds.places[kept] - seeds.places[number]).T)
            near = int(apart.argmin())
            # Smaller than the one that is kept: so its size is the one that counts.
            if apart[near] < same * seeds.sizes[number]:
                held[kept[near]] += held[number]
                continue
        kept.append(number)
    kept.sort()
    sizes = np.sqrt(4 * held[kept] / np.pi) / CORE
    return _Seeds(seeds.places[kept], sizes, seeds.peaks[kept])


def _owners(points: NDArray[np.float64], seeds: _Seeds, far: float) -> NDArray[np.int32]:
    """Return the number of the seed, from 1, that each cell points to; 0 where none is near."""
    count = len(seeds.sizes)
    nearest = min(_NEAREST, count)
    apart, number = cKDTree(seeds.places).query(points, k=nearest)
    apart, number = apart.reshape(-1, nearest), number.reshape(-1, nearest)
    relative = apart / seeds.sizes[number]
    best = relative.argmin(axis=1)[:, None]
    chosen = np.take_along_axis(number, best, 1)[:, 0]
    distance = np.take_along_axis(relative, best, 1)[:, 0]
    found: NDArray[np.int32] = np.where(distance < far, chosen + 1, 0).astype(np.int32)
    return found


def _body(
    mask: Mask, body: Floats, box: tuple[slice, slice], peak: float, asked: Decoding
) -> Found | None:
    """Return a body without the small pieces that lie elsewhere; None if it is none."""
    labels, count = ndimage.label(mask, _EVERYWHERE)
    if count > 1:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        keep = sizes >= max(asked.piece * sizes.sum(), 4)
        keep[sizes.argmax()], keep[0] = True, False
        mask = keep[labels]
    area = int(mask.sum())
    whole = ndimage.binary_fill_holes(mask)
    if int(whole.sum()) - area < _GLINT * area:
        mask, area = whole, int(whole.sum())
    score = float(body[mask].mean(dtype=np.float64)) * float(peak)
    if area < asked.smallest or score < asked.score:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Found(cut, int(box[1].start + columns[0]), int(box[0].start + rows[0]), score)
