"""What lies beside the bodies in a bulk photograph: legs, wings, fibres, dirt, and a ruler.

All of it is drawn three times too large and made smaller, which smooths its edges. Debris has the
colours and sizes of broken-off parts, since that is what it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from merian.world.drawing.noise import blur

__all__ = ["add_debris", "add_ruler", "blend", "common", "stroke"]

Floats = NDArray[np.float32]

_FINER = 3
_KINDS = ("leg", "wing", "fibre", "dirt", "bubble")
_SHARES = (0.24, 0.08, 0.16, 0.46, 0.06)
# Rows of three dots a digit, as bits, so that no font is needed and every machine draws the same.
_DIGITS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717")


def common(
    image: tuple[int, ...], top: int, left: int, patch: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the pixels of an image that a patch laid there covers, and those of the patch."""
    high, low = max(top, 0), min(top + patch[0], image[0])
    first, last = max(left, 0), min(left + patch[1], image[1])
    low, last = max(low, high), max(last, first)  # nothing, if the patch lies beside the image
    return (
        (slice(high, low), slice(first, last)),
        (slice(high - top, low - top), slice(first - left, last - left)),
    )


def blend(image: Floats, top: int, left: int, colour: Floats, alpha: Floats) -> None:
    """Lay a colour over a part of an image in place, as much as alpha says; edges are cut off."""
    here, part = common(image.shape, top, left, alpha.shape)
    over = colour[part] if colour.ndim == 3 else colour
    image[here] += (over - image[here]) * alpha[part][..., None]


def stroke(
    points: NDArray[np.float64], width: float, *, filled: bool = False
) -> tuple[int, int, Floats]:
    """Return top, left and cover of a line through points[n, 2] (x, y), or of what it encloses."""
    margin = width / 2 + 2
    left, top = np.floor(points.min(axis=0) - margin).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + margin).astype(int)
    size = (int(right - left), int(bottom - top))
    sheet = Image.new("L", (size[0] * _FINER, size[1] * _FINER))
    draw = ImageDraw.Draw(sheet)
    path = [(float(x), float(y)) for x, y in (points - (left, top)) * _FINER]
    if filled:
        draw.polygon(path, fill=255)
    else:
        draw.line(path, fill=255, width=max(1, round(width * _FINER)), joint="curve")
    cover = np.array(sheet.resize(size, Image.Resampling.BOX)).astype(np.float32)
    # A line that is thinner than a dot of the large drawing is a fainter one.
    cover *= np.float32(min(1.0, width * _FINER) / 255)
    return int(top), int(left), cover


def add_debris(
    image: Floats,
    box: tuple[int, int, int, int],
    count: int,
    size: float,
    rng: np.random.Generator,
    *,
    kinds: tuple[str, ...] = _KINDS,
) -> None:
    """Scatter debris over an image in place.

    Args:
        image: Colours from 0 to 1.
        box: Left, top, width and height of where it may lie.
        count: How many pieces.
        size: Length of a usual body in pixels; pieces are parts of it.
        rng: Draws them.
        kinds: Which sorts.
    """
    shares = np.array([_SHARES[_KINDS.index(kind)] for kind in kinds])
    for kind in rng.choice(len(kinds), size=count, p=shares / shares.sum()).tolist():
        at = np.array([box[0] + rng.random() * box[2], box[1] + rng.random() * box[3]])
        _PAINTERS[kinds[kind]](image, at, size, rng)


def _brown(rng: np.random.Generator, low: float = 0.08, high: float = 0.5) -> Floats:
    light = rng.uniform(low, high)
    return np.array([light * 1.15, light * 0.85, light * 0.6], dtype=np.float32)


def _leg(image: Floats, at: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Paint two or three straight pieces, each thinner than the last."""
    angle, colour = rng.uniform(0, 2 * np.pi), _brown(rng)
    length = size * rng.uniform(0.12, 0.3)
    thick = max(size * rng.uniform(0.015, 0.03), 0.7)
    for _ in range(int(rng.integers(2, 4))):
        end = at + length * np.array([np.cos(angle), np.sin(angle)])
        top, left, cover = stroke(np.array([at, end]), thick)
        blend(image, top, left, colour, cover * np.float32(0.9))
        at, angle = end, angle + rng.normal(0, 0.8)
        length, thick = length * 0.7, thick * 0.65


def _wing(image: Floats, at: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Paint a clear drop with a dark margin and a few veins."""
    angle, length = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.3, 0.6)
    width, turn = length * rng.uniform(0.16, 0.24), np.linspace(0, 2 * np.pi, 40)
    across = width * np.sin(turn) * (1 - 0.45 * np.cos(turn))
    shape = np.column_stack([length / 2 * (1 - np.cos(turn)), across])
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    outline = shape @ turned + at
    top, left, cover = stroke(outline, 1, filled=True)
    blend(image, top, left, _brown(rng, 0.4, 0.75), cover * np.float32(rng.uniform(0.12, 0.3)))
    dark = _brown(rng, 0.15, 0.35)
    veins = [np.array([at, point]) for point in outline[10:31:5]]
    for line, thick in [(outline, 0.8), *((vein, 0.5) for vein in veins)]:
        top, left, cover = stroke(line, thick)
        blend(image, top, left, dark, cover * np.float32(0.5))


