"""How many groups there are, found from the vectors alone.

Numbers from few to many are tried, each as a cut of one tree, and the silhouette of each is taken
in the reduced space: for a member, how much nearer the others of its group are than those of the
next group. For many rows it is that of a sample drawn once for all numbers, with its interval.

Reference: Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics 1987.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.threads import one_blas_thread

__all__ = ["Tried", "best", "silhouettes", "try_numbers"]

Array = NDArray[Any]
SAMPLE = 4000  # rows whose silhouettes are taken


@dataclass(frozen=True)
class Tried:
    """What is known of one number of groups.

    Attributes:
        count: How many groups.
        silhouette: Mean of the sample's, -1 to 1.
        low: Of its interval of 95 %.
        high: The same.
    """

    count: int
    silhouette: float
    low: float
    high: float


def silhouettes(space: Array, label: Array, rows: Array) -> NDArray[np.float64]:
    """Return the silhouette of some rows among all rows of a sample.

    Args:
        space: float[n, d].
        label: int[n]; 0 and up.
        rows: Which rows are asked.
    """
    groups = int(label.max()) + 1
    size = np.bincount(label, minlength=groups).astype(np.float64)
    found = np.zeros(len(rows))
    member = np.zeros((len(label), groups))
    member[np.arange(len(label)), label] = 1.0
    square = (space.astype(np.float64) ** 2).sum(axis=1)
    with one_blas_thread():
        for start in range(0, len(rows), 512):
            some = rows[start : start + 512]
            gap = square[some, None] + square - 2.0 * (space[some] @ space.T).astype(np.float64)
            gap[np.arange(len(some)), some] = 0.0
            total = np.sqrt(np.maximum(gap, 0.0)) @ member
            own = label[some]
            at = np.arange(len(some))
            within = total[at, own] / np.maximum(size[own] - 1, 1)
            mean = total / np.maximum(size, 1)
            mean[:, size == 0] = np.inf
            mean[at, own] = np.inf
            other = mean.min(axis=1)
            larger = np.maximum(within, other)
            here = np.where(larger > 0, (other - within) / np.where(larger > 0, larger, 1), 0.0)
            found[start : start + 512] = np.where(size[own] > 1, here, 0.0)
    return found


def try_numbers(
    space: Array, counts: Sequence[int], cut: Callable[[int], Array], seed: int = 0
) -> tuple[Tried, ...]:
    """Return the silhouette of each number of groups.

    Args:
        space: float[n, d].
        counts: The numbers.
        cut: Gives the group of each row for a number.
        seed: Of the sample.
    """
    n = len(space)
    rows = np.arange(n)
    if n > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))
    few = space[rows]
    found = []
    for count in counts:
        label = np.unique(cut(count)[rows], return_inverse=True)[1]
        if label.max() < 1:
            continue
        each = silhouettes(few, label, np.arange(len(rows)))
        spread = 1.96 * float(each.std()) / len(each) ** 0.5
        mean = float(each.mean())
        found.append(Tried(count, mean, mean - spread, mean + spread))
    return tuple(found)


def best(tried: Sequence[Tried]) -> int:
    """Return the number with the highest silhouette, of equals the lowest; 1 where all are 0."""
    found = max(tried, key=lambda one: (one.silhouette, -one.count), default=None)
    return found.count if found is not None and found.silhouette > 0 else 1
