"""ESRI ASCII grids: six lines of header, then a line of numbers for each row, from the north.

Where each line begins is noted once, so that rows are read without those before them.

Reference: https://desktop.arcgis.com/en/arcmap/latest/manage-data/raster-and-images/esri-ascii-raster-format.htm
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.place.layers import Layer

__all__ = ["ascii_layers"]

_KEYS = ("ncols", "nrows", "xllcorner", "xllcenter", "yllcorner", "yllcenter", "cellsize",
         "nodata_value")  # fmt: skip


def ascii_layers(path: Path) -> list[Layer]:
    """Return the one layer of a grid; it is named as its file, and no unit is told."""
    head: dict[str, float] = {}
    with path.open("rb") as stream:
        while True:
            at = stream.tell()
            words = stream.readline(1 << 20).split()
            if len(words) != 2 or words[0].decode("latin-1").lower() not in _KEYS:
                break
            try:
                head[words[0].decode().lower()] = float(words[1])
            except ValueError:
                raise FormatError(
                    f"{words[1].decode('latin-1')!r} is no number", path=path, line=len(head) + 1
                ) from None
        lacking = [key for key in ("ncols", "nrows", "cellsize") if key not in head]
        lacking += [
            f"{axis}llcorner"
            for axis in "xy"
            if f"{axis}llcorner" not in head and f"{axis}llcenter" not in head
        ]
        if lacking:
            raise FormatError(
                f"the header lacks {', '.join(lacking)}, which an ESRI ASCII grid has", path=path
            )
        rows, columns = int(head["nrows"]), int(head["ncols"])
        stream.seek(at)
        starts = np.empty(rows + 1, np.int64)
        for row in range(rows):
            starts[row] = stream.tell()
            if not stream.readline():
                raise FormatError(f"has {row} rows where the header tells {rows}", path=path)
        starts[rows] = stream.tell()
    step = head["cellsize"]
    west = head["xllcenter"] if "xllcenter" in head else head["xllcorner"] + step / 2
    south = head["yllcenter"] if "yllcenter" in head else head["yllcorner"] + step / 2

    def read(first: int, last: int, _when: int, _deep: int) -> NDArray[np.float64]:
        with path.open("rb") as stream:
            stream.seek(starts[first])
            text = stream.read(int(starts[last] - starts[first]))
        try:
            values = np.array(text.split(), np.float64).reshape(last - first, columns)
        except ValueError:
            raise FormatError(
                f"rows {first + 1} to {last} do not hold {columns} numbers each", path=path
            ) from None
        nodata = head.get("nodata_value", -9999.0)
        return np.where(values == nodata, np.nan, values)

    return [
        Layer(
            path.stem,
            "",
            path,
            south + step * np.arange(rows - 1, -1, -1, dtype=np.float64),
            west + step * np.arange(columns, dtype=np.float64),
            read,
            np.empty(0, "datetime64[s]"),
            np.empty(0),
        )
    ]
