"""Who is asked where not all can be: of every taxon one by lot, then of each another one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_turn"]

_SEED = 0


def in_turn(
    taxon: NDArray[np.integer[Any]], may: NDArray[np.bool_], most: int
) -> NDArray[np.int64]:
    """Return which are asked.

    Args:
        taxon: Of each.
        may: Which can be asked.
        most: How many are asked at most.
    """
    told = np.flatnonzero(may)
    order = np.random.default_rng(_SEED).permutation(told)
    taxa = taxon[order]
    by_taxon = np.argsort(taxa, kind="stable")
    begin = np.append(True, np.diff(taxa[by_taxon]) > 0)[: len(order)]
    turn = np.empty(len(order), np.int64)
    first = np.flatnonzero(begin)
    turn[by_taxon] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return order[np.argsort(turn, kind="stable")][:most].astype(np.int64)
