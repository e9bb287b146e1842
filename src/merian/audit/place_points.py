"""What is wrong with places: each different one is held against maps of land and countries.

A coordinate is doubted where it contradicts what else is told of it: the country, or that the
sample was taken at sea or on land. Whether it fits after its two numbers are swapped, or a sign is
put back, says what it probably should be. Near a border or a coast nothing is said.

References: Zizka and others, CoordinateCleaner, Methods Ecol. Evol. 10 (2019), 744-751; GBIF's
issues and flags, https://techdocs.gbif.org/en/data-processing/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.place.countries import cities, countries, middle_of
from merian.place.maps import cells as cells_of
from merian.place.maps import country_codes, land, layer, sea
from merian.place.near import coast_distance, country_distance, kilometres

__all__ = ["CASES", "POINT_COLUMNS", "Cases", "look_at_points"]

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

POINT_COLUMNS = (
    "records", "latitude", "longitude", "told", "found", "kilometres", "probably",
    "uncertainty_m", "event",
)  # fmt: skip
"""Of the tables of places."""

CASES = 20_000
"""The most rows of a table; all are counted."""

_NEAR = 12.0  # km: two cells, within which a border or a coast may lie elsewhere
_WATERS = 380.0  # km from its land a country may have waters (200 nautical miles, and a cell)
_FAR = 2000.0  # km beyond which it does not matter how far
_CITY = 0.005  # degrees: the point of the gazetteer itself, and no place in the city
_MIDDLE = 5.0  # km
_OFTEN = 10  # records at one point before it is worth asking whether it stands for a country

# What a careless hand does, the most usual first: how to undo it.
_MENDED: tuple[tuple[str, str, Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]], ...] = (
    ("sign", "longitude with the other sign", lambda y, x: (y, -x)),
    ("sign", "latitude with the other sign", lambda y, x: (-y, x)),
    ("swapped", "latitude and longitude swapped", lambda y, x: (x, y)),
    ("sign", "both with the other sign", lambda y, x: (-y, -x)),
    ("swapped", "swapped, and longitude with the other sign", lambda y, x: (x, -y)),
    ("swapped", "swapped, and latitude with the other sign", lambda y, x: (-x, y)),
)


@dataclass
class Cases:
    """The cases of each kind: how many, and the first rows of the worst."""

    counts: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)

    def add(self, kind: str, rows: Sequence[tuple[object, ...]], count: int | None = None) -> None:
        """Note cases; only as many are kept as a table holds, those of most records."""
        if not rows and not count:
            return
        self.counts[kind] = self.counts.get(kind, 0) + (len(rows) if count is None else count)
        kept = self.rows.setdefault(kind, [])
        kept += rows
        if len(kept) > CASES:
            kept.sort(key=_worst)
            del kept[CASES:]

    def sorted(self, kind: str) -> list[tuple[object, ...]]:
        """Return the rows of a kind, the worst first."""
        return sorted(self.rows.get(kind, ()), key=_worst)


def _worst(row: tuple[object, ...]) -> tuple[Any, ...]:
    """Return what puts a row of most records first, and equals in an order that is always one."""
    return (-(row[0] if isinstance(row[0], int) else 0), *map(str, row[1:]))


def look_at_points(points: Mapping[str, NDArray[Any]], cases: Cases) -> None:
    """Hold a block of different places against the maps.

    Args:
        points: Columns of equal length: latitude, longitude, code (of the country told, or empty),
            setting (sea, land or empty), uncertainty (NaN where not told), depth (the least, NaN
            where not told), records, event (one of them).
        cases: Gets what is found.
    """
    north, east = points["latitude"], points["longitude"]
    zero = (north == 0) & (east == 0)
    _note(cases, "zero", points, zero, found="0, 0: nothing is known, mostly")
    doubted = _countries(points, ~zero, cases)
    doubted |= _surroundings(points, ~zero & ~doubted, cases)
    _precision(points, ~zero, cases)
    _stand_ins(points, ~zero & ~doubted, cases)


def _note(
    cases: Cases,
    kind: str,
    points: Mapping[str, NDArray[Any]],
    mask: Mask,
    *,
    told: NDArray[Any] | str = "",
    found: NDArray[Any] | str = "",
    away: NDArray[Any] | float = np.nan,
    probably: NDArray[Any] | str = "",
) -> None:
    """Note the points of a mask; what is told of them is one for all, or one each."""
    at = np.flatnonzero(mask)
    if not len(at):
        return
    at = at[np.argsort(-points["records"][at], kind="stable")]
    columns: list[Sequence[object]] = [points["records"][at[:CASES]].tolist()]
    for value in (points["latitude"], points["longitude"], told, found, away, probably):
        whole = np.broadcast_to(np.asarray(value), mask.shape)[at[:CASES]]
        columns.append(_given(whole))
    columns += [_given(points["uncertainty"][at[:CASES]]), points["event"][at[:CASES]].tolist()]
    cases.add(kind, list(zip(*columns, strict=True)), len(at))


def _given(values: NDArray[Any]) -> list[object]:
    """Return values, NaN as nothing."""
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values.tolist()]


# --- countries ----------------------------------------------------------------------------------


def _countries(points: Mapping[str, NDArray[Any]], asked: Mask, cases: Cases) -> Mask:
    """Find places outside the country that is told, and what would bring them into it."""
    north, east, told = points["latitude"], points["longitude"], points["code"]
    codes = np.array(country_codes())
    cell = cells_of(north, east)
    here = codes[layer("country")[np.maximum(cell, 0)]]
    wrong = asked & (told != "") & np.isin(told, codes[_drawn()]) & (here != told)
    slack = np.maximum(_NEAR, np.nan_to_num(points["uncertainty"]) / 1000)
    # At sea a country has its waters, which no map here knows: far from its land is far.
    slack = np.where(here == "", np.maximum(slack, _WATERS), slack)
    away = np.full(north.shape, np.nan)
    for code in np.unique(told[wrong]).tolist():
        those = wrong & (told == code)
        family = [c for c in (code, *_kin(code)) if c in codes]
        nearest = [country_distance(north[those], east[those], c, most=_FAR) for c in family]
        away[those] = np.min(nearest, axis=0)
    wrong = np.logical_and(wrong, away > slack)
    mended, how = _mend(north, east, told, wrong)
    found = np.where(here == "", sea(north, east), here)
    for kind in ("swapped", "sign", "country"):
        mask = wrong & (how == kind) if kind != "country" else wrong & (how == "")
        _note(cases, kind, points, mask, told=told, found=found, away=away, probably=mended)
    return np.asarray(wrong, bool)


@cache
def _drawn() -> NDArray[np.intp]:
    """Return the numbers of the countries that the map has."""
    return np.flatnonzero(np.bincount(layer("country"), minlength=len(country_codes())))[1:]


def _kin(code: str) -> Iterator[str]:
    """Return the codes under which a country is told too: its parent's, and its territories'."""
    every = countries()
    if every[code].parent:
        yield every[code].parent
    yield from (other for other, each in every.items() if each.parent == code)


def _mend(
    north: Numbers, east: Numbers, told: NDArray[Any], wrong: Mask
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a place probably should be, and by which kind of slip it became another."""
    probably = np.full(north.shape, "", object)
    how = np.full(north.shape, "", object)
    for kind, words, change in _MENDED:
        y, x = change(north, east)
        left = wrong & (how == "") & (np.abs(y) <= 90) & ((y != north) | (x != east))
        for code in np.unique(told[left]).tolist():
            those = np.flatnonzero(left & (told == code))
            near = country_distance(y[those], x[those], code, most=_NEAR) < _NEAR
            for i in those[near].tolist():
                probably[i], how[i] = f"{y[i]:g}, {x[i]:g}: {words}", kind
    return probably, how


