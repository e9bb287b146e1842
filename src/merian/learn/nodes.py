"""Labels that are any nodes of a forest at once, of which some are known and some are not.

A picture of the sea floor shows sand and a sponge, and the sponge is annotated down to its class
only. Each node has a probability of its own; a node is at least as probable as any under it. What
is there may be explained only by what is known to be there under it, and what is absent is absent
with all that stands under it.

The loss is that of the probabilities, reckoned on their logits: a maximum of the one is a maximum
of the other, as long as nodes that are passed over are left out. Published code multiplies logits
by 0 instead: of negative logits 0 is the highest, and with it goes the gradient.

The maximum is taken level by level, from the tips up, so that time and memory grow with the number
of nodes, and not with its square. `merian bench seafloor` measures all three.

References: Giunchiglia & Lukasiewicz, Coherent hierarchical multi-label classification networks,
NeurIPS 2020, arXiv:2010.10151; Xu et al., 2024, arXiv:2409.06618 (what is missing).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from merian.errors import InputError
from merian.learn.forest import Forest
from merian.learn.forest_layer import ForestLayer
from merian.learn.full_precision import full

__all__ = ["NodeTree", "rare_node_weights"]


class NodeTree(ForestLayer):
    """The nodes that a model has outputs for.

    Args:
        parents: Of each node the one above it, -1 where there is none; or a forest.
    """

    of_tree: Tensor  # float[nodes, trees]; 1 for a node of the tree

    def __init__(self, parents: Sequence[int] | Forest) -> None:
        forest = parents if isinstance(parents, Forest) else Forest.of_parents(parents)
        super().__init__(forest)
        of_tree = np.eye(max(len(forest.trees), 1), dtype=np.float32)[forest.tree]
        self.register_buffer("of_tree", torch.from_numpy(of_tree), persistent=False)

    def highest(self, values: Tensor) -> Tensor:
        """Return of each node the highest value among itself and all under it [b, nodes].

        Of values that are equally high each gets an equal part of the gradient.
        """
        values = self.checked(values)
        if not self.forest.size:
            return values
        levels = self.apart(values)
        for depth in range(len(levels) - 1, 0, -1):
            at = self.above(depth)[:, None].expand(-1, len(values))
            levels[depth - 1] = levels[depth - 1].scatter_reduce(0, at, levels[depth], "amax")
        return self.together(levels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probability of each node [b, nodes]; none is below that of one under it."""
        # The sigmoid of equal logits may differ in its last bit, so it comes first.
        return self.highest(full(logits).sigmoid())

    def loss(
        self,
        logits: Tensor,
        there: Tensor,
        known: Tensor,
        weights: Tensor | None = None,
        *,
        coherent: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Return the mean over trees of the mean over records of their nodes' cross-entropy.

        A record counts in a tree in which any of its nodes is known, a tree where a record counts.

        Args:
            logits: float[b, nodes].
            there: bool[b, nodes]; with a node all above it must be there. Read where known.
            known: bool[b, nodes].
            weights: float[nodes]; what a node weighs where it is there. None for all alike.
            coherent: Whether nodes answer for those under them; else each for itself.

        Returns:
            The mean, and over how many records: those of which any node is known. 0 of none.
        """
        if logits.shape != there.shape or there.shape != known.shape:
            raise InputError(
                f"logits {list(logits.shape)}, labels {list(there.shape)} and what is known "
                f"{list(known.shape)}; the same shape expected"
            )
        there = there & known
        told = self._told(full(logits), there) if coherent else full(logits)
        each = functional.binary_cross_entropy_with_logits(
            told, there.to(told.dtype), reduction="none"
        )
        weight = known.to(told.dtype)
        if weights is not None:
            weight = torch.where(there, weights.to(told.dtype), weight)
        # Not a product: what is not known may be infinite.
        each = torch.where(known, each * weight, each.new_zeros(()))
        of_tree = self.of_tree.to(told.dtype)
        total = weight @ of_tree
        mean = (each @ of_tree) / torch.where(total > 0, total, 1)  # [b, trees]
        records = (total > 0).sum(0)
        of_trees = mean.sum(0) / records.clamp(min=1)
        loss = of_trees.sum() / (records > 0).sum().clamp(min=1)
        return loss, known.any(1).sum()

    def _told(self, logits: Tensor, there: Tensor) -> Tensor:
        """Return the logits that nodes are asked for."""
        # What is there answers only for nodes that are there too, itself among them.
        witness = logits.masked_fill(~there, float("-inf"))
        of_those, of_all = self.highest(torch.cat([witness, logits])).chunk(2)
        return torch.where(there, of_those, of_all)


def rare_node_weights(counts: Sequence[int] | NDArray[np.int64], power: float) -> Tensor:
    """Return what each node weighs where it is there: more if it is so on few records.

    w(c) is n(c)^-power, and over all places where a node is there its mean is 1. A node that is on
    no record weighs as much as one that is on one.

    Args:
        counts: On how many records each node is there.
        power: 0 weighs all alike, 1 makes all nodes count the same however rare.
    """
    n = np.asarray(counts, np.float64)
    if (n < 0).any():
        raise InputError(f"a node on {n.min():.0f} records; 0 or more expected")
    weights = np.maximum(n, 1) ** -power
    mean = (n * weights).sum() / n.sum() if n.sum() else 1.0
    return torch.from_numpy(weights / mean).float()
