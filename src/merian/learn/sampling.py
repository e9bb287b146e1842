"""Orders of an epoch in which rare classes are seen more often, and the unlabelled too.

An order is a function of the seed and the number of the epoch alone, so that a run that was cut
off goes on by its position. Records are drawn at even steps along their weights: each comes as
often as its weight says, rounded up or down, and not more often by luck. Records of a class may
come in groups, side by side, for losses that compare the records of a batch.

Reference: Romeijn et al., MycoAI, Molecular Ecology Resources 2024 (the weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError
from merian.learn.order import WINDOW, shard_starts, shuffled, stream

__all__ = ["Sampler", "balanced_order", "record_weights"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Which examples each epoch shows; see `balanced_order`.

    Attributes:
        labels: The class of each example; -1 where it is not known.
        seed: Of the run.
        power: Of the counts of the classes.
        unlabelled: Share of an epoch that has no label; as in the data if not given.
        members: Examples of a class that stand side by side.
        shards: How many examples each shard holds.
        window: Shards that are open at a time.
    """

    labels: Numbers
    seed: int
    power: float = 0.5
    unlabelled: float | None = None
    members: int = 1
    shards: Sequence[int] | None = None
    window: int = WINDOW
    _kept: dict[int, Numbers] = field(default_factory=dict, init=False, repr=False)

    @property
    def size(self) -> int:
        """How many examples an epoch has: as many as there are, in whole groups."""
        return max(len(self.labels) // self.members, 1) * self.members

    def order(self, epoch: int) -> Numbers:
        """Return the examples of an epoch; the last two are kept, as a batch may reach over."""
        if epoch not in self._kept:
            found = balanced_order(
                self.labels, self.seed, epoch,
                power=self.power, unlabelled=self.unlabelled, size=self.size,
                shards=self.shards, window=self.window, members=self.members,
            )  # fmt: skip
            while len(self._kept) > 1:
                del self._kept[min(self._kept)]
            self._kept[epoch] = found
        return self._kept[epoch]


def record_weights(labels: ArrayLike, power: float = 0.5) -> Floats:
    """Return n_c^-power for each record, n_c the records of its class; 0 for the unlabelled.

    Args:
        labels: The class of each record; -1 where it is not known.
        power: 0 takes records alike, 1 takes classes alike.
    """
    codes = np.asarray(labels, np.int64)
    known = codes >= 0
    if not known.any():
        return np.zeros(len(codes))
    count = np.bincount(codes[known])
    return np.where(known, np.maximum(count[codes], 1).astype(np.float64) ** -power, 0.0)


def balanced_order(
    labels: ArrayLike,
    seed: int,
    epoch: int,
    *,
    power: float = 0.5,
    unlabelled: float | None = None,
    size: int | None = None,
    shards: Sequence[int] | None = None,
    window: int = WINDOW,
    members: int = 1,
) -> Numbers:
    """Return which records an epoch shows, and in which order.

    Args:
        labels: The class of each record at one rank; -1 where it is not known.
        seed: Of the run.
        epoch: Its number.
        power: Of the counts of the classes, as in `record_weights`.
        unlabelled: Share of the epoch that has no label; as in the data if not given.
        size: Records of the epoch; as many as there are if not given.
        shards: How many records each shard holds; the order then reads `window` of them at a time.
            Otherwise records come from anywhere.
        window: Shards that are open at a time.
        members: Records of a class that stand side by side, all different where the class (in
            these shards) has as many. Those without a label stand side by side as well.
    """
    codes = np.asarray(labels, np.int64)
    known = codes >= 0
    if not len(codes):
        return np.empty(0, np.int64)
    if unlabelled is not None and not 0 <= unlabelled <= 1:
        raise InputError(f"a share of {unlabelled} without a label; 0 to 1 expected")
    if shards is not None and sum(shards) != len(codes):
        raise InputError(f"shards of {sum(shards)} records, and {len(codes)} labels")
    if members < 1 or window < 1:
        raise InputError(f"groups of {members} and a window of {window}; 1 or more expected")
    size = len(codes) if size is None else size
    share = float((~known).mean()) if unlabelled is None else unlabelled
    share = {0: 0.0, len(codes): 1.0}.get(int((~known).sum()), share)
    chance = stream(seed, epoch)
    place = _places(len(codes), shards, window, chance.jumped())
    groups = -(-size // members)
    without = round(groups * share)
    # A group is of one class, from shards that are open together.
    alike = codes if members > 1 else np.arange(len(codes))
    found = np.concatenate([
        _groups(alike, place, weights, count, members, chance)
        for weights, count in (
            (record_weights(codes, power), groups - without),
            ((~known).astype(np.float64), without),
        )
    ])  # fmt: skip
    mixed = found[shuffled(np.arange(groups), chance)]
    return mixed[np.argsort(place[mixed[:, 0]], kind="stable")].reshape(-1)[:size]


def _places(
    size: int, shards: Sequence[int] | None, window: int, chance: np.random.PCG64
) -> Numbers:
    """Return of each record when its shard is read: the number of its window."""
    if shards is None:
        return np.zeros(size, np.int64)
    turn = np.empty(len(shards), np.int64)
    turn[shuffled(np.arange(len(shards)), chance)] = np.arange(len(shards))
    shard = np.searchsorted(shard_starts(shards), np.arange(size), side="right") - 1
    found: Numbers = turn[shard] // window
    return found


def _groups(
    alike: Numbers,
    place: Numbers,
    weights: Floats,
    count: int,
    members: int,
    chance: np.random.PCG64,
) -> Numbers:
    """Return int64[count, members]: groups of records that are alike and lie at one place."""
    there = shuffled(np.flatnonzero(weights > 0), chance)
    at = alike[there] * (int(place.max(initial=0)) + 1) + place[there]
    cells, cell = np.unique(at, return_inverse=True)
    heavy = np.bincount(cell, weights[there], len(cells)).astype(np.float64)
    drawn = _drawn(heavy, count, chance)
    held = there[np.argsort(cell, kind="stable")]
    size = np.bincount(cell, minlength=len(cells))
    begin = np.cumsum(size) - size
    # The groups of a cell go through its records, round and round.
    by_cell = np.argsort(drawn, kind="stable")
    times = np.bincount(drawn, minlength=len(size))
    turn = np.empty(count, np.int64)
    turn[by_cell] = np.arange(count) - np.repeat(np.cumsum(times) - times, times)
    step = turn[:, None] * members + np.arange(members)
    found: Numbers = held[begin[drawn][:, None] + step % size[drawn][:, None]]
    return found


def _drawn(weights: Floats, size: int, chance: np.random.PCG64) -> Numbers:
    """Draw places at even steps along their weights, which stand in an order of chance."""
    if not size:
        return np.empty(0, np.int64)
    order = shuffled(np.arange(len(weights)), chance)
    ends = np.cumsum(weights[order])
    begin = int(chance.random_raw()) / 2**64
    steps = (np.arange(size) + begin) / size * ends[-1]
    # Rounding may lead past the end.
    return order[np.minimum(np.searchsorted(ends, steps, side="right"), len(order) - 1)]
