"""Where and when species live, and where and when somebody looked.

A species has a niche that evolved along the tree, so that relatives live alike (Brownian motion;
Felsenstein 1985, doi:10.1086/284325), and a centre of its own, so that sister species may live
apart. Nobody samples at random: sites stand along roads and around stations, a few give most of the
specimens, and months are visited unevenly. So a place and a date tell something, and not
everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import Biota
from merian.world.environment import Environment

__all__ = ["Collecting", "Ranges", "collect", "make_ranges"]

FIRST_YEAR, LAST_YEAR = 2009, 2023
DAYS = 365

_SITES = (150, 90, 80)  # per body plan
_NICHE_LAYERS = ("temperature", "precipitation", "elevation", "seasonality")
_DEEPEST_COLONY, _SHALLOWEST_OPEN, _DEEPEST_TOW = -60.0, -100.0, 200.0
_OWN_NICHE = 0.35  # deviation of a species' optimum from that of its branch
_BREADTH = 1.5  # of the niche, in deviations of the layer over the sites
_REACH = 8.0  # degrees from the centre of a range
_REACH_SPREAD = 0.9  # from those of one island to those of all
_STRAY = 0.012  # weight of a site far from all that a species likes
_EFFORT_SPREAD = 1.3
_ALL_YEAR = 0.25
_SEASON = 90.0  # days
_DECIMALS = (np.array([1, 2, 3, 4, 5]), np.array([0.05, 0.2, 0.3, 0.3, 0.15]))
_NO_PLACE, _NO_PROVINCE, _NO_DATE, _YEAR_ONLY, _MONTH_ONLY = 0.03, 0.06, 0.01, 0.02, 0.05


@dataclass(frozen=True)
class Ranges:
    """Where and when species are found, as far as anybody looks.

    Attributes:
        latitude: Of each collecting site.
        longitude: Of each collecting site.
        elevation: Of each collecting site, m; negative is the depth of the sea floor.
        province: Name of each site's province or sea.
        decimals: Of each site, how precisely its coordinates are noted.
        weight: For each species the chance of each site, effort included; rows sum to 1.
        peak: For each species the day of the year at which most are seen.
        breadth: For each species the season's deviation in days; infinite if it has none.
        visits: For each site and month the share of its visits; rows sum to 1.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    elevation: NDArray[np.float32]
    province: tuple[str, ...]
    decimals: NDArray[np.int64]
    weight: NDArray[np.float32]
    peak: NDArray[np.float64]
    breadth: NDArray[np.float64]
    visits: NDArray[np.float64]

    def season(self) -> NDArray[np.float64]:
        """Return for each species and day of the year how common it is then, 1 at its peak."""
        away = np.abs(np.arange(DAYS)[None, :] - self.peak[:, None])
        away = np.minimum(away, DAYS - away)
        season: NDArray[np.float64] = np.exp(-0.5 * (away / self.breadth[:, None]) ** 2)
        return np.maximum(season, 1e-3)

    def chance(self, species: int) -> NDArray[np.float64]:
        """Return the joint chance of each site and month for a specimen of a species."""
        season = self.season()[species]
        months = np.bincount(_MONTH_OF_DAY, weights=season, minlength=12)
        joint = self.visits * months
        joint *= (self.weight[species] / joint.sum(axis=1))[:, None]
        return joint


