"""Scale bars and rulers, exact to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_bar", "draw_ruler", "nice_length", "ruler_width"]

Floats = NDArray[np.float32]

_STEPS = (1.0, 2.0, 5.0)


def nice_length(longest_mm: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... that is not longer."""
    power = 10.0 ** np.floor(np.log10(longest_mm))
    return float(max(step for step in _STEPS if step * power <= longest_mm * (1 + 1e-9)) * power)


def ruler_width(size: int) -> int:
    """Return the width of a ruler in pixels."""
    return round(0.13 * size)


def draw_bar(
    picture: Floats,
    taken: NDArray[np.bool_],
    px_per_mm: float,
    rng: np.random.Generator,
) -> float:
    """Draw a bar and its label into a free corner, in place; return its length in mm, or 0."""
    size = picture.shape[0]
    length_mm = nice_length(rng.uniform(0.16, 0.32) * size / px_per_mm)
    length = length_mm * px_per_mm
    if length < 0.06 * size:
        return 0.0
    label = _label(_words(length_mm, rng), round(0.055 * size))
    thick = max(2, round(0.012 * size))
    gap = max(2, round(0.01 * size))
    height, width = label.shape[0] + gap + thick, int(np.ceil(max(length, label.shape[1]))) + 1
    rim = round(0.03 * size)
    for corner in rng.permutation(4):
        top = rim if corner < 2 else size - rim - height
        left = rim if corner % 2 else size - rim - width
        area = slice(max(top - 2, 0), top + height + 2), slice(max(left - 2, 0), left + width + 2)
        if not taken[area].any():
            shade = 0.0 if float(picture[area].mean()) > 0.45 else 1.0
            middle = left + (width - length) / 2
            _fill(picture, (middle, middle + length), (top, top + thick), shade)
            across = left + (width - label.shape[1]) // 2
            _ink(picture, label, top + thick + gap, across, shade)
            return length_mm
    return 0.0


def draw_ruler(picture: Floats, edge: int, px_per_mm: float, rng: np.random.Generator) -> float:
    """Lay a ruler along an edge (0 bottom, 1 left, 2 top, 3 right), in place.

    Returns:
        The distance of two long ticks in mm.
    """
    # The view has the edge as its last rows.
    view = picture if edge % 2 == 0 else picture.transpose(1, 0, 2)
    view = view[::-1] if edge in (1, 2) else view
    size, width = picture.shape[0], ruler_width(picture.shape[0])
    strip = view[-width:]
    strip *= np.float32(0.08)
    tone = np.float32(rng.uniform(0.78, 0.95))
    strip += tone * np.array([1.0, 0.99, rng.uniform(0.8, 1.0)], np.float32)
    view[-width - 1] *= np.float32(0.6)
    major = nice_length(0.3 * size / px_per_mm)
    minor = major / 10
    if minor * px_per_mm < 4:
        minor = major / 5
    first = rng.uniform(-1, 0) * major
    steps = round(major / minor)
    for tick in range(int((size / px_per_mm - first) / minor) + 1):
        place = (first + tick * minor) * px_per_mm
        reach = 0.62 if tick % steps == 0 else 0.45 if 2 * tick % steps == 0 else 0.3
        half = max(0.5, 0.0025 * size) * (1.3 if tick % steps == 0 else 1.0)
        _fill(view, (place - half, place + half), (size - width, size - width * (1 - reach)), 0.06)
    return major


def _words(length_mm: float, rng: np.random.Generator) -> str:
    if length_mm >= 10 and rng.random() < 0.6:
        return f"{length_mm / 10:g} cm"
    return f"{length_mm:g} mm"


def _label(text: str, size: int) -> Floats:
    """Return the ink of a text."""
    font = ImageFont.load_default(max(size, 8))
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), text, 255, font)
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def _fill(
    picture: Floats, across: tuple[float, float], down: tuple[float, float], shade: float
) -> None:
    """Fill a rectangle whose sides may lie within pixels; pixel i reaches from i-0.5 to i+0.5."""
    height, width = picture.shape[:2]
    left, right = max(int(across[0]) - 1, 0), min(int(across[1]) + 3, width)
    top, bottom = max(int(down[0]) - 1, 0), min(int(down[1]) + 3, height)
    if left >= right or top >= bottom:
        return
    x, y = np.arange(left, right), np.arange(top, bottom)
    wide = np.minimum(x + 0.5, across[1]) - np.maximum(x - 0.5, across[0])
    high = np.minimum(y + 0.5, down[1]) - np.maximum(y - 0.5, down[0])
    ink = np.outer(np.clip(high, 0, 1), np.clip(wide, 0, 1)).astype(np.float32)[..., None]
    area = picture[top:bottom, left:right]
    area += ink * (np.float32(shade) - area)


def _ink(picture: Floats, ink: Floats, top: int, left: int, shade: float) -> None:
    area = picture[max(top, 0) : top + ink.shape[0], max(left, 0) : left + ink.shape[1]]
    part = ink[: area.shape[0], : area.shape[1], None]
    area += part * (np.float32(shade) - area)
