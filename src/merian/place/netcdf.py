"""NetCDF files with latitudes and longitudes, as the CF conventions have them.

The classic format is read by scipy, that of version 4, which is HDF5, by h5py. Only the rows that
are asked for are read. Scale, offset, fill values and the valid range of a variable count; its
times and depths are axes to be looked along.

Reference: https://cfconventions.org (CF 1.11, sections 2.5, 4 and 8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, MissingExtraError
from merian.place.layers import Layer

__all__ = ["netcdf_layers"]

_CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")
_SECONDS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600,
            "h": 3600, "day": 86400, "d": 86400, "": 1}  # fmt: skip


@dataclass(frozen=True)
class _Variable:
    """A variable of either kind of file: its axes by name, what it says of itself, its numbers."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    told: Mapping[str, Any]
    read: Callable[[tuple[Any, ...]], NDArray[Any]]


def netcdf_layers(path: Path) -> list[Layer]:
    """Return a layer for each variable that lies on latitudes and longitudes."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if head[:3] == b"CDF":
        variables = _classic(path)
    elif head == b"\x89HDF\r\n\x1a\n":
        variables = _hdf5(path)
    else:
        raise FormatError("is no NetCDF file: it begins otherwise", path=path)
    kinds = {name: _kind(name, each) for name, each in variables.items()}
    layers = [
        layer
        for name, each in variables.items()
        if not kinds[name] and (layer := _layer(path, name, each, variables, kinds)) is not None
    ]
    if not layers:
        raise FormatError(
            "no variable lies on axes of latitude and longitude (units degrees_north and "
            f"degrees_east); there are {', '.join(variables) or 'none'}",
            path=path,
        )
    return layers


def _classic(path: Path) -> dict[str, _Variable]:
    """Return the variables of the classic format."""
    try:
        from scipy.io import netcdf_file  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("reading NetCDF", "layers") from None
    try:
        with netcdf_file(path, "r", mmap=False) as file:
            found = {
                name: (tuple(each.dimensions), tuple(each.shape), dict(each._attributes))
                for name, each in file.variables.items()
            }
    except (TypeError, ValueError, OSError, IndexError) as error:
        raise FormatError(f"cannot be read as NetCDF 3: {error}", path=path) from None

    def reader(name: str) -> Callable[[tuple[Any, ...]], NDArray[Any]]:
        def read(where: tuple[Any, ...]) -> NDArray[Any]:
            # Mapped: no more than the rows comes into memory. A copy lets the file be closed.
            file = netcdf_file(path, "r", mmap=True)
            try:
                return np.array(file.variables[name].data[where])
            finally:
                file.variables.clear()
                file.close()

        return read

    return {n: _Variable(axes, shape, told, reader(n)) for n, (axes, shape, told) in found.items()}


def _hdf5(path: Path) -> dict[str, _Variable]:
    """Return the variables of version 4 that stand at the top of a file."""
    try:
        import h5py  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("reading NetCDF 4", "layers") from None

    def reader(name: str) -> Callable[[tuple[Any, ...]], NDArray[Any]]:
        def read(where: tuple[Any, ...]) -> NDArray[Any]:
            with h5py.File(path, "r") as file:
                return np.asarray(file[name][where])

        return read

    variables = {}
    try:
        with h5py.File(path, "r") as file:
            for name, each in file.items():
                if not isinstance(each, h5py.Dataset) or each.dtype.kind not in "iuf":
                    continue
                axes = [
                    dim[0].name.rsplit("/", 1)[-1] if len(dim) else f"{name}.{i}"
                    for i, dim in enumerate(each.dims)
                ]
                if each.is_scale and each.ndim == 1:
                    axes = [name]
                variables[name] = _Variable(
                    tuple(axes), tuple(each.shape), dict(each.attrs), reader(name)
                )
    except (OSError, RuntimeError) as error:
        raise FormatError(f"cannot be read as NetCDF 4: {error}", path=path) from None
    return variables


def _text(told: Mapping[str, Any], name: str) -> str:
    """Return what a variable says of itself, as text."""
    value = told.get(name, "")
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _kind(name: str, each: _Variable) -> str:
    """Return which axis a variable is; empty if it is none."""
    if len(each.shape) != 1:
        return ""
    unit, lower = _text(each.told, "units").lower(), name.lower()
    standard = _text(each.told, "standard_name").lower()
    if re.fullmatch(r"degrees?_?n(orth)?", unit) or lower in ("lat", "latitude"):
        return "latitude"
    if re.fullmatch(r"degrees?_?e(ast)?", unit) or lower in ("lon", "longitude"):
        return "longitude"
    if " since " in unit or standard == "time":
        return "time"
    if standard == "depth" or lower in ("depth", "lev", "deptht") or (
        _text(each.told, "positive").lower() == "down"
    ):  # fmt: skip
        return "depth"
    return ""


def _layer(
    path: Path,
    name: str,
    each: _Variable,
    variables: Mapping[str, _Variable],
    kinds: Mapping[str, str],
) -> Layer | None:
    """Return a variable as a layer, or nothing if it is of another shape."""
    at: dict[str, int] = {}
    for number, axis in enumerate(each.axes):
        kind = kinds.get(axis, "")
        if kind:
            at.setdefault(kind, number)
        elif each.shape[number] != 1:
            return None
    if "latitude" not in at or "longitude" not in at:
        return None

    def ticks(kind: str) -> NDArray[np.float64]:
        axis = variables[each.axes[at[kind]]]
        return _scaled(axis, axis.read((slice(None),)))

    longitudes = ticks("longitude")
    turn = longitudes[0] > longitudes[-1]
    times, depths = np.empty(0, "datetime64[s]"), np.empty(0)
    if "time" in at:
        times = _times(path, variables[each.axes[at["time"]]], ticks("time"))
    if "depth" in at:
        depths = ticks("depth")
        if _text(variables[each.axes[at["depth"]]].told, "positive").lower() == "up":
            depths = -depths

    def read(first: int, last: int, when: int, deep: int) -> NDArray[np.float64]:
        where: list[Any] = [0] * len(each.shape)
        where[at["latitude"]], where[at["longitude"]] = slice(first, last), slice(None)
        if "time" in at:
            where[at["time"]] = when
        if "depth" in at:
            where[at["depth"]] = deep
        block = _scaled(each, each.read(tuple(where)))
        block = block.T if at["longitude"] < at["latitude"] else block
        return block[:, ::-1] if turn else block

    rising = longitudes[::-1] if turn else longitudes
    if len(rising) > 1 and (np.diff(rising) <= 0).any():
        raise FormatError(f"the longitudes of {name} neither rise nor fall", path=path)
    unit = _text(each.told, "units")
    return Layer(name, unit, path, ticks("latitude"), rising, read, times, depths)


def _scaled(each: _Variable, raw: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers as they are meant: without fill values, scaled."""
    values = raw.astype(np.float64)
    for name in ("_FillValue", "missing_value"):
        if name in each.told:
            for fill in np.atleast_1d(np.asarray(each.told[name])).astype(raw.dtype):
                values[raw == fill] = np.nan
    if "valid_range" in each.told:
        low, high = np.asarray(each.told["valid_range"], np.float64).reshape(-1)[:2]
        values[(values < low) | (values > high)] = np.nan
    scale = float(np.asarray(each.told.get("scale_factor", 1)).reshape(-1)[0])
    offset = float(np.asarray(each.told.get("add_offset", 0)).reshape(-1)[0])
    return values * scale + offset


