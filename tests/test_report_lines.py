"""Lines over a common axis."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from merian.report.lines import lines


def points(svg: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(svg)
    return [
        [tuple(float(n) for n in pair.split(",")) for pair in line.get("points").split()]
        for line in root.iter("polyline")
    ]


def test_lines_go_from_corner_to_corner():
    svg = lines("loss", [("a", [0, 5, 10], [3, 2, 1]), ("b", [0, 10], [1, 2])], x="steps", y="nats")
    assert points(svg) == [[(0, 100 - 100), (50, 50), (100, 100)], [(0, 100), (100, 50)]]
    assert "a: from 3 to 1; b: from 1 to 2" in svg


def test_a_logarithmic_axis_sets_powers_apart_evenly():
    svg = lines("loss", [("a", [0, 1, 10, 100], [9, 3, 2, 1])], x="s", y="nats", log_x=True)
    assert [x for x, _ in points(svg)[0]] == [0, 50, 100]
    assert re.findall(r'"middle">([\d,.]+)<', svg) == ["1", "10", "100"]


def test_what_is_not_a_number_is_left_out_and_nothing_is_no_error():
    nan = float("nan")
    assert len(points(lines("t", [("a", [1, 2, 3], [1, nan, 2])], x="x", y="y"))[0]) == 2
    for log in (False, True):
        svg = lines("t", [("a", [], []), ("b", [2], [5])], x="x", y="y", log_x=log)
        assert points(svg) == [[], [(50, 50)]]


def test_names_are_not_markup():
    svg = lines("<b>", [("<i>", [1, 2], [1, 2])], x="<", y=">")
    assert "<i>" not in svg
    assert ElementTree.fromstring(svg) is not None


def test_more_lines_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="7 lines"):
        lines("t", [("a", [1], [1])] * 7, x="x", y="y")
