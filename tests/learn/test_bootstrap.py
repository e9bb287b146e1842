"""Intervals by drawing again: the definition, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn.bootstrap import (
    difference,
    draw,
    interval_of,
    mean_difference,
    mean_interval,
    middle,
)

GROUPS = np.array(["b", "a", "a", "c", "b", "b", "d"])
VALUES = np.array([1.0, 2.0, 4.0, 8.0, 3.0, 0.0, 5.0])


def test_a_mean_over_drawn_groups_is_the_mean_of_their_records():
    got = mean_interval(VALUES, GROUPS, rounds=300, seed=5)
    means = []
    for times in draw(4, 300, seed=5):
        records = [
            value
            for group, name in enumerate("abcd")
            for _ in range(int(times[group]))
            for value in VALUES[name == GROUPS]
        ]
        means.append(sum(records) / len(records))
    assert (got.value, got.n, got.groups) == (pytest.approx(VALUES.mean()), 7, 4)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_any_figure_is_asked_of_the_same_draws():
    for groups in (None, GROUPS):
        mean = mean_interval(VALUES, groups, rounds=200)
        other = interval_of(lambda rows: float(VALUES[rows].mean()), 7, groups, rounds=200)
        assert (other.value, other.low, other.high) == pytest.approx(
            (mean.value, mean.low, mean.high)
        )
    high = interval_of(lambda rows: float(VALUES[rows].max()), 7, rounds=200)
    assert high.value == high.high == 8
    assert high.low < 8


def test_figures_of_the_same_records_are_compared_on_the_same_draws():
    noise = np.random.default_rng(0).normal(size=200)
    one, other = noise + 0.1, noise
    assert mean_difference(one, other).low == pytest.approx(0.1)
    got = difference(lambda r: one[r].mean(), lambda r: other[r].mean(), 200, rounds=50)
    assert (got.low, got.high) == (pytest.approx(0.1), pytest.approx(0.1))
    apart = mean_interval(one)
    assert apart.low < other.mean() < apart.high  # each alone could not tell


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    by_group = by_record = 0
    for trial in range(150):
        group = np.repeat(np.arange(40), 5)
        values = rng.normal(size=40)[group] + 0.3 * rng.normal(size=200)
        told = mean_interval(values, group, rounds=300, seed=trial)
        alone = mean_interval(values, rounds=300, seed=trial)
        by_group += told.low <= 0 <= told.high
        by_record += alone.low <= 0 <= alone.high
    assert by_group / 150 > 0.88
    assert by_record / 150 < 0.75  # records of a group are no independent witnesses


def test_what_is_not_known_does_not_count():
    values = np.array([1.0, math.nan, 3.0, math.nan])
    got = mean_interval(values, [0, 1, 0, 2])
    assert (got.value, got.n, got.groups) == (2, 2, 1)
    empty = mean_interval([math.nan])
    assert (empty.n, empty.groups) == (0, 0)
    assert math.isnan(empty.value)
    assert math.isnan(interval_of(lambda _: 0.0, 0).low)
    assert middle([1.0, math.nan, 1.0]) == (1, 1)
    assert math.isnan(middle([math.nan])[0])


def test_one_group_has_no_interval():
    for found in (
        mean_interval([1, 0, 1], [5, 5, 5]),
        mean_interval([2.0]),
        interval_of(lambda rows: float(rows.mean()), 3, ["a", "a", "a"]),
    ):
        assert found.groups == 1
        assert not math.isnan(found.value)
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_many_records_are_drawn_in_pieces(monkeypatch):
    whole = mean_interval(VALUES, GROUPS, rounds=50)
    monkeypatch.setattr("merian.learn.bootstrap._AT_A_TIME", 9)
    assert mean_interval(VALUES, GROUPS, rounds=50) == whole


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="as many expected"):
        mean_interval([1, 2], [0])
    with pytest.raises(InputError, match="the same records"):
        mean_difference([1, 2], [1])
    with pytest.raises(InputError, match="between 0 and 1"):
        mean_interval([1, 2], level=95)
    with pytest.raises(InputError, match="one of each record"):
        mean_interval([[1, 2]])