# --- land and sea -------------------------------------------------------------------------------


def _surroundings(points: Mapping[str, NDArray[Any]], asked: Mask, cases: Cases) -> Mask:
    """Find samples of the sea on land, those of the land at sea, and depths under land."""
    north, east = points["latitude"], points["longitude"]
    ground, water = land(north, east), sea(north, east)
    setting = points["setting"]
    ashore = asked & (ground == 1) & (water == "")
    kinds = {
        "on_land": ashore & (setting == "sea"),
        "in_sea": asked & (ground == 0) & (setting == "land"),
        "depth": ashore & (setting != "sea") & (points["depth"] > 20),
    }
    away = np.full(north.shape, np.nan)
    some = np.logical_or.reduce(list(kinds.values()))
    away[some] = coast_distance(north[some], east[some], most=_FAR / 4)
    far = away > np.maximum(_NEAR, np.nan_to_num(points["uncertainty"]) / 1000)
    codes = layer("country")[np.maximum(cells_of(north, east), 0)]
    kinds["in_sea"] &= codes == 0  # an atoll is no land in the elevation model, but has a country
    doubted = np.zeros(north.shape, bool)
    here = np.where(ground == 1, np.array(country_codes())[codes], water)
    for kind, suspects in kinds.items():
        mask = suspects & far
        told = points["depth"] if kind == "depth" else setting
        mended = _other_side(north, east, mask, 1 if kind == "in_sea" else 0)
        _note(cases, kind, points, mask, told=told, found=here, away=away, probably=mended)
        doubted |= mask
    return doubted


