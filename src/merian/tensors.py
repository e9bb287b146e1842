"""Arrays in one file that opens at once: safetensors, written piece by piece and mapped.

The format is eight bytes with the length of a JSON header, the header, and the arrays one after
the other. Its own library holds all that it writes in memory and copies all that it reads, which
will not do for a library of a million barcodes. Arrays of wide numbers stand first, so that each
begins at a multiple of its width.

Reference: https://huggingface.co/docs/safetensors (the format)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.files import existing

__all__ = ["map_tensors", "write_tensors"]

_TYPES = {
    "U8": np.uint8, "I8": np.int8, "I16": np.int16, "U16": np.uint16, "I32": np.int32,
    "U32": np.uint32, "I64": np.int64, "U64": np.uint64, "F16": np.float16, "F32": np.float32,
    "F64": np.float64,
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_BLOCK = 1 << 24  # bytes written at a time; a mapped array is never whole in memory
_SMALLEST, _WIDTH = 2, 8  # bytes: a header of "{}", its length


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: str) -> None:
    """Write arrays to a file: the same bytes for the same arrays.

    Args:
        path: The file. It is written in place, so write into a folder that is not there yet.
        arrays: By name; they may be mapped from other files.
        metadata: What the file is, and in which version.
    """
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": metadata}}
    place = 0
    for name in names:
        array = arrays[name]
        stop = place + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, stop],
        }
        place = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _WIDTH)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(_WIDTH, "little"))
        stream.write(text)
        for name in names:
            flat = np.ascontiguousarray(arrays[name]).reshape(-1)
            step = _BLOCK // flat.dtype.itemsize
            for first in range(0, len(flat), step):
                stream.write(flat[first : first + step].data.cast("B"))


def map_tensors(path: Path | str) -> dict[str, NDArray[Any]]:
    """Map the arrays of a file: they are read when they are used, and cannot be changed."""
    path = existing(path, "file")
    if path.stat().st_size < _WIDTH + _SMALLEST:
        raise FormatError("not a complete safetensors file (it is cut off)", path=path)
    data = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    try:
        length = int(data[:_WIDTH].view(np.uint64)[0])
        header = json.loads(data[_WIDTH : _WIDTH + length].tobytes())
        header.pop("__metadata__", None)
        found = {}
        for name, entry in header.items():
            begin, stop = entry["data_offsets"]
            kind = np.dtype(_TYPES[entry["dtype"]])
            if stop - begin != math.prod(entry["shape"]) * kind.itemsize:
                raise ValueError(f"{name} has another size than it should")
            piece = data[_WIDTH + length + begin : _WIDTH + length + stop]
            found[name] = piece.view(kind).reshape(entry["shape"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise FormatError(f"not a complete safetensors file ({error})", path=path) from None
    return found
