"""Trees of clusters: average linkage and Ward's, by chains of nearest neighbours.

The chain goes from each cluster to its nearest until two are nearest to each other, which join.
Both linkages never turn back (a join is never lower than those before it in its branch), so the
joins in order of their heights are the tree. All distances are held at once.

References: Murtagh, A survey of recent advances in hierarchical clustering, The Computer Journal
1983; Lance & Williams, A general theory of classificatory sorting strategies, 1967.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["Joins", "by_average", "by_ward"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Joins:
    """A tree: which clusters join, from the nearest to the farthest.

    Attributes:
        pairs: int64[n - 1, 2]; a member of each of the two.
        heights: float64[n - 1], ascending.
    """

    pairs: Numbers
    heights: Floats

    def at(self, height: float) -> Numbers:
        """Return the cluster of each item where all joins up to a height are done."""
        return self._joined(int(np.searchsorted(self.heights, height, side="right")))

    def into(self, count: int) -> Numbers:
        """Return the cluster of each item where so many clusters are left."""
        if not 1 <= count <= len(self.pairs) + 1:
            raise InputError(f"{count} clusters of {len(self.pairs) + 1} items")
        return self._joined(len(self.pairs) + 1 - count)

    def _joined(self, joins: int) -> Numbers:
        above = list(range(len(self.pairs) + 1))

        def top(item: int) -> int:
            while above[item] != item:
                above[item] = above[above[item]]
                item = above[item]
            return item

        for one, other in self.pairs[:joins].tolist():
            above[top(one)] = top(other)
        tops = [top(item) for item in range(len(above))]
        return np.asarray(np.unique(tops, return_inverse=True)[1], np.int64)


def by_average(distances: Floats) -> Joins:
    """Return the tree in which clusters are as far apart as their items are in the mean.

    Args:
        distances: float64[n, n].
    """
    return _joins(np.array(distances, np.float64), ward=False)


def by_ward(vectors: Floats) -> Joins:
    """Return the tree in which each join adds least to the squares within clusters.

    Args:
        vectors: float64[n, d]; their distances are Euclid's.
    """
    square = (vectors**2).sum(axis=1)
    apart = np.maximum(square[:, None] + square[None] - 2 * vectors @ vectors.T, 0.0)
    found = _joins(apart, ward=True)
    return Joins(found.pairs, np.sqrt(found.heights))


def _joins(apart: Floats, ward: bool) -> Joins:
    """Join until one cluster is left; the distances are used up."""
    n = len(apart)
    if apart.shape != (n, n) or n < 1:
        raise InputError(f"distances {list(apart.shape)}; a square expected")
    np.fill_diagonal(apart, np.inf)
    size, left = np.ones(n), np.ones(n, bool)
    pairs, heights = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    chain: list[int] = []
    for number in range(n - 1):
        if not chain:
            chain = [int(left.argmax())]
        while True:
            last = chain[-1]
            nearest = int(apart[last].argmin())
            if len(chain) > 1 and apart[last, chain[-2]] <= apart[last, nearest]:
                break  # each is the other's nearest; of equals the one it came from
            chain.append(nearest)
        one, other = chain.pop(), chain.pop()
        pairs[number], heights[number] = (one, other), apart[one, other]
        joined = _from_both(apart[one], apart[other], size, one, other, ward)
        apart[other], apart[:, other] = joined, joined
        apart[one], apart[:, one], apart[other, other] = np.inf, np.inf, np.inf
        size[other] += size[one]
        left[one] = False
    order = np.argsort(heights, kind="stable")
    return Joins(pairs[order], heights[order])


def _from_both(
    first: Floats, second: Floats, size: Floats, one: int, other: int, ward: bool
) -> Floats:
    """Return how far the two together are from each cluster."""
    a, b = size[one], size[other]
    if not ward:
        found: Floats = (a * first + b * second) / (a + b)
        return found
    between = first[other]
    with np.errstate(invalid="ignore"):  # infinite to what is joined already, and stays so
        found = ((a + size) * first + (b + size) * second - size * between) / (a + b + size)
    return np.asarray(np.where(np.isnan(found), np.inf, found))
