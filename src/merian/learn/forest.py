"""Several trees of labels at once, and labels that stop at any node of them.

A picture of the sea floor has labels in a tree of what lives there, one of the ground, one of its
relief. Each label is a node; it may be far from the tips, there may be several in a tree, and most
pictures lack most trees. All trees together are one forest, whose nodes are numbered in one row.

What is not known of a record is of three kinds: what stands below a node at which a label stops; a
whole tree that nobody looked at; and, of a batch, a tree that nobody looked at in any of its
records. The first two are in `ForestLabels.marks`, the third in `ForestLabels.trees`.

Reference: Xu et al. 2024, arXiv:2409.06618 (the three kinds; the code is our own).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.learn.rank_labels import UNKNOWN, Codes, RankLabels

__all__ = ["Forest", "ForestLabels", "Path"]

Path = tuple[str, ...]
"""The names from the root of a tree down to a node."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees over numbered nodes. A tree may have several roots.

    Attributes:
        names: Of each node its own name, without those above it.
        parent: int64[nodes]; the node above each, -1 for a root.
        tree: int64[nodes]; the tree of each.
        trees: The names of the trees.
    """

    names: tuple[str, ...]
    parent: Codes
    tree: Codes
    trees: tuple[str, ...]

    def __post_init__(self) -> None:
        size = len(self.names)
        if self.parent.shape != (size,) or self.tree.shape != (size,):
            raise InputError(
                f"{size} names of nodes, {self.parent.size} parents and {self.tree.size} trees; as "
                "many of each expected"
            )
        if size and not 0 <= self.tree.min() <= self.tree.max() < len(self.trees):
            raise InputError(f"a node of tree {self.tree.max()}; there are {len(self.trees)} trees")
        if size and not UNKNOWN <= self.parent.min() <= self.parent.max() < size:
            raise InputError(f"node {self.parent.max()} is above another; there are {size} nodes")
        hung = self.parent >= 0
        torn = np.flatnonzero(hung & (self.tree != self.tree[self.parent]))
        if len(torn):
            raise InputError(f"node {torn[0]} hangs under a node of another tree")
        _ = self.depth  # says whether every node leads to a root

    @classmethod
    def of_parents(cls, parents: Sequence[int] | Codes) -> Forest:
        """Return one tree of nodes without names."""
        parent = np.asarray(parents, np.int64)
        return cls(("",) * len(parent), parent, np.zeros(len(parent), np.int64), ("",))

    @classmethod
    def of_paths(cls, paths: Iterable[tuple[str, Path]]) -> Forest:
        """Return the forest of all nodes that some paths lead through.

        A node comes before all under it, and they before its next sibling; trees and siblings
        stand in the order of the alphabet.

        Args:
            paths: Tree and path of each label.
        """
        found = {(tree, path[:end]) for tree, path in paths for end in range(1, len(path) + 1)}
        nodes = sorted(found)
        empty = next((node for node in nodes if "" in node[1]), None)
        if empty is not None:
            raise InputError(f"the label {' > '.join(empty[1])!r} of {empty[0]} has an empty name")
        place = {node: number for number, node in enumerate(nodes)}
        trees = sorted({tree for tree, _ in nodes})
        return cls(
            tuple(path[-1] for _, path in nodes),
            np.array([place.get((tree, path[:-1]), UNKNOWN) for tree, path in nodes], np.int64),
            np.array([trees.index(tree) for tree, _ in nodes], np.int64),
            tuple(trees),
        )

    @classmethod
    def of_ranks(cls, labels: RankLabels, tree: str = "taxonomy") -> Forest:
        """Return the classes of ranks as a tree; its nodes are theirs, by the same numbers."""
        names = tuple(name for each in labels.names for name in each)
        return cls(names, labels.above, np.zeros(len(names), np.int64), (tree,))

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self.names)

    @cached_property
    def lineages(self) -> Codes:
        """int64[nodes, depths]; the node above each (or itself) at each depth, -1 below it."""
        depth = self.depth
        found = np.full((self.size, int(depth.max(initial=-1)) + 1), UNKNOWN, np.int64)
        for nodes in self.levels:
            hung = nodes[self.parent[nodes] >= 0]
            found[hung] = found[self.parent[hung]]
            found[nodes, depth[nodes]] = nodes
        return found

    @cached_property
    def depth(self) -> Codes:
        """int64[nodes]; 0 for a root."""
        depth = np.full(self.size, UNKNOWN, np.int64)
        depth[self.parent < 0] = 0
        left = np.flatnonzero(depth < 0)
        while len(left):
            known = depth[self.parent[left]] >= 0
            if not known.any():
                raise InputError(f"node {left[0]} leads to no root: it stands above itself")
            depth[left[known]] = depth[self.parent[left[known]]] + 1
            left = left[~known]
        return depth

    @cached_property
    def levels(self) -> tuple[Codes, ...]:
        """The nodes of each depth, from the roots down."""
        order = np.argsort(self.depth, kind="stable")
        ends = np.cumsum(np.bincount(self.depth, minlength=1))[:-1]
        return tuple(np.split(order, ends)) if self.size else ()

    @cached_property
    def inner(self) -> Bools:
        """bool[nodes]; whether a node has others under it."""
        return np.bincount(self.parent[self.parent >= 0], minlength=self.size) > 0

    def path(self, node: int) -> Path:
        """Return the names from the root down to a node."""
        return tuple(self.names[n] for n in self.lineages[node].tolist() if n >= 0)

    @cached_property
    def _places(self) -> dict[tuple[str, Path], int]:
        return {
            (self.trees[tree], self.path(node)): node
            for node, tree in enumerate(self.tree.tolist())
        }

    def node(self, tree: str, path: Path) -> int:
        """Return the node of a path, or the lowest above it that there is; -1 if none is."""
        for end in range(len(path), 0, -1):
            if (found := self._places.get((tree, path[:end]))) is not None:
                return found
        return UNKNOWN

    def above(self, marked: Bools) -> Bools:
        """Return bool[n, nodes]: what is marked, and all that stands above it."""
        found = self._checked(marked).copy()
        for nodes in self.levels[:0:-1]:
            rows, at = np.nonzero(found[:, nodes])
            found[rows, self.parent[nodes[at]]] = True
        return found

    def below(self, marked: Bools) -> Bools:
        """Return bool[n, nodes]: what is marked, and all that stands under it."""
        found = self._checked(marked).copy()
        for nodes in self.levels[1:]:
            found[:, nodes] |= found[:, self.parent[nodes]]
        return found

    def added_down(self, values: Floats) -> Floats:
        """Return [n, nodes]: the sum of a node's value and of all above it."""
        found = self._checked(np.asarray(values, np.float64)).copy()
        for nodes in self.levels[1:]:
            found[:, nodes] += found[:, self.parent[nodes]]
        return found

    def _checked(self, values: NDArray[Any]) -> NDArray[Any]:
        if values.ndim != 2 or values.shape[1] != self.size:
            raise InputError(f"values {list(values.shape)}; [n, {self.size}] expected, one a node")
        return values

    def card(self) -> dict[str, Any]:
        """Return what JSON can hold, to be stored beside the weights."""
        return {
            "names": list(self.names),
            "parent": self.parent.tolist(),
            "tree": self.tree.tolist(),
            "trees": list(self.trees),
        }

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Forest:
        """Return what `card` wrote down."""
        missing = [k for k in ("names", "parent", "tree", "trees") if k not in card]
        if missing:
            raise InputError(f"the forest of a model lacks {', '.join(missing)}")
        parent, tree = (np.asarray(card[key], np.int64) for key in ("parent", "tree"))
        return cls(tuple(card["names"]), parent, tree, tuple(card["trees"]))


