"""Dots with their intervals over a common scale, as inline SVG: a sorted dot plot.

Under each label stands one line for each series: its interval, its dot, and its number behind. Dots
differ by shape as well as by colour, and a stroke across a line marks what was wanted or promised.
Places are percentages and letters keep their size, so that the same drawing fits a phone and a
wall. A screen reader hears the first rows and how many there are.

Reference: W. S. Cleveland & R. McGill, Graphical perception, J. Am. Stat. Assoc. 79, 531 (1984)
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from merian.report.lines import round_numbers
from merian.report.marks import MARKS
from merian.report.marks import mark as mark_of

__all__ = ["Dot", "DotRow", "dots"]

_LABEL, _LINE, _AIR, _FOOT = 20, 18, 8, 30  # pixels
_MORE, _LETTERS = 17, 42  # pixels of a further line of a label, letters that a phone has room for
_LEFT, _FULL = 1.5, 64.5  # percent of the width for the scale; the rest is for numbers
_TOLD = 12  # rows that are read out


@dataclass(frozen=True)
class Dot:
    """A value and its interval, whose ends are not finite where there is none.

    Attributes:
        value: The value.
        low: The lower end.
        high: The upper end.
        text: The number as it is written; made of the value if not given.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    text: str = ""


@dataclass(frozen=True)
class DotRow:
    """A label with a value for each series.

    Attributes:
        label: What the values are of.
        values: One for each series, None where there is none.
        mark: What was wanted or promised; drawn as a stroke.
        name: Whether the label is a name that is set in italics.
    """

    label: str
    values: Sequence[Dot | None]
    mark: float | None = None
    name: bool = False


def dots(
    title: str,
    series: Sequence[str],
    rows: Sequence[DotRow],
    *,
    unit: str = "",
    mark: str = "",
    span: tuple[float, float] | None = None,
    identity: str = "dots",
) -> Markup:
    """Return a dot plot.

    Args:
        title: What it shows; read out, not drawn.
        series: The names of the series, at most four.
        rows: What is shown, in the order in which it is drawn.
        unit: Written below the scale.
        mark: What the strokes stand for.
        span: The least and the greatest value of the scale; what the values need if not given.
        identity: An id that is unique on the page.
    """
    if len(series) > MARKS:
        raise ValueError(f"{len(series)} series in one drawing; {MARKS} can be told apart")
    low, high = span or _span(rows)
    head = _LINE * len(series) + _AIR if len(series) > 1 or mark else 0
    parts, top = [_legend(series, mark)] if head else [], float(head)
    if head and mark:
        top += _LINE if len(series) > 1 else 0
    begin = top
    for row in rows:
        parts.append(_row(row, top, low, high))
        lines = sum(value is not None for value in row.values)
        top += _LABEL + _MORE * (len(_wrapped(row.label)) - 1) + _LINE * lines + _AIR
    scale = _scale(low, high, begin, top, unit)
    return Markup(
        '<svg class="dots" role="img" width="100%" height="{height:.0f}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{scale}{parts}</svg>'
    ).format(
        height=top + _FOOT, id=identity, title=title, spoken=_spoken(series, rows),
        scale=scale, parts=Markup("\n").join(parts),
    )  # fmt: skip


def _span(rows: Sequence[DotRow]) -> tuple[float, float]:
    """Return a scale that holds all values, from nothing where none is below it."""
    values = [row.mark for row in rows if row.mark is not None]
    for row in rows:
        for dot in row.values:
            if dot is not None:
                values += [v for v in (dot.value, dot.low, dot.high) if math.isfinite(v)]
    low, high = min([0.0, *values]), max([0.0, *values])
    return low, high if high > low else low + 1.0


def _place(value: float, low: float, high: float) -> float:
    return _LEFT + _FULL * (min(max(value, low), high) - low) / (high - low)


def _legend(series: Sequence[str], mark: str) -> Markup:
    rows = [
        mark_of(n, _LEFT, _LINE * n + 9)
        + Markup('<text class="label" x="{x}%" dx="14" y="{y}">{name}</text>').format(
            x=_LEFT, y=_LINE * n + 13, name=name
        )
        for n, name in enumerate(series)
        if len(series) > 1
    ]
    if mark:
        y = _LINE * len(rows)
        rows.append(
            Markup(
                '<line class="wanted" x1="{x}%" x2="{x}%" y1="{a}" y2="{b}"/>'
                '<text class="label" x="{x}%" dx="14" y="{t}">{mark}</text>'
            ).format(x=_LEFT, a=y + 2, b=y + 16, t=y + 13, mark=mark)
        )
    return Markup("").join(rows)


