"""Ward's tree, against scipy's and against what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy

from merian.discover import Dendrogram, micro_ward, numbered, ward
from merian.discover import exact_ward as exact
from merian.errors import InputError
from merian.learn import adjusted_mutual_information


def mixture(rows, width, kinds, seed, far=1.0, kind=np.float64):
    chance = np.random.default_rng(seed)
    share = 1 / np.arange(1, kinds + 1)
    truth = chance.choice(kinds, rows, p=share / share.sum())
    middle = chance.normal(size=(kinds, width)) * far
    return (middle[truth] + chance.normal(size=(rows, width))).astype(kind), truth


def same_groups(one, other):
    return np.array_equal(numbered(one), numbered(other))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "width"), [(2, 3), (3, 1), (40, 1), (300, 2), (700, 20)])
def test_the_tree_is_that_of_scipy(rows, width, kind):
    points, _ = mixture(rows, width, 6, rows, kind=kind)
    tree = ward(points)
    other = hierarchy.ward(points.astype(np.float64))
    near = 1e-12 if kind == np.float64 else 1e-5
    np.testing.assert_allclose(tree.heights, other[:, 2], rtol=near, atol=near)
    for count in {1, 2, rows // 3 + 1, rows // 2, rows - 1, rows} - {0}:
        assert same_groups(tree.into(count), hierarchy.cut_tree(other, count)[:, 0])


def test_lists_that_run_out_are_made_anew(monkeypatch):
    points, _ = mixture(600, 8, 10, 1)
    wanted = ward(points)
    monkeypatch.setattr(exact, "_LISTED", 2)  # hardly a list, so that most is looked for again
    monkeypatch.setattr(exact, "_COLUMNS", 64)
    found = ward(points)
    np.testing.assert_allclose(found.heights, wanted.heights, rtol=1e-12)
    assert np.array_equal(found.pairs, wanted.pairs)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30),
    st.lists(st.integers(1, 4), min_size=30, max_size=30),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_ties_never_stop_it_and_joins_rise(points, weights):
    rows = np.array(points, np.float64)
    tree = ward(rows, weights[: len(rows)])
    assert len(tree) == len(rows)
    assert (np.diff(tree.heights) >= 0).all()
    for count in range(1, len(rows) + 1):
        assert tree.into(count).max() + 1 == count
    distinct = len(np.unique(rows, axis=0))
    assert tree.count_at(0.0) == distinct
    # What has been joined adds up to the squares around the mean.
    heavy = np.array(weights[: len(rows)], np.float64)
    around = rows - (heavy @ rows) / heavy.sum()
    assert (tree.heights**2).sum() / 2 == pytest.approx((heavy @ around**2).sum(), abs=1e-9)


def test_a_weight_is_as_good_as_repeating_a_row():
    points, _ = mixture(120, 4, 5, 2)
    times = np.random.default_rng(3).integers(1, 5, len(points))
    tree, other = ward(points, times), ward(np.repeat(points, times, axis=0))
    np.testing.assert_allclose(tree.heights, other.heights[-len(tree.heights) :], rtol=1e-10)
    for count in (2, 5, 40):
        assert same_groups(np.repeat(tree.into(count), times), other.into(count))


def test_threads_change_nothing(monkeypatch):
    points, _ = mixture(900, 33, 12, 4, kind=np.float32)
    wanted = ward(points)
    for threads in (1, 3):
        monkeypatch.setattr(exact, "one_blas_thread", _threads(threads))
        found = ward(points)
        assert np.array_equal(found.pairs, wanted.pairs)
        assert np.array_equal(found.heights, wanted.heights)


def _threads(count):
    from contextlib import contextmanager

    from threadpoolctl import threadpool_limits

    @contextmanager
    def limited():
        with threadpool_limits(limits=1, user_api="blas"):
            yield count

    return limited


def test_one_far_row_hides_nothing_of_the_others():
    points, truth = mixture(300, 5, 3, 5, far=6)
    tree = ward(np.concatenate([points, np.full((1, 5), 1e9)]))
    found = tree.into(4)
    assert (found == found[-1]).sum() == 1
    assert adjusted_mutual_information(truth, found[:-1]) == pytest.approx(
        adjusted_mutual_information(truth, ward(points).into(3))
    )


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_neither_tiny_nor_huge_numbers_are_lost(size):
    points, _ = mixture(60, 3, 4, 6)
    assert same_groups(ward(points * size).into(7), ward(points).into(7))


def test_what_cannot_be_joined_is_said():
    with pytest.raises(InputError, match="one row or more"):
        ward(np.empty((0, 3)))
    with pytest.raises(InputError, match="row 2 of 3 vectors is not finite"):
        ward([[0.0], [np.nan], [1.0]])
    with pytest.raises(InputError, match="above 0"):
        ward([[0.0], [1.0]], [1, 0])
    with pytest.raises(InputError, match="4 clusters of 3 items"):
        ward([[0.0], [1.0], [3.0]]).into(4)
    assert len(ward([[1.0, 2.0]])) == 1
    assert ward(np.ones((50, 3))).heights.tolist() == [0.0] * 49


def test_groups_are_numbered_by_size_and_first_member():
    assert numbered(np.array([7, 3, 3, -2, 9, 7, 3, 9])).tolist() == [1, 0, 0, -1, 2, 1, 0, 2]
    tree = Dendrogram(np.array([[3, 4], [0, 1], [1, 2]]), np.array([1.0, 2.0, 3.0]))
    assert tree.into(2).tolist() == [0, 0, 0, 1, 1]
    assert tree.at(2.5).tolist() == [0, 0, 2, 1, 1]


def test_cells_weigh_what_they_hold_and_agree_with_the_exact_tree():
    points, truth = mixture(3000, 12, 8, 7, far=2.0, kind=np.float32)
    tree, wanted = micro_ward(points, 200, seed=1), ward(points)
    assert 150 <= tree.finest <= 250
    ours = adjusted_mutual_information(truth, tree.into(8))
    assert ours > adjusted_mutual_information(truth, wanted.into(8)) - 0.01
    assert np.array_equal(micro_ward(points, 200, seed=1).pairs, tree.pairs)
    few = micro_ward(points[:100], 200)
    assert np.array_equal(few.heights, ward(points[:100]).heights)
    assert (tree.heights[: len(points) - tree.finest] == 0).all()


def test_cells_of_equal_rows():
    rows = np.repeat(np.eye(5, dtype=np.float32), 30, axis=0)
    tree = micro_ward(rows, 20)
    assert same_groups(tree.into(5), np.repeat(np.arange(5), 30))
