"""From a vector to the probability of each class at each rank.

`MultiHead` asks each rank by itself, and its answers may contradict each other. `InferSum` gives
probabilities to the tips of the tree and adds them up; `SoftmaxTree` shares each taxon's
probability among those under it. Of the latter two a taxon is always as probable as all under it
together. All is done on logarithms, in 32 bits.

Where a taxon has no known classes under it, it is a tip itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from merian.errors import InputError, NotFoundError, did_you_mean
from merian.learn.full_precision import full
from merian.learn.log_sums import log_sums
from merian.learn.rank_labels import RankLabels

__all__ = ["HEADS", "InferSum", "MultiHead", "RankHeads", "SoftmaxTree", "build_heads", "lineage"]


class RankHeads(nn.Module):
    """What all heads have: `forward(vectors)` gives log probabilities [b, classes] a rank.

    Args:
        width: Of the vectors.
        labels: The classes.
    """

    kind: ClassVar[str]

    def __init__(self, width: int, labels: RankLabels, outputs: int) -> None:
        super().__init__()
        self.width, self.labels = width, labels
        self.linear = nn.Linear(width, outputs)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return float[b, outputs], of 32 bits or more."""
        return full(self.linear(vectors))

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank."""
        raise NotImplementedError

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build these heads again."""
        return {"kind": self.kind, "width": self.width, "labels": self.labels.card()}


class MultiHead(RankHeads):
    """A softmax for each rank, each by itself."""

    kind = "multi-head"

    def __init__(self, width: int, labels: RankLabels) -> None:
        super().__init__(width, labels, labels.starts[-1])

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank."""
        parts = torch.split(self.scores(vectors), list(self.labels.sizes), dim=1)
        return [part.log_softmax(1) for part in parts]


class InferSum(RankHeads):
    """One softmax over the tips of the tree; a taxon has the sum of those under it."""

    kind = "infer-sum"

    def __init__(self, width: int, labels: RankLabels) -> None:
        above = labels.above
        tips = np.setdiff1d(np.arange(labels.starts[-1]), above[above >= 0])
        super().__init__(width, labels, len(tips))
        for rank, size in enumerate(labels.sizes):
            place = labels.ancestors[tips, rank]
            # A tip without a taxon at the rank goes to a last place that is cut off.
            place = torch.tensor(np.where(place >= 0, place, size))
            self.register_buffer(f"place_{rank}", place, persistent=False)

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank."""
        tips = self.scores(vectors).log_softmax(1)
        return [
            log_sums(tips, getattr(self, f"place_{rank}"), size + 1)[:, :size]
            for rank, size in enumerate(self.labels.sizes)
        ]


class SoftmaxTree(RankHeads):
    """A softmax among the taxa under each taxon, times the probability of the one above."""

    kind = "softmax-tree"
    family: Tensor  # int64[nodes]; siblings have the same number, which is their parent's plus 1

    def __init__(self, width: int, labels: RankLabels) -> None:
        super().__init__(width, labels, labels.starts[-1])
        # Taxa with nothing above them share the whole.
        self.register_buffer("family", torch.tensor(labels.above + 1), persistent=False)

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank."""
        scores = self.scores(vectors)
        whole = log_sums(scores, self.family, scores.shape[1] + 1)
        within = scores - whole[:, self.family]
        found: list[Tensor] = []
        done = scores.new_zeros(len(scores), 1)  # the root is certain
        parts = torch.split(within, list(self.labels.sizes), dim=1)
        for start, part in zip(self.labels.starts, parts, strict=False):
            above = self.family[start : start + part.shape[1]]
            found.append(part + done[:, above])
            done = torch.cat([done, found[-1]], dim=1)
        return found


HEADS: dict[str, type[RankHeads]] = {head.kind: head for head in (MultiHead, InferSum, SoftmaxTree)}


def build_heads(kind: str, width: int, labels: RankLabels | Mapping[str, Any]) -> RankHeads:
    """Return heads of a kind: multi-head, infer-sum or softmax-tree.

    Args:
        kind: As in `HEADS`.
        width: Of the vectors that they are given.
        labels: The classes, or what their `card` wrote down.
    """
    if kind not in HEADS:
        raise NotFoundError(
            f"no heads are called {kind!r}; there are {', '.join(HEADS)}."
            + did_you_mean(kind, HEADS)
        )
    known = labels if isinstance(labels, RankLabels) else RankLabels.of_card(labels)
    build: Any = HEADS[kind]
    heads: RankHeads = build(width, known)
    return heads


def lineage(logs: Sequence[Tensor], labels: RankLabels) -> Tensor:
    """Return the best class of each rank that does not contradict the ranks above it.

    From the highest rank down: the most probable class among those that lie under what was chosen
    already. -1 where nothing lies under it. The lowest number wins a tie.

    Args:
        logs: Of each rank float[b, classes].
        labels: The classes.
    """
    if [part.shape[1] for part in logs] != list(labels.sizes):
        raise InputError(f"{[part.shape[1] for part in logs]} classes; {labels.sizes} expected")
    ancestors = torch.tensor(labels.ancestors, device=logs[0].device)
    chosen: list[Tensor] = []
    for rank, part in enumerate(logs):
        allowed = torch.ones_like(part, dtype=torch.bool)
        mine = ancestors[labels.starts[rank] : labels.starts[rank + 1]]
        for upper, at in enumerate(chosen):
            told = mine[None, :, upper]  # [1, classes]
            allowed &= (told == at[:, None]) | (told < 0) | (at[:, None] < 0)
        best = part.masked_fill(~allowed, float("-inf")).argmax(1)
        chosen.append(torch.where(allowed.any(1), best, torch.full_like(best, -1)))
    return torch.stack(chosen, dim=1)
