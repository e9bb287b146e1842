"""Which examples go into which step, and the processes that read them.

The examples are one endless row: epoch after epoch, each in an order of its own. Step s takes the
s-th batch of that row, so that each example is seen once an epoch, a batch may reach over the end
of one, and the place in the row is known from the step alone. A batch is cut into pieces. Chance
in a piece is seeded by the step and the piece, so that it is the same whoever reads it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset
from torch.utils.data import Sampler as TorchSampler

from merian.errors import InputError, MerianError
from merian.learn.devices import Place
from merian.learn.order import epoch_order
from merian.learn.sampling import Sampler
from merian.learn.task import Batch, Examples, Indices

__all__ = ["Feed", "Piece", "Reader", "Row", "look_at"]

_TRAIN, _VALID = 1, 2  # streams of chance


@dataclass(frozen=True)
class Piece:
    """Some examples that go through the encoder together.

    Attributes:
        stream: Which stream of chance.
        step: The step.
        number: Of the piece within its step.
        indices: The examples.
    """

    stream: int
    step: int
    number: int
    indices: Indices


@dataclass(frozen=True)
class Row:
    """The endless row of examples, cut into batches and pieces.

    Attributes:
        shards: The sizes of the shards.
        seed: Of the order.
        window: How many shards are shuffled together.
        batch: Examples in a step, over all processes.
        pieces: Parts of a batch.
        sampler: Which examples an epoch shows; each once if not given.
    """

    shards: tuple[int, ...]
    seed: int
    window: int
    batch: int
    pieces: int
    sampler: Sampler | None = None

    def __len__(self) -> int:
        """Return how many examples an epoch has."""
        return sum(self.shards) if self.sampler is None else self.sampler.size

    def indices(self, step: int) -> Indices:
        """Return the examples of a step, counted from 0."""
        first, stop = step * self.batch, (step + 1) * self.batch
        size = len(self)
        parts = [
            self._epoch(epoch)[max(first - epoch * size, 0) : stop - epoch * size]
            for epoch in range(first // size, (stop - 1) // size + 1)
        ]
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> Indices:
        """Return the examples of an epoch, in its order."""
        if self.sampler is None:
            return _order(self.shards, self.seed, epoch, self.window)
        return self.sampler.order(epoch)

    def of_step(self, step: int) -> list[Piece]:
        """Return the pieces of a step."""
        cut = np.array_split(self.indices(step), self.pieces)
        return [Piece(_TRAIN, step, number, part) for number, part in enumerate(cut)]

    def epoch(self, step: int) -> float:
        """Return how often each example was seen after so many steps."""
        return step * self.batch / len(self)


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _order(shards: tuple[int, ...], seed: int, epoch: int, window: int) -> Indices:
    return epoch_order(shards, seed, epoch, window)


def look_at(
    examples: Examples, seed: int, window: int, size: int, limit: int | None
) -> list[Piece]:
    """Return the pieces of a look at examples that are held out, the same at every look."""
    order = _order(tuple(examples.shards), seed, 0, window)[:limit]
    count = max(1, -(-len(order) // size))
    return [Piece(_VALID, 0, i, part) for i, part in enumerate(np.array_split(order, count))]


class Feed(Dataset[object]):
    """Reads pieces. What cannot be read comes back as an error, whichever process met it."""

    def __init__(self, examples: Examples, seed: int) -> None:
        self.examples = examples
        self.seed = seed

    def __getitem__(self, piece: Piece) -> tuple[Piece, Batch | MerianError]:
        """Read a piece."""
        entropy = (self.seed, piece.stream, piece.step, piece.number)
        random = np.random.default_rng(np.random.SeedSequence(entropy))
        try:
            return piece, self.examples.batch(piece.indices, random)
        except MerianError as error:
            return piece, InputError(str(error))  # one that any process can pass on


class _Pieces(TorchSampler[Piece]):
    """The pieces that one process reads, in order."""

    def __init__(
        self, row: Row | None, steps: range, given: Sequence[Piece], rank: int, world: int
    ) -> None:
        self.row, self.steps, self.given = row, steps, given
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[Piece]:
        """Go through them."""
        yield from self.given[self.rank :: self.world]
        if self.row is not None:
            for step in self.steps:
                yield from self.row.of_step(step)[self.rank :: self.world]


class Reader:
    """Reads the pieces of some steps, or those given, in order; again each time it is asked.

    Args:
        examples: What is read.
        seed: Of all chance in it.
        here: Where the batches go; each process reads its own pieces.
        row: The row of examples, of which `steps` are taken.
        steps: The steps.
        given: Pieces.
        workers: Processes that read ahead.
    """

    def __init__(
        self,
        examples: Examples,
        seed: int,
        here: Place,
        *,
        row: Row | None = None,
        steps: range = range(0),
        given: Sequence[Piece] = (),
        workers: int = 0,
    ) -> None:
        workers = min(workers, _cores())  # more would wait for each other
        self._loader: Any = DataLoader(
            Feed(examples, seed),
            sampler=_Pieces(row, steps, given, here.rank, here.world),
            batch_size=None,
            num_workers=workers,
            # A forked process may hold a lock that nobody opens again.
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=_leave_interrupts if workers else None,
            persistent_workers=workers > 0 and row is None,  # they are asked again
            pin_memory=here.device.type == "cuda",
        )

    def __iter__(self) -> Iterator[tuple[Piece, Batch]]:
        """Read."""
        for piece, batch in self._loader:
            if isinstance(batch, MerianError):
                raise batch
            yield piece, batch


def _cores() -> int:
    """Return the number of cores that this process may use."""
    asked = getattr(os, "sched_getaffinity", None)
    return len(asked(0)) if asked else os.cpu_count() or 1


def _leave_interrupts(_worker: int) -> None:
    """Leave Ctrl-C to the process that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
