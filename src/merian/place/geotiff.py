"""GeoTIFFs, read strip by strip or tile by tile, whatever their size and numbers.

Pillow reads the tags, and unpacks each piece: it is handed over as a picture of bytes, so that any
kind of number may be in it, and the differences of a predictor are summed here. Degrees of latitude
and longitude are understood and no map projection.

References: TIFF 6.0 (1992); Adobe Photoshop TIFF Technical Note 3 (the predictor of floats);
OGC GeoTIFF 1.1 (19-008r4).
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from merian.errors import FormatError
from merian.place.layers import Layer

__all__ = ["geotiff_layers"]

_SCALE, _TIE, _TRANSFORM, _KEYS, _META, _NODATA = 33550, 33922, 34264, 34735, 42112, 42113
_MODEL, _RASTER, _GEOGRAPHIC, _PROJECTED, _POINT = 1024, 1025, 2, 3072, 2
_KINDS = {1: "u", 2: "i", 3: "f"}


@dataclass(frozen=True)
class _Tiff:
    """What is needed to read the pieces of a file.

    ``wide`` and ``tall`` are the size of a piece, ``across`` how many there are side by side.
    """

    path: Path
    width: int
    height: int
    bands: int
    planar: bool
    dtype: np.dtype[Any]
    compression: int
    predictor: int
    wide: int
    tall: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def across(self) -> int:
        """Return how many pieces stand side by side."""
        return -(-self.width // self.wide)


def geotiff_layers(path: Path) -> list[Layer]:
    """Return a layer for each band of a file."""
    try:
        tags, order = _tags(path)
        tiff = _tiff(path, tags, order)
    except (OSError, SyntaxError, KeyError, struct.error, TypeError) as error:
        raise FormatError(f"is no TIFF that can be read: {error}", path=path) from None
    latitudes, longitudes = _axes(path, tags, tiff)
    about = str(_first(tags, _META, ""))
    text = re.sub(r"[\x00\s]", "", str(_first(tags, _NODATA, "")))
    nodata = float(text) if re.fullmatch(r"[-+]?(nan|[0-9.]+(e[-+]?[0-9]+)?)", text, re.I) else None
    layers = []
    for band in range(tiff.bands):
        scale = float(_item(about, "SCALE", band) or 1)
        offset = float(_item(about, "OFFSET", band) or 0)

        def read(
            first: int, last: int, _when: int, _deep: int,
            band: int = band, scale: float = scale, offset: float = offset,
        ) -> NDArray[np.float64]:  # fmt: skip
            raw = _rows(tiff, first, last, band)
            values = raw.astype(np.float64)
            if nodata is not None:
                # The number is written in tens, and may be that of a float of 32 bits.
                values[raw == np.asarray(nodata).astype(raw.dtype)] = np.nan
            return values * scale + offset if (scale, offset) != (1, 0) else values

        name = path.stem if tiff.bands == 1 else f"{path.stem}_{band + 1}"
        unit = _item(about, "UNITTYPE", band)
        times, depths = np.empty(0, "datetime64[s]"), np.empty(0)
        layers.append(Layer(name, unit, path, latitudes, longitudes, read, times, depths))
    return layers


def _tags(path: Path) -> tuple[TiffImagePlugin.ImageFileDirectory_v2, str]:
    """Return the tags of the first picture of a file, and its order of bytes."""
    with path.open("rb") as stream:
        head = stream.read(8)
        if head[:2] not in (b"II", b"MM"):
            raise SyntaxError("it begins otherwise")
        order = "<" if head[:2] == b"II" else ">"
        if head[2:4] in (b"+\x00", b"\x00+"):  # BigTIFF
            head += stream.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        stream.seek(tags.next)
        tags.load(stream)
    return tags, order


def _first(tags: TiffImagePlugin.ImageFileDirectory_v2, tag: int, other: Any) -> Any:
    value = tags.get(tag, other)
    return value[0] if isinstance(value, tuple) and value else value


def _all(tags: TiffImagePlugin.ImageFileDirectory_v2, tag: int) -> tuple[Any, ...]:
    value = tags.get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def _tiff(path: Path, tags: TiffImagePlugin.ImageFileDirectory_v2, order: str) -> _Tiff:
    """Return how the pieces of a file lie."""
    width, height = int(tags[256]), int(tags[257])
    bits, kind = int(_first(tags, 258, 1)), int(_first(tags, 339, 1))
    if bits not in (8, 16, 32, 64) or kind not in _KINDS:
        raise FormatError(f"has numbers of {bits} bits and kind {kind}; not read", path=path)
    tiled = 322 in tags
    wide = int(tags[322]) if tiled else width
    tall = int(tags[323]) if tiled else min(int(_first(tags, 278, height)), height)
    return _Tiff(
        path,
        width,
        height,
        int(_first(tags, 277, 1)),
        int(_first(tags, 284, 1)) == 2,
        np.dtype(f"{order}{_KINDS[kind]}{bits // 8}"),
        int(_first(tags, 259, 1)),
        int(_first(tags, 317, 1)),
        wide,
        tall,
        _all(tags, 324 if tiled else 273),
        _all(tags, 325 if tiled else 279),
    )


def _axes(
    path: Path, tags: TiffImagePlugin.ImageFileDirectory_v2, tiff: _Tiff
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of rows and columns, in degrees."""
    keys = _all(tags, _KEYS)
    told = {keys[i]: keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    if told.get(_MODEL, _GEOGRAPHIC) != _GEOGRAPHIC:
        raise FormatError(
            f"is in a map projection (EPSG:{told.get(_PROJECTED, 'unknown')}); degrees of latitude "
            "and longitude are expected. Write it anew in EPSG:4326, as gdalwarp -t_srs EPSG:4326 "
            "does",
            path=path,
        )
    if _TRANSFORM in tags:
        m = [float(v) for v in _all(tags, _TRANSFORM)]
        if m[1] or m[4]:
            raise FormatError("is turned against north; write it anew north up", path=path)
        west, x_step, north, y_step = m[3], m[0], m[7], m[5]
    elif _SCALE in tags and _TIE in tags:
        scale, tie = _all(tags, _SCALE), _all(tags, _TIE)
        x_step, y_step = float(scale[0]), -float(scale[1])
        west, north = tie[3] - tie[0] * x_step, tie[4] - tie[1] * y_step
    else:
        raise FormatError(
            "does not say where it lies (no tags of GeoTIFF); a plain picture is no layer",
            path=path,
        )
    half = 0.0 if told.get(_RASTER) == _POINT else 0.5
    down, along = (np.arange(n, dtype=np.float64) + half for n in (tiff.height, tiff.width))
    return float(north) + y_step * down, float(west) + x_step * along


def _item(about: str, name: str, band: int) -> str:
    """Return what GDAL's metadata say of a band: its unit, scale or offset."""
    role = name.lower()
    for found in re.finditer(r"<Item ([^>]*)>([^<]*)</Item>", about):
        own = re.search(r'sample="(\d+)"', found[1])
        kind = re.search(r'(?:role|name)="([^"]*)"', found[1])
        roles = re.findall(r'(?:role|name)="([^"]*)"', found[1])
        if kind and role in [r.lower() for r in roles] and int(own[1] if own else 0) == band:
            return found[2].strip()
    return ""


def _rows(tiff: _Tiff, first: int, last: int, band: int) -> NDArray[Any]:
    """Return rows of a band."""
    found = np.empty((last - first, tiff.width), tiff.dtype.newbyteorder("="))
    down = -(-tiff.height // tiff.tall)
    for j in range(first // tiff.tall, (last - 1) // tiff.tall + 1):
        for i in range(tiff.across):
            number = (band * down + j if tiff.planar else j) * tiff.across + i
            piece = _piece(tiff, number, j)[:, :, 0 if tiff.planar else band]
            top, left = j * tiff.tall, i * tiff.wide
            a, b = max(first, top), min(last, top + piece.shape[0])
            right = min(tiff.width, left + tiff.wide)
            found[a - first : b - first, left:right] = piece[a - top : b - top, : right - left]
    return found


def _piece(tiff: _Tiff, number: int, j: int) -> NDArray[Any]:
    """Return one strip or tile, unpacked: [rows, columns, bands in it]."""
    tiled = tiff.wide != tiff.width or tiff.tall * -(-tiff.height // tiff.tall) != tiff.height
    tall = tiff.tall
    if not tiled or (len(tiff.offsets) and tiff.wide == tiff.width):
        tall = min(tiff.tall, tiff.height - j * tiff.tall)
    bands = 1 if tiff.planar else tiff.bands
    width = tiff.wide * bands * tiff.dtype.itemsize
    with tiff.path.open("rb") as stream:
        stream.seek(tiff.offsets[number])
        packed = stream.read(tiff.sizes[number])
    if not packed:  # a sparse file leaves out what is empty
        return np.zeros((tall, tiff.wide, bands), tiff.dtype)
    raw = packed if tiff.compression == 1 else _unpacked(tiff, packed, width, tall)
    raw = raw[: tall * width]
    shape = (tall, tiff.wide, bands)
    if tiff.predictor == 3:
        lanes = np.frombuffer(raw, np.uint8).reshape(tall, tiff.dtype.itemsize, tiff.wide * bands)
        flat = np.cumsum(lanes.reshape(tall, -1, bands), axis=1, dtype=np.uint8)
        flat = flat.reshape(tall, tiff.dtype.itemsize, tiff.wide * bands).transpose(0, 2, 1)
        return np.ascontiguousarray(flat).view(f">f{tiff.dtype.itemsize}").reshape(shape)
    values = np.frombuffer(raw, tiff.dtype).reshape(shape)
    if tiff.predictor == 2:
        unsigned = values.astype(values.dtype.newbyteorder("=")).view(f"u{tiff.dtype.itemsize}")
        summed = np.cumsum(unsigned, axis=1, dtype=unsigned.dtype)
        return summed.view(tiff.dtype.newbyteorder("="))
    return values


def _unpacked(tiff: _Tiff, packed: bytes, width: int, tall: int) -> bytes:
    """Return the bytes of a piece, which Pillow unpacks as a picture of one strip."""
    fields = [
        (256, 4, width), (257, 4, tall), (258, 3, 8), (259, 3, tiff.compression), (262, 3, 1),
        (273, 4, 0), (277, 3, 1), (278, 4, tall), (279, 4, len(packed)),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(fields) + 4
    made = struct.pack("<2sHIH", b"II", 42, 8, len(fields))
    for tag, kind, value in fields:
        made += struct.pack("<HHII", tag, kind, 1, start if tag == 273 else value)
    try:
        with Image.open(io.BytesIO(made + struct.pack("<I", 0) + packed)) as picture:
            return picture.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise FormatError(f"a piece of it cannot be unpacked: {error}", path=tiff.path) from None
