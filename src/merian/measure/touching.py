"""Parting bodies that touch, where they are round.

Two round bodies that touch have a neck between them that is narrower than either. What is deeper
than the neck is a body each, and every pixel goes to the nearest: the first step of a watershed of
the distance to the outline. A body with legs has many necks and is left whole: it
loses much when thin things are taken off, and nothing is parted that does.

Reference: Beucher & Lantuéjoul, Use of watersheds in contour detection, 1979.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.measure.outline import signed_area
from merian.measure.shapes import Shape

__all__ = ["parted"]

Mask = NDArray[np.bool_]

_ROUND = 0.9  # of a body: what is left of it without its thin things, or it has legs
_CONVEX = 0.93  # of its convex hull: a body that fills so much is one
_NECK = 0.75  # of the narrower body: a wider neck is none
_PART = 0.4  # of the mean body of a piece: less is no body


def parted(mask: Mask) -> list[Mask]:
    """Return the bodies in a mask: one, or several where round ones touch."""
    area = int(mask.sum())
    if area < 200:
        return [mask]
    framed = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(framed)
    deepest = float(depth.max())
    if area / max(abs(signed_area(Shape(mask).hull)), 1.0) > _CONVEX:
        return [mask]
    inner = depth > 0.4 * deepest
    opened = ndimage.distance_transform_edt(~inner) <= 0.4 * deepest
    if (opened & framed).sum() < _ROUND * area:
        return [mask]
    labels, count = np.zeros(framed.shape, np.int32), 0
    for neck in np.arange(0.25, _NECK, 0.05) * deepest:
        labels, count = _tops(depth, float(neck))
        if count > 1:
            break
    if count < 2:
        return [mask]
    rows, columns = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    drawn = labels[rows, columns][1:-1, 1:-1]
    parts = [(drawn == number) & mask for number in range(1, count + 1)]
    if min(int(part.sum()) for part in parts) < _PART * area / count:
        return [mask]
    return parts


def _tops(depth: NDArray[np.float64], neck: float) -> tuple[NDArray[np.int32], int]:
    """Number the pieces deeper than a neck that are bodies against it."""
    labels, count = ndimage.label(depth > neck)
    if count < 2:
        return labels, count
    tops = np.zeros(count + 1)
    np.maximum.at(tops, labels.ravel(), depth.ravel())
    tops = tops[1:]
    real = np.concatenate([[False], tops * _NECK >= neck])
    return np.where(real, np.cumsum(real), 0)[labels].astype(np.int32), int(real.sum())
