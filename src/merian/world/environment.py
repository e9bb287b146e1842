"""The invented archipelago in which the biota lives, and its layers as GeoTIFFs.

Relief is noise whose power falls with frequency, so that coasts look alike at every scale
(Musgrave, in Ebert et al., Texturing and Modeling, 2003, chapter 14). Climate follows from
latitude, height and the trade wind, as in the tropical Pacific where the islands are said to lie:
nothing real is there, and coordinates still pass every check of a real pipeline. States are made of
whole islands where these are small; sea far from any coast is nobody's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from merian.files import write_json

__all__ = [
    "HIGH_SEAS",
    "Environment",
    "make_environment",
    "read_environment",
    "write_environment",
]

HIGH_SEAS = "High Seas"

_WEST, _NORTH, _STEP = -160.0, 20.0, 0.1
_ROWS, _COLUMNS = 400, 200
_LAND = (0.33, 0.42)
_STATES = ("Metamora", "Surinea", "Vlinderland", "Raupenia")
_SEAS = ("Graff Sea", "Commelin Sea", "Bay of Sandrart", "Outer Merian Sea")
_HEADS = "Als Ber Cor Dor Esk Fal Gru Hol Ilm Kar Lin Mor Nes Ost Pel Rav Sil Tor Ulm Wes".split()
_TAILS = "aland avia egg enholm ero inda itz omo onia ora unda yra".split()
_WATERS = 12  # cells from the coast to which a state's waters reach
_SMALL_ISLAND = 1500  # cells

_LAYERS = {
    "elevation": ("m", "height above the sea; negative is depth of the sea floor"),
    "temperature": ("degree Celsius", "annual mean of the air, over sea of its surface"),
    "precipitation": ("mm per year", "annual mean"),
    "seasonality": ("degree Celsius", "warmest less coldest month"),
}
_CLASSES = {
    "land": "1 is land, 0 is sea",
    "country": "number in countries",
    "province": "number in provinces; over sea the name of the sea",
}
_NO_NUMBER, _NO_CLASS = -9999, 255
_SCALE_TAG, _TIE_TAG, _KEYS_TAG, _NODATA_TAG = 33550, 33922, 34735, 42113
# Of GeoTIFF 1.1 (OGC 19-008r4), four keys: geographic, a pixel is an area, WGS 84, degrees.
_GEO_KEYS = (1, 1, 0, 4, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326, 2054, 0, 1, 9102)


@dataclass(frozen=True)
class Environment:
    """Layers on one grid of square cells in degrees; row 0 is the northernmost.

    Attributes:
        west: Western edge of the grid.
        north: Northern edge.
        step: Side of a cell.
        layers: By name: elevation, temperature, precipitation, seasonality, land.
        country: Of each cell the number of its country in `countries`.
        countries: Names; the last is the high seas.
        province: Of each cell the number of its province in `provinces`.
        provinces: Names, those of the seas last.
    """

    west: float
    north: float
    step: float
    layers: dict[str, NDArray[np.float32]]
    country: NDArray[np.uint8]
    countries: tuple[str, ...]
    province: NDArray[np.uint8]
    provinces: tuple[str, ...]

    def cell(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows and columns of the cells around coordinates; beyond the edge the nearest."""
        rows, columns = self.country.shape
        row = np.floor((self.north - latitude) / self.step).astype(np.intp)
        column = np.floor((longitude - self.west) / self.step).astype(np.intp)
        return np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)

    def sample(
        self, layer: str, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return a layer's values at coordinates."""
        return self.layers[layer][self.cell(latitude, longitude)]

    def centre(
        self, row: NDArray[np.intp], column: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return latitude and longitude of the middles of cells."""
        down, across = (row.astype(np.float64) + 0.5, column.astype(np.float64) + 0.5)
        return self.north - down * self.step, self.west + across * self.step


def make_environment(rng: np.random.Generator) -> Environment:
    """Draw the archipelago: relief, climate, states and provinces."""
    elevation = _relief(rng)
    land = elevation > 0
    latitude = (_NORTH - (np.arange(_ROWS) + 0.5) * _STEP)[:, None]
    height = np.maximum(elevation, 0)
    temperature = 28 - 0.011 * latitude**2 - 0.0058 * height + 0.8 * _noise(rng, 2.6)
    # The trade wind blows from the east: it rains where the ground rises towards the west.
    rise = height - np.roll(height, -4, axis=1)
    belt = 1500 * np.exp(-(((latitude - 6) / 5) ** 2)) + 700
    rain = belt * np.exp(0.35 * _noise(rng, 2.4) + np.clip(rise / 1200, -0.9, 0.9))
    season = 1.2 + 0.24 * np.abs(latitude) + 0.6 * _noise(rng, 2.6) + np.where(land, 1.0, 0)
    layers = {
        "elevation": elevation,
        "temperature": temperature,
        "precipitation": np.clip(rain, 60, 6000),
        "seasonality": np.maximum(season, 0.3),
        "land": land.astype(np.float64),
    }
    states = _states(land, rng)
    provinces, names = _provinces(states, land, rng)
    offshore = np.where(_far_from(land, _WATERS), len(_STATES), states)
    return Environment(
        _WEST,
        _NORTH,
        _STEP,
        {name: np.round(layer, 1).astype(np.float32) for name, layer in layers.items()},
        offshore.astype(np.uint8),
        (*_STATES, HIGH_SEAS),
        provinces.astype(np.uint8),
        names,
    )


def _noise(rng: np.random.Generator, fall: float, longest: float = np.inf) -> NDArray[np.float64]:
    """Return a fractal field of mean 0 and deviation 1.

    Args:
        rng: Draws the field.
        fall: Of power with frequency: the more, the smoother.
        longest: Wave in cells beyond which power rises no more; it bounds the size of features.
    """
    side = 512  # larger than the grid, since such a field repeats at its edges
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency = np.maximum(frequency, 1 / longest)
    frequency[0, 0] = np.inf
    wave = np.fft.rfft2(rng.normal(size=(side, side))) * frequency ** (-fall / 2)
    field: NDArray[np.float64] = np.fft.irfft2(wave)[:_ROWS, :_COLUMNS]
    field -= field.mean()
    field /= field.std()
    return field


def _relief(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return heights and depths in m; the edges of the grid are mostly sea."""
    rows = np.linspace(-1, 1, _ROWS)[:, None]
    columns = np.linspace(-1, 1, _COLUMNS)[None, :]
    edge = np.maximum(np.abs(rows) ** 8, np.abs(columns) ** 5)
    field = _noise(rng, 3.1, longest=110) - 1.6 * edge
    field -= np.quantile(field, 1 - rng.uniform(*_LAND))
    up, down = np.maximum(field, 0), np.maximum(-field, 0)
    # A shelf: depth grows slowly at first, then falls off; mountains are steeper than plains.
    height: NDArray[np.float64] = 3600 * (up / up.max()) ** 1.4 - 5200 * (down / down.max()) ** 2.0
    # No cell is at 0.0 exactly, so that land and sea can be told from the rounded height.
    return np.where(field > 0, np.maximum(height, 0.5), np.minimum(height, -0.5))


def _far_from(land: NDArray[np.bool_], cells: int) -> NDArray[np.bool_]:
    """Return the cells that have no land within about so many cells."""
    near = land
    for turn in range(cells):
        down, right = near.copy(), near.copy()
        down[1:] |= near[:-1]
        down[:-1] |= near[1:]
        # Squares and diamonds in turn make octagons, which are nearly round.
        across = down if turn % 2 else near
        right[:, 1:] |= across[:, :-1]
        right[:, :-1] |= across[:, 1:]
        near = down | right
    return ~near


def _seeds(inside: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return so many cells far from each other, by farthest-point sampling."""
    cells = np.argwhere(inside).astype(np.float64)
    seeds = [cells[rng.integers(len(cells))]]
    for _ in range(count - 1):
        distance = np.min([np.hypot(*(cells - seed).T) for seed in seeds], axis=0)
        seeds.append(cells[rng.choice(np.flatnonzero(distance >= np.quantile(distance, 0.9)))])
    return np.array(seeds)


def _nearest(seeds: NDArray[np.float64], warp: Sequence[NDArray[np.float64]]) -> NDArray[np.intp]:
    """Return each cell's nearest seed, distances warped so that borders wind."""
    row, column = np.indices((_ROWS, _COLUMNS)).astype(np.float64)
    row, column = row + 9 * warp[0], column + 9 * warp[1]
    distance = np.array([np.hypot(row - r, column - c) for r, c in seeds])
    nearest: NDArray[np.intp] = distance.argmin(axis=0)
    return nearest


def _islands(land: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the connected pieces of land as flat cell numbers."""
    left = land.ravel().copy()
    pieces = []
    for start in np.flatnonzero(left).tolist():
        if not left[start]:
            continue
        left[start] = False
        piece, at = [start], 0
        while at < len(piece):
            cell = piece[at]
            at += 1
            column = cell % _COLUMNS
            for step, inside in (
                (-_COLUMNS, True),
                (_COLUMNS, True),
                (-1, column > 0),
                (1, column < _COLUMNS - 1),
            ):
                other = cell + step
                if inside and 0 <= other < left.size and left[other]:
                    left[other] = False
                    piece.append(other)
        pieces.append(np.array(piece))
    return pieces


def _states(land: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return each cell's state, over sea that of the nearest seed."""
    seeds = _seeds(land, len(_STATES), rng)
    states = _nearest(seeds, (_noise(rng, 2.5), _noise(rng, 2.5)))
    for piece in _islands(land):
        if len(piece) < _SMALL_ISLAND:
            states.flat[piece] = np.bincount(states.flat[piece]).argmax()
    return states


def _provinces(
    states: NDArray[np.intp], land: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return each cell's province or sea, and their names."""
    warp = (_noise(rng, 2.5), _noise(rng, 2.5))
    provinces = np.zeros_like(states)
    names: list[str] = []
    for state in range(len(_STATES)):
        inside = land & (states == state)
        count = int(rng.integers(3, 7))
        number = _nearest(_seeds(inside, count, rng), warp)
        provinces[inside] = number[inside] + len(names)
        for _ in range(count):
            names.append(_place_name(set(names), rng))
    sea = _nearest(_seeds(~land, len(_SEAS), rng), warp)
    provinces[~land] = sea[~land] + len(names)
    return provinces, (*names, *_SEAS)


def _place_name(taken: set[str], rng: np.random.Generator) -> str:
    while True:
        name = str(rng.choice(_HEADS)) + str(rng.choice(_TAILS))
        if name not in taken:
            return name


def write_environment(environment: Environment, folder: Path) -> None:
    """Write each layer as a GeoTIFF, and environment.json which says what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    rasters: dict[str, NDArray[Any]] = {name: environment.layers[name] for name in _LAYERS}
    rasters["land"] = environment.layers["land"].astype(np.uint8)
    rasters["country"] = environment.country
    rasters["province"] = environment.province
    for name, raster in rasters.items():
        nodata = _NO_CLASS if raster.dtype == np.uint8 else _NO_NUMBER
        tags = _geo_tags(environment, nodata)
        Image.fromarray(raster).save(folder / f"{name}.tif", tiffinfo=tags)
    rows, columns = environment.country.shape
    described = [
        {"name": name, "file": f"{name}.tif", "unit": unit, "meaning": meaning}
        for name, (unit, meaning) in _LAYERS.items()
    ]
    described += [
        {"name": name, "file": f"{name}.tif", "unit": "class", "meaning": meaning}
        for name, meaning in _CLASSES.items()
    ]
    write_json(
        folder / "environment.json",
        {
            "crs": "EPSG:4326",
            "west": environment.west,
            "north": environment.north,
            "step": environment.step,
            "rows": rows,
            "columns": columns,
            "layers": described,
            "countries": list(environment.countries),
            "provinces": list(environment.provinces),
        },
    )


def _geo_tags(environment: Environment, nodata: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    double, short, text = 12, 3, 2  # of TIFF 6.0
    step = environment.step
    for tag, kind, value in (
        (_SCALE_TAG, double, (step, step, 0.0)),
        (_TIE_TAG, double, (0.0, 0.0, 0.0, environment.west, environment.north, 0.0)),
        (_KEYS_TAG, short, _GEO_KEYS),
        (_NODATA_TAG, text, str(nodata)),
    ):
        tags.tagtype[tag] = kind
        tags[tag] = value
    return tags


def read_environment(folder: Path) -> Environment:
    """Read what `write_environment` wrote."""
    about = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    rasters: dict[str, NDArray[Any]] = {}
    for layer in about["layers"]:
        with Image.open(folder / layer["file"]) as image:
            rasters[layer["name"]] = np.asarray(image).copy()
    country, province = rasters.pop("country"), rasters.pop("province")
    return Environment(
        about["west"],
        about["north"],
        about["step"],
        {name: raster.astype(np.float32) for name, raster in rasters.items()},
        country,
        tuple(about["countries"]),
        province,
        tuple(about["provinces"]),
    )