def _fibre(image: Floats, at: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Paint a hair of cloth: even, long, winding, of any colour."""
    steps = 24
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.16, size=steps))
    angle += np.linspace(0, rng.normal(0, 1.5), steps)
    step = size * rng.uniform(0.2, 0.9) / steps
    points = at + np.cumsum(step * np.column_stack([np.cos(angle), np.sin(angle)]), axis=0)
    colour = (rng.random(3) * 0.5 + rng.choice([0.05, 0.5])).astype(np.float32)
    top, left, cover = stroke(points, rng.uniform(0.35, 1.1))
    blend(image, top, left, colour, cover * np.float32(rng.uniform(0.3, 0.8)))


def _dirt(image: Floats, at: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Paint a crumb."""
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    radius = max(size * 0.018 * np.exp(rng.normal(0, 0.7)), 0.5)
    ring = radius * rng.uniform(0.5, 1.3, size=8)
    outline = at + ring[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    top, left, cover = stroke(outline, 1, filled=True)
    blend(image, top, left, _brown(rng, 0.05, 0.45), cover * np.float32(rng.uniform(0.4, 0.95)))


def _bubble(image: Floats, at: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Paint a ring, dark at its edge, with a highlight."""
    turn, radius = np.linspace(0, 2 * np.pi, 33), size * rng.uniform(0.02, 0.08)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    top, left, cover = stroke(at + radius * circle, 1.3)
    blend(image, top, left, np.full(3, 0.3, np.float32), cover * np.float32(0.45))
    top, left, cover = stroke(at + radius * (0.22 * circle - 0.4), 1, filled=True)
    blend(image, top, left, np.ones(3, np.float32), cover * np.float32(0.75))


_PAINTERS = {"leg": _leg, "wing": _wing, "fibre": _fibre, "dirt": _dirt, "bubble": _bubble}


def add_ruler(image: Floats, box: tuple[int, int, int, int], px_per_mm: float) -> None:
    """Paint a ruler over a box (left, top, width, height) in place, its ticks at its upper edge.

    There is a line every millimetre, or every 10 mm where these would run together, or every
    0.1 mm where there is room; the number is that of millimetres.
    """
    left, top, width, height = box
    plane = np.full((height, width), 0.93, np.float32)
    plane += np.linspace(0.03, -0.03, height, dtype=np.float32)[:, None]
    step = next(s for s in (0.1, 0.5, 1.0, 5.0, 10.0, 50.0) if s * px_per_mm >= 6)
    x = np.arange(width, dtype=np.float32)
    margin = 10.0
    ticks = int((width - 2 * margin) / (step * px_per_mm))
    every = 10 if step != 0.5 else 2
    numbered = next(k for k in (1, 2, 5, 10, 50) if k * every * step * px_per_mm >= 34) * every
    for tick in range(ticks + 1):
        at = margin + tick * step * px_per_mm
        reach = 0.5 if tick % every == 0 else 0.38 if tick % 5 == 0 else 0.24
        line = np.clip(1.1 - np.abs(x - np.float32(at)), 0, 1)
        rows = slice(0, round(reach * height))
        plane[rows] -= line * np.float32(0.82)
        if tick % numbered == 0:
            _number(plane, round(tick * step), at, round(0.58 * height))
    soft = blur(np.pad(np.ones((height, width), np.float32), 8), 4)
    blend(image, top - 5, left - 5, np.zeros(3, np.float32), soft * np.float32(0.35))
    colour = plane[..., None] * np.array([1.0, 0.99, 0.95], np.float32)
    blend(image, top, left, colour, np.ones_like(plane))


def _number(plane: Floats, number: int, at: float, top: int) -> None:
    """Write a number below a tick, if there is room."""
    dot = 2  # pixels
    digits = str(number)
    left = round(at - (4 * len(digits) - 1) * dot / 2)
    if left < 0 or left + 4 * len(digits) * dot > plane.shape[1]:
        return
    for place, digit in enumerate(digits):
        for row, bits in enumerate(_DIGITS[int(digit)]):
            for column in range(3):
                if int(bits) >> (2 - column) & 1:
                    y, x = top + row * dot, left + (4 * place + column) * dot
                    plane[y : y + dot, x : x + dot] = 0.12
