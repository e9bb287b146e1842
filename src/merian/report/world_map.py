"""A small map as inline SVG: land from the map that ships, and a dot for each place.

It shows the part of the world in which the places lie, with some of what is around. Land is drawn
from cells, as fine as the drawing can show. A dot is the larger the more records are there; the
number of places is read out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import repeat

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from merian.place.maps import land

__all__ = ["world_map"]

_WIDE, _HIGH = 640, 320  # units of the drawing
_CELLS = 160  # cells of land from west to east
_LEAST = 16.0  # degrees from west to east at least: a place needs something around it
_AIR = 1.5  # times the extent of the places
_DOT, _LARGEST = 4.0, 14.0
_FEW = 100  # places from which on dots are smaller

Place = tuple[float, float]


def world_map(
    title: str,
    places: Sequence[Place],
    *,
    counts: Sequence[int] | None = None,
    identity: str = "map",
) -> Markup:
    """Return a map of places.

    The drawing tells which part of the world it shows (data-west, data-north and data-span, its
    width in degrees), for a page on which a part of it is chosen.

    Args:
        title: What it shows; read out, not drawn.
        places: Latitude and longitude in degrees of each record; what is none is left out.
        counts: How many records are at each place; one if not given.
        identity: An id that is unique on the page.
    """
    dots: Counter[Place] = Counter()
    for (north, east), count in zip(places, counts or repeat(1, len(places)), strict=True):
        if math.isfinite(north) and math.isfinite(east) and abs(north) <= 90 and abs(east) <= 360:
            dots[round(north, 3), round((east + 180) % 360 - 180, 3)] += count
    size = _DOT * min(1.0, max(0.4, math.sqrt(_FEW / max(len(dots), 1))))
    west, north, span = _window([*dots])
    scale = _WIDE / span
    drawn = "".join(
        # Numbers alone, so that nothing has to be escaped: there may be thousands.
        f'<circle class="dot" cx="{(east - west) * scale:.1f}" '
        f'cy="{(north - latitude) * scale:.1f}" '
        f'r="{min(size * math.sqrt(1 + math.log2(count)), _LARGEST):.1f}"/>'
        for (latitude, east), count in sorted(dots.items(), key=lambda dot: (-dot[1], dot[0]))
    )
    spoken = f"{len(dots):,} places, from {_degrees(dots)}" if dots else "no places"
    return Markup(
        '<svg class="map" role="img" viewBox="0 0 {w} {h}" width="100%" '
        'aria-labelledby="{id}-title {id}-desc" '
        'data-west="{west:.6g}" data-north="{north:.6g}" data-span="{span:.6g}">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n'
        '<rect class="water" width="{w}" height="{h}"/><path class="land" d="{land}"/>\n{dots}\n'
        "</svg>"
    ).format(
        w=_WIDE, h=_HIGH, id=identity, title=title, spoken=spoken, west=west, north=north,
        span=span,
        land=_land(west, north, span), dots=Markup(drawn),  # noqa: S704 - numbers
    )  # fmt: skip


def _window(places: Sequence[Place]) -> tuple[float, float, float]:
    """Return the west and north edge of what is shown, and its width in degrees."""
    if not places:
        return -180.0, 90.0, 360.0
    norths, easts = zip(*places, strict=True)
    high, wide = max(norths) - min(norths), max(easts) - min(easts)
    span = max(_LEAST, _AIR * wide, _AIR * high * _WIDE / _HIGH)
    if span >= 300:
        return -180.0, 90.0, 360.0
    west = (max(easts) + min(easts) - span) / 2
    north = (max(norths) + min(norths) + span * _HIGH / _WIDE) / 2
    return min(max(west, -180.0), 180.0 - span), min(north, 90.0), span


def _land(west: float, north: float, span: float) -> str:
    """Return the land as the path of an SVG: a box for each stretch of a row."""
    side = span / _CELLS
    rows = math.ceil(_CELLS * _HIGH / _WIDE)
    unit = _WIDE / _CELLS
    latitude = north - (np.arange(rows) + 0.5) * side
    longitude = west + (np.arange(_CELLS) + 0.5) * side
    there: NDArray[np.int8] = land(
        *(grid.ravel() for grid in np.meshgrid(latitude, longitude, indexing="ij"))
    ).reshape(rows, _CELLS)
    beside = np.zeros((rows, 1), bool)
    edge = np.diff(np.concatenate([beside, there == 1, beside], axis=1).astype(np.int8), axis=1)
    at, column = np.nonzero(edge)  # each stretch begins and ends, row by row
    return "".join(
        f"M{begin * unit:g} {row * unit:g}h{(end - begin) * unit:g}v{unit:g}"
        f"h{-(end - begin) * unit:g}z"
        for row, begin, end in zip(
            at[::2].tolist(), column[::2].tolist(), column[1::2].tolist(), strict=True
        )
    )


def _degrees(dots: Counter[Place]) -> str:
    """Return the corners of what places cover, in words."""
    norths, easts = zip(*dots, strict=True)

    def told(value: float, words: str) -> str:
        return f"{abs(value):.1f}° {words[0] if value >= 0 else words[1]}"

    return (
        f"{told(min(norths), 'NS')} to {told(max(norths), 'NS')} and "
        f"{told(min(easts), 'EW')} to {told(max(easts), 'EW')}"
    )