@dataclass(frozen=True)
class Collecting:
    """Where and when specimens were found, as their labels say; one entry a specimen.

    Attributes:
        latitude: Rounded as noted; NaN where it is missing.
        longitude: As latitude.
        elevation: Height in m, or depth below the surface with a minus sign; NaN where missing.
        country: Name, or empty.
        province: Name, or empty.
        date: ISO 8601: a day, a month, a year, or empty.
        site: Number of the site, for the truth.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    elevation: NDArray[np.float32]
    country: list[str]
    province: list[str]
    date: list[str]
    site: NDArray[np.int64]

    def of(self, records: NDArray[np.int32]) -> Collecting:
        """Return the places and dates of some records."""
        return Collecting(
            self.latitude[records],
            self.longitude[records],
            self.elevation[records],
            [self.country[i] for i in records],
            [self.province[i] for i in records],
            [self.date[i] for i in records],
            self.site[records],
        )


_MONTH_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_MONTH_OF_DAY = np.repeat(np.arange(12), _MONTH_LENGTHS)
_DAY_OF_MONTH = np.concatenate([np.arange(1, length + 1) for length in _MONTH_LENGTHS])


def make_ranges(biota: Biota, environment: Environment, rng: np.random.Generator) -> Ranges:
    """Draw collecting sites, and for each species its niche, its range and its season."""
    places = [_sites(environment, plan, _SITES[plan], rng) for plan in range(len(_SITES))]
    latitude, longitude = (np.concatenate([place[i] for place in places]) for i in range(2))
    habitat = np.repeat(np.arange(len(_SITES)), _SITES)
    cells = environment.cell(latitude, longitude)
    effort = np.exp(rng.normal(0, _EFFORT_SPREAD, size=len(habitat)))
    liking = _niche(biota, environment, latitude, longitude, habitat, rng)
    liking *= _reach(biota, latitude, longitude, habitat, rng)
    weight = np.where(biota.plan[:, None] == habitat, (liking + _STRAY) * effort, 0)
    weight /= weight.sum(axis=1, keepdims=True)

    drift = _evolve(biota, 2, rng)
    peak = (DAYS * (0.5 + 0.22 * drift[:, 0]) + rng.normal(0, 30, size=len(biota))) % DAYS
    breadth = _SEASON * np.exp(0.5 * drift[:, 1])
    breadth[rng.random(len(biota)) < _ALL_YEAR] = np.inf
    field_season = 1 + 0.6 * np.cos((np.arange(12) - rng.uniform(0, 12)) * np.pi / 6)
    visits = rng.gamma(2.0, size=(len(habitat), 12)) * field_season
    visits /= visits.sum(axis=1, keepdims=True)
    decimals = rng.choice(_DECIMALS[0], size=len(habitat), p=_DECIMALS[1])
    return Ranges(
        latitude,
        longitude,
        environment.sample("elevation", latitude, longitude),
        tuple(environment.provinces[i] for i in environment.province[cells]),
        decimals,
        weight.astype(np.float32),
        peak,
        breadth,
        visits,
    )


def _evolve(biota: Biota, characters: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return characters of the species after Brownian motion down the tree, variance 1 at tips."""
    parent, height = biota.parent, biota.height
    length = np.zeros(len(parent))
    length[:-1] = height[parent[:-1]] - height[:-1]
    value = rng.normal(size=(len(parent), characters)) * np.sqrt(length)[:, None]
    for node in range(len(parent) - 2, -1, -1):  # a parent has a higher number than its child
        value[node] += value[parent[node]]
    return value[: len(biota)]


def _habitat(environment: Environment, plan: int) -> NDArray[np.bool_]:
    """Return the cells where a body plan can live: land, open sea or shallow sea."""
    elevation = environment.layers["elevation"]
    if plan == 0:
        return elevation > 0
    if plan == 1:
        return elevation < _SHALLOWEST_OPEN
    return (elevation < 0) & (elevation > _DEEPEST_COLONY)


