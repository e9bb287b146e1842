"""How probable it is that a sample has a taxon: that one of its features, at least, is of it.

Features that are alike are right or wrong together: a pool counts once, with the mean of its
probabilities, and of the pools of a cluster only the most probable. Clusters count as independent:
1 - prod (1 - p). Where clusters lean on one mislabelled reference, that is too sure; where one
species is two clusters and only one of them can be the taxon, too little. Whether the reads of a
feature are from this sample at all (tags that jumped, contamination) is another question, which
reads in controls help to answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from merian.formats.feature_table import FeatureTable
from merian.metabarcoding.draws import bounds_of
from merian.metabarcoding.pools import Pools

__all__ = ["presences"]


def presences(
    table: FeatureTable, pools: Pools
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Return, sample by sample, the taxa that it may have and how probably it has them.

    Args:
        table: The reads.
        pools: Of the features.
    """
    bounds = bounds_of(table)
    size = np.diff(pools.first)
    for sample in range(len(table.samples)):
        mine = np.unique(pools.of[table.feature[bounds[sample] : bounds[sample + 1]]])
        mine = mine[mine >= 0]
        many = size[mine]
        if not many.sum():
            yield np.zeros(0, np.int32), np.zeros(0)
            continue
        rows = np.repeat(pools.first[mine] - np.cumsum(many) + many, many)
        rows = rows + np.arange(int(many.sum()))
        taxon, support = pools.taxon[rows], pools.support[rows]
        group = np.repeat(pools.cluster[mine], many)
        # The most probable pool of each cluster comes first.
        order = np.lexsort((-support, group, taxon))
        taxon, group, support = taxon[order], group[order], support[order]
        first = np.ones(len(taxon), bool)
        first[1:] = (taxon[1:] != taxon[:-1]) | (group[1:] != group[:-1])
        taxon, support = taxon[first], support[first]
        taxa, number = np.unique(taxon, return_inverse=True)
        absent = np.bincount(number, np.log1p(-np.minimum(support, 1 - 1e-9)))
        yield taxa.astype(np.int32), -np.expm1(absent)
