"""A body in a photograph: its mask in the frame of its own box, and never a mask of all of it.

A photograph may have a thousand million pixels and 17,000 bodies; a mask as large as the picture
for each of them would be 17 terabytes. A body's box is some hundred pixels wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Instance", "common", "covering", "cropped", "enlarged",
           "in_reading_order", "within"]  # fmt: skip

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right and below; the last two are beside it."""

_ROW = 0.6  # of a usual body's height: what is farther down is in another row


@dataclass(frozen=True, eq=False)
class Instance:
    """A body in a photograph.

    Attributes:
        mask: bool[h, w], cropped to its box.
        left: Of the box, in pixels of the photograph.
        top: The same.
        score: How sure it is that this is a body, from 0 to 1.
        codes: What may be wrong, see `merian.measure.codes`.
    """

    mask: Mask
    left: int
    top: int
    score: float = 1.0
    codes: tuple[str, ...] = ()

    @property
    def box(self) -> Box:
        """Left, top, right and below."""
        height, width = self.mask.shape
        return self.left, self.top, self.left + width, self.top + height

    @property
    def area(self) -> int:
        """Pixels of the body."""
        return int(np.count_nonzero(self.mask))


def cropped(instance: Instance, box: Box) -> Instance | None:
    """Return what of a body lies within a box; None if nothing does."""
    left, top, right, below = instance.box
    if box[0] <= left and box[1] <= top and box[2] >= right and box[3] >= below:
        return instance
    mask = within(instance, box)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    cut = np.ascontiguousarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return Instance(
        cut, max(left, box[0]) + int(columns[0]), max(top, box[1]) + int(rows[0]), instance.score,
        instance.codes,
    )  # fmt: skip


def within(instance: Instance, box: Box) -> Mask:
    """Return the part of a mask that lies within a box, which may be without a pixel."""
    left, top = max(box[0] - instance.left, 0), max(box[1] - instance.top, 0)
    right, below = max(box[2] - instance.left, 0), max(box[3] - instance.top, 0)
    return instance.mask[top:below, left:right]


def common(one: Box, other: Box) -> Box:
    """Return what is in both of two boxes; its right is not beyond its left where nothing is."""
    return (
        max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    )  # fmt: skip


def covering(instances: Sequence[Instance]) -> Instance:
    """Return the union of bodies as one, with the highest of their scores."""
    boxes = np.array([one.box for one in instances])
    left, top = (int(v) for v in boxes[:, :2].min(axis=0))
    right, below = (int(v) for v in boxes[:, 2:].max(axis=0))
    mask = np.zeros((below - top, right - left), np.bool_)
    for one in instances:
        height, width = one.mask.shape
        mask[one.top - top : one.top - top + height, one.left - left : one.left - left + width] |= (
            one.mask
        )
    codes = tuple(sorted({code for one in instances for code in one.codes}))
    return Instance(mask, left, top, max(one.score for one in instances), codes)


def enlarged(instance: Instance, factor: int) -> Instance:
    """Return a body of a photograph that is so many times as large."""
    if factor == 1:
        return instance
    mask = instance.mask.repeat(factor, axis=0).repeat(factor, axis=1)
    left, top = instance.left * factor, instance.top * factor
    return Instance(mask, left, top, instance.score, instance.codes)


def in_reading_order(instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """Return bodies in reading order: in rows as high as a body, each from the left."""
    if not instances:
        return ()
    boxes = np.array([one.box for one in instances])
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    high = float(np.median(boxes[:, 3] - boxes[:, 1]))
    areas = np.array([one.area for one in instances])
    order = np.lexsort((areas, boxes[:, 0], middles))
    rows = np.zeros(len(order), np.int64)
    row, first = 0, middles[order[0]]
    for at in order.tolist():
        if middles[at] - first > _ROW * high:  # farther than a row from its first body
            row, first = row + 1, middles[at]
        rows[at] = row
    last = np.lexsort((areas, middles, boxes[:, 0], rows))
    return tuple(instances[at] for at in last.tolist())
