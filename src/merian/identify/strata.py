"""What of a record's taxa a library lacks: nothing, its species, its genus, its family, or more.

These strata are what novelty is simulated in, what a promise is kept in, and what the mix of a
batch is told in. The prior over outcomes is one over strata: how often each is met.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["ABSENT", "NAMES", "USUAL", "expanded", "grouped", "of_outcomes"]

NAMES = ("species present", "species absent", "genus absent", "family absent")
ABSENT = ("species", "genus", "family", "order")  # the highest rank that is lacking, from stratum 1

# How often each is met where nothing is said; the last is that the order, or more, is lacking.
# The promise does not hang on it.
USUAL = np.array([0.45, 0.25, 0.17, 0.09, 0.04])

_LEAST = 1e-4  # no stratum is ever ruled out


def of_outcomes(ranks: Sequence[str]) -> NDArray[np.int8]:
    """Return the stratum of the outcomes at each rank, and of the root at place -1.

    An outcome at the lowest rank is in the library. One above it lacks what is a rank below it.
    """
    lacking = [*ranks[1:], None, ranks[0]]  # of each rank, then of the root
    found = [
        0 if rank is None else 1 + ABSENT.index(rank) if rank in ABSENT else len(ABSENT)
        for rank in lacking
    ]
    return np.array(found, np.int8)


def grouped(strata: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the place in `NAMES`: family and order are told as one."""
    return np.minimum(strata, len(NAMES) - 1).astype(np.int8)


def expanded(novelty: Sequence[float] | None) -> NDArray[np.float64]:
    """Return the shares of all strata for those of `NAMES`, or the usual ones."""
    if novelty is None:
        return USUAL
    given = np.asarray(novelty, np.float64)
    if given.shape != (len(NAMES),) or not np.isfinite(given).all() or (given < 0).any():
        raise InputError(
            "the mix must be four shares: of records whose species is in the library, and whose "
            "species, genus or family is not; such as 0.7,0.2,0.08,0.02"
        )
    if not 0.99 <= given.sum() <= 1.01:
        raise InputError(f"the four shares of the mix must sum to 1; these sum to {given.sum():g}")
    last = USUAL[3:] / USUAL[3:].sum()
    whole = np.maximum(np.append(given[:3], given[3] * last), _LEAST)
    found: NDArray[np.float64] = whole / whole.sum()
    return found
