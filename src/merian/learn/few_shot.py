"""What a few examples of each class teach: the nearest class mean (SimpleShot).

Vectors are centred by the mean of what there is to learn from and brought to unit length; a class
is the mean of its supports, and the nearest mean answers. Supports are drawn from what may be
learnt from and from nothing else: a support that is itself asked for would name itself, so records
that stand on both sides are refused.

Reference: Wang et al., SimpleShot, 2019, arXiv:1911.04623.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = ["Items", "SimpleShot", "draw_supports", "few_shot_answers", "fit_simple_shot"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Items:
    """Records with vectors.

    Attributes:
        ids: Of each; the same record has the same id wherever it stands.
        vectors: float[n, d].
        labels: int[n]; the class of each, from 0 on.
    """

    ids: Sequence[str]
    vectors: NDArray[np.floating]
    labels: Numbers

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors) == len(self.labels):
            raise InputError(
                f"{len(self.ids)} ids, {len(self.vectors)} vectors and {len(self.labels)} labels; "
                "one of each for every record expected"
            )


@dataclass(frozen=True)
class SimpleShot:
    """Class means.

    Attributes:
        classes: int64[c].
        middle: float64[d]; what vectors are centred by.
        means: float64[c, d]; of centred vectors of unit length.
    """

    classes: Numbers
    middle: Floats
    means: Floats

    def predict(self, vectors: ArrayLike) -> Numbers:
        """Return the class whose mean is nearest; of a tie the first."""
        x = _centred(vectors, self.middle)
        near = x @ self.means.T - 0.5 * (self.means**2).sum(1)
        return self.classes[near.argmax(1)]


def fit_simple_shot(vectors: ArrayLike, labels: ArrayLike, middle: ArrayLike) -> SimpleShot:
    """Take the mean of each class.

    Args:
        vectors: float[n, d]; the supports.
        labels: int[n].
        middle: float[d]; the mean of all that there is to learn from.
    """
    centre = np.asarray(middle, np.float64)
    x, (classes, place) = _centred(vectors, centre), np.unique(labels, return_inverse=True)
    means = np.zeros((len(classes), x.shape[1]))
    np.add.at(means, place, x)
    means /= np.bincount(place)[:, None]
    return SimpleShot(classes.astype(np.int64), centre, means)


def draw_supports(labels: ArrayLike, k: int, random: np.random.Generator) -> Numbers:
    """Return the numbers of k records of each class, of a smaller class all it has."""
    if k < 1:
        raise InputError(f"{k} supports of a class; one or more expected")
    at = np.asarray(labels, np.int64)
    drawn = [random.permutation(np.flatnonzero(at == one))[:k] for one in np.unique(at)]
    return np.concatenate(drawn).astype(np.int64)


def few_shot_answers(
    known: Items, asked: Items, k: int, *, draws: int = 5, seed: int = 0
) -> Numbers:
    """Return int64[draws, n]: what supports drawn from the known say of those asked.

    Args:
        known: What may be learnt from: the part to train on.
        asked: Of another part; a record that stands in both is refused. Labels are not looked at.
        k: Supports of a class.
        draws: How often they are drawn.
        seed: Of drawing.
    """
    both = set(known.ids) & set(asked.ids)
    if both:
        first = next(name for name in asked.ids if name in both)
        raise InputError(
            f"{len(both)} of the {len(known.ids)} records to draw supports from are among the "
            f"{len(asked.ids)} asked for, first {first!r}; a support would name itself: draw "
            "supports from the part to train on alone"
        )
    random, middle = np.random.default_rng(seed), np.asarray(known.vectors, np.float64).mean(0)
    found = np.empty((draws, len(asked.ids)), np.int64)
    for each in found:
        rows = draw_supports(known.labels, k, random)
        told = fit_simple_shot(known.vectors[rows], known.labels[rows], middle)
        each[:] = told.predict(asked.vectors)
    return found


def _centred(vectors: ArrayLike, middle: Floats) -> Floats:
    x: Floats = np.asarray(vectors, np.float64) - middle
    length = np.linalg.norm(x, axis=1, keepdims=True)
    found: Floats = x / np.where(length > 0, length, 1)
    return found
