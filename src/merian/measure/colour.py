"""Colours of a mask: in sRGB as they are stored, and in CIELAB as they are seen.

Colours of a picture hang on its light and its camera. Where a chart of known colours lies in it,
what the camera made of each patch tells how to bring all colours back: in linear light, by a matrix
and an offset that fit the patches best. How far patches are off after that, in units of CIELAB, is
told with it.

References: IEC 61966-2-1 (sRGB); CIE 15:2004 (CIELAB, D65); Finlayson, Mackiewicz & Hurlbert,
Color correction using root-polynomial regression, IEEE Trans. Image Processing 24, 2015 (the linear
fit that they start from).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.files import existing, find_encoding, open_text

__all__ = [
    "ColourCalibration",
    "Patch",
    "calibrate_colours",
    "lab_of",
    "lab_roots",
    "linear",
    "of_white",
    "read_chart",
    "stored",
]

Floats = NDArray[np.float64]

_TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
_WHITE = _TO_XYZ.sum(axis=1)  # D65 by this matrix, so that grey has neither a* nor b*
_KNEE = 216 / 24389
_SLOPE = 24389 / 27
_LEAST = 6  # patches: four numbers a channel, and something left over
_CLIPPED = (2, 253)  # a patch beyond has lost what it was


@dataclass(frozen=True)
class Patch:
    """A patch of a chart: where it is in the picture, and what it is in sRGB, 0 to 255."""

    x: float
    y: float
    radius: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class ColourCalibration:
    """How to bring the colours of a picture back to what they are.

    Attributes:
        matrix: float64[4, 3]: linear red, green, blue and 1 to linear colours.
        residual: Root mean square of how far patches are off after it, as CIE76 differences.
        before: The same without it.
        patches: How many it stands on.
    """

    matrix: Floats
    residual: float
    before: float
    patches: int

    def applied(self, colours: Floats) -> Floats:
        """Return colours of sRGB, 0 to 255, as they would be in a true picture."""
        light = linear(colours)
        ones = np.ones((*light.shape[:-1], 1))
        fixed: Floats = np.concatenate([light, ones], axis=-1) @ self.matrix
        return stored(fixed)


def calibrate_colours(picture: NDArray[np.uint8], patches: list[Patch]) -> ColourCalibration:
    """Return how to bring the colours of a picture back, from the patches of a chart in it.

    Args:
        picture: uint8[h, w, 3].
        patches: Six at least that are neither too bright nor too dark for the camera.
    """
    seen, true = [], []
    height, width = picture.shape[:2]
    for number, patch in enumerate(patches, 1):
        left, right = int(patch.x - patch.radius), int(patch.x + patch.radius) + 1
        top, below = int(patch.y - patch.radius), int(patch.y + patch.radius) + 1
        if left < 0 or top < 0 or right > width or below > height or patch.radius < 1:
            raise InputError(
                f"patch {number} of the chart, at {patch.x:g}, {patch.y:g} with a radius of "
                f"{patch.radius:g}, is not within the picture of {width} x {height} pixels"
            )
        colour = np.median(picture[top:below, left:right].reshape(-1, 3), axis=0)
        if colour.min() >= _CLIPPED[0] and colour.max() <= _CLIPPED[1]:
            seen.append(colour)
            true.append(patch.colour)
    if len(seen) < _LEAST:
        raise InputError(
            f"{len(seen)} patches of the chart are neither too bright nor too dark; {_LEAST} or "
            "more are needed"
        )
    read, wanted = np.array(seen, np.float64), np.array(true, np.float64)
    design = np.column_stack([linear(read), np.ones(len(read))])
    matrix = np.linalg.lstsq(design, linear(wanted), rcond=None)[0].astype(np.float64)
    if np.linalg.matrix_rank(design) < 4:
        raise InputError(
            "the patches of the chart are of too few colours; greys alone do not tell what a "
            "camera makes of red, green and blue"
        )
    found = ColourCalibration(matrix, 0.0, 0.0, len(read))
    residual, before = (_apart(one, wanted) for one in (found.applied(read), read))
    return ColourCalibration(matrix, residual, before, len(read))


def read_chart(path: Path) -> tuple[Patch, ...]:
    """Read the patches of a chart: x, y, radius, red, green, blue, with these words above."""
    columns = ("x", "y", "radius", "red", "green", "blue")
    found = []
    with open_text(existing(path, "table"), find_encoding(path)) as stream:
        for line, row in enumerate(csv.DictReader(stream), 2):
            try:
                x, y, radius, *colour = (float(row[name]) for name in columns)
            except (KeyError, TypeError, ValueError):
                raise InputError(
                    f"{path}:{line}: expected numbers in the columns {', '.join(columns)}"
                ) from None
            if not all(0 <= value <= 255 for value in colour):
                raise InputError(f"{path}:{line}: colours are {colour}; 0 to 255 is expected")
            found.append(Patch(x, y, radius, (colour[0], colour[1], colour[2])))
    if not found:
        raise InputError(f"{path}: has no patch of a chart")
    return tuple(found)


def linear(colours: Floats) -> Floats:
    """Return colours of sRGB, 0 to 255, as shares of light."""
    share = np.clip(np.asarray(colours, np.float64) / 255, 0, 1)
    light: Floats = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return light


def stored(light: Floats) -> Floats:
    """Return shares of light as colours of sRGB, 0 to 255."""
    light = np.clip(light, 0, 1)
    share: Floats = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return 255 * share


def lab_of(colours: Floats) -> Floats:
    """Return colours of sRGB, 0 to 255, as L*, a* and b* under D65."""
    root = lab_roots(linear(colours) @ of_white())
    lab = np.empty_like(root)
    lab[..., 0] = 116 * root[..., 1] - 16
    lab[..., 1] = 500 * (root[..., 0] - root[..., 1])
    lab[..., 2] = 200 * (root[..., 1] - root[..., 2])
    return lab


def of_white() -> Floats:
    """Return what shares of red, green and blue light add to X, Y and Z over those of white."""
    shares: Floats = (_TO_XYZ / _WHITE[:, None]).T
    return shares


def lab_roots(xyz: Floats) -> Floats:
    """Return the roots of X, Y and Z over those of white of which L*, a* and b* are made."""
    roots: Floats = np.where(xyz > _KNEE, np.cbrt(xyz), (_SLOPE * xyz + 16) / 116)
    return roots


def _apart(one: Floats, other: Floats) -> float:
    return float(np.sqrt(((lab_of(one) - lab_of(other)) ** 2).sum(axis=1).mean()))
