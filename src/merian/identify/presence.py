"""Presence: how much likelier a place and a day are for a taxon than for any record.

What is counted is visits (see `sightings`), smoothed by a kernel that ends at a few reaches. With O
the visits to a taxon about a place, n those to it anywhere, and b the share of all visits that lie
about the place, E = n b is what chance would give, and (O + k r) / (E + k) the ratio, drawn towards
r, that of the parent taxon: so a taxon with few records says what its parent says, and one with
none at all, in a place where nobody looked, says 1. The effort of whoever went there is in O and E
alike. A day is weighed in the same way, among the visits of the wider surroundings, since summer is
not everywhere at once. Nothing is ever impossible: each logarithm lies within 3 of 0.

Cells are cubes through which the globe passes. They have no pole and no date line, and nest: eight
make one of twice the side. The shrunken ratio of observed and expected is DuMouchel's (1999, The
American Statistician 53:177), with one parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from merian.identify.ladder import Ladder
from merian.identify.sightings import HALVES

__all__ = ["BLOCK_KM", "BOUND", "NUMBERS", "REACHES", "SITE_KM", "Presence", "Spots", "points"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

REACHES = (64.0, 256.0, 1024.0)
"""Where the kernels end, in km."""
SITE_KM, BLOCK_KM = 16.0, 512.0
"""The sides of what is left out when it is learnt what a place is worth."""
NUMBERS = len(REACHES) + 1
"""How many numbers describe an outcome: one for each reach, and the season."""
BOUND = 3.0
"""How far from 0 a logarithm of a ratio may be."""

_RADIUS = 6371.0088
_FINE = 4  # cells in a reach
_PULL = 0.5  # visits that a parent's ratio counts as
_SEASON = 4  # halves of months at which the kernel of days ends
_TOGETHER = 4_000_000  # numbers of a dense table


@dataclass(frozen=True, eq=False)
class Spots:
    """Where and when something was found.

    Attributes:
        point: float64[spots, 3]; on the globe, in km from its centre (see `points`).
        half: int8[spots]; the half of a month, -1 where it is not known.
        without: float64[spots]; the side of the cube about each whose visits do not count: 0,
            `SITE_KM` or `BLOCK_KM`.
    """

    point: Floats
    half: NDArray[np.int8]
    without: Floats

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.half)

    def taken(self, chosen: Integers) -> Spots:
        """Return some of them."""
        return Spots(self.point[chosen], self.half[chosen], self.without[chosen])


def points(latitude: Floats, longitude: Floats) -> Floats:
    """Return places as points in km from the centre of the globe."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    flat = np.cos(phi)
    found: Floats = _RADIUS * np.stack(
        [flat * np.cos(theta), flat * np.sin(theta), np.sin(phi)], axis=-1
    )
    return found


