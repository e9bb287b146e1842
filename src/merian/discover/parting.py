"""Parting the groups of single linkage that are two, however large and however many they are.

Every pair of a group's members is aligned, and `merian.discover.markov` judges. Of a large group
some stand for the others: those that no commoner one is so near to that both are as good as one.
So the work on a group is bounded, and a crowd of all but equal sequences is not taken for more
than it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from merian.barcode.pairs import Edges, aligned_pairs
from merian.discover.markov import parted
from merian.metabarcoding.clusters import cluster

__all__ = ["part"]

Numbers = NDArray[np.int64]

_JUDGED = 128  # members at most that stand for a group
_STEPS = 4  # how often the distance is halved, to begin with the members that are as good as one
_AT_ONCE = 400_000  # pairs that are aligned at once


def part(
    texts: Sequence[str],
    group: Numbers,
    edges: Edges,
    distance: float,
    silhouette: float,
    threads: int = 1,
) -> Numbers:
    """Return the groups after those that are two or more have been parted.

    Args:
        texts: Clean.
        group: Of each.
        edges: The pairs within the distance, of one group each.
        distance: Of single linkage.
        silhouette: The mean silhouette that parts must have.
        threads: How many align.
    """
    head = _standing(texts, group, edges, distance)
    stands = np.flatnonzero(head == np.arange(len(head)))
    order = stands[np.lexsort((stands, group[stands]))]
    bounds = np.append(np.flatnonzero(np.diff(group[order], prepend=-1)), len(order))
    judged = [
        order[first:last]
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        if 3 <= last - first <= _JUDGED
    ]
    found, following = group.copy(), int(group.max(initial=-1)) + 1
    for members, apart in _apart(texts, judged, edges, threads):
        parts = parted(apart, distance, silhouette)
        if parts.any():
            found[members] = following + parts
            following += int(parts.max()) + 1
    return found[head]


def _standing(texts: Sequence[str], group: Numbers, edges: Edges, distance: float) -> Numbers:
    """Return who stands for each: itself, but in large groups.

    Members are one within the least of some distances that leaves no more than can be judged.
    """
    head = np.arange(len(group))
    large = np.bincount(group)[group] > _JUDGED
    if not large.any():
        return head
    degree = np.bincount(np.concatenate(edges[:2]), minlength=len(group))
    for step in range(_STEPS, -1, -1):
        near = distance / 2**step
        some = cluster(texts, degree, edges, near, group.astype(np.int32)).astype(np.int64)
        head = np.where(large, some, head)
        left = np.bincount(group[head == np.arange(len(head))], minlength=int(group.max()) + 1)
        large &= left[group] > _JUDGED
        if not large.any():
            break
    return head


def _apart(
    texts: Sequence[str], judged: Sequence[Numbers], edges: Edges, threads: int
) -> Iterator[tuple[Numbers, NDArray[np.float64]]]:
    """Yield groups of members and how far they are from each other."""
    one, other, far = edges
    key = one.astype(np.int64) * len(texts) + other
    order = np.argsort(key, kind="stable")
    key, far = key[order], far[order]
    some: list[Numbers] = []
    waiting = 0
    for place, members in enumerate(judged):
        some.append(members)
        waiting += len(members) * (len(members) - 1) // 2
        if waiting < _AT_ONCE and place < len(judged) - 1:
            continue
        pairs = np.concatenate([_pairs(members) for members in some])
        asked = pairs[:, 0] * len(texts) + pairs[:, 1]
        at = np.minimum(np.searchsorted(key, asked), len(key) - 1)
        apart = far[at].astype(np.float64)
        new = np.flatnonzero(key[at] != asked)
        new = new[np.argsort(asked[new])]  # as they come back
        apart[new] = aligned_pairs(texts, pairs[new].astype(np.int32), threads)[2]
        yield from _squares(some, np.minimum(apart, 1.0))
        some, waiting = [], 0


def _pairs(members: Numbers) -> Numbers:
    """Return all pairs of ascending numbers, in order."""
    one, other = np.triu_indices(len(members), 1)
    return np.stack([members[one], members[other]], axis=1)


def _squares(
    some: Sequence[Numbers], apart: NDArray[np.float64]
) -> Iterator[tuple[Numbers, NDArray[np.float64]]]:
    """Yield each group with its distances as a square."""
    first = 0
    for members in some:
        size = len(members)
        square = np.zeros((size, size))
        one, other = np.triu_indices(size, 1)
        square[one, other] = square[other, one] = apart[first : first + len(one)]
        first += len(one)
        yield members, square
