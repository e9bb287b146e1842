"""How far a place is from the coast, from a country, and from another place.

The cells of a coast or a country are kept as sorted numbers. From a place one looks along its own
row of cells, where the nearest is found by bisection, then along the rows above and below, until a
row is farther away than what was found. So a search costs what its answer is far, and nothing is
held but the cells. What comes out is right to about a cell, which is 6 km.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.place.maps import COLUMNS, ROWS, STEP, cells, country_codes, layer, middles

__all__ = ["coast_distance", "country_distance", "kilometres"]

_RADIUS = 6371.0088  # km, the mean of the earth
_ROW = np.deg2rad(STEP) * _RADIUS


def kilometres(
    latitude: ArrayLike, longitude: ArrayLike, latitude2: ArrayLike, longitude2: ArrayLike
) -> NDArray[np.float64]:
    """Return the length of the great circle between places."""
    north, north2 = np.deg2rad(latitude), np.deg2rad(latitude2)
    east = np.deg2rad(np.asarray(longitude2, np.float64) - np.asarray(longitude, np.float64))
    half = np.sin((north2 - north) / 2) ** 2
    half = half + np.cos(north) * np.cos(north2) * np.sin(east / 2) ** 2
    found: NDArray[np.float64] = 2 * _RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return found


def coast_distance(
    latitude: ArrayLike, longitude: ArrayLike, most: float = 200.0
) -> NDArray[np.float32]:
    """Return the km to the nearest cell of the other kind: to the sea from land, to land at sea.

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
        most: Farther than this is not looked; the answer is then this.

    Returns:
        The km; NaN for no place.
    """
    at = cells(latitude, longitude)
    here = layer("land")[np.maximum(at, 0)]
    found = np.full(at.shape, np.nan, np.float32)
    for kind in (0, 1):
        those = (here == kind) & (at >= 0)
        found[those] = _nearest(_shore(1 - kind), at[those], most)
    return found


def country_distance(
    latitude: ArrayLike, longitude: ArrayLike, code: str, most: float = 20_100.0
) -> NDArray[np.float32]:
    """Return the km from each place to the nearest cell of a country; NaN for no place.

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
        code: Of the country, two letters. One that the map does not have is infinitely far.
        most: Farther than this is not looked; the answer is then this.
    """
    at = cells(latitude, longitude)
    found = np.full(at.shape, np.nan, np.float32)
    good = at >= 0
    inside = _country(code)
    found[good] = _nearest(inside, at[good], most) if len(inside) else np.inf
    return found


@lru_cache(maxsize=2)
def _shore(kind: int) -> NDArray[np.int64]:
    """Return the cells of land (1) or sea (0) that touch the other."""
    land = layer("land").reshape(ROWS, COLUMNS)
    edge = np.zeros(land.shape, bool)
    change = land[1:] != land[:-1]
    edge[1:] |= change
    edge[:-1] |= change
    for step in (1, -1):  # the map has no edge at the antimeridian
        edge |= land != np.roll(land, step, axis=1)
    found: NDArray[np.int64] = np.flatnonzero(edge & (land == kind))
    return found


@lru_cache(maxsize=1)
def _sorted_countries() -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the cells of all countries, country by country, and where each begins."""
    drawn = np.flatnonzero(layer("country")).astype(np.int32)
    number = layer("country")[drawn]
    counts = np.bincount(number, minlength=len(country_codes()))
    return drawn[np.argsort(number, kind="stable")], np.concatenate([[0], np.cumsum(counts)])


def _country(code: str) -> NDArray[np.int64]:
    """Return the cells of a country, sorted."""
    codes = country_codes()
    if code not in codes or not code:
        return np.empty(0, np.int64)
    drawn, starts = _sorted_countries()
    number = codes.index(code)
    return drawn[starts[number] : starts[number + 1]].astype(np.int64)


def _nearest(targets: NDArray[np.int64], at: NDArray[np.int64], most: float) -> NDArray[np.float32]:
    """Return the km from each cell to the nearest of the sorted cells."""
    asked, back = np.unique(at, return_inverse=True)
    north, east = middles(asked)
    row, column = np.divmod(asked, COLUMNS)
    best = np.full(len(asked), most)
    left = np.arange(len(asked))
    # Where each row's cells begin, so that bisection cannot leave the row.
    starts = np.searchsorted(targets, np.arange(ROWS + 1) * COLUMNS)
    full = np.flatnonzero(np.diff(starts))
    low, high = (full[0], full[-1]) if len(full) else (0, -1)
    # Rows that hold nothing lie between a place and what is far north or south of it.
    gap = np.maximum(np.maximum(low - row, row - high), 0)
    for away in range(int(gap.min()) if len(gap) else 0, ROWS):
        left = left[(away - 0.5) * _ROW < best[left]]
        if not len(left):
            break
        for sign in (1, -1) if away else (1,):
            other = row[left] + sign * away
            there = (other >= low) & (other <= high)
            those, other = left[there], other[there]
            first, count = starts[other], starts[other + 1] - starts[other]
            those, other = those[count > 0], other[count > 0]
            first, count = first[count > 0], count[count > 0]
            if not len(those):
                continue
            place = np.searchsorted(targets, other * COLUMNS + column[those]) - first
            for side in (place - 1, place):  # round the earth
                cell = targets[first + side % count]
                north2, east2 = middles(cell)
                away_km = kilometres(north[those], east[those], north2, east2)
                best[those] = np.minimum(best[those], away_km)
    return best.astype(np.float32)[back.reshape(-1)]
