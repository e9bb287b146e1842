"""The drawings of reports: what they show is what they were given, and nothing in it is markup."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from tests.test_report import HOSTILE

from merian.report.bands import Band, bands
from merian.report.columns import columns
from merian.report.combinations import combinations
from merian.report.dots import Dot, DotRow, dots
from merian.report.marks import MARKS, mark
from merian.report.reliability import Group, reliability
from merian.report.sunburst import sunburst
from merian.report.world_map import world_map


def parsed(drawing):
    return ElementTree.fromstring(f"<g>{drawing}</g>")


def of(drawing, kind):
    return [one for one in parsed(drawing).iter() if kind in (one.get("class") or "").split()]


def every():
    yield sunburst(HOSTILE, [((HOSTILE, "b"), 3), (("c",), 1)], unit=HOSTILE)
    yield dots(HOSTILE, [HOSTILE, "b"], [DotRow(HOSTILE, [Dot(1, 0, 2), None], 1.5)], unit=HOSTILE,
               mark=HOSTILE)  # fmt: skip
    yield columns(HOSTILE, [(HOSTILE, [1, 0])], [HOSTILE, "b"], axis=HOSTILE)
    yield bands(HOSTILE, [Band(HOSTILE, [1, 2], [1, 2], [1, 1], [1, 3], 1)], x=HOSTILE, y=HOSTILE)
    yield reliability(HOSTILE, [Group(0.9, 0.8, 0.7, 0.9, 5)], x=HOSTILE, y=HOSTILE)
    yield combinations(HOSTILE, [HOSTILE], [([True], 5)])


@pytest.mark.parametrize(
    "drawing",
    [*every()],
    ids=["sunburst", "dots", "columns", "bands", "reliability", "combinations"],
)
def test_hostile_texts_are_shown_and_never_markup(drawing):
    tree = parsed(drawing)
    tags = {one.tag for one in tree.iter()}
    assert not tags & {"script", "img"}
    assert not any(name.startswith("on") for one in tree.iter() for name in one.attrib)
    assert HOSTILE in "".join(tree.itertext())
    assert tree.find(".//title").text == HOSTILE
    assert tree.find(".//desc").text


def test_pieces_of_a_sunburst_are_as_wide_as_their_counts():
    drawing = sunburst("t", [(("a", "x"), 50), (("a", "y"), 25), (("b",), 25)], unit="records")
    told = [arc.find("title").text for arc in of(drawing, "arc")]
    assert told == ["a: 75 (75.0 %) records", "a › x: 50 (50.0 %) records",
                    "a › y: 25 (25.0 %) records", "b: 25 (25.0 %) records"]  # fmt: skip
    # The last piece goes from three quarters to the whole: from the left to the top.
    path = of(drawing, "arc")[-1].get("d")
    assert path.startswith("M-152.00,0.00A152,152 0 0 1 -0.00,-152.00L")
    assert [row.text for row in parsed(drawing).iter("li")] == [None, None]


def test_small_pieces_are_put_together_and_a_whole_ring_is_closed():
    names = [((f"s{i}",), 1) for i in range(1000)]
    told = [arc.find("title").text for arc in of(sunburst("t", [(("a",), 4000), *names]), "arc")]
    assert told == ["a: 4,000 (80.0 %)", "1,000 others: 1,000 (20.0 %)"]
    (whole,) = of(sunburst("t", [(("a",), 5)]), "arc")
    assert whole.get("d").count("Z") == 2
    assert "<svg" in sunburst("nothing", [])


def test_dots_stand_where_their_values_are():
    rows = [DotRow("a", [Dot(50, 25, 75)], 100.0), DotRow("b", [Dot(0)]), DotRow("c", [None])]
    drawing = dots("t", ["s"], rows, span=(0.0, 100.0), mark="wanted")
    # The first mark is that of the legend, where there are several series; here there is none.
    places = [float(one.get("x").rstrip("%")) for one in of(drawing, "mark")]
    assert places == [1.5 + 32.25, 1.5]
    (interval,) = of(drawing, "interval")
    ends = [float(interval.get(key).rstrip("%")) for key in ("x1", "x2")]
    assert sum(ends) / 2 == pytest.approx(places[0])
    assert float(of(drawing, "wanted")[-1].get("x1").rstrip("%")) == 66.0
    with pytest.raises(ValueError, match="can be told apart"):
        dots("t", list("abcde"), [])
    assert "<svg" in dots("t", ["s"], [])


def test_dots_of_negative_and_of_unknown_values():
    drawing = dots("t", ["s"], [DotRow("a", [Dot(-5, math.nan, math.nan)]), DotRow("b", [Dot(5)])])
    left, right = (float(one.get("x").rstrip("%")) for one in of(drawing, "mark"))
    assert (left, right) == (1.5, 66.0)
    assert not of(drawing, "interval")


def test_long_labels_are_wrapped_and_push_what_is_below_down():
    short = dots("t", ["s"], [DotRow("a", [Dot(1)]), DotRow("b", [Dot(1)])])
    long = dots("t", ["s"], [DotRow("word " * 20, [Dot(1)]), DotRow("b", [Dot(1)])])
    lines = [one.text for one in parsed(long).iter("tspan")]
    assert " ".join(lines[:-1]).split() == ["word"] * 20
    assert max(map(len, lines)) <= 42
    lower = [float(of(drawing, "mark")[1].get("y")) for drawing in (short, long)]
    assert lower[1] - lower[0] == 17 * (len(lines) - 2)


def test_columns_are_as_high_as_their_counts():
    drawing = columns("t", [("all", [4, 0, 2]), ("some", [0, 1, 0])], ["1", "2", "3", "4"],
                      axis="mm", edges=True)  # fmt: skip
    heights = [float(bar.get("height")) for bar in of(drawing, "bar")]
    assert heights == [76.0, 38.0, 76.0]
    assert "all: 6, most of them (4) from 1 to 2; some: 1, most of them (1) from 2 to 3" in drawing
    with pytest.raises(ValueError, match="do not go with"):
        columns("t", [("all", [1, 2])], ["1", "2", "3"])


def test_a_curve_is_dashed_beyond_what_was_observed():
    drawing = bands("t", [Band("s", [1, 5, 10], [1, 3, 4], [1, 2, 3], [1, 4, 6], 2)], x="x", y="y")
    seen, beyond = of(drawing, "line")
    assert seen.get("stroke-dasharray") is None
    assert beyond.get("stroke-dasharray")
    assert seen.get("points").split()[-1] == beyond.get("points").split()[0]
    assert "3 observed, 4 (3 to 6) at 10" in drawing


def test_what_is_right_as_often_as_stated_stands_on_the_diagonal():
    drawing = reliability("t", [Group(0.5, 0.5, 0.4, 0.6, 10), Group(1, 0.9, 0.8, 1, 20)], x="x",
                          y="y")  # fmt: skip
    on, off = of(drawing, "spot")
    (diagonal,) = of(drawing, "wanted")
    x1, x2, y1, y2 = (float(diagonal.get(k).rstrip("%")) for k in ("x1", "x2", "y1", "y2"))

    def height(spot):
        share = (float(spot.get("cx").rstrip("%")) - x1) / (x2 - x1)
        return y1 + share * (y2 - y1)

    assert float(on.get("cy")) == pytest.approx(height(on), abs=0.2)
    assert float(off.get("cy")) > height(off) + 5  # below it: less is right than is stated
    high, low = (float(bar.get("height")) for bar in of(drawing, "bar"))
    assert low == pytest.approx(2 * high)


def test_combinations_tell_what_is_there_by_shape():
    drawing = combinations("t", ["a", "b"], [([True, False], 30), ([False, False], 10)])
    assert (len(of(drawing, "full")), len(of(drawing, "hollow"))) == (1, 3)
    assert parsed(drawing).find(".//desc").text == "a: 30; nothing: 10"
    assert "30 (75.0 %)" in drawing
    with pytest.raises(ValueError, match="six have room"):
        combinations("t", list("abcdefg"), [])


def test_marks_differ_by_shape():
    paths = {parsed(mark(number, 1, 2)).find(".//path").get("d") for number in range(MARKS)}
    assert len(paths) == MARKS


def test_counted_places_are_drawn_as_if_each_was_given():
    one = world_map("t", [(1.0, 2.0)] * 5 + [(3.0, 4.0)])
    assert world_map("t", [(1.0, 2.0), (3.0, 4.0)], counts=[5, 1]) == one
