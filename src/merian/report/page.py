"""A page from its parts: text, key figures, tables, bars and notes.

The page is one file that needs nothing else: no script, no font and no picture from elsewhere,
so that it can be sent by mail and opened in the field. Everything that comes from data is
escaped; a name is never markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import jinja2

from merian import __version__
from merian.report.bars import bars

__all__ = ["Bars", "Figures", "Name", "Note", "Part", "Section", "Table", "Text", "page"]


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
class Table:
    """A table.

    Attributes:
        columns: The heads.
        rows: The cells. None is an empty cell, numbers stand to the right, a `Name` is slanted.
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
class Note:
    """A remark set off from the text."""

    text: str


Part = Text | Figures | Table | Bars | Note


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
    environment.tests["a_name"] = lambda value: isinstance(value, Name)
    environment.tests["kind"] = lambda part, kind: type(part).__name__ == kind
    return environment.get_template("page.html.j2")


def _cell(value: object) -> str:
    """Return what stands in a cell."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
