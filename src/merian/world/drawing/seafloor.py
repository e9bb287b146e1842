"""The sea floor as a diver's camera sees it: sand, rubble and rock, algae, a frame, and water.

Red light is gone after a few metres and what floats in the water throws back blue-green: colours
are weakened and a veil is added, both by distance (Jaffe 1990, doi:10.1109/48.50695, made simple).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.noise import blur, cells, clouds, grain
from merian.world.drawing.scenery import blend, common, stroke

__all__ = ["ALGAE", "GROUNDS", "Frame", "add_algae", "add_frame", "floor", "under_water"]

Floats = NDArray[np.float32]

GROUNDS = ("sand", "rubble", "rock")
ALGAE = ("turf", "crust", "fronds")
_SAND, _RUBBLE, _ROCK = range(3)


@dataclass(frozen=True)
class Frame:
    """A square of pipe laid on the floor.

    Attributes:
        x: Of its centre, pixels.
        y: Of its centre, pixels.
        half: Half of its inner side, pixels.
        angle: Radians.
        pipe: Radius of the pipe, pixels.
    """

    x: float
    y: float
    half: float
    angle: float
    pipe: float

    def outside(self, height: int, width: int) -> tuple[Floats, Floats, Floats]:
        """Return each pixel's distance from the inner edge, outwards, and its own coordinates."""
        x = np.arange(width, dtype=np.float32)[None] - np.float32(self.x)
        y = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.y)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u, v = cos * x + sin * y, cos * y - sin * x
        return np.maximum(np.abs(u), np.abs(v)) - np.float32(self.half), u, v


def floor(
    height: int, width: int, px_per_mm: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.uint8]]:
    """Return the colours of the bare floor and for each pixel its ground, as in GROUNDS."""
    hardness = clouds(rng, height, width, 2.2, 4) + 0.16 * clouds(rng, height, width, 40, 3)
    level = rng.normal(-0.3, 1.1)
    ground = np.full((height, width), _RUBBLE, np.uint8)
    fringe = rng.uniform(0.05, 0.7)
    ground[hardness < level - fringe] = _SAND
    ground[hardness > level + fringe] = _ROCK
    hills = clouds(rng, height, width, 5, 5)
    image = np.zeros((height, width, 3), np.float32)
    for number, paint in enumerate(_GROUND_PAINTERS):
        here = ground == number
        if here.any():
            soft = blur(here.astype(np.float32), 0.8 * px_per_mm)
            blend(image, 0, 0, paint(height, width, px_per_mm, hills, rng), _fill(soft, image))
    return image, ground


def _fill(weight: Floats, image: Floats) -> Floats:
    """Return the weight, or 1 where nothing has been painted."""
    return np.where(image.sum(axis=2) == 0, np.float32(1), weight).astype(np.float32)


def _tone(plane: Floats, red: float, green: float, blue: float) -> Floats:
    return plane[..., None] * np.array([red, green, blue], np.float32)


def _sand(
    height: int, width: int, px_per_mm: float, hills: Floats, rng: np.random.Generator
) -> Floats:
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    angle, wave = rng.uniform(0, np.pi), px_per_mm * rng.uniform(45, 90)
    along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    bent = along / np.float32(wave) + 0.5 * clouds(rng, height, width, 3, 2)
    ripple = np.sin(2 * np.pi * bent + 0.5 * np.sin(2 * np.pi * bent)).astype(np.float32)
    plane = 0.62 + np.float32(rng.uniform(0.01, 0.06)) * ripple + 0.02 * hills
    speck = grain(rng, height, width)
    plane += 0.035 * speck + 0.10 * (speck > 2.6) - 0.16 * (speck < -2.7)
    return _tone(plane.astype(np.float32), 1.05, 0.98, 0.83)


def _rubble(
    height: int, width: int, px_per_mm: float, hills: Floats, rng: np.random.Generator
) -> Floats:
    plane = np.full((height, width), 0.34, np.float32)
    rose = np.zeros_like(plane)
    for pitch in (9.0, 22.0):  # mm; the larger pieces lie on the smaller
        near, value = cells(rng, height, width, pitch * px_per_mm, 0.45)
        slope = np.gradient(near)
        lit = (slope[0] + 0.8 * slope[1]) * np.float32(0.30 * pitch * px_per_mm)
        piece = np.clip((0.78 + 0.2 * value - near) * 7, 0, 1)
        if pitch > 9:
            piece *= value > 0.55
        tone = 0.36 + 0.32 * (value * 7 % 1) + 0.16 * np.clip(lit, -1, 1)
        plane += (tone - plane) * piece
        rose += ((value * 13 % 1 > 0.8) - rose) * piece
    plane += 0.03 * hills + 0.03 * grain(rng, height, width)
    colour = _tone(plane, 1.03, 0.97, 0.87)
    colour += rose[..., None] * np.array([0.06, -0.03, 0.0], np.float32)
    return colour


