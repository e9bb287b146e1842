"""How often what bears one name falls into several clusters, learnt from the library itself.

Lineages within a species, wrong labels and pseudogenes part sequences of one species by more than
any one distance, and species of one genus by far more. So a count of clusters that have no names is
too high. How much too high is learnt: sequences of one species of the library are clustered at the
distance in question, and each beyond the first begins a further cluster with some probability.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from merian.barcode import align
from merian.library import Library
from merian.metabarcoding.naming import GENUS, SPECIES
from merian.taxonomy import MAIN_RANKS

__all__ = ["Split", "splits_of"]

_GROUPS, _OF_ONE = 400, 5  # species or genera looked at, and sequences of each

Split = tuple[int, int]
"""Of how many sequences beyond the first of their kind, how many begin a further cluster."""


def splits_of(
    libraries: Iterable[Library], species: Sequence[float], genera: Sequence[float]
) -> tuple[list[Split], list[Split]]:
    """Return for each distance how often sequences of one species, and of one genus, are parted.

    Args:
        libraries: All that answered.
        species: Distances of clusters that stand for species.
        genera: Distances of clusters that stand for genera.
    """
    found = ([(0, 0)] * len(species), [(0, 0)] * len(genera))
    for library in libraries:
        kinds = ((_groups(library, SPECIES), species), (_groups(library, GENUS), genera))
        for counts, (groups, distances) in zip(found, kinds, strict=True):
            for group in groups:
                far = _distances(library, group)
                for place, distance in enumerate(distances):
                    more, beyond = counts[place]
                    counts[place] = more + _clusters(far, distance) - 1, beyond + len(group) - 1
    return found


def _groups(library: Library, depth: int) -> list[list[int]]:
    """Return entries of one species, or one entry of each species of one genus."""
    named = np.flatnonzero(library.is_named())
    above = library.taxonomy.at_rank(library.node[named], MAIN_RANKS[depth])
    groups: dict[int, list[int]] = defaultdict(list)
    seen: set[int] = set()
    for entry, taxon, node in zip(
        named.tolist(), above.tolist(), library.node[named].tolist(), strict=True
    ):
        if taxon < 0 or len(groups[taxon]) == _OF_ONE or (depth == GENUS and node in seen):
            continue
        seen.add(node)
        groups[taxon].append(entry)
    several = [group for _, group in sorted(groups.items()) if len(group) > 1]
    step = max(1, len(several) // _GROUPS)
    return several[::step][:_GROUPS]


def _distances(library: Library, group: Sequence[int]) -> NDArray[np.float64]:
    """Return the distances among a few entries; those that do not align are far."""
    far = np.ones((len(group), len(group)))
    for one, other in combinations(range(len(group)), 2):
        found = align(library.sequence(group[one]), [library.letters(group[other])])
        if found.overlap[0]:
            far[one, other] = far[other, one] = found.mismatches[0] / found.overlap[0]
    return far


def _clusters(far: NDArray[np.float64], distance: float) -> int:
    """Return into how many clusters a few sequences fall, the greedy way."""
    left = [*range(len(far))]
    count = 0
    while left:
        left = [other for other in left[1:] if far[left[0], other] > distance]
        count += 1
    return count
