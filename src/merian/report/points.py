"""Points over two axes as inline SVG: how one number goes with another.

Series are told apart by the shape of their points as well as by colour; the list below repeats
both. Places are percentages and points keep their size, so that the same drawing fits a phone and
a wall. A screen reader hears how many points each series has and between which values.
"""

from __future__ import annotations

import math

from markupsafe import Markup

from merian.report.lines import Series, round_numbers, span_of

__all__ = ["points"]

_HEIGHT, _TOP, _FOOT, _ROW = 320, 10, 44, 24  # pixels
_LEFT, _WIDTH = 11, 86  # percent
_SHAPES = "●■▲◆○□"  # as many as there are colours


def points(title: str, series: Series, *, x: str, y: str, identity: str = "points") -> Markup:
    """Return points in one drawing.

    Args:
        title: What is drawn; read out, not drawn.
        series: Name, and both values of its points. What is not finite is left out.
        x: What the first values are.
        y: What the second values are.
        identity: An id that is unique on the page.
    """
    if len(series) > len(_SHAPES):
        raise ValueError(f"{len(series)} series in one drawing; {len(_SHAPES)} can be told apart")
    kept = [
        (name, [(a, b) for a, b in zip(xs, ys, strict=True)
                if math.isfinite(a) and math.isfinite(b)])
        for name, xs, ys in series
    ]  # fmt: skip
    across = span_of([a for _, some in kept for a, _ in some])
    up = span_of([b for _, some in kept for _, b in some])
    drawn = [
        _point(number, _LEFT + _WIDTH * (a - across[0]) / (across[1] - across[0]),
               _TOP + (_HEIGHT - _TOP) * (1 - (b - up[0]) / (up[1] - up[0])))
        for number, (_, some) in enumerate(kept)
        for a, b in some
    ]  # fmt: skip
    rows = [
        _point(number, _LEFT + 2, _HEIGHT + _FOOT + _ROW * number + 10)
        + Markup('<text class="label" x="{at}%" y="{y}">{name} <tspan class="value">{n}</tspan>'
                 "</text>").format(at=_LEFT + 5, y=_HEIGHT + _FOOT + _ROW * number + 15, name=name,
                                   n=len(some))
        for number, (name, some) in enumerate(kept)
    ]  # fmt: skip
    spoken = "; ".join(
        f"{name}: {len(some)} points, {y} from {min(b for _, b in some):.3g} to "
        f"{max(b for _, b in some):.3g}" if some else f"{name}: none"
        for name, some in kept
    )  # fmt: skip
    return Markup(
        '<svg class="lines points" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{grid}{drawn}\n{rows}</svg>'
    ).format(
        height=_HEIGHT + _FOOT + _ROW * len(kept), id=identity, title=title, spoken=spoken,
        grid=_grid(across, up, x, y), drawn=Markup("").join(drawn), rows=Markup("").join(rows),
    )  # fmt: skip


def _point(number: int, percent: float, pixel: float) -> Markup:
    return Markup(
        '<text class="point point-{n}" x="{x:.2f}%" y="{y:.1f}" text-anchor="middle" '
        'dominant-baseline="central" aria-hidden="true">{shape}</text>'
    ).format(n=number, x=percent, y=pixel, shape=_SHAPES[number])


def _grid(across: tuple[float, float], up: tuple[float, float], x: str, y: str) -> Markup:
    """Return the axes: round numbers on both, and what they are."""
    parts = []
    for value in round_numbers(up):
        at = _TOP + (_HEIGHT - _TOP) * (1 - (value - up[0]) / (up[1] - up[0]))
        parts.append(Markup(
            '<line class="axis" x1="{left}%" x2="{right}%" y1="{at:.1f}" y2="{at:.1f}"/>'
            '<text class="value" x="{end}%" y="{base:.1f}" text-anchor="end">{value:.6g}</text>'
        ).format(left=_LEFT, right=_LEFT + _WIDTH, end=_LEFT - 1, at=at, base=at + 4,
                 value=value))  # fmt: skip
    for value in round_numbers(across):
        at = _LEFT + _WIDTH * (value - across[0]) / (across[1] - across[0])
        parts.append(Markup(
            '<text class="value" x="{at:.3f}%" y="{base}" text-anchor="middle">{value:,.6g}</text>'
        ).format(at=at, base=_HEIGHT + 18, value=value))  # fmt: skip
    parts.append(Markup(
        '<text class="value" x="{right}%" y="{base}" text-anchor="end">{x} →</text>'
        '<text class="value" x="{left}%" y="{base}">↑ {y}</text>'
    ).format(left=_LEFT, right=_LEFT + _WIDTH, base=_HEIGHT + 36, x=x, y=y))  # fmt: skip
    return Markup("").join(parts)
