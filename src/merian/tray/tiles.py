"""Tiles of a photograph: frames that overlap by more than the largest body.

Whatever is not wider or higher than the overlap lies wholly within one frame at least, wherever the
grid begins; so a body is found whole, and its pieces in other frames are known to be pieces. A tile
is looked at with a halo around its frame, as far as what is found at a pixel hangs on others: then
it does not matter either where the frame ends.

Reference: Akyon, Altinuc & Temizel, Slicing aided hyper inference (SAHI), ICIP 2022, which merges
by boxes; see `merian.tray.merging` for what is done here instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from merian.errors import InputError
from merian.tray.instances import Box

__all__ = ["Tile", "tiles"]


@dataclass(frozen=True)
class Tile:
    """A part of a photograph.

    Attributes:
        number: Its place in the order of reading.
        frame: Left, top, right and below of what it is asked about.
        seen: The same of what is looked at: the frame with its halo.
    """

    number: int
    frame: Box
    seen: Box


def tiles(
    width: int,
    height: int,
    side: int,
    overlap: int,
    *,
    halo: int = 0,
    shift: tuple[int, int] = (0, 0),
) -> Iterator[Tile]:
    """Yield the tiles of a photograph in reading order.

    Args:
        width: Of the photograph.
        height: The same.
        side: Of a frame.
        overlap: How far frames reach into their neighbours.
        halo: How far beyond its frame a tile is seen.
        shift: How far to the left and up the grid begins: across and down.
    """
    if not 0 <= overlap < side:
        raise InputError(f"tiles of {side} pixels that overlap by {overlap}: less is expected")
    number = 0
    for top, below in _along(height, side, overlap, shift[1]):
        for left, right in _along(width, side, overlap, shift[0]):
            seen = (
                max(left - halo, 0), max(top - halo, 0),
                min(right + halo, width), min(below + halo, height),
            )  # fmt: skip
            yield Tile(number, (left, top, right, below), seen)
            number += 1


def _along(length: int, side: int, overlap: int, shift: int) -> Iterator[tuple[int, int]]:
    """Yield where frames begin and end along one side; the last ends with it."""
    step = side - overlap
    start = -(shift % step)
    while True:
        end = start + side
        if end > max(overlap, 0):  # what begins before the picture may lie in the next one whole
            yield max(start, 0), min(end, length)
        if end >= length:
            return
        start += step
