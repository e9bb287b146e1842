"""Bodies cut out of a photograph, each a small picture of its own.

A crop holds the box of a body and some of the ground around it. Neighbours that reach into it are
left as they are: a crop is a part of the photograph, and its mask says which pixels are meant.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.tray.instances import Box
from merian.tray.photograph import Photograph

__all__ = ["CROPS", "crop_box", "crop_name", "safe", "write_crop"]

CROPS = "crops"
"""The folder of crops."""

_AROUND = 0.1  # of a body's longer side, around it
_QUALITY = 95


def crop_box(box: tuple[int, int, int, int], photograph: Photograph) -> Box:
    """Return what is cut out for a body in a box: left, top, width and height."""
    left, top, width, height = box
    around = round(_AROUND * max(width, height)) + 2
    return (
        max(left - around, 0), max(top - around, 0),
        min(left + width + around, photograph.width), min(top + height + around, photograph.height),
    )  # fmt: skip


def crop_name(number: int) -> str:
    """Return the name of a crop in the folder of its photograph."""
    return f"{number:05}.jpg"


def safe(number: int, name: str) -> str:
    """Return the name of a photograph as the name of a file or folder of its own."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(name).stem)[:80]
    return f"{number:05}_{stem}"


def write_crop(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a crop as JPEG; the folder around it appears only when it is complete."""
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, "JPEG", quality=_QUALITY)
