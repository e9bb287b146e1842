"""Edges of bins hold all values, are round, and no more than wanted."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.report.trait_histogram import round_edges


def test_edges_are_round_numbers():
    assert round_edges(2.90259, 24.1025)[:4] == [2, 3, 4, 5]
    assert round_edges(0.013, 0.0291, 8) == [0.0125, 0.015, 0.0175, 0.02, 0.0225, 0.025, 0.0275,
                                             0.03]  # fmt: skip


@given(st.floats(-1e4, 1e6), st.floats(1e-4, 1e6), st.integers(4, 40))
def test_all_values_are_between_the_edges(low, more, most):
    high = low + more
    edges = round_edges(low, high, most)
    assert edges[0] <= low + 1e-9 * more  # less is lost in rounding
    assert high <= edges[-1] + 1e-9 * more
    assert 2 <= len(edges) <= most + 1
    steps = [b - a for a, b in pairwise(edges)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)
