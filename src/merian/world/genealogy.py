"""The genealogy of the specimens' mitochondria: a multispecies coalescent in the tree of species.

Going back in time, the lineages of a species' specimens meet at random, the sooner the smaller the
population. Those that have not met when the species parts from its sister wait in their common
ancestor. So species that parted lately share haplotypes and are not always each other's nearest,
as in nature; nothing of that is put in by hand. A few species carry mitochondria of a relative.

Reference: Kingman 1982, doi:10.1016/0304-4149(82)90011-4; Degnan and Rosenberg 2009,
doi:10.1016/j.tree.2009.01.009.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import Biota

__all__ = ["Genealogy", "bins", "draw_genealogy"]

# Expected time for two lineages of a population to meet, in heights of the tree of species.
_POPULATION = 0.006
_POPULATION_SPREAD = 0.8
_DEEP = 0.05  # of the species have long separated populations
_DEEP_FACTOR = 5.0
_INTROGRESSED = 0.08
_INTROGRESSED_SPECIMENS = 0.35
_BIN = 0.012  # lineages that meet below this height stand in one cluster: some 2 % apart


@dataclass(frozen=True)
class Genealogy:
    """A tree of specimens.

    Attributes:
        parent: Of each node; specimens are 0 to m-1 in their order, a parent has a higher number
            than its children, -1 at the root.
        height: Of each node, on the scale of the tree of species.
        branch: For each node the node of the tree of species that its line upwards begins in.
    """

    parent: NDArray[np.int32]
    height: NDArray[np.float64]
    branch: NDArray[np.int32]


def draw_genealogy(biota: Biota, species: NDArray[np.int32], rng: np.random.Generator) -> Genealogy:
    """Draw the genealogy of specimens whose species are given."""
    m, n = len(species), len(biota)
    carried = _introgress(biota, species, rng)
    parent = np.full(2 * m - 1, -1, dtype=np.int32)
    height = np.zeros(2 * m - 1)
    branch = np.zeros(2 * m - 1, dtype=np.int32)
    branch[:m] = carried
    population = _POPULATION * np.exp(
        rng.normal(0, _POPULATION_SPREAD, size=len(biota.parent)) - _POPULATION_SPREAD**2 / 2
    )
    population[:n][rng.random(n) < _DEEP] *= _DEEP_FACTOR
    lines: list[list[int]] = [[] for _ in biota.parent]
    for specimen, number in enumerate(carried.tolist()):
        lines[number].append(specimen)
    following = m
    for node, above in enumerate(biota.parent.tolist()):
        here = lines[node]
        end = biota.height[above] if above >= 0 else np.inf
        time = float(biota.height[node])
        while len(here) > 1:
            pairs = len(here) * (len(here) - 1) / 2
            time += rng.exponential(population[node]) / pairs
            if time >= end:
                break
            one = here.pop(int(rng.integers(len(here))))
            two = here.pop(int(rng.integers(len(here))))
            parent[one] = parent[two] = following
            height[following] = time
            branch[following] = node
            here.append(following)
            following += 1
        if above >= 0:
            lines[above].extend(here)
        lines[node] = []
    return Genealogy(parent, height, branch)


def _introgress(
    biota: Biota, species: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Return for each specimen the species whose mitochondria it carries."""
    n = len(biota)
    carried = species.astype(np.int32, copy=True)
    for number in np.flatnonzero(rng.random(n) < _INTROGRESSED).tolist():
        # The nearest neighbour in the order of the tips, of the same genus.
        near = [
            other
            for other in (number - 1, number + 1)
            if 0 <= other < n and biota.taxon[other, 4] == biota.taxon[number, 4]
        ]
        if near:
            donor = near[int(rng.integers(len(near)))]
            chosen = (species == number) & (rng.random(len(species)) < _INTROGRESSED_SPECIMENS)
            carried[chosen] = donor
    return carried


def bins(genealogy: Genealogy) -> NDArray[np.int32]:
    """Return for each specimen the number of its cluster of barcodes: like a BIN, not a species."""
    parent, height = genealogy.parent, genealogy.height
    m = (len(parent) + 1) // 2
    top = np.arange(len(parent), dtype=np.int32)
    for node in range(len(parent) - 2, -1, -1):
        above = parent[node]
        if height[above] <= _BIN:
            top[node] = top[above]
    return np.unique(top[:m], return_inverse=True)[1].astype(np.int32)
