"""One node of each tree, where a label may stop anywhere: a softmax among siblings, all the way up.

A node's probability is that of the one above it times its share among its siblings, so that it is
the sum of the tips under it. A label at an inner node says that one of those tips is true and not
which: its loss is the logarithm of their sum, which is the node's own probability, and nothing
below it is asked. Roots of a tree share the whole; each tree is one question.

Reference: Redmon & Farhadi 2017, arXiv:1612.08242 (conditional probabilities down a tree of words).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from merian.errors import InputError
from merian.learn.forest import Forest
from merian.learn.forest_layer import ForestLayer
from merian.learn.log_sums import log_sums

__all__ = ["NodeSoftmax"]


class NodeSoftmax(ForestLayer):
    """From one score a node to the logarithm of its probability.

    Args:
        forest: The nodes.
    """

    family: Tensor  # int64[nodes]; siblings have the same number

    def __init__(self, forest: Forest) -> None:
        super().__init__(forest)
        roots = forest.size + forest.tree
        family = np.where(forest.parent >= 0, forest.parent, roots)
        self.register_buffer("family", torch.from_numpy(family), persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        """Return log p [b, nodes] for scores [b, nodes]."""
        scores = self.checked(scores)
        whole = log_sums(scores, self.family, self.forest.size + len(self.forest.trees))
        levels = self.apart(scores - whole[:, self.family])
        for depth in range(1, len(levels)):
            above = levels[depth - 1].index_select(0, self.above(depth))
            levels[depth] = levels[depth] + above
        return self.together(levels) if levels else scores

    def loss(
        self, scores: Tensor, labels: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the mean over trees of the weighted mean of -log p over their labelled records.

        Args:
            scores: float[b, nodes].
            labels: int64[b, trees]; the lowest node that is known in each, -1 where none is.
            weights: float[nodes]; what a label weighs. None for all alike.

        Returns:
            The mean, and over how many labels. 0 of none.
        """
        trees = len(self.forest.trees)
        if labels.shape != (len(scores), trees):
            raise InputError(f"labels {list(labels.shape)}; {[len(scores), trees]} expected")
        known, at = labels >= 0, labels.clamp(min=0)
        chosen = -self(scores).gather(1, at)
        weight = known.to(chosen.dtype)
        if weights is not None:
            weight = weight * weights.to(chosen.dtype)[at]
        each = torch.where(known, chosen * weight, chosen.new_zeros(()))
        total = weight.sum(0)
        means = each.sum(0) / torch.where(total > 0, total, 1)
        return means.sum() / (total > 0).sum().clamp(min=1), known.sum()
