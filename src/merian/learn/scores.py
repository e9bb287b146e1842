"""Scores of answers with one class each: the share that is right, and means over classes.

Where classes are of different size, the share that is right tells of the large ones. Balanced
accuracy is the mean over classes of the share of a class that is found (its recall); macro-F1 is
the mean over classes of F1, the harmonic mean of that and of the share that is right of what is
called so. The classes are those of the truth: an answer that is none of them, as -1 for no answer,
counts as wrong where it was given and nowhere else.

Several runs (seeds) answer for the same records: a score is then the mean over the runs, and its
interval draws a record, or a group of records, with what all runs say of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError
from merian.learn.bootstrap import Interval, Metric, interval_of

__all__ = ["SCORES", "accuracy", "balanced_accuracy", "macro_f1", "score_difference",
           "score_interval", "scored"]  # fmt: skip

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Score = Callable[[ArrayLike, ArrayLike], float]


def accuracy(truth: ArrayLike, told: ArrayLike) -> float:
    """Return the share of the records that are told rightly; NaN of none."""
    right, size, _ = _counts(truth, told)
    return float(right.sum() / size.sum()) if len(size) else float("nan")


def balanced_accuracy(truth: ArrayLike, told: ArrayLike) -> float:
    """Return the mean over the classes of the truth of their recall; NaN of none."""
    right, size, _ = _counts(truth, told)
    return float((right / size).mean()) if len(size) else float("nan")


def macro_f1(truth: ArrayLike, told: ArrayLike) -> float:
    """Return the mean over the classes of the truth of F1; NaN of none."""
    right, size, called = _counts(truth, told)
    return float((2 * right / (size + called)).mean()) if len(size) else float("nan")


SCORES: dict[str, Score] = {
    "macro-F1": macro_f1, "balanced accuracy": balanced_accuracy, "accuracy": accuracy,
}  # fmt: skip


def scored(score: Score, truth: ArrayLike, told: ArrayLike) -> Metric:
    """Return a score as a figure of some records, given by their numbers.

    Args:
        score: One of `SCORES`.
        truth: int[n]; the class of each, from 0 on.
        told: int[n], or int[runs, n] for the mean over runs.
    """
    true, runs = np.asarray(truth, np.int64), np.atleast_2d(np.asarray(told, np.int64))
    if true.ndim != 1 or runs.shape[1:] != true.shape or not len(runs):
        raise InputError(
            f"answers {list(runs.shape)} to {list(true.shape)} records; one of each record, or "
            "[runs, records] expected"
        )
    return lambda rows: float(np.mean([score(true[rows], run[rows]) for run in runs]))


def score_interval(
    score: Score, truth: ArrayLike, told: ArrayLike, groups: ArrayLike | None = None,
    *, rounds: int = 1000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return a score with its interval.

    Args:
        score: One of `SCORES`.
        truth: int[n]; the class of each, from 0 on.
        told: int[n], or int[runs, n] for the mean over runs.
        groups: Of each record, drawn together: near-duplicates, or the class. Each by itself if
            not given.
        rounds: Of drawing.
        seed: Of drawing.
    """
    metric = scored(score, truth, told)
    return interval_of(metric, len(np.asarray(truth)), groups, rounds=rounds, seed=seed)


def score_difference(
    score: Score, truth: ArrayLike, told: ArrayLike, other: ArrayLike,
    groups: ArrayLike | None = None, *, rounds: int = 1000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return a score less that of other answers to the same records, drawn together.

    Args:
        score: One of `SCORES`.
        truth: int[n]; the class of each, from 0 on.
        told: int[n] or int[runs, n].
        other: The same of the other; it may have another number of runs.
        groups: As in `score_interval`.
        rounds: Of drawing.
        seed: Of drawing.
    """
    one, less = scored(score, truth, told), scored(score, truth, other)
    return interval_of(
        lambda rows: one(rows) - less(rows), len(np.asarray(truth)), groups, rounds=rounds,
        seed=seed,
    )  # fmt: skip


def _counts(truth: ArrayLike, told: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return of each class of the truth how many are told rightly, are there, are called so."""
    true, said = np.asarray(truth, np.int64), np.asarray(told, np.int64)
    if true.ndim != 1 or true.shape != said.shape:
        raise InputError(
            f"answers {list(said.shape)} to {list(true.shape)} records; one of each expected"
        )
    if len(true) and true.min() < 0:
        raise InputError(
            f"a true class is {true.min()}; 0 or higher expected: leave out what has no label"
        )
    wide = int(true.max()) + 1 if len(true) else 0
    size = np.bincount(true, minlength=wide)
    right = np.bincount(true[true == said], minlength=wide)
    called = np.bincount(said[(said >= 0) & (said < wide)], minlength=wide)
    there = size > 0
    return right[there].astype(float), size[there].astype(float), called[there].astype(float)
