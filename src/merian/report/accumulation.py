"""How many species there are among so many specimens, seen and foretold.

Rarefaction says how many species a smaller sample of the same would have held, extrapolation how
many a larger one would: up to twice as many specimens, beyond which nothing can be said. Both, and
the lower bound of the whole (Chao1), follow from how many species were met once, twice and so on.
The variance is that of these numbers, drawn as a multinomial sample of all species there are, so
one formula serves the whole curve.

Reference: R. K. Colwell et al., Models and estimators linking individual-based and sample-based
rarefaction, extrapolation and comparison of assemblages, J. Plant Ecol. 5, 3 (2012), equations 4,
5, 9 and 10; A. Chao, Estimating the population size for capture-recapture data with unequal
catchability, Biometrics 43, 783 (1987)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["Accumulation", "accumulate"]

Floats = NDArray[np.float64]

_PLACES = 40  # of each half of the curve
_SURE = 1.959963984540054  # standard deviations of a 95 % interval
_BEYOND = 2.0  # times the specimens


@dataclass(frozen=True)
class Accumulation:
    """A curve of species over specimens, with intervals of 95 %.

    Attributes:
        specimens: float64[places], rising.
        species: float64[places].
        low: float64[places].
        high: float64[places].
        seen: How many places are not beyond what was observed.
        observed: Species that were met.
        once: Species that were met once.
        twice: Species that were met twice.
        chao: How many there are at least.
        chao_low: The lower end of its interval.
        chao_high: The upper end.
        coverage: The share of the next specimens that is of species which were met.
    """

    specimens: Floats
    species: Floats
    low: Floats
    high: Floats
    seen: int
    observed: int
    once: int
    twice: int
    chao: float
    chao_low: float
    chao_high: float
    coverage: float


def accumulate(times: Mapping[int, int]) -> Accumulation:
    """Return the curve.

    Args:
        times: How many species were met once, twice and so on; at least one was met.
    """
    met = np.array(sorted(k for k, count in times.items() if k > 0 and count > 0), np.float64)
    if not len(met):
        raise ValueError("no species was met")
    count = np.array([times[int(k)] for k in met], np.float64)
    specimens, observed = float(met @ count), float(count.sum())
    once, twice = float(times.get(1, 0)), float(times.get(2, 0))
    unseen = _unseen(specimens, once, twice)
    half = np.unique(np.round(np.geomspace(1, specimens, _PLACES)))
    far = specimens * np.linspace(1, _BEYOND, _PLACES)[1:]
    inside = [_rarefied(size, specimens, met, count) for size in half]
    beyond = [_foretold(size - specimens, specimens, met, count) for size in far]
    species, deviation = np.array([_with_error(*one, count, observed + unseen)
                                   for one in (*inside, *beyond)]).T  # fmt: skip
    chao_low, chao_high = _chao_interval(specimens, observed, once, twice, unseen)
    return Accumulation(
        specimens=np.concatenate([half, far]),
        species=species,
        low=np.maximum(species - _SURE * deviation, 0.0),
        high=species + _SURE * deviation,
        seen=len(half),
        observed=int(observed),
        once=int(once),
        twice=int(twice),
        chao=observed + unseen,
        chao_low=chao_low,
        chao_high=chao_high,
        coverage=_coverage(specimens, once, twice),
    )


def _unseen(specimens: float, once: float, twice: float) -> float:
    """Return how many species were missed at least (Chao1)."""
    share = (specimens - 1) / specimens
    return share * once**2 / (2 * twice) if twice else share * once * (once - 1) / 2


def _coverage(specimens: float, once: float, twice: float) -> float:
    """Return the share of specimens that is of species which were met (Chao & Jost 2012)."""
    if not once:
        return 1.0
    if twice:
        return 1 - once / specimens * (
            (specimens - 1) * once / ((specimens - 1) * once + 2 * twice)
        )
    other = (specimens - 1) * (once - 1)
    return 1 - once / specimens * (other / (other + 2)) if specimens > 1 else 0.0


def _rarefied(size: float, specimens: float, met: Floats, count: Floats) -> tuple[float, Floats]:
    """Return the species of a smaller sample, and how it changes with each number of species."""
    missed = _missed(size, specimens, met)
    return float(count @ (1 - missed)), 1 - missed


def _missed(size: float, specimens: float, met: Floats) -> Floats:
    """Return how probably a sample holds none of a species: C(n - k, m) / C(n, m)."""
    left = specimens - met
    found = np.zeros(len(met))
    there = left >= size
    log = (
        gammaln(left[there] + 1) - gammaln(left[there] - size + 1)
        + gammaln(specimens - size + 1) - gammaln(specimens + 1)
    )  # fmt: skip
    found[there] = np.exp(np.minimum(log, 0.0))
    return found


def _foretold(more: float, specimens: float, met: Floats, count: Floats) -> tuple[float, Floats]:
    """Return the species of a larger sample, and how it changes with each number of species."""

    def added(once: float, twice: float) -> float:
        unseen = _unseen(specimens, once, twice)
        if unseen <= 0 or once <= 0:
            return 0.0
        return unseen * -math.expm1(more * math.log1p(-once / (specimens * unseen + once)))

    once = float(count[met == 1].sum())
    twice = float(count[met == 2].sum())
    slopes = np.ones(len(met))
    step = 1e-4
    if once:
        slopes[met == 1] += (added(once + step, twice) - added(once - step, twice)) / (2 * step)
    if twice:
        slopes[met == 2] += (added(once, twice + step) - added(once, twice - step)) / (2 * step)
    return float(count.sum()) + added(once, twice), slopes


def _with_error(species: float, slopes: Floats, count: Floats, whole: float) -> tuple[float, float]:
    """Return a value with its standard deviation: that of multinomial counts of species."""
    variance = float(slopes**2 @ count) - float(slopes @ count) ** 2 / whole
    return species, math.sqrt(max(variance, 0.0))


def _chao_interval(
    specimens: float, observed: float, once: float, twice: float, unseen: float
) -> tuple[float, float]:
    """Return the interval of how many there are: never less than were seen (Chao 1987)."""
    if not unseen:
        return observed, observed
    share = (specimens - 1) / specimens
    if twice:
        ratio = once / twice
        variance = twice * (share / 2 * ratio**2 + share**2 * (ratio**3 + ratio**4 / 4))
    else:
        whole = observed + unseen
        variance = (
            share * once * (once - 1) / 2 + share**2 * once * (2 * once - 1) ** 2 / 4
            - share**2 * once**4 / (4 * whole)
        )  # fmt: skip
    factor = math.exp(_SURE * math.sqrt(math.log1p(max(variance, 0.0) / unseen**2)))
    return observed + unseen / factor, observed + unseen * factor
