"""The taxonomy: a forest of taxa and their synonyms as flat arrays.

Rows 0 to ``taxa - 1`` are accepted taxa in pre-order: a taxon is followed by everything below
it, so that the taxa under it are the rows ``node`` to ``end[node] - 1``, and "is an ancestor of"
is two comparisons. Synonyms stand behind them, each with the row of its accepted taxon. A `Node`
is a row. All arrays may lie in a mapped file; nothing is ever changed in place.

The algebra takes any node, a synonym counting as its accepted taxon, and works on whole arrays:
a million lowest common ancestors take under a second. -1 stands for "none".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import NotFoundError, did_you_mean
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.ranks import RANK_NUMBER, RANKS, UNRANKED
from merian.taxonomy.strings import NamePool, Strings

__all__ = ["CODES", "NONE", "STATUSES", "Node", "Taxonomy"]

Node: TypeAlias = int
Nodes: TypeAlias = NDArray[np.int32]

NONE = -1

# How a usage stands, from the best to the worst; stored as the place in this tuple.
STATUSES = (
    "accepted", "provisionally accepted", "morphological", "doubtful",
    "synonym", "ambiguous synonym", "misapplied",
)  # fmt: skip
FIRST_SYNONYM_STATUS = STATUSES.index("synonym")

# Nomenclatural codes. A name may be used once under each.
CODES = ("", "zoological", "botanical", "bacterial", "virus", "cultivars", "phytosociological")


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """A checklist as arrays; see the module's text for the order of its rows.

    Attributes:
        parent: int32[rows], the taxon above; for a synonym, above its accepted taxon.
        rank: uint8[rows], number of the rank (`merian.taxonomy.ranks`).
        name: int32[rows], the name as published, without author, in ``names``.
        canonical: int32[rows], the bare name by which it is found, in ``names``.
        accepted: int32[rows], the accepted taxon; a taxon's own row.
        end: int32[taxa], one behind the last taxon below.
        depth: int16[taxa], number of taxa above.
        status: uint8[rows], number in `STATUSES`.
        code: uint8[rows], number in `CODES`.
        rows_by_name: int32[rows], rows in the order of their canonical name.
        first_of_name: int32[names + 1], where each name's rows begin in ``rows_by_name``.
        names: The names, each once.
        ids: The checklist's own ids, by row.
        authorship: Authors, by row.
        retired_ids: Ids that the checklist has merged into others.
        retired_row: int32, the row that each retired id now means.
        lock: What checklist this is.
        folder: Where it was opened, so that another process can open it too.
    """

    parent: Nodes
    rank: NDArray[np.uint8]
    name: Nodes
    canonical: Nodes
    accepted: Nodes
    end: Nodes
    depth: NDArray[np.int16]
    status: NDArray[np.uint8]
    code: NDArray[np.uint8]
    rows_by_name: Nodes
    first_of_name: Nodes
    names: NamePool
    ids: Strings
    authorship: Strings
    retired_ids: Strings
    retired_row: Nodes
    lock: TaxonomyLock
    folder: Path | None = None

    @staticmethod
    def open(folder: Path | str) -> Taxonomy:
        """Open a saved taxonomy; its arrays stay in the file until they are used."""
        from merian.taxonomy.store import open_taxonomy  # noqa: PLC0415  (store imports this)

        return open_taxonomy(folder)

    def save(self, folder: Path | str) -> None:
        """Write the taxonomy to a folder, complete or not at all."""
        from merian.taxonomy.store import save_taxonomy  # noqa: PLC0415

        save_taxonomy(self, folder)

    def __len__(self) -> int:
        """Return the number of rows: taxa and synonyms."""
        return len(self.parent)

    @property
    def taxa(self) -> int:
        """The number of accepted taxa."""
        return len(self.end)

    @property
    def roots(self) -> Nodes:
        """The taxa without a parent."""
        return np.flatnonzero(self.parent[: self.taxa] == NONE).astype(np.int32)

    # -- one node ---------------------------------------------------------------------------

    def name_of(self, node: Node) -> str:
        """Return the name of a node as published, without author."""
        return self.names[int(self.name[node])]

    def rank_of(self, node: Node) -> str:
        """Return the rank of a node as a word."""
        return RANKS[self.rank[node]]

    def is_synonym(self, node: Node) -> bool:
        """Return whether the node is another name of a taxon."""
        return node >= self.taxa

    def path(self, node: Node) -> list[Node]:
        """Return the taxa from the root down to a node, itself included."""
        above = []
        current = int(self.accepted[node])
        while current != NONE:
            above.append(current)
            current = int(self.parent[current])
        return above[::-1]

    def children(self, node: Node) -> Nodes:
        """Return the taxa directly below a node."""
        below = self.descendants(node)
        inside: Nodes = below[self.parent[below] == self.accepted[node]]
        return inside

    def descendants(self, node: Node) -> Nodes:
        """Return all taxa below a node, itself not included."""
        node = int(self.accepted[node])
        return np.arange(node + 1, self.end[node], dtype=np.int32)

    def synonyms(self, node: Node) -> Nodes:
        """Return the other names of a taxon."""
        return (np.flatnonzero(self.accepted[self.taxa :] == node) + self.taxa).astype(np.int32)

    def find(self, name: str) -> Nodes:
        """Return all nodes of exactly this canonical name; see `match_name` for the rest."""
        return self.rows_of_name(self.names.find(name))

    def find_id(self, identifier: str) -> Node:
        """Return the node of one of the checklist's own ids, also a retired one, or -1."""
        row = self.ids.find(identifier)
        if row == NONE:
            retired = self.retired_ids.find(identifier)
            row = NONE if retired == NONE else int(self.retired_row[retired])
        return row

    def rows_of_name(self, name: int) -> Nodes:
        """Return the nodes whose canonical name is this entry of ``names``."""
        if name < 0:
            return np.empty(0, np.int32)
        return self.rows_by_name[self.first_of_name[name] : self.first_of_name[name + 1]]

    # -- many nodes -------------------------------------------------------------------------

    def is_ancestor(self, upper: ArrayLike, lower: ArrayLike) -> NDArray[np.bool_]:
        """Return whether ``upper`` is ``lower`` or stands above it."""
        above = self.accepted[np.asarray(upper)]
        below = self.accepted[np.asarray(lower)]
        return np.asarray((above <= below) & (below < self.end[above]))

    def lowest_common_ancestor(self, a: ArrayLike, b: ArrayLike) -> Nodes:
        """Return the lowest taxon that is above, or is, both of each pair; -1 where none is."""
        a, b = np.broadcast_arrays(np.asarray(a), np.asarray(b))
        shape = a.shape
        high = self.accepted[a.ravel()].astype(np.int32)
        low = self.accepted[b.ravel()].astype(np.int32)
        high, low = np.minimum(high, low), np.maximum(high, low)
        # In pre-order the answer is the first taxon from `high` upwards whose rows hold `low`.
        open_pairs = np.flatnonzero(self.end[high] <= low)
        current, target = high[open_pairs], low[open_pairs]
        while len(open_pairs):
            current = self.parent[current]
            high[open_pairs] = current
            going = (current != NONE) & (self.end[current] <= target)
            open_pairs, current, target = open_pairs[going], current[going], target[going]
        return np.asarray(high).reshape(shape)

    def common_ancestor(self, nodes: ArrayLike) -> Node:
        """Return the lowest taxon above, or equal to, all the nodes; -1 if there is none."""
        taxa = self.accepted[np.atleast_1d(np.asarray(nodes))]
        if not len(taxa):
            return NONE
        # The ancestor of the first and the last in pre-order is above all between them.
        return int(self.lowest_common_ancestor(taxa.min(), taxa.max()))

    def agreement_depth(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.int16]:
        """Return how many levels two nodes share from the root; 0 where not even the root."""
        shared = self.lowest_common_ancestor(a, b)
        return np.where(shared == NONE, 0, self.depth[shared].astype(np.int16) + 1)

    def lineage(self, nodes: ArrayLike) -> NDArray[np.int32]:
        """Return int32[nodes, deepest + 1]: the taxa from the root down, then -1."""
        current = self.accepted[np.atleast_1d(np.asarray(nodes))].astype(np.int32)
        depth = self.depth[current].astype(np.int64)
        lines = np.full((len(current), int(depth.max(initial=-1)) + 1), NONE, dtype=np.int32)
        rows = np.arange(len(current))
        while len(rows):
            lines[rows, depth[rows]] = current
            depth[rows] -= 1
            current = self.parent[current]
            keep = current != NONE
            rows, current = rows[keep], current[keep]
        return lines

    def at_rank(self, nodes: ArrayLike, rank: str | int) -> Nodes:
        """Return the taxon of that rank above, or equal to, each node; -1 where there is none."""
        number = rank_number(rank)
        nodes = np.asarray(nodes)
        current = self.accepted[nodes.ravel()].astype(np.int32)
        found = np.full(current.shape, NONE, dtype=np.int32)
        rows = np.arange(current.size)
        while len(rows):
            here = self.rank[current] == number
            found[rows[here]] = current[here]
            current = self.parent[current]
            keep = ~here & (current != NONE)
            rows, current = rows[keep], current[keep]
        return found.reshape(nodes.shape)

    def restrict(self, nodes: ArrayLike) -> Taxonomy:
        """Return the taxonomy of these taxa alone: them, all above and all below, and synonyms."""
        from merian.taxonomy.restrict import restrict  # noqa: PLC0415

        return restrict(self, np.atleast_1d(np.asarray(nodes)))


def rank_number(rank: str | int) -> int:
    """Return the number of a rank given as a word or a number."""
    if isinstance(rank, int):
        return rank
    number = RANK_NUMBER.get(rank)
    if number is None or number == UNRANKED:
        raise NotFoundError(f"there is no rank {rank!r}.{did_you_mean(rank, RANKS[1:])}")
    return number