def _rock(
    height: int, width: int, px_per_mm: float, hills: Floats, rng: np.random.Generator
) -> Floats:
    rough = clouds(rng, height, width, width / (25 * px_per_mm), 4)
    slope = np.gradient(blur(np.clip(0.5 + 0.08 * (2 * hills + rough), 0, 1), 1.2))
    relief = np.clip((slope[0] + 0.8 * slope[1]) * np.float32(22), -1, 1)
    plane = 0.34 + 0.035 * hills + 0.17 * relief + 0.02 * rough
    plane = plane + 0.02 * grain(rng, height, width)
    colour = _tone(plane.astype(np.float32), 1.0, 0.93, 0.80)
    film = np.clip(clouds(rng, height, width, 7, 3) * 0.5, 0, 1)[..., None]
    colour *= 1 + film * np.array([-0.25, -0.05, -0.3], np.float32)
    return colour


_Painter = Callable[[int, int, float, Floats, np.random.Generator], Floats]
_GROUND_PAINTERS: tuple[_Painter, ...] = (_sand, _rubble, _rock)


def add_algae(
    image: Floats, ground: NDArray[np.uint8], px_per_mm: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Let algae grow on a floor in place; return 0 or 1 + their number in ALGAE."""
    height, width = ground.shape
    found = np.zeros((height, width), np.uint8)
    hard = ground != _SAND
    for number, amount in ((0, rng.normal(0.5, 0.8)), (1, rng.normal(0.9, 0.6))):
        field = clouds(rng, height, width, (6, 11)[number], 4)
        field = field + 0.25 * (ground == _ROCK) + 0.15 * clouds(rng, height, width, 60, 2)
        here = hard & (field > amount)
        fine, lumps = grain(rng, height, width), clouds(rng, height, width, 30, 2)
        if number == 0:
            fuzz = blur(np.clip(0.5 + 0.25 * fine, 0, 1), 0.7)
            tone = _tone(0.15 + 0.9 * (fuzz - 0.35), 0.95, 1.0, 0.5)
        else:
            rim = np.clip((field - amount) * 2.5, 0, 1)
            tone = _tone(
                (0.56 - 0.08 * rim + 0.02 * fine + 0.05 * lumps).astype(np.float32),
                1.02,
                0.66,
                0.78,
            )
        cover = blur(here.astype(np.float32), 0.5 * px_per_mm)
        blend(image, 0, 0, tone, cover * np.float32((0.85, 0.8)[number]))
        found[cover > 0.5] = number + 1
    for _ in range(int(rng.poisson(2.2))):
        _fronds(image, found, hard, px_per_mm, rng)
    return found


def _fronds(
    image: Floats,
    found: NDArray[np.uint8],
    hard: NDArray[np.bool_],
    px_per_mm: float,
    rng: np.random.Generator,
) -> None:
    """Paint a tuft of blades, the outer ones first, if the ground holds it."""
    height, width = hard.shape
    at = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    if not hard[int(at[1]), int(at[0])]:
        return
    kelp = rng.random() < 0.6
    tone = np.array((0.34, 0.25, 0.09) if kelp else (0.22, 0.40, 0.12), np.float32)
    size = px_per_mm * rng.uniform(25, 80)
    blades = int(rng.integers(25, 60))
    for blade in range(blades):
        length = size * (1.1 - 0.8 * blade / blades) * rng.uniform(0.7, 1.2)
        angle, turn = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5)
        steps = np.linspace(0, 1, 12)
        way = angle + turn * steps
        spine = at + np.cumsum(np.column_stack([np.cos(way), np.sin(way)]), axis=0) * length / 12
        half = length * rng.uniform(0.05, 0.11) * np.sin(np.pi * np.clip(steps, 0.04, 0.97)) ** 0.7
        half = half * (1 + 0.2 * np.sin(steps * 25 + angle))
        side = np.column_stack([-np.sin(way), np.cos(way)]) * half[:, None]
        outline = np.concatenate([spine + side, (spine - side)[::-1]])
        top, left, cover = stroke(outline + 2, 1, filled=True)
        blend(image, top, left, np.zeros(3, np.float32), cover * np.float32(0.3))
        top, left, cover = stroke(outline, 1, filled=True)
        lit = np.float32(0.75 + 0.35 * np.sin(angle + 2.3) * 0.6 + rng.uniform(-0.15, 0.25))
        blend(image, top, left, tone * lit, cover * np.float32(0.95))
        here, part = common(found.shape, top, left, cover.shape)
        found[here][cover[part] > 0.5] = 1 + ALGAE.index("fronds")
        top, left, cover = stroke(spine, max(0.35 * px_per_mm, 0.6))
        blend(image, top, left, tone * lit * np.float32(0.6), cover * np.float32(0.6))


def add_frame(image: Floats, frame: Frame, px_per_mm: float) -> None:
    """Paint the frame, its shadow and a dark band every 5 cm, in place."""
    height, width = image.shape[:2]
    outside, u, v = frame.outside(height, width)
    shift = round(0.6 * frame.pipe)
    pipe = np.float32(frame.pipe)
    middle = np.abs(outside - pipe)
    shadow = blur(np.clip(pipe + 0.5 - middle, 0, 1), 0.35 * frame.pipe)
    blend(image, shift, round(0.7 * shift), np.zeros(3, np.float32), shadow * np.float32(0.55))
    lean = np.clip((outside - pipe) / pipe, -1, 1)
    upright = np.abs(u) > np.abs(v)
    side = np.where(upright, np.sign(u), np.sign(v)) * lean
    bright = 0.72 + 0.28 * np.sqrt(1 - 0.96 * lean**2) - 0.24 * side
    along = np.where(upright, v, u) / np.float32(50 * px_per_mm)
    band = np.abs(along - np.round(along)) * 50 < 2.2
    tone = bright * np.where(band & (np.abs(lean) < 1), np.float32(0.25), np.float32(0.92))
    colour = _tone(tone.astype(np.float32), 1.0, 1.0, 0.97)
    blend(image, 0, 0, colour, np.clip(pipe + 0.5 - middle, 0, 1))


def under_water(image: Floats, level: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photograph: light from a lamp or from above, lost colours, a veil, noise."""
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    lamp = rng.uniform(-0.4, 0.4, size=2)
    far = (x - lamp[0]) ** 2 + (y - lamp[1]) ** 2
    light = 1.12 - np.float32((0.08, 0.18, 0.30)[level - 1]) * far
    light += clouds(rng, height, width, 4, 2) * np.float32(0.015 * level)
    metres = np.float32((0.5, 1.8, 3.4)[level - 1] * rng.uniform(0.5, 1.4))
    lost = np.array([0.23, 0.05, 0.04], np.float32)
    veil = np.array((0.03, 0.27, 0.30) if rng.random() < 0.5 else (0.05, 0.20, 0.34), np.float32)
    thick = np.float32(1 - np.exp(-0.10 * metres)) * (0.8 + 0.3 * far)
    seen = image * light[..., None] * np.exp(-lost * metres)
    seen += (veil - seen) * np.clip(thick, 0, 0.8)[..., None]
    if level == 3:
        seen = np.stack([blur(np.clip(seen[..., i], 0, 1), 0.7) for i in range(3)], axis=-1)
    for _ in range((0, 15, 60)[level - 1]):  # snow
        at = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        turn = np.linspace(0, 2 * np.pi, 9)
        radius = rng.uniform(0.6, 2.6)
        dot = at + radius * np.column_stack([np.cos(turn), np.sin(turn)])
        top, left, cover = stroke(dot, 1, filled=True)
        bright = np.array([0.75, 0.85, 0.85], np.float32)
        blend(seen, top, left, bright, cover * np.float32(rng.uniform(0.1, 0.5)))
    seen += grain(rng, height, width)[..., None] * np.float32(0.006 * level)
    # A camera lifts what the water darkened.
    seen *= np.float32(0.5 / max(float(seen[::8, ::8].mean()), 0.25)) ** np.float32(0.7)
    bytes_: NDArray[np.uint8] = (np.clip(seen, 0, 1) * 255 + 0.5).astype(np.uint8)
    return bytes_
