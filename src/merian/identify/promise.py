"""The promise: the share of wrong answers is at most alpha, however much of what comes is new.

An answer is a node; it is wrong if it is neither the true node nor an ancestor of it, and the root
is never wrong. One threshold on the probability moves all answers up and down their paths, so the
loss only falls as it rises. It is chosen by conformal risk control (Angelopoulos et al. 2024,
arXiv:2208.02814) on simulated novelty: the smallest one at which (G R + 1) / (G + 1) <= alpha,
where R is the mean over G genera of the share of wrong answers. Records of a genus are much alike,
so a genus counts as one. No genus is judged by weights that were fitted on it.

This is done in each stratum, and the strictest threshold is taken: then it holds whatever the mix
of known and unknown is. Where the mix is given, the strata are weighed by it, and the promise is
for that mix alone. A stratum with few genera has no promise of its own; it is told, with the error
that was simulated there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.ladder import Ladder
from merian.identify.posterior import Chains, chains_of, posterior_of
from merian.identify.simulations import Simulations

__all__ = ["ENOUGH", "Choice", "Promise", "Stratum", "promise_of"]

Floats = NDArray[np.float64]

ENOUGH = 40  # genera; with fewer a stratum has no promise of its own
_FEW = 5  # genera; with fewer a stratum is not looked at
_ODDS = np.arange(-1.0, 9.5, 0.05)  # logarithms of the odds that are tried as thresholds
_THRESHOLDS = 1 / (1 + np.exp(-_ODDS))
_NEVER = 1.1  # no probability reaches it
_TINY = 1e-12

# A species may be stood by at somewhat lower odds than what is above it. Where its probability is
# but a little lower than that of its genus, what is unsure is the genus, and to stop there would
# say no more. On simulated novelty it names a fifth more species at the same promise.
_EASE = -0.5
_RANKS = ("species", "genus", "family")  # where the errors are told, and may be bounded


@dataclass(frozen=True)
class Choice:
    """What a user asks for.

    Attributes:
        alpha: The share of wrong answers that is not to be exceeded.
        novelty: The shares of records whose species is in the library, and whose species, genus,
            family is not, if known; None for a promise that holds whatever they are.
        by_rank: Bound the share of wrong answers among those that stop at species, at genus and
            at family too.
    """

    alpha: float = 0.05
    novelty: tuple[float, float, float, float] | None = None
    by_rank: bool = False


@dataclass(frozen=True)
class Stratum:
    """How a promise fares in one stratum.

    Attributes:
        name: One of `strata.NAMES`.
        genera: How many there were to learn from.
        records: How many simulated queries.
        error: Mean over genera of the share of wrong answers.
        promised: Whether there are enough genera for a promise of its own.
    """

    name: str
    genera: int
    records: int
    error: float
    promised: bool


@dataclass(frozen=True)
class Promise:
    """What is promised, and on what grounds.

    Attributes:
        alpha: The share of wrong answers that is not to be exceeded.
        novelty: The mix that it holds for; None if for any.
        by_rank: Whether it holds for the answers that stop at each rank too.
        thresholds: By rank, the probability that is needed to stand there.
        strata: How it fares in each.
        errors_at: By rank, the share of wrong answers among the simulated ones that stop there,
            in the mix given or the usual one; None if none stops there.
        holds: Whether anything is promised at all.
    """

    alpha: float
    novelty: tuple[float, float, float, float] | None
    by_rank: bool
    thresholds: Mapping[str, float]
    strata: Sequence[Stratum]
    errors_at: Mapping[str, float | None]
    holds: bool

    def lines(self) -> list[str]:
        """Say in plain words what is promised and what is not."""
        return _lines(self)


def promise_of(
    simulated: Simulations, ladder: Ladder, choice: Choice, least: Floats | None = None
) -> Promise:
    """Choose the thresholds and say what they promise.

    Args:
        simulated: What they are chosen on.
        ladder: Of the library.
        choice: What is asked for.
        least: By rank, thresholds that these may not be below.
    """
    mix = strata.expanded(choice.novelty)
    posterior = posterior_of(
        simulated.score.astype(np.float64), simulated.offset, simulated.rung, ladder, mix
    )
    chains = chains_of(posterior, ladder)
    fit = _Fit(simulated, chains, ladder)
    shares = None if choice.novelty is None else _told(mix)
    thresholds, holds = fit.thresholds(choice.alpha, shares)
    if least is not None:
        thresholds = np.maximum(thresholds, least)
    weight = fit.weights(_told(mix))
    if choice.by_rank:
        fit.raise_by_rank(thresholds, weight, choice.alpha)
    wrong, depth = fit.losses(thresholds)
    found = []
    for number, name in enumerate(strata.NAMES):
        rows, genera = np.flatnonzero(fit.stratum == number), len(fit.genera[number])
        error = float(fit.of_genera(rows, wrong).mean()) if genera else 0.0
        found.append(Stratum(name, genera, len(rows), error, genera >= ENOUGH))
    errors_at: dict[str, float | None] = {}
    for rank in _RANKS:
        # Where no known species was simulated, all that stop at one would be wrong.
        if rank in ladder.ranks and found[0].genera:
            at = depth == ladder.ranks.index(rank) + 1
            total = float(weight[at].sum())
            errors_at[rank] = float(weight[at] @ wrong[at]) / total if total else None
    return Promise(
        choice.alpha,
        choice.novelty,
        choice.by_rank,
        dict(zip(ladder.ranks, thresholds.tolist(), strict=True)),
        tuple(found),
        errors_at,
        holds,
    )


def _told(mix: Floats) -> Floats:
    """Return the shares of the strata as they are told."""
    last = len(strata.NAMES) - 1
    return np.append(mix[:last], mix[last:].sum())


def stands(chains: Chains, ladder: Ladder, thresholds: Floats) -> NDArray[np.int64]:
    """Return how many ranks down each query stands.

    An unnamed group is no name, so what matches one stands above it.
    """
    reached = (chains.support >= thresholds) & (chains.rung >= 0)
    reached[:, -1] &= ladder.group[chains.rung[:, -1]] < 0
    deep = np.arange(1, reached.shape[1] + 1) * reached
    found: NDArray[np.int64] = deep.max(axis=1)
    return found


class _Fit:
    """Simulated answers, and how wrong they are at a threshold."""

    def __init__(self, simulated: Simulations, chains: Chains, ladder: Ladder) -> None:
        self._simulated, self._chains, self._ladder = simulated, chains, ladder
        self._weight = simulated.weight.astype(np.float64)
        self._wrong = _wrong(simulated, chains, ladder)
        self.stratum = strata.grouped(simulated.stratum)
        found = [
            np.unique(simulated.genus[self.stratum == number], return_inverse=True)
            for number in range(len(strata.NAMES))
        ]
        self.genera = [genera for genera, _ in found]
        self._genus = [number for _, number in found]

    def losses(self, thresholds: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which answers are wrong, and how many ranks down each stands."""
        depth = stands(self._chains, self._ladder, thresholds)
        row = np.arange(len(depth))
        return (depth > 0) & self._wrong[row, np.maximum(depth - 1, 0)], depth

    def of_genera(self, rows: NDArray[np.int64], wrong: NDArray[np.bool_]) -> Floats:
        """Return the share of wrong answers of each genus of one stratum, whose rows these are."""
        genus = self._genus[int(self.stratum[rows[0]])]
        weight = self._weight[rows]
        found: Floats = np.bincount(genus, weight * wrong[rows]) / np.bincount(genus, weight)
        return found

    def weights(self, shares: Floats) -> Floats:
        """Return what each query weighs in a mix of the strata."""
        found = np.zeros(len(self.stratum))
        for stratum, share in enumerate(shares):
            here = self.stratum == stratum
            if here.any():
                genus, own = self._genus[stratum], self._weight[here]
                whole = np.bincount(genus, own)
                found[here] = share * own / whole[genus] / len(whole)
        return found

    def falls(self, ease: Floats) -> Floats:
        """Return the odds up to which each query is answered wrongly, if a threshold is at these.

        Args:
            ease: By rank, how much lower the threshold is there.
        """
        share = np.clip(self._chains.support, _TINY, 1 - _TINY)
        odds = np.where(self._chains.rung >= 0, np.log(share / (1 - share)) - ease, -np.inf)
        odds[self._ladder.group[self._chains.rung[:, -1]] >= 0, -1] = -np.inf
        found: Floats = np.where(self._wrong, odds, -np.inf).max(axis=1, initial=-np.inf)
        return found

    def thresholds(self, alpha: float, shares: Floats | None) -> tuple[Floats, bool]:
        """Return the lowest thresholds, by rank, that are good enough; and whether they promise.

        Args:
            alpha: The share of wrong answers.
            shares: Of the strata, if they are given.
        """
        ease = np.zeros(len(self._ladder.ranks))
        if self._ladder.ranks[-1] == "species":
            ease[-1] = _EASE
        falls = self.falls(ease)
        few = any(len(genera) < ENOUGH for genera in self.genera)
        # Where too little is known, what the posterior itself says must be enough at the least.
        floor = math.log((1 - alpha) / alpha) if few else -math.inf
        holds = any(len(genera) >= ENOUGH for genera in self.genera)
        least = None
        if shares is not None:
            least, holds = self._lowest(falls, alpha, shares, _guaranteed, -math.inf), True
        if least is None:
            holds &= shares is None
            least = self._lowest(falls, alpha, shares, _bound, floor)
        if least is None:
            return np.full(len(ease), _NEVER), holds
        return 1 / (1 + np.exp(-(ease + least))), holds

    def _lowest(
        self,
        falls: Floats,
        alpha: float,
        shares: Floats | None,
        bound: Callable[[Floats], float],
        floor: float,
    ) -> float | None:
        """Return the lowest odds at which the error is small enough, None if there are none."""
        here = [np.flatnonzero(self.stratum == number) for number in range(len(strata.NAMES))]
        for least in _ODDS[floor <= _ODDS]:
            wrong = falls >= least
            risks = [
                bound(self.of_genera(rows, wrong) if len(rows) else np.empty(0)) for rows in here
            ]
            if (max(risks) if shares is None else float(shares @ risks)) <= alpha:
                return float(least)
        return None

    def raise_by_rank(self, thresholds: Floats, weight: Floats, alpha: float) -> None:
        """Raise thresholds until the answers that stop at each rank are right often enough.

        From the lowest rank up: what no longer stands at one stops at the next.
        """
        for rank in _RANKS:
            if rank not in self._ladder.ranks:
                continue
            place = self._ladder.ranks.index(rank)
            for threshold in [*(t for t in _THRESHOLDS if t >= thresholds[place]), _NEVER]:
                thresholds[place] = threshold
                wrong, depth = self.losses(thresholds)
                at = depth == place + 1
                total = float(weight[at].sum())
                genera = len(np.unique(self._simulated.genus[at]))
                error = float(weight[at] @ wrong[at]) / total if total else 0.0
                if not total or (genera * error + 1) / (genera + 1) <= alpha:
                    break


