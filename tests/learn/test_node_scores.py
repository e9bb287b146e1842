"""Figures of nodes of which only some are known, against loops and a trusted reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn.forest import Forest, ForestLabels
from merian.learn.node_scores import (
    average_precision,
    count_nodes,
    counts_by_depth,
    deepest_right,
    macro_average_precision,
    micro_average_precision,
    to_nearest_ancestor,
)

# Two trees, whose nodes stand in no order: 4 over 0 and 1, 0 over 2 and 3; 5 over 6, and 7 beside.
PARENT = [4, 4, 0, 0, -1, -1, 5, -1]
TREE = [0, 0, 0, 0, 0, 1, 1, 1]
LINES = [[0, 4], [1, 4], [2, 0, 4], [3, 0, 4], [4], [5], [6, 5], [7]]


def forest() -> Forest:
    return Forest(("",) * 8, np.array(PARENT), np.array(TREE), ("one", "other"))


def made(n: int = 60, seed: int = 0):
    """Labels with all kinds of absence, answers with all above them, and probabilities."""
    rng, wood = np.random.default_rng(seed), forest()
    lists = [rng.choice(8, size=rng.integers(4), replace=False).tolist() for _ in range(n)]
    there, known = ForestLabels.of_lists(wood, lists, rng.random((n, 2)) < 0.3).marks()
    told = wood.above(rng.random((n, 8)) < 0.2)
    return told, there, known, np.round(rng.random((n, 8)), 1)  # with ties


def triples(*tables):
    return [
        (row, node, *(bool(t[row, node]) for t in tables))
        for row in range(len(tables[0]))
        for node in range(8)
    ]


def by_loops(values, truth):
    """The mean over what is there of the precision among all that are as probable or more."""
    reached = [np.mean(truth[values >= v]) for v, yes in zip(values, truth, strict=True) if yes]
    return np.mean(reached)


def test_precision_recall_and_f1_are_those_of_pairs_of_record_and_node():
    told, there, known, _ = made()
    said = {(r, n) for r, n, t, _, k in triples(told, there, known) if t and k}
    true = {(r, n) for r, n, _, y, k in triples(told, there, known) if y and k}
    got = count_nodes(told, there, known)
    assert (got.right, got.told, got.there) == (len(said & true), len(said), len(true))
    assert got.precision == len(said & true) / len(said)
    assert got.recall == len(said & true) / len(true)
    mean = 2 * got.precision * got.recall / (got.precision + got.recall)
    assert got.f1 == pytest.approx(mean)
    for depth, part in enumerate(counts_by_depth(forest(), told, there, known)):
        at = {n for n in range(8) if len(LINES[n]) == depth + 1}
        mine, real = ({p for p in pairs if p[1] in at} for pairs in (said, true))
        assert (part.right, part.told, part.there) == (len(mine & real), len(mine), len(real))


def test_what_is_not_known_changes_no_figure():
    told, there, known, p = made()
    other = (np.where(known, told, ~told), np.where(known, there, ~there), known)
    wrong = np.where(known, p, 1 - p)
    assert count_nodes(*other) == count_nodes(told, there, known)
    assert micro_average_precision(wrong, *other[1:]) == micro_average_precision(p, there, known)
    assert macro_average_precision(wrong, *other[1:]) == macro_average_precision(p, there, known)
    for figure in (deepest_right, to_nearest_ancestor):
        np.testing.assert_array_equal(
            figure(forest(), *other), figure(forest(), told, there, known)
        )


def test_average_precision_is_that_of_a_loop():
    _, there, known, p = made()
    assert micro_average_precision(p, there, known) == pytest.approx(
        by_loops(p[known], there[known])
    )
    each = [by_loops(p[k, n], there[k, n]) for n, k in enumerate(known.T) if there[k, n].any()]
    assert macro_average_precision(p, there, known) == (pytest.approx(np.mean(each)), len(each))
    rough = np.round(p[known], 1)  # many have one value, and are reached together
    assert average_precision(rough, there[known]) == pytest.approx(by_loops(rough, there[known]))
    assert average_precision(np.full(10, 0.5), np.arange(10) < 3) == pytest.approx(0.3)


def test_the_deepest_right_answer_and_the_way_to_an_ancestor_are_those_of_loops():
    told, there, known, _ = made(200)
    depths = deepest_right(forest(), told, there, known)
    ways = to_nearest_ancestor(forest(), told, there, known)
    for row in range(200):
        for tree in (0, 1):
            nodes = [n for n in range(8) if TREE[n] == tree]
            true = {n for n in nodes if there[row, n] and known[row, n]}
            said = {n for n in nodes if told[row, n] and known[row, n]}
            deepest = max((len(LINES[n]) for n in said & true), default=0) if true else math.nan
            assert depths[row, tree] == pytest.approx(deepest, nan_ok=True)
            tips = [n for n in said if not any(n in LINES[m][1:] for m in said)]
            steps = [
                next((i for i, up in enumerate(LINES[n]) if up in true), len(LINES[n]))
                for n in tips
            ]
            mean = np.mean(steps) if steps else math.nan
            assert ways[row, tree] == pytest.approx(mean, nan_ok=True)
    assert np.isnan(depths).any()
    assert len(np.unique(ways[~np.isnan(ways)])) > 3


def test_of_nothing_there_is_no_figure():
    nothing = np.zeros((3, 8), bool)
    got = count_nodes(nothing, nothing, ~nothing)
    assert all(math.isnan(v) for v in (got.precision, got.recall, got.f1))
    assert math.isnan(micro_average_precision(np.ones((3, 8)), nothing, ~nothing))
    value, count = macro_average_precision(np.ones((3, 8)), nothing, ~nothing)
    assert math.isnan(value)
    assert count == 0
    assert np.isnan(deepest_right(forest(), ~nothing, nothing, ~nothing)).all()
    assert np.isnan(to_nearest_ancestor(forest(), nothing, ~nothing, ~nothing)).all()


def test_what_does_not_go_together_is_refused():
    some = np.zeros((2, 8), bool)
    with pytest.raises(InputError, match="the same shape"):
        count_nodes(some, some, some[:1])
    with pytest.raises(InputError, match="8 expected"):
        deepest_right(forest(), some[:, :3], some[:, :3], some[:, :3])
    with pytest.raises(InputError, match="no number"):
        average_precision(np.array([math.nan]), np.array([True]))
    with pytest.raises(InputError, match="one each"):
        average_precision(np.zeros(2), np.zeros(3, bool))
