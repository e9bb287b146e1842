"""The order of an epoch: every example once, mixed, and known from its position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import InputError
from merian.learn.order import epoch_order, shard_starts

SHARDS = st.lists(st.integers(0, 40), max_size=30)


@given(SHARDS, st.integers(0, 2**40), st.integers(0, 100), st.integers(1, 40))
def test_every_example_comes_once(shards, seed, epoch, window):
    order = epoch_order(shards, seed, epoch, window)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(sum(shards)))


@given(SHARDS, st.integers(0, 1000), st.integers(1, 10))
def test_no_more_shards_than_the_window_are_open_at_once(shards, seed, window):
    order = epoch_order(shards, seed, 0, window)
    shard = np.searchsorted(shard_starts(shards), order, side="right") - 1
    # Once a shard's window is left, none of its examples comes again.
    first, last = {}, {}
    for position, number in enumerate(shard.tolist()):
        first.setdefault(number, position)
        last[number] = position
    for position in range(len(order)):
        open_now = [n for n in first if first[n] <= position <= last[n]]
        assert len(open_now) <= window


def test_the_order_hangs_on_seed_and_epoch_alone():
    shards = [100] * 20
    one = epoch_order(shards, 3, 5)
    assert np.array_equal(one, epoch_order(tuple(shards), 3, 5))
    assert not np.array_equal(one, epoch_order(shards, 3, 6))
    assert not np.array_equal(one, epoch_order(shards, 4, 5))


def test_the_order_is_the_same_in_every_version():
    # Written down once: a run must be able to go on with a later Merian and a later numpy.
    assert epoch_order([3, 0, 4, 2], 7, 1, 2).tolist() == [7, 8, 1, 0, 4, 5, 6, 2, 3]


def test_examples_of_a_window_are_mixed():
    order = epoch_order([1000] * 8, 0, 0, 8)
    halves = [np.bincount(part // 1000, minlength=8) for part in np.array_split(order, 2)]
    assert np.abs(halves[0] - 500).max() < 80  # five standard deviations


@pytest.mark.parametrize(("seed", "epoch", "window"), [(-1, 0, 8), (0, -1, 8), (0, 0, 0)])
def test_what_cannot_be_is_told(seed, epoch, window):
    with pytest.raises(InputError, match="order of an epoch"):
        epoch_order([3], seed, epoch, window)


def test_a_shard_cannot_hold_less_than_nothing():
    with pytest.raises(InputError, match="-2 examples"):
        epoch_order([3, -2], 0, 0)
