"""The tree of an invented biota: who is related to whom, what the ranks are, how common each is.

Three phyla, one for each body plan, stand under one root. Each is a birth-death tree drawn as a
coalescent point process: the heights at which neighbouring species part are independent, so a tree
of any size is one vector (Lambert and Stadler 2013, doi:10.1016/j.tpb.2013.10.002). Ranks are
heights at which the tree is cut; as in real classifications the cut for genera differs from family
to family, a branch of some genera is called a genus of its own, and a few species stand in a genus
that they do not descend from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.latin import name_taxa

__all__ = ["PLANS", "RANKS", "Biota", "biota_of_lineages", "make_biota"]

RANKS = ("phylum", "class", "order", "family", "genus", "species")
PLANS = ("insect", "plankton", "colony")

_SHARES = (0.5, 0.25, 0.25)
# Where the tree is cut for class, order, family and genus; the root is at 1.
_CUTS = (0.75, 0.55, 0.36, 0.16)
_GENUS_SPREAD = 0.3
_EXTINCTION = 0.75
_MISPLACED = 0.045
_CARVED = 0.5  # of the larger genera have lost a branch that was made a genus of its own
_ABUNDANCE_SPREAD = 1.6


@dataclass(frozen=True)
class Biota:
    """A tree of species and its classification.

    Attributes:
        parent: Of each node; species are 0 to n-1 from left to right, a parent has a higher number
            than its children, the root is the last and has -1.
        height: Of each node before the present; 0 at the species, 1 at the root.
        taxon: For each species and rank, the number of its taxon at that rank.
        names: For each rank, the names of its taxa.
        plan: For each species the number of its body plan.
        abundance: For each species its share of the individuals.
    """

    parent: NDArray[np.int32]
    height: NDArray[np.float64]
    taxon: NDArray[np.int32]
    names: tuple[tuple[str, ...], ...]
    plan: NDArray[np.int8]
    abundance: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of species."""
        return len(self.plan)

    def name(self, species: int, rank: int) -> str:
        """Return the name of a species' taxon at a rank, counted as in RANKS."""
        return self.names[rank][int(self.taxon[species, rank])]

    def lineage(self, species: int) -> tuple[str, ...]:
        """Return the names of a species at all ranks."""
        return tuple(self.name(species, rank) for rank in range(len(RANKS)))

    def plan_of_nodes(self) -> NDArray[np.int8]:
        """Return the body plan of every node of the tree; the root has that of its last child."""
        plan = np.zeros(len(self.parent), dtype=np.int8)
        plan[: len(self)] = self.plan
        for node, above in enumerate(self.parent[:-1].tolist()):
            plan[above] = plan[node]
        return plan

    def newick(self) -> str:
        """Return the tree in Newick's notation, with heights as lengths."""
        text = [name.replace(" ", "_") for name in self.names[-1]]
        text += [""] * (len(self.parent) - len(text))
        below: list[list[str]] = [[] for _ in self.parent]
        for node, above in enumerate(self.parent.tolist()):
            if below[node]:
                text[node] = f"({','.join(below[node])})"
            if above < 0:
                return text[node] + ";"
            length = self.height[above] - self.height[node]
            below[above].append(f"{text[node]}:{length:.5f}")
        raise AssertionError("a tree has a root")


def make_biota(species: int, rng: np.random.Generator) -> Biota:
    """Draw a tree with that many species, its ranks, names and abundances."""
    counts = np.maximum(1, np.round(np.array(_SHARES) * species)).astype(int)
    counts[0] += species - counts.sum()
    if counts[0] < 1:
        raise ValueError("a biota needs three species or more")
    gaps = [np.concatenate([[1.0], _gaps(int(count), rng)]) for count in counts]
    plan = np.repeat(np.arange(len(PLANS), dtype=np.int8), counts)
    gap = np.concatenate(gaps)
    parent, height = _tree(gap)
    groups = _classify(gap, plan, rng)
    return _finish(parent, height, groups, plan, rng)


