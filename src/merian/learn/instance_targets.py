"""What a network that finds bodies is to say of a picture whose bodies are known.

Of every pixel whether it is body. Of every cell of two by two pixels whether it is near the middle
of its body, the way there, and how large the body is, by which an error on the way is measured: a
pixel is much on a springtail and nothing on a beetle.

The middle of a body is the mean of its pixels, the thick parts before the legs; where that is not
on the body (it is bent, or another lies over it), the nearest thick place of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["CORE", "IGNORED", "Targets", "middle_of", "targets"]

IGNORED = 65_535
"""The owner of pixels of which nothing is asked."""

CORE = 0.22
"""How far the middle reaches, as a share of the root of the body's area."""

_SMALLEST = 4.0  # root of the area: of what is smaller nothing is asked
_LARGEST = 96  # pixels of a side at which the middle is looked for

Owners = NDArray[np.uint16]


@dataclass(frozen=True)
class Targets:
    """What is to be said of one picture.

    Attributes:
        body: uint8[h, w], 1 on bodies, 2 where nothing is asked.
        core: uint8[h / 2, w / 2], the same of middles.
        way: float32[2, h / 2, w / 2], down and right to the middle, in pixels; 0 off bodies.
        reach: float32[h / 2, w / 2], the root of the body's area in pixels; 0 off bodies.
    """

    body: NDArray[np.uint8]
    core: NDArray[np.uint8]
    way: NDArray[np.float32]
    reach: NDArray[np.float32]


def middle_of(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the row and column of the middle of a body; the first pixel's middle is 0, 0."""
    step = max(1, -(-max(mask.shape) // _LARGEST))
    small = mask[::step, ::step]
    if not small.any():
        rows, columns = np.nonzero(mask)
        return float(rows.mean()), float(columns.mean())
    depth = ndimage.distance_transform_edt(np.pad(small, 1))[1:-1, 1:-1]
    rows, columns = np.nonzero(small)
    weight = depth[rows, columns] ** 2
    row, column = (float(np.average(places, weights=weight)) for places in (rows, columns))
    if not small[round(row), round(column)]:
        thick = depth[rows, columns] >= 0.5 * depth.max()
        far = (rows - row) ** 2 + (columns - column) ** 2
        nearest = int(np.where(thick, far, np.inf).argmin())
        row, column = float(rows[nearest]), float(columns[nearest])
    return row * step, column * step


def targets(owners: Owners, middles: NDArray[np.float32], areas: NDArray[np.float32]) -> Targets:
    """Return what is to be said of a picture.

    Args:
        owners: uint16[h, w], whose each pixel is: 0 nobody's, `IGNORED`, or a body from 1 on.
        middles: float32[bodies, 2], row and column of their middles, which may lie outside.
        areas: float32[bodies], their pixels, those outside too.
    """
    roots = np.sqrt(areas)
    seen = owners.copy()
    number = np.where(owners == IGNORED, 0, owners).astype(np.int64)
    small = np.concatenate([[False], roots < _SMALLEST])
    seen[small[number]] = IGNORED
    body = (seen > 0).astype(np.uint8)
    body[seen == IGNORED] = 2
    cells = _cells(seen)
    known = (cells > 0) & (cells != IGNORED)
    at = np.where(known, cells, 1).astype(np.int64) - 1
    height, width = cells.shape
    y = (2 * np.arange(height, dtype=np.float32) + 0.5)[:, None]
    x = (2 * np.arange(width, dtype=np.float32) + 0.5)[None]
    way = np.zeros((2, height, width), np.float32)
    reach = np.zeros((height, width), np.float32)
    if len(areas):
        way[0] = np.where(known, middles[at, 0] - y, 0)
        way[1] = np.where(known, middles[at, 1] - x, 0)
        reach[:] = np.where(known, roots[at], 0)
    core = (known & (np.hypot(way[0], way[1]) < np.maximum(CORE * reach, 1.5))).astype(np.uint8)
    core[cells == IGNORED] = 2
    return Targets(body, core, way, reach)


def _cells(owners: Owners) -> Owners:
    """Return one owner for each two by two pixels: any that there is, as a leg is a pixel wide."""
    height, width = owners.shape
    four = owners.reshape(height // 2, 2, width // 2, 2)
    found: Owners = four.max(axis=(1, 3))
    return found
