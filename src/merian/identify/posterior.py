"""The posterior: how probable each outcome of a query is, and each taxon above.

The outcomes of a query are species, unnamed groups and "something new under here" (see `barcode`).
A taxon is as probable as all outcomes at it and below it together, so the numbers along a path
never grow on the way down, and those of sisters never sum to more than that of their parent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.fitting import log_probabilities
from merian.identify.ladder import Ladder

__all__ = ["Chains", "Posterior", "as_usual", "chains_of", "mix_of", "posterior_of"]

Floats = NDArray[np.float64]

_ROUNDS = 60  # of estimating the mix of a batch


@dataclass(frozen=True)
class Posterior:
    """The outcomes of queries.

    Attributes:
        offset: int64[queries + 1]; where those of each query begin.
        rung: int32; the rung that an outcome is, or has something new under it; -1 the root.
        probability: float64; sums to 1 for each query.
    """

    offset: NDArray[np.int64]
    rung: NDArray[np.int32]
    probability: Floats

    @property
    def query(self) -> NDArray[np.int64]:
        """The query of each outcome."""
        return np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))


@dataclass(frozen=True)
class Chains:
    """The best guess of each query at each rank, each under the one above.

    Attributes:
        rung: int32[queries, ranks]; -1 where there is none.
        support: float64[queries, ranks]; its probability, never growing on the way down.
    """

    rung: NDArray[np.int32]
    support: Floats


def posterior_of(
    scores: Floats,
    offset: NDArray[np.int64],
    rung: NDArray[np.int32],
    ladder: Ladder,
    mix: Floats = strata.USUAL,
) -> Posterior:
    """Return the posterior of scores that hold where novelty is as usual.

    Args:
        scores: Of all outcomes.
        offset: Where those of each query begin.
        rung: Of all outcomes.
        ladder: Of the library.
        mix: The shares of the strata.
    """
    return Posterior(offset, rung, _shares(scores, offset, _strata(rung, ladder), mix))


def as_usual(posterior: Posterior, ladder: Ladder, mix: Floats) -> Posterior:
    """Return a posterior as it is where novelty is as usual.

    Args:
        posterior: In a mix of strata.
        ladder: Of the library.
        mix: Their shares.
    """
    if np.array_equal(mix, strata.USUAL):
        return posterior
    shift = (strata.USUAL / mix)[_strata(posterior.rung, ladder)]
    share = posterior.probability * shift
    total = np.bincount(posterior.query, share, minlength=len(posterior.offset) - 1)
    return Posterior(posterior.offset, posterior.rung, share / total[posterior.query])


def _shares(
    scores: Floats, offset: NDArray[np.int64], stratum: NDArray[np.int8], mix: Floats
) -> Floats:
    """Return the probabilities of outcomes in a mix of strata."""
    shift = np.log(mix) - np.log(strata.USUAL)
    found: Floats = np.exp(log_probabilities(scores + shift[stratum], offset))
    return found


def _strata(rung: NDArray[np.int32], ladder: Ladder) -> NDArray[np.int8]:
    """Return the stratum of each outcome."""
    rank = np.where(rung >= 0, ladder.rank[rung], -1)
    found: NDArray[np.int8] = strata.of_outcomes(ladder.ranks)[rank]
    return found


def mix_of(
    scores: Floats, offset: NDArray[np.int64], rung: NDArray[np.int32], ladder: Ladder
) -> Floats:
    """Return the mix of strata under which a batch is most probable.

    Expectation and maximisation in turn, from the usual mix (Saerens et al. 2002, Neural
    Computation 14:21).
    """
    stratum = _strata(rung, ladder)
    mix = strata.USUAL
    for _ in range(_ROUNDS):
        shares = _shares(scores, offset, stratum, mix)
        counts = np.bincount(stratum, shares, minlength=len(mix))
        mix = np.maximum(counts / counts.sum(), 1e-4)
        mix = mix / mix.sum()
    return mix


def chains_of(posterior: Posterior, ladder: Ladder) -> Chains:
    """Return the best guesses: from the root down, always to the most probable taxon below."""
    queries, ranks = len(posterior.offset) - 1, len(ladder.ranks)
    path = ladder.paths(posterior.rung)
    query = posterior.query
    best = np.full((queries, ranks), -1, np.int32)
    support = np.zeros((queries, ranks))
    among = np.ones(len(query), bool)
    for rank in range(ranks):
        among &= path[:, rank] >= 0
        keys, number = np.unique(
            query[among] * len(ladder) + path[among, rank], return_inverse=True
        )
        mass = np.bincount(number, posterior.probability[among], minlength=len(keys))
        owner = keys // len(ladder)
        order = np.lexsort((keys, -mass, owner))
        first = order[np.append(True, owner[order][1:] != owner[order][:-1])[: len(order)]]
        best[owner[first], rank] = keys[first] % len(ladder)
        support[owner[first], rank] = np.minimum(mass[first], 1)
        among &= path[:, rank] == best[query, rank]
    # Sums of the same terms in another order may differ by a rounding.
    np.minimum.accumulate(support, axis=1, out=support)
    return Chains(best, support)