def biota_of_lineages(
    lineages: Sequence[tuple[str, ...]], plans: Sequence[int], rng: np.random.Generator
) -> Biota:
    """Build a tree for real names: the ranks are given, what lies within them is drawn.

    Args:
        lineages: For each species its six names, phylum to species; species of one taxon need not
            stand together.
        plans: For each lineage the number of a body plan.
        rng: Draws heights and abundances.
    """
    order = sorted(range(len(lineages)), key=lambda i: (plans[i], *lineages[i]))
    rows = [lineages[i] for i in order]
    plan = np.array([plans[i] for i in order], dtype=np.int8)
    bounds = (1.0, 0.95, *_CUTS, 0.002)
    gap = np.ones(len(rows))
    for i in range(1, len(rows)):
        split = next(r for r in range(len(RANKS)) if rows[i][: r + 1] != rows[i - 1][: r + 1])
        high, low = bounds[split], bounds[split + 1]
        # Species of a genus part at any time since its origin, the young splits more often.
        gap[i] = rng.uniform(low, high) if split < len(RANKS) - 1 else high * rng.beta(1, 1.6)
    taxon = np.zeros((len(rows), len(RANKS)), dtype=np.int32)
    names: list[tuple[str, ...]] = []
    for rank in range(len(RANKS)):
        numbers: dict[tuple[str, ...], int] = {}
        for i, row in enumerate(rows):
            taxon[i, rank] = numbers.setdefault(row[: rank + 1], len(numbers))
        names.append(tuple(key[-1] for key in numbers))
    parent, height = _tree(np.maximum(gap, 1e-4))
    return Biota(parent, height, taxon, tuple(names), plan, _abundance(len(rows), rng))


def _gaps(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the heights at which the neighbours among that many species part."""
    crown = 0.93
    live = 1 - _EXTINCTION
    growth = np.log(1 + max(count - 1, 1) * live) / crown
    scale = 1 + (np.exp(growth * crown) - 1) / live
    within = rng.random(count - 1) * (1 - 1 / scale)
    heights = np.log(1 + (1 / (1 - within) - 1) * live) / growth
    if count > 1:
        heights[rng.integers(count - 1)] = crown
    clipped: NDArray[np.float64] = np.clip(heights, 1e-4, crown)
    return clipped


def _tree(gap: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Build the tree of species whose neighbours i-1 and i part at gap[i]; gap[0] is not used."""
    n = len(gap)
    # Equal heights would leave the order of parents open: the roots of the phyla are spread.
    order = 1 + np.argsort(gap[1:], kind="stable")
    parent = np.full(2 * n - 1, -1, dtype=np.int32)
    height = np.zeros(2 * n - 1)
    top = list(range(n))  # the node above each cluster, at the cluster's first species
    first = list(range(n))

    def leader(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for node, i in enumerate(order.tolist(), n):
        left, right = leader(i - 1), leader(i)
        parent[top[left]] = parent[top[right]] = node
        height[node] = gap[i]
        first[right] = left
        top[left] = node
    return parent, height


def _classify(
    gap: NDArray[np.float64], plan: NDArray[np.int8], rng: np.random.Generator
) -> list[NDArray[np.int32]]:
    """Return the number of each species' taxon, from phylum to genus."""
    groups = [np.cumsum(np.concatenate([[0], np.diff(plan) != 0])).astype(np.int32)]
    groups += [np.cumsum(gap > cut).astype(np.int32) - 1 for cut in _CUTS[:-1]]
    family = groups[-1]
    spread = np.exp(rng.normal(0, _GENUS_SPREAD, size=family[-1] + 1))
    cut = np.minimum(_CUTS[-1] * spread, 0.8 * _CUTS[-2])[family]
    genus = np.cumsum(gap > cut).astype(np.int32) - 1
    _carve(genus, gap, rng)
    for species in np.flatnonzero(rng.random(len(gap)) < _MISPLACED).tolist():
        near = np.unique(genus[family == family[species]])
        near = near[near != genus[species]]
        if near.size and np.sum(genus == genus[species]) > 1:
            genus[species] = rng.choice(near)
    first, number = np.unique(genus, return_index=True, return_inverse=True)[1:]
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return [*groups, rank[number]]


def _carve(genus: NDArray[np.int32], gap: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Make a branch within some genera a genus: what is left no longer is one branch."""
    following = int(genus.max()) + 1
    for number in range(following):
        members = np.flatnonzero(genus == number)
        if len(members) < 4 or rng.random() >= _CARVED:
            continue
        inner = gap[members[1:]]
        branch = np.concatenate([[0], np.cumsum(inner > 0.6 * inner.max())])
        sizes = np.bincount(branch)
        able = np.flatnonzero((sizes >= 1) & (sizes <= len(members) // 2))
        if len(sizes) > 2 and able.size:
            genus[members[branch == rng.choice(able)]] = following
            following += 1


def _finish(
    parent: NDArray[np.int32],
    height: NDArray[np.float64],
    groups: list[NDArray[np.int32]],
    plan: NDArray[np.int8],
    rng: np.random.Generator,
) -> Biota:
    n = len(plan)
    taxon = np.column_stack([*groups, np.arange(n)]).astype(np.int32)
    plans = [plan[np.unique(column, return_index=True)[1]] for column in taxon.T]
    return Biota(parent, height, taxon, name_taxa(taxon, plans, rng), plan, _abundance(n, rng))


def _abundance(species: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return shares with a long tail: a log-normal."""
    raw = np.exp(rng.normal(0, _ABUNDANCE_SPREAD, size=species))
    shares: NDArray[np.float64] = raw / raw.sum()
    return shares
