"""What lies behind and around a body: card, paper, foam, lit water, sand and rock, and dirt.

Level 1 is a clean table in a studio, 3 a tray in the field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.canvas import Canvas, Frame
from merian.world.drawing.noise import cells, clouds, grain, one_wavelength
from merian.world.drawing.shading import Material, hsl
from merian.world.drawing.shapes import Disc, Figure, Part, Strokes, paint

__all__ = ["background", "debris", "is_dark"]

Floats = NDArray[np.float32]

# Of each body plan: backgrounds and how often they are used.
_SORTS = (
    (("card", 0.4), ("paper", 0.25), ("foam", 0.2), ("grey", 0.15)),
    (("dark", 0.45), ("bright", 0.55)),
    (("sand", 0.35), ("rock", 0.2), ("water", 0.25), ("card", 0.2)),
)


def background(
    plan: int, rng: np.random.Generator, size: int, level: int, instrument: int
) -> tuple[Floats, str]:
    """Return a background, float32[size, size, 3] from 0 to 1, and its name.

    An instrument prefers one sort: three out of four of its pictures have it.
    """
    sorts = [name for name, _ in _SORTS[plan]]
    share = np.array([weight for _, weight in _SORTS[plan]])
    sort = str(rng.choice(sorts, p=share / share.sum()))
    if rng.random() < 0.75:
        sort = sorts[instrument % len(sorts)]
    if level == 1 and plan == 2:
        sort = "card" if rng.random() < 0.6 else "water"
    make = {"card": _card, "grey": _card, "paper": _paper, "foam": _foam, "dark": _dark,
            "bright": _bright, "sand": _sand, "rock": _rock, "water": _water}[sort]  # fmt: skip
    plane = make(rng, size, level)
    if sort == "grey":
        plane = plane * np.float32(rng.uniform(0.45, 0.65))
    return np.clip(plane, 0, 1), sort


def is_dark(sort: str) -> bool:
    """Return whether bodies glow on such a background."""
    return sort == "dark"


def _ramp(rng: np.random.Generator, size: int, strength: float) -> Floats:
    """Return light that falls off to one side, about 1."""
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.linspace(-1, 1, size, dtype=np.float32)
    across = np.float32(np.cos(angle)) * steps[None] + np.float32(np.sin(angle)) * steps[:, None]
    return 1 + np.float32(strength) * across


def _tinted(plane: Floats, colour: tuple[float, float, float]) -> Floats:
    return plane[..., None] * np.array(colour, np.float32)


def _card(rng: np.random.Generator, size: int, level: int) -> Floats:
    plane = _ramp(rng, size, 0.03 * level) * np.float32(rng.uniform(0.78, 0.94))
    plane += clouds(rng, size, size, 4, 2) * np.float32(0.004 * level)
    plane += grain(rng, size, size) * np.float32(0.004)
    warm = rng.normal(0, 0.012)
    return _tinted(plane, (1 + warm, 1.0, 1 - warm))


def _paper(rng: np.random.Generator, size: int, level: int) -> Floats:
    plane = _ramp(rng, size, 0.04 * level) * np.float32(rng.uniform(0.78, 0.9))
    fibre = one_wavelength(rng, size, size, 5, 0.45)
    plane += fibre * np.float32(0.008 + 0.004 * level)
    plane += clouds(rng, size, size, 12, 3) * np.float32(0.008 * level)
    return _tinted(plane, (1.0, 0.97 + rng.normal(0, 0.01), 0.9 + rng.normal(0, 0.02)))


def _foam(rng: np.random.Generator, size: int, level: int) -> Floats:
    near, value = cells(rng, size, size, size / rng.uniform(30, 48), 0.45)
    plane = 0.9 - 0.07 * near**2 + 0.05 * (value - 0.5)
    plane = plane * _ramp(rng, size, 0.03 * level) * np.float32(rng.uniform(0.9, 1.0))
    return _tinted(plane, (1.0, 1.0, 0.985))


def _dark(rng: np.random.Generator, size: int, level: int) -> Floats:
    tone = np.float32(rng.uniform(0.02, 0.07))
    plane = tone + np.clip(clouds(rng, size, size, 2, 2), -1, 3) * np.float32(0.005 * level)
    return _tinted(plane, (0.85, 0.95, 1.1))


def _bright(rng: np.random.Generator, size: int, level: int) -> Floats:
    steps = np.linspace(-1, 1, size, dtype=np.float32)
    centre = rng.normal(0, 0.15 * level, 2)
    far = (steps[None] - np.float32(centre[0])) ** 2 + (steps[:, None] - np.float32(centre[1])) ** 2
    plane = np.float32(rng.uniform(0.8, 0.93)) - np.float32(0.025 * level) * far
    plane += clouds(rng, size, size, 5, 2) * np.float32(0.006 * level)
    warm = rng.normal(0.0, 0.02)
    return _tinted(plane, (1 + warm, 1.0, 0.99 - warm))


def _sand(rng: np.random.Generator, size: int, level: int) -> Floats:
    tone = rng.uniform(0.42, 0.78)
    hills = clouds(rng, size, size, 5, 4)
    slope = np.diff(hills, axis=1, append=hills[:, -1:]) * np.float32(0.9)
    speck = grain(rng, size, size)
    plane = tone + 0.08 * slope + 0.012 * hills + (0.02 + 0.012 * level) * speck
    plane = plane.astype(np.float32) * _ramp(rng, size, 0.06 * level)
    return _tinted(plane, (1.08 + rng.normal(0, 0.03), 1.0, 0.84 + rng.normal(0, 0.05)))


def _rock(rng: np.random.Generator, size: int, level: int) -> Floats:
    tone = np.float32(rng.uniform(0.2, 0.5))
    hills = clouds(rng, size, size, 3, 5)
    slope = np.gradient(hills)
    relief = -(slope[0] + slope[1]) * np.float32(1.1)
    green = np.clip(clouds(rng, size, size, 4, 3), 0, 2) * np.float32(0.015 * level)
    plane = tone + 0.07 * relief + 0.015 * hills
    picture = _tinted(plane.astype(np.float32), (1.0, 0.98, 0.97))
    picture[..., 1] += green
    picture[..., 0] += green * np.float32(0.3)
    return picture


def _water(rng: np.random.Generator, size: int, level: int) -> Floats:
    deep = np.linspace(1.08, 0.9, size, dtype=np.float32)[:, None]
    tone = hsl(rng.uniform(0.5, 0.6), rng.uniform(0.2, 0.45), rng.uniform(0.1, 0.55))
    return _tinted(deep * (1 + np.float32(0.015 * level) * clouds(rng, size, size, 3, 3)), tone)


def debris(
    canvas: Canvas, rng: np.random.Generator, level: int, *, dark: bool, amount: float = 1.0
) -> None:
    """Paint dust, fibres and crumbs, sized for the picture."""
    size = canvas.alpha.shape[0]
    frame = Frame(np.array([[size, 0.0], [0.0, size]]), np.zeros(2), float(size))
    count = rng.poisson(amount * (0, 3, 8, 24)[level])
    parts: list[Part] = []
    for _ in range(count):
        tone = rng.uniform(0.35, 0.8) if dark else rng.uniform(0.08, 0.6)
        colour = hsl(rng.uniform(0.03, 0.16), rng.uniform(0, 0.3), tone)
        opacity = rng.uniform(0.35, 0.95)
        material = Material(colour, gloss=0.1, opacity=opacity, texture=0.2, shadow=0.12)
        place = rng.uniform(0, 1, 2)
        if rng.random() < 0.3:
            parts.append(_fibre(rng, place, material, level))
        else:
            parts.append(_crumb(rng, place, material, level))
    if parts:
        paint(Figure(tuple(parts), {}), canvas, frame, rng)


def _crumb(
    rng: np.random.Generator, place: NDArray[np.float64], material: Material, level: int
) -> Disc:
    radius = np.exp(rng.normal(np.log(0.006 + 0.002 * level), 0.5))
    around = np.fft.irfft(rng.normal(0, 1, 5) + 1j * rng.normal(0, 1, 5), 24)
    ring = radius * np.clip(1 + 1.2 * around, 0.4, 1.8)
    return Disc((float(place[0]), float(place[1])), ring, material, 0.8)


def _fibre(
    rng: np.random.Generator, place: NDArray[np.float64], material: Material, level: int
) -> Strokes:
    turns = rng.normal(0, 0.35, 10).cumsum() + rng.uniform(0, 6.3)
    step = rng.uniform(0.008, 0.016 + 0.008 * level)
    path = place + np.cumsum(step * np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
    width = rng.uniform(0.001, 0.0028)
    return Strokes(
        np.column_stack([path[:-1], path[1:]]), np.full((9, 2), width), np.zeros((9, 2)), material
    )
