"""Labels that are any nodes of a tree at once, of which some are known and some are not.

A picture of the sea floor shows sand and a sponge, and the sponge is annotated down to its class
only. Each node has a probability of its own; a node is at least as probable as any under it. What
is there may be explained only by what is known to be there under it, and what is absent is absent
with all that stands under it.

Done on logits, where a maximum is the same as on probabilities as long as nodes that are passed
over are left out. Published code multiplies them by 0 instead: of negative logits 0 is the highest,
and with it goes the gradient.

References: Giunchiglia & Lukasiewicz, Coherent hierarchical multi-label classification networks,
NeurIPS 2020, arXiv:2010.10151; Xu et al., 2024, arXiv:2409.06618 (what is missing).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.full_precision import full

__all__ = ["NodeTree"]


class NodeTree(nn.Module):
    """A tree, or several, over the nodes that a model has outputs for.

    Args:
        parents: Of each node the one above it; -1 where there is none.
    """

    def __init__(self, parents: Sequence[int]) -> None:
        super().__init__()
        self.parents = [int(parent) for parent in parents]
        depth = [self._depth(node) for node in range(len(self.parents))]
        self.steps: list[tuple[list[int], list[int]]] = []
        for level in range(max(depth, default=0), 0, -1):  # from the lowest up
            nodes = [node for node, at in enumerate(depth) if at == level]
            self.steps.append((nodes, [self.parents[node] for node in nodes]))

    def _depth(self, node: int) -> int:
        depth = 0
        while self.parents[node] >= 0:
            node, depth = self.parents[node], depth + 1
            if depth > len(self.parents) or node >= len(self.parents):
                raise InputError(f"node {node} leads to no root: it is above itself, or not there")
        return depth

    def highest(self, logits: Tensor) -> Tensor:
        """Return of each node the highest logit among itself and all under it [b, nodes]."""
        found = full(logits)
        for nodes, parents in self.steps:
            at = torch.tensor(parents, device=found.device).expand(len(found), -1)
            found = found.scatter_reduce(1, at, found[:, nodes], "amax")
        return found

    def loss(self, logits: Tensor, there: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean over records of their mean cross-entropy of known nodes.

        Args:
            logits: float[b, nodes].
            there: bool[b, nodes]; with a node all above it must be there. Read where known.
            known: bool[b, nodes].

        Returns:
            The mean, and over how many records: those of which any node is known. 0 of none.
        """
        if logits.shape != there.shape or there.shape != known.shape:
            raise InputError(
                f"logits {list(logits.shape)}, labels {list(there.shape)} and what is known "
                f"{list(known.shape)}; the same shape expected"
            )
        there = there & known
        # What is there answers only for nodes that are there too, itself among them.
        witness = self.highest(full(logits).masked_fill(~there, float("-inf")))
        told = torch.where(there, witness, self.highest(logits))
        each = functional.binary_cross_entropy_with_logits(
            told, there.to(told.dtype), reduction="none"
        )
        count = known.sum(1)
        mean = each.masked_fill(~known, 0).sum(1) / count.clamp(min=1)
        records = (count > 0).sum()
        return mean.sum() / records.clamp(min=1), records
