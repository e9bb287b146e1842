"""Random textures: clouds of several sizes, grains, cells and meanders.

Sand, rock, paper, skin and coral all come from a few fields of noise. Coarse noise is a small
random array made larger, which is quicker than any Perlin noise in numpy and as smooth. Meanders
are noise of one wavelength, cut at a level, as in Turing's model of growth (1952,
doi:10.1098/rstb.1952.0012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["blur", "cells", "clouds", "enlarge", "grain", "one_wavelength"]

Floats = NDArray[np.float32]


def enlarge(small: Floats, height: int, width: int) -> Floats:
    """Return a plane of another size, by cubic interpolation."""
    picture = Image.fromarray(np.ascontiguousarray(small, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def clouds(
    rng: np.random.Generator, height: int, width: int, cells_across: float, octaves: int = 3
) -> Floats:
    """Return smooth noise of mean 0 and a spread of about 1, with that many lumps across."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        count = cells_across * 2**octave
        rows = int(np.clip(np.ceil(count * height / width), 2, height)) + 2
        columns = int(np.clip(np.ceil(count), 2, width)) + 2
        small = rng.standard_normal((rows, columns), dtype=np.float32)
        total += enlarge(small, height, width) * np.float32(0.55**octave)
    return total


def grain(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Return noise that differs from pixel to pixel, mean 0 and spread 1."""
    return rng.standard_normal((height, width), dtype=np.float32)


def blur(plane: Floats, radius: float) -> Floats:
    """Return a plane of values from 0 to 1, blurred; eight bits are enough where it is soft."""
    if radius < 0.05:
        return plane
    bytes_ = (np.clip(plane, 0, 1) * 255 + 0.5).astype(np.uint8)
    blurred = Image.fromarray(bytes_).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, dtype=np.float32) / np.float32(255)


def cells(
    rng: np.random.Generator, height: int, width: int, pitch: float, jitter: float = 0.35
) -> tuple[Floats, Floats]:
    """Return for each pixel how near the centre of its cell is, and a number of that cell.

    The centres stand on a shaken hexagonal grid. The first plane is 0 at a centre and about 1
    where cells meet; the second is uniform from 0 to 1, one value a cell.
    """
    pitch = max(pitch, 2.0)
    rows, columns = int(height / (pitch * 0.866)) + 4, int(width / pitch) + 4
    shake = rng.uniform(-jitter, jitter, (2, rows, columns)).astype(np.float32)
    value = rng.random((rows, columns), dtype=np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y = y / np.float32(pitch * 0.866) + 1
    x = x / np.float32(pitch) + 1
    row, best = np.floor(y).astype(np.int32), np.full((height, width), 9, np.float32)
    owner = np.zeros((height, width), np.float32)
    for step in (0, 1):
        near_row = row + step
        shifted = x - np.float32(0.5) * (near_row & 1)
        column = np.floor(shifted).astype(np.int32)
        for aside in (0, 1):
            near = column + aside
            dy = (y - near_row - shake[0, near_row, near]) * np.float32(0.866)
            dx = shifted - near - shake[1, near_row, near]
            distance = dx * dx + dy * dy
            closer = distance < best
            best = np.where(closer, distance, best)
            owner = np.where(closer, value[near_row, near], owner)
    return np.minimum(np.sqrt(best) * np.float32(1.75), 1.4), owner


def one_wavelength(
    rng: np.random.Generator, height: int, width: int, wavelength: float, stretch: float = 1.0
) -> Floats:
    """Return noise of a single wavelength in pixels, spread about 1: ridges of equal width."""
    side = 128
    frequency = min(max(height, width) / max(wavelength, 3.0), 52.0)
    ky = np.fft.fftfreq(side).astype(np.float32)[:, None] * side
    kx = np.fft.rfftfreq(side).astype(np.float32)[None] * side
    ring = np.exp(-(((np.hypot(ky * stretch, kx) - frequency) / (0.16 * frequency + 0.5)) ** 2))
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * ring
    plane = np.fft.irfft2(spectrum, (side, side)).astype(np.float32)
    plane /= plane.std() + 1e-9
    return enlarge(plane, max(height, width), max(height, width))[:height, :width]
