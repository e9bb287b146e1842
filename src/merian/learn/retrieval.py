"""Naming by the nearest key, and how often that is right: the protocol of CLIBD, with intervals.

Keys and queries are vectors of any modality in one space, of two together as their mean, or side
by side. A query's answer at every rank is what the nearest key is called there; it is right among
the first k if one of the k nearest is called so. Of the species that were learned from and of the
others shares are told apart, with their harmonic mean; micro over queries, macro over the true
taxa of a rank. Intervals draw units (species, genera) again, and two ways of asking are compared
on the same draws.

Reference: Gong et al., CLIBD, ICLR 2025, arXiv:2405.17537.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError
from merian.learn.bootstrap import Interval, middle
from merian.learn.probes import nearest

__all__ = [
    "Asked", "Scores", "all_keys", "harmonic_mean", "less", "mean_of", "right_among", "scores",
    "side_by_side",
]  # fmt: skip

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]

_ROUNDS = 1000
_AT_A_TIME = 1 << 22  # numbers


@dataclass(frozen=True)
class Asked:
    """What is known of the queries at one rank.

    Attributes:
        classes: int64[n]; the true taxon at the rank, -1 where not known.
        seen: bool[n]; whether the species was learned from.
        units: int64[n]; what is drawn again: the species, or the genus.
    """

    classes: Numbers
    seen: NDArray[np.bool_]
    units: Numbers


@dataclass(frozen=True)
class Scores:
    """Shares that are right, with intervals.

    Attributes:
        seen: Of queries of species that were learned from.
        unseen: Of the others.
        harmonic: Their harmonic mean, of each draw anew.
    """

    seen: Interval
    unseen: Interval
    harmonic: Interval


def mean_of(*vectors: ArrayLike, weights: Sequence[float] | None = None) -> Vectors:
    """Return the mean of vectors of the same records in one space, each of unit length before.

    Args:
        vectors: float[n, d] each.
        weights: Of each; alike if not given.
    """
    shares = [1.0] * len(vectors) if weights is None else weights
    rows = [_unit(some) * np.float32(w) for some, w in zip(vectors, shares, strict=True)]
    if len({some.shape for some in rows}) != 1:
        told = ", ".join(str(list(some.shape)) for some in rows)
        raise InputError(f"a mean of vectors {told}; the same records in one space expected")
    return np.asarray(sum(rows[1:], rows[0]) / np.float32(sum(shares)), np.float32)


def side_by_side(*vectors: ArrayLike) -> Vectors:
    """Return vectors of the same records next to each other, each of unit length before."""
    rows = [_unit(some) for some in vectors]
    if len({len(some) for some in rows}) != 1:
        raise InputError("vectors side by side are of the same records")
    return np.concatenate(rows, axis=1)


def all_keys(vectors: Sequence[ArrayLike], labels: ArrayLike) -> tuple[Vectors, Numbers]:
    """Return the keys of several modalities as one set, with their labels.

    Args:
        vectors: float[m, d] of each modality, of the same records.
        labels: int64[m, ranks].
    """
    names = np.asarray(labels, np.int64)
    rows = [_unit(some) for some in vectors]
    if any(len(some) != len(names) for some in rows):
        raise InputError(f"keys of {[len(r) for r in rows]} records, labels of {len(names)}")
    return np.concatenate(rows), np.concatenate([names] * len(rows))


def right_among(
    queries: ArrayLike,
    keys: ArrayLike,
    truth: ArrayLike,
    labels: ArrayLike,
    ks: Sequence[int] = (1,),
) -> Floats:
    """Return float[n, ranks, ks]: 1 where the true name is among those of the k nearest keys.

    Args:
        queries: float[n, d].
        keys: float[m, d].
        truth: int64[n, ranks]; the queries' names, -1 where not known: there it is NaN.
        labels: int64[m, ranks]; the keys' names; -1 is never right.
        ks: How many of the nearest count.
    """
    true, names = np.asarray(truth, np.int64), np.asarray(labels, np.int64)
    if true.ndim != 2 or names.ndim != 2 or true.shape[1] != names.shape[1]:
        raise InputError(f"names {list(true.shape)} and {list(names.shape)}; [n, ranks] expected")
    if not ks or min(ks) < 1:
        raise InputError(f"the {list(ks)} nearest; numbers from 1 on expected")
    found = nearest(queries, keys, max(ks)).references
    if len(found) != len(true) or np.asarray(keys).shape[0] != len(names):
        raise InputError(
            f"names of {len(true)} queries and {len(names)} keys; one of each expected"
        )
    same = (names[found] == true[:, None]) & (true >= 0)[:, None]  # n, k, ranks
    first = np.logical_or.accumulate(same, axis=1)
    places = [min(k, found.shape[1]) - 1 for k in ks]
    right = first[:, places].transpose(0, 2, 1).astype(np.float64)
    right[true < 0] = math.nan
    return right


def harmonic_mean(one: ArrayLike, other: ArrayLike) -> Floats:
    """Return 2 / (1 / a + 1 / b); 0 where one of them is."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    total = a + b
    return np.asarray(np.divide(2 * a * b, total, where=total > 0, out=np.zeros_like(total)))


