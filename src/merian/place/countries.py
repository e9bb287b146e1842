"""Countries by name: from what is written on a label to a code of ISO 3166.

Names are those of CLDR in twenty languages, with some that collections have and CLDR has not
(England, Zaire). Accents, case and punctuation do not count. A name that is not known has no code;
nothing is guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from merian.place.maps import country_codes, layer, middles

__all__ = ["Country", "cities", "code_of", "countries", "middle_of", "same_country"]

_MAPS = files("merian.place") / "maps"


@dataclass(frozen=True)
class Country:
    """A country: its code, the parent under whose code it is often told, and its English name."""

    code: str
    parent: str
    name: str


def _plain(text: str) -> str:
    """Return a name without case, accents and punctuation."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if c.isalnum() and not unicodedata.combining(c))


@cache
def _table() -> tuple[dict[str, Country], dict[str, str]]:
    """Return the countries by code, and the codes by plain name."""
    by_code: dict[str, Country] = {}
    by_name: dict[str, str] = {}
    lines = (_MAPS / "countries.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        code, three, also, names = line.split("\t")
        listed = names.split("|")
        by_code[code] = Country(code, also, listed[0])
        for name in (code, three, *listed):
            if name:
                by_name.setdefault(_plain(name), code)
    by_name["uk"] = "GB"  # reserved in ISO 3166, and used
    return by_code, by_name


def countries() -> dict[str, Country]:
    """Return all countries by their codes."""
    return _table()[0]


def code_of(told: str) -> str:
    """Return the code of a country that is told by name or code; empty if it is not known.

    What stands behind a colon, as GenBank has it (``USA: Alaska``), does not count.
    """
    by_name = _table()[1]
    return by_name.get(_plain(told)) or by_name.get(_plain(told.partition(":")[0]), "")


def same_country(told: str, found: Iterable[str]) -> bool:
    """Return whether a told country is among the found, or one is the other's territory."""
    by_code = countries()
    parent = by_code[told].parent if told in by_code else ""
    return any(
        code in (told, parent) or (code in by_code and by_code[code].parent == told)
        for code in found
        if code
    )


@cache
def cities() -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
    """Return names, latitudes and longitudes of the capitals and main cities."""
    lines = (_MAPS / "cities.tsv").read_text(encoding="utf-8").splitlines()[1:]
    names, north, east = zip(*(line.split("\t") for line in lines), strict=True)
    return np.array(names), np.array(north, np.float64), np.array(east, np.float64)


@cache
def middle_of(code: str) -> tuple[float, float]:
    """Return latitude and longitude of the middle of a country's area; NaN where it has none."""
    codes = country_codes()
    if not code or code not in codes:
        return np.nan, np.nan
    cell = np.flatnonzero(layer("country") == codes.index(code))
    if not len(cell):
        return np.nan, np.nan
    north, east = (np.deg2rad(x) for x in middles(cell))
    area = np.cos(north)  # a cell near a pole is small
    x, y, z = (
        float((area * v).sum())
        for v in (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
    )
    return float(np.rad2deg(np.arctan2(z, np.hypot(x, y)))), float(np.rad2deg(np.arctan2(y, x)))
