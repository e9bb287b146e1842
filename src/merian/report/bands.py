"""Curves with what is around them, as inline SVG: each a line within the band of its interval.

A curve is drawn through up to where it was observed, which a mark shows, and dashed beyond. Curves
differ by the shape of the mark as well as by colour; the list below repeats both beside name and
last value. A screen reader hears where each ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from merian.report.lines import grid, share_of
from merian.report.marks import MARKS, mark

__all__ = ["Band", "bands"]

_HEIGHT, _TOP, _FOOT, _ROW = 300, 10, 44, 24  # pixels
_LEFT, _WIDTH = 11, 86  # percent


@dataclass(frozen=True)
class Band:
    """A curve.

    Attributes:
        name: What it is of.
        x: Its places, rising.
        y: Its values.
        low: The lower end of each interval.
        high: The upper end.
        seen: How many of its places were observed; those beyond are foretold.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    seen: int


def bands(title: str, curves: Sequence[Band], *, x: str, y: str, identity: str = "bands") -> Markup:
    """Return curves over axes that begin at nothing.

    Args:
        title: What is drawn; read out, not drawn.
        curves: At most four.
        x: What the places are.
        y: What the values are.
        identity: An id that is unique on the page.
    """
    if len(curves) > MARKS:
        raise ValueError(f"{len(curves)} curves in one drawing; {MARKS} can be told apart")
    across = (0.0, max((max(one.x) for one in curves), default=0.0) or 1.0)
    up = (0.0, max((max(one.high) for one in curves), default=0.0) or 1.0)
    inner = [_curve(number, one, across, up) for number, one in enumerate(curves)]
    outer = [_named(number, one, across, up) for number, one in enumerate(curves)]
    spoken = "; ".join(
        f"{one.name}: {one.y[one.seen - 1]:,.0f} observed, {one.y[-1]:,.0f} "
        f"({one.low[-1]:,.0f} to {one.high[-1]:,.0f}) at {one.x[-1]:,.0f}"
        for one in curves
    )
    return Markup(
        '<svg class="lines bands" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{grid}<svg x="{left}%" y="{top}" '
        'width="{width}%" height="{inside}" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'overflow="visible">{inner}</svg>\n{outer}</svg>'
    ).format(
        height=_HEIGHT + _FOOT + _ROW * len(curves), id=identity, title=title, spoken=spoken,
        grid=grid(across, up, x, y, height=_HEIGHT), left=_LEFT, top=_TOP, width=_WIDTH,
        inside=_HEIGHT - _TOP, inner=Markup("").join(inner), outer=Markup("").join(outer),
    )  # fmt: skip


def _path(x: Sequence[float], y: Sequence[float], across: tuple[float, float],
          up: tuple[float, float]) -> str:  # fmt: skip
    return " ".join(
        f"{100 * share_of(a, across):.3f},{100 - 100 * share_of(b, up):.3f}"
        for a, b in zip(x, y, strict=True)
    )


def _curve(number: int, one: Band, across: tuple[float, float], up: tuple[float, float]) -> Markup:
    """Return the band, and the line in it."""
    around = f"{_path(one.x, one.high, across, up)} " + _path(
        one.x[::-1], one.low[::-1], across, up
    )
    seen = _path(one.x[: one.seen], one.y[: one.seen], across, up)
    beyond = _path(one.x[one.seen - 1 :], one.y[one.seen - 1 :], across, up)
    return Markup(
        '<polygon class="band band-{n}" points="{around}"/>'
        '<polyline class="line line-{n}" points="{seen}" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
        '<polyline class="line line-{n}" points="{beyond}" fill="none" stroke-dasharray="6 5" '
        'vector-effect="non-scaling-stroke"/>'
    ).format(n=number, around=around, seen=seen, beyond=beyond)


def _named(number: int, one: Band, across: tuple[float, float], up: tuple[float, float]) -> Markup:
    """Return the mark where the curve was observed, and its row in the list."""
    place = one.seen - 1
    at = mark(
        number, _LEFT + _WIDTH * share_of(one.x[place], across),
        _TOP + (_HEIGHT - _TOP) * (1 - share_of(one.y[place], up)),
    )  # fmt: skip
    row = _HEIGHT + _FOOT + _ROW * number
    listed = mark(number, _LEFT + 2, row + 10)
    return at + listed + Markup(
        '<text class="label" x="{x}%" y="{y}">{name} <tspan class="value">{told}</tspan></text>'
    ).format(
        x=_LEFT + 5, y=row + 15, name=one.name,
        told=f"{one.y[place]:,.0f} at {one.x[place]:,.0f}",
    )  # fmt: skip
