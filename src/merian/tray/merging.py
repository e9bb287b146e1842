"""What was found in tiles that overlap, as the bodies of one photograph.

A body on the border of a frame is seen in several tiles: whole in one, as a piece in others. Where
two frames overlap both have looked at the same pixels, so two finds are the same body if they have
the same pixels there: the intersection of their masks over the union, within what both have seen.
Of a body that was seen whole the pieces are dropped; one that no tile has seen whole is joined from
its pieces. Two finds of one tile never become one: whoever saw two bodies saw two. So bodies that
touch are not glued, which merging by boxes or by inclusion does (as in SAHI's NMM), and the answer
does not hang on where the grid lies.

Nothing is as large as the photograph: boxes are put into a grid of cells, and masks are compared in
the frame of their own boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.tray.instances import Box, Instance, common, covering, in_reading_order, within

__all__ = ["Piece", "merged", "overlapping"]

Ints = NDArray[np.int64]

_AGREE = 0.5  # of the pixels that either has, within what both have seen
_COVERED = 0.5  # of a find: if so much lies in others that other tiles have seen, it is none
_LEAST_CELL = 16  # pixels
_AT_ONCE = 4_000_000  # pairs of boxes in memory


@dataclass(frozen=True, eq=False)
class Piece:
    """What a tile has found.

    Attributes:
        instance: The body, as far as it lies within the frame.
        tile: The number of the tile.
        frame: Of the tile.
        cut: Whether the frame may have cut it.
    """

    instance: Instance
    tile: int
    frame: Box
    cut: bool


@dataclass(eq=False)
class _Group:
    """Finds of one body, each in another tile."""

    pieces: list[Piece]
    tiles: set[int]
    box: Box
    whole: bool


def merged(
    pieces: Sequence[Piece], *, agree: float = _AGREE, largest: float = math.inf
) -> tuple[Instance, ...]:
    """Return the bodies that pieces are of, in reading order.

    Args:
        pieces: What was found, tile by tile.
        agree: How much of what both have seen two finds of one body have in common.
        largest: Pixels that a body is wide or high at most: pieces of more are not joined.
    """
    groups = _the_same(pieces)
    groups = _joined(groups, overlapping(_boxes([group.box for group in groups])), agree, largest)
    return in_reading_order(_uncovered(groups, [_standing(group) for group in groups]))


def overlapping(boxes: Ints) -> Ints:
    """Return the pairs of boxes that have a pixel in common, int64[n, 2], the lower number first.

    Boxes are put into cells about as large as they are, and those of one cell are compared.
    """
    if len(boxes) < 2:
        return np.empty((0, 2), np.int64)
    cell = max(_LEAST_CELL, 2 * int(np.median(boxes[:, 2:] - boxes[:, :2])))
    first = boxes[:, :2] // cell
    wide, high = ((boxes[:, 2:] - 1) // cell - first + 1).T
    count = wide * high
    owner = np.repeat(np.arange(len(boxes)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    column = first[owner, 0] + place % wide[owner]
    row = first[owner, 1] + place // wide[owner]
    key = (row - row.min()) * (column.max() - column.min() + 1) + column - column.min()
    order = np.lexsort((owner, key))
    owner, key = owner[order], key[order]
    behind = np.searchsorted(key, key, side="right") - np.arange(len(key)) - 1
    total = np.concatenate([[0], np.cumsum(behind)])
    found = [np.empty(0, np.int64)]
    start = 0
    while start < len(key):
        stop = int(np.searchsorted(total, total[start] + _AT_ONCE, side="right")) - 1
        stop = min(max(stop, start + 1), len(key))
        some = behind[start:stop]
        one = np.repeat(np.arange(start, stop), some)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(some) - some, some)
        a, b = owner[one], owner[other]  # in order, as they are sorted within a cell
        near = np.minimum(boxes[a, 2:], boxes[b, 2:]) > np.maximum(boxes[a, :2], boxes[b, :2])
        meet = near.all(axis=1)
        found.append(np.unique(a[meet] * len(boxes) + b[meet]))
        start = stop
    pair = np.unique(np.concatenate(found))
    return np.column_stack([pair // len(boxes), pair % len(boxes)])


def _boxes(boxes: Sequence[Box]) -> Ints:
    return np.array(boxes, np.int64).reshape(-1, 4)


def _the_same(pieces: Sequence[Piece]) -> list[_Group]:
    """Put finds that are whole and the same to the pixel together, which most are."""
    known: dict[object, _Group] = {}
    for number, piece in enumerate(pieces):
        one = piece.instance
        key: object = number if piece.cut else (one.box, np.packbits(one.mask).tobytes())
        group = known.get(key)
        if group is None or piece.tile in group.tiles:
            known[key if group is None else number] = _Group(
                [piece], {piece.tile}, one.box, not piece.cut
            )
        else:
            group.pieces.append(piece)
            group.tiles.add(piece.tile)
    return list(known.values())


def _joined(groups: list[_Group], pairs: Ints, agree: float, largest: float) -> list[_Group]:
    """Put groups together that are of one body, the surest first."""
    likely = []
    for a, b in pairs.tolist():
        one, other = groups[a], groups[b]
        if not one.tiles & other.tiles:
            share, shared = _agreement(one.pieces[0], other.pieces[0])
            if share >= agree:
                first, second = sorted((one.box, other.box))
                likely.append((-share, -shared, first, second, a, b))
    above = list(range(len(groups)))

    def top(number: int) -> int:
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    for *_, a, b in sorted(likely):
        low, high = sorted((top(a), top(b)))
        one, other = groups[low], groups[high]
        if low == high or one.tiles & other.tiles:
            continue
        around = (
            min(one.box[0], other.box[0]), min(one.box[1], other.box[1]),
            max(one.box[2], other.box[2]), max(one.box[3], other.box[3]),
        )  # fmt: skip
        longest = max(around[2] - around[0], around[3] - around[1])
        if longest > largest and not one.whole and not other.whole:
            continue
        one.pieces += other.pieces
        one.tiles |= other.tiles
        one.box, one.whole = around, one.whole or other.whole
        above[high] = low
    return [group for number, group in enumerate(groups) if above[number] == number]


def _agreement(one: Piece, other: Piece) -> tuple[float, int]:
    """Return how much two finds have in common of what both could see, and how many pixels.

    What was seen whole ends where it ends, in the frame of the other too.
    """
    a = within(one.instance, other.frame) if other.cut else one.instance.mask
    b = within(other.instance, one.frame) if one.cut else other.instance.mask
    box = common(one.instance.box, other.instance.box)
    here, there = within(one.instance, box), within(other.instance, box)
    if here.shape != there.shape:
        return 0.0, 0
    both = int(np.count_nonzero(here & there))
    either = int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - both
    return (both / either if both else 0.0), both


def _standing(group: _Group) -> Instance:
    """Return the body that finds are of: the surest that is whole, or all pieces together."""
    if not group.whole:
        return covering([piece.instance for piece in group.pieces])
    whole = [piece.instance for piece in group.pieces if not piece.cut]
    if len(whole) == 1:
        return whole[0]
    return min(whole, key=lambda one: (-one.score, -one.area, one.box, one.mask.tobytes()))


def _uncovered(groups: Sequence[_Group], bodies: Sequence[Instance]) -> list[Instance]:
    """Return the bodies without those that lie in others: pieces of several that one tile glued.

    Nothing is dropped for what a tile has seen beside it, each for itself.
    """
    seen = [{piece.tile for piece in group.pieces if not piece.cut} for group in groups]
    beside: dict[int, list[int]] = {}
    for a, b in overlapping(_boxes([one.box for one in bodies])).tolist():
        if not seen[a] & seen[b]:
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
    areas = [one.area for one in bodies]
    order = sorted(
        range(len(bodies)),
        key=lambda at: (not groups[at].whole, -bodies[at].score, -areas[at], bodies[at].box),
    )
    kept = np.zeros(len(bodies), np.bool_)
    for at in order:
        one = bodies[at]
        others = [other for other in beside.get(at, ()) if kept[other]]
        covered = np.zeros_like(one.mask)
        for other in others:
            box = common(one.box, bodies[other].box)
            covered[box[1] - one.top : box[3] - one.top, box[0] - one.left : box[2] - one.left] |= (
                within(bodies[other], box)
            )
        hidden = int(np.count_nonzero(covered & one.mask)) if others else 0
        kept[at] = hidden <= _COVERED * areas[at]
    return [one for one, stays in zip(bodies, kept.tolist(), strict=True) if stays]
