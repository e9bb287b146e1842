"""Land or sea, country, water and climate at any place on earth, from maps that ship.

The maps have cells of 0.05 degree: 5.6 km from north to south, which is as fine as all of them
together may be in 700 kB, and as coarse as most coordinates of old collections are. What is asked
of them is about cells: near a coast or a border look at the neighbours too (`merian.place.near`).
``maps/card.json`` says where they come from; ``.ci/place_maps.py`` draws them.

Places are arrays of latitude and longitude in degrees. Longitudes may run to 360. What is no place
(NaN, beyond a pole) is answered with -1 or with an empty text.

References: NOAA GLOBE 1.0; Natural Earth; Rubel and others, Meteorol. Z. 26 (2017), 115-125.
"""

from __future__ import annotations

import json
import lzma
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = [
    "COLUMNS",
    "ROWS",
    "STEP",
    "card",
    "cells",
    "climate",
    "country",
    "country_codes",
    "land",
    "layer",
    "middles",
    "sea",
]

ROWS, COLUMNS = 3600, 7200
STEP = 0.05
"""The side of a cell in degrees."""

_CELLS_OF_A_DEGREE = 20
_MAPS = files("merian.place") / "maps"


@cache
def card() -> dict[str, Any]:
    """Return what the maps are and where they come from."""
    return dict(json.loads((_MAPS / "card.json").read_text(encoding="utf-8")))


def cells(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.int64]:
    """Return the number of the cell around each place, from the north-west; -1 for no place.

    A place on an edge belongs to the cell south or east of it; the poles to the first and last row.
    """
    north = np.asarray(latitude, np.float64)
    east = np.asarray(longitude, np.float64)
    if north.shape != east.shape:
        raise InputError(
            f"{north.shape} latitudes and {east.shape} longitudes; as many of both are expected"
        )
    with np.errstate(invalid="ignore"):
        good = (np.abs(north) <= 90) & (east >= -180) & (east <= 360)
        north, east = np.where(good, north, 0.0), np.where(good, east, 0.0)
    row = np.minimum(((90 - north) * _CELLS_OF_A_DEGREE).astype(np.int64), ROWS - 1)
    column = np.floor((east + 180) * _CELLS_OF_A_DEGREE).astype(np.int64) % COLUMNS
    return np.where(good, row * COLUMNS + column, -1)


def middles(cell: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitude and longitude of the middles of cells; NaN for -1."""
    row, column = np.divmod(cell, COLUMNS)
    north = 90 - (row + 0.5) / _CELLS_OF_A_DEGREE
    east = (column + 0.5) / _CELLS_OF_A_DEGREE - 180
    return np.where(cell < 0, np.nan, north), np.where(cell < 0, np.nan, east)


@cache
def layer(name: str) -> NDArray[Any]:
    """Return a whole map, a value a cell in one row: land, country, sea or climate.

    Values are 0 or 1 for land, and else a number: in `country_codes`, in the names of waters, or
    among the zones of the card; 0 is none.
    """
    raw = np.frombuffer(lzma.decompress((_MAPS / f"{name}.xz").read_bytes()), np.uint8)
    if name == "land":
        return np.unpackbits(raw)
    if name == "sea":
        high, low = raw.reshape(2, -1)
        return (high.astype(np.uint16) << 8) | low
    return raw


def _values(name: str, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[Any]:
    """Return the values at places; 0 for no place."""
    at = cells(latitude, longitude)
    found = layer(name)[np.maximum(at, 0)]
    return np.where(at < 0, found.dtype.type(0), found)


def land(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.int8]:
    """Return 1 where at least half of the cell is land, 0 where it is sea, -1 for no place.

    Lakes are land, as in the elevation model that the map is made of; `sea` names the large ones.
    """
    at = cells(latitude, longitude)
    return np.where(at < 0, -1, layer("land")[np.maximum(at, 0)]).astype(np.int8)


def country(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.str_]:
    """Return the ISO 3166 code of the country that covers most of the cell; empty at sea.

    A cell of the coast counts as the country's however little of it is land, so that small islands
    have a country.
    """
    return np.array(country_codes())[_values("country", latitude, longitude)]


@cache
def country_codes() -> tuple[str, ...]:
    """Return the codes behind the numbers of the map of countries; the first is empty."""
    lines = (_MAPS / "countries.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return ("", *(line.split("\t", 1)[0] for line in lines))


def sea(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.str_]:
    """Return the name of the sea, bay or large lake, as Natural Earth has it; empty where none."""
    names = (_MAPS / "seas.txt").read_text(encoding="utf-8").splitlines()
    return np.array(["", *names])[_values("sea", latitude, longitude)]


def climate(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.str_]:
    """Return the Koeppen-Geiger zone (Af, Csb, ET ...) of 1986 to 2010; empty at sea."""
    return np.array(card()["climate"])[_values("climate", latitude, longitude)]
