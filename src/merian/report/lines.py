"""Lines over a common axis as inline SVG: how a number falls or climbs while something goes on.

Lines are told apart by dashes as well as by colour, and the list below the drawing repeats both
beside the name and the last value. The drawing stretches with the page; letters and strokes keep
their size. A screen reader hears where each line begins and ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["Series", "grid", "lines", "round_numbers", "share_of", "span_of"]

_HEIGHT, _TOP, _FOOT, _ROW = 260, 10, 44, 24  # pixels
_LEFT, _WIDTH = 11, 86  # percent: where the drawing begins, and how wide it is
_TICKS = 5
_DASHES = ("", "8 4", "2 3", "10 3 2 3", "14 4", "4 2 1 2")  # as many as there are colours

Series = Sequence[tuple[str, Sequence[float], Sequence[float]]]


def lines(
    title: str,
    series: Series,
    *,
    x: str,
    y: str,
    log_x: bool = False,
    identity: str = "lines",
) -> Markup:
    """Return lines in one drawing.

    Args:
        title: What is drawn; read out, not drawn.
        series: Name, places and values of each line. What is not finite is left out.
        x: What the places are, with their unit.
        y: What the values are, with their unit.
        log_x: Whether places stand by their logarithm; those not above zero are left out.
        identity: An id that is unique on the page.
    """
    kept = [(name, _finite(places, values, log_x)) for name, places, values in series]
    if len(kept) > len(_DASHES):
        raise ValueError(f"{len(kept)} lines in one drawing; {len(_DASHES)} can be told apart")
    points = [point for _, line in kept for point in line]
    across = span_of([math.log10(at) if log_x else at for at, _ in points])
    up = span_of([value for _, value in points])
    rows, drawn = [], []
    for number, (name, line) in enumerate(kept):
        path = " ".join(
            f"{100 * share_of(math.log10(at) if log_x else at, across):.3f},"
            f"{100 - 100 * share_of(value, up):.3f}"
            for at, value in line
        )
        drawn.append(_drawn(number, path))
        rows.append(_named(number, name, line))
    spoken = "; ".join(
        f"{name}: from {line[0][1]:.4g} to {line[-1][1]:.4g}" if line else f"{name}: nothing"
        for name, line in kept
    )
    return Markup(
        '<svg class="lines" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n'
        '{grid}<svg x="{left}%" y="{top}" width="{width}%" height="{inner}" '
        'viewBox="0 0 100 100" preserveAspectRatio="none" overflow="visible">{drawn}</svg>\n'
        "{rows}</svg>"
    ).format(
        height=_HEIGHT + _FOOT + _ROW * len(kept),
        id=identity,
        title=title,
        spoken=spoken,
        grid=grid(across, up, x, y, log_x),
        left=_LEFT,
        top=_TOP,
        inner=_HEIGHT - _TOP,
        width=_WIDTH,
        drawn=Markup("").join(drawn),
        rows=Markup("").join(rows),
    )


def _finite(
    places: Sequence[float], values: Sequence[float], log: bool
) -> list[tuple[float, float]]:
    return [
        (at, value)
        for at, value in zip(places, values, strict=True)
        if math.isfinite(at) and math.isfinite(value) and (at > 0 or not log)
    ]


def span_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the greatest, never the same."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def share_of(value: float, span: tuple[float, float]) -> float:
    """Return where in a span a value lies: 0 at its beginning, 1 at its end."""
    return (value - span[0]) / (span[1] - span[0])


def _drawn(number: int, path: str) -> Markup:
    return Markup(
        '<polyline class="line line-{n}" points="{path}" fill="none" stroke-dasharray="{dash}" '
        'vector-effect="non-scaling-stroke"/>'
    ).format(n=number, path=path, dash=_DASHES[number])


def _named(number: int, name: str, line: Sequence[tuple[float, float]]) -> Markup:
    """Return a row of the list: a piece of the line, its name and its last value."""
    return Markup(
        '<line class="line line-{n}" x1="{left}%" x2="{right}%" y1="{y}" y2="{y}" '
        'stroke-dasharray="{dash}"/><text class="label" x="{at}%" y="{base}">{name} '
        '<tspan class="value">{last}</tspan></text>'
    ).format(
        n=number,
        left=_LEFT,
        right=_LEFT + 9,
        at=_LEFT + 11,
        y=_HEIGHT + _FOOT + _ROW * number + 10,
        base=_HEIGHT + _FOOT + _ROW * number + 15,
        dash=_DASHES[number],
        name=name,
        last=f"{line[-1][1]:.4g}" if line else "",
    )


def grid(
    across: tuple[float, float],
    up: tuple[float, float],
    x: str,
    y: str,
    log: bool = False,
    height: int = _HEIGHT,
) -> Markup:
    """Return the axes: round numbers on both, and what they are.

    Args:
        across: The span of the places, of their logarithms where these are meant.
        up: The span of the values.
        x: What the places are.
        y: What the values are.
        log: Whether places stand by their logarithm.
        height: Where the lower end of the drawing is, in pixels.
    """
    parts = []
    for value in round_numbers(up):
        at = _TOP + (height - _TOP) * (1 - share_of(value, up))
        parts.append(
            Markup(
                '<line class="axis" x1="{left}%" x2="{right}%" y1="{at:.1f}" y2="{at:.1f}"/>'
                '<text class="value" x="{end}%" y="{base:.1f}" text-anchor="end">{value:.6g}</text>'
            ).format(
                left=_LEFT, right=_LEFT + _WIDTH, end=_LEFT - 1, at=at, base=at + 4, value=value
            )
        )
    for value in _powers(across) if log else round_numbers(across):
        share = share_of(math.log10(value) if log else value, across)
        parts.append(
            Markup(
                '<text class="value" x="{at:.3f}%" y="{base}" text-anchor="middle">'
                "{value:,.6g}</text>"
            ).format(at=_LEFT + _WIDTH * share, base=height + 18, value=value)
        )
    parts.append(
        Markup(
            '<text class="value" x="{right}%" y="{base}" text-anchor="end">{x} →</text>'
            '<text class="value" x="{left}%" y="{base}">↑ {y}</text>'
        ).format(left=_LEFT, right=_LEFT + _WIDTH, base=height + 36, x=x, y=y)
    )
    return Markup("").join(parts)


def round_numbers(span: tuple[float, float]) -> list[float]:
    """Return a handful of round numbers of a span."""
    rough = (span[1] - span[0]) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * 0.999)
    first = math.ceil(span[0] / step - 1e-9)
    last = math.floor(span[1] / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _powers(span: tuple[float, float]) -> list[float]:
    """Return the powers of ten of a span of logarithms, or round numbers where there are few."""
    whole = [10.0**n for n in range(math.ceil(span[0] - 1e-9), math.floor(span[1] + 1e-9) + 1)]
    return whole if len(whole) > 2 else round_numbers((10.0 ** span[0], 10.0 ** span[1]))
