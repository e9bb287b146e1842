"""Rulers and graph paper: the true scale comes out, and nothing is guessed in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.measure.calibration import NoScaleError
from merian.measure.rulers import ruler_scale
from merian.measure.tick_units import INCH, read_marking
from merian.pictures import read_picture
from merian.world.drawing.rulers import draw_ruled

KINDS = {
    "millimetres": (1.0, (5, 10)), "half millimetres": (0.5, (2, 10, 20)),
    "16ths": (INCH / 16, (2, 4, 8, 16)),
}  # fmt: skip


def strengths(levels: tuple[int, ...], count: int, start: int, noise: float, seed: int = 0):
    places = np.arange(count) + start
    values = 1 + sum((0.35 * (places % level == 0) for level in levels), np.zeros(count))
    return values + np.random.default_rng(seed).normal(0, noise, count)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 40), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_which_marks_are_longer_tells_the_unit(kind, start, seed):
    step, levels = KINDS[kind]
    marking = read_marking(strengths(levels, 90, start, 0.06, seed))
    assert marking.step == step
    assert not marking.others


@pytest.mark.parametrize("levels", [(), (5,), (2,)], ids=["alike", "fives", "twos"])
def test_marks_that_could_be_of_several_units_tell_all_of_them(levels):
    marking = read_marking(strengths(levels, 60, 3, 0.05))
    told = {marking.step, *(step for step, _ in marking.others)}
    assert len(told) == len(marking.others) + 1 > 2
    assert all(why for _, why in marking.others)


def test_few_marks_of_an_inch_leave_its_parts_open():
    marking = read_marking(strengths((2, 4, 8), 20, 1, 0.03))
    assert {marking.step, *(step for step, _ in marking.others)} >= {INCH / 8, INCH / 16}


def test_a_thing_on_some_marks_does_not_change_the_unit():
    values = strengths((5, 10), 80, 2, 0.05)
    values[[7, 31, 32]] = 4.0
    values[50:54] = np.nan
    assert read_marking(values).step == 1.0


DRAWN = [
    ("millimetres", 9.3, 3.0, True), ("millimetres", 21.7, 118.0, True),
    ("half millimetres", 17.9, -4.0, True), ("two sides", 11.2, 1.5, True),
    ("plain", 8.4, 40.0, False), ("graph paper", 12.6, 12.0, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "truth", "angle", "sure"), DRAWN, ids=[f"{d[0]} {d[1]}" for d in DRAWN]
)
def test_a_drawn_ruler_has_its_true_scale(kind, truth, angle, sure):
    rng = np.random.default_rng(8)
    drawn = draw_ruled(kind, truth, rng, width=900, height=640, angle=angle, soft=0.8, noise=3)
    found = ruler_scale(drawn.image, source="drawn")
    assert abs(found.pixels_per_mm / truth - 1) < min(0.003, 2 * found.relative)
    assert found.method == ("graph paper" if "graph" in kind else "ruler")
    assert found.source == "drawn"
    if sure:
        assert not found.ambiguous
    elif sure is not None:  # of 20 lines every fifth is seen to be thicker, every tenth is not
        told = [scale / found.pixels_per_mm for scale, _ in found.others]
        assert any(abs(ratio - 2) < 1e-6 for ratio in told)
        assert any(abs(ratio - 0.1) < 1e-6 for ratio in told)
    assert len(found.marks) == (4 if "graph" in kind else 2)


def test_a_step_that_is_told_decides():
    drawn = draw_ruled(
        "plain", 9.0, np.random.default_rng(2), width=900, height=640, angle=0.0, soft=0.7
    )
    found = ruler_scale(drawn.image, step=0.5)
    assert not found.ambiguous
    assert abs(found.pixels_per_mm / 18 - 1) < 0.003


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_without_a_ruler_has_no_scale(seed):
    rng = np.random.default_rng(seed)
    drawn = draw_ruled("none", 10.0, rng, width=700, height=500)
    with pytest.raises(NoScaleError, match="no ruler"):
        ruler_scale(drawn.image)


@pytest.mark.parametrize("size", [(1, 1), (40, 900), (256, 256)], ids=str)
def test_an_empty_picture_has_no_scale(size):
    with pytest.raises(NoScaleError):
        ruler_scale(np.full((*size, 3), 128, np.uint8))


# Read by hand to one pixel over 1963, 174 and 83 pixels; which part of the picture is looked at;
# and whether the unit stays open.
REAL = {
    "worms": (12.270, 1 / 1963, (0, 0, 2136, 320), False),
    "stickle1": (34.9, 1 / 174, (420, 640, 1380, 1060), True),
    "snails1": (8.27, 1 / 83, (1540, 400, 2040, 1180), False),
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_ruler_has_the_scale_that_was_read_by_hand(shared: Path, name):
    file = shared / f"traits/phenopype/{name}.jpg"
    if not file.exists():
        pytest.skip(f"{name} is not here")
    truth, read, (left, top, right, below), ambiguous = REAL[name]
    found = ruler_scale(read_picture(file).pixels[top:below, left:right])
    assert abs(found.pixels_per_mm / truth - 1) < read + 0.0005
    assert found.ambiguous == ambiguous


def test_a_real_tray_on_a_cutting_mat_is_refused(shared: Path):
    file = shared / "traits/phenopype/isopods.jpg"
    if not file.exists():
        pytest.skip("the isopods are not here")
    with pytest.raises(NoScaleError):
        ruler_scale(read_picture(file).pixels[::2, ::2])
