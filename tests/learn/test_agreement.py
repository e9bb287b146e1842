"""Agreement of partitions, against all permutations, loops over pairs, and known values."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import InputError
from merian.learn.agreement import (
    adjusted_mutual_information,
    adjusted_rand_index,
    expected_mutual_information,
    mutual_information,
    normalised_mutual_information,
    purity,
)

SMALL = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)


def information(one, other):
    n, a, b, both = len(one), Counter(one), Counter(other), Counter(zip(one, other, strict=True))
    return sum(c / n * math.log(n * c / (a[x] * b[y])) for (x, y), c in both.items())


@given(SMALL)
def test_mutual_information_is_its_definition(pairs):
    one, other = zip(*pairs, strict=True)
    assert mutual_information(one, other) == pytest.approx(information(one, other), abs=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [("aabbbc", "xxyyyz"), ("aaaabb", "xyxyxy"), ("aaaaab", "xyyyyy"), ("abcdee", "xxxxxx")],
)
def test_the_expectation_is_the_mean_over_all_permutations(one, other):
    mean = np.mean([information(one, dealt) for dealt in permutations(other)])
    sizes = [list(Counter(x).values()) for x in (one, other)]
    assert expected_mutual_information(*sizes) == pytest.approx(mean, abs=1e-12)
    top = (information(one, one) + information(other, other)) / 2
    expected = (information(one, other) - mean) / (top - mean)
    got = adjusted_mutual_information(list(one), list(other))
    assert got == pytest.approx(expected, abs=1e-10)


@given(SMALL)
def test_the_rand_index_is_its_definition(pairs):
    one, other = zip(*pairs, strict=True)
    both = [(one[i] == one[j], other[i] == other[j]) for i, j in combinations(range(len(one)), 2)]
    together, first, second = (
        sum(f(p) for p in both) for f in (all, lambda p: p[0], lambda p: p[1])
    )
    if both and first + second not in (0, 2 * len(both)):
        expected = first * second / len(both)
        right = (together - expected) / ((first + second) / 2 - expected)
    else:
        right = 1.0  # both whole, or both all single
    assert adjusted_rand_index(one, other) == pytest.approx(right, abs=1e-12)


@given(SMALL)
def test_purity_is_its_definition(pairs):
    found = sum(
        max(Counter(c for k, c in pairs if k == cluster).values())
        for cluster in {k for k, _ in pairs}
    )
    assert purity(*zip(*pairs, strict=True)) == pytest.approx(found / len(pairs))


def test_values_that_others_print():
    # scikit-learn's own tests of its metrics.
    one = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    other = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2]
    assert mutual_information(one, other) == pytest.approx(0.41022, abs=1e-5)
    sizes = [list(Counter(x).values()) for x in (one, other)]
    assert expected_mutual_information(*sizes) == pytest.approx(0.15042, abs=1e-5)
    assert adjusted_mutual_information(one, other) == pytest.approx(0.27821, abs=1e-5)
    assert adjusted_mutual_information(110 * one, 110 * other) == pytest.approx(0.38, abs=0.005)
    assert adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(0.5714, abs=1e-4)
    assert normalised_mutual_information([0, 0, 1, 1], [0, 1, 0, 1]) == 0


@pytest.mark.parametrize("mean", ["arithmetic", "maximum", "minimum", "geometric"])
def test_the_means_of_the_entropies(mean):
    one, other = [0, 0, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1, 1]
    h = information(one, one), information(other, other)
    top = {
        "arithmetic": sum(h) / 2, "maximum": max(h), "minimum": min(h),
        "geometric": math.sqrt(h[0] * h[1]),
    }[mean]  # fmt: skip
    got = normalised_mutual_information(one, other, mean)
    assert got == pytest.approx(information(one, other) / top)
    expected = expected_mutual_information([2, 2, 3], [3, 4])
    got = adjusted_mutual_information(one, other, mean)
    assert got == pytest.approx((information(one, other) - expected) / (top - expected))


def test_partitions_that_agree_and_those_by_chance():
    rng = np.random.default_rng(0)
    one = rng.integers(20, size=2000)
    names = np.array([f"cluster {x}" for x in one])
    for measure in (adjusted_mutual_information, adjusted_rand_index, purity):
        assert measure(one, names) == pytest.approx(1)
    chance = rng.integers(20, size=2000)
    assert abs(adjusted_mutual_information(one, chance)) < 0.02
    assert abs(adjusted_rand_index(one, chance)) < 0.02
    single = np.arange(2000)
    assert purity(single, one) == 1
    assert normalised_mutual_information(single, one) > 0.5  # what correction is for
    assert abs(adjusted_mutual_information(single, one)) < 1e-9
    assert adjusted_mutual_information([0, 0], [1, 1]) == 1
    assert adjusted_mutual_information([0, 1], [1, 0]) == 1
    assert adjusted_mutual_information([0, 0, 0], [0, 1, 2]) == 0
    assert adjusted_rand_index([0, 0, 0], [0, 1, 2]) == 0
    assert adjusted_mutual_information([0], [5]) == adjusted_rand_index([0], [5]) == 1


def test_a_hundred_thousand_records_in_ten_thousand_clusters_take_seconds():
    rng = np.random.default_rng(0)
    one = rng.zipf(1.5, size=100_000) % 10_000
    other = np.where(rng.random(100_000) < 0.2, rng.integers(10_000, size=100_000), one)
    begin = time.process_time()
    found = adjusted_mutual_information(one, other)
    assert time.process_time() - begin < 20
    assert 0.5 < found < 0.95


def test_what_cannot_be_is_refused():
    for one, other in (([0], [0, 1]), ([], []), ([[0]], [[0]])):
        with pytest.raises(InputError, match="one or more, expected"):
            adjusted_rand_index(one, other)
    with pytest.raises(InputError, match="there are arithmetic"):
        adjusted_mutual_information([0, 1, 1], [0, 0, 1], "max")
    with pytest.raises(InputError, match="clusters of 3 and of 4"):
        expected_mutual_information([3], [4])
