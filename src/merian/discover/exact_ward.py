"""Ward's tree in memory that grows with the items alone: the joins that add least to the squares.

The usual way holds all n²/2 distances: 40 GB for 100,000 items. Here each cluster is its mean and
its weight, and has a list of the few nearest with a bound below which nothing else can be. All
pairs that are nearest to each other join in one round: Ward's distance is reducible, a cluster does
not come nearer to another by joining a third, so the tree is the same as that of joining the two
nearest again and again. For the same reason a list stays good for long, its members followed to the
clusters that they are in, and is made anew only where its bound no longer tells the nearest. That
is done by products of blocks of means in float32, made a little too near so that the bound holds
whatever the rounding; every distance that decides is then reckoned in float64. The tree is exact
but for ties, and the same whatever the threads.

References: Ward, Hierarchical grouping to optimize an objective function, JASA 1963; Bruynooghe,
Classification ascendante hiérarchique des grands ensembles de données, 1978 (reducibility);
Murtagh & Legendre, Ward's hierarchical agglomerative clustering method, Journal of Classification
2014 (heights are those of "ward.D2").
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.discover.tree import Dendrogram
from merian.errors import InputError
from merian.threads import one_blas_thread

__all__ = ["ward"]

Array = NDArray[Any]
Progress = Callable[[int, int], object]

_LISTED = 16  # the nearest that are kept of each cluster
_ROWS, _COLUMNS = 128, 4096  # of a block of products
_FEW = 256  # rows at a time, where copies are made of them
_FULL = 0.75  # what has been joined is taken out when less than that is left


def ward(
    vectors: ArrayLike, weights: ArrayLike | None = None, *, progress: Progress | None = None
) -> Dendrogram:
    """Return Ward's tree, exactly.

    Args:
        vectors: float32 or float64[n, d]; kept in that precision.
        weights: How many items each row stands for; 1 if not given.
        progress: Is told how many joins are done, and of how many.

    Raises:
        InputError: There is no row, or one is not finite.
    """
    rows = np.asarray(vectors)
    if rows.ndim != 2 or not len(rows):
        raise InputError(f"vectors {list(rows.shape)}; one row or more expected")
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    heavy = np.ones(len(rows)) if weights is None else np.array(weights, np.float64)
    if heavy.shape != (len(rows),) or not (np.isfinite(heavy) & (heavy > 0)).all():
        raise InputError("weights: one number above 0 for each row expected")
    if not (finite := _finite(rows)).all():
        raise InputError(
            f"row {int((~finite).argmax()) + 1} of {len(rows)} vectors is not finite; leave out "
            "the rows of what is missing"
        )
    first, same = _distinct(rows)
    scale, middle = _frame(rows)
    tree = _Rounds(_framed(rows, first, scale, middle), np.bincount(same, heavy), first.copy())
    with one_blas_thread() as threads, ThreadPoolExecutor(threads) as pool:
        tree.run(pool, progress, len(rows) - 1)
    return _drawn(tree, first, same, scale)


def _drawn(tree: _Rounds, first: Array, same: Array, scale: float) -> Dendrogram:
    """Return the joins in order, those of equal rows before all others."""
    copies = np.setdiff1d(np.arange(len(same)), first)
    pairs = np.concatenate([np.stack([first[same[copies]], copies], 1), tree.pairs])
    heights = np.concatenate([np.zeros(len(copies)), np.sqrt(tree.heights) * scale])
    order = np.argsort(heights, kind="stable")
    return Dendrogram(pairs[order].astype(np.int64), heights[order])


class _Rounds:
    """What is left to join, and what has joined."""

    def __init__(self, mean: Array, weight: Array, member: Array) -> None:
        n = len(mean)
        most = min(_LISTED, max(1, n - 1))
        self.mean, self.weight, self.member = mean, weight, member
        self.alive, self.home = np.ones(n, np.bool_), np.arange(n, dtype=np.int32)
        self.changed, self.known = np.zeros(n, np.int32), np.zeros(n, np.int32)
        self.near = np.full((n, most), -1, np.int32)
        self.far = np.full((n, most), np.inf)
        self.radius, self.height = np.full(n, np.inf), np.full(n, np.inf)
        self.nearest = np.zeros(n, np.int32)
        self.pairs, self.heights = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
        self.under = np.zeros(n)  # the height of each cluster, so that no join is below its parts

    def run(self, pool: ThreadPoolExecutor, progress: Progress | None, joins: int) -> None:
        """Join, round by round, until one is left."""
        from merian.discover.ward_loops import compact, join, refresh  # noqa: PLC0415 - numba

        done, turn, left = 0, 0, len(self.mean)
        if left > 1:
            self._look(pool, np.arange(left, dtype=np.int32))
        joined = np.empty((max(1, left // 2 + 1), 2), np.int32)
        at, rows = np.empty(len(joined)), np.empty(left, np.int32)
        while left > 1:
            turn += 1
            count = join(
                turn, self.alive, self.mean, self.weight, self.home, self.changed, self.radius,
                self.nearest, self.height, joined, at,
            )  # fmt: skip
            one, other = joined[:count].T
            self.pairs[done : done + count, 0] = self.member[one]
            self.pairs[done : done + count, 1] = self.member[other]
            height = np.maximum(at[:count], np.maximum(self.under[one], self.under[other]))
            self.heights[done : done + count], self.under[one] = height, height
            done, left = done + count, left - count
            if left > 1:
                open_rows = refresh(
                    turn, joined[:count], self.alive, self.mean, self.weight, self.home,
                    self.changed, self.known, self.near, self.far, self.radius, self.nearest,
                    self.height, rows,
                )  # fmt: skip
                self.known[rows[:open_rows]] = turn
                self._look(pool, rows[:open_rows].copy())
            if left < _FULL * len(self.alive):
                self.under[:left] = self.under[self.alive]
                kept = compact(
                    self.alive, self.mean, self.weight, self.home, self.changed, self.known,
                    self.near, self.far, self.radius, self.nearest, self.height, self.member,
                )  # fmt: skip
                self._cut(kept)
            if progress is not None:
                progress(joins - left + 1, joins)

    def _cut(self, left: int) -> None:
        for name in (
            "alive", "mean", "weight", "home", "changed", "known", "near", "far", "radius",
            "nearest", "height", "member", "under",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name)[:left])

    def _look(self, pool: ThreadPoolExecutor, rows: Array) -> None:
        """Find the nearest of some clusters among all, and their lists."""
        from merian.discover.ward_loops import found_exactly, settle  # noqa: PLC0415

        if not len(rows):
            return
        slack = (16 + self.mean.shape[1] / 8) * float(np.finfo(np.float32).eps)
        square = np.empty(len(self.mean), np.float32)
        for start in range(0, len(square), _FEW):
            block = self.mean[start : start + _FEW].astype(np.float32, copy=False)
            square[start : start + _FEW] = (block**2).sum(axis=1) * np.float32(1 - slack)
        square[~self.alive] = np.inf
        weight = self.weight.astype(np.float32)
        state = (self.mean, self.weight, self.near, self.far, self.radius, self.nearest,
                 self.height)  # fmt: skip

        def look(some: Array) -> None:
            self._list(some, square, weight)
            for row in some[: settle(some, *state)]:
                found_exactly(row, self.alive, *state)

        list(pool.map(look, np.array_split(rows, -(-len(rows) // _ROWS))))

    def _list(self, rows: Array, square: Array, weight: Array) -> None:
        """List the nearest of some clusters by blocks of products."""
        from merian.discover.ward_loops import nearest_of_block  # noqa: PLC0415

        near = np.full((len(rows), self.near.shape[1]), -1, np.int32)
        far = np.full(near.shape, np.inf)
        own = self.mean[rows].astype(np.float32, copy=False)
        for start in range(0, len(self.mean), _COLUMNS):
            block = self.mean[start : start + _COLUMNS].astype(np.float32, copy=False)
            nearest_of_block(own @ block.T, rows, start, square, weight, near, far)
        self.near[rows], self.far[rows] = near, far


def _finite(rows: Array) -> NDArray[np.bool_]:
    """Return which rows are finite, without a copy of all."""
    found = np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), _FEW):
        found[start : start + _FEW] = np.isfinite(rows[start : start + _FEW]).all(axis=1)
    return found


def _distinct(rows: Array) -> tuple[Array, Array]:
    """Return the first of each set of equal rows, and which set each row is of."""
    kind = np.uint32 if rows.dtype == np.float32 else np.uint64
    mix = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], dtype=np.uint64) | np.uint64(1)
    key = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _FEW):
        block = np.ascontiguousarray(rows[start : start + _FEW] + 0.0)  # no -0
        bits: NDArray[np.uint64] = block.view(kind).astype(np.uint64)
        bits ^= bits >> np.uint64(15)
        key[start : start + _FEW] = (bits * mix).sum(axis=1, dtype=np.uint64)
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in the order of the rows
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first, same = first[order], place[same]
    for start in range(0, len(rows), _FEW):
        stop = start + _FEW
        if not np.array_equal(rows[start:stop], rows[first[same[start:stop]]]):
            return np.arange(len(rows)), np.arange(len(rows))  # two that differ have one key
    return first, same


def _frame(rows: Array) -> tuple[float, Array]:
    """Return a scale (a power of 2, which rounds nothing) and a middle that one far row leaves."""
    some = rows[:: max(1, len(rows) // _COLUMNS)]
    middle = np.median(some.astype(np.float64), axis=0).astype(rows.dtype)
    largest = max(
        float(np.abs(rows[start : start + _FEW] - middle).max(initial=0.0))
        for start in range(0, len(rows), _FEW)
    )
    return (float(2.0 ** np.ceil(np.log2(largest))) if largest > 0 else 1.0), middle


def _framed(rows: Array, chosen: Array, scale: float, middle: Array) -> Array:
    """Return some rows around the middle, in a copy."""
    found = np.empty((len(chosen), rows.shape[1]), rows.dtype)
    for start in range(0, len(chosen), _FEW):
        some = rows[chosen[start : start + _FEW]]
        found[start : start + _FEW] = (some - middle) / scale
    return found
