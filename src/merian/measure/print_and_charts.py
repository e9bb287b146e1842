"""What lies beside bodies and is none: lines of print, and colour charts.

Pieces that are near each other are looked at together. Print is a row of several pieces with thin
strokes: a stroke is less than a third as wide as the row is high, which the trunk of no animal is.
A chart is a rectangle, of one piece or of several, with flat colours of many hues.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.measure.shapes import Shape

__all__ = ["is_chart", "print_and_charts"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

_LETTERS = 4  # in a row
_STROKE = 0.32  # of the height of a row
_LONG = 2.5  # times as long as high
_BOXED, _APART = 0.75, 0.6  # of its rectangle: what a chart of one piece fills, and of several
_FIELDLIKE = 0.6  # of its rectangle: what most fields of a chart fill, and no body with legs
_FIELDS, _FIELD = 5, 0.03  # colours of a chart at the least, and the share of each
_TONE = 12.0  # in CIELAB: how far the colours of a chart are apart
_LEAST = 12  # pixels of a piece that is looked at
_EVERYWHERE = np.ones((3, 3), np.bool_)


def print_and_charts(
    lab: Floats, labels: Labels, sizes: NDArray[np.int64], least: float
) -> NDArray[np.int64]:
    """Return the numbers, from 0, of pieces that are print or belong to a chart.

    Args:
        lab: The picture in CIELAB.
        labels: Its pieces, from 1.
        sizes: Pixels of each piece.
        least: Pixels that a body has; letters may have a third of that.
    """
    looked = np.concatenate([[False], sizes >= max(least / 3, _LEAST)])
    boxes = ndimage.find_objects(labels)
    high = [min(box[0].stop - box[0].start, box[1].stop - box[1].start) for box in boxes]
    if not looked.any():
        return np.empty(0, np.int64)
    reach = max(1, round(0.4 * float(np.median(np.array(high)[looked[1:]]))))
    away = ndimage.distance_transform_edt(~looked[labels])
    groups, _ = ndimage.label(away <= reach, _EVERYWHERE)
    found: list[int] = []
    for number, box in enumerate(ndimage.find_objects(groups), 1):
        inside = (groups[box] == number) & looked[labels[box]]
        members = np.setdiff1d(np.unique(labels[box][inside]), [0])
        if not len(members):
            continue
        group = ndimage.binary_fill_holes(
            ndimage.binary_erosion(
                np.pad(groups[box] == number, 1), iterations=max(1, reach - 1), border_value=0
            )
        )[1:-1, 1:-1]
        whole = group | inside
        several = len(members) > 2
        chart = is_chart(lab[box], whole, _APART if several else _BOXED) and (
            not several or _are_fields(labels[box], members)
        )
        if chart or _is_print(inside, len(members)):
            found += [int(member) - 1 for member in members]
    return np.array(sorted(found), np.int64)


def is_chart(lab: Floats, mask: Mask, boxed: float = _BOXED) -> bool:
    """Return whether a piece is a chart: it fills a rectangle so far, with colours of many hues."""
    box = Shape(mask).rectangle
    if mask.sum() < boxed * box.length * box.width:
        return False
    colours = lab[mask]
    # A number for each tone: L* has 9 of them at most, a* and b* from -11 to 11.
    tones = np.round(colours / _TONE).astype(np.int64) @ np.array([1_024, 32, 1])
    counts = np.bincount(tones - tones.min())
    if (counts >= _FIELD * len(colours)).sum() < _FIELDS:
        return False
    strong = np.hypot(colours[:, 1], colours[:, 2]) > 1.5 * _TONE
    if strong.mean() < _FIELD:
        return False
    hue = np.floor(np.arctan2(colours[strong, 2], colours[strong, 1]) / (np.pi / 4))
    shares = np.unique(hue, return_counts=True)[1] / len(colours)
    return bool((shares > 0.005).sum() >= 3)


def _are_fields(labels: Labels, members: NDArray[np.int32]) -> bool:
    """Return whether most of some pieces are rectangles, as bodies that lie close are not."""
    filled = []
    for place in members.tolist():
        mask = labels == place
        box = Shape(mask).rectangle
        filled.append(mask.sum() / (box.length * box.width))
    return bool(np.median(filled) > _FIELDLIKE)


def _is_print(mask: Mask, pieces: int) -> bool:
    if pieces < _LETTERS:
        return False
    box = Shape(mask).rectangle
    stroke = 2 * float(ndimage.distance_transform_edt(np.pad(mask, 1)).max())
    return bool(box.length > _LONG * box.width and stroke < _STROKE * box.width)
