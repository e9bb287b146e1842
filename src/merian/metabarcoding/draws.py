"""Drawing names from the probabilities: how many species and genera each sample has.

Each draw gives every pool of features one of its outcomes with the probability stated for it.
Pools of a cluster are drawn by one and the same number between 0 and 1, laid along their outcomes
in the same order, so that they tend to be wrong together. What a draw says is not in the library
counts as one species for each cluster, and where species part is not known either: the draws are
shared out among distances around the one that is stated, and clusters that are too many are taken
away as often as the library's own species fall into several (`splits`). So a count has an interval
that admits wrong names, names that were not given, and species that a distance parts or joins. It
says nothing of species that were in the place and left no reads, nor of reads that came from
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.formats.feature_table import FeatureTable
from merian.metabarcoding.naming import GENUS, SPECIES, Outcomes, Taxa
from merian.metabarcoding.pools import Pools
from merian.metabarcoding.splits import Split

__all__ = ["KINDS", "Richness", "bounds_of", "richness"]

DRAWS, SEED = 400, 20_260_101
_LOW, _HIGH = 0.025, 0.975

KINDS = ("species", "species named", "species unnamed", "genera", "genera named", "genera unnamed")

Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Richness:
    """A count for every sample.

    Attributes:
        mean: float64[samples]; over the draws.
        low: int64[samples]; lower end of the middle 95 % of draws.
        high: int64[samples]; upper end.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def bounds_of(table: FeatureTable) -> NDArray[np.int64]:
    """Return where the entries of each sample begin."""
    found: NDArray[np.int64] = np.searchsorted(table.sample, np.arange(len(table.samples) + 1))
    return found


def richness(
    table: FeatureTable,
    taxa: Taxa,
    pools: Pools,
    clusters: Sequence[tuple[Integers, Integers]],
    splits: tuple[Sequence[Split], Sequence[Split]],
) -> dict[str, Richness]:
    """Return how many species and genera each sample has, by `KINDS`.

    Args:
        table: The reads.
        taxa: All taxa.
        pools: Of the features.
        clusters: Of the features, as species and as genera, at each of the distances that are
            tried; the draws are shared out among them.
        splits: At each of these, how often sequences of one species, and genus, are parted.
    """
    each = -(-DRAWS // len(clusters))
    parts = [
        _counts(
            table,
            pools,
            _drawn(taxa, pools, species, genera, each, SEED + number),
            [_chances(split[number], each, SEED + number) for split in splits],
            SEED + number,
        )
        for number, (species, genera) in enumerate(clusters)
    ]
    return {
        kind: _summed_up(np.concatenate([part[kind] for part in parts], axis=1)) for kind in KINDS
    }


def _drawn(
    taxa: Taxa, pools: Pools, species: Integers, genera: Integers, draws: int, seed: int
) -> Integers:
    """Return int32[2, pools, draws]: what each pool is, as a species and as a genus."""
    outcomes = pools.outcomes
    # One row of numbers for each cluster: pools of a cluster are drawn by the same.
    heads, row = np.unique(pools.cluster, return_inverse=True)
    levels = np.random.default_rng(seed).random((len(heads), draws), np.float32)
    units = [
        _units(taxa, outcomes, cluster[pools.head], depth)
        for cluster, depth in ((species, SPECIES), (genera, GENUS))
    ]
    drawn = np.empty((2, len(outcomes), draws), np.int32)
    for pool in range(len(outcomes)):
        here = slice(outcomes.first[pool], outcomes.first[pool + 1])
        whole = np.cumsum(outcomes.probability[here])
        places = np.searchsorted(whole, levels[row[pool]] * whole[-1])
        for level in (0, 1):
            drawn[level, pool] = units[level][here][np.minimum(places, len(whole) - 1)]
    return drawn


def _chances(split: Split, draws: int, seed: int) -> NDArray[np.float64]:
    """Draw how often a further sequence of one kind begins a cluster, from what was learnt."""
    more, beyond = split
    drawn = np.random.default_rng(seed).beta(more + 0.5, beyond - more + 4.5, draws)
    return np.minimum(drawn / (1 - drawn), 1.0)


def _counts(
    table: FeatureTable,
    pools: Pools,
    drawn: Integers,
    chances: Sequence[NDArray[np.float64]],
    seed: int,
) -> dict[str, NDArray[np.int32]]:
    """Return by kind how many there are in each sample in each draw.

    Args:
        table: The reads.
        pools: Of the features.
        drawn: What each pool is in each draw.
        chances: For species and genera, by draw: of what is in one cluster with another, how much
            goes with a cluster that is one too many.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    draws = drawn.shape[2]
    counts = {kind: np.zeros((len(table.samples), draws), np.int32) for kind in KINDS}
    bounds = bounds_of(table)
    for sample in range(len(table.samples)):
        mine = pools.of[table.feature[bounds[sample] : bounds[sample + 1]]]
        mine, many = np.unique(mine[mine >= 0], return_counts=True)
        for level, kind in enumerate(("species", "genera")):
            known, unnamed = _distinct(drawn[level, mine])
            # Of species each feature may be one that was parted from its own, of genera each pool.
            size = many[:, None] if level == 0 else 1
            among = ((drawn[level, mine] < 0) * size).sum(axis=0) - unnamed
            surplus = rng.binomial(among, chances[level])
            unnamed = unnamed - np.minimum(surplus, np.maximum(unnamed - 1, 0))
            counts[kind][sample] = known + unnamed
            counts[f"{kind} named"][sample], counts[f"{kind} unnamed"][sample] = known, unnamed
    return counts


def _units(taxa: Taxa, outcomes: Outcomes, cluster: Integers, depth: int) -> Integers:
    """Return what each outcome counts as: its taxon at a rank from 0 up, else below 0.

    Args:
        taxa: All taxa.
        outcomes: Of the pools.
        cluster: By pool, what a new one is told apart by.
        depth: The rank.
    """
    at = np.full(len(taxa), -1, np.int32)
    for taxon, lineage in enumerate([*taxa.lineages]):
        if len(lineage) > depth and lineage[depth]:
            at[taxon] = taxa.number(lineage[: depth + 1])
    found = at[outcomes.taxon]
    new = -1 - cluster[outcomes.owner]
    if depth == SPECIES:
        # An unnamed group of a library is one species, whatever cluster its features are in.
        groups = np.iinfo(np.int32).min + outcomes.group
        new = np.where(outcomes.group >= 0, groups, new)
        found = np.where(outcomes.new | (outcomes.group >= 0), -1, found)
    return np.where(found >= 0, found, new).astype(np.int32)


def _distinct(units: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return by draw how many different units there are: from 0 up, and below 0.

    Args:
        units: Of each feature of a sample, in each draw.
    """
    if not len(units):
        nothing = np.zeros(units.shape[1], np.int64)
        return nothing, nothing
    ordered = np.sort(units, axis=0)
    new = np.ones(ordered.shape, bool)
    new[1:] = ordered[1:] != ordered[:-1]
    known = new & (ordered >= 0)
    return known.sum(axis=0), (new & (ordered < 0)).sum(axis=0)


def _summed_up(counts: NDArray[np.int32]) -> Richness:
    low = np.quantile(counts, _LOW, axis=1, method="lower").astype(np.int64)
    high = np.quantile(counts, _HIGH, axis=1, method="higher").astype(np.int64)
    # Where nearly all draws agree, the mean may lie a hundredth outside of them.
    return Richness(np.clip(counts.mean(axis=1), low, high), low, high)
