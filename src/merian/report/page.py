"""A page from its parts: text, key figures, tables, bars and notes.

The page is one file that needs nothing else: no script, no font and no picture from elsewhere,
so that it can be sent by mail and opened in the field. Everything that comes from data is
escaped; a name is never markup.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import jinja2
from markupsafe import Markup

from merian import __version__
from merian.report.bars import bars
from merian.report.flow import flow
from merian.report.histogram import histogram
from merian.report.intervals import intervals
from merian.report.lines import lines
from merian.report.points import points
from merian.report.world_map import world_map

__all__ = [
    "Bars",
    "Figures",
    "Flow",
    "Gallery",
    "Histogram",
    "Intervals",
    "Lines",
    "Link",
    "Map",
    "Name",
    "Note",
    "Part",
    "Picture",
    "Pictures",
    "Plot",
    "Points",
    "Section",
    "Table",
    "Text",
    "Thumbnail",
    "page",
]


@dataclass(frozen=True)
class Text:
    """Paragraphs, parted by an empty line."""

    text: str

    @property
    def paragraphs(self) -> list[str]:
        """The paragraphs, each in one line."""
        return [" ".join(p.split()) for p in self.text.split("\n\n") if p.strip()]


@dataclass(frozen=True)
class Figures:
    """A few numbers that matter most: value and what it counts."""

    values: Sequence[tuple[object, str]]


class Name(str):
    """A name that is set in italics: of a genus, or of anything below."""

    __slots__ = ()


@dataclass(frozen=True)
class Link:
    """A cell that leads to another page beside this one."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: The heads.
        rows: The cells. None is an empty cell, numbers stand to the right, a `Name` is slanted, a
            `Link` leads to another page.
        caption: What the table shows.
        more: How many rows there are beyond those shown.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    more: int = 0

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds numbers and nothing else."""
        columns = [[row[i] for row in self.rows] for i in range(len(self.columns))]
        return [
            any(v is not None for v in values)
            and all(v is None or (isinstance(v, int | float) and v is not True) for v in values)
            for values in columns
        ]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars: label and value. The marked labels stand out."""

    title: str
    values: Sequence[tuple[str, float]]
    unit: str = ""
    marked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Flow:
    """What flows through columns of boxes, a tree from the second column on.

    Attributes:
        title: What flows.
        columns: The heads of the columns.
        rows: The names from the first column on, as far as they go; a value; and what it is of.
        unit: What the values count.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[Sequence[str], float, str]]
    unit: str = ""


@dataclass(frozen=True)
class Histogram:
    """Two or more sets of values over the same bins, one below the other.

    Attributes:
        title: What is counted.
        series: Name and values of each set.
        edges: Of the bins, one more than there are bins.
        axis: What the values are, with their unit.
    """

    title: str
    series: Sequence[tuple[str, Sequence[float]]]
    edges: Sequence[float]
    axis: str = ""


@dataclass(frozen=True)
class Lines:
    """Numbers that change while something goes on.

    Attributes:
        title: What is drawn.
        series: Name, places and values of each line.
        x: What the places are, with their unit.
        y: What the values are, with their unit.
        log_x: Whether places stand by their logarithm.
    """

    title: str
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]]
    x: str
    y: str
    log_x: bool = False


@dataclass(frozen=True)
class Map:
    """Places on a map: latitude and longitude of each record."""

    title: str
    places: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Points:
    """Two numbers of many things: how one goes with the other.

    Attributes:
        title: What is drawn.
        series: Name, and both values of its points, of each of at most six series.
        x: What the first values are.
        y: What the second values are.
    """

    title: str
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]]
    x: str
    y: str


@dataclass(frozen=True)
class Intervals:
    """Numbers with their intervals: label, value, low and high."""

    title: str
    values: Sequence[tuple[str, float, float, float]]


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        data: The bytes of a JPEG or PNG file.
        caption: Under it; a `Name` is slanted.
        remark: In smaller letters below.
        alternative: What it shows, for who cannot see it; the caption if not given.
    """

    data: bytes
    caption: str = ""
    remark: str = ""
    alternative: str = ""

    @property
    def address(self) -> str:
        """The picture itself as an address."""
        return _address(self.data)


def _address(data: bytes) -> str:
    """Return a JPEG or PNG file as an address that needs nothing else."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, or one over the whole width.

    Attributes:
        pictures: The pictures.
        title: What they show.
        width: Of one, in pixels at most; they wrap.
    """

    pictures: Sequence[Picture]
    title: str = ""
    width: int = 150


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one thing, and what it is.

    Attributes:
        data: The bytes of a JPEG or PNG file; none where there is no picture to show.
        label: Which thing it is.
        name: What it is; a `Name` is slanted.
        remark: In smaller letters below.
        missing: Stands in a grey box where there is no picture.
    """

    data: bytes
    label: str
    name: str = ""
    remark: str = ""
    missing: str = ""

    @property
    def address(self) -> str:
        """The picture itself as an address."""
        return _address(self.data)


@dataclass(frozen=True)
class Gallery:
    """Small pictures in squares of one size, in rows that wrap."""

    title: str
    pictures: Sequence[Thumbnail]


@dataclass(frozen=True)
class Plot:
    """Any drawing, with the table behind it, which opens on demand.

    Attributes:
        title: What is drawn.
        drawing: Makes the SVG, given `identity`, an id that is unique on the page.
        table: The same in numbers.
    """

    title: str
    drawing: Callable[..., Markup]
    table: Table


@dataclass(frozen=True)
class Note:
    """A remark set off from the text."""

    text: str


Part = (
    Text
    | Figures
    | Table
    | Bars
    | Flow
    | Histogram
    | Lines
    | Map
    | Plot
    | Points
    | Intervals
    | Pictures
    | Gallery
    | Note
)


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading."""

    title: str
    parts: Sequence[Part]


def page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    stamp: Mapping[str, object] | None = None,
    language: str = "en",
) -> str:
    """Return a whole HTML page.

    Args:
        title: The heading.
        sections: What stands on it.
        subtitle: A line under the heading.
        stamp: What wrote the page, see `merian.stamp.stamp`; printed at its foot.
        language: The language of the text.
    """
    foot = {k.replace("_", " "): v for k, v in (stamp or {}).items() if isinstance(v, str)}
    return _template().render(
        title=title,
        subtitle=subtitle,
        sections=[(f"s{i}", s) for i, s in enumerate(sections, 1)],
        galleries=any(isinstance(part, Gallery) for s in sections for part in s.parts),
        plots=any(isinstance(part, Plot) for s in sections for part in s.parts),
        foot=foot,
        version=__version__,
        language=language,
    )


@cache
def _template() -> jinja2.Template:
    """Return the template, which lies beside this file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merian.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    environment.globals["bars"] = bars
    environment.globals["flow"] = flow
    environment.globals["histogram"] = histogram
    environment.globals["lines"] = lines
    environment.globals["points"] = points
    environment.globals["intervals"] = intervals
    environment.globals["world_map"] = world_map
    environment.tests["a_name"] = lambda value: isinstance(value, Name)
    environment.tests["a_link"] = lambda value: isinstance(value, Link)
    environment.tests["kind"] = lambda part, kind: type(part).__name__ == kind
    return environment.get_template("page.html.j2")


def _cell(value: object) -> str:
    """Return what stands in a cell."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
