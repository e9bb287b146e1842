"""The bench of drawn bodies: pictures have their scale, and figures their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merian.bench.traits_pictures import drawn
from merian.bench.traits_world import run
from merian.measure.shapes import Shape


def test_pictures_have_the_scale_that_was_asked_for_and_true_lengths():
    one, other = drawn(3, 2, 30, kinds=("beetle",), level=1)
    assert one.px_per_mm == pytest.approx(30, rel=0.03)
    assert one.told == pytest.approx(one.px_per_mm, rel=0.05)
    assert one.told != one.px_per_mm
    apart = math.dist(one.landmarks["head_tip"], one.landmarks["abdomen_tip"])
    assert apart / one.px_per_mm == pytest.approx(one.lengths["body_length_mm"], rel=0.02)
    assert Shape(one.mask).feret.length / one.px_per_mm > 0.9 * one.lengths["body_length_mm"]
    again = next(iter(drawn(3, 1, 30, kinds=("beetle",), level=1)))
    assert np.array_equal(again.picture, one.picture)
    assert one.lengths != other.lengths


def test_what_is_drawn_is_cut_at_its_outline_and_measured_with_and_without_that():
    found = run(seeds=(3,), scales=(10.0,), count=3, level=1, traits=("area",), cut=True)
    for way in ("", ", tight"):
        assert found[f"within k=2: area{way}"]["n"] == 3
        assert found[f"RMSE: area at 10 px/mm{way}"]["value"] < 2
    assert "within k=2: area, no code" not in found  # all of them touch the border
    assert found["within k=2: area, no code, tight"]["n"] >= 1


@pytest.mark.parametrize("given", [False, True])
def test_figures_of_a_few_pictures(given):
    found = run(seeds=(3,), scales=(10.0,), count=2, level=1, given=given)
    assert found["pictures"]["value"] == 2
    for name in ("within k=2: body_length", "RMSE: elytra_length at 10 px/mm"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert found["within k=2: all traits"]["n"] >= 6
    # Without what definitions leave open, intervals are narrower; of an area they leave nothing.
    strict = {name: one for name, one in found.items() if "exact definition" in name}
    assert len(strict) == 5
    for name, one in strict.items():
        usual = found[name.replace(" of the exact definition", "")]
        assert one["n"] == usual["n"]
        assert one["value"] <= usual["value"]
    assert (
        strict["within k=2 of the exact definition: area"]["value"]
        == found["within k=2: area"]["value"]
    )
