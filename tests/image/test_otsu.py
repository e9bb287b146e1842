"""Otsu's threshold and connected pieces, against slow and plain definitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.image import components, otsu_mask, otsu_threshold


def flooded(mask, diagonal):
    """Pieces by a flood fill from every pixel, in reading order."""
    labels = np.zeros(mask.shape, int)
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)] + [(1, 1), (1, -1), (-1, 1), (-1, -1)] * diagonal
    number = 0
    for seed in zip(*np.nonzero(mask), strict=True):
        if labels[seed]:
            continue
        number += 1
        labels[seed] = number
        stack = [seed]
        while stack:
            y, x = stack.pop()
            for dy, dx in steps:
                to = (y + dy, x + dx)
                inside = 0 <= to[0] < mask.shape[0] and 0 <= to[1] < mask.shape[1]
                if inside and mask[to] and not labels[to]:
                    labels[to] = number
                    stack.append(to)
    return labels


@given(
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 0.5, 0.6, 1.0]),
    st.booleans(),
)
def test_pieces_equal_a_flood_fill(seed, height, width, density, diagonal):
    mask = np.random.default_rng(seed).random((height, width)) < density
    assert np.array_equal(components(mask, diagonal), flooded(mask, diagonal))


def test_a_long_spiral_is_one_piece():
    mask = np.zeros((61, 61), bool)
    path = [(0, 0), (0, 60), (60, 60), (60, 0), (2, 0), (2, 58), (58, 58), (58, 2), (4, 2), (4, 56)]
    for (y0, x0), (y1, x1) in pairwise(path):
        mask[min(y0, y1) : max(y0, y1) + 1, min(x0, x1) : max(x0, x1) + 1] = True
    assert components(mask).max() == 1


@given(st.lists(st.integers(0, 255), min_size=2, max_size=60).filter(lambda v: len(set(v)) > 1))
def test_the_threshold_splits_best(values):
    found = otsu_threshold(np.array(values, float), bins=2048)

    def spread(cut):
        low, high = [v for v in values if v < cut], [v for v in values if v >= cut]
        return len(low) * len(high) * (np.mean(high) - np.mean(low)) ** 2 if low and high else 0

    best = max(spread(cut) for cut in sorted(set(values)))
    assert spread(found) == pytest.approx(best, rel=0.01)


def test_a_ring_on_a_shaded_ground_is_cut_out_whole_without_the_speck():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:100, :120]
    image = np.full((100, 120, 3), (200, 190, 170)) + (x / 20)[..., None]
    distance = np.hypot(y - 50, x - 60)
    ring = (distance < 30) & (distance > 15)
    image[ring] = (60, 50, 20)
    image[5:9, 5:9] = (40, 40, 40)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    assert np.array_equal(otsu_mask(image), distance < 30)


def test_a_picture_of_one_colour_holds_nothing():
    assert not otsu_mask(np.full((8, 8, 3), 7, np.uint8)).any()
