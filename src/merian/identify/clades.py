"""How the promise fares clade by clade, and where there are genera enough to speak of it.

The promise of a library is one over all its genera. Here the same simulated answers, at the same
thresholds, are counted within each clade. With enough genera a clade has a figure of its own, held
against alpha as the promise itself is; with fewer there is none to be had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.ladder import Ladder
from merian.identify.posterior import chains_of, posterior_of
from merian.identify.promise import ENOUGH, Promise, stands
from merian.identify.simulations import Simulations

__all__ = ["HOLDS", "NOT_SHOWN", "TOO_FEW", "Fared", "promise_by_clade"]

HOLDS, NOT_SHOWN, TOO_FEW = "holds", "not shown", "too few genera"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fared:
    """How simulated answers fared in one stratum of a clade.

    Attributes:
        genera: How many there were.
        error: Mean over them of the share of wrong answers.
        species: Mean over them of the share that is named to a species.
        verdict: `HOLDS`, `NOT_SHOWN` or `TOO_FEW`.
    """

    genera: int
    error: float
    species: float
    verdict: str


def promise_by_clade(
    simulated: Simulations, ladder: Ladder, promise: Promise, rank: str
) -> Mapping[int, Mapping[str, Fared]]:
    """Return how the promise fares in each taxon of a rank: by rung, then by stratum.

    Args:
        simulated: What the promise was chosen on.
        ladder: Of the library.
        promise: With its thresholds.
        rank: One of the ladder's.
    """
    mix = strata.expanded(promise.novelty)
    scores = simulated.score.astype(np.float64)
    posterior = posterior_of(scores, simulated.offset, simulated.rung, ladder, mix)
    chains = chains_of(posterior, ladder)
    depth = stands(chains, ladder, np.array([*promise.thresholds.values()]))
    wrong = np.logical_or.accumulate(chains.rung != simulated.true, axis=1)
    row = np.arange(len(depth))
    error = (depth > 0) & wrong[row, np.maximum(depth - 1, 0)]
    named = depth == len(ladder.ranks)
    clade = ladder.paths(simulated.genus)[:, ladder.ranks.index(rank)]
    stratum = strata.grouped(simulated.stratum)
    found: dict[int, dict[str, Fared]] = {}
    for rung in np.unique(clade[clade >= 0]).tolist():
        found[rung] = {}
        for number, name in enumerate(strata.NAMES):
            rows = np.flatnonzero((clade == rung) & (stratum == number))
            genus = np.unique(simulated.genus[rows], return_inverse=True)[1]
            weight = simulated.weight[rows].astype(np.float64)
            errors = _of_genera(genus, weight, error[rows])
            shares = _of_genera(genus, weight, named[rows])
            found[rung][name] = _fared(errors, shares, promise.alpha)
    return found


def _of_genera(genus: NDArray[np.int64], weight: Floats, hit: NDArray[np.bool_]) -> Floats:
    """Return the share of each genus."""
    if not len(genus):
        return np.empty(0)
    found: Floats = np.bincount(genus, weight * hit) / np.bincount(genus, weight)
    return found


def _fared(errors: Floats, shares: Floats, alpha: float) -> Fared:
    genera = len(errors)
    if genera < ENOUGH:
        verdict = TOO_FEW
    else:
        verdict = HOLDS if (errors.sum() + 1) / (genera + 1) <= alpha else NOT_SHOWN
    mean, named = (float(x.mean()) if genera else 0.0 for x in (errors, shares))
    return Fared(genera, mean, named, verdict)
