"""How well groups are found again when only part of the items is there.

A part of the items is drawn a few times and grouped anew, by the same method into the same number.
The support of a group is how much of it, in the mean, the nearest group of the part has in common
with it: members of both over members of either (Jaccard), among those that were drawn. A group that
chance has made falls apart; 0.6 and less is doubtful, 0.85 and more is firm (Hennig).

Of a tree every draw is a tree too, which is made once and cut for each number of groups.

Reference: Hennig, Cluster-wise assessment of cluster stability, Computational Statistics & Data
Analysis 2007; Lange et al., Stability-based validation of clustering solutions, 2004.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "Resampled", "resampled"]

Array = NDArray[Any]

DRAWS = 8
SHARE, MOST = 0.8, 4000  # of the items are drawn, and no more than so many
_FEW = 2  # members of a group that were drawn; fewer tell nothing

Regroup = Callable[[Array], Callable[[int], Array]]
"""Groups the rows of a space and returns what cuts them into a number of groups."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Parts of the items, and how each is cut into groups.

    Attributes:
        rows: Which items each part has.
        cuts: Of each part; gives the group of each of its items for a number of groups.
    """

    rows: tuple[Array, ...]
    cuts: tuple[Callable[[int], Array], ...]

    def support(self, label: Array) -> NDArray[np.float32]:
        """Return the support of each group, 0 to 1; NaN where too few of it were ever drawn.

        Args:
            label: int[n]; of all items, 0 and up; what is below belongs to no group.
        """
        groups = int(label.max(initial=-1)) + 1
        total, times = np.zeros(groups), np.zeros(groups)
        for rows, cut in zip(self.rows, self.cuts, strict=True):
            here = label[rows]
            size = np.bincount(here[here >= 0], minlength=groups)
            told = size >= _FEW
            present = int((size > 0).sum())
            if not present:
                continue
            common = _common(here, cut(min(present, len(rows))), groups)
            total += np.where(told, common, 0.0)
            times += told
        with np.errstate(invalid="ignore"):
            return (total / times).astype(np.float32)

    def stability(self, label: Array) -> float:
        """Return the support of the groups of a cut, each weighed by its members; 0 to 1."""
        size = np.bincount(label[label >= 0])
        each = self.support(label)
        there = ~np.isnan(each)
        return float(size[there] @ each[there] / max(1, size.sum()))


def _common(here: Array, again: Array, groups: int) -> NDArray[np.float64]:
    """Return for each group the most that it has in common with one of those found again."""
    found = np.zeros(groups)
    both = (here >= 0) & (again >= 0)
    if not both.any():
        return found
    others = int(again.max()) + 1
    pair, count = np.unique(here[both].astype(np.int64) * others + again[both], return_counts=True)
    one, other = pair // others, pair % others
    size = np.bincount(here[here >= 0], minlength=groups)
    size_again = np.bincount(again[again >= 0], minlength=others)
    np.maximum.at(found, one, count / (size[one] + size_again[other] - count))
    return found


def resampled(space: Array, regroup: Regroup, seed: int = 0, draws: int = DRAWS) -> Resampled:
    """Draw parts of the items, and group each.

    Args:
        space: float[n, d]; where groups are sought.
        regroup: How.
        seed: Of what is drawn.
        draws: How many parts.
    """
    rng = np.random.default_rng(seed)
    many = min(MOST, max(1, round(SHARE * len(space))))
    rows = tuple(np.sort(rng.choice(len(space), many, replace=False)) for _ in range(draws))
    return Resampled(rows, tuple(regroup(space[some]) for some in rows))