def _sites(
    environment: Environment, plan: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitudes and longitudes of sites: along ways between stations, and anywhere."""
    inside = _habitat(environment, plan)
    cells = np.argwhere(inside)
    stations = cells[rng.choice(len(cells), size=10)]
    rows, columns = inside.shape
    picked: list[tuple[int, int]] = []
    while len(picked) < count:
        if rng.random() < 0.35:
            at = cells[rng.integers(len(cells))].astype(np.float64)
        else:
            start, end = stations[rng.choice(len(stations), size=2)]
            at = start + (end - start) * rng.beta(0.6, 1.8) + rng.normal(0, 2, size=2)
        row, column = (int(x) for x in np.round(at))
        if 0 <= row < rows and 0 <= column < columns and inside[row, column]:
            picked.append((row, column))
    row_of, column_of = np.array(picked).T
    latitude, longitude = environment.centre(row_of, column_of)
    half = 0.45 * environment.step
    return (
        latitude + rng.uniform(-half, half, size=count),
        longitude + rng.uniform(-half, half, size=count),
    )


def _niche(
    biota: Biota,
    environment: Environment,
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    habitat: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return how much each species likes the climate and height of each site, at most 1."""
    layers = np.array([environment.sample(name, latitude, longitude) for name in _NICHE_LAYERS])
    layers = layers.astype(np.float64).T  # [site, layer]
    for plan in np.unique(habitat):
        of_plan = habitat == plan
        layers[of_plan] -= layers[of_plan].mean(axis=0)
        layers[of_plan] /= layers[of_plan].std(axis=0) + 1e-9
    optimum = _evolve(biota, layers.shape[1], rng)
    optimum += rng.normal(0, _OWN_NICHE, size=optimum.shape)
    breadth = _BREADTH * np.exp(0.5 * _evolve(biota, layers.shape[1], rng))
    away = (layers[None] - optimum[:, None]) / breadth[:, None]  # [species, site, layer]
    # As a share of the best site: a species whose optimum lies beyond all sites still lives.
    liking = -0.5 * np.sum(np.minimum(away**2, 30), axis=2)
    liking = np.where(biota.plan[:, None] == habitat, liking, -np.inf)
    liked: NDArray[np.float64] = np.exp(liking - liking.max(axis=1, keepdims=True))
    return liked


def _reach(
    biota: Biota,
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    habitat: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return how near each site is to the centre of each species' range, at most 1."""
    centre = np.empty(len(biota), dtype=np.int64)
    for plan in np.unique(biota.plan):
        of_plan = np.flatnonzero(biota.plan == plan)
        centre[of_plan] = rng.choice(np.flatnonzero(habitat == plan), size=len(of_plan))
    reach = _REACH * np.exp(rng.normal(0, _REACH_SPREAD, size=len(biota)))
    away = np.hypot(
        latitude[None] - latitude[centre, None], longitude[None] - longitude[centre, None]
    )
    near: NDArray[np.float64] = np.exp(-0.5 * (away / reach[:, None]) ** 2)
    return near


def collect(
    ranges: Ranges, environment: Environment, species: NDArray[np.int32], rng: np.random.Generator
) -> Collecting:
    """Draw for each specimen where and when it was found, with the faults of real labels."""
    count = len(species)
    site = _draw(ranges.weight[species].astype(np.float64), rng)
    season = ranges.season()[species]
    day = _draw(season * (ranges.visits / _MONTH_LENGTHS)[site][:, _MONTH_OF_DAY], rng)
    year = LAST_YEAR - (rng.beta(1, 2, size=count) * (LAST_YEAR - FIRST_YEAR + 1)).astype(int)

    # A trap is within some hundred metres of its site; a ship or a collector moves more.
    jitter = rng.normal(0, 0.003, size=(2, count))
    latitude = ranges.latitude[site] + jitter[0]
    longitude = ranges.longitude[site] + jitter[1]
    row, column = environment.cell(ranges.latitude[site], ranges.longitude[site])
    ground = environment.layers["elevation"][row, column]
    tow = -np.minimum(rng.exponential(50, size=count), np.minimum(_DEEPEST_TOW, -ground))
    bottom = np.minimum(ground * rng.uniform(0.8, 1.2, size=count), -0.3)
    height = np.maximum(ground + rng.normal(0, 8, size=count), 1)
    swims = ground < _SHALLOWEST_OPEN
    elevation = np.where(ground > 0, height, np.where(swims, tow, bottom)).round(1)

    lost = rng.random(count) < _NO_PLACE
    unit = 10.0 ** ranges.decimals[site]
    nameless = rng.random(count) < _NO_PROVINCE
    country = [environment.countries[i] for i in environment.country[row, column]]
    province = [environment.provinces[i] for i in environment.province[row, column]]
    return Collecting(
        np.where(lost, np.nan, np.round(latitude * unit) / unit),
        np.where(lost, np.nan, np.round(longitude * unit) / unit),
        np.where(lost, np.nan, elevation).astype(np.float32),
        country,
        ["" if missing else name for name, missing in zip(province, nameless, strict=True)],
        _dates(year, day, rng),
        site,
    )


def _draw(weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each row a column, drawn by weight."""
    total = np.cumsum(weight, axis=1)
    at = rng.random(len(weight)) * total[:, -1]
    passed = np.sum(total <= at[:, None], axis=1)
    drawn: NDArray[np.int64] = np.minimum(passed, weight.shape[1] - 1)
    return drawn


def _dates(year: NDArray[np.int64], day: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Return ISO dates, a few of them without day, without month, or missing."""
    dates = []
    for chance, y, d in zip(rng.random(len(year)).tolist(), year, day, strict=True):
        month = f"{y:04d}-{_MONTH_OF_DAY[d] + 1:02d}"
        if chance < _NO_DATE:
            dates.append("")
        elif chance < _NO_DATE + _YEAR_ONLY:
            dates.append(f"{y:04d}")
        elif chance < _NO_DATE + _YEAR_ONLY + _MONTH_ONLY:
            dates.append(month)
        else:
            dates.append(f"{month}-{_DAY_OF_MONTH[d]:02d}")
    return dates
