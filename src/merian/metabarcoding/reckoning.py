"""All that is reckoned from the answers to a feature table: clusters, presence, richness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from merian.formats.feature_table import FeatureTable
from merian.library import Library
from merian.metabarcoding.clusters import Progress, cluster, near_pairs, stable_id
from merian.metabarcoding.draws import Richness, bounds_of, richness
from merian.metabarcoding.naming import Named
from merian.metabarcoding.pools import Pools, pools_of
from merian.metabarcoding.presence import presences
from merian.metabarcoding.splits import splits_of

__all__ = ["Columns", "Distances", "Reckoning", "reckon"]

Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_TRIED = 8  # distances, for each of the two
_SPREAD = 2.0  # from so many times less than what is stated to so many times more


@dataclass(frozen=True)
class Distances:
    """How far apart sequences of one species, and of one genus, may be.

    Attributes:
        species: Share of columns that differ.
        genera: The same.
    """

    species: float = 0.03
    genera: float = 0.12


@dataclass(frozen=True, eq=False)
class Reckoning:
    """What a table says once its features have names.

    Attributes:
        table: The table.
        sequences: Of the features, clean; "" where one was set aside.
        named: What they are.
        reads: int64[features]; over all samples.
        unnamed: int32[features]; of those that stand above the species the feature that began
            their cluster under the taxon at which they stand; -1 for all others.
        pools: Of the features.
        richness: By kind.
    """

    table: FeatureTable
    sequences: Sequence[str]
    named: Named
    reads: NDArray[np.int64]
    unnamed: NDArray[np.int32]
    pools: Pools
    richness: dict[str, Richness]

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Where the entries of each sample begin."""
        return bounds_of(self.table)

    @cached_property
    def presence(self) -> list[tuple[NDArray[np.int32], NDArray[np.float64]]]:
        """By sample, the taxa that it may have, and how probably it has them."""
        return [*presences(self.table, self.pools)]

    @cached_property
    def cluster_ids(self) -> dict[int, str]:
        """The names of the clusters of unnamed features, by the feature that began each."""
        heads = np.unique(self.unnamed[self.unnamed >= 0]).tolist()
        return {head: stable_id(self.sequences[head]) for head in heads}

    def reads_by(self, column: NDArray[np.int32]) -> list[Columns]:
        """Return by sample what its features are by some column, with reads and features of each.

        Args:
            column: By feature; those below 0 are left out.
        """
        found: list[Columns] = []
        for sample in range(len(self.table.samples)):
            part = slice(self.bounds[sample], self.bounds[sample + 1])
            kind, reads = column[self.table.feature[part]], self.table.reads[part]
            kinds, number = np.unique(kind[kind >= 0], return_inverse=True)
            summed = np.zeros(len(kinds), np.int64)
            np.add.at(summed, number, reads[kind >= 0])
            found.append(
                (
                    kinds.astype(np.int64),
                    summed,
                    np.bincount(number, minlength=len(kinds)).astype(np.int64),
                )
            )
        return found


def reckon(
    table: FeatureTable,
    sequences: Sequence[str],
    named: Named,
    distances: Distances,
    libraries: Sequence[Library],
    progress: Progress,
) -> Reckoning:
    """Reckon.

    Args:
        table: The reads.
        sequences: Of the features, clean; "" where one was set aside.
        named: What they are.
        distances: Of the clusters.
        libraries: What answered.
        progress: Is told how far it is.
    """
    reads = np.zeros(len(table.features), np.int64)
    np.add.at(reads, table.feature, table.reads)
    at_species = distances.species * np.geomspace(1 / _SPREAD, _SPREAD, _TRIED)
    at_genera = distances.genera * np.geomspace(1 / _SPREAD, _SPREAD, _TRIED)
    farthest = float(max(at_species[-1], at_genera[-1]))
    edges = near_pairs(sequences, farthest, progress)
    progress("reckoning", 0)
    whole = cluster(sequences, reads, edges, distances.species)
    pools = pools_of(named, whole)
    tried = [
        (cluster(sequences, reads, edges, near), cluster(sequences, reads, edges, far))
        for near, far in zip(at_species.tolist(), at_genera.tolist(), strict=True)
    ]
    stands = named.stands
    species = np.array([named.taxa.rank(t) == "species" for t in range(len(named.taxa))])
    unnamed = cluster(sequences, reads, edges, distances.species, stands)
    unnamed = np.where((stands >= 0) & ~species[stands], unnamed, -1).astype(np.int32)
    splits = splits_of(libraries, at_species.tolist(), at_genera.tolist())
    counted = richness(table, named.taxa, pools, tried, splits)
    return Reckoning(table, sequences, named, reads, unnamed, pools, counted)
