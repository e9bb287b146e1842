from __future__ import annotations

import numpy as np
import pytest

from merian.identify.distances import distances_of, log_distance, nearest_of


def pairs(chance: np.random.Generator, count: int, among: int):
    """Distances between all pairs of members of the same parent, both ways."""
    parent = chance.integers(0, among, count)
    distance = chance.random((count, count))
    distance = np.minimum(distance, distance.T)
    a, b = np.nonzero((parent[:, None] == parent[None]) & ~np.eye(count, dtype=bool))
    return parent, a, b, distance[a, b]


def test_the_nearest_and_the_second_nearest_sibling_are_found():
    found = nearest_of(
        np.array([0, 0, 0, 2, 0]), np.array([1, 2, 3, 0, 2]), np.array([0.3, 0.2, 0.4, 0.2, 0.5]), 4
    )
    assert found.which.tolist() == [2, -1, 0, -1]
    assert found.first[0] == 0.2
    assert found.second[0] == 0.3
    assert np.isnan(found.first[1])
    assert np.isnan(found.second[2])


@pytest.mark.parametrize("seed", range(4))
def test_leaving_a_child_out_is_the_same_as_never_having_met_it(seed):
    chance = np.random.default_rng(seed)
    count, among = 30, 6
    parent, a, b, distance = pairs(chance, count, among)
    rank = np.zeros(among, int)
    whole = distances_of(nearest_of(a, b, distance, count), parent, among, rank, 1)
    for child in range(count):
        keep = (a != child) & (b != child)
        part = distances_of(
            nearest_of(a[keep], b[keep], distance[keep], count), parent, among, rank, 1
        )
        home = np.array([parent[child]])
        out = np.array([child])
        total = whole.total[home] + whole.own_total[out]
        counted = whole.count[home] + whole.own_count[out]
        assert total == pytest.approx(part.total[home])
        assert counted == pytest.approx(part.count[home])


def test_a_parent_with_few_children_has_about_the_average_of_its_rank():
    near = nearest_of(np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), np.full(4, 0.05), 5)
    found = distances_of(near, np.array([0, 0, 0, 0, 1]), 2, np.zeros(2, int), 1)
    nothing = np.array([-1, -1])
    averages = found.average(np.array([0, 1]), nothing)
    assert averages == pytest.approx(log_distance(np.full(2, 0.05)))
