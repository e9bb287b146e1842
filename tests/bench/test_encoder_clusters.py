"""Clusters of vectors, against plain oracles."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.bench.encoder_rows import made_rows  # noqa: E402

from merian.bench.encoder_bins import leaders, left_out_interval, split_bins  # noqa: E402
from merian.discover import by_average, ward  # noqa: E402
from merian.errors import InputError, NotFoundError  # noqa: E402
from merian.learn import adjusted_mutual_information  # noqa: E402


def plain_tree(distances, ward):
    """Join the two nearest of all clusters, again and again; the oracle."""
    members = {i: [i] for i in range(len(distances))}
    while len(members) > 1:
        apart = {
            (a, b): ward_cost(distances, one, other)
            if ward
            else distances[np.ix_(one, other)].mean()
            for (a, one), (b, other) in combinations(members.items(), 2)
        }
        a, b = min(apart, key=apart.get)
        far = apart[a, b]
        members[a] += members.pop(b)
        yield far, [sorted(m) for m in members.values()]


def ward_cost(points, one, other):
    """The distance of Ward's method, from the means of two clusters of points."""
    gap = points[one].mean(0) - points[other].mean(0)
    return np.sqrt(2 * len(one) * len(other) / (len(one) + len(other)) * (gap**2).sum())


@pytest.mark.parametrize("by_squares", [False, True])
def test_trees_are_those_of_joining_the_nearest_again_and_again(by_squares):
    points = np.random.default_rng(3).normal(size=(25, 3))
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    tree = ward(points) if by_squares else by_average(distances)
    for number, (far, groups) in enumerate(
        plain_tree(points if by_squares else distances, by_squares)
    ):
        assert tree.heights[number] == pytest.approx(far)
        for labels in (tree.into(24 - number), tree.at(far + 1e-9)):
            found = [np.flatnonzero(labels == c).tolist() for c in np.unique(labels)]
            assert sorted(found) == sorted(groups)
    with pytest.raises(InputError, match="26 clusters of 25 items"):
        tree.into(26)


def test_a_leader_takes_in_what_is_near():
    vectors = np.array([[1, 0], [0.99, 0.05], [0, 1], [0.05, 0.99], [0.7, 0.7]], np.float32)
    assert leaders(vectors, 0.01).tolist() == [0, 0, 1, 1, 2]
    assert leaders(vectors, 1.0).tolist() == [0, 0, 0, 0, 0]
    assert leaders(vectors, -1.0).tolist() == [0, 1, 2, 3, 4]


def test_the_interval_of_an_agreement_holds_it_and_narrows():
    rng = np.random.default_rng(0)
    halves = []
    for bins in (40, 400):
        truth = np.repeat(np.arange(bins), 4)
        clusters = np.where(
            rng.random(len(truth)) < 0.1, rng.integers(bins, size=len(truth)), truth
        )
        value, half = left_out_interval(adjusted_mutual_information, clusters, truth)
        assert value == adjusted_mutual_information(clusters, truth)
        assert 0 < half < 0.2
        halves.append(half)
    assert halves[1] < halves[0] / 2


def test_halves_share_no_bin():
    learned, asked = split_bins(made_rows(), 0)
    one, other = ({row[2][-1] for row in rows} for rows in (learned, asked))
    assert one.isdisjoint(other)
    assert abs(len(one) - len(other)) <= 1
    with pytest.raises(NotFoundError, match="two or more"):
        split_bins(made_rows(genera=1, species=1), 0)
