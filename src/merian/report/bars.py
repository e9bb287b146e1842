"""Horizontal bars as inline SVG: under each name a length, and behind it the number.

A bar is read by its length and its number, and never by its colour alone: what stands out is
hatched too. Lengths are percentages and letters keep their size, so that the same drawing fits
a phone and a wall. Colours come from the page. A screen reader hears the title and every value.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["bars"]

_ROW = 42  # pixels: the label, the bar, and air
_BAR = 13
_FULL = 82.0  # percent of the width for the longest bar; the rest is for its number


def bars(
    title: str,
    values: Sequence[tuple[str, float]],
    *,
    unit: str = "",
    marked: frozenset[str] = frozenset(),
    identity: str = "bars",
) -> Markup:
    """Return bars for non-negative values.

    Args:
        title: What the bars show; read out, not drawn.
        values: Label and value, in the order in which they are drawn.
        unit: Written behind each number.
        marked: The labels that stand out.
        identity: An id that is unique on the page.
    """
    if any(value < 0 for _, value in values):
        raise ValueError("a bar cannot be shorter than nothing")
    longest = max((value for _, value in values), default=0.0) or 1.0
    numbers = [f"{_number(value)} {unit}".rstrip() for _, value in values]
    spoken = "; ".join(f"{label}: {n}" for (label, _), n in zip(values, numbers, strict=True))
    rows = (
        _bar(row, label, number, _FULL * value / longest, identity if label in marked else "")
        for row, ((label, value), number) in enumerate(zip(values, numbers, strict=True))
    )
    return Markup(
        '<svg class="bars" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n'
        '<defs><pattern id="{id}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="5" height="5" class="marked"/>'
        '<rect width="1.6" height="5" class="hatch"/></pattern></defs>\n{rows}</svg>'
    ).format(
        height=_ROW * len(values),
        id=identity,
        title=title,
        spoken=spoken,
        rows=Markup("").join(rows),
    )


def _bar(row: int, label: str, number: str, percent: float, hatched: str) -> Markup:
    """Return one row: the label, under it the bar, behind it the number."""
    top = row * _ROW
    style = Markup(' style="fill:url(#{}-hatch)"').format(hatched) if hatched else Markup("")
    return Markup(
        '<text class="label" x="0" y="{text}">{label}</text>'
        '<rect class="bar" x="0" y="{bar}" width="{w:.2f}%" height="{h}"{style}/>'
        '<text class="value" x="{w:.2f}%" dx="8" y="{value}">{number}</text>\n'
    ).format(
        text=top + 14,
        label=label,
        bar=top + 20,
        w=max(percent, 0.2),  # nothing is a hair, so that the row does not look broken
        h=_BAR,
        style=style,
        value=top + 20 + _BAR - 2,
        number=number,
    )


def _number(value: float) -> str:
    """Return a number as a person writes it."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
