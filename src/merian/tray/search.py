"""The bodies of a photograph, found tile by tile and put together.

Two tiles are looked at beside each other, in threads; the answer does not hang on how many. A tile
costs about a hundred bytes a pixel while it is looked at, and of a photograph nothing else is held
but what its reader keeps. Tiles are as large as the widest body needs, which finders bound in large
photographs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.threads import one_thread_each, usable_cores
from merian.tray.finding import Finder, Search, look_at
from merian.tray.instances import Instance, cropped, enlarged
from merian.tray.merging import Piece, merged
from merian.tray.photograph import Photograph
from merian.tray.tiles import Tile, tiles

__all__ = ["AT_ONCE", "SIDE", "Grid", "bodies_in", "small_bodies_in"]

Bytes = NDArray[np.uint8]

SIDE = 1_280
"""Pixels of a tile's side, if bodies do not need more."""

AT_ONCE = 4  # tiles, and bodies, that are worked on at most
_SIDES = 4  # times the overlap: of smaller tiles most would be seen twice
_FEWER, _WIDE = 2, 2_560  # times the overlap, and pixels: where more would take too much memory
_BAND = 512  # rows of the photograph that are made smaller at once
_LARGEST = 4.0  # times the overlap: what is wider is not joined from pieces


@dataclass(frozen=True)
class Grid:
    """How a photograph is cut into tiles.

    Attributes:
        side: Of a tile, in pixels of what is searched.
        overlap: How far they overlap; None is as far as the largest body reaches.
        shift: How far to the left and up the grid begins.
    """

    side: int = SIDE
    overlap: int | None = None
    shift: tuple[int, int] = (0, 0)


def bodies_in(
    photograph: Photograph,
    find: Finder,
    *,
    px_per_mm: float | None = None,
    grid: Grid = Grid(),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Instance, ...]:
    """Return the bodies in a photograph, in reading order.

    All masks are at the size of the photograph; `small_bodies_in` takes less memory.

    Args:
        photograph: Where they are.
        find: The finder.
        px_per_mm: The scale, where it is known.
        grid: How it is cut into tiles.
        workers: Tiles at once; as many as there are cores if None, and 4 at most.
        progress: Is told how many tiles are done, and of how many.
    """
    found, factor = small_bodies_in(
        photograph, find, px_per_mm=px_per_mm, grid=grid, workers=workers, progress=progress
    )
    return tuple(enlarged(one, factor) for one in found)


def small_bodies_in(
    photograph: Photograph,
    find: Finder,
    *,
    px_per_mm: float | None = None,
    grid: Grid = Grid(),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Instance, ...], int]:
    """Return the bodies in a photograph as they were found, and how many times smaller they are.

    What is asked for is that of `bodies_in`; `merian.tray.instances.enlarged` makes each as large
    as it is.
    """
    search = find(look_at(photograph, px_per_mm))
    width, height = photograph.width // search.factor, photograph.height // search.factor
    overlap = search.largest if grid.overlap is None else grid.overlap
    overlap = min(overlap, max(width, height))
    side = max(grid.side, min(_SIDES * overlap, max(_FEWER * overlap, _WIDE)), 1)
    cut = list(tiles(width, height, side, overlap, halo=search.halo, shift=grid.shift))
    pieces: list[Piece] = []
    for done, found in enumerate(_searched(photograph, search, cut, workers), 1):
        pieces += found
        if progress is not None:
            progress(done, len(cut))
    return merged(pieces, largest=_LARGEST * max(overlap, 1)), search.factor


def _searched(
    photograph: Photograph, search: Search, cut: list[Tile], workers: int | None
) -> Iterator[list[Piece]]:
    """Yield what is found in tiles, in their order."""
    many = min(workers or usable_cores(AT_ONCE), AT_ONCE, len(cut))
    size = photograph.width // search.factor, photograph.height // search.factor
    with one_thread_each(), ThreadPoolExecutor(max(many, 1)) as pool:
        waiting: deque[Future[list[Piece]]] = deque()
        try:
            for tile in cut:
                if len(waiting) >= many:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(_pieces, photograph, search, tile, size))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _pieces(
    photograph: Photograph, search: Search, tile: Tile, size: tuple[int, int]
) -> list[Piece]:
    """Return what is found in a tile, as far as it lies within its frame."""
    left, top = tile.seen[:2]
    picture = _window(photograph, search.factor, tile.seen)
    frame, found = tile.frame, []
    open_sides = frame[0] > 0, frame[1] > 0, frame[2] < size[0], frame[3] < size[1]
    # Without a halo nobody knows whether what ends at the frame goes on behind it.
    near = 0 if search.halo else 1
    for one in search(picture, left, top):
        region = one.region
        whole = Instance(region.mask, region.left + left, region.top + top, one.score,
                         region.codes)  # fmt: skip
        instance = cropped(whole, frame)
        if instance is None:
            continue
        box = whole.box
        reaches = (
            box[0] < frame[0] + near, box[1] < frame[1] + near,
            box[2] > frame[2] - near, box[3] > frame[3] - near,
        )  # fmt: skip
        cut = any(a and b for a, b in zip(open_sides, reaches, strict=True))
        found.append(Piece(instance, tile.number, frame, cut))
    return found


def _window(photograph: Photograph, factor: int, box: tuple[int, int, int, int]) -> Bytes:
    """Return a part of the photograph, made smaller by means of squares, a band after the other."""
    if factor == 1:
        return photograph.window(*box)
    left, top, right, below = (side * factor for side in box)
    high = max(1, _BAND // factor) * factor
    bands = []
    for at in range(top, below, high):
        pixels = photograph.window(left, at, right, min(at + high, below))
        bands.append(np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor)))
    return np.concatenate(bands)