def _other_side(north: Numbers, east: Numbers, wrong: Mask, wanted: int) -> NDArray[Any]:
    """Return which slip would bring a place to the sea or the land; several may, so it is weak."""
    words = np.full(north.shape, "", object)
    for i in np.flatnonzero(wrong)[:CASES].tolist():
        fits = [
            f"{y:g}, {x:g}"
            for _, _, change in _MENDED[:3]
            for y, x in [change(north[i], east[i])]
            if abs(y) <= 90 and land(y, x) == wanted
        ]
        words[i] = "perhaps " + " or ".join(fits) if fits else ""
    return words


# --- precision ----------------------------------------------------------------------------------


def _precision(points: Mapping[str, NDArray[Any]], asked: Mask, cases: Cases) -> None:
    """Find whole degrees, and tenths where the told uncertainty is finer than they are."""
    north, east, told = points["latitude"], points["longitude"], points["uncertainty"]
    for digits in (0, 1):
        grid = 10**digits
        round_ = (np.round(north * grid) == np.round(north * grid, 6)) & (
            np.round(east * grid) == np.round(east * grid, 6)
        )
        if digits:
            round_ &= (np.round(north) != north) | (np.round(east) != east)
        half = 0.5 / grid * 111_195.0
        fine = told < half / 2
        doubted = asked & round_ & (fine | np.isnan(told) if digits == 0 else fine)
        whole = "whole degrees" if digits == 0 else "tenths of a degree"
        _note(
            cases,
            "precision",
            points,
            doubted,
            told=np.where(np.isnan(told), "no uncertainty", "a finer uncertainty"),
            found=whole,
            probably=f"an uncertainty of some {half * 1.4:,.0f} m",
        )


def _stand_ins(points: Mapping[str, NDArray[Any]], asked: Mask, cases: Cases) -> None:
    """Find points that stand for a whole country: its middle, or the point of a main city."""
    north, east = points["latitude"], points["longitude"]
    often = asked & (points["records"] >= _OFTEN) & ~(points["uncertainty"] > 5000)
    found = np.full(north.shape, "", object)
    names, y, x = cities()
    near_city = often & np.isin(cells_of(north, east), cells_of(y, x))
    for i in np.flatnonzero(near_city).tolist():
        hit = (np.abs(y - north[i]) <= _CITY) & (np.abs(x - east[i]) <= _CITY)
        if hit.any():
            found[i] = f"the point of {names[hit][0]} in gazetteers"
    for code in np.unique(points["code"][often]).tolist():
        those = often & (points["code"] == code) & (found == "")
        if code and those.any():
            away = kilometres(*middle_of(code), north[those], east[those])
            found[np.flatnonzero(those)[away <= _MIDDLE]] = f"the middle of {code}"
    _note(cases, "stand_in", points, often & (found != ""), told=points["code"], found=found)