def _row(row: DotRow, top: float, low: float, high: float) -> Markup:
    """Return one label, and under it a line for each series."""
    lines = _wrapped(row.label)
    told = [
        Markup('<tspan x="0" y="{y:.0f}">{line}</tspan>').format(y=top + 15 + _MORE * n, line=line)
        for n, line in enumerate(lines)
    ]
    parts = [
        Markup('<text class="label{name}">{told}</text>').format(
            name=" name" if row.name else "", told=Markup(" ").join(told)
        )
    ]
    top += _MORE * (len(lines) - 1)
    y = top + _LABEL + _LINE / 2
    first = y
    for number, dot in enumerate(row.values):
        if dot is None:
            continue
        parts.append(_dot(number, dot, y, low, high))
        y += _LINE
    if row.mark is not None:
        parts.append(
            Markup('<line class="wanted" x1="{x:.2f}%" x2="{x:.2f}%" y1="{a:.1f}" y2="{b:.1f}"/>')
            .format(x=_place(row.mark, low, high), a=first - 8, b=y - _LINE + 8)
        )  # fmt: skip
    return Markup("").join(parts)


def _wrapped(label: str) -> list[str]:
    """Return a label in lines that are short enough for a phone."""
    return textwrap.wrap(label, _LETTERS, break_long_words=False, break_on_hyphens=False) or [""]


def _dot(number: int, dot: Dot, y: float, low: float, high: float) -> Markup:
    """Return the track, the interval on it, the mark and the number."""
    track = Markup(
        '<line class="axis" x1="{left}%" x2="{full}%" y1="{y:.1f}" y2="{y:.1f}"/>'
    ).format(left=_LEFT, full=_LEFT + _FULL, y=y)  # fmt: skip
    interval = Markup("")
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        interval = Markup(
            '<line class="line line-{n} interval" x1="{a:.2f}%" x2="{b:.2f}%" y1="{y:.1f}" '
            'y2="{y:.1f}"/>'
        ).format(n=number, a=_place(dot.low, low, high), b=_place(dot.high, low, high), y=y)
    text = Markup('<text class="value" x="{full}%" dx="14" y="{t:.1f}">{text}</text>').format(
        full=_LEFT + _FULL, t=y + 4, text=_text(dot)
    )
    return track + interval + mark_of(number, _place(dot.value, low, high), y) + text


def _text(dot: Dot) -> str:
    if dot.text:
        return dot.text
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        to = " to " if dot.low < 0 else "–"
        return f"{dot.value:,.3g} ({dot.low:,.3g}{to}{dot.high:,.3g})"
    return f"{dot.value:,.4g}"


def _scale(low: float, high: float, top: float, bottom: float, unit: str) -> Markup:
    """Return the lines of round numbers, and these below."""
    parts = []
    ticks = round_numbers((low, high))
    for value in ticks[:: 2 if len(ticks) > 6 else 1]:
        x = _place(value, low, high)
        parts.append(
            Markup(
                '<line class="axis" x1="{x:.2f}%" x2="{x:.2f}%" y1="{a:.0f}" y2="{b:.0f}"/>'
                '<text class="value" x="{x:.2f}%" y="{t:.0f}" text-anchor="{anchor}">'
                "{value:,.6g}</text>"
            ).format(
                x=x, a=top + 4, b=bottom, t=bottom + 16,
                anchor="start" if x < 4 else "middle", value=value,
            )
        )  # fmt: skip
    parts.append(
        Markup('<text class="value" x="{full}%" dx="24" y="{t:.0f}">{unit}</text>').format(
            full=_LEFT + _FULL, t=bottom + 16, unit=unit
        )
    )
    return Markup("").join(parts)


def _spoken(series: Sequence[str], rows: Sequence[DotRow]) -> str:
    told = [
        f"{row.label}: " + ", ".join(
            f"{name} {_text(dot)}".strip() for name, dot in zip(series, row.values, strict=True)
            if dot is not None
        )
        for row in rows[:_TOLD]
    ]  # fmt: skip
    more = len(rows) - _TOLD
    return "; ".join(told) + (f"; and {more:,} more" if more > 0 else "")
