"""What the reports have in common: a report, what is missing from it and why, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merian.report.page import (
    Bars,
    Figures,
    Gallery,
    Histogram,
    Intervals,
    Lines,
    Name,
    Note,
    Part,
    Plot,
    Section,
    Table,
    Text,
    page,
)

__all__ = ["ITALIC", "Absent", "Report", "in_json", "named", "percent"]

ITALIC = frozenset({"genus", "subgenus", "species", "subspecies", "variety", "form"})


@dataclass(frozen=True)
class Absent:
    """A section that is not there, and why."""

    title: str
    why: str


@dataclass(frozen=True)
class Report:
    """A page about something.

    Attributes:
        kind: What it is about: catalogue, library, answers, measurements, clusters, bench ...
        title: The heading.
        subtitle: A line below it.
        found: The sections, and those that are not there.
        stamp: What wrote it.
        notes: What the reader of the command line should know.
    """

    kind: str
    title: str
    subtitle: str
    found: Sequence[Section | Absent]
    stamp: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def sections(self) -> list[Section]:
        """The sections, and after them what is not there."""
        shown = [one for one in self.found if isinstance(one, Section) and one.parts]
        absent = [(one.title, one.why) for one in self.found if isinstance(one, Absent)]
        if absent:
            shown.append(Section("What is not here", [Table(("part", "why"), absent)]))
        return shown

    def html(self) -> str:
        """Return the page."""
        return page(self.title, self.sections, subtitle=self.subtitle, stamp=self.stamp)

    def as_dict(self) -> dict[str, Any]:
        """Return everything on it but the pictures."""
        return {
            "merian": dict(self.stamp),
            "about": self.kind,
            "title": self.title,
            "subtitle": self.subtitle,
            "sections": [
                {"title": one.title, "parts": [in_json(part) for part in one.parts]}
                for one in self.sections
            ],
        }


def in_json(part: Part) -> dict[str, Any]:
    """Return a part of a page as JSON has it."""
    if isinstance(part, Text):
        return {"text": "\n\n".join(part.paragraphs)}
    if isinstance(part, Note):
        return {"note": part.text}
    if isinstance(part, Figures):
        return {"figures": {what: _value(value) for value, what in part.values}}
    if isinstance(part, Plot):
        return {"plot": part.title, **in_json(part.table)}
    if isinstance(part, Table):
        rows = [[_value(cell) for cell in row] for row in part.rows]
        return {"caption": part.caption, "columns": [*part.columns], "rows": rows,
                "more": part.more}  # fmt: skip
    if isinstance(part, Gallery):
        shown = [[one.label, str(one.name), one.remark] for one in part.pictures]
        return {"caption": part.title, "columns": ["what", "name", "remark"], "rows": shown,
                "more": 0}  # fmt: skip
    if isinstance(part, Bars):
        rows = [[label, value] for label, value in part.values]
        return {"caption": part.title, "columns": ["", part.unit], "rows": rows, "more": 0}
    if isinstance(part, Intervals):
        return {"caption": part.title, "columns": ["", "value", "low", "high"],
                "rows": [[*row] for row in part.values], "more": 0}  # fmt: skip
    if isinstance(part, Lines):
        return {"caption": part.title, "columns": ["series", part.x, part.y],
                "rows": [[name, a, b] for name, xs, ys in part.series
                         for a, b in zip(xs, ys, strict=True)], "more": 0}  # fmt: skip
    if isinstance(part, Histogram):
        rows = [[name, len(values)] for name, values in part.series]
        return {"caption": part.title, "columns": ["set", "values"], "rows": rows, "more": 0}
    return {"caption": part.title}  # pictures, and drawings that no report has


def _value(value: object) -> object:
    """Return a cell as JSON holds it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)


def named(name: str, rank: str | None) -> str:
    """Return a name, slanted where names of its rank are."""
    return Name(name) if rank in ITALIC else name


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, in one piece (the blank does not break)."""
    shown = f"{100 * share:.{digits}f}"
    if share < 1 and float(shown) == 100:  # 100 % is only what is whole
        return f"over {100 - 10**-digits:.{digits}f}\u00a0%"
    return (
        f"{shown.rstrip('0').rstrip('.') if digits and float(shown) in (0, 100) else shown}\u00a0%"
    )
