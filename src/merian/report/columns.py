"""Counts in a row of columns as inline SVG, one row for each set: months, years, sizes.

Sets are compared by place and not by colour; each has its name and its count beside it and is drawn
to its own height, so that a small set is seen beside a large one. The counts are made before, so
that it does not matter how many things are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["columns"]

_HEIGHT, _HEAD, _FOOT = 76, 28, 42  # pixels
_TICKS, _LETTERS = 7, 48  # labels, and letters of all, that a phone has room for

Sets = Sequence[tuple[str, Sequence[int]]]


def columns(
    title: str,
    sets: Sets,
    ticks: Sequence[str],
    *,
    axis: str = "",
    edges: bool = False,
    identity: str = "columns",
) -> Markup:
    """Return rows of columns.

    Args:
        title: What is counted; read out, not drawn.
        sets: The name and the counts of each set.
        ticks: What each column is of; or, where they are edges, one more than there are columns.
        axis: What the columns are, with their unit.
        edges: Whether ticks stand between the columns.
        identity: An id that is unique on the page.
    """
    count = len(ticks) - edges
    if count < 1 or any(len(counts) != count for _, counts in sets):
        raise ValueError(f"{len(ticks)} ticks do not go with the columns")
    rows, spoken = [], []
    for number, (name, counts) in enumerate(sets):
        rows.append(_set(name, counts, ticks, edges, number * (_HEIGHT + _HEAD)))
        fullest = max(range(count), key=counts.__getitem__)
        spoken.append(
            f"{name}: {sum(counts):,}, most of them ({counts[fullest]:,}) "
            f"{_told(ticks, fullest, edges)}"
        )
    bottom = len(sets) * (_HEIGHT + _HEAD)
    return Markup(
        '<svg class="histogram columns" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{rows}{axis}</svg>'
    ).format(
        height=bottom + _FOOT, id=identity, title=title, spoken="; ".join(spoken),
        rows=Markup("").join(rows), axis=_axis(ticks, edges, axis, bottom),
    )  # fmt: skip


def _told(ticks: Sequence[str], number: int, edges: bool) -> str:
    return f"from {ticks[number]} to {ticks[number + 1]}" if edges else f"at {ticks[number]}"


def _set(name: str, counts: Sequence[int], ticks: Sequence[str], edges: bool, top: int) -> Markup:
    """Return one set: its name, the count of its fullest column, and the columns."""
    tallest = max(counts, default=0) or 1
    width = 100 / len(counts)
    drawn = Markup("").join(
        Markup(
            '<rect class="bar" x="{x:.3f}%" y="{y:.1f}" width="{w:.3f}%" height="{h:.1f}">'
            "<title>{told}</title></rect>"
        ).format(
            x=(place + 0.06) * width, w=0.88 * width,
            y=top + _HEAD + _HEIGHT - max(_HEIGHT * count / tallest, 1.5),
            h=max(_HEIGHT * count / tallest, 1.5),
            told=f"{_told(ticks, place, edges)}: {count:,}",
        )
        for place, count in enumerate(counts)
        if count
    )  # fmt: skip
    base = top + _HEAD + _HEIGHT
    return Markup(
        '<text class="label" x="0" y="{t}">{name} <tspan class="value">{all:,}</tspan></text>'
        '<text class="value" x="100%" y="{t}" text-anchor="end">highest {tallest:,}</text>{drawn}'
        '<line class="axis" x1="0" x2="100%" y1="{base}" y2="{base}"/>\n'
    ).format(t=top + 18, name=name, all=sum(counts), tallest=tallest, drawn=drawn, base=base)


def _axis(ticks: Sequence[str], edges: bool, axis: str, top: int) -> Markup:
    """Return the labels below the columns, as many as there is room for."""
    count = len(ticks) - edges
    room = _LETTERS // 2 if edges else _LETTERS
    step = 1 if len(ticks) * max(map(len, ticks)) <= room else -(-count // _TICKS)
    marks = [
        Markup(
            '<text class="value" x="{x:.2f}%" y="{y}" text-anchor="{anchor}">{tick}</text>'
        ).format(
            x=100 * (place + (0 if edges else 0.5)) / count,
            y=top + 15,
            anchor="start" if place == 0 and edges else "end" if place == count else "middle",
            tick=ticks[place],
        )
        for place in range(0, len(ticks), step)
    ]
    return Markup("").join(marks) + Markup(
        '<text class="value" x="0" y="{y}">{axis}</text>'
    ).format(y=top + 34, axis=axis)
