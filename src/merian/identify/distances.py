"""How far apart the taxa of a library are: the local thresholds of every clade.

For each rung the distance from it to its nearest sibling, averaged over the rungs below one parent
as a logarithm and drawn towards the average of the rank where there are few. Each simulated query
must not see itself in these: what a rung adds to its parent's average, and to that of siblings to
which it is the nearest, is kept apart so that it can be taken out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distances", "Nearest", "distances_of", "log_distance", "nearest_of", "two_least"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

_ERROR = 0.002  # about one wrong base in a barcode; below it distances say nothing
_PRIOR = 3.0  # siblings' worth of the rank's average in that of a parent
_USUAL = 0.2  # the distance where a rank has no siblings at all


def log_distance(distance: Floats) -> Floats:
    """Return the logarithm of a share of mismatches, blunt below the rate of errors."""
    found: Floats = np.log(distance + _ERROR)
    return found


@dataclass(frozen=True)
class Nearest:
    """The nearest siblings of members.

    Attributes:
        first: Distance of each member to its nearest sibling, NaN where none was met.
        which: That sibling, -1 where none was met.
        second: Distance to the nearest other sibling, NaN where none was met.
    """

    first: Floats
    which: NDArray[np.int64]
    second: Floats


def nearest_of(member: Integers, sibling: Integers, distance: Floats, count: int) -> Nearest:
    """Return the nearest siblings from pairs of a member and a sibling.

    Args:
        member: Of each pair, below ``count``.
        sibling: Of each pair, below ``count``.
        distance: Between the two; of equal pairs the smallest counts.
        count: How many members there are.
    """
    order = np.lexsort((distance, sibling, member))
    member, sibling, distance = member[order], sibling[order], distance[order]
    new = np.ones(len(member), bool)
    new[1:] = (member[1:] != member[:-1]) | (sibling[1:] != sibling[:-1])
    member, sibling, distance = member[new], sibling[new], distance[new]
    first, second, row = two_least(member, distance, count)
    which = np.full(count, -1, np.int64)
    which[row >= 0] = sibling[row[row >= 0]]
    return Nearest(first, which, second)


def two_least(group: Integers, value: Floats, count: int) -> tuple[Floats, Floats, Integers]:
    """Return the least and second least value of each group, NaN if none; and the least's row."""
    least, second = np.full(count, np.nan), np.full(count, np.nan)
    whose = np.full(count, -1, np.int64)
    order = np.lexsort((value, group))
    group = group[order]
    begin = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    least[group[begin]], whose[group[begin]] = value[order[begin]], order[begin]
    after = begin + 1
    has = after < len(group)
    has[has] = group[after[has]] == group[begin[has]]
    second[group[begin[has]]] = value[order[after[has]]]
    return least, second, whose


@dataclass(frozen=True)
class Distances:
    """Averages over the children of each parent, and what one child has to do with them.

    Attributes:
        total: Of each parent, the sum of the log distances of its children.
        count: Of each parent, over how many.
        own_total: What leaving out a child adds to its parent's ``total``.
        own_count: What leaving out a child adds to its parent's ``count``.
        usual: Of each parent, the average of its rank.
    """

    total: Floats
    count: Floats
    own_total: Floats
    own_count: Floats
    usual: Floats

    def average(self, parent: Integers, left_out: Integers) -> Floats:
        """Return the average of parents.

        Args:
            parent: Of each row.
            left_out: Of each row a child that is taken as not there, or -1.
        """
        out = left_out >= 0
        total = self.total[parent] + np.where(out, self.own_total[left_out], 0)
        count = self.count[parent] + np.where(out, self.own_count[left_out], 0)
        found: Floats = (total + _PRIOR * self.usual[parent]) / (count + _PRIOR)
        return found


def distances_of(
    nearest: Nearest, parent: Integers, parents: int, rank: Integers, ranks: int
) -> Distances:
    """Return the averages over the children of each parent.

    Args:
        nearest: Of the children.
        parent: Of each child.
        parents: How many parents there are.
        rank: Of each parent.
        ranks: How many ranks there are.
    """
    near = np.flatnonzero(~np.isnan(nearest.first))
    log = log_distance(nearest.first[near])
    total = np.bincount(parent[near], log, minlength=parents).astype(np.float64)
    count = np.bincount(parent[near], minlength=parents).astype(np.float64)
    children = len(nearest.first)
    own_total, own_count = np.zeros(children), np.zeros(children)
    own_total[near] -= log
    own_count[near] -= 1
    # Without a child its nearest siblings' nearest is their second, if there is one.
    np.add.at(own_total, nearest.which[near], -log)
    np.add.at(own_count, nearest.which[near], -1.0)
    other = near[~np.isnan(nearest.second[near])]
    np.add.at(own_total, nearest.which[other], log_distance(nearest.second[other]))
    np.add.at(own_count, nearest.which[other], 1.0)
    rank_total = np.bincount(rank, total, minlength=ranks)
    rank_count = np.bincount(rank, count, minlength=ranks)
    usual: Floats = np.where(
        rank_count > 0, rank_total / np.maximum(rank_count, 1), float(np.log(_USUAL))
    )
    return Distances(total, count, own_total, own_count, usual[rank])
