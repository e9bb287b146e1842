"""The tree of a library as a ladder: every entry stands on one rung at every rank.

Checklists lack ranks: a genus without a family, a record named to a class and a BIN. Where a rank
is missing a rung stands in for it, so that all paths are equally long and whole columns can be
worked on at once. A stand-in belongs to what is below it alone, so it unites nothing; nobody is
told of it, and who stands on it stands on the named rung above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.library import Library
from merian.taxonomy import MAIN_RANKS

__all__ = ["Ladder", "ladder_of"]

ROOT = -1


@dataclass(frozen=True)
class Ladder:
    """The rungs of a library.

    Attributes:
        ranks: The ranks at which the library names anything, from the highest.
        path: int32[entries, ranks]; the rung of each entry at each rank.
        rank: int8[rungs]; number in ``ranks``.
        parent: int32[rungs]; the rung above, ROOT (-1) at the highest rank.
        node: int32[rungs]; the taxon in the library's taxonomy, -1 for a stand-in.
        group: int32[rungs]; the unnamed group at the lowest rank, else -1.
        children: int32[rungs + 1]; how many rungs are directly below each; last those of the root.
    """

    ranks: tuple[str, ...]
    path: NDArray[np.int32]
    rank: NDArray[np.int8]
    parent: NDArray[np.int32]
    node: NDArray[np.int32]
    group: NDArray[np.int32]
    children: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of rungs."""
        return len(self.rank)

    def paths(self, rungs: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the rungs above each, itself included, by rank; -1 below it."""
        found = np.full((len(rungs), len(self.ranks)), -1, np.int32)
        current = np.asarray(rungs, np.int32).copy()
        for rank in range(len(self.ranks) - 1, -1, -1):
            here = (current >= 0) & (self.rank[current] == rank)
            found[here, rank] = current[here]
            current = np.where(here, self.parent[current], current)
        return found


def ladder_of(library: Library) -> Ladder:
    """Return the ladder of a library."""
    taxonomy, taxa = library.taxonomy, library.taxonomy.taxa
    named, entry_node = np.unique(library.node, return_inverse=True)
    columns = {rank: taxonomy.at_rank(named, rank) for rank in MAIN_RANKS}
    held = {rank for rank, found in columns.items() if (found >= 0).any()}
    if (library.unnamed >= 0).any() or not held:
        held.add(MAIN_RANKS[-1])  # unnamed groups stand where species do
    ranks = tuple(rank for rank in MAIN_RANKS if rank in held)
    nodes = np.stack([columns.get(rank, np.full(len(named), -1)) for rank in ranks], axis=1)
    codes = nodes[entry_node].astype(np.int64)
    # A stand-in is known by what is below it: a taxon, or else the unnamed group.
    below = 2 * taxa + library.unnamed.astype(np.int64)
    for rank in range(len(ranks) - 1, -1, -1):
        missing = codes[:, rank] < 0
        here = np.where(missing, below, codes[:, rank])
        below = np.where(missing, below, taxa + codes[:, rank])
        codes[:, rank] = here
    path = np.empty(codes.shape, np.int32)
    rank_of, parent, node, group = [], [], [], []
    first = 0
    for rank in range(len(ranks)):
        kinds, example, number = np.unique(codes[:, rank], return_index=True, return_inverse=True)
        path[:, rank] = number + first
        rank_of.append(np.full(len(kinds), rank, np.int8))
        above = path[example, rank - 1] if rank else np.full(len(kinds), ROOT, np.int32)
        parent.append(above)
        node.append(np.where(kinds < taxa, kinds, -1).astype(np.int32))
        is_group = (kinds >= 2 * taxa) & (rank == len(ranks) - 1)
        group.append(np.where(is_group, kinds - 2 * taxa, -1).astype(np.int32))
        first += len(kinds)
    parents = np.concatenate(parent).astype(np.int32)
    children = np.bincount(np.where(parents < 0, first, parents), minlength=first + 1)
    return Ladder(
        ranks,
        path,
        np.concatenate(rank_of),
        parents,
        np.concatenate(node),
        np.concatenate(group),
        children.astype(np.int32),
    )
