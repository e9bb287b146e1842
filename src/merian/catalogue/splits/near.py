"""Places and days as groups: with gaps no longer than asked for between them, or cells of a grid.

Places that hang together by steps of at most some kilometres are one group (single linkage), so
that two groups are farther apart than that, everywhere on the globe. It is exact: points lie in
cells whose diagonal is no longer than the step, and cells are joined where any two points are near.
"""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

__all__ = ["EARTH", "dated", "linked", "on_the_globe", "places", "spaced"]

EARTH = 6371.0088  # km, the mean radius

Reals = npt.NDArray[np.float64]
Pairs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


def on_the_globe(latitude: Reals, longitude: Reals) -> Reals:
    """Return float64[n, 3]: points on a ball with the radius of the earth, in km."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return EARTH * np.stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1
    )


def chord_of(kilometres: float) -> float:
    """Return the straight line through the earth between points so far apart on it."""
    return 2 * EARTH * math.sin(min(kilometres / EARTH, math.pi) / 2)


def linked(latitude: Reals, longitude: Reals, kilometres: float) -> npt.NDArray[np.int32]:
    """Return a number for each place: the same where gaps are at most so many km.

    Numbers are those of the first place of a group.
    """
    from merian.catalogue.splits.loops import join, near  # noqa: PLC0415 - loads numba

    if not len(latitude):
        return np.empty(0, np.int32)
    chord = chord_of(kilometres)
    point = on_the_globe(latitude, longitude)
    cell = np.floor(point / (chord / math.sqrt(3) * (1 - 1e-9))).astype(np.int64)
    order = np.lexsort((cell[:, 2], cell[:, 1], cell[:, 0]))
    point, cell = point[order], cell[order]
    new = np.concatenate([[True], (np.diff(cell, axis=0) != 0).any(axis=1)])
    start = np.append(np.flatnonzero(new), len(point)).astype(np.int64)
    x, y, z = (np.ascontiguousarray(point[:, axis]) for axis in range(3))
    i, j, k = (np.ascontiguousarray(cell[new][:, axis]) for axis in range(3))
    above = near(x, y, z, i, j, k, start, chord)
    tree = np.arange(len(point), dtype=np.int32)
    places = order.astype(np.int32)
    join(tree, places, np.ascontiguousarray(places[above]))
    while not np.array_equal(tree, tree[tree]):
        tree = tree[tree]
    return tree


def places(con: duckdb.DuckDBPyConnection) -> dict[str, npt.NDArray[Any]]:
    """Return n, latitude and longitude of the records that have a place, in order."""
    found: dict[str, npt.NDArray[Any]] = con.execute(
        "SELECT n, decimalLatitude AS latitude, decimalLongitude AS longitude FROM own_event "
        "WHERE decimalLatitude IS NOT NULL AND decimalLongitude IS NOT NULL ORDER BY n"
    ).fetchnumpy()
    return found


def spaced(con: duckdb.DuckDBPyConnection, name: str, kilometres: float) -> Pairs:
    """Return pairs of records that are of one group of places."""
    found = places(con)
    at = np.stack([found["latitude"], found["longitude"]], axis=1).astype(np.float64)
    distinct, which = np.unique(at, axis=0, return_inverse=True)
    group: npt.NDArray[Any] = (linked if name == "distance" else _cells)(
        distinct[:, 0], distinct[:, 1], kilometres
    )
    return _with_first(found["n"], group[which.reshape(-1)])


def _cells(latitude: Reals, longitude: Reals, kilometres: float) -> npt.NDArray[np.int64]:
    """Return the cell of each place in a grid of cells of about equal size."""
    high = math.degrees(kilometres / EARTH)
    row = np.floor((latitude + 90) / high).astype(np.int64)
    middle = np.radians(np.clip((row + 0.5) * high - 90, -90, 90))
    columns = np.maximum(1, np.round(2 * math.pi * EARTH * np.cos(middle) / kilometres))
    turn = (longitude + 180) % 360 / 360
    return np.asarray(row * 1_000_000_000 + np.floor(turn * columns).astype(np.int64))


def dated(con: duckdb.DuckDBPyConnection, days: float) -> Pairs:
    """Return pairs of records that are of one group of days."""
    found = con.execute(
        "SELECT n, date_diff('day', DATE '1500-01-01', day) AS day FROM ("
        "SELECT n, try_cast(left(eventDate, 10) AS DATE) AS day FROM own_event "
        "WHERE length(eventDate) >= 10) WHERE day IS NOT NULL ORDER BY day, n"
    ).fetchnumpy()
    day = np.asarray(found["day"], np.int64)
    return _with_first(found["n"], np.cumsum(np.diff(day, prepend=day[:1]) > days))


def _with_first(n: npt.NDArray[Any], group: npt.NDArray[Any]) -> Pairs:
    """Return each record with the first of its group."""
    records = np.asarray(n, np.int32)
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    return records, records[first[which.reshape(-1)]]
