"""One large photograph of a tray on two cores: how long `merian tray` takes, and how much memory.

It is put together from the floors of drawn trays: 8192 x 5464 pixels as JPEG; and a gigapixel, as a
scanner or a stitching program writes it, a TIFF in strips whose bodies are five times as large.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.child import on_cores, run_command

__all__ = ["LARGE", "gigapixel", "gigapixel_photograph", "large", "large_photograph"]

LARGE = (8_192, 5_464)
_GIGAPIXEL = (36_000, 28_000)
_DRAWN = (1_600, 1_200)  # of the trays that photographs are put together from
_TIMES = 5  # as large are bodies in a gigapixel
_STRIP = 100  # rows

Bytes = NDArray[np.uint8]
Figures = dict[str, dict[str, object]]


def large(finder: str, folder: Path | None) -> Figures:
    """Return what the verb takes for a photograph of 45 million pixels."""
    return _measured(finder, folder, LARGE, "large.jpg", large_photograph)


def gigapixel(finder: str, folder: Path | None) -> Figures:
    """Return what the verb takes for one of 1,008 million."""
    return _measured(finder, folder, _GIGAPIXEL, "gigapixel.tif", gigapixel_photograph)


def _measured(
    finder: str,
    folder: Path | None,
    size: tuple[int, int],
    name: str,
    make: Callable[[Path, Path, tuple[int, int]], None],
) -> Figures:
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        place = Path(made)
        make(place / name, folder or place / "drawn", size)
        with on_cores(2):
            child = run_command(
                sys.executable, "-m", "merian", "tray", str(place / name), "-o",
                str(place / "out"), "--finder", finder, "--json", "-q",
            )  # fmt: skip
        bodies = int(json.loads(child.output)["bodies"])
    pixels = size[0] * size[1]
    return {
        "wall": {"value": round(child.seconds, 1), "unit": "s, whole process", "n": pixels},
        "processor": {"value": round(child.cpu, 1), "unit": "s of all cores", "n": pixels},
        "peak memory": {"value": round(child.peak, 2), "unit": "GB", "n": pixels},
        "bodies": {"value": bodies, "unit": "bodies"},
    }


def large_photograph(path: Path, folder: Path, size: tuple[int, int] = LARGE) -> None:
    """Put a photograph together from the floors of drawn trays, and write it as JPEG."""
    whole = np.concatenate([_row(floors, size[0]) for floors in _rows(folder, size[1])])
    Image.fromarray(whole[: size[1]]).save(path, "JPEG", quality=92)


def gigapixel_photograph(path: Path, folder: Path, size: tuple[int, int] = _GIGAPIXEL) -> None:
    """Write a photograph of enlarged floors as a TIFF in strips, a strip at a time."""
    width, height = size
    count = -(-height // _STRIP)
    tags = (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, count, 0), (277, 3, 1, 3), (278, 4, 1, _STRIP), (279, 4, count, 0),
    )  # fmt: skip
    beyond = 8 + 2 + 12 * len(tags) + 4
    data = beyond + 6 + 8 * count
    many = [3 * width * (min(_STRIP * (n + 1), height) - _STRIP * n) for n in range(count)]
    at = [data + sum(many[:n]) for n in range(count)]
    places = {258: beyond, 273: beyond + 6, 279: beyond + 6 + 4 * count}
    with path.open("wb") as stream:
        stream.write(struct.pack("<2sHIH", b"II", 42, 8, len(tags)))
        for tag, kind, number, value in tags:
            stream.write(struct.pack("<HHII", tag, kind, number, places.get(tag, value)))
        stream.write(struct.pack("<I3H", 0, 8, 8, 8))
        stream.write(struct.pack(f"<{2 * count}I", *at, *many))
        left = height
        for floors in _rows(folder, -(-height // _TIMES)):
            row = _row(floors, -(-width // _TIMES))
            for some in np.split(row, range(_STRIP // _TIMES, len(row), _STRIP // _TIMES)):
                strip = some.repeat(_TIMES, 0).repeat(_TIMES, 1)[:left, :width]
                stream.write(np.ascontiguousarray(strip).tobytes())
                left -= len(strip)


def _rows(folder: Path, height: int) -> list[list[Bytes]]:
    """Return the floors of each row of a photograph, turned over where they meet."""
    from merian.bench.drawn_trays import ASKED, write_worlds  # noqa: PLC0415 - draws trays

    floors = []
    for coco in write_worlds(folder, ASKED[:4], size=_DRAWN):
        (file,) = sorted(coco.parent.glob("*.jpg"))
        with Image.open(file) as image:
            floors.append(np.asarray(image.convert("RGB"))[80:1_080, 80:1_520])
    high = floors[0].shape[0]
    return [
        [floors[(row + place) % len(floors)][:: -1 if row % 2 else 1] for place in range(4)]
        for row in range(-(-height // high))
    ]


def _row(floors: Sequence[Bytes], width: int) -> Bytes:
    """Return floors beside each other, turned over where they meet, so that the ground goes on."""
    wide = floors[0].shape[1]
    return np.concatenate(
        [floors[place % len(floors)][:, :: -1 if place % 2 else 1]
         for place in range(-(-width // wide))], axis=1,
    )[:, :width]  # fmt: skip
