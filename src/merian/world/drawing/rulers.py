"""Rulers and graph paper in a photograph, of every kind that a drawer holds, with their true scale.

The rulers of `scalebar` and `scenery` lie straight in their pictures, as those of a rig do. These
lie anywhere and turned, in millimetres, half millimetres or sixteenths of an inch, printed dark on
light or light on dark, among bodies, writing and shadow, and are photographed with blur, noise and
a JPEG's blocks. A picture may also hold none.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from merian.world.drawing.noise import clouds
from merian.world.drawing.scalebar import draw_bar

__all__ = ["GRAPHS", "KINDS", "RULERS", "Ruled", "draw_barred", "draw_ruled"]

Floats = NDArray[np.float32]

INCH = 25.4  # millimetres

# Of each kind: millimetres of a tick, and which ticks reach how far, the longest first.
RULERS: dict[str, tuple[float, tuple[tuple[int, float], ...]]] = {
    "millimetres": (1.0, ((10, 0.52), (5, 0.40), (1, 0.28))),
    "half millimetres": (0.5, ((20, 0.55), (10, 0.45), (2, 0.34), (1, 0.22))),
    "sixteenths": (INCH / 16, ((16, 0.60), (8, 0.48), (4, 0.38), (2, 0.28), (1, 0.18))),
    "fives": (1.0, ((5, 0.42), (1, 0.28))),
    "plain": (1.0, ((1, 0.35),)),
}
# Of each kind of paper: millimetres of a cell, and which lines are how thick in millimetres.
GRAPHS: dict[str, tuple[float, tuple[tuple[int, float], ...]]] = {
    "graph paper": (1.0, ((10, 0.22), (5, 0.15), (1, 0.08))),
    "graph paper, fives": (1.0, ((5, 0.18), (1, 0.08))),
}
KINDS = (*RULERS, *GRAPHS, "two sides", "none")


@dataclass(frozen=True)
class Ruled:
    """A photograph with a ruler, and what is true of it.

    Attributes:
        image: uint8[h, w, 3].
        kind: One of `KINDS`.
        px_per_mm: True scale.
        angle: Of the ruler from the x axis, clockwise as rows go down, in degrees.
    """

    image: NDArray[np.uint8]
    kind: str
    px_per_mm: float
    angle: float


def draw_ruled(
    kind: str,
    px_per_mm: float,
    rng: np.random.Generator,
    *,
    width: int = 1500,
    height: int = 1000,
    angle: float | None = None,
    soft: float | None = None,
    noise: float | None = None,
    quality: int | None = None,
) -> Ruled:
    """Photograph a ruler among other things.

    Args:
        kind: One of `KINDS`.
        px_per_mm: The scale.
        rng: Draws whatever is not told.
        width: Of the picture.
        height: Of the picture.
        angle: By which the ruler is turned; without it a few degrees, or any, from any side.
        soft: Spread of the blur, in pixels.
        noise: Of the sensor, in grey values.
        quality: Of the JPEG.
    """
    picture = _table(width, height, rng)
    if angle is None:
        turn = rng.normal(0, 2) if rng.random() < 0.6 else rng.uniform(-45, 45)
        angle = float(90 * rng.integers(4) + turn)
    if kind != "none":
        sheet = _sheet(kind, px_per_mm, min(width, height), rng)
        _lay(picture, sheet, angle, rng)
    _litter(picture, rng, small=kind != "none")
    # The finest ticks are seen at all by whoever takes the picture.
    soft = float(rng.uniform(0.3, min(1.6, 0.16 * px_per_mm + 0.2))) if soft is None else soft
    return Ruled(_taken(picture, rng, soft, noise, quality), kind, px_per_mm, angle)


def draw_barred(
    px_per_mm: float, rng: np.random.Generator, size: int = 700
) -> tuple[NDArray[np.uint8], float]:
    """Photograph a scale bar among other things; return the picture and its length in mm."""
    while True:
        picture = _table(size, size, rng)
        _litter(picture, rng, small=True)
        length = draw_bar(picture, np.zeros((size, size), bool), px_per_mm, rng)
        if length:
            return _taken(picture, rng, float(rng.uniform(0.3, 1.5)), None, None), length


def _taken(
    picture: Floats, rng: np.random.Generator, soft: float, noise: float | None, quality: int | None
) -> NDArray[np.uint8]:
    """Return what a camera makes of a scene: uneven light, blur, noise and a JPEG."""
    height, width = picture.shape[:2]
    picture *= 1 + 0.12 * clouds(rng, height, width, 2, 1)[..., None]
    for band in range(3):
        picture[..., band] = _softened(picture[..., band], max(soft, 1e-3))
    noise = float(rng.uniform(0.5, 5)) if noise is None else noise
    picture += rng.normal(0, noise / 255, picture.shape).astype(np.float32)
    quality = int(rng.integers(70, 96)) if quality is None else quality
    return _pressed(picture, quality)


def _table(width: int, height: int, rng: np.random.Generator) -> Floats:
    tone = np.float32(rng.uniform(0.25, 0.9))
    colour = (tone * rng.uniform(0.92, 1.0, 3)).astype(np.float32)
    texture = 0.02 * clouds(rng, height, width, 6, 3) + 0.03 * clouds(rng, height, width, 90, 2)
    picture: Floats = (colour + texture[..., None].astype(np.float32)).astype(np.float32)
    return picture


def _softened(band: Floats, soft: float) -> Floats:
    """Blur by a Gaussian, whose spread need not be whole."""
    reach = max(1, math.ceil(3 * soft))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / soft) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    padded = np.pad(band, reach, mode="edge")
    tall, wide = band.shape
    down = sum(w * padded[i : i + tall] for i, w in enumerate(kernel))
    both: Floats = np.zeros_like(band)
    for i, w in enumerate(kernel):
        both += w * down[:, i : i + wide]
    return both


# -- what lies on the table ---------------------------------------------------------------------


def _sheet(kind: str, px_per_mm: float, side: int, rng: np.random.Generator) -> Floats:
    """Return a ruler or a piece of paper as it lies, [h, w, 3]."""
    if kind in GRAPHS:
        return _graph(kind, px_per_mm, side, rng)
    long = min(rng.uniform(0.75, 1.3) * side, 320 * px_per_mm)
    deep = float(np.clip(rng.uniform(9, 14) * px_per_mm, 48, 0.34 * side))
    ink, paper = (0.1, rng.uniform(0.7, 0.95)) if rng.random() < 0.75 else (0.9, 0.2)
    wide, tall = round(long), round(deep)
    ticks = np.zeros((tall, wide), np.float32)
    first = rng.uniform(2, 12)
    thick = rng.uniform(0.14, 0.26)
    whole = "millimetres" if kind == "two sides" else kind
    _ticks(ticks, whole, px_per_mm, first, thick, deep)
    if kind == "two sides":
        other = np.zeros_like(ticks)
        _ticks(other, "sixteenths", px_per_mm, first + rng.uniform(0, 4), thick, deep)
        ticks = np.maximum(ticks, other[::-1])
    tone = paper + (ink - paper) * np.clip(ticks, 0, 1) * rng.uniform(0.6, 1.0)
    colour = np.array([1.0, rng.uniform(0.95, 1.0), rng.uniform(0.82, 1.0)])
    sheet: Floats = (tone[..., None] * colour).astype(np.float32)
    return sheet


def _ticks(
    plane: Floats, kind: str, px_per_mm: float, first: float, thick: float, deep: float
) -> None:
    """Draw ticks from the upper edge down, in place, and numbers at the longest."""
    step, levels = RULERS[kind]
    tall, wide = plane.shape
    y = np.arange(tall)
    half = max(0.5 * thick * min(step, 1.0) * px_per_mm, 0.45)
    for tick in range(int((wide - 2 * first) / (step * px_per_mm)) + 1):
        at = first + tick * step * px_per_mm
        reach = next(share for every, share in levels if tick % every == 0) * deep
        left, right = max(int(at - half) - 1, 0), min(int(at + half) + 3, wide)
        x = np.arange(left, right)
        cover = np.minimum(x + 0.5, at + half) - np.maximum(x - 0.5, at - half)
        down = np.clip(reach - y, 0, 1)
        plane[:, left:right] = np.maximum(
            plane[:, left:right], np.outer(down, np.clip(cover, 0, 1))
        )
        if tick % levels[0][0] == 0 and len(levels) > 1:
            text = _text(str(tick // levels[0][0]), max(9, round(0.25 * deep)))
            top = round((levels[0][1] + 0.06) * deep)
            across = round(at) - text.shape[1] // 2
            room = plane[top : top + text.shape[0], max(across, 0) : across + text.shape[1]]
            room[:] = np.maximum(room, text[: room.shape[0], : room.shape[1]])


def _graph(kind: str, px_per_mm: float, side: int, rng: np.random.Generator) -> Floats:
    step, levels = GRAPHS[kind]
    cell = step * px_per_mm
    wide = round(min(rng.uniform(14, 45) * cell, 0.9 * side))
    tall = round(min(rng.uniform(8, 30) * cell, 0.6 * side))
    ink = np.zeros((tall, wide), np.float32)
    for axis, length in enumerate((tall, wide)):
        places = np.arange(length)
        line = np.zeros(length, np.float32)
        first = rng.uniform(0, 1) * cell
        start = int(rng.integers(10))
        for number in range(int((length - first) / cell) + 1):
            thick = next(t for every, t in levels if (number + start) % every == 0) * px_per_mm
            half = max(thick, 0.9) / 2
            at = first + number * cell
            cover = np.minimum(places + 0.5, at + half) - np.maximum(places - 0.5, at - half)
            line = np.maximum(line, np.clip(cover, 0, 1) * (0.6 + 0.4 * (thick > 0.1 * px_per_mm)))
        ink = np.maximum(ink, line[:, None] if axis == 0 else line[None])
    paper = np.array([0.95, 0.94, 0.9]) * rng.uniform(0.7, 1.0)
    colour = np.array([[0.85, 0.5, 0.3], [0.4, 0.6, 0.85], [0.45, 0.4, 0.4]])[rng.integers(3)]
    sheet: Floats = (paper + ink[..., None] * (colour * paper - paper)).astype(np.float32)
    return sheet


def _lay(picture: Floats, sheet: Floats, angle: float, rng: np.random.Generator) -> None:
    """Lay a sheet on the picture, turned, where it fits; its scale stays."""
    tall, wide = picture.shape[:2]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    half_x = (abs(cosine) * sheet.shape[1] + abs(sine) * sheet.shape[0]) / 2
    half_y = (abs(sine) * sheet.shape[1] + abs(cosine) * sheet.shape[0]) / 2
    x = rng.uniform(min(half_x, wide / 2), max(wide - half_x, wide / 2))
    y = rng.uniform(min(half_y, tall / 2), max(tall - half_y, tall / 2))
    # Of a pixel of the picture, the place on the sheet.
    middle = sheet.shape[1] / 2, sheet.shape[0] / 2
    turned = (
        cosine, sine, middle[0] - cosine * x - sine * y,
        -sine, cosine, middle[1] + sine * x - cosine * y,
    )  # fmt: skip
    size, how = (wide, tall), (Image.Transform.AFFINE, turned, Image.Resampling.BICUBIC)
    cover = Image.new("F", (sheet.shape[1], sheet.shape[0]), 1.0).transform(size, *how)
    covered = np.clip(np.asarray(cover), 0, 1)
    shadow = np.roll(_softened(covered, 4.0), (4, 4), (0, 1)) * (1 - covered)
    picture *= (1 - 0.35 * shadow)[..., None]
    for band in range(3):
        own = Image.fromarray(np.ascontiguousarray(sheet[..., band])).transform(size, *how)
        picture[..., band] += covered * (np.asarray(own) - picture[..., band])


def _litter(picture: Floats, rng: np.random.Generator, small: bool) -> None:
    """Scatter bodies and labels; some bodies are ringed, as caterpillars are, and may mislead."""
    tall, wide = picture.shape[:2]
    for _ in range(int(rng.integers(4, 18))):
        radius = rng.uniform(0.01, 0.04 if small else 0.12) * wide
        slim = rng.uniform(0.2, 0.7)
        x0, y0 = rng.uniform(0, wide), rng.uniform(0, tall)
        turn = rng.uniform(0, math.pi)
        box = (slice(max(int(y0 - radius), 0), min(int(y0 + radius) + 1, tall)),
               slice(max(int(x0 - radius), 0), min(int(x0 + radius) + 1, wide)))  # fmt: skip
        y, x = np.mgrid[box].astype(np.float32)
        along = (x - x0) * math.cos(turn) + (y - y0) * math.sin(turn)
        across = (y - y0) * math.cos(turn) - (x - x0) * math.sin(turn)
        inside = np.clip((1 - np.hypot(along / radius, across / (slim * radius))) * radius, 0, 1)
        tone = np.float32(rng.uniform(0.05, 0.5)) * np.ones_like(x)
        if rng.random() < 0.4:
            rings = rng.integers(5, 11)
            tone += 0.15 * np.sin(along / radius * rings * math.pi + rng.uniform(0, 6)) ** 3
        picture[box] += (inside * 0.95)[..., None] * (tone[..., None] - picture[box])
    for _ in range(int(rng.integers(0, 4))):
        text = _text("".join(rng.choice(list("ILTHE|1470/. "), 14)), int(rng.integers(12, 40)))
        top, left = rng.integers(0, tall), rng.integers(0, wide)
        room = picture[top : top + text.shape[0], left : left + text.shape[1]]
        room *= (1 - 0.8 * text[: room.shape[0], : room.shape[1]])[..., None]


def _text(text: str, size: int) -> Floats:
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), text, 255, font)
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def _pressed(picture: Floats, quality: int) -> NDArray[np.uint8]:
    """Return the pixels as a JPEG keeps them."""
    stream = io.BytesIO()
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))