def _times(path: Path, axis: _Variable, ticks: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """Return times as dates."""
    unit, calendar = _text(axis.told, "units"), _text(axis.told, "calendar").lower()
    found = re.fullmatch(
        r"([A-Za-z]+?)s?\s+since\s+(\d+-\d+-\d+)(?:[T ]+([0-9:]+))?(?:\.\d*)?"
        r"\s*(?:Z|UTC|\+?0+:?0*)?",
        unit.strip(),
    )
    word, day, clock = (found[1], found[2], found[3] or "") if found else ("", "", "")
    seconds = _SECONDS.get(word.lower())
    if not found or seconds is None or calendar not in _CALENDARS:
        raise FormatError(
            f"its times are {unit!r} in the calendar {calendar or 'standard'!r}; seconds, minutes, "
            "hours or days since a date of the usual calendar are understood",
            path=path,
        )
    year, month, date = (int(part) for part in day.split("-"))
    hours = [*clock.split(":"), "0", "0", "0"][:3]
    start = np.datetime64(f"{year:04d}-{month:02d}-{date:02d}", "s")
    start = start + sum(int(h or 0) * s for h, s in zip(hours, (3600, 60, 1), strict=True))
    made: NDArray[np.datetime64] = start + np.round(ticks * seconds).astype("timedelta64[s]")
    return made
