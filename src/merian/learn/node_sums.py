"""One node of each tree by sums down the paths: a tip has its own score and those of all above it.

The tips of a tree share one softmax, and what stands above them is the sum of their probabilities.
So a network learns of each tip how it differs from its relatives, and a tip with few records leans
on them. A softmax among siblings (`node_softmax`) has to draw one border between two large groups
of many forms each; here the border is that of all their tips.

Where the inner nodes have no say it is logistic regression of the tips, summed up the tree. It is
reckoned as a softmax among siblings too, of which each has the sum of all under it. Labels and loss
are those of `NodeSoftmax`.

Reference: Shahbaba & Neal, Improving classification when a class hierarchy is available using a
hierarchy-based prior, Bayesian Analysis 2007.
"""

from __future__ import annotations

import torch
from torch import Tensor

from merian.learn.log_sums import log_sums
from merian.learn.node_softmax import NodeSoftmax

__all__ = ["NodeSums"]


class NodeSums(NodeSoftmax):
    """From one score a node to the logarithm of its probability.

    Args:
        forest: The nodes.
    """

    def forward(self, scores: Tensor) -> Tensor:
        """Return log p [b, nodes] for scores [b, nodes]."""
        return super().forward(self._with_what_is_under(self.checked(scores)))

    def _with_what_is_under(self, scores: Tensor) -> Tensor:
        """Return [b, nodes]: log of the sum over the tips under a node of exp(scores down to it).

        Of the scores down to a tip those of the node itself and of all under it count.
        """
        levels = self.apart(scores)
        for depth in range(len(levels) - 1, 0, -1):
            size = len(levels[depth - 1])
            under = log_sums(levels[depth].t(), self.above(depth), size).t()
            # A tip has nothing under it.
            levels[depth - 1] = levels[depth - 1] + torch.where(under.isinf(), 0.0, under)
        return self.together(levels) if levels else scores
