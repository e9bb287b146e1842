"""Heads whose classes are named in a newer version of their checklist.

The weights are those that were learned, and answer as they did; their answers are then added up by
what the classes are now. Where the ranks of a head agree with each other (`InferSum`,
`SoftmaxTree`) the probability of every taxon is the sum of the tips that now stand under it, so
that genera and families follow their species. The ranks of a `MultiHead` answer each by itself: a
rank's outputs are added up within it. What has no place at a rank any more counts for none of its
classes: of a split species, its genus alone is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.heads import RankHeads
from merian.learn.log_sums import log_sums
from merian.learn.rank_labels import RankLabels

__all__ = ["MovedHeads", "moved_heads"]


class MovedHeads(RankHeads):
    """Heads under other names.

    Args:
        inner: The heads as they were learned.
        labels: The classes as they are now.
        place: Of each rank, for every class of all ranks of the inner heads, the class that it
            counts for; -1 for none.
    """

    def __init__(
        self, inner: RankHeads, labels: RankLabels, place: Sequence[Sequence[int]]
    ) -> None:
        nn.Module.__init__(self)
        self.kind = inner.kind  # type: ignore[misc]  # of its own, as it was built of one
        self.width, self.labels, self.inner = inner.width, labels, inner
        self.place = [list(row) for row in place]
        if len(place) != len(labels.ranks):
            raise InputError(f"places for {len(place)} ranks; {len(labels.ranks)} expected")
        nodes = inner.labels.starts[-1]
        for rank, (row, size) in enumerate(zip(self.place, labels.sizes, strict=True)):
            if len(row) != nodes or not all(-1 <= at < size for at in row):
                raise InputError(
                    f"{len(row)} places at {labels.ranks[rank]}; {nodes} below {size} expected"
                )
            at = torch.tensor([size if at < 0 else at for at in row])
            self.register_buffer(f"place_{rank}", at, persistent=False)
        # The weights stand in their file as those of the heads themselves.
        untyped: Any = self  # torch does not type this one
        untyped.register_load_state_dict_pre_hook(_inward)

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank."""
        logs = torch.cat(self.inner(vectors), dim=1)
        return [
            log_sums(logs, getattr(self, f"place_{rank}"), size + 1)[:, :size]
            for rank, size in enumerate(self.labels.sizes)
        ]

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build these heads again."""
        return {**self.inner.card(), "moved": {"labels": self.labels.card(), "place": self.place}}


def _inward(_module: nn.Module, state: dict[str, Any], prefix: str, *_rest: object) -> None:
    """Let weights of the heads be those of the inner ones."""
    for name in ("weight", "bias"):
        if f"{prefix}linear.{name}" in state:
            state[f"{prefix}inner.linear.{name}"] = state.pop(f"{prefix}linear.{name}")


def moved_heads(inner: RankHeads, told: Mapping[str, Any] | None) -> RankHeads:
    """Return heads as their card tells of a migration; without one, as they are."""
    if not told:
        return inner
    return MovedHeads(inner, RankLabels.of_card(told["labels"]), told["place"])
