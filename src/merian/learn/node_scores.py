"""How right the nodes of a forest are, where only some of them are known.

Every figure counts known nodes alone: what nobody looked for can be neither right nor wrong. All
take what was answered or how probable it is, what is there and what is known, one row a record and
one column a node, so that the figure of some records, or of one depth, is that of some rows or
columns.

References: Kiritchenko et al. 2006 (hierarchical precision and recall: a name counts with all
above it); Davis & Goadrich 2006 (average precision as a sum over steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.learn.forest import Bools, Floats, Forest

__all__ = [
    "NodeCounts",
    "average_precision",
    "count_nodes",
    "counts_by_depth",
    "deepest_right",
    "macro_average_precision",
    "micro_average_precision",
    "to_nearest_ancestor",
]


@dataclass(frozen=True)
class NodeCounts:
    """Known nodes, counted.

    Attributes:
        right: Told, and there.
        told: Told, right or not.
        there: There, told or not.
    """

    right: int
    told: int
    there: int

    @property
    def precision(self) -> float:
        """Of what was told, how much is there; NaN if nothing was told."""
        return self.right / self.told if self.told else math.nan

    @property
    def recall(self) -> float:
        """Of what is there, how much was told; NaN if nothing is there."""
        return self.right / self.there if self.there else math.nan

    @property
    def f1(self) -> float:
        """The harmonic mean of both; NaN if nothing was told and nothing is there."""
        both = self.told + self.there
        return 2 * self.right / both if both else math.nan


def count_nodes(told: Bools, there: Bools, known: Bools) -> NodeCounts:
    """Count nodes over all records: hierarchical precision, recall and F1.

    Args:
        told: bool[n, nodes]; the answers, with all that stands above each.
        there: bool[n, nodes].
        known: bool[n, nodes].
    """
    _check(told, there, known)
    said, true = told & known, there & known
    return NodeCounts(int((said & true).sum()), int(said.sum()), int(true.sum()))


def counts_by_depth(forest: Forest, told: Bools, there: Bools, known: Bools) -> list[NodeCounts]:
    """Count the nodes of each depth by themselves, from the roots down."""
    _check(told, there, known, forest)
    return [count_nodes(told[:, at], there[:, at], known[:, at]) for at in forest.levels]


def average_precision(values: Floats, there: Bools) -> float:
    """Return the mean over what is there of the precision where it is reached; NaN of nothing.

    What has one value is reached together.

    Args:
        values: float[n]; the higher, the more probable.
        there: bool[n].
    """
    if values.shape != there.shape or values.ndim != 1:
        raise InputError(f"values {list(values.shape)} of {list(there.shape)}; one each expected")
    if np.isnan(values).any():
        raise InputError("a value is no number; each node that is known needs one")
    total = int(there.sum())
    if not total:
        return math.nan
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the end of each run of one value
    right = np.cumsum(there[order])[last]
    precision = right / (np.flatnonzero(last) + 1)
    return float((np.diff(right, prepend=0) * precision).sum() / total)


def micro_average_precision(probabilities: Floats, there: Bools, known: Bools) -> float:
    """Return the average precision of all known nodes of all records in one list."""
    _check(probabilities, there, known)
    return average_precision(probabilities[known], there[known])


def macro_average_precision(probabilities: Floats, there: Bools, known: Bools) -> tuple[float, int]:
    """Return the mean over nodes of the average precision of each, and over how many.

    Those count that are there on some record.
    """
    _check(probabilities, there, known)
    found = [
        average_precision(probabilities[rows, node], there[rows, node])
        for node, rows in enumerate(known.T)
    ]
    told = [value for value in found if not math.isnan(value)]
    return (float(np.mean(told)) if told else math.nan), len(told)


def deepest_right(forest: Forest, told: Bools, there: Bools, known: Bools) -> Floats:
    """Return float[n, trees]: how many levels down the answer is right; 0 where it is nowhere.

    1 is a root. NaN where nothing of a tree is known to be there.
    """
    _check(told, there, known, forest)
    true = there & known
    levels = np.where(told & true, forest.depth + 1, 0)
    found = np.full((len(told), len(forest.trees)), math.nan)
    for tree in range(len(forest.trees)):
        mine = forest.tree == tree
        asked = true[:, mine].any(axis=1)
        found[asked, tree] = levels[np.ix_(asked, mine)].max(axis=1)
    return found


def to_nearest_ancestor(forest: Forest, told: Bools, there: Bools, known: Bools) -> Floats:
    """Return float[n, trees]: how far up from the lowest known answers something is there.

    0 where the answer is there itself, 1 where what stands above it is, and so on; one more than
    the way to the root where nothing is. The mean over the answers of a tree that have no other
    under them; NaN where there are none.
    """
    _check(told, there, known, forest)
    said, true = told & known, there & known
    over = forest.above(said)
    more = np.zeros_like(said)  # whether an answer stands under a node
    for nodes in forest.levels[1:]:
        rows, at = np.nonzero(over[:, nodes])
        more[rows, forest.parent[nodes[at]]] = True
    away = np.where(true, 0, 1)
    for nodes in forest.levels[1:]:
        away[:, nodes] *= 1 + away[:, forest.parent[nodes]]
    lowest = said & ~more
    of_tree = np.eye(max(len(forest.trees), 1))[forest.tree]
    count = lowest @ of_tree
    summed = np.where(lowest, away, 0) @ of_tree
    return np.where(count > 0, summed / np.maximum(count, 1), math.nan)


def _check(
    values: NDArray[np.generic], there: Bools, known: Bools, of: Forest | None = None
) -> None:
    if not values.shape == there.shape == known.shape or values.ndim != 2:
        raise InputError(
            f"answers {list(values.shape)}, labels {list(there.shape)} and what is known "
            f"{list(known.shape)}; the same shape [n, nodes] expected"
        )
    if of is not None and values.shape[1] != of.size:
        raise InputError(f"{values.shape[1]} columns; {of.size} expected, one a node")
