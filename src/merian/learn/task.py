"""What the trainer trains: examples that become batches, and an objective that becomes a loss.

The trainer knows nothing of barcodes or pictures. `Examples` live in the processes that read and
decode; an `Objective` lives on the device, holds the encoder and its heads, and is what the
optimizer steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from merian.learn.sampling import Sampler

__all__ = ["Batch", "Examples", "Indices", "Objective", "Outcome", "Task", "WholeObjective"]

Batch = dict[str, Tensor]
Indices = NDArray[np.int64]


class Examples(Protocol):
    """A set of examples, in shards that are read as a whole. It can be pickled.

    Attributes:
        shards: How many examples each shard has; example i is the i-th of all shards in a row.
    """

    shards: Sequence[int]

    def names(self, indices: Indices) -> list[str]:
        """Return the ids of some examples, for an error to name."""
        ...

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read and decode some examples: tensors on the CPU, the first dimension the batch.

        All chance (masks, crops) comes from `random`, so that a batch is the same whoever reads
        it. Pictures stay uint8; the device makes numbers of them.
        """
        ...


@dataclass(frozen=True)
class Outcome:
    """What an objective says of a batch.

    Attributes:
        loss: The mean over the batch; a scalar with a gradient.
        figures: Other means over the batch, detached, by name.
        weight: What the means are means of: examples, or masked tokens. 0 where there are none.
        weights: The same of figures that are means of something else, as the accuracy at a rank
            is of the records that are known there.
    """

    loss: Tensor
    figures: Mapping[str, Tensor] = field(default_factory=dict)
    weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)


class Objective(nn.Module):
    """An encoder, its heads and a loss; `forward(batch)` returns an `Outcome`.

    Its tensors are called `encoder.…` and `heads.…` in what is saved.
    """

    encoder: nn.Module

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch that lies on the device."""
        raise NotImplementedError

    def advance(self, progress: float) -> None:
        """Hear how much of the training is done, 0 to 1; called before each step."""

    def stepped(self, progress: float) -> None:
        """Hear that a step was taken, and how much of the training is done with it."""

    def stage(self, _progress: float, /) -> int:
        """Return how many parts of the loss have begun by then; at another its figures differ."""
        return 0

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again, as JSON can hold it.

        {"kind": ..., "encoder": {"kind": ..., **config}, "heads": {...}}
        """
        raise NotImplementedError


class WholeObjective(Objective):
    """One whose loss is of all examples of a batch together, and no mean over them.

    It is learnt as a whole however the batch is cut into pieces, in one process or in several.
    """

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch that lies on the device."""
        return self.outcome(self.rows(batch), self.facts(batch))

    def rows(self, batch: Batch) -> dict[str, Tensor]:
        """Return what the loss sees of examples, a row each; no row knows of another example."""
        raise NotImplementedError

    def facts(self, batch: Batch) -> Batch:
        """Return what else the loss sees of them, a row each; it has no gradient."""
        raise NotImplementedError

    def outcome(self, rows: Mapping[str, Tensor], facts: Batch) -> Outcome:
        """Return the loss of all rows of a batch; there is no chance in it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Task:
    """Everything that a run trains.

    Attributes:
        objective: What is trained.
        train: Examples to learn from.
        valid: Examples that are only looked at; None where there are none.
        card: What the data are: source, counts, taxonomy lock, licences.
        sampler: Which examples an epoch shows; each once if not given.
    """

    objective: Objective
    train: Examples
    valid: Examples | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    sampler: Sampler | None = None
