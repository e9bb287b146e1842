"""The page, its parts and its bars."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.report import Bars, Figures, Name, Note, Section, Table, Text, page
from merian.report.bars import bars
from merian.report.intervals import intervals

HOSTILE = """<script>alert("x")</script><img src=x onerror='1'>{{ 7*7 }}]]>"""
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Outline(HTMLParser):
    """Checks that tags nest, and keeps what a reader would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.seen.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.seen).split())


def whole(text: str) -> str:
    return page(
        text,
        [
            Section(text, [Text(text), Note(text), Figures([(text, text)])]),
            Section(
                "two", [Bars(text, [(text, 3), ("b", 1)], unit=text, marked=frozenset([text]))]
            ),
            Section("three", [Table([text, "n"], [[Name(text), 1], [None, 2.5]], text, more=5)]),
        ],
        subtitle=text,
        stamp={"format": text, "taxonomy": None},
    )


def test_hostile_text_is_shown_and_never_markup():
    outline = Outline(whole(HOSTILE))
    tags = [tag for tag, _ in outline.tags]
    assert "script" not in tags
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert outline.text.count(HOSTILE) >= 10
    assert "49" not in outline.text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_text_gives_a_page_that_nests(text):
    Outline(whole(text))


def test_the_page_needs_nothing_from_elsewhere():
    source = whole("plain")
    assert "http://" not in source.replace("http-equiv", "")
    assert "https://" not in source
    for tag, attrs in Outline(source).tags:
        assert tag not in {"script", "link", "iframe", "img"}
        assert not attrs.get("src")
        assert (attrs.get("href") or "#").startswith("#")
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


def test_ids_are_unique_and_every_reference_leads_somewhere():
    outline = Outline(whole("plain"))
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in outline.tags:
        for name in ("aria-labelledby", "href"):
            for reference in (attrs.get(name) or "").split():
                assert reference.removeprefix("#") in ids


def test_the_same_parts_give_the_same_bytes():
    assert whole("a") == whole("a")


def test_numbers_stand_to_the_right_and_names_are_italic():
    table = Table(["name", "count"], [[Name("Apis"), 12345], [Name("Bombus"), None]])
    source = re.sub(r"\n\s*", "", page("t", [Section("s", [table])]))
    assert '<td class="name">Apis</td><td class="number">12,345</td>' in source
    assert Table(["x"], [[True], [False]]).numeric == [False]
    assert Table(["x"], [[None], [1.5]]).numeric == [True]
    assert Table(["x"], []).numeric == [False]


def test_bars_are_as_long_as_their_values():
    drawing = ElementTree.fromstring(bars("Counts", [("a", 40), ("b", 10), ("none", 0)], unit="mm"))
    lengths = [float(r.get("width").rstrip("%")) for r in drawing.iter("rect")
               if r.get("class") == "bar"]  # fmt: skip
    assert lengths[0] == pytest.approx(4 * lengths[1])
    assert 0 < lengths[2] < 1
    assert drawing.find("desc").text == "a: 40 mm; b: 10 mm; none: 0 mm"
    assert drawing.get("role") == "img"


def test_bars_of_nothing_and_of_less_than_nothing():
    assert "<svg" in bars("empty", [])
    assert "<svg" in bars("zero", [("a", 0)])
    with pytest.raises(ValueError, match="shorter than nothing"):
        bars("negative", [("a", -1)])


def test_what_stands_out_is_hatched_and_not_only_coloured():
    drawing = bars("c", [("a", 1), ("b", 2)], marked=frozenset(["b"]), identity="q")
    assert drawing.count('style="fill:url(#q-hatch)"') == 1


def test_intervals_begin_and_end_where_they_should():
    drawing = ElementTree.fromstring(intervals("Species", [("a", 4, 2, 8), ("b", 3, 3, 3)]))
    lines = [rect for rect in drawing.iter("rect") if rect.get("class") == "bar"]
    starts, widths = ([float(one.get(key).rstrip("%")) for one in lines] for key in ("x", "width"))
    assert widths[0] == pytest.approx(3 * starts[0], abs=0.02)
    assert 0 < widths[1] < 1
    assert drawing.find("desc").text == "a: 4.0 (2 to 8); b: 3.0 (3 to 3)"
    assert "<svg" in intervals("zero", [("a", 0, 0, 0)])
    with pytest.raises(ValueError, match="does not end before it begins"):
        intervals("wrong", [("a", 1, 2, 1)])
