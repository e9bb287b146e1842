"""Layers of the environment: rasters of the user's own, and their values at places.

A layer is a grid of latitudes and longitudes, with times and depths where it has them. Of a file no
more than the rows around the places is read, so that it may be larger than the memory. A value that
is missing stays missing; a place outside the grid has none. Longitudes may run from -180 or from 0,
and the rows from the north or from the south.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, InputError
from merian.files import existing

__all__ = ["Layer", "Sampled", "ends_of", "open_layers", "sample"]

Numbers = NDArray[np.float64]
Read = Callable[[int, int, int, int], Numbers]
"""Rows from and to, number of the time, number of the depth -> the cells, NaN where missing."""

_BLOCK = 1 << 22  # cells that are held at once: 32 MB


@dataclass(frozen=True)
class Layer:
    """One layer of one file.

    Attributes:
        name: What is measured.
        unit: Of the values; empty where the file does not say.
        path: The file.
        latitudes: Middles of the rows, as they lie in the file.
        longitudes: Middles of the columns, rising.
        read: Reads rows.
        times: Of the file, rising; empty where it has none.
        depths: In metres below the surface; empty where it has none.
    """

    name: str
    unit: str
    path: Path
    latitudes: Numbers
    longitudes: Numbers
    read: Read
    times: NDArray[np.datetime64]
    depths: Numbers

    @property
    def whole_turn(self) -> bool:
        """Whether the columns run all round the earth."""
        if len(self.longitudes) < 2:
            return False
        step = (self.longitudes[-1] - self.longitudes[0]) / (len(self.longitudes) - 1)
        return bool(len(self.longitudes) * step > 360 - step / 2)


@dataclass(frozen=True)
class Sampled:
    """What a layer says of places: the values, and the middles of the cells that they are of."""

    values: Numbers
    latitude: Numbers
    longitude: Numbers
    time: NDArray[np.datetime64]
    depth: Numbers


def open_layers(path: Path | str) -> list[Layer]:
    """Return the layers of a file, or of a folder of files.

    Args:
        path: A GeoTIFF, an ESRI ASCII grid, a NetCDF file, a folder of such, or a folder with
            environment.json, as `merian world make` writes it.
    """
    path = existing(path, "layer or folder of layers")
    if path.is_dir():
        return _folder(path)
    ending = path.suffix.lower()
    if ending in (".tif", ".tiff"):
        from merian.place.geotiff import geotiff_layers  # noqa: PLC0415 - it needs these classes

        return geotiff_layers(path)
    if ending in (".asc", ".agr"):
        from merian.place.ascii_grid import ascii_layers  # noqa: PLC0415

        return ascii_layers(path)
    if ending in (".nc", ".nc4", ".cdf", ".h5"):
        from merian.place.netcdf import netcdf_layers  # noqa: PLC0415

        return netcdf_layers(path)
    raise FormatError(
        "is no layer that can be read: a GeoTIFF (.tif), an ESRI ASCII grid (.asc) or NetCDF (.nc) "
        "is expected",
        path=path,
    )


def _folder(folder: Path) -> list[Layer]:
    """Return the layers of a folder, with the units that environment.json tells."""
    about = folder / "environment.json"
    if about.is_file():
        try:
            told = json.loads(about.read_text(encoding="utf-8"))["layers"]
            listed = [(str(each["name"]), folder / each["file"], each["unit"]) for each in told]
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"tells no layers: {error}", path=about) from None
        return [
            replace(layer, name=name, unit="" if unit == "class" else unit)
            for name, file, unit in listed
            for layer in open_layers(file)
        ]
    endings = (".tif", ".tiff", ".asc", ".agr", ".nc", ".nc4", ".cdf")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in endings)
    if not files:
        raise InputError(f"{folder}: holds no layers (.tif, .asc, .nc)")
    return [layer for file in files for layer in open_layers(file)]


def ends_of(axis: Numbers) -> tuple[float, float]:
    """Return the edges of the first and the last cell of a rising axis."""
    if len(axis) < 2:
        return float(axis[0]) - 0.5, float(axis[0]) + 0.5
    return float(1.5 * axis[0] - 0.5 * axis[1]), float(1.5 * axis[-1] - 0.5 * axis[-2])


def sample(
    layer: Layer,
    latitude: Sequence[float] | Numbers,
    longitude: Sequence[float] | Numbers,
    *,
    time: NDArray[np.datetime64] | None = None,
    depth: Sequence[float] | Numbers | None = None,
    bilinear: bool = False,
) -> Sampled:
    """Return what a layer says of places.

    Args:
        layer: The layer.
        latitude: Degrees north.
        longitude: Degrees east, from -180 to 360.
        time: When, for a layer with several times; the nearest counts, if it is within them.
        depth: Metres below the surface, for a layer with several depths; the nearest counts.
        bilinear: Between the four cells around, else of the cell that the place is in. Where the
            cell itself is missing, so is the value.
    """
    north = np.atleast_1d(np.asarray(latitude, np.float64))
    east = _turned(layer, np.atleast_1d(np.asarray(longitude, np.float64)))
    row, down = _position(layer.latitudes, north, edge="left")
    column, across = _position(layer.longitudes, east, round_=layer.whole_turn)
    when = _along(layer.times, time, north.shape)
    deep = _along(layer.depths, depth, north.shape)
    good = (row >= 0) & (column >= 0) & (when >= 0) & (deep >= 0)
    values = np.full(north.shape, np.nan)
    at = np.flatnonzero(good)
    for slice_ in np.unique(np.stack([when[at], deep[at]], 1), axis=0).tolist():
        those = at[(when[at] == slice_[0]) & (deep[at] == slice_[1])]
        offsets = (down[those], across[those]) if bilinear else None
        values[those] = _read(layer, row[those], column[those], offsets, *slice_)
    times = layer.times[when] if len(layer.times) else np.full(north.shape, "NaT", "datetime64[s]")
    depths = layer.depths[deep] if len(layer.depths) else np.full(north.shape, np.nan)
    return Sampled(
        values,
        np.where(good, layer.latitudes[row], np.nan),
        np.where(good, layer.longitudes[column], np.nan),
        np.where(good, times, np.datetime64("NaT")),
        np.where(good, depths, np.nan),
    )


def _turned(layer: Layer, east: Numbers) -> Numbers:
    """Return longitudes on the turn of the earth that the layer lies on."""
    west, _ = ends_of(layer.longitudes)
    with np.errstate(invalid="ignore"):
        turned = (east - west) % 360 + west
    return np.where((east >= -180) & (east <= 360), turned, np.nan)


def _position(
    axis: Numbers,
    values: Numbers,
    round_: bool = False,
    edge: Literal["left", "right"] = "right",
) -> tuple[NDArray[np.intp], Numbers]:
    """Return the cell of each value, -1 for none, and how far it is from the cell's middle.

    Args:
        axis: Middles of cells, rising or falling.
        values: What to look for.
        round_: Whether the last cell touches the first.
        edge: Which cell has a place between two: south (left) or east (right).
    """
    rising = axis if len(axis) < 2 or axis[0] < axis[-1] else axis[::-1]
    low, high = ends_of(rising)
    # A place on the outer edge of the last cell (a pole) is in it.
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    inside = (values >= low - slack) & (values <= high + slack)
    edges = (rising[1:] + rising[:-1]) / 2
    at = np.searchsorted(edges, np.where(inside, values, low), side=edge)
    step = np.gradient(rising) if len(rising) > 1 else np.ones(1)
    away = np.where(inside, (values - rising[at]) / step[at], 0.0)
    if rising is not axis:
        at, away = len(axis) - 1 - at, -away
    if round_:
        inside |= ~np.isnan(values)
    return np.where(inside, at, -1), away


def _along(
    axis: NDArray[np.generic],
    told: Sequence[float] | NDArray[np.generic] | None,
    shape: tuple[int, ...],
) -> NDArray[np.intp]:
    """Return the number of the nearest time or depth; -1 where it lies outside or is not told."""
    if not len(axis):
        return np.zeros(shape, np.intp)
    if told is None:
        return np.full(shape, 0 if len(axis) == 1 else -1, np.intp)
    dates = np.issubdtype(axis.dtype, np.datetime64)
    ticks = axis.astype("datetime64[s]").astype(np.float64) if dates else axis.astype(np.float64)
    asked = np.asarray(told)
    if dates:
        unknown = np.isnat(asked)
        values = np.where(unknown, np.nan, asked.astype("datetime64[s]").astype(np.float64))
    else:
        values = asked.astype(np.float64)
    if len(ticks) == 1:
        return np.where(np.isnan(values), -1, 0) if dates else np.zeros(shape, np.intp)
    return _position(ticks, values)[0]


def _read(
    layer: Layer,
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    offsets: tuple[Numbers, Numbers] | None,
    when: int,
    deep: int,
) -> Numbers:
    """Return the values of cells, or between cells, of one time and depth."""
    rows, columns = len(layer.latitudes), len(layer.longitudes)
    if offsets is None:
        return _cells(layer, row, column, when, deep)
    down, across = offsets
    row2 = np.clip(row + np.sign(down).astype(np.intp), 0, rows - 1)
    column2 = column + np.sign(across).astype(np.intp)
    column2 = column2 % columns if layer.whole_turn else np.clip(column2, 0, columns - 1)
    own = _cells(layer, row, column, when, deep)
    total, weight = np.zeros(len(row)), np.zeros(len(row))
    for r, c, share in (
        (row, column, (1 - abs(down)) * (1 - abs(across))),
        (row2, column, abs(down) * (1 - abs(across))),
        (row, column2, (1 - abs(down)) * abs(across)),
        (row2, column2, abs(down) * abs(across)),
    ):
        value = _cells(layer, r, c, when, deep)
        there = ~np.isnan(value)
        total += np.where(there, value, 0) * share
        weight += there * share
    return np.where(np.isnan(own), np.nan, total / np.where(weight > 0, weight, 1))


def _cells(
    layer: Layer, row: NDArray[np.intp], column: NDArray[np.intp], when: int, deep: int
) -> Numbers:
    """Return the values of cells; rows are read in blocks, and only those that are asked for."""
    found = np.full(len(row), np.nan)
    order = np.argsort(row, kind="stable")
    most = max(1, _BLOCK // len(layer.longitudes))
    start = 0
    while start < len(order):
        first = int(row[order[start]])
        stop = int(np.searchsorted(row[order], first + most, side="left"))
        those = order[start:stop]
        last = int(row[those[-1]]) + 1
        block = layer.read(first, last, when, deep)
        found[those] = block[row[those] - first, column[those]]
        start = stop
    return found
