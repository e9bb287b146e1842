"""Orders of an epoch in which rare classes are seen more often, and the unlabelled too.

An order is a function of the seed and the number of the epoch alone, so that a run that was cut
off goes on by its position. Records are drawn at even steps along their weights: each comes as
often as its weight says, rounded up or down, and not more often by luck.

Reference: Romeijn et al., MycoAI, Molecular Ecology Resources 2024 (the weights).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError
from merian.learn.rank_labels import UNKNOWN

__all__ = ["balanced_order", "record_weights"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    window: int = 8,
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
    """
    codes = np.asarray(labels, np.int64)
    known = codes >= 0
    if not len(codes):
        return np.empty(0, np.int64)
    if unlabelled is not None and not 0 <= unlabelled <= 1:
        raise InputError(f"a share of {unlabelled} without a label; 0 to 1 expected")
    if shards is not None and sum(shards) != len(codes):
        raise InputError(f"shards of {sum(shards)} records, and {len(codes)} labels")
    size = len(codes) if size is None else size
    share = float((~known).mean()) if unlabelled is None else unlabelled
    share = {0: 0.0, len(codes): 1.0}.get(int((~known).sum()), share)
    random = np.random.default_rng([seed, epoch])
    without = round(size * share)
    found = np.concatenate([
        _drawn(record_weights(codes, power), size - without, random),
        _drawn((codes == UNKNOWN).astype(np.float64), without, random),
    ])  # fmt: skip
    mixed = random.permutation(found)
    if shards is None:
        return mixed
    turn = np.empty(len(shards), np.int64)
    turn[random.permutation(len(shards))] = np.arange(len(shards))
    shard = np.searchsorted(np.cumsum(shards), mixed, side="right")
    return mixed[np.argsort(turn[shard] // window, kind="stable")]


def _drawn(weights: Floats, size: int, random: np.random.Generator) -> Numbers:
    """Draw records at even steps along their weights, which stand in an order of chance."""
    order = random.permutation(len(weights))
    ends = np.cumsum(weights[order])
    begin = random.random()
    if not size:
        return np.empty(0, np.int64)
    steps = (np.arange(size) + begin) / size * ends[-1]
    place = np.searchsorted(ends, steps, side="right")
    # Rounding may lead past the end, or to a record of weight 0 that stands there.
    last = int(np.flatnonzero(weights[order] > 0)[-1])
    return order[np.minimum(place, last)]
