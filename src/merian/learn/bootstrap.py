"""Intervals of figures, by drawing the records again, or groups of records.

Records of one genus (one specimen, one site) stand or fall together; drawn one by one they would
promise too much. Groups are drawn with replacement, and with each all its records. Two figures of
the same records are compared on the same draws.

Reference: Efron & Tibshirani, An introduction to the bootstrap, 1993 (the percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = ["Interval", "difference", "draw", "interval_of", "mean_difference", "mean_interval",
           "middle"]  # fmt: skip

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Metric = Callable[[Rows], float]
"""A figure of some records, given by their numbers; one that is drawn twice is there twice."""

_AT_A_TIME = 1 << 22  # numbers


@dataclass(frozen=True)
class Interval:
    """A figure and how sure it is.

    Attributes:
        value: The figure, of all records.
        low: The lower end; NaN where there is too little to draw from: less than two groups.
        high: The upper end.
        n: Of how many records.
        groups: In how many groups; as many as records if they were drawn one by one.
    """

    value: float
    low: float
    high: float
    n: int
    groups: int


def draw(groups: int, rounds: int, seed: int = 0) -> Floats:
    """Return float64[rounds, groups]: how often each group is drawn in each round."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=rounds).astype(np.float64)


def middle(drawn: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the middle of what was drawn; what is no number is left out."""
    if not 0 < level < 1:
        raise InputError(f"an interval of {level}; a share between 0 and 1 expected")
    values = np.asarray(drawn, np.float64)
    if np.isnan(values).all():
        return math.nan, math.nan
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a mean over records with its interval.

    Args:
        values: One of each record; NaN does not count.
        groups: Of each record; drawn together. Each by itself if not given.
        rounds: Of drawing.
        level: Of the interval.
        seed: Of drawing.
    """
    x, group = _counted(np.asarray(values, np.float64), groups)
    if not len(x):
        return Interval(math.nan, math.nan, math.nan, 0, 0)
    total, count = np.bincount(group, x), np.bincount(group).astype(np.float64)
    if len(total) < 2:  # drawn again it is always itself, which would look certain
        return Interval(float(x.mean()), math.nan, math.nan, len(x), 1)
    drawn = [(some @ total) / (some @ count) for some in _draws(len(total), rounds, seed)]
    ends = middle(np.concatenate(drawn), level)
    return Interval(float(x.mean()), *ends, len(x), len(total))


def mean_difference(
    values: ArrayLike,
    others: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean of values less others of the same records, with its interval."""
    one, other = np.asarray(values, np.float64), np.asarray(others, np.float64)
    if one.shape != other.shape:
        raise InputError(f"{one.shape} and {other.shape} values; the same records expected")
    return mean_interval(one - other, groups, rounds=rounds, level=level, seed=seed)


def interval_of(
    metric: Metric,
    records: int,
    groups: ArrayLike | None = None,
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return any figure with its interval.

    Args:
        metric: The figure of some records; NaN where it is not defined.
        records: How many there are.
        groups: Of each record; drawn together. Each by itself if not given.
        rounds: Of drawing; each asks the metric once.
        level: Of the interval.
        seed: Of drawing.
    """
    if records < 1:
        return Interval(math.nan, math.nan, math.nan, 0, 0)
    _, group = _counted(np.zeros(records), groups)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    if len(size) < 2:
        return Interval(metric(np.arange(records)), math.nan, math.nan, records, 1)
    start = np.cumsum(size) - size
    drawn = [
        metric(_records_of(times.astype(np.int64), order, start, size))
        for some in _draws(len(size), rounds, seed)
        for times in some
    ]
    return Interval(metric(np.arange(records)), *middle(drawn, level), records, len(size))


def difference(
    metric: Metric,
    other: Metric,
    records: int,
    groups: ArrayLike | None = None,
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return one figure less another of the same records, drawn together, with its interval."""
    return interval_of(
        lambda rows: metric(rows) - other(rows),
        records, groups, rounds=rounds, level=level, seed=seed,
    )  # fmt: skip


def _counted(values: Floats, groups: ArrayLike | None) -> tuple[Floats, Rows]:
    """Return the values that are numbers, and the groups of their records as numbers."""
    if values.ndim != 1:
        raise InputError(f"values {list(values.shape)}; one of each record expected")
    group = np.arange(len(values)) if groups is None else np.asarray(groups)
    if group.shape != values.shape:
        raise InputError(f"{len(values)} records in groups {list(group.shape)}; as many expected")
    there = ~np.isnan(values)
    return values[there], np.unique(group[there], return_inverse=True)[1].astype(np.int64)


def _draws(groups: int, rounds: int, seed: int) -> Iterator[Floats]:
    """Yield the rows of `draw`, few enough at a time to stay small."""
    rng = np.random.default_rng(seed)
    even, left = np.full(groups, 1 / groups), rounds
    while left > 0:
        some = min(left, max(1, _AT_A_TIME // groups))
        yield rng.multinomial(groups, even, size=some).astype(np.float64)
        left -= some


def _records_of(times: Rows, order: Rows, start: Rows, size: Rows) -> Rows:
    """Return the records of the groups that were drawn so many times."""
    drawn = np.repeat(np.arange(len(times)), times)
    lengths = size[drawn]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    return order[np.repeat(start[drawn], lengths) + within]
