"""A cut of one tree at every rank, so that the groups of a rank lie within those of the rank above.

Where some items have names, from identifying them, those tell how far apart species, genera and
families are for this encoder and this place: a rank is cut into the number of groups that agrees
best with the names at that rank, by adjusted mutual information among the items that have one. A
higher rank never has more groups than a lower.

Reference: Vinh, Epps & Bailey, Information theoretic measures for clusterings comparison, JMLR
2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.discover.clustering import Clustering
from merian.discover.number import ladder
from merian.discover.tree import Labels
from merian.learn.agreement import adjusted_mutual_information

__all__ = ["RankCut", "at_ranks"]


@dataclass(frozen=True, eq=False)
class RankCut:
    """The groups of one rank.

    Attributes:
        count: How many.
        label: int32[n]; the group of each item, -1 for those left alone.
        support: float32[count]; how well each is found again.
        agreement: With the names, by which the number was chosen.
        named: Of how many items those were.
    """

    count: int
    label: Labels
    support: NDArray[np.float32]
    agreement: float
    named: int


def at_ranks(found: Clustering, names: Mapping[str, Sequence[str | None]]) -> dict[str, RankCut]:
    """Cut a tree at every rank at which two names or more are known.

    Args:
        found: Groups by Ward's tree.
        names: Of every item at each rank, from the highest; None where it is not known.
    """
    made: dict[str, RankCut] = {}
    least = 1
    for rank, given in names.items():
        there = np.array([name is not None for name in given], bool)
        there &= np.isin(np.arange(len(there)), found.rows)
        rows = np.flatnonzero(there)
        truth = np.unique([str(given[row]) for row in rows.tolist()], return_inverse=True)[1]
        if not len(rows) or truth.max() < 1 or found.tree is None:
            continue
        counts = [k for k in (1, *ladder(found.tree.finest)) if k >= least] or [least]
        scores = [adjusted_mutual_information(truth, found.cut(k)[rows]) for k in counts]
        place = int(np.argmax(scores))
        least = counts[place]
        label = found.cut(least)
        made[rank] = RankCut(least, label, found.support_of(label), float(scores[place]), len(rows))
    return made
