"""Numbers with their intervals as inline SVG: under each name a line from low to high, and a dot.

All rows share one scale that begins at nothing, so that lengths compare. The numbers stand behind
each line; a screen reader hears them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["intervals"]

_ROW = 38  # pixels: the label, the line, and air
_FULL = 64.0  # percent of the width for the highest end; a phone needs the rest for numbers


def intervals(
    title: str,
    values: Sequence[tuple[str, float, float, float]],
    *,
    identity: str = "intervals",
) -> Markup:
    """Return intervals of non-negative values.

    Args:
        title: What is shown; read out, not drawn.
        values: Label, value, low and high, in the order in which they are drawn.
        identity: An id that is unique on the page.
    """
    if any(not 0 <= low <= high for _, _, low, high in values):
        raise ValueError("an interval begins at nothing or above and does not end before it begins")
    most = max((max(high, value) for _, value, _, high in values), default=0.0) or 1.0
    numbers = [f"{value:,.1f} ({low:,.0f} to {high:,.0f})" for _, value, low, high in values]
    spoken = "; ".join(f"{row[0]}: {n}" for row, n in zip(values, numbers, strict=True))
    rows = (
        _row(place, row, number.replace(" to ", "–"), _FULL / most)
        for place, (row, number) in enumerate(zip(values, numbers, strict=True))
    )
    return Markup(
        '<svg class="bars" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n{rows}</svg>'
    ).format(
        height=_ROW * len(values),
        id=identity,
        title=title,
        spoken=spoken,
        rows=Markup("").join(rows),
    )


def _row(place: int, row: tuple[str, float, float, float], number: str, scale: float) -> Markup:
    """Return one row: the label, under it the line with its dot, behind it the numbers."""
    label, value, low, high = row
    top = place * _ROW
    return Markup(
        '<text class="label" x="0" y="{text}">{label}</text>'
        '<line class="axis" x1="0" x2="{full}%" y1="{y}" y2="{y}"/>'
        '<rect class="bar" x="{x:.2f}%" y="{bar}" width="{w:.2f}%" height="5"/>'
        '<circle class="bar" cx="{c:.2f}%" cy="{y}" r="5.5"/>'
        '<text class="value" x="{end:.2f}%" dx="10" y="{value}">{number}</text>\n'
    ).format(
        text=top + 13,
        label=label,
        full=_FULL,
        y=top + 23,
        x=low * scale,
        bar=top + 20.5,
        w=max((high - low) * scale, 0.2),
        c=value * scale,
        end=_FULL,
        value=top + 27,
        number=number,
    )
