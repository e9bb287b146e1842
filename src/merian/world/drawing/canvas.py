"""A canvas of colour, opacity and cover, and how shapes are painted on it without jagged edges.

Opacity is how much of the background is hidden; cover is where the body is, be it as clear as
glass. Both follow from signed distances, so that edges are smooth without drawing at a larger
size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.noise import clouds, grain
from merian.world.drawing.shading import Light

__all__ = ["Canvas", "Frame", "blank"]

Floats = NDArray[np.float32]
Box = tuple[slice, slice]


@dataclass(frozen=True)
class Frame:
    """How a body's own plane (x to the right, y up, in body lengths) falls on the pixels.

    Attributes:
        matrix: 2 x 2, from body lengths to pixels.
        origin: The pixel of the body's origin: x, y.
        scale: Pixels of a body length before tilt.
    """

    matrix: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: float

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pixels of points[n, 2]."""
        pixels: NDArray[np.float64] = np.asarray(points) @ self.matrix.T + self.origin
        return pixels


@dataclass(frozen=True)
class Canvas:
    """Planes that parts are painted on, in place.

    Attributes:
        rgb: Colour times opacity.
        alpha: Opacity.
        cover: Where the body is.
        mottle: Fine noise for skins.
        light: That falls on all parts.
    """

    rgb: Floats
    alpha: Floats
    cover: Floats
    mottle: Floats
    light: Light

    def box(self, points: NDArray[np.float64], margin: float) -> Box | None:
        """Return the part of the canvas that holds points and a margin, or None."""
        height, width = self.alpha.shape
        low = np.floor(points.min(axis=0) - margin).astype(int)
        high = np.ceil(points.max(axis=0) + margin).astype(int) + 1
        left, right = max(low[0], 0), min(high[0], width)
        top, bottom = max(low[1], 0), min(high[1], height)
        if left >= right or top >= bottom:
            return None
        return slice(top, bottom), slice(left, right)

    def grid(self, box: Box) -> tuple[Floats, Floats]:
        """Return x[1, w] and y[h, 1] of the centres of the pixels in a box."""
        x = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None]
        y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
        return x, y

    def darken(self, box: Box, strength: Floats) -> None:
        """Let less light onto what is already there."""
        self.rgb[box] *= (1 - strength)[..., None]

    def lay(self, box: Box, colour: Floats, opacity: Floats, cover: Floats) -> None:
        """Paint over what is there."""
        rgb, alpha, body = self.rgb[box], self.alpha[box], self.cover[box]
        rest = 1 - opacity
        rgb *= rest[..., None]
        rgb += colour * opacity[..., None]
        alpha *= rest
        alpha += opacity
        np.maximum(body, cover, out=body)


def blank(height: int, width: int, light: Light, rng: np.random.Generator) -> Canvas:
    """Return an empty canvas."""
    mottle = clouds(rng, height, width, 40, 2) * np.float32(0.6)
    mottle += grain(rng, height, width) * np.float32(0.5)
    return Canvas(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros((height, width), np.float32),
        mottle,
        light,
    )
