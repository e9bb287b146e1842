"""Shapes of masks against analytic bodies at many turns, and their algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from merian.errors import InputError
from merian.measure.midline import midline, path_length
from merian.measure.outline import filled_polygon, outer, outlines, signed_area
from merian.measure.shapes import Shape, convex_hull, traced_perimeter

TURNS = [0.0, 0.2, 0.5, 0.7854, 1.1, 1.5708, 2.3, 2.9]
masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)


def turned(turn: float, side: int = 260) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return (x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn))


def rectangle(turn: float, length: float, width: float) -> np.ndarray:
    u, v = turned(turn)
    return (abs(u) <= length / 2) & (abs(v) <= width / 2)


def ellipse(turn: float, length: float, width: float) -> np.ndarray:
    u, v = turned(turn)
    return (2 * u / length) ** 2 + (2 * v / width) ** 2 <= 1


@settings(max_examples=60, deadline=None)
@given(masks)
def test_outlines_hold_the_pixels_and_nothing_else(mask):
    rings = outlines(mask)
    assert sum(map(signed_area, rings)) == mask.sum()
    back = filled_polygon([ring.astype(float) for ring in rings], mask.shape[1], mask.shape[0])
    assert np.array_equal(back, mask)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_outlines_run_around_pieces_and_the_other_way_around_holes(mask):
    rings = outlines(mask)
    beyond = np.pad(~mask, 1, constant_values=True)
    pieces = ndimage.label(mask, np.ones((3, 3)))[1]
    holes = ndimage.label(beyond)[1] - 1  # one of them is not within anything
    areas = [signed_area(ring) for ring in rings]
    assert sum(area > 0 for area in areas) == pieces
    assert sum(area < 0 for area in areas) == holes
    assert [one.tolist() for one in outer(rings)] == [
        ring.tolist() for _, ring in sorted(zip(areas, rings, strict=True), key=lambda p: -p[0])
        if signed_area(ring) > 0
    ]  # fmt: skip
    for ring in rings:  # straight on to the next corner, where the way turns
        steps = np.diff(np.concatenate([ring, ring[:2]]), axis=0)
        assert (np.count_nonzero(steps, axis=1) == 1).all()
        assert (steps[:-1] * steps[1:] == 0).all()


@settings(max_examples=60, deadline=None)
@given(arrays(np.int64, st.tuples(st.integers(3, 30), st.just(2)), elements=st.integers(0, 6)))
def test_a_hull_holds_all_points_and_no_corner_too_many(points):
    hull = convex_hull(points)
    if len(hull) < 3:
        assert np.linalg.matrix_rank(points - points[0]) < 2
        return
    sides = np.roll(hull, -1, axis=0) - hull
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    assert (turns > 0).all()
    away = sides[:, None, 0] * (points[None, :, 1] - hull[:, None, 1])
    away -= sides[:, None, 1] * (points[None, :, 0] - hull[:, None, 0])
    assert (away >= 0).all()
    assert {*map(tuple, hull.tolist())} <= {*map(tuple, points.tolist())}


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(0, 3), st.booleans())
def test_lengths_do_not_hang_on_how_a_mask_lies(mask, quarter, mirrored):
    other = np.rot90(mask, quarter)
    other = other[:, ::-1] if mirrored else other
    one, two = Shape(mask), Shape(other)
    for name in ("area", "solidity", "roundness"):
        assert getattr(two, name) == pytest.approx(getattr(one, name))
    assert two.feret.length == pytest.approx(one.feret.length)
    assert two.min_feret.length == pytest.approx(one.min_feret.length)
    assert two.rectangle.length * two.rectangle.width == pytest.approx(
        one.rectangle.length * one.rectangle.width
    )


@settings(max_examples=60, deadline=None)
@given(masks)
def test_shapes_keep_their_order(mask):
    shape = Shape(mask)
    assert shape.min_feret.length <= shape.rectangle.width + 1e-9
    assert shape.rectangle.width <= shape.rectangle.length
    assert shape.min_feret.length <= shape.feret.length + 1e-9
    assert 0 < shape.solidity <= 1 + 1e-9
    assert math.pi / 4 * shape.ellipse.major * shape.ellipse.minor == pytest.approx(shape.area)
    for span in (shape.feret, shape.min_feret):
        assert math.dist(span.one, span.other) == pytest.approx(span.length)
    corners = np.argwhere(mask)[:, ::-1]
    every = np.concatenate([corners + step for step in ((0, 0), (0, 1), (1, 0), (1, 1))])
    apart = np.linalg.norm(every[:, None] - every[None], axis=2)
    assert shape.feret.length == pytest.approx(apart.max())


@pytest.mark.parametrize("turn", TURNS)
def test_a_rectangle(turn):
    shape = Shape(rectangle(turn, 180, 60))
    assert shape.area == pytest.approx(180 * 60, rel=0.01)
    assert shape.rectangle.length == pytest.approx(180, abs=1.6)
    assert shape.rectangle.width == pytest.approx(60, abs=1.6)
    assert shape.min_feret.length == pytest.approx(60, abs=1.6)
    assert shape.feret.length == pytest.approx(math.hypot(180, 60), abs=1.6)
    assert shape.solidity > 0.965  # the steps of a slanted side
    away = abs((shape.rectangle.angle - turn + math.pi / 2) % math.pi - math.pi / 2)
    assert away < 0.02


@pytest.mark.parametrize("turn", TURNS)
def test_an_ellipse(turn):
    shape = Shape(ellipse(turn, 200, 80))
    assert shape.ellipse.major == pytest.approx(200, abs=0.5)
    assert shape.ellipse.minor == pytest.approx(80, abs=0.5)
    assert shape.ellipse.moment_major == pytest.approx(shape.ellipse.major, rel=0.005)
    assert shape.feret.length == pytest.approx(200, abs=1.6)
    assert shape.aspect == pytest.approx(2.5, rel=0.01)
    assert shape.roundness == pytest.approx(0.4, rel=0.01)


def test_the_traced_perimeter_is_that_of_imagej():
    # By its rule: a square of 10 has 40 - 4 (2 - root 2), a single pixel two root 2.
    assert Shape(np.ones((10, 10), bool)).perimeter == pytest.approx(40 - 4 * (2 - math.sqrt(2)))
    assert Shape(np.ones((1, 1), bool)).perimeter == pytest.approx(2 * math.sqrt(2))
    # A staircase of single steps: every other corner is cut, so a step has the length root 2.
    stairs = np.tri(40, dtype=bool)
    assert Shape(stairs).perimeter == pytest.approx(2 * 40 + 40 * math.sqrt(2), rel=0.02)
    ring = np.array([(0, 0), (4, 0), (4, 3), (0, 3)])
    assert traced_perimeter(ring) == pytest.approx(14 - 4 * (2 - math.sqrt(2)))


def test_the_moment_ellipse_of_what_is_not_solid_is_not_imagejs():
    mask = np.ones((60, 200), bool)
    mask[10:50, 10:190] = False  # a frame: its moments are those of a larger ellipse
    shape = Shape(mask)
    assert shape.ellipse.moment_major > 1.5 * shape.ellipse.major
    assert math.pi / 4 * shape.ellipse.major * shape.ellipse.minor == pytest.approx(shape.area)


def test_a_hull_of_few_points():
    assert convex_hull(np.array([(1, 2)])).tolist() == [[1, 2]]
    assert len(convex_hull(np.array([(0, 0), (2, 0), (1, 0), (2, 2), (0, 2), (1, 1)]))) == 4


def test_a_mask_without_a_pixel_is_told():
    with pytest.raises(InputError, match="no shape"):
        Shape(np.zeros((3, 3), bool))
    with pytest.raises(InputError, match="no midline"):
        midline(np.zeros((3, 3), bool))


@pytest.mark.parametrize("turn", TURNS[::2])
@pytest.mark.parametrize(("radius", "width", "arc"), [(90, 20, 3.5), (90, 9, 4.5), (60, 14, 2.0)])
def test_the_midline_of_a_worm(turn, radius, width, arc):
    u, v = turned(turn)
    place, far = np.arctan2(v, u) % (2 * math.pi), np.hypot(u, v)
    mask = (abs(far - radius) <= width / 2) & (place <= arc)
    for end in (0.0, arc):  # with round ends
        mask |= np.hypot(u - radius * math.cos(end), v - radius * math.sin(end)) <= width / 2
    length = path_length(midline(mask))
    assert length == pytest.approx(radius * arc + width, rel=0.012)
    assert Shape(mask).feret.length < 0.95 * length  # which is why there is a midline


@pytest.mark.parametrize("turn", TURNS)
def test_the_midline_of_a_straight_body_is_its_length(turn):
    assert path_length(midline(ellipse(turn, 200, 60))) == pytest.approx(200, rel=0.01)
    assert path_length(midline(rectangle(turn, 200, 40))) == pytest.approx(200, rel=0.01)


def test_midlines_of_a_few_pixels():
    assert path_length(midline(np.ones((1, 1), bool))) == pytest.approx(1, abs=0.1)
    assert path_length(midline(np.ones((1, 6), bool))) == pytest.approx(6, abs=0.2)
