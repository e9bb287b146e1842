"""Naming by the nearest key: against a reading of the protocol by loops, record by record."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn.retrieval import (
    Asked,
    all_keys,
    harmonic_mean,
    less,
    mean_of,
    right_among,
    scores,
    side_by_side,
)


def drawn(seed: int = 0, n: int = 90, m: int = 70):
    """Queries and keys near the centres of twelve species in four genera, some names not known."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(12, 6))
    of_query, of_key = random.integers(12, size=n), random.integers(12, size=m)
    truth = np.stack([of_query // 3, of_query], 1)
    labels = np.stack([of_key // 3, of_key], 1)
    truth[::11, 0] = -1
    labels[::13, 1] = -1
    queries = centres[of_query] + random.normal(size=(n, 6))
    keys = centres[of_key] + random.normal(size=(m, 6))
    return queries, keys, truth, labels


def brute(queries, keys, truth, labels, k):
    """The same, as the published code goes about it."""
    found = np.full((len(queries), truth.shape[1]), math.nan)
    for row, query in enumerate(queries):
        cosines = [float(query @ key / np.linalg.norm(query) / np.linalg.norm(key)) for key in keys]
        near = sorted(range(len(keys)), key=lambda i: -cosines[i])[:k]
        for rank in range(truth.shape[1]):
            if truth[row, rank] >= 0:
                found[row, rank] = truth[row, rank] in [labels[i, rank] for i in near]
    return found


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_k_nearest_are_those_of_the_loops(k):
    queries, keys, truth, labels = drawn()
    right = right_among(queries, keys, truth, labels, (1, 3, 5))
    np.testing.assert_array_equal(
        right[:, :, (1, 3, 5).index(k)], brute(queries, keys, truth, labels, k)
    )


@pytest.mark.parametrize("macro", [False, True])
def test_shares_are_those_of_the_loops(macro):
    queries, keys, truth, labels = drawn()
    right = right_among(queries, keys, truth, labels)[:, 1, 0]
    seen = truth[:, 1] % 3 > 0
    found = scores(right, Asked(truth[:, 1], seen, truth[:, 1]), macro=macro, rounds=200)
    told = []
    for side in (True, False):
        if macro:
            kinds = sorted(set(truth[seen == side, 1].tolist()))
            shares = [np.mean(right[(seen == side) & (truth[:, 1] == kind)]) for kind in kinds]
            told.append(float(np.mean(shares)))
        else:
            told.append(float(np.mean(right[seen == side])))
    assert found.seen.value == pytest.approx(told[0])
    assert found.unseen.value == pytest.approx(told[1])
    assert found.harmonic.value == pytest.approx(2 / (1 / told[0] + 1 / told[1]))
    for one in (found.seen, found.unseen, found.harmonic):
        assert one.low <= one.value <= one.high
    assert (found.seen.n, found.seen.groups) == (int(seen.sum()), 8)


def test_draws_of_units_are_those_of_an_explicit_bootstrap():
    """A macro share of a coarse rank, with species drawn: each draw counted record by record."""
    random = np.random.default_rng(3)
    units = random.integers(6, size=60)
    classes, right = units // 2, (random.random(60) < 0.5).astype(float)
    asked = Asked(classes, np.ones(60, bool), units)
    found = scores(right, asked, macro=True, rounds=300, seed=5)
    again = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), 300)
    values = []
    for times in again:
        rows = np.concatenate([np.flatnonzero(units == u).repeat(times[u]) for u in range(6)])
        values.append(np.mean([right[rows][classes[rows] == c].mean() for c in set(classes[rows])]))
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.seen.low, found.seen.high) == pytest.approx((low, high))
    assert math.isnan(found.unseen.value)


def test_a_difference_is_paired():
    """Two ways that fail at nearly the same queries differ surely, as each alone does not."""
    random = np.random.default_rng(0)
    units = np.repeat(np.arange(60), 3)
    hard = (random.random(60) < 0.5)[units]
    one = np.where(hard, 0.0, 1.0)
    other = one.copy()
    other[::30] = 0
    asked = Asked(units, units < 40, units)
    apart = less(one, other, asked, macro=True)
    assert 0 < apart.harmonic.high < 0.1
    assert apart.harmonic.low >= 0
    alone = scores(one, asked, macro=True).harmonic
    assert apart.harmonic.high - apart.harmonic.low < (alone.high - alone.low) / 2
    same = less(one, one, asked, macro=False)
    assert (same.harmonic.value, same.harmonic.low, same.harmonic.high) == (0, 0, 0)
    whole = scores(one, asked, macro=True).harmonic.value
    rest = scores(other, asked, macro=True).harmonic.value
    assert apart.harmonic.value == pytest.approx(whole - rest)


def test_a_harmonic_mean_with_nothing_right_is_nought():
    np.testing.assert_allclose(harmonic_mean([0.5, 0, 0.2], [0.25, 0, 0.2]), [1 / 3, 0, 0.2])


def test_two_modalities_as_a_mean_side_by_side_and_as_one_set_of_keys():
    one, other = np.array([[3.0, 0], [0, 1]]), np.array([[0, 2.0], [0, 5]])
    np.testing.assert_allclose(mean_of(one, other), [[0.5, 0.5], [0, 1]])
    np.testing.assert_allclose(mean_of(one, other, weights=(3, 1)), [[0.75, 0.25], [0, 1]])
    np.testing.assert_allclose(side_by_side(one, other), [[1, 0, 0, 1], [0, 1, 0, 1]])
    keys, labels = all_keys([one, other], [[1, 2], [3, 4]])
    np.testing.assert_allclose(keys, [[1, 0], [0, 1], [0, 1], [0, 1]])
    np.testing.assert_array_equal(labels, [[1, 2], [3, 4], [1, 2], [3, 4]])
    with pytest.raises(InputError, match="one space"):
        mean_of(one, np.ones((2, 3)))


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="one of each"):
        right_among(np.ones((2, 3)), np.ones((4, 3)), [[1]], [[1]] * 4)
    with pytest.raises(InputError, match="from 1 on"):
        right_among(np.ones((1, 3)), np.ones((4, 3)), [[1]], [[1]] * 4, (0,))