def _wrong(simulated: Simulations, chains: Chains, ladder: Ladder) -> NDArray[np.bool_]:
    """Return at which ranks the best guesses are wrong.

    Who stands on a stand-in says the name above it, and is as wrong as that is.
    """
    found: NDArray[np.bool_] = np.logical_or.accumulate(chains.rung != simulated.true, axis=1)
    stand_in = (chains.rung >= 0) & (ladder.node[chains.rung] < 0) & (ladder.group[chains.rung] < 0)
    for rank in range(found.shape[1]):
        above = found[:, rank - 1] if rank else np.zeros(len(found), bool)
        found[:, rank] = np.where(stand_in[:, rank], above, found[:, rank])
    return found


def _guaranteed(errors: Floats) -> float:
    """Return what the error may be of a genus that was not met, from those of a stratum."""
    return (float(errors.sum()) + 1) / (len(errors) + 1)


def _bound(errors: Floats) -> float:
    """Return the same, but for a stratum with few genera only what is shown.

    With few genera the doubt about the next one would exceed any alpha, and a single one decides.
    There the error must not be shown to be worse than alpha, by one standard error, and the
    stratum has no promise of its own.
    """
    genera = len(errors)
    if genera >= ENOUGH:
        return _guaranteed(errors)
    if genera < _FEW:
        return 0.0
    return max(0.0, float(errors.mean() - errors.std(ddof=1) / math.sqrt(genera)))


