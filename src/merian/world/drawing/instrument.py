"""The camera: six instruments with their own tint, sharpness, shading, noise and faults.

0 is a good stereo microscope, 1 an old one with warm light, 2 a telephone, 3 a line scanner,
4 a grey plankton camera (on other bodies: a faded colour camera), 5 a small, soft web camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from merian.world.drawing.noise import enlarge

__all__ = ["INSTRUMENTS", "expose"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Instrument:
    """What an instrument does to a picture.

    Attributes:
        tint: Of red, green, blue.
        softness: Blur in 1/256 of the picture.
        vignette: How much darker the corners are.
        noise: Spread of the brightness of a pixel.
        contrast: About the middle grey.
        colour: 1 keeps all colour, 0 none.
        stripes: Strength of the lines of a scanner.
        sharpen: Strength of the halo of a telephone.
        blocks: Colour is kept only for blocks of so many pixels, as in JPEG.
    """

    tint: tuple[float, float, float]
    softness: float
    vignette: float
    noise: float
    contrast: float
    colour: float
    stripes: float
    sharpen: float
    blocks: int


INSTRUMENTS = (
    _Instrument((1.0, 1.0, 1.0), 0.35, 0.05, 0.006, 1.02, 1.0, 0.0, 0.0, 1),
    _Instrument((1.05, 1.0, 0.88), 0.7, 0.14, 0.008, 0.96, 0.9, 0.0, 0.0, 1),
    _Instrument((0.98, 1.0, 1.05), 0.5, 0.10, 0.010, 1.1, 1.15, 0.0, 0.7, 2),
    _Instrument((1.0, 1.02, 0.98), 0.3, 0.0, 0.008, 1.05, 0.95, 0.009, 0.0, 1),
    _Instrument((1.0, 1.0, 1.02), 0.5, 0.08, 0.010, 1.08, 0.0, 0.006, 0.3, 1),
    _Instrument((1.02, 0.99, 0.97), 1.0, 0.12, 0.012, 0.96, 0.8, 0.0, 0.4, 4),
)

# At each level from 1: spread of exposure, of the colours' balance and of the focus in 1/256 of the
# picture, and how much of an instrument's faults shows.
_EXPOSURE = (0.0, 0.02, 0.035, 0.09)
_BALANCE = (0.0, 0.008, 0.015, 0.035)
_FOCUS = (0.0, 0.05, 0.16, 0.45)
_STRENGTH = (0.0, 0.5, 1.0, 1.5)


def expose(
    picture: Floats, plan: int, instrument: int, level: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return what the instrument makes of a scene, uint8[h, w, 3].

    Args:
        picture: The scene from 0 to 1.
        plan: The body plan; only plankton cameras are grey.
        instrument: 0 to 5.
        level: 1 to 3, how far the picture is from a studio's.
        rng: Draws noise, exposure, focus.
    """
    device = INSTRUMENTS[instrument % len(INSTRUMENTS)]
    height, width = picture.shape[:2]
    exposure = np.exp(rng.normal(0, _EXPOSURE[level]))
    tint = np.array(device.tint) * np.exp(rng.normal(0, _BALANCE[level], 3)) * exposure
    scene = picture * tint.astype(np.float32)
    strength = _STRENGTH[level]
    if device.vignette:
        x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        scene *= (1 - np.float32(device.vignette * strength) * 0.5 * (x + y))[..., None]
    scene = (scene - 0.5) * np.float32(device.contrast) + np.float32(0.5)
    grey = device.colour if plan == 1 or device.colour > 0 else 0.45
    if grey != 1:
        mean = scene.mean(axis=2, keepdims=True)
        scene = mean + np.float32(grey) * (scene - mean)
    scene = _resolve(scene, device, level, rng)
    if device.stripes:
        lines = rng.normal(0, device.stripes * strength, (1, width, 1)).astype(np.float32)
        scene = scene + lines
    speckle = rng.standard_normal((height, width), dtype=np.float32)
    scene = scene + (speckle * np.float32(device.noise * strength))[..., None]
    if device.blocks > 1:
        scene = _coarse_colour(scene, device.blocks)
    image: NDArray[np.uint8] = (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8)
    return image


def _resolve(scene: Floats, device: _Instrument, level: int, rng: np.random.Generator) -> Floats:
    """Blur by the lens and by bad focus, and sharpen as telephones do."""
    unit = scene.shape[0] / 256
    radius = unit * (device.softness + abs(rng.normal(0, _FOCUS[level])))
    bytes_ = (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(bytes_).filter(ImageFilter.GaussianBlur(radius))
    if device.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(1.5 * unit, int(120 * device.sharpen), 2))
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def _coarse_colour(scene: Floats, block: int) -> Floats:
    """Keep colour, but not brightness, for blocks only."""
    height, width = scene.shape[:2]
    mean = scene.mean(axis=2)
    result = np.empty_like(scene)
    for channel in range(3):
        tone = scene[..., channel] - mean
        small = Image.fromarray(tone).resize(
            (max(width // block, 1), max(height // block, 1)), Image.Resampling.BOX
        )
        result[..., channel] = mean + enlarge(np.asarray(small), height, width)
    return result