@dataclass(frozen=True, eq=False)
class ForestLabels:
    """The labels of records: of each, any nodes of a forest.

    A label says that its node is there, and with it all above. What nobody wrote down in a tree
    that was looked at is absent; but below a node at which a label stops, nothing is known save
    what other labels say.

    Attributes:
        forest: The nodes.
        offsets: int64[n + 1]; where the labels of each record begin in `nodes`.
        nodes: int64[labels]; those of the first record, those of the second, and so on.
        looked: bool[n, trees]; which trees somebody looked at.
    """

    forest: Forest
    offsets: Codes
    nodes: Codes
    looked: Bools

    @classmethod
    def of_lists(
        cls, forest: Forest, lists: Iterable[Sequence[int]], looked: Bools | None = None
    ) -> ForestLabels:
        """Take labels record by record.

        Args:
            forest: The nodes.
            lists: Of each record its labels; -1 counts for nothing.
            looked: bool[n, trees]; those with a label if not given. Where a tree was looked at
                and has no label, nothing of it is there.
        """
        rows = [sorted({node for node in labels if node != UNKNOWN}) for labels in lists]
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        nodes = np.array([node for row in rows for node in row], np.int64)
        if len(nodes) and not 0 <= nodes.min() <= nodes.max() < forest.size:
            wrong = nodes.min() if nodes.min() < 0 else nodes.max()
            raise InputError(f"a label is node {wrong}; there are {forest.size}, from 0 on")
        labelled = np.zeros((len(rows), len(forest.trees)), bool)
        labelled[np.repeat(np.arange(len(rows)), np.diff(offsets)), forest.tree[nodes]] = True
        if looked is None:
            looked = labelled
        if looked.shape != labelled.shape:
            raise InputError(f"trees {list(looked.shape)}; {list(labelled.shape)} expected")
        return cls(forest, offsets, nodes, looked | labelled)

    @classmethod
    def of_codes(cls, forest: Forest, labels: RankLabels, codes: Codes) -> ForestLabels:
        """Return lineages of ranks as labels: of each record the lowest class that is known.

        Args:
            forest: As `Forest.of_ranks` makes it of the same labels.
            labels: The classes.
            codes: int64[n, ranks]; -1 where a class is not known.
        """
        known = np.asarray(codes, np.int64) >= 0
        lowest = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        told: Bools = np.any(known, axis=1)
        nodes = np.array(labels.starts[:-1])[lowest] + codes[np.arange(len(codes)), lowest]
        offsets = np.concatenate([[0], np.cumsum(told)]).astype(np.int64)
        return cls(forest, offsets, nodes[told], told[:, None])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, record: int) -> Codes:
        """Return the labels of a record."""
        return self.nodes[self.offsets[record] : self.offsets[record + 1]]

    def marks(self, records: Codes | None = None) -> tuple[Bools, Bools]:
        """Return bool[n, nodes] twice: what is there, and of what that is known.

        Args:
            records: Of which; of all if not given.
        """
        rows = np.arange(len(self)) if records is None else np.asarray(records, np.int64)
        at = [self.of(row) for row in rows.tolist()]
        marked = np.zeros((len(rows), self.forest.size), bool)
        if at:
            row = np.repeat(np.arange(len(rows)), [len(few) for few in at])
            marked[row, np.concatenate(at)] = True
        there = self.forest.above(marked)
        # Below a label that stops at an inner node; the node itself is there.
        open_ = self.forest.below(marked & self.forest.inner)
        known = self.looked[rows][:, self.forest.tree] & (there | ~open_)
        return there, known

    def counts(self) -> Codes:
        """Return int64[nodes]: on how many records each node is there."""
        found = np.zeros(self.forest.size, np.int64)
        for first in range(0, len(self), 1024):
            found += self.marks(np.arange(first, min(first + 1024, len(self))))[0].sum(axis=0)
        return found

    def trees(self, records: Codes | None = None) -> Bools:
        """Return bool[trees]: which were looked at in any of some records."""
        rows = slice(None) if records is None else np.asarray(records, np.int64)
        found: Bools = np.any(self.looked[rows], axis=0)
        return found

    def single(self, records: Codes | None = None) -> Codes:
        """Return int64[n, trees]: the lowest label where all labels of a tree lie on one path.

        -1 where there are none, or where they fork.
        """
        forest = self.forest
        rows = np.arange(len(self)) if records is None else np.asarray(records, np.int64)
        found = np.full((len(rows), len(forest.trees)), UNKNOWN, np.int64)
        for record, row in enumerate(rows.tolist()):
            nodes = self.of(row)
            for tree in np.unique(forest.tree[nodes]).tolist():
                mine = nodes[forest.tree[nodes] == tree]
                lowest = int(mine[np.argmax(forest.depth[mine])])
                if np.isin(mine, forest.lineages[lowest]).all():
                    found[record, tree] = lowest
        return found
