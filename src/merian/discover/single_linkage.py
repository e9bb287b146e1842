"""Single linkage from the pairs that are near: groups at a distance, and the tree of all.

Near pairs are all that single linkage needs up to their distance: its tree is the shortest tree
that joins them. Above, groups are as far apart as those that stand for them, one each, and what
aligns with nothing joins at last, at distance 1.

Reference: Gower & Ross, Minimum spanning trees and single linkage cluster analysis, J. R. Stat.
Soc. C 1969.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merian.barcode.pairs import Edges, Progress, near_pairs
from merian.discover.tree import Dendrogram

__all__ = ["linked", "tree_of"]

Numbers = NDArray[np.int64]

_ASKED = 16  # other groups that share the most words with the one that stands for a group
_LEAST = 1e-9  # so that equal sequences, too, are joined by something


def linked(count: int, edges: Edges, distance: float = np.inf) -> Numbers:
    """Return the group of each item, numbered by first members.

    Args:
        count: Of items.
        edges: Pairs of them.
        distance: Of the pairs that count.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    one, other, far = edges
    use = far <= distance
    graph = coo_array((np.ones(use.sum(), np.int8), (one[use], other[use])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def tree_of(
    sequences: Sequence[str], edges: Edges, progress: Progress, threads: int = 1
) -> Dendrogram:
    """Return the tree of single linkage of all sequences.

    Args:
        sequences: Clean.
        edges: All pairs within some distance.
        progress: Is told what is done.
        threads: How many look.
    """
    count = len(sequences)
    group = linked(count, edges)
    # The one with most neighbours stands for its group; of equals the first.
    degree = np.bincount(np.concatenate(edges[:2]), minlength=count)
    order = np.lexsort((np.arange(count), -degree, group))
    head = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    few, many, far = near_pairs(
        [sequences[at] for at in head.tolist()], 1.0, progress, _ASKED, threads=threads
    )
    one = np.concatenate([edges[0], head[few]])
    other = np.concatenate([edges[1], head[many]])
    # A join of groups is never lower than one within a group that reaches as far.
    floor = float(edges[2].max(initial=0.0))
    height = np.concatenate([edges[2], np.maximum(far, floor)])
    joins, heights = _shortest(count, one, other, height)
    rest = linked(count, (joins[:, 0], joins[:, 1], heights))
    first = np.unique(rest, return_index=True)[1]
    last = np.stack([np.full(len(first) - 1, first[0]), first[1:]], axis=1)
    return Dendrogram(
        np.concatenate([joins, last]).astype(np.int64),
        np.concatenate([heights, np.ones(len(last))]).astype(np.float64),
    )


def _shortest(
    count: int, one: NDArray[np.integer], other: NDArray[np.integer], far: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the pairs of a shortest tree in order of their distances."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second
    from scipy.sparse.csgraph import minimum_spanning_tree  # noqa: PLC0415

    # Of a pair that is there twice the sparse graph would add the distances.
    low, high = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((far, high, low))
    new = np.diff(low[order].astype(np.int64) * count + high[order], prepend=-1) > 0
    low, high, far = low[order][new], high[order][new], far[order][new]
    graph = coo_array((far.astype(np.float64) + _LEAST, (low, high)), shape=(count, count))
    found = minimum_spanning_tree(graph.tocsr()).tocoo()
    heights = np.maximum(found.data - _LEAST, 0.0)
    order = np.lexsort((found.col, found.row, heights))
    pairs = np.stack([found.row, found.col], axis=1)[order]
    return pairs.astype(np.int32), heights[order].astype(np.float32)
