"""The line through the middle of a body, from end to end: the length of what is bent.

The ends of a mask are its two points that are farthest apart by a way within it. Between them runs
the way that keeps to the middle: each step costs the more, the nearer to the edge it is. Near the
ends that way turns into a corner, so the last stretch is left out and drawn on straight, to the
outline. What is left is made smooth, as a way over pixels is longer than the line it follows.

Reference: Deschamps & Cohen, Fast extraction of minimal paths in 3D images, Medical Image Analysis
5, 2001 (the way of the least cost through what is far from the edge).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, map_coordinates
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from merian.errors import InputError

__all__ = ["midline", "path_length"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_PIXELS = 20_000  # of a mask: a larger one is looked at in steps
_MIDDLE = 3.0  # power by which the middle is preferred
_LEFT_OUT = 1.0  # widths from its end; there a way turns into a corner
_SMOOTH = 0.5  # half widths
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def midline(mask: Mask) -> Floats:
    """Return the midline of a mask as points x and y, from outline to outline.

    Pieces beside the largest are left out.

    Args:
        mask: The body.
    """
    if not mask.any():
        raise InputError("a mask without a pixel has no midline")
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    step = max(1, math.isqrt(int(mask.sum()) // _PIXELS))
    rows, columns = _thinned(mask, depth, step)
    way = _way(rows, columns, depth[rows, columns], step)
    points: Floats = np.column_stack([columns[way], rows[way]]).astype(np.float64) + 0.5
    return _drawn_on(_smooth(points, depth, step), mask, depth)


def path_length(points: Floats) -> float:
    """Return the length of a line through points."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _thinned(mask: Mask, depth: Floats, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixels that are looked at: of each square of `step` pixels the deepest."""
    if step == 1:
        rows, columns = np.nonzero(mask)
        return rows, columns
    height, width = (-(-side // step) * step for side in mask.shape)
    full = np.zeros((height, width))
    full[: mask.shape[0], : mask.shape[1]] = depth
    tiles = full.reshape(height // step, step, width // step, step).swapaxes(1, 2)
    squares = tiles.reshape(height // step, width // step, step * step)
    there = squares.max(axis=2) > 0
    row, column = np.nonzero(there)
    best = squares[there].argmax(axis=1)
    return row * step + best // step, column * step + best % step


def _way(
    rows: NDArray[np.int64], columns: NDArray[np.int64], depth: Floats, step: int
) -> NDArray[np.int64]:
    """Return the numbers of the pixels of the way through the middle, from end to end."""
    if len(rows) == 1:
        return np.array([0, 0])
    y, x = rows // step, columns // step
    number = np.full((int(y.max()) + 3, int(x.max()) + 3), -1, np.int64)
    number[y + 1, x + 1] = np.arange(len(rows))
    one, other = [], []
    for down, right in _STEPS:
        beside = number[y + 1 + down, x + 1 + right]
        there = beside >= 0
        one.append(np.flatnonzero(there))
        other.append(beside[there])
    a, b = np.concatenate(one), np.concatenate(other)
    apart = np.hypot(rows[a] - rows[b], columns[a] - columns[b])
    plain = _graph(apart, a, b, len(rows))
    # From the deepest point to the farthest, and from that to the farthest again.
    reach = dijkstra(plain, indices=int(depth.argmax()))
    first = _farthest(reach)
    last = _farthest(dijkstra(plain, indices=first))
    cost = apart * (2 / (depth[a] + depth[b])) ** _MIDDLE
    before = dijkstra(_graph(cost, a, b, len(rows)), indices=first, return_predecessors=True)[1]
    way = [last]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return np.array(way[::-1]) if len(way) > 1 else np.array([first, first])


def _graph(cost: Floats, a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> csr_matrix:
    both = (np.concatenate([cost, cost]), (np.concatenate([a, b]), np.concatenate([b, a])))
    return csr_matrix(both, shape=(size, size))


def _farthest(reach: Floats) -> int:
    return int(np.where(np.isfinite(reach), reach, -1.0).argmax())


def _smooth(points: Floats, depth: Floats, step: int) -> Floats:
    """Return points a pixel apart, without the steps of a way over pixels."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(along) > 0])
    points, along = points[keep], along[keep]
    if len(points) < 2:
        return points
    even = np.linspace(0, along[-1], max(int(along[-1]) + 1, 2))
    evenly = np.column_stack([np.interp(even, along, points[:, axis]) for axis in (0, 1)])
    half = float(np.median(_at(depth, evenly)))
    spread = max(_SMOOTH * half, float(step))
    # Point reflection at the ends, so that they stay where they are and a line stays straight.
    reach = min(int(4 * spread) + 1, len(evenly) - 1)
    head, tail = 2 * evenly[0] - evenly[reach:0:-1], 2 * evenly[-1] - evenly[-2 : -reach - 2 : -1]
    smooth = gaussian_filter1d(np.concatenate([head, evenly, tail]), spread, axis=0)
    inner: Floats = smooth[reach : reach + len(evenly)]
    return inner


def _drawn_on(points: Floats, mask: Mask, depth: Floats) -> Floats:
    """Leave out the ends of a line and draw what is left on straight, to the outline."""
    if len(points) < 2:
        x, y = points[0]
        return np.array([(x - 0.5, y), (x + 0.5, y)])
    half = float(np.median(_at(depth, points)))
    out = min(int(2 * _LEFT_OUT * half), (len(points) - 1) // 3)
    inner = points[out : len(points) - out]
    reach = max(2, min(int(2 * half) + 1, len(inner) // 2))
    ends = []
    for line in (inner[::-1], inner):
        way = line[-1] - line[-min(reach, len(line))]
        norm = float(np.linalg.norm(way))
        ends.append(_edge(line[-1], way / norm, mask) if norm else line[-1])
    return np.concatenate([[ends[0]], inner, [ends[1]]])


def _edge(start: Floats, way: Floats, mask: Mask) -> Floats:
    """Return where a ray first leaves a mask, to a twentieth of a pixel."""
    far = np.arange(0, math.hypot(*mask.shape) + 1, 0.05)
    x, y = (start[:, None] + way[:, None] * far).astype(np.float64)
    row, column = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    within = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
    within[within] = mask[row[within], column[within]]
    gone = np.flatnonzero(~within)
    edge: Floats = start + way * far[gone[0] if len(gone) else -1]
    return edge


def _at(depth: Floats, points: Floats) -> Floats:
    read: Floats = map_coordinates(depth, (points[:, 1] - 0.5, points[:, 0] - 0.5), order=1)
    return read
