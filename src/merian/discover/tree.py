"""The tree of clusters: which join, and how far apart they are when they do.

One tree holds every number of clusters, so that a cut at each rank of a taxonomy comes from the
same tree and the cuts lie within one another. Clusters are numbered by size, the largest 0, and
those of one size by their first member: so the same tree gives the same numbers.

From all distances at once the tree is found by chains of nearest neighbours: the chain goes from
each cluster to its nearest until two are nearest to each other, which join. Linkages that never
turn back (a join is never lower than those before it in its branch) allow that.
`merian.discover.exact_ward` finds Ward's tree without holding the distances.

References: Murtagh, A survey of recent advances in hierarchical clustering, The Computer Journal
1983; Lance & Williams, A general theory of classificatory sorting strategies, 1967.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["Dendrogram", "by_average", "numbered"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Dendrogram:
    """A tree of n items: the joins from the nearest to the farthest.

    Attributes:
        pairs: int64[n - 1, 2]; a member of each of the two that join.
        heights: float64[n - 1], ascending; how far apart they are.
        finest: The most clusters that it tells apart; less than n where items were gathered into
            cells before, whose members join at height 0 in no order that means anything.
    """

    pairs: Numbers
    heights: Floats
    finest: int = 0

    def __post_init__(self) -> None:
        if not self.finest:
            object.__setattr__(self, "finest", len(self.pairs) + 1)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.pairs) + 1

    def at(self, height: float) -> Labels:
        """Return the cluster of each item where all joins up to a height are done."""
        return self._joined(int(np.searchsorted(self.heights, height, side="right")))

    def into(self, count: int) -> Labels:
        """Return the cluster of each item where so many clusters are left."""
        if not 1 <= count <= len(self):
            raise InputError(f"{count} clusters of {len(self)} items")
        return self._joined(len(self) - count)

    def count_at(self, height: float) -> int:
        """Return how many clusters are left where all joins up to a height are done."""
        return len(self) - int(np.searchsorted(self.heights, height, side="right"))

    def _joined(self, joins: int) -> Labels:
        return numbered(_lowest(len(self), *self.pairs[:joins].T))


def _lowest(count: int, one: Numbers, other: Numbers) -> Numbers:
    """Return the lowest of the items that hang together with each, however long the chain.

    A dozen lines, as scipy's components would be half a second and 20 MB for every cut.
    """
    lowest = np.arange(count)
    while len(one):
        low, high = np.minimum(lowest[one], lowest[other]), np.maximum(lowest[one], lowest[other])
        np.minimum.at(lowest, high, low)
        while not np.array_equal(lower := lowest[lowest], lowest):
            lowest = lower
        apart = lowest[one] != lowest[other]
        one, other = one[apart], other[apart]
    return lowest


def numbered(labels: NDArray[np.signedinteger]) -> Labels:
    """Return labels numbered by the size of their clusters, those of one size by first member.

    Args:
        labels: Any numbers; what is below 0 is left alone and becomes -1.
    """
    found = np.full(len(labels), -1, np.int32)
    inside = np.flatnonzero(labels >= 0)
    _, first, which, size = np.unique(
        labels[inside], return_index=True, return_inverse=True, return_counts=True
    )
    place = np.empty(len(size), np.int32)
    place[np.lexsort((first, -size))] = np.arange(len(size), dtype=np.int32)
    found[inside] = place[which]
    return found


def by_average(distances: Floats) -> Dendrogram:
    """Return the tree in which clusters are as far apart as their items are in the mean.

    Args:
        distances: float64[n, n].
    """
    apart = np.array(distances, np.float64)
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
        joined = (size[one] * apart[one] + size[other] * apart[other]) / (size[one] + size[other])
        apart[other], apart[:, other] = joined, joined
        apart[one], apart[:, one], apart[other, other] = np.inf, np.inf, np.inf
        size[other] += size[one]
        left[one] = False
    order = np.argsort(heights, kind="stable")
    return Dendrogram(pairs[order], heights[order])
