"""Pictures that are nearly the same stay together: groups of them, and folds of groups.

Pieces of one photograph on both sides of a split let a nearest neighbour name the photograph and
not the species. Two pictures are near if their difference hashes are, or if the cosine of their
vectors is high; a group is all that hang together by near pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["near_groups", "spread_folds"]

Numbers = NDArray[np.int64]

HASH = 26  # bits of 256: a tenth
_ALIKE = 0.8  # a hash alone says little of small things before an empty ground


def near_groups(features: NDArray[np.float32], hashes: NDArray[np.bool_], cosine: float) -> Numbers:
    """Return the group of each picture, numbered from 0.

    Args:
        features: float[n, d], rows of unit length.
        hashes: bool[n, bits].
        cosine: From which on two are near. Those whose hashes differ in a tenth of the bits at
            most are near from 0.8 on.
    """
    bits = hashes.astype(np.float32)
    group = np.arange(len(features))
    for row in range(len(features)):
        close = features[row] @ features[:row].T
        apart = bits[row].sum() + bits[:row].sum(1) - 2 * (bits[:row] @ bits[row])
        near = (close >= cosine) | ((apart <= HASH) & (close >= _ALIKE))
        for other in np.unique(group[:row][near]).tolist():
            group[group == other] = row
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def spread_folds(labels: Numbers, groups: Numbers, folds: int, seed: int) -> Numbers:
    """Return the fold of each record: groups stay whole, and each class is spread over all folds.

    Large groups are dealt first; each goes where there are fewest of its classes, of those alike
    where there are fewest in all.

    Args:
        labels: The class of each record, from 0 on.
        groups: Of each record, numbered from 0.
        folds: How many.
        seed: Of the order of groups of one size, and of what is alike else.
    """
    size = np.bincount(groups)
    if folds < 2 or len(size) < folds:
        raise InputError(f"{len(size)} groups in {folds} folds; 2 folds or more, and no empty one")
    random = np.random.default_rng(seed)
    order = random.permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(size)[:-1])
    held = np.zeros((folds, int(labels.max()) + 1))
    found = np.empty(len(labels), np.int64)
    for group in order.tolist():
        rows = members[group]
        mine = np.bincount(labels[rows], minlength=held.shape[1])
        alike, all_in_all, chance = held @ mine, held.sum(1), random.random(folds)
        fold = int(np.lexsort((chance, all_in_all, alike))[0])
        held[fold] += mine
        found[rows] = fold
    return found
