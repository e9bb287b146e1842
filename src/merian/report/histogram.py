"""Histograms as inline SVG: sets of values one below the other over the same bins.

Sets are compared by place and not by colour, each has its name and its count beside it, and each
is drawn to its own height, so that a small set is seen beside a large one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

__all__ = ["histogram"]

_HEIGHT, _HEAD, _FOOT = 64, 26, 40
_TICKS = 6


def histogram(
    title: str,
    series: Sequence[tuple[str, Sequence[float]]],
    edges: Sequence[float],
    *,
    axis: str = "",
    identity: str = "histogram",
) -> Markup:
    """Return histograms of sets of values.

    Args:
        title: What is counted; read out, not drawn.
        series: Name and values of each set. Values beyond the edges count in the outermost bins.
        edges: Of the bins, rising.
        axis: What the values are, with their unit.
        identity: An id that is unique on the page.
    """
    if len(edges) < 2 or any(b <= a for a, b in pairwise(edges)):
        raise ValueError("bins need two rising edges or more")
    rows, spoken = [], []
    for number, (name, values) in enumerate(series):
        counts = _count(values, edges)
        top = number * (_HEIGHT + _HEAD)
        rows.append(_set(f"{name} ({len(values):,})", counts, top))
        fullest = max(range(len(counts)), key=counts.__getitem__)
        spoken.append(
            f"{name}: {len(values):,} values, most of them from {edges[fullest]:g} to "
            f"{edges[fullest + 1]:g}"
        )
    bottom = len(series) * (_HEIGHT + _HEAD)
    return Markup(
        '<svg class="histogram" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n{rows}'
        "{ticks}</svg>"
    ).format(
        height=bottom + _FOOT,
        id=identity,
        title=title,
        spoken="; ".join(spoken),
        rows=Markup("").join(rows),
        ticks=_axis(edges, axis, bottom),
    )


def _count(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return counts


def _set(name: str, counts: Sequence[int], top: int) -> Markup:
    """Return one set: its name, and a bar for each bin."""
    tallest = max(counts, default=0) or 1
    width = 100 / len(counts)
    bars = Markup("").join(
        Markup(
            '<rect class="bar" x="{x:.3f}%" y="{y:.1f}" width="{w:.3f}%" height="{h:.1f}"/>'
        ).format(
            x=place * width + 0.05 * width,
            y=top + _HEAD + _HEIGHT * (1 - count / tallest),
            w=0.9 * width,
            h=max(_HEIGHT * count / tallest, 1.5),
        )
        for place, count in enumerate(counts)
        if count
    )
    return Markup(
        '<text class="label" x="0" y="{text}">{name}</text>{bars}'
        '<line class="axis" x1="0" x2="100%" y1="{base}" y2="{base}"/>\n'
    ).format(text=top + 17, name=name, bars=bars, base=top + _HEAD + _HEIGHT)


def _axis(edges: Sequence[float], axis: str, top: int) -> Markup:
    """Return numbers below the bins."""
    step = max(1, round((len(edges) - 1) / _TICKS))
    marks = Markup("").join(
        Markup(
            '<text class="value" x="{x:.2f}%" y="{y}" text-anchor="{anchor}">{edge:g}</text>'
        ).format(
            x=100 * place / (len(edges) - 1),
            y=top + 15,
            anchor="start" if place == 0 else "end" if place == len(edges) - 1 else "middle",
            edge=edges[place],
        )
        for place in range(0, len(edges), step)
    )
    return marks + Markup('<text class="value" x="0" y="{y}">{axis}</text>').format(
        y=top + 33, axis=axis
    )
