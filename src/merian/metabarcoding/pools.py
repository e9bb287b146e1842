"""Pools: features that stand or fall together.

Variants of one species have the same nearest references, and what is wrong for one is wrong for
all. So features of one cluster whose most probable outcome is the same are pooled: the pool has the
mean of their probabilities, and is drawn, or counted, once. Features of a cluster that are most
probably two species are two pools.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.metabarcoding.naming import Named, Outcomes, Taxa

__all__ = ["Pools", "pools_of"]

_LEAST = 0.002  # support of a taxon that is kept


@dataclass(frozen=True)
class Pools:
    """Pools of features.

    Attributes:
        of: int32[features]; the pool of each, -1 where it was set aside.
        head: int32[pools]; the feature that stands for each.
        cluster: int32[pools]; the cluster of each, by the feature that began it.
        outcomes: Of each pool.
        first: int64[pools + 1]; where the taxa that each may be of begin.
        taxon: int32; these taxa, named ones.
        support: float64; how probable it is that the pool is of the taxon.
    """

    of: NDArray[np.int32]
    head: NDArray[np.int32]
    cluster: NDArray[np.int32]
    outcomes: Outcomes
    first: NDArray[np.int64]
    taxon: NDArray[np.int32]
    support: NDArray[np.float64]


def pools_of(named: Named, cluster: NDArray[np.int32]) -> Pools:
    """Pool features.

    Args:
        named: What the features are.
        cluster: Of each.
    """
    found = named.outcomes
    owner, key = found.owner, found.key
    # The most probable outcome of each feature; of equal ones the first in the order of all.
    order = np.lexsort((key, -found.probability, owner))
    answered = np.flatnonzero(np.diff(found.first) > 0)
    best = np.full(len(found), -1, np.int64)
    best[answered] = key[order[found.first[answered]]]
    pairs = np.stack([cluster[answered].astype(np.int64), best[answered]], axis=1)
    kinds, head, number = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    of = np.full(len(found), -1, np.int32)
    of[answered] = number.reshape(-1)
    outcomes = _mean(found, of, len(kinds))
    return Pools(
        of, answered[head].astype(np.int32), kinds[:, 0].astype(np.int32), outcomes,
        *_supports(named.taxa, outcomes),
    )  # fmt: skip


def _mean(found: Outcomes, of: NDArray[np.int32], count: int) -> Outcomes:
    """Return the mean outcomes of pools."""
    owner = of[found.owner].astype(np.int64)
    key = found.key
    order = np.lexsort((key, owner))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(owner[order]) != 0) | (np.diff(key[order]) != 0)
    first = order[new]
    which = np.cumsum(new) - 1
    summed = np.bincount(which, found.probability[order], minlength=len(first))
    pool = owner[first]
    whole = np.bincount(pool, summed, minlength=count)
    return Outcomes(
        np.searchsorted(pool, np.arange(count + 1)).astype(np.int64),
        summed / whole[pool],
        found.taxon[first], found.group[first], found.new[first],
    )  # fmt: skip


def _supports(
    taxa: Taxa, outcomes: Outcomes
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Sum up how probable each taxon is, of each pool."""
    used = np.unique(outcomes.taxon).tolist()
    above = {taxon: taxa.above(taxon) for taxon in used}
    many = np.array([len(above[taxon]) for taxon in outcomes.taxon.tolist()], np.int64)
    taxon = np.array([t for one in outcomes.taxon.tolist() for t in above[one]], np.int64)
    pool = np.repeat(outcomes.owner, many)
    key, number = np.unique(pool * len(taxa) + taxon, return_inverse=True)
    support = np.bincount(number, np.repeat(outcomes.probability, many), minlength=len(key))
    keep = support >= _LEAST
    pool, taxon, support = key[keep] // len(taxa), key[keep] % len(taxa), support[keep]
    first = np.searchsorted(pool, np.arange(len(outcomes) + 1)).astype(np.int64)
    return first, taxon.astype(np.int32), np.minimum(support, 1.0)
