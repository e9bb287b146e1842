"""What is stated against what is so, as inline SVG: a reliability drawing.

Answers are put together by the probability that they state. Each group is a dot: to the right what
it states on average, upwards the share of it that is right, with its interval; on the diagonal both
are the same. Columns below show how many answers there are at each probability.

Reference: A. H. Murphy & R. L. Winkler, Reliability of subjective probability forecasts, J. R.
Stat. Soc. C 26, 41 (1977)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from merian.report.lines import grid, share_of

__all__ = ["Group", "reliability"]

_HEIGHT, _TOP, _FOOT, _COLUMNS = 320, 10, 48, 56  # pixels
_LEFT, _WIDTH = 11, 86  # percent


@dataclass(frozen=True)
class Group:
    """Answers of about one probability.

    Attributes:
        stated: Their mean probability.
        right: The share that is right.
        low: The lower end of its interval.
        high: The upper end.
        count: How many answers.
    """

    stated: float
    right: float
    low: float
    high: float
    count: int


def reliability(
    title: str, groups: Sequence[Group], *, x: str, y: str, identity: str = "reliability"
) -> Markup:
    """Return a reliability drawing.

    Args:
        title: What is drawn; read out, not drawn.
        groups: In the order of their probability.
        x: What is stated.
        y: What is so.
        identity: An id that is unique on the page.
    """
    least = min((min(one.stated, one.low) for one in groups), default=0.0)
    span = (math.floor(max(least - 0.005, 0.0) * 20) / 20, 1.0)
    spoken = "; ".join(
        f"stated {100 * one.stated:.0f} %, right {100 * one.right:.0f} % of {one.count:,}"
        for one in groups
    )
    drawn = Markup("\n").join(_group(one, span) for one in groups)
    most = max((one.count for one in groups), default=0) or 1
    base = _HEIGHT + _FOOT + _COLUMNS
    below = Markup("").join(_column(one, span, most, base) for one in groups)
    return Markup(
        '<svg class="lines reliability" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{grid}'
        '<line class="wanted" stroke-dasharray="5 5" x1="{left}%" x2="{right}%" y1="{bottom}" '
        'y2="{top}"/>\n{drawn}\n{below}<line class="axis" x1="{left}%" x2="{right}%" y1="{base}" '
        'y2="{base}"/><text class="value" x="{left}%" y="{under}">how many answers, at most '
        "{most:,}</text></svg>"
    ).format(
        height=base + 24, id=identity, title=title, spoken=spoken, drawn=drawn, below=below,
        grid=grid(span, span, x, y, height=_HEIGHT), left=_LEFT, right=_LEFT + _WIDTH,
        bottom=_HEIGHT, top=_TOP, base=base, under=base + 17, most=most,
    )  # fmt: skip


def _x(value: float, span: tuple[float, float]) -> float:
    return _LEFT + _WIDTH * share_of(value, span)


def _y(value: float, span: tuple[float, float]) -> float:
    return _TOP + (_HEIGHT - _TOP) * (1 - share_of(min(max(value, span[0]), span[1]), span))


def _group(one: Group, span: tuple[float, float]) -> Markup:
    told = (
        f"stated {100 * one.stated:.1f} %: right {100 * one.right:.1f} % "
        f"({100 * one.low:.1f} to {100 * one.high:.1f}) of {one.count:,}"
    )
    return Markup(
        '<line class="line" x1="{x:.2f}%" x2="{x:.2f}%" y1="{a:.1f}" y2="{b:.1f}"/>'
        '<circle class="spot" cx="{x:.2f}%" cy="{y:.1f}" r="6"><title>{told}</title></circle>'
    ).format(
        x=_x(one.stated, span), a=_y(one.low, span), b=_y(one.high, span),
        y=_y(one.right, span), told=told,
    )  # fmt: skip


def _column(one: Group, span: tuple[float, float], most: int, base: int) -> Markup:
    high = max(_COLUMNS * 0.9 * one.count / most, 1.5)
    return Markup(
        '<rect class="bar" x="{x:.2f}%" y="{y:.1f}" width="1.2%" height="{h:.1f}"/>'
    ).format(x=_x(one.stated, span) - 0.6, y=base - high, h=high)
