"""What vectors know without further training: the classes of their nearest neighbours.

All is exact and done in pieces, so that memory stays small. Ties go to the reference that stands
first, and to the class whose nearest member is nearer, so that the same vectors give the same
answers.

Reference: Caron et al., DINO, ICCV 2021, arXiv:2104.14294 (votes by the softmax of the cosine).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = ["Neighbours", "nearest", "vote", "weighted_vote"]

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

_ROWS, _COLUMNS = 1024, 16384  # cosines at a time: 64 MB


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of some queries, the nearest first.

    Attributes:
        references: int64[n, k]; their numbers.
        cosines: float32[n, k].
    """

    references: Numbers
    cosines: Floats


def nearest(queries: ArrayLike, references: ArrayLike, k: int) -> Neighbours:
    """Return the k nearest references of each query by the cosine.

    Args:
        queries: float[n, d]; rows need not have unit length.
        references: float[m, d].
        k: How many; all references if there are fewer.
    """
    asked, known = _unit(queries, "queries"), _unit(references, "references")
    if asked.shape[1] != known.shape[1]:
        raise InputError(f"queries of {asked.shape[1]} numbers, references of {known.shape[1]}")
    if k < 1 or not len(known):
        raise InputError(f"the {k} nearest of {len(known)} references; one or more expected")
    k = min(k, len(known))
    found = Neighbours(np.empty((len(asked), k), np.int64), np.empty((len(asked), k), np.float32))
    for start in range(0, len(asked), _ROWS):
        few = asked[start : start + _ROWS]
        best = Neighbours(np.empty((len(few), 0), np.int64), np.empty((len(few), 0), np.float32))
        for begin in range(0, len(known), _COLUMNS):
            best = _better(best, few @ known[begin : begin + _COLUMNS].T, begin, k)
        found.references[start : start + len(few)] = best.references
        found.cosines[start : start + len(few)] = best.cosines
    return found


def vote(neighbours: Neighbours, labels: ArrayLike, k: int) -> Numbers:
    """Return the most frequent class of the k nearest; of a tie the one that is nearest.

    Args:
        neighbours: Of the queries; k or more.
        labels: The class of each reference, 0 or higher.
        k: How many vote.
    """
    classes = _classes(neighbours, labels, k)
    return _most(classes, np.ones(classes.shape, np.float64))


def weighted_vote(
    neighbours: Neighbours, labels: ArrayLike, k: int, temperature: float = 0.07
) -> Numbers:
    """Return the class with the highest sum of exp(cosine / temperature) over the k nearest.

    Args:
        neighbours: Of the queries; k or more.
        labels: The class of each reference, 0 or higher.
        k: How many vote.
        temperature: The lower, the more the nearest count.
    """
    if not temperature > 0:
        raise InputError(f"a temperature of {temperature}; above 0 expected")
    classes = _classes(neighbours, labels, k)
    cosines = neighbours.cosines[:, :k].astype(np.float64)
    return _most(classes, np.exp((cosines - cosines[:, :1]) / temperature))


def _unit(vectors: ArrayLike, what: str) -> Floats:
    found = np.asarray(vectors, np.float32)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise InputError(f"{what} {list(found.shape)}; finite numbers [n, d] expected")
    length = np.linalg.norm(found, axis=1, keepdims=True)
    length[length == 0] = 1
    return np.asarray(found / length, np.float32)


def _better(best: Neighbours, cosines: Floats, begin: int, k: int) -> Neighbours:
    """Return the nearest of those found before and of further references, which begin there."""
    n, width = cosines.shape
    had = best.references.shape[1]
    if had == k:  # who found k before asks for nearer ones only; of equals the first stay
        rows, columns = np.nonzero(cosines > best.cosines[:, -1:])
    else:
        edge = np.partition(cosines, width - min(k, width), axis=1)[:, -min(k, width)]
        rows, columns = np.nonzero(cosines >= edge[:, None])
    rows = np.concatenate([np.repeat(np.arange(n), had), rows])
    values = np.concatenate([best.cosines.ravel(), cosines[rows[n * had :], columns]])
    numbers = np.concatenate([best.references.ravel(), columns + begin])
    order = np.lexsort((numbers, -values, rows))
    rows = rows[order]
    starts = np.searchsorted(rows, np.arange(n))
    k = min(k, begin + width)
    kept = order[np.arange(len(rows)) - starts[rows] < k]
    return Neighbours(numbers[kept].reshape(n, k), values[kept].reshape(n, k))


def _classes(neighbours: Neighbours, labels: ArrayLike, k: int) -> Numbers:
    codes = np.asarray(labels, np.int64)
    if k < 1 or k > neighbours.references.shape[1]:
        raise InputError(f"{k} of {neighbours.references.shape[1]} neighbours cannot vote")
    if codes.ndim != 1 or (
        neighbours.references.size and neighbours.references.max() >= len(codes)
    ):
        raise InputError(f"labels {list(codes.shape)}; one for each reference expected")
    found = codes[neighbours.references[:, :k]]
    if found.size and found.min() < 0:
        raise InputError("a reference without a label; leave those out before asking")
    return found


def _most(classes: Numbers, weights: NDArray[np.float64]) -> Numbers:
    """Return the class of each row with the highest sum; of a tie the one that comes first."""
    k = classes.shape[1]
    # For each neighbour, what its class has in all; k is small.
    sums = np.zeros(classes.shape, np.float64)
    for place in range(k):
        sums += np.where(classes == classes[:, place : place + 1], weights[:, place : place + 1], 0)
    return np.asarray(np.take_along_axis(classes, sums.argmax(1)[:, None], 1)[:, 0], np.int64)
