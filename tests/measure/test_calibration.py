"""Scales: what is told, what two points say, and one scale for all pictures of a rig."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import InputError
from merian.measure.calibration import Calibration, declared, pool, two_points

scales = st.floats(0.05, 2000)


@given(scales, st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_a_resized_picture_has_the_same_millimetres(scale, factor):
    before = Calibration(scale, 0.01, "ruler", residual=1.0, others=((2 * scale, "half mm"),))
    after = before.resized(factor)
    assert math.isclose(after.millimetres(7 * factor), before.millimetres(7))
    assert math.isclose(after.others[0][0], 2 * after.pixels_per_mm)
    assert after.relative == before.relative


def test_two_points_know_their_unit_and_their_doubt():
    found = two_points((10, 20), (40, 60), 1, "cm")
    assert math.isclose(found.pixels_per_mm, 5)
    assert found.relative > two_points((10, 20), (400, 600), 1, "cm").relative > 0.01
    assert math.isclose(two_points((0, 0), (254, 0), 1, "inch").pixels_per_mm, 10)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: two_points((0, 0), (1, 0), 10), "pixels apart"),
        (lambda: two_points((0, 0), (50, 0), 0), "above 0"),
        (lambda: two_points((0, 0), (50, 0), 5, "parsec"), "parsec"),
        (lambda: declared(0), "above 0"),
        (lambda: declared(math.nan), "above 0"),
        (lambda: declared(5, 1.5), "share"),
        (lambda: pool({}), "no picture"),
    ],
    ids=["near", "zero", "unit", "no scale", "nan", "share", "empty"],
)
def test_what_cannot_be_a_scale_is_said(call, told):
    with pytest.raises(InputError, match=told):
        call()


def test_a_rig_is_the_median_of_its_pictures_and_tells_what_is_far():
    rng = np.random.default_rng(1)
    own = 20 * rng.normal(1, 0.003, 40)
    own[7] *= 2
    series = pool({f"p{n:02}": declared(scale, 0.01) for n, scale in enumerate(own)}, "bench 3")
    assert [one.source for one in series.outliers] == ["p07"]
    assert abs(series.outliers[0].ratio - 2) < 0.02
    assert abs(series.calibration.pixels_per_mm / 20 - 1) < 0.002
    assert 0.01 <= series.calibration.relative < 0.011
    assert series.calibration.source == "bench 3: 39 of 40 pictures"


def test_a_rig_of_one_picture_is_as_sure_as_that():
    one = declared(20, 0.02)
    assert pool({"a": one}).calibration.relative == 0.02


def test_the_wrong_bar_of_the_beetles_of_hawaii_is_found_and_no_other(shared: Path):
    file = shared / "traits/beetle_traits_toras/hawaii-formatted__annotations.json.gz"
    if not file.exists():
        pytest.skip("the beetles of Hawaii are not here")
    with gzip.open(file) as stream:
        beetles = json.load(stream)
    bars = {
        beetle["group_img_basename"]: two_points(
            tuple(one["polyline_px"][:2]), tuple(one["polyline_px"][-2:]), 1, "cm"
        )
        for beetle in beetles
        for one in beetle["measurements"]
        if one["measurement_type"] == "scalebar"
    }
    series = pool(bars, "Hawaii")
    assert len(bars) == 417
    assert [one.source for one in series.outliers] == ["img_0510"]
    assert abs(series.outliers[0].ratio - 2) < 0.002
    assert abs(series.calibration.pixels_per_mm - 78.3) < 0.1
