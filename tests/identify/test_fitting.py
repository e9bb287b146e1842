from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from merian.identify.described import Described
from merian.identify.fitting import PULL, fit, log_probabilities, score, taken


def made(seed: int, queries: int = 400):
    """Queries with up to six outcomes of three kinds; what each is, is drawn by true weights."""
    chance = np.random.default_rng(seed)
    size = chance.integers(1, 4, queries), chance.integers(1, 3, queries)
    kind = np.concatenate([np.repeat([0, 1, 2], [a, b, 1]) for a, b in zip(*size, strict=True)])
    offset = np.concatenate([[0], np.cumsum(size[0] + size[1] + 1)])
    places = tuple(np.flatnonzero(kind == k) for k in range(3))
    features = tuple(
        np.column_stack([np.ones(len(p)), chance.normal(2, 3, (len(p), width))])
        for p, width in zip(places, (3, 2, 1), strict=True)
    )
    nothing = np.zeros(queries, np.int8)
    described = Described(offset, np.zeros(len(kind), np.int32), nothing, places, features)
    weights = [np.array([0.3, 1.0, -0.5, 0.0]), np.array([-0.2, 0.4, 0.8]), np.array([0.5, -0.3])]
    share = np.exp(log_probabilities(score(described, weights), offset))
    true = np.array([chance.choice(np.arange(a, b), p=share[a:b]) for a, b in pairwise(offset)])
    return described, true, weights


ZEROS = [np.zeros(4), np.zeros(3), np.zeros(2)]


def test_probabilities_sum_to_one_and_do_not_overflow():
    offset = np.array([0, 2, 5])
    found = np.exp(log_probabilities(np.array([1000.0, 1001, -900, -901, -5000]), offset))
    assert np.add.reduceat(found, offset[:-1]) == pytest.approx([1, 1])


def test_the_weights_are_those_of_no_slope():
    described, true, _ = made(1)
    importance = np.random.default_rng(0).random(len(true))
    found = fit(described, true, importance, ZEROS)

    def loss(weights):
        means = [rows.mean(axis=0) for rows in described.features]
        spreads = [rows.std(axis=0) + 1e-3 for rows in described.features]
        pulled = 0.0
        for weight, mean, spread in zip(weights, means, spreads, strict=True):
            standard = weight * spread
            standard[0] = weight[0] + weight[1:] @ mean[1:]
            pulled += standard @ standard
        log = log_probabilities(score(described, weights), described.offset)
        return -(importance @ log[true]) + PULL * pulled / 2

    least = loss(found)
    for kind, weight in enumerate(found):
        for place in range(len(weight)):
            for step in (-1e-3, 1e-3):
                moved = [w.copy() for w in found]
                moved[kind][place] += step
                assert loss(moved) >= least


def test_what_was_drawn_from_weights_gives_them_back():
    described, true, weights = made(2, 6000)
    found = fit(described, true, np.ones(len(true)), ZEROS)
    # What is common to all outcomes cannot be told from the outcomes of each query.
    for ours, theirs in zip(found, weights, strict=True):
        assert ours[1:] == pytest.approx(theirs[1:], abs=0.1)


def test_it_ends_at_the_same_weights_wherever_it_starts():
    described, true, weights = made(7)
    usual = fit(described, true, np.ones(len(true)), ZEROS)
    again = fit(described, true, np.ones(len(true)), ZEROS, [3 * weight for weight in weights])
    for one, other in zip(usual, again, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_without_queries_the_weights_are_the_usual_ones():
    empty = Described(
        np.array([0]),
        np.empty(0, np.int32),
        np.empty(0, np.int8),
        (np.empty(0, np.int64),) * 3,
        tuple(np.empty((0, n)) for n in (4, 3, 2)),
    )
    usual = [np.arange(4.0), np.ones(3), np.ones(2)]
    found = fit(empty, np.empty(0, np.int64), np.empty(0), usual)
    assert [w.tolist() for w in found] == [w.tolist() for w in usual]


def test_few_queries_stay_near_the_usual_weights_and_many_do_not():
    few, true, _ = made(3, 4)
    usual = [np.array([0, 2.0, 0, 0]), np.zeros(3), np.zeros(2)]
    assert abs(fit(few, true, np.full(4, 0.1), usual)[0][1] - 2) < 0.3
    many, true, weights = made(3, 4000)
    assert fit(many, true, np.ones(4000), usual)[0][1] == pytest.approx(weights[0][1], abs=0.1)


def test_a_part_of_the_queries_scores_as_in_the_whole():
    described, _, weights = made(4, 50)
    chosen = np.random.default_rng(0).random(50) < 0.5
    part = taken(described, chosen)
    keep = np.repeat(chosen, np.diff(described.offset))
    assert score(part, weights) == pytest.approx(score(described, weights)[keep])
    assert part.offset[-1] == keep.sum()
