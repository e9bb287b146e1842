"""What of a picture's vector tells taxa apart: a map learnt from a library's own pictures.

Two pictures of one species differ by light, pose and background, and a general network's vector
holds all of that. Where a library has several pictures of many taxa, it shows in which directions
pictures of one taxon differ; these are made short (the within-class whitening of linear
discriminant analysis: Fisher 1936, Annals of Eugenics 7:179; drawn towards no change where there
is little to learn from). Nearness there is worth more than nearness as the network sees it, and
nothing hangs on who the taxa are: one that was never seen is whitened as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.threads import one_blas_thread

__all__ = ["Likeness", "cosines", "likeness_of", "plain_likeness", "unit"]

Floats = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]

_PRIOR = 0.5  # pictures for each number of a vector, whose worth "all directions alike" has
_DIRECTIONS = 512  # kept at most: those in which pictures differ most; with fewer new taxa suffer
_LEARNT_FROM = 20_000  # pictures at most; more say little more
_BLOCK = 8192
_NOTHING = 1e-12  # of the largest square; less is rounding
_LENGTH = 4000.0  # with what rounding adds its square is below 2^24


@dataclass(frozen=True, eq=False)
class Likeness:
    """A linear map of vectors.

    Attributes:
        centre: float32[dim]; what is taken away first.
        map: float32[dim, directions].
    """

    centre: Floats
    map: Floats

    def __call__(self, vectors: NDArray[Any]) -> Floats:
        """Return float32[n, directions] of unit length, for vectors of any length."""
        found = np.empty((len(vectors), self.map.shape[1]), np.float32)
        for first in range(0, len(vectors), _BLOCK):
            some = unit(vectors[first : first + _BLOCK])
            found[first : first + _BLOCK] = unit((some - self.centre) @ self.map)
        return found

    def whole(self, vectors: NDArray[Any]) -> NDArray[np.int16]:
        """Return int16[n, directions] of length 4,000: the same in whole numbers.

        They and their products are the same whatever the batch and the number of threads: what
        hangs on the order of a sum of 64 bits is rounded away.
        """
        found = np.empty((len(vectors), self.map.shape[1]), np.int16)
        map = self.map.astype(np.float64)
        for first in range(0, len(vectors), _BLOCK):
            some = vectors[first : first + _BLOCK].astype(np.float64)
            some /= np.maximum(np.sqrt((some**2).sum(axis=1, keepdims=True)), 1e-9)
            away = (some - self.centre) @ map
            away *= _LENGTH / np.maximum(np.sqrt((away**2).sum(axis=1, keepdims=True)), 1e-9)
            found[first : first + _BLOCK] = np.rint(away)
        return found


def cosines(asked: NDArray[np.int16], rows: Floats) -> Floats:
    """Return float32[queries, n] of vectors of length 4,000, exact but for the last division.

    Args:
        asked: Whole numbers.
        rows: Whole numbers, too, as float32[n, dim].
    """
    products = asked.astype(np.float32) @ rows.T  # no partial sum is beyond 2^24
    found: Floats = np.clip(products / np.float32(_LENGTH * _LENGTH), -1, 1)
    return found


def unit(vectors: NDArray[Any]) -> Floats:
    """Return rows of unit length; what is 0 stays 0."""
    rows = np.asarray(vectors, np.float32)
    length = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    found: Floats = (rows / np.maximum(length, 1e-9)).astype(np.float32)
    return found


def plain_likeness(dim: int) -> Likeness:
    """Return the map that changes nothing."""
    return Likeness(np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32))


def likeness_of(vectors: NDArray[Any], taxon: Integers) -> Likeness:
    """Learn a map.

    Args:
        vectors: [n, dim], of any length.
        taxon: Of each; those of one are to be alike.
    """
    if len(vectors) > _LEARNT_FROM:
        some = np.sort(np.random.default_rng(0).permutation(len(vectors))[:_LEARNT_FROM])
        vectors, taxon = vectors[some], taxon[some]
    rows = unit(vectors)
    count, dim = rows.shape
    means, number = _means(rows, taxon)
    centre = means.mean(axis=0) if len(means) else np.zeros(dim)
    if 0 < count < dim:
        with one_blas_thread():  # of such small products several threads mostly wait
            found = _of_few(rows - means[number], rows - centre, count - len(means))
        return Likeness(centre.astype(np.float32), found.astype(np.float32))
    within, between = np.zeros((dim, dim)), np.zeros((dim, dim))
    for first in range(0, count, _BLOCK):
        part = slice(first, first + _BLOCK)
        away = rows[part] - means[number[part]]
        within += away.T @ away
        whole = rows[part] - centre
        between += whole.T @ whole
    free = count - len(means)
    spread = float(np.trace(within)) / dim / max(free, 1)
    found = np.eye(dim)
    if free > 0 and spread > 0:
        prior = _PRIOR * dim
        within = (within + prior * spread * np.eye(dim)) / (free + prior) / spread
        values, axes = np.linalg.eigh(within)
        found = (axes / np.sqrt(values)) @ axes.T
    if dim > _DIRECTIONS:
        _, axes = np.linalg.eigh(found.T @ between @ found)
        found = found @ axes[:, -_DIRECTIONS:]
    return Likeness(centre.astype(np.float32), found.astype(np.float32))


def _of_few(away: NDArray[Any], whole: NDArray[Any], free: int) -> NDArray[np.float64]:
    """Return the map where pictures are fewer than numbers, at the price of the pictures.

    It is the one of `likeness_of`, since these differ in no direction but their own. Which of the
    others are kept beside them, where there is room, hangs on nothing there as well as here.

    Args:
        away: [n, dim]; each picture less the mean of its taxon.
        whole: [n, dim]; each less the centre.
        free: Pictures less taxa.
    """
    dim = away.shape[1]
    spread = float((away**2).sum()) / dim / max(free, 1)
    rest, more, axes = 1.0, np.zeros(0), np.zeros((0, dim))
    if free > 0 and spread > 0:
        prior = _PRIOR * dim
        size, axes = _axes(away)
        rest = float(np.sqrt((free + prior) / prior))
        more = np.sqrt((free + prior) * spread / (size + prior * spread)) - rest

    def stretched(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = rest * rows + ((rows @ axes.T) * more) @ axes
        return found

    if dim <= _DIRECTIONS:
        return stretched(np.eye(dim))
    return stretched(_square_to(_axes(stretched(whole))[1][:_DIRECTIONS], _DIRECTIONS).T).T


def _square_to(axes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return so many directions square to each other, float64[dim, count]: the axes, and others.

    By the reflections that turn the first directions into the axes; they turn the next ones into
    such as are square to all of these.
    """
    from scipy.linalg import lapack, qr  # noqa: PLC0415 - half a second

    if not len(axes):
        return np.eye(axes.shape[1], count)
    (packed, scale), _ = qr(axes.T, mode="raw")
    first = np.eye(axes.shape[1], count, order="F")
    turned, _, failed = lapack.dormqr("L", "N", packed, scale, first, 64 * count)
    assert not failed
    return np.asarray(turned)


def _axes(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared sizes of the principal axes of few rows, and these axes, largest first.

    By the products of the rows with each other, which are far fewer than those of their numbers.
    """
    size, turn = np.linalg.eigh(rows @ rows.T)
    kept = np.flatnonzero(size > max(_NOTHING * size[-1], _NOTHING))[::-1]
    return size[kept], (turn[:, kept] / np.sqrt(size[kept])).T @ rows


def _means(rows: Floats, taxon: Integers) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean of each taxon, and the number of the taxon of each row."""
    kinds, number = np.unique(taxon, return_inverse=True)
    found = np.zeros((len(kinds), rows.shape[1]))
    if len(rows):
        order = np.argsort(number, kind="stable")
        size = np.bincount(number)
        begin = np.cumsum(size) - size
        found = np.add.reduceat(rows[order].astype(np.float64), begin, axis=0) / size[:, None]
    return found, number.reshape(-1)