def scores(
    right: ArrayLike, asked: Asked, *, macro: bool, rounds: int = _ROUNDS, seed: int = 0
) -> Scores:
    """Return the shares of queries that are right.

    Args:
        right: float[n]; 1 or 0 of each query, NaN where it cannot be told.
        asked: What is known of them.
        macro: Whether each taxon counts alike, or each query.
        rounds: Of drawing.
        seed: Of drawing.
    """
    seen, unseen = _sides(right, asked, macro, rounds, seed)
    return Scores(
        _interval(seen.value, seen.drawn, seen),
        _interval(unseen.value, unseen.drawn, unseen),
        _interval(*_harmonic(seen, unseen), seen, unseen),
    )


def less(
    right: ArrayLike, other: ArrayLike, asked: Asked, *, macro: bool, rounds: int = _ROUNDS,
    seed: int = 0,
) -> Scores:  # fmt: skip
    """Return the shares of one way of asking less those of another, on the same draws.

    Args:
        right: float[n]; of one way.
        other: float[n]; of the other, for the same queries.
        asked: What is known of them.
        macro: Whether each taxon counts alike, or each query.
        rounds: Of drawing.
        seed: Of drawing.
    """
    seen, unseen = _sides(right, asked, macro, rounds, seed)
    its_seen, its_unseen = _sides(other, asked, macro, rounds, seed)
    value, drawn = _harmonic(seen, unseen)
    its_value, its_drawn = _harmonic(its_seen, its_unseen)
    return Scores(
        _interval(seen.value - its_seen.value, seen.drawn - its_seen.drawn, seen),
        _interval(unseen.value - its_unseen.value, unseen.drawn - its_unseen.drawn, unseen),
        _interval(value - its_value, drawn - its_drawn, seen, unseen),
    )


@dataclass(frozen=True)
class _Side:
    """A share of seen or of unseen queries: of all, and of each draw."""

    value: float
    drawn: Floats
    n: int
    groups: int


def _sides(
    right: ArrayLike, asked: Asked, macro: bool, rounds: int, seed: int
) -> tuple[_Side, _Side]:
    """Return what is right of seen and of unseen queries, each drawn by itself."""
    seen = _side(right, asked, True, macro, rounds, seed)
    return seen, _side(right, asked, False, macro, rounds, seed + 1)


def _side(right: ArrayLike, asked: Asked, seen: bool, macro: bool, rounds: int, seed: int) -> _Side:
    values = np.asarray(right, np.float64)
    if not len(values) == len(asked.classes) == len(asked.seen) == len(asked.units):
        raise InputError(
            f"{len(values)} answers to {len(asked.classes)} queries; one each expected"
        )
    there = ~np.isnan(values) & (asked.seen == seen) & (asked.classes >= 0)
    if not there.any():
        return _Side(math.nan, np.full(rounds, math.nan), 0, 0)
    kind = np.unique(asked.classes[there], return_inverse=True)[1]
    kind = kind if macro else np.zeros_like(kind)
    order = np.argsort(kind, kind="stable")
    x, kind = values[there][order], kind[order]
    unit = np.unique(asked.units[there], return_inverse=True)[1][order]
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    groups = int(unit.max()) + 1
    value = float(_share(x, unit, starts, np.ones((1, groups)))[0])
    drawn = [_share(x, unit, starts, some) for some in _draws(groups, len(x), rounds, seed)]
    return _Side(value, np.concatenate(drawn), len(x), groups)


def _share(x: Floats, unit: Numbers, starts: Numbers, times: Floats) -> Floats:
    """Return the mean over the taxa that are drawn of their shares, for each row of times.

    Args:
        x: float[n]; of the queries, those of a taxon together.
        unit: int64[n]; what is drawn.
        starts: Where each taxon begins.
        times: float[rounds, units]; how often each unit is drawn.
    """
    weight = times[:, unit]
    right = np.add.reduceat(weight * x, starts, axis=1)
    all_of = np.add.reduceat(weight, starts, axis=1)
    share = np.divide(right, all_of, where=all_of > 0, out=np.zeros_like(all_of))
    return np.asarray(share.sum(1) / (all_of > 0).sum(1), np.float64)


def _draws(groups: int, width: int, rounds: int, seed: int) -> Iterator[Floats]:
    """Yield how often each unit is drawn, few rounds at a time to stay small."""
    random, left = np.random.default_rng(seed), rounds
    while left > 0:
        some = min(left, max(1, _AT_A_TIME // width))
        yield random.multinomial(groups, np.full(groups, 1 / groups), some).astype(np.float64)
        left -= some


def _harmonic(seen: _Side, unseen: _Side) -> tuple[float, Floats]:
    value = float(harmonic_mean(seen.value, unseen.value))
    return value, harmonic_mean(seen.drawn, unseen.drawn)


def _interval(value: float, drawn: Floats, *sides: _Side) -> Interval:
    n, groups = sum(side.n for side in sides), sum(side.groups for side in sides)
    # One unit drawn again is always itself, which would look certain.
    low, high = middle(drawn) if groups > 1 else (math.nan, math.nan)
    return Interval(value, low, high, n, groups)


def _unit(vectors: ArrayLike) -> Vectors:
    found = np.asarray(vectors, np.float32)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    length[length == 0] = 1
    return np.asarray(found / length, np.float32)
