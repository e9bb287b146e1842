"""Whether a group of sequences is two: flow on the graph of the near ones, judged by silhouette.

Single linkage holds two dense groups together where one sequence stands between them. A walker who
steps from sequence to sequence, the sooner the nearer they are, rarely crosses from one dense group
to the other. Markov clustering lets many walk, and makes the strong ways stronger, until each
walker is caught. What it finds counts only where it is well apart: where the mean silhouette of
the members is no less than asked for. Else the group stays whole.

References: van Dongen, Graph clustering by flow simulation, Utrecht 2000; Rousseeuw, Silhouettes,
J. Comput. Appl. Math. 1987; Ratnasingham & Hebert, A DNA-based registry for all animal species:
the BIN system, PLoS ONE 2013 (both of them together on barcodes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["flow_groups", "mean_silhouette", "parted"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

INFLATION = 2.0  # van Dongen's
_ROUNDS = 100
_NOTHING, _SETTLED = 1e-6, 1e-7  # of all who walk


def parted(distances: Floats, reach: float, least: float) -> Numbers:
    """Return the part of each member: 0 for all where the group is one.

    Args:
        distances: float64[n, n].
        reach: From how far apart on nobody steps from one to the other.
        least: The mean silhouette that parts must have.
    """
    whole = np.zeros(len(distances), np.int64)
    if len(distances) < 3:
        return whole
    parts = flow_groups(distances, reach)
    if not parts.any() or mean_silhouette(distances, parts) < least:
        return whole
    return parts


def flow_groups(distances: Floats, reach: float) -> Numbers:
    """Return the groups that Markov clustering finds, numbered by their first members.

    Args:
        distances: float64[n, n].
        reach: The weight of a step falls from 1 at no distance to 0 at this one.
    """
    walk = np.maximum(1 - distances / reach, 0)
    np.fill_diagonal(walk, 1)
    walk /= walk.sum(axis=0)
    for _ in range(_ROUNDS):
        after = (walk @ walk) ** INFLATION
        after /= after.sum(axis=0)
        after[after < _NOTHING] = 0
        after /= after.sum(axis=0)
        change = float(np.abs(after - walk).max())
        walk = after
        if change < _SETTLED:
            break
    return _linked(walk > _NOTHING)


def mean_silhouette(distances: Floats, groups: Numbers) -> float:
    """Return the mean silhouette, -1 to 1; that of a member alone in its group is 0.

    Args:
        distances: float64[n, n].
        groups: Of each, from 0 on; two or more.
    """
    count = np.bincount(groups)
    member = np.eye(len(count))[groups]
    summed = distances @ member
    rows = np.arange(len(groups))
    own = summed[rows, groups] / np.maximum(count[groups] - 1, 1)
    other = summed / count
    other[rows, groups] = np.inf
    nearest = other.min(axis=1)
    larger = np.maximum(own, nearest)
    value = (nearest - own) / np.where(larger > 0, larger, 1)
    return float(np.where(count[groups] > 1, value, 0).mean())


def _linked(joined: NDArray[np.bool_]) -> Numbers:
    """Return which members hang together, numbered by their first members."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    found = connected_components(coo_array(joined), directed=False)[1]
    return np.asarray(found, np.int64)
