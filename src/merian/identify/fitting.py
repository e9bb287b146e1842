"""Weighing what describes the outcomes: a conditional logit for each kind of outcome.

Outcomes of one query compete: the probability of one is proportional to the exponential of the
weighted sum of its numbers, with one set of weights for each rank (McFadden 1974). The weights are
drawn towards usual ones, which stand where a library is too small to say anything itself. The
problem is convex and has a hundred-odd unknowns, so Newton's method finds the one answer in a
dozen steps, whatever it starts from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merian.identify.described import Described

__all__ = ["PULL", "fit", "log_probabilities", "score", "taken"]

Floats = NDArray[np.float64]

PULL = 2.0
"""Towards the usual weights, in standard deviations of a number."""

_STEPS, _ENOUGH = 50, 1e-7


def score(described: Described, weights: Sequence[Floats]) -> Floats:
    """Return the weighted sum of every outcome."""
    found = np.empty(len(described.rung))
    for place, rows, weight in zip(described.places, described.features, weights, strict=True):
        found[place] = rows @ weight
    return found


def log_probabilities(scores: Floats, offset: NDArray[np.int64]) -> Floats:
    """Return the logarithms of probabilities that sum to 1 for each query.

    Args:
        scores: Of all outcomes.
        offset: Where those of each query begin; each has one at least.
    """
    size = np.diff(offset)
    most = np.repeat(np.maximum.reduceat(scores, offset[:-1]), size)
    total = np.add.reduceat(np.exp(scores - most), offset[:-1])
    found: Floats = scores - most - np.repeat(np.log(total), size)
    return found


def taken(described: Described, chosen: NDArray[np.bool_]) -> Described:
    """Return the queries that are chosen."""
    size = np.diff(described.offset)
    keep = np.repeat(chosen, size)
    place = np.cumsum(keep) - 1
    kept = [keep[places] for places in described.places]
    return Described(
        np.concatenate([[0], np.cumsum(size[chosen])]).astype(np.int64),
        described.rung[keep],
        described.length[chosen],
        tuple(place[p[k]] for p, k in zip(described.places, kept, strict=True)),
        tuple(rows[k] for rows, k in zip(described.features, kept, strict=True)),
    )


def fit(
    described: Described,
    true: NDArray[np.int64],
    importance: Floats,
    usual: Sequence[Floats],
    near: Sequence[Floats] | None = None,
    pull: float | Floats = PULL,
) -> list[Floats]:
    """Return the weights of each kind of outcome.

    Args:
        described: Simulated queries.
        true: The place of the true outcome of each.
        importance: Of each.
        usual: The weights that are right where nothing speaks against them.
        near: Weights from which to start, if some are known that are nearly right.
        pull: How strongly weights are drawn towards the usual ones; one for all, or one for each.
    """
    if not len(true):
        return [weight.copy() for weight in usual]
    shapes = [_shape(rows) for rows in described.features]
    rows = [
        (own - mean) / spread
        for own, (mean, spread) in zip(described.features, shapes, strict=True)
    ]
    pulled, start = (
        np.concatenate(
            [_standard(weight, *shape) for weight, shape in zip(weights, shapes, strict=True)]
        )
        for weights in (usual, near or usual)
    )
    found = _newton(described, rows, true, importance, pulled, start, pull)
    bounds = np.cumsum([0, *(r.shape[1] for r in rows)])
    return [
        _plain(found[a:b], *shape)
        for a, b, shape in zip(bounds[:-1], bounds[1:], shapes, strict=True)
    ]


def _shape(rows: Floats) -> tuple[Floats, Floats]:
    """Return the mean and spread of each number; the first is always 1 and stays so."""
    if not len(rows):
        return np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    mean[0], spread[0] = 0, 1
    return mean, spread


def _standard(weight: Floats, mean: Floats, spread: Floats) -> Floats:
    """Return weights of plain numbers as weights of standardised ones."""
    found = weight * spread
    found[0] = weight[0] + weight[1:] @ mean[1:]
    return found


def _plain(weight: Floats, mean: Floats, spread: Floats) -> Floats:
    """Return weights of standardised numbers as weights of plain ones."""
    found: Floats = weight / spread
    found[0] = weight[0] - found[1:] @ mean[1:]
    return found


def _newton(
    described: Described,
    rows: Sequence[Floats],
    true: NDArray[np.int64],
    importance: Floats,
    pulled: Floats,
    start: Floats,
    pull: float | Floats,
) -> Floats:
    """Return the best weights of standardised numbers, all in one row."""
    query, offset = described.query, described.offset
    bounds = np.cumsum([0, *(r.shape[1] for r in rows)])

    def loss(weight: Floats) -> tuple[float, Floats]:
        scores = np.empty(len(query))
        for place, r, a, b in zip(described.places, rows, bounds[:-1], bounds[1:], strict=True):
            scores[place] = r @ weight[a:b]
        log = log_probabilities(scores, offset)
        away = weight - pulled
        return float(-(importance @ log[true]) + away @ (pull * away) / 2), log

    weight = start.copy()
    value, log = loss(weight)
    for _ in range(_STEPS):
        slope, bend = _slopes(described, rows, true, importance, np.exp(log), query)
        slope += pull * (weight - pulled)
        bend[np.diag_indices_from(bend)] += pull
        step = np.linalg.solve(bend, slope)
        gain = float(slope @ step)
        size = 1.0
        while size > 1e-6:
            tried, tried_log = loss(weight - size * step)
            if tried <= value - size * gain / 10:
                weight, value, log = weight - size * step, tried, tried_log
                break
            size /= 2
        if size <= 1e-6 or gain < _ENOUGH * max(1.0, abs(value)):
            break
    return weight


def _slopes(
    described: Described,
    rows: Sequence[Floats],
    true: NDArray[np.int64],
    importance: Floats,
    probability: Floats,
    query: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Return the first and second derivatives of the loss, without the pull."""
    heavy = probability * importance[query]
    excess = heavy.copy()
    excess[true] -= importance
    count = len(importance)
    bounds = np.cumsum([0, *(r.shape[1] for r in rows)])
    slope, bend = np.empty(bounds[-1]), np.zeros((bounds[-1], bounds[-1]))
    mean = np.zeros((count, bounds[-1]))
    for place, r, a, b in zip(described.places, rows, bounds[:-1], bounds[1:], strict=True):
        slope[a:b] = r.T @ excess[place]
        bend[a:b, a:b] = r.T @ (r * heavy[place][:, None])
        if len(place):
            owner = query[place]
            begin = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
            mean[owner[begin], a:b] = np.add.reduceat(r * probability[place][:, None], begin)
    bend -= mean.T @ (mean * importance[:, None])
    return slope, bend
