"""Marks that tell series apart by their shape as well as by their colour, as inline SVG.

A mark stands at a share of the width and keeps its size whatever the width is.
"""

from __future__ import annotations

from markupsafe import Markup

__all__ = ["MARKS", "mark"]

_PATHS = (
    "M-5,0A5,5 0 1 1 5,0A5,5 0 1 1 -5,0Z",  # a disc
    "M0,-6L6,0L0,6L-6,0Z",  # a diamond
    "M0,-6L5.6,4.4L-5.6,4.4Z",  # a triangle
    "M-4.6,-4.6H4.6V4.6H-4.6Z",  # a square
)

MARKS = len(_PATHS)
"""How many series can be told apart."""


def mark(number: int, percent: float, pixel: float) -> Markup:
    """Return the mark of a series.

    Args:
        number: Of the series, from 0.
        percent: Where it stands from the left.
        pixel: Where it stands from the top.
    """
    return Markup(
        '<svg class="mark" x="{x:.2f}%" y="{y:.1f}" width="1" height="1" overflow="visible">'
        '<path class="spot spot-{n}" d="{path}"/></svg>'
    ).format(x=percent, y=pixel, n=number, path=_PATHS[number])
