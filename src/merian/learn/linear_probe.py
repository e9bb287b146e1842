"""A linear classifier on frozen vectors: in closed form, or by steps as the papers do it.

Both first bring each number to mean 0 and variance 1. The closed form is ridge regression on
one-hot targets; how much it is held back is chosen by leaving out each record in turn, which has a
closed form too. The steps are those of logistic regression, with momentum.

References: Hoerl & Kennard, Ridge regression, Technometrics 1970; Golub, Heath & Wahba,
Generalized cross-validation, Technometrics 1979; Millan Arias et al., BarcodeBERT, 2026 (the
protocol of the steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = ["LinearProbe", "fit_by_steps", "fit_ridge", "left_out_errors"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_RIDGES = tuple(10.0**power for power in range(-3, 6))
_ROWS = 4096  # at a time
_JUDGED = 20_000  # records that the choice of the ridge is made on, at most


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier.

    Attributes:
        classes: int64[c]; what its outputs stand for.
        weights: float64[d, c]; for the vectors as they come.
        bias: float64[c].
        ridge: What the closed form was held back by; 0 where it was fitted by steps.
    """

    classes: Numbers
    weights: Floats
    bias: Floats
    ridge: float = 0.0

    def predict(self, vectors: ArrayLike) -> Numbers:
        """Return the class of each vector; of a tie the lowest."""
        asked = np.asarray(vectors)
        found = np.empty(len(asked), np.int64)
        for start in range(0, len(asked), _ROWS):
            few = asked[start : start + _ROWS].astype(np.float64)
            scores = few @ self.weights + self.bias
            found[start : start + len(few)] = self.classes[scores.argmax(1)]
        return found


def fit_ridge(
    vectors: ArrayLike, labels: ArrayLike, ridges: Sequence[float] = _RIDGES
) -> LinearProbe:
    """Fit by ridge regression; of the ridges the one with the least error of records left out.

    Args:
        vectors: float[n, d].
        labels: The class of each, 0 or higher; records with -1 are left out.
        ridges: What may be added to the squares, for numbers of variance 1.
    """
    x, place, classes = _told(vectors, labels)
    _check_ridges(ridges)
    best = int(np.argmin(left_out_errors(vectors, labels, ridges))) if len(ridges) > 1 else 0
    ridge, system = float(ridges[best]), _system(x, place, len(classes))
    weights = system.axes @ system.weights(ridge) / system.spread[:, None]
    return LinearProbe(classes, weights, system.share - system.middle @ weights, ridge)


def left_out_errors(
    vectors: ArrayLike, labels: ArrayLike, ridges: Sequence[float] = _RIDGES
) -> list[float]:
    """Return for each ridge the mean squared error of a record by the probe of all others.

    In closed form: the error of the probe of all, over 1 less what the record itself weighs in it.
    Of many records an even part is judged.

    Args:
        vectors: float[n, d].
        labels: The class of each, 0 or higher; records with -1 are left out.
        ridges: What may be added to the squares, for numbers of variance 1.
    """
    _check_ridges(ridges)
    x, place, classes = _told(vectors, labels)
    system, n = _system(x, place, len(classes)), len(x)
    few = np.linspace(0, n - 1, min(n, _JUDGED)).astype(np.int64)
    along, at = ((x[few] - system.middle) / system.spread) @ system.axes, place[few]
    found = []
    for ridge in ridges:
        total, weights = 0.0, system.weights(ridge)
        for start in range(0, len(along), _ROWS):
            some, true = along[start : start + _ROWS], at[start : start + _ROWS]
            lever = 1 / n + (some**2 / (system.values + ridge)).sum(1)
            error = some @ weights + system.share
            error[np.arange(len(true)), true] -= 1
            total += float(((error / np.maximum(1 - lever, 1e-9)[:, None]) ** 2).sum())
        found.append(total / len(along))
    return found


@dataclass(frozen=True)
class _System:
    """The squares of vectors of mean 0 and variance 1, along their own axes."""

    middle: Floats
    spread: Floats
    share: Floats  # of the records, that each class has
    values: Floats
    axes: Floats
    turned: Floats  # [d, c]; what one-hot targets say along each axis

    def weights(self, ridge: float) -> Floats:
        """Return float64[d, c], along the axes."""
        return self.turned / (self.values + ridge)[:, None]


def _system(x: Floats, place: Numbers, classes: int) -> _System:
    middle, spread = _spread(x)
    square, sums = np.zeros((x.shape[1], x.shape[1])), np.zeros((classes, x.shape[1]))
    for start in range(0, len(x), _ROWS):
        few = (x[start : start + _ROWS] - middle) / spread
        square += few.T @ few
        np.add.at(sums, place[start : start + _ROWS], few)
    values, axes = np.linalg.eigh(square)
    share = np.bincount(place, minlength=classes) / len(x)
    return _System(middle, spread, share, np.maximum(values, 0.0), axes, axes.T @ sums.T)


def _check_ridges(ridges: Sequence[float]) -> None:
    if not len(ridges) or min(ridges) <= 0:
        raise InputError("the ridges to choose from must be above 0")


def fit_by_steps(
    vectors: ArrayLike,
    labels: ArrayLike,
    *,
    epochs: int = 200,
    batch: int = 1024,
    rate: float = 0.01,
    momentum: float = 0.9,
    decay: float = 1e-5,
    seed: int = 0,
) -> LinearProbe:
    """Fit logistic regression by stochastic gradient descent; the defaults are BarcodeBERT's.

    Args:
        vectors: float[n, d].
        labels: The class of each, 0 or higher; records with -1 are left out.
        epochs: How often each record is seen.
        batch: Records of a step.
        rate: Of learning.
        momentum: What is kept of the step before.
        decay: Of the weights, added to the gradient.
        seed: Of the order.
    """
    x, place, classes = _told(vectors, labels)
    middle, spread = _spread(x)
    x = (x - middle) / spread
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)  # the last weight is the bias
    random = np.random.default_rng(seed)
    weights = np.zeros((x.shape[1], len(classes)))
    moved = np.zeros_like(weights)
    for _ in range(epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            few, at = x[rows], place[rows]
            scores = few @ weights
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(rows)), at] -= 1
            moved = momentum * moved + few.T @ p / len(rows) + decay * weights
            weights -= rate * moved
    plain = weights[:-1] / spread[:, None]
    return LinearProbe(classes, plain, weights[-1] - middle @ plain)


def _told(vectors: ArrayLike, labels: ArrayLike) -> tuple[Floats, Numbers, Numbers]:
    """Return the vectors that have a label, the place of their class, and the classes."""
    x, codes = np.asarray(vectors), np.asarray(labels, np.int64)
    if x.ndim != 2 or codes.shape != (len(x),) or not np.isfinite(x).all():
        raise InputError(
            f"vectors {list(x.shape)} and labels {list(codes.shape)}; "
            "finite numbers [n, d] and a label of each expected"
        )
    known = codes >= 0
    if not known.any():
        raise InputError("none of the vectors has a label; a probe needs some")
    classes, place = np.unique(codes[known], return_inverse=True)
    return x[known].astype(np.float64), place.astype(np.int64), classes


def _spread(x: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of each number; 1 for one that never changes."""
    middle, spread = x.mean(0), x.std(0)
    return middle, np.where(spread > 1e-12 * np.maximum(np.abs(middle), 1), spread, 1.0)
