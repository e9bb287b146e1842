"""Colours of all pixels and their distance from the ground, against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from merian.measure import colour
from merian.measure.extremes import largest_near, opened
from merian.measure.ground import Ground, lab_of


@pytest.mark.parametrize("darkest", [1, 12])
def test_colours_of_pictures_are_those_of_single_colours(darkest):
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8) // darkest
    picture[0, :2] = ((255,), (0,))
    picture.flags.writeable = False  # as Pillow gives them
    np.testing.assert_allclose(lab_of(picture), colour.lab_of(picture.astype(float)), atol=1e-3)
    turned = picture[::2, ::-1].transpose(1, 0, 2)
    np.testing.assert_array_equal(lab_of(turned), lab_of(np.ascontiguousarray(turned)))


def test_a_distance_is_that_of_its_place_in_the_picture():
    rng = np.random.default_rng(1)
    ground = Ground(rng.normal(0, 5, (6, 3)), 1.0, 1.0, (40, 50))
    lab = rng.normal(0, 30, (40, 50, 3)).astype(np.float32)
    whole = ground.distance(lab)
    np.testing.assert_allclose(whole, np.linalg.norm(ground.apart(lab), axis=2), rtol=1e-5)
    part = ground.distance(lab[7:20, 11:13], 7, 11)
    np.testing.assert_array_equal(part, whole[7:20, 11:13])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 150), st.integers(1, 40), st.integers(0, 8), st.integers(0, 9)
)  # bands of rows, windows wider than the picture
def test_extremes_are_those_of_every_window(high, wide, half, seed):
    values = np.random.default_rng(seed).integers(-9, 9, (high, wide)).astype(np.float32)
    size = 2 * half + 1
    largest = ndimage.maximum_filter(values, size, mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(largest_near(values, size), largest)
    smallest = ndimage.minimum_filter(values, size, mode="constant", cval=np.inf)
    both = ndimage.maximum_filter(smallest, size, mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(opened(values, size), both)
