"""Layers: every kind of file says the same of the same places, whatever way round it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from merian.catalogue import Catalogue
from merian.cli import main
from merian.errors import FormatError, InputError, MerianError
from merian.place.layers import open_layers, sample

ROWS, COLUMNS, STEP = 36, 72, 5.0


def grid() -> np.ndarray:
    """A number of its own for each cell; row 0 is the northernmost; one cell is missing."""
    values = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    values[3, 4] = -9999
    return values


def tags(kind=2, raster=1, west=-180.0) -> TiffImagePlugin.ImageFileDirectory_v2:
    found = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, type_, value in (
        (33550, 12, (STEP, STEP, 0.0)), (33922, 12, (0.0, 0.0, 0.0, west, 90.0, 0.0)),
        (34735, 3, (1, 1, 0, 2, 1024, 0, 1, kind, 1025, 0, 1, raster)), (42113, 2, "-9999"),
        (42112, 2, '<GDALMetadata><Item name="UNITTYPE" sample="0" role="unittype">m</Item>'
                   "</GDALMetadata>"),
    ):  # fmt: skip
        found.tagtype[tag] = type_
        found[tag] = value
    return found


def tiff(path: Path, values: np.ndarray, compression: str | None = None, **more) -> Path:
    Image.fromarray(values).save(path, tiffinfo=tags(**more), compression=compression)
    return path


def ascii_grid(path: Path, values: np.ndarray) -> Path:
    head = f"ncols {COLUMNS}\nnrows {ROWS}\nxllcorner -180\nyllcorner -90\ncellsize {STEP}\n"
    text = "\n".join(" ".join(f"{v:g}" for v in row) for row in values)
    path.write_text(f"{head}NODATA_value -9999\n{text}\n")
    return path


def netcdf(
    path: Path, values: np.ndarray, *, classic: bool, south_up: bool, from_zero: bool
) -> Path:
    north, east = 87.5 - STEP * np.arange(ROWS), -177.5 + STEP * np.arange(COLUMNS)
    if south_up:
        values, north = values[::-1], north[::-1]
    if from_zero:
        values, east = np.roll(values, COLUMNS // 2, axis=1), np.roll(east, COLUMNS // 2) % 360
    packed = np.where(values == -9999, -32768, np.round(values * 2 - 1000)).astype(np.int16)
    axes = {"lat": (north, "degrees_north"), "lon": (east, "degrees_east")}
    told = {"units": "m", "scale_factor": 0.5, "add_offset": 500.0, "_FillValue": np.int16(-32768)}
    if classic:
        netcdf_file = pytest.importorskip("scipy.io").netcdf_file
        with netcdf_file(path, "w") as file:
            for name, (ticks, unit) in axes.items():
                file.createDimension(name, len(ticks))
                made = file.createVariable(name, "f8", (name,))
                made[:] = ticks
                made.units = unit
            made = file.createVariable("depth_of_it", "i2", ("lat", "lon"))
            made[:] = packed
            for name, value in told.items():
                setattr(made, name, value)
        return path
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, (ticks, unit) in axes.items():
            file[name] = ticks
            file[name].make_scale(name)
            file[name].attrs["units"] = unit
        file["depth_of_it"] = packed
        for i, name in enumerate(axes):
            file["depth_of_it"].dims[i].attach_scale(file[name])
        file["depth_of_it"].attrs.update(told)
    return path


def every_kind(folder: Path) -> dict[str, Path]:
    values = grid()
    made = {
        f"tiff {c}": tiff(folder / f"{c}.tif", values, c)
        for c in (None, "tiff_lzw", "tiff_adobe_deflate")
    }
    made["ascii"] = ascii_grid(folder / "grid.asc", values)
    for classic in (True, False):
        for south_up in (True, False):
            name = f"netcdf {3 if classic else 4} {'south' if south_up else 'north'} up"
            made[name] = netcdf(
                folder / f"{name}.nc", values, classic=classic, south_up=south_up,
                from_zero=not south_up,
            )  # fmt: skip
    return made


def test_every_kind_of_file_says_the_same(tmp_path):
    generator = np.random.default_rng(0)
    north = np.concatenate([generator.uniform(-90, 90, 500), [90, -90, 0, 73, np.nan, 0]])
    east = np.concatenate([generator.uniform(-180, 360, 500), [10, 10, 180, -159, 0, np.nan]])
    row = np.clip(np.floor((90 - north) / STEP), 0, ROWS - 1)
    column = np.floor((east + 180) / STEP) % COLUMNS
    expected = row * COLUMNS + column
    expected[(row == 3) & (column == 4)] = np.nan
    assert np.isnan(expected).sum() >= 3
    for name, path in every_kind(tmp_path).items():
        (layer,) = open_layers(path)
        got = sample(layer, north, east)
        np.testing.assert_array_equal(got.values, expected, err_msg=name)
        there = ~np.isnan(expected)
        assert (np.abs(got.latitude - north)[there] <= STEP / 2 + 1e-9).all()
        assert layer.unit == ("" if name == "ascii" else "m"), name
        assert layer.whole_turn


@settings(max_examples=40, deadline=None)
@given(st.floats(-80, 80), st.floats(-179, 359))
def test_between_cells_a_plane_is_a_plane(north, east):
    path = Path(__file__)  # nothing is read of it
    from merian.place.layers import Layer

    latitudes = np.arange(-87.5, 90, 5.0)
    longitudes = np.arange(-177.5, 180, 5.0)
    plane = np.broadcast_to(3 * latitudes[:, None] + 1, (len(latitudes), len(longitudes)))
    layer = Layer("plane", "", path, latitudes, longitudes, lambda a, b, _t, _z: plane[a:b],
                  np.empty(0, "datetime64[s]"), np.empty(0))  # fmt: skip
    assert sample(layer, [north], [east], bilinear=True).values == pytest.approx(3 * north + 1)


def test_missing_stays_missing_between_cells(tmp_path):
    (layer,) = open_layers(tiff(tmp_path / "a.tif", grid()))
    middle = (90 - 3.5 * STEP, -180 + 4.5 * STEP)
    assert np.isnan(sample(layer, [middle[0]], [middle[1]], bilinear=True).values)
    beside = sample(layer, [middle[0]], [middle[1] + 3], bilinear=True).values
    assert beside == 3 * COLUMNS + 5  # of the missing neighbour nothing is taken


@pytest.mark.parametrize(
    ("dtype", "predictor"),
    [(dtype, predictor) for predictor in (1, 2, 3) for dtype in ("u1", "i2", "u2", "i4", "f4", "f8")
     if predictor == 1 or (predictor == 3) == (dtype[0] == "f")],
)  # fmt: skip
def test_tiles_of_any_number_are_read(tmp_path, dtype, predictor):
    """Tiles are written here by hand, as the TIFF specification has them."""
    import struct
    import zlib

    values = (np.arange(40 * 70).reshape(40, 70) % 251).astype(f"<{dtype}")
    size, item = 32, np.dtype(dtype).itemsize
    pieces = []
    for top in range(0, 40, size):
        for left in range(0, 70, size):
            tile = np.zeros((size, size), values.dtype)
            part = values[top : top + size, left : left + size]
            tile[: part.shape[0], : part.shape[1]] = part
            raw = tile.tobytes()
            if predictor == 2:
                whole = tile.view(f"<u{item}")
                raw = (
                    np.diff(whole, axis=1, prepend=whole.dtype.type(0))
                    .astype(f"<u{item}")
                    .tobytes()
                )
            if predictor == 3:
                lanes = tile.astype(f">{dtype}").view(np.uint8).reshape(size, size, item)
                lanes = lanes.transpose(0, 2, 1).reshape(size, -1)
                raw = np.diff(lanes, axis=1, prepend=np.uint8(0)).astype(np.uint8).tobytes()
            pieces.append(zlib.compress(raw))
    kinds = {"u": 1, "i": 2, "f": 3}
    count, data = len(pieces), b"".join(pieces)
    offsets = 8 + np.concatenate([[0], np.cumsum([len(p) for p in pieces])[:-1]])
    extra = 8 + len(data)
    lists = struct.pack(f"<{count}I", *offsets) + struct.pack(f"<{count}I", *map(len, pieces))
    doubles = struct.pack("<9d", 1.0, 1.0, 0, 0, 0, 0, 10.0, 50.0, 0)
    fields = [
        (256, 4, 1, 70), (257, 4, 1, 40), (258, 3, 1, 8 * item), (259, 3, 1, 8), (277, 3, 1, 1),
        (317, 3, 1, predictor), (322, 4, 1, size), (323, 4, 1, size), (324, 4, count, extra),
        (325, 4, count, extra + 4 * count), (339, 3, 1, kinds[dtype[0]]),
        (33550, 12, 3, extra + 8 * count), (33922, 12, 6, extra + 8 * count + 24),
    ]  # fmt: skip
    directory = struct.pack("<H", len(fields))
    directory += b"".join(struct.pack("<HHII", *field) for field in fields) + struct.pack("<I", 0)
    start = extra + len(lists) + len(doubles)
    made = tmp_path / "tiles.tif"
    made.write_bytes(struct.pack("<2sHI", b"II", 42, start) + data + lists + doubles + directory)
    (layer,) = open_layers(made)
    north, east = np.meshgrid(50 - np.arange(40) - 0.5, 10 + np.arange(70) + 0.5, indexing="ij")
    got = sample(layer, north.ravel(), east.ravel()).values
    np.testing.assert_array_equal(got.reshape(40, 70), values)


def test_times_and_depths_are_looked_along(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "deep.nc"
    with h5py.File(path, "w") as file:
        for name, ticks, unit in (
            ("time", [0, 31, 59], "days since 2020-01-01"), ("depth", [0, 10, 100], "m"),
            ("lat", [10, 20], "degrees_north"), ("lon", [30, 40], "degrees_east"),
        ):  # fmt: skip
            file[name] = np.array(ticks, np.float64)
            file[name].make_scale(name)
            file[name].attrs["units"] = unit
        file["salinity"] = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)
        for i, name in enumerate(("time", "depth", "lat", "lon")):
            file["salinity"].dims[i].attach_scale(file[name])
    (layer,) = open_layers(path)
    when = np.array(["2020-01-30", "2020-01-30", "2025-01-01", "NaT"], "datetime64[s]")
    got = sample(layer, [10] * 4, [40] * 4, time=when, depth=[12, np.nan, 0, 0])
    assert got.values[0] == 12 + 4 + 1
    assert np.isnan(got.values[1:]).all()
    assert got.depth[0] == 10
    assert got.time[0] == np.datetime64("2020-02-01")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.tif", b"not a tiff", "no TIFF"),
        ("a.asc", b"ncols 3\nnrows x\n", "no number"),
        ("a.asc", b"ncols 3\nnrows 2\ncellsize 1\n", "lacks xllcorner"),
        ("a.asc", b"ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n", "has 1 rows"),
        ("a.nc", b"neither", "no NetCDF"),
        ("a.xyz", b"", "no layer that can be read"),
    ],
    ids=["tiff", "number", "header", "rows", "netcdf", "ending"],
)
def test_what_is_no_layer_is_said(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=says):
        open_layers(tmp_path / name)


def test_a_map_projection_is_refused(tmp_path):
    with pytest.raises(FormatError, match="gdalwarp"):
        open_layers(tiff(tmp_path / "a.tif", grid(), kind=1))
    Image.fromarray(grid()).save(tmp_path / "plain.tif")
    with pytest.raises(FormatError, match="where it lies"):
        open_layers(tmp_path / "plain.tif")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no layers"):
        open_layers(tmp_path / "none")


def test_the_layers_of_the_synthetic_world(tmp_path):
    from merian.world.environment import make_environment, write_environment

    world = make_environment(np.random.default_rng(1))
    write_environment(world, tmp_path)
    north, east = np.array([3.33, -10.21, 50.0]), np.array([-155.51, -148.87, 0.0])
    for layer in open_layers(tmp_path):
        if layer.name in world.layers:
            got = sample(layer, north, east).values
            expected = world.sample(layer.name, north[:2], east[:2])
            np.testing.assert_allclose(got[:2], expected, rtol=1e-6)
            assert np.isnan(got[2])
            assert layer.unit == ("" if layer.name == "land" else layer.unit)


def test_joining_a_catalogue(tmp_path, capsys):
    (tmp_path / "r.csv").write_text(
        "occurrenceID,decimalLatitude,decimalLongitude,eventDate,scientificName\n"
        "a,12.5,-177.5,2020-01-01,Apis mellifera\nb,12.5,-177.5,2020-01-02,Apis mellifera\n"
        "c,73.1,-159.1,2020-01-01,Apis mellifera\nd,,,2020-01-01,Apis mellifera\n"
    )
    tiff(tmp_path / "height.tif", grid())
    ascii_grid(tmp_path / "other.asc", grid())
    assert main(["import", str(tmp_path / "r.csv"), "--into", str(tmp_path / "c"), "-q"]) == 0
    join = ["place", "join", str(tmp_path / "c"), str(tmp_path / "height.tif")]
    assert main([*join, str(tmp_path / "other.asc")]) == 0
    asked = "SELECT measurementType, measurementValueNumeric, measurementUnit, "
    asked += "measurementMethod, measurementRemarks, eventID FROM measurement ORDER BY ALL"
    with Catalogue.open(tmp_path / "c", read_only=True) as catalogue:
        rows = catalogue.query(asked).fetch()
    assert [row[:3] for row in rows] == [("height", 1080.0, "m")] * 2 + [
        ("other", 1080.0, None)
    ] * 2
    assert rows[0][3].startswith("height.tif ")
    assert rows[0][4] == "cell 12.5, -177.5"
    assert all(row[5] for row in rows)
    assert main([*join, str(tmp_path / "other.asc")]) == 0
    assert "joined before" in capsys.readouterr().err
    with Catalogue.open(tmp_path / "c", read_only=True) as catalogue:
        assert catalogue.query(asked).fetch() == rows
    assert main([*join, str(tmp_path / "height.tif")]) == 2
    assert main(["place", "join", str(tmp_path / "c")]) == 2


def test_the_verb_tells(capsys):
    assert main(["place", "tell", "59.91", "10.75", "--json"]) == 0
    assert '"country": "NO"' in capsys.readouterr().out
    assert main(["place", "tell", "--", "-33.95", "18.45"]) == 0
    assert "South Africa (ZA)" in capsys.readouterr().out
    assert main(["place", "tell", "95", "0"]) == 2
    assert issubclass(FormatError, MerianError)
