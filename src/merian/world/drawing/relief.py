"""Relief: pits, cups, furrows and rings on a surface, as a change of its normals.

Corals, sponges and shells live from it. The height is a plane of noise in the picture; its slope
tilts the normals (Blinn 1978, doi:10.1145/965139.507101), and low or high places take another
colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.noise import cells, clouds, one_wavelength

__all__ = ["Relief", "add_relief"]

Floats = NDArray[np.float32]
Normal = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Relief:
    """What is carved into a surface.

    Attributes:
        kind: "cups" (corallites), "pits" (pores), "meander" (brain coral), "bumps", "rough".
        size: Distance of neighbours, in body lengths.
        strength: How steep it is.
        stain: How strongly the low (cups, pits, meander) or high places are coloured.
        colour: Of the stain, times the local brightness.
        order: 0 is a regular arrangement, 0.5 a random one.
        swell: Strength of hills and dales, a third of the body wide.
    """

    kind: str
    size: float
    strength: float = 0.8
    stain: float = 0.5
    colour: tuple[float, float, float] = (0.5, 0.45, 0.4)
    order: float = 0.3
    swell: float = 0.0


def add_relief(
    relief: Relief, normal: Normal, scale: float, rng: np.random.Generator
) -> tuple[Normal, Floats]:
    """Return the normals of the carved surface, and how much of the stain each pixel takes."""
    height, width = normal[2].shape
    size = max(relief.size * scale, 2.5)
    if relief.kind in ("cups", "pits"):
        near, value = cells(rng, height, width, size, relief.order)
        if relief.kind == "cups":
            level = np.exp(-(((near - 0.55) / 0.24) ** 2)) + 0.15 * value
            stain = np.clip(1.4 - near * 2.4, 0, 1)
        else:
            hole = np.clip((0.35 + 0.3 * value - near) * 4, 0, 1)
            level, stain = -hole, hole
    elif relief.kind == "meander":
        wave = one_wavelength(rng, height, width, size)
        level = np.clip(wave * 1.4, -1, 1)
        stain = np.clip(0.3 - wave, 0, 1)
    else:
        level = clouds(rng, height, width, width / size, 2 if relief.kind == "bumps" else 3)
        level = np.clip(level, -2, 2) * np.float32(0.5)
        stain = np.clip(level, 0, 1)
    slope_y, slope_x = np.gradient(level.astype(np.float32))
    steep = np.float32(relief.strength * size * 0.28)
    # Planes have y down, as the picture; a part's own frame may be turned, which no eye can tell.
    x, y = normal[0] - slope_x * steep, normal[1] - slope_y * steep
    if relief.swell:
        wide = 0.3 * scale
        hills = clouds(rng, height, width, width / wide, 2)
        down, right = np.gradient(hills)
        x = x - right * np.float32(relief.swell * wide * 0.28)
        y = y - down * np.float32(relief.swell * wide * 0.28)
    z = normal[2]
    length = np.sqrt(x * x + y * y + z * z)
    return (x / length, y / length, z / length), (stain * np.float32(relief.stain)).astype(
        np.float32
    )
