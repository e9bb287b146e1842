"""Orders in which rare classes come more often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import InputError
from merian.learn.sampling import Sampler, balanced_order, record_weights

LABELS = np.repeat([0, 1, 2, -1], [100, 25, 4, 71])


def test_weights_are_the_inverse_root_of_the_class():
    weights = record_weights(LABELS)
    assert weights[[0, 100, 125, 199]] == pytest.approx([0.1, 0.2, 0.5, 0])
    assert record_weights([-1, -1]).tolist() == [0, 0]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_records_come_as_often_as_their_weights_say(power):
    order = balanced_order(LABELS, 0, 0, power=power, unlabelled=0.25, size=1000)
    count = np.bincount(order, minlength=200)
    assert count[LABELS < 0].sum() == 250
    weights = record_weights(LABELS, power)
    expected = 750 * weights / weights.sum() + 250 * (LABELS < 0) / 71
    assert (np.abs(count - expected) < 1 + 1e-9).all()


@given(
    st.lists(st.integers(-1, 3), min_size=1, max_size=60),
    st.integers(0, 3),
    st.sampled_from([None, 0.0, 0.3, 1.0]),
)
def test_an_order_is_whole_and_known_from_seed_and_epoch(labels, epoch, unlabelled):
    order = balanced_order(labels, 7, epoch, unlabelled=unlabelled)
    assert np.array_equal(order, balanced_order(labels, 7, epoch, unlabelled=unlabelled))
    assert len(order) == len(labels)
    assert ((order >= 0) & (order < len(labels))).all()
    without = np.array(labels) < 0
    if unlabelled is not None and 0 < without.sum() < len(labels):
        assert without[order].sum() == round(len(labels) * unlabelled)
    if unlabelled is None:
        assert without[order].sum() == without.sum()


def test_epochs_and_seeds_differ():
    first = balanced_order(LABELS, 0, 0)
    assert not np.array_equal(first, balanced_order(LABELS, 0, 1))
    assert not np.array_equal(first, balanced_order(LABELS, 1, 0))


def test_few_shards_are_open_at_a_time():
    shards = [50, 30, 40, 80]
    order = balanced_order(LABELS, 3, 0, shards=shards, window=2)
    assert np.array_equal(np.sort(order), np.sort(balanced_order(LABELS, 3, 0)))
    shard = np.repeat(np.arange(4), shards)[order]
    first, second = set(shard[:40].tolist()), set(shard[-40:].tolist())
    assert len(first) == len(second) == 2
    assert not first & second
    assert len(set(shard.tolist())) == 4


def test_an_order_is_the_same_in_every_version():
    # Written down once: a run must be able to go on with a later Merian and a later numpy.
    order = balanced_order([0, 0, 0, 1, -1, -1], 7, 1, power=1, shards=[2, 4], window=1)
    assert order.tolist() == [0, 1, 4, 3, 5, 3]


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_groups_are_of_one_class_and_come_as_often_as_their_weights_say(power):
    order = balanced_order(LABELS, 1, 2, power=power, unlabelled=0.25, size=800, members=4)
    groups = order.reshape(-1, 4)
    classes = LABELS[groups]
    assert (classes == classes[:, :1]).all()
    assert all(len(set(group)) == 4 for group in groups.tolist())  # each class has four
    weight = np.array([100, 25, 4]) ** (1 - power)
    expected = [50, *(150 * weight / weight.sum())]
    assert (np.abs(np.bincount(classes[:, 0] + 1) - expected) < 1 + 1e-9).all()
    for label in (0, 1, 2):  # the records of a class come in turn
        count = np.bincount(groups[classes[:, 0] == label].ravel(), minlength=200)
        assert np.ptp(count[label == LABELS]) <= 1


def test_a_class_that_is_too_small_for_a_group_repeats_its_records():
    labels = np.array([0, 0, 0, 1])
    groups = balanced_order(labels, 0, 0, power=1.0, size=40, members=2).reshape(-1, 2)
    assert (groups[labels[groups[:, 0]] == 1] == 3).all()
    assert all(len(set(g)) == 2 for g in groups[labels[groups[:, 0]] == 0].tolist())


@given(
    st.lists(st.integers(-1, 3), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([None, 0.0, 0.4]),
)
def test_groups_are_whole_whatever_the_shards(labels, members, window, unlabelled):
    size = len(labels) // members * members
    shards = [len(labels) // 3, 0, len(labels) - len(labels) // 3]
    order = balanced_order(labels, 5, 1, size=size, shards=shards, window=window,
                           members=members, unlabelled=unlabelled)  # fmt: skip
    assert len(order) == size
    groups = order.reshape(-1, members)
    codes = np.array(labels)[groups]
    assert (codes == codes[:, :1]).all()
    if window == 1:  # one shard is read after the other, and no group reaches over
        shard = np.repeat(np.arange(3), shards)[order]
        assert np.count_nonzero(np.diff(shard)) <= 1
        assert (np.ptp(shard.reshape(-1, members), axis=1) == 0).all()


def test_a_sampler_gives_the_same_epochs_however_it_is_asked():
    sampler = Sampler(LABELS, 3, members=3)
    assert sampler.size == 198
    first = [sampler.order(epoch).tolist() for epoch in (0, 1, 2, 0)]
    assert first[0] == first[3] != first[1]
    fresh = Sampler(LABELS, 3, members=3)
    assert [fresh.order(epoch).tolist() for epoch in (2, 1)] == [first[2], first[1]]
    assert all(len(order) == 198 for order in first)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="0 to 1 expected"):
        balanced_order(LABELS, 0, 0, unlabelled=20)
    with pytest.raises(InputError, match="shards of 5 records, and 200"):
        balanced_order(LABELS, 0, 0, shards=[5])
    with pytest.raises(InputError, match="groups of 0"):
        balanced_order(LABELS, 0, 0, members=0)
    assert len(balanced_order([], 0, 0)) == 0
