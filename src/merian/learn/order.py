"""The order in which an epoch shows its examples: shuffled, and known from its position alone.

The shards are shuffled, taken a few at a time, and the examples of those few are shuffled
together, so that a reader holds few shards at once and still mixes well. The order is a function
of the seed and the epoch: a run that was killed goes on at the position where it was, with nothing
else to remember.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["WINDOW", "epoch_order", "shard_starts", "shuffled", "stream"]

Indices = NDArray[np.int64]

WINDOW = 8  # shards that are mixed with each other, and that a reader keeps


def shard_starts(shards: Sequence[int]) -> Indices:
    """Return the number of each shard's first example, and of the one behind the last."""
    counts = np.asarray(shards, np.int64).reshape(-1)
    if (counts < 0).any():
        raise InputError(f"a shard cannot hold {int(counts.min())} examples")
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def epoch_order(shards: Sequence[int], seed: int, epoch: int, window: int = WINDOW) -> Indices:
    """Return every example once, in the order of one epoch.

    Args:
        shards: How many examples each shard has; example i is the i-th of all shards in a row.
        seed: Of the run, 0 or more.
        epoch: Its number, from 0.
        window: How many shards are mixed with each other.
    """
    if seed < 0 or epoch < 0 or window < 1:
        raise InputError(
            f"the order of an epoch needs a seed and an epoch of 0 or more and a window of 1 or "
            f"more; found {seed}, {epoch} and {window}"
        )
    starts = shard_starts(shards)
    chance = stream(seed, epoch)
    order = shuffled(np.arange(len(starts) - 1), chance)
    pieces = []
    for first in range(0, len(order), window):
        few = [np.arange(starts[s], starts[s + 1]) for s in order[first : first + window]]
        pieces.append(shuffled(np.concatenate(few), chance))
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def stream(seed: int, epoch: int) -> np.random.PCG64:
    """Return the chance of an epoch.

    numpy keeps the raw numbers of a generator the same in all its versions, and nothing that is
    made of them: a run must go on in the same order after numpy was renewed.
    """
    return np.random.PCG64(np.random.SeedSequence((seed, epoch)))


def shuffled(items: Indices, chance: np.random.PCG64) -> Indices:
    """Return items in a random order."""
    return items[np.argsort(chance.random_raw(len(items)), kind="stable")]
