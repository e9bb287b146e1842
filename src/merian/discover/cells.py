"""Ward's tree of more rows than an exact one can be made of: of cells, by what each weighs.

Rows are gathered into a few thousand cells around means, and the cells join by Ward's method, each
weighing as many rows as it holds. So a cell of a thousand rows is not pulled to a neighbour as if
it were one row. The cells are found in two steps, coarse ones and then their parts, which costs the
square root of what all at once would; then rows go to the nearest of the means once more.

References: Arthur & Vassilvitskii, k-means++, SODA 2007; Zhang, Ramakrishnan & Livny, BIRCH, SIGMOD
1996 (a tree of what has been summarised).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.discover.exact_ward import ward
from merian.discover.tree import Dendrogram
from merian.errors import InputError
from merian.threads import one_blas_thread

__all__ = ["CELLS", "gathered", "means_of", "micro_ward", "nearest_mean"]

Array = NDArray[Any]
Progress = Callable[[int, int], object]

CELLS = 4096
_BLOCK = 4096
_TURNS = 8  # of k-means in each step
_PER_MEAN = 40  # rows that a mean is found from, at most


def micro_ward(
    vectors: ArrayLike, cells: int = CELLS, seed: int = 0, *, progress: Progress | None = None
) -> Dendrogram:
    """Return Ward's tree of cells of rows; of all rows where there are no more than cells.

    Args:
        vectors: float[n, d].
        cells: How many cells, about.
        seed: Of the means that cells begin with.
        progress: As for `ward`.
    """
    rows = np.asarray(vectors)
    if cells < 2:
        raise InputError(f"{cells} cells; 2 or more expected")
    if rows.ndim != 2 or len(rows) <= cells:
        return ward(rows, progress=progress)
    cell = gathered(rows, cells, seed)
    return tree_of_cells(rows, cell, progress=progress)


def tree_of_cells(rows: Array, cell: Array, *, progress: Progress | None = None) -> Dendrogram:
    """Return Ward's tree of cells, over the rows that are in them."""
    _, first, which, size = np.unique(
        cell, return_index=True, return_inverse=True, return_counts=True
    )
    tree = ward(means_of(rows, which, len(size)), size, progress=progress)
    inside = np.setdiff1d(np.arange(len(rows)), first)
    pairs = np.concatenate([np.stack([first[which[inside]], inside], 1), first[tree.pairs]])
    heights = np.concatenate([np.zeros(len(inside)), tree.heights])
    return Dendrogram(pairs, heights, finest=len(size))


def gathered(rows: Array, cells: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the cell of each row: about so many, found in two steps."""
    if not np.isfinite(rows.sum()):
        raise InputError("a row of the vectors is not finite; leave out what is missing")
    rng = np.random.default_rng(seed)
    with one_blas_thread() as threads, ThreadPoolExecutor(threads) as pool:
        coarse = min(len(rows), max(2, round(cells**0.5)))
        some = _some(len(rows), _PER_MEAN * 4 * coarse, rng)
        of_coarse = nearest_mean(rows, _means(rows[some], coarse, rng, pool), pool)
        means = []
        for number in range(coarse):
            inside = np.flatnonzero(of_coarse == number)
            if not len(inside):
                continue
            parts = max(1, round(cells * len(inside) / len(rows)))
            few = inside[_some(len(inside), _PER_MEAN * parts, rng)]
            means.append(_means(rows[few], parts, rng, pool))
        return nearest_mean(rows, np.concatenate(means), pool)


def means_of(rows: Array, which: Array, count: int) -> NDArray[np.float64]:
    """Return the mean of the rows of each of so many cells, all of which have some."""
    total = np.zeros((count, rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        some = which[start : start + _BLOCK]
        order = np.argsort(some, kind="stable")
        cell, begin = np.unique(some[order], return_index=True)
        block = rows[start : start + _BLOCK][order].astype(np.float64)
        total[cell] += np.add.reduceat(block, begin, axis=0)
    found: NDArray[np.float64] = total / np.bincount(which, minlength=count)[:, None]
    return found


def nearest_mean(rows: Array, means: Array, pool: ThreadPoolExecutor) -> NDArray[np.int64]:
    """Return for each row which mean is nearest; of equals the first."""
    half = (means.astype(np.float64) ** 2).sum(axis=1).astype(np.float32) / 2
    turned = np.ascontiguousarray(means.T, dtype=np.float32)
    found = np.empty(len(rows), np.int64)

    def look(start: int) -> None:
        block = rows[start : start + _BLOCK // 4].astype(np.float32, copy=False)
        product = block @ turned
        product -= half
        found[start : start + _BLOCK // 4] = product.argmax(axis=1)

    list(pool.map(look, range(0, len(rows), _BLOCK // 4)))
    return found


def _some(count: int, most: int, rng: np.random.Generator) -> Array:
    return np.arange(count) if count <= most else np.sort(rng.choice(count, most, replace=False))


def _means(rows: Array, count: int, rng: np.random.Generator, pool: ThreadPoolExecutor) -> Array:
    """Return means of rows by k-means, begun by k-means++."""
    rows = rows.astype(np.float32, copy=False)
    if len(rows) <= count:
        return rows
    means = rows[_begun(rows, count, rng)]
    for _ in range(_TURNS):
        which = nearest_mean(rows, means, pool)
        kept, which = np.unique(which, return_inverse=True)
        means = means_of(rows, which, len(kept)).astype(np.float32)
    return means


def _begun(rows: Array, count: int, rng: np.random.Generator) -> Array:
    """Return rows to begin with, each drawn by how far it is from those before (k-means++)."""
    square = (rows.astype(np.float64) ** 2).sum(axis=1)
    chosen = [int(rng.integers(len(rows)))]
    far = np.full(len(rows), np.inf)
    for _ in range(count - 1):
        last = chosen[-1]
        gap = square + square[last] - 2.0 * (rows @ rows[last]).astype(np.float64)
        far = np.minimum(far, np.maximum(gap, 0.0))
        far[last] = 0.0
        summed = np.cumsum(far)
        if summed[-1] <= 0:
            break  # the others are equal to some of these
        chosen.append(int(np.searchsorted(summed, rng.random() * summed[-1], side="right")))
    return np.array(chosen)
