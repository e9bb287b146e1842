"""How sharp the edge of a mask is, and how far the outline may be off it.

Where the picture is blurred, where an edge lies hangs on the threshold: a length between two edges
is off by twice that. So along the outline the picture is read across the edge, from without to
within, and told how many pixels it takes from a quarter to three quarters of the step, and how far
the outline is from the half. A share of that width, and what a pixel's grid leaves open, is the
standard uncertainty of the outline.

A level that is the same everywhere lies low on the edge of what is dark, and the mask is too large
by a part of the blur. `at_half` brings the outline back to where a pixel is half as far from the
ground as the clearest near it.

Reference: Canny, A computational approach to edge detection, IEEE PAMI 8, 1986 (the step edge).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_erosion,
    gaussian_filter,
    gaussian_laplace,
    map_coordinates,
)

from merian.measure.extremes import largest_near
from merian.measure.shapes import Shape

__all__ = ["UNKNOWN", "Edge", "at_half", "edge_of"]

Floats = NDArray[np.float64]
Depths = NDArray[np.float32]
Mask = NDArray[np.bool_]

GRID = 0.15  # pixels: what is left open by a grid, over a whole outline
OF_WIDTH = 0.3  # of the width of an edge: by how much thresholds of careful people differ
_READ = 240  # places along the outline
_REACHES = (5.0, 14.0)  # pixels to both sides: the farther where an edge is soft
_OF_REACH = 0.45  # of it: a wider edge may have been cut off
_STEP = 0.5
_LEAST_STEP = 12.0  # of 255: less is no edge, but noise
_MOVED = 4  # pixels: how far an outline is brought to the half of an edge at most
_OF_SIDE = 0.04  # of the side of a square as large as the body: not farther than that
_STEEPEST = 0.7  # pixels: how much a picture is smoothed before its steepest places are asked


@dataclass(frozen=True)
class Edge:
    """The edge of a mask.

    Attributes:
        width: Pixels from a quarter to three quarters of the step, the median of the outline.
        offset: How far the half of the step is outside the outline, the median; in pixels.
        seen: The share of the outline where there is a step at all.
        uncertainty: Standard uncertainty of where the outline is, in pixels.
    """

    width: float
    offset: float
    seen: float
    uncertainty: float


UNKNOWN = Edge(math.nan, math.nan, 0.0, 1.0)
"""Of a mask without a picture, or one without any step: a pixel."""


def at_half(mask: Mask, distance: Depths) -> Mask:
    """Return a mask without the blurred rim that is more ground than body.

    Pixels of the rim are taken off one after the other, as far as an edge may be blurred: those
    that are less than half as far from the ground as the clearest near them, and that lie outside
    the steepest place. So a pale part of a body stays, and a pale leg that joins a dark body.

    Args:
        mask: Of the body.
        distance: How far each pixel is from the ground.
    """
    most = int(np.clip(_OF_SIDE * math.sqrt(mask.sum()), 1, _MOVED))
    clearest = largest_near(np.where(mask, distance, np.float32(0)), 2 * most + 1)
    low = (distance < clearest / 2) & (gaussian_laplace(distance, _STEEPEST) > 0)
    moved = mask.copy()
    for _ in range(most):
        off = moved & ~binary_erosion(moved, border_value=1) & low
        if not off.any():
            break
        moved &= ~off
    return moved


def edge_of(shape: Shape, picture: NDArray[np.uint8] | None) -> Edge:
    """Return the edge of a mask in its picture.

    Args:
        shape: Of the mask.
        picture: uint8[h, w, 3] of the same box; None where there is none.
    """
    if picture is None:
        return UNKNOWN
    points, normals = _places(shape)
    edge = UNKNOWN
    for reach in _REACHES:
        edge = _read(points, normals, picture, reach)
        if not edge.width > _OF_REACH * reach:  # all of the edge was within it
            break
    return edge


def _read(points: Floats, normals: Floats, picture: NDArray[np.uint8], reach: float) -> Edge:
    """Return the edge as it is seen within so many pixels to both sides."""
    far = np.arange(-reach, reach + _STEP / 2, _STEP)  # from within to without
    x = points[:, :1] + normals[:, :1] * far - 0.5
    y = points[:, 1:] + normals[:, 1:] * far - 0.5
    there = (x.min(axis=1, initial=0) > -1) & (y.min(axis=1, initial=0) > -1)
    there &= (x.max(axis=1) < picture.shape[1]) & (y.max(axis=1) < picture.shape[0])
    if not there.any():
        return UNKNOWN
    read = np.stack([
        map_coordinates(picture[..., c].astype(np.float32), (y[there], x[there]), order=1,
                        mode="nearest")
        for c in range(3)
    ], axis=-1)  # fmt: skip
    inner, outer = read[:, :4].mean(axis=1), read[:, -4:].mean(axis=1)
    step = inner - outer
    height = np.linalg.norm(step, axis=1)
    seen = height >= _LEAST_STEP
    if not seen.any():
        return UNKNOWN
    share = (read - outer[:, None]) * step[:, None]
    profile = share[seen].sum(axis=2) / (height[seen] ** 2)[:, None]
    crossings = [_crossing(profile, far, level) for level in (0.75, 0.5, 0.25)]
    whole = np.isfinite(crossings).all(axis=0)
    if not whole.any():
        return UNKNOWN
    high, half, low = (one[whole] for one in crossings)
    width = float(np.median(low - high))
    uncertainty = math.hypot(GRID, OF_WIDTH * max(width, 0.0))
    return Edge(width, float(np.median(half)), float(seen.mean()), uncertainty)


def _places(shape: Shape) -> tuple[Floats, Floats]:
    """Return places along the largest outline and the way out of the mask at each."""
    ring = shape.outer[0].astype(np.float64)
    closed = np.concatenate([ring, ring[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed, axis=0)).sum(axis=1))])
    at = np.arange(0, along[-1], max(along[-1] / _READ, 1.0)) + 0.5
    points = np.column_stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)])
    margin = 4
    soft = gaussian_filter(np.pad(shape.mask, margin).astype(np.float32), 1.5)
    down, right = np.gradient(soft)
    where = (points[:, 1] + margin - 0.5, points[:, 0] + margin - 0.5)
    normals = -np.column_stack([map_coordinates(g, where, order=1) for g in (right, down)])
    norm = np.linalg.norm(normals, axis=1, keepdims=True)
    good = norm[:, 0] > 1e-6
    return points[good], normals[good] / norm[good]


def _crossing(profile: Floats, far: Floats, level: float) -> Floats:
    """Return where profiles that fall last go below a level; NaN where they do not."""
    above = profile >= level
    last = above.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    good = above.any(axis=1) & (last < len(far) - 1)
    last = np.minimum(last, len(far) - 2)
    rows = np.arange(len(profile))
    before, after = profile[rows, last], profile[rows, last + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = far[last] + _STEP * (before - level) / (before - after)
    return np.where(good, found, np.nan)