def _lines(promise: Promise) -> list[str]:
    """Say in plain words what a promise is."""
    share = f"{100 * promise.alpha:g} %"
    if not promise.holds:
        return [
            "no promise: the library has too few genera to learn from how often answers are wrong "
            f"({ENOUGH} are needed)"
        ]
    few = [stratum for stratum in promise.strata if not stratum.promised]
    if promise.novelty is None:
        first = f"promise: at most {share} of answers are wrong, whatever is new among the records"
        first += ", but for what is told below" if few else ""
    else:
        told = ", ".join(
            f"{100 * part:.0f} % {name}"
            for name, part in zip(strata.NAMES, promise.novelty, strict=True)
        )
        first = f"promise: at most {share} of answers are wrong in this mix alone: {told}"
    lines = [first + "; wrong is neither the true taxon nor one above it"]
    lines += [
        f"no promise of its own where the {stratum.name.replace(' ', ' is ', 1)}: "
        f"{stratum.genera} genera to learn from, {ENOUGH} are needed"
        + (
            f"; of simulated answers {100 * stratum.error:.1f} % are wrong there"
            if stratum.genera
            else ""
        )
        for stratum in few
    ]
    at = ", ".join(
        f"{rank} {100 * error:.1f} %"
        for rank, error in promise.errors_at.items()
        if error is not None
    )
    if not at:
        return lines
    kind = "bounded too" if promise.by_rank else "not promised"
    return [*lines, f"of simulated answers that stop at a rank, wrong ({kind}): {at}"]
