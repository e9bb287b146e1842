"""Accumulation curves: counted by hand, by drawing, and against published figures."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.report.accumulation import accumulate

# Spiders of girdled and of logged hemlocks (Sackett et al. 2011), as iNEXT ships them: how often
# each species was met. What it prints of them (ChaoRichness) is below.
GIRDLED = [46, 22, 17, 15, 15, 9, 8, 6, 6, 4, 2, 2, 2, 2, *[1] * 12]
LOGGED = [88, 22, 16, 15, 13, 10, 8, 8, 7, 7, 7, 5, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, *[1] * 14]


def times(abundances):
    return {k: abundances.count(k) for k in set(abundances)}


@pytest.mark.parametrize(
    ("abundances", "chao", "low", "high"),
    [(GIRDLED, 43.893, 30.511, 96.971), (LOGGED, 61.403, 43.502, 128.583)],
    ids=["girdled", "logged"],
)
def test_chao1_is_what_inext_prints(abundances, chao, low, high):
    found = accumulate(times(abundances))
    assert found.observed == len(abundances)
    assert found.chao == pytest.approx(chao, abs=0.001)
    assert found.chao_low == pytest.approx(low, abs=0.01)
    assert found.chao_high == pytest.approx(high, abs=0.01)


def mean_of_draws(abundances, size):
    """The mean number of species of all samples of a size."""
    specimens = [kind for kind, count in enumerate(abundances) for _ in range(count)]
    drawn = [
        len({specimens[i] for i in some}) for some in combinations(range(len(specimens)), size)
    ]
    return sum(drawn) / len(drawn)


@pytest.mark.parametrize("abundances", [[1, 1, 1], [5, 3, 1, 1], [9], [4, 4, 2, 2]], ids=str)
def test_rarefaction_is_the_mean_of_all_smaller_samples(abundances):
    found = accumulate(times(abundances))
    for place in range(found.seen):
        size = round(float(found.specimens[place]))
        assert found.species[place] == pytest.approx(mean_of_draws(abundances, size), abs=1e-9)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_a_curve_rises_through_what_was_observed_and_stays_below_the_bound(abundances):
    found = accumulate(times(abundances))
    assert (np.diff(found.specimens) > 0).all()
    assert (np.diff(found.species) > -1e-6).all()
    assert found.specimens[found.seen - 1] == sum(abundances)
    assert found.species[found.seen - 1] == pytest.approx(len(abundances), abs=1e-6)
    assert (found.low <= found.species + 1e-9).all()
    assert (found.species <= found.high + 1e-9).all()
    assert found.species[-1] <= found.chao + 1e-6
    assert found.chao_low - 1e-6 <= found.chao <= found.chao_high + 1e-6
    assert 0 <= found.coverage <= 1
    assert all(math.isfinite(value) for value in (found.chao, found.chao_low, found.chao_high))


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.full(60, 0.8))
    held = 0
    for _ in range(100):
        drawn = np.bincount(rng.choice(60, 150, p=shares), minlength=60)
        found = accumulate(times([k for k in drawn.tolist() if k]))
        larger = (1 - (1 - shares) ** 300).sum()  # what twice as many hold on average
        held += found.low[-1] <= larger <= found.high[-1]
    assert 0.85 <= held / 100 <= 1


def test_nothing_met_is_no_curve():
    with pytest.raises(ValueError, match="no species was met"):
        accumulate({})
    alone = accumulate({1: 1})
    assert (alone.observed, alone.coverage) == (1, 0.0)
    everything = accumulate({7: 3})
    assert (everything.chao, everything.coverage) == (3, 1.0)