class Presence:
    """What is known of where and when taxa were met.

    Attributes:
        ladder: Of the taxa.
        visits: float64[rungs + 1]; how many there are to each, and last to anything.
    """

    def __init__(
        self, ladder: Ladder, point: Floats, half: NDArray[np.int8], rung: Integers
    ) -> None:
        """Count visits in cells.

        Args:
            ladder: Of the taxa.
            point: float64[visits, 3] (see `points`).
            half: int8[visits]; -1 where no day is known.
            rung: Of each; ROOT for what the tree does not have, which is effort all the same.
        """
        self.ladder = ladder
        self._rungs = len(ladder)
        path = ladder.paths(np.asarray(rung, np.int32))
        self._path = np.where(rung[:, None] >= 0, path, -1)
        every = np.arange(len(rung))
        self.visits = np.asarray(self._table(np.zeros(len(rung), np.int64), every, 1).todense())[0]
        self._levels = [self._level(point, reach / _FINE, reach) for reach in REACHES]
        dated = np.flatnonzero(half >= 0)
        wide = self._levels[-1]
        self._dated = self._table(
            wide.cell[dated] * HALVES + half[dated], dated, len(wide.tree.data) * HALVES
        )
        sites, site = np.unique(_cells(point, SITE_KM), return_inverse=True)
        site = site.reshape(-1)[dated] * HALVES + half[dated]
        self._dated_at = sites, self._table(site, dated, len(sites) * HALVES)
        self._out: dict[float, tuple[NDArray[np.int64], sparse.csr_matrix]] = {}
        for side in (SITE_KM, BLOCK_KM):
            keys, number = np.unique(_cells(point, side), return_inverse=True)
            self._out[side] = keys, self._table(number.reshape(-1), every, len(keys))

    def _table(self, row: Integers, which: Integers, rows: int) -> sparse.csr_matrix:
        """Return visits by row and rung; each counts for all rungs above, and last for all."""
        path = self._path[which]
        column = np.concatenate([path.ravel(), np.full(len(which), self._rungs)])
        line = np.concatenate([np.repeat(row, path.shape[1]), row])
        there = column >= 0
        ones = np.ones(np.count_nonzero(there), np.float32)
        return sparse.csr_matrix(
            (ones, (line[there], column[there])), shape=(max(rows, 1), self._rungs + 1)
        )

    def _level(self, point: Floats, side: float, reach: float) -> _Level:
        keys, number = np.unique(_cells(point, side), return_inverse=True)
        number = number.reshape(-1)
        middle = (
            np.stack([np.bincount(number, point[:, axis], len(keys)) for axis in range(3)], axis=1)
            / np.maximum(np.bincount(number, minlength=len(keys)), 1)[:, None]
        )
        block = np.zeros(len(keys), np.int64)
        block[number] = _cells(point, BLOCK_KM)
        table = self._table(number, np.arange(len(point)), len(keys))
        return _Level(reach, side, keys, number, block, cKDTree(middle), table)

    def describe(self, spots: Spots, number: Integers, rung: Integers, gone: Integers) -> Floats:
        """Return the logarithms of ratios of outcomes.

        Args:
            spots: Where and when.
            number: Of each outcome, in ascending order, the place in ``spots``.
            rung: Of each; that of what is new is the one that it is under; ROOT says nothing.
            gone: By spot, a rung that is taken as never met, with all below it; ROOT for none.

        Returns:
            float64[outcomes, NUMBERS].
        """
        found = np.zeros((len(rung), NUMBERS))
        some = max(1, _TOGETHER // (self._rungs + 1))
        for first in range(0, len(spots), some):
            chosen = np.arange(first, min(first + some, len(spots)))
            begin, stop = np.searchsorted(number, [first, first + len(chosen)])
            if begin < stop:
                part = slice(int(begin), int(stop))
                found[part] = self._describe(
                    spots.taken(chosen), number[part] - first, rung[part], gone[chosen]
                )
        return found

    def _describe(self, spots: Spots, number: Integers, rung: Integers, gone: Integers) -> Floats:
        total = self._totals(spots)
        path = self.ladder.paths(np.where(rung >= 0, rung, 0).astype(np.int32))
        path[np.asarray(rung) < 0] = -1
        hidden = _Hidden.of(self.ladder, number, gone)
        found = np.empty((len(rung), NUMBERS))
        near = sparse.csr_matrix((len(spots), 0))
        for place, level in enumerate(self._levels):
            near = level.near(spots)
            seen = self._left(near @ level.table, level, spots)
            share = seen[:, -1] / np.maximum(total[:, -1], 1e-9)
            found[:, place] = _ratios(path, number, hidden, seen, total * share[:, None])
        found[:, -1] = self._seasons(near, spots, path, number, hidden)
        return np.clip(np.log(found), -BOUND, BOUND)

    def _totals(self, spots: Spots) -> Floats:
        """Return the visits that count for each spot, by rung."""
        total = np.repeat(self.visits[None, :], len(spots), axis=0).astype(np.float64)
        for side, (keys, table) in self._out.items():
            here = np.flatnonzero(spots.without == side)
            if len(here):
                total[here] -= _rows_of(keys, table, _cells(spots.point[here], side))
        return total

    def _left(self, seen: sparse.csr_matrix, level: _Level, spots: Spots) -> Floats:
        """Return what is seen about spots, less what is there at their very sites."""
        found = np.asarray(seen.todense(), np.float64)
        here = np.flatnonzero(spots.without == SITE_KM)
        if len(here):
            keys, table = self._out[SITE_KM]
            own = _rows_of(keys, table, _cells(spots.point[here], SITE_KM))
            found[here] = np.maximum(found[here] - level.weight_at(spots.point[here]) * own, 0)
        return found

    def _seasons(
        self,
        near: sparse.csr_matrix,
        spots: Spots,
        path: NDArray[np.int32],
        number: Integers,
        hidden: _Hidden,
    ) -> Floats:
        """Return the ratios of the season, in the surroundings that are near."""
        cells = near.tocoo()
        step = np.arange(HALVES)
        apart = np.abs((step[None, :] - np.maximum(spots.half, 0)[:, None] + 12) % HALVES - 12)
        kernel = np.where(apart < _SEASON, (1 - (apart / _SEASON) ** 2) ** 2, 0)
        kernel[spots.half < 0] = 0
        column = (cells.col[:, None] * HALVES + step[None, :]).ravel()
        row = np.repeat(cells.row, HALVES)
        shape = (len(spots), self._dated.shape[0])
        tables = []
        for weight in (cells.data[:, None] * kernel[cells.row], np.repeat(cells.data, HALVES)):
            product = sparse.csr_matrix((weight.ravel(), (row, column)), shape=shape) @ self._dated
            tables.append(np.asarray(product.todense(), np.float64))
        seen, whole = tables
        here = np.flatnonzero(spots.without == SITE_KM)
        if len(here):
            keys, table = self._dated_at
            wanted = _cells(spots.point[here], SITE_KM)
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            own = self._levels[-1].weight_at(spots.point[here]) * (keys[at] == wanted)[:, None]
            column = (at[:, None] * HALVES + step[None, :]).ravel()
            row = np.repeat(np.arange(len(here)), HALVES)
            for told, days in ((seen, kernel[here]), (whole, np.ones((len(here), HALVES)))):
                weights = ((own * days).ravel(), (row, column))
                less = sparse.csr_matrix(weights, shape=(len(here), table.shape[0])) @ table
                told[here] = np.maximum(told[here] - np.asarray(less.todense(), np.float64), 0)
        share = seen[:, -1] / np.maximum(whole[:, -1], 1e-9)
        return _ratios(path, number, hidden, seen, whole * share[:, None])


@dataclass(frozen=True, eq=False)
class _Level:
    """Visits in cells of one size."""

    reach: float
    side: float
    key: NDArray[np.int64]
    cell: NDArray[np.int64]  # of each visit
    block: NDArray[np.int64]  # of each cell
    tree: cKDTree
    table: sparse.csr_matrix

    def near(self, spots: Spots) -> sparse.csr_matrix:
        """Return how much each cell counts for each spot."""
        apart = cKDTree(spots.point).sparse_distance_matrix(
            self.tree, self.reach, output_type="coo_matrix"
        )
        weight = _kernel(apart.data, self.reach)
        out = spots.without[apart.row] == BLOCK_KM
        own = _cells(spots.point, BLOCK_KM)
        weight[out & (self.block[apart.col] == own[apart.row])] = 0
        return sparse.csr_matrix(
            (weight, (apart.row, apart.col)), shape=(len(spots), len(self.tree.data))
        )

    def weight_at(self, point: Floats) -> Floats:
        """Return how much the cell counts that each point is in; 0 where there is none."""
        keys = _cells(point, self.side)
        at = np.minimum(np.searchsorted(self.key, keys), len(self.key) - 1)
        apart = np.linalg.norm(self.tree.data[at] - point, axis=1)
        weight = np.where(self.key[at] == keys, _kernel(apart, self.reach), 0)
        return weight[:, None]


@dataclass(frozen=True, eq=False)
class _Hidden:
    """What is taken as never met: by outcome its path, down to it."""

    path: NDArray[np.int32]  # -2 below it and where there is none
    rung: Integers  # by spot; -1 for none

    @staticmethod
    def of(ladder: Ladder, number: Integers, gone: Integers) -> _Hidden:
        """Return the paths of what is gone, for each outcome."""
        above = ladder.paths(np.where(gone >= 0, gone, 0).astype(np.int32))
        above = np.where((np.asarray(gone)[:, None] >= 0) & (above >= 0), above, -2)
        return _Hidden(above[number].astype(np.int32), np.asarray(gone))


def _ratios(
    path: NDArray[np.int32],
    number: Integers,
    hidden: _Hidden,
    seen: Floats,
    expected: Floats,
) -> Floats:
    """Return the shrunken ratio of each outcome, down its path."""
    found = np.ones(len(number))
    gone = hidden.rung[number]
    spot = np.where(gone >= 0, gone, 0)
    below = np.zeros(len(number), bool)  # what is gone
    for rank in range(path.shape[1]):
        rung = path[:, rank]
        there = rung >= 0
        at = np.where(there, rung, 0)
        out = hidden.path[:, rank] == rung
        o = seen[number, at] - np.where(out, seen[number, spot], 0)
        e = expected[number, at] - np.where(out, expected[number, spot], 0)
        o, e = (np.where(below, 0, np.maximum(one, 0)) for one in (o, e))
        below |= there & (rung == gone)
        ratio = (o + _PULL * found) / (e + _PULL)
        found = np.where(there, ratio, found)
    return found


def _kernel(apart: Floats, reach: float) -> Floats:
    found: Floats = (1 - np.minimum(apart / reach, 1) ** 2) ** 2
    return found


def _cells(point: Floats, side: float) -> NDArray[np.int64]:
    """Return the cube that each point is in, as one number."""
    step = np.floor(point / side).astype(np.int64) + 4096
    found: NDArray[np.int64] = (step[:, 0] << 40) + (step[:, 1] << 20) + step[:, 2]
    return found


def _rows_of(
    keys: NDArray[np.int64], table: sparse.csr_matrix, wanted: NDArray[np.int64]
) -> Floats:
    """Return the rows of a table of some cells; zeros where there is none."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = sparse.diags((keys[at] == wanted).astype(np.float32))
    return np.asarray((there @ table[at]).todense(), np.float64)
