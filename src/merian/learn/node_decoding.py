"""From the probabilities of nodes to an answer: the one whose mistakes are expected to cost least.

An answer may be wrong in two ways. Each name in it that is not true costs `wrong`; each true name
that it leaves out costs `missed`. Where a tip is doubtful, less is lost by naming what stands above
it. Where both cost alike, a name is told as soon as it is more probable than not.

This is no promise: the costs are what somebody says they are, and the probabilities are a
network's. What is promised, is promised by `merian identify`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from merian.errors import InputError
from merian.learn.forest import Bools, Floats, Forest
from merian.learn.rank_labels import UNKNOWN, Codes

__all__ = ["least_cost_node", "least_cost_nodes"]


def least_cost_node(
    forest: Forest, probabilities: ArrayLike, wrong: float = 1.0, missed: float = 1.0
) -> Codes:
    """Return the one node to answer in each tree, of which at most one path is true.

    The expected cost of a node is `wrong` times the sum of 1 - p over it and all above it, and
    `missed` times the sum of p over all others. Of answers that cost alike the higher is taken.

    Args:
        forest: The nodes.
        probabilities: float[n, nodes]; a node's is the sum of those under it, or more.
        wrong: What a name that is not true costs.
        missed: What a true name that is left out costs.

    Returns:
        int64[n, trees]; -1 where it costs least to say nothing.
    """
    p = _checked(forest, probabilities, wrong, missed)
    # Cost less that of saying nothing: what each name on the way down adds to it.
    saved = forest.added_down((wrong + missed) * p - wrong)
    found = np.full((len(p), len(forest.trees)), UNKNOWN, np.int64)
    for tree in range(len(forest.trees)):
        mine = np.flatnonzero(forest.tree == tree)
        mine = mine[np.argsort(forest.depth[mine], kind="stable")]
        if len(mine):
            best = mine[saved[:, mine].argmax(axis=1)]
            gain = saved[np.arange(len(p)), best]
            found[:, tree] = np.where(gain > 0, best, UNKNOWN)
    return found


def least_cost_nodes(
    forest: Forest, probabilities: ArrayLike, wrong: float = 1.0, missed: float = 1.0
) -> Bools:
    """Return all nodes to answer, of which any may be true at once, bool[n, nodes].

    With a node all above it are told. Args as those of `least_cost_node`, but that a node is as
    probable as the most probable under it, or more.
    """
    p = _checked(forest, probabilities, wrong, missed)
    return forest.above(p * (wrong + missed) > wrong)


def _checked(forest: Forest, probabilities: ArrayLike, wrong: float, missed: float) -> Floats:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] != forest.size:
        raise InputError(f"probabilities {list(p.shape)}; [n, {forest.size}] expected, one a node")
    if min(wrong, missed) < 0 or wrong + missed <= 0:
        raise InputError(f"costs of {wrong:g} and {missed:g}; 0 or more expected, and not both 0")
    return p
