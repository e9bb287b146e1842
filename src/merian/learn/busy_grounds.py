"""Grounds that drawn and plain photographs have not: wood, labels with text, patches; and pins.

What learns from specimens on plain grounds takes text and grain for bodies. So a part of what is
learned from stands on a ground made here, some bodies are dark and some have a pin through them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["busy_ground", "darkened", "pinned"]

Floats = NDArray[np.float32]
_SMOOTH = Image.Resampling.BICUBIC


def busy_ground(side: int, random: np.random.Generator) -> Floats:
    """Return float32[side, side, 3], 0 to 255: wood or foam, perhaps with labels on it."""
    base = random.uniform(120, 245) + random.normal(0, 14, 3)
    ground = np.broadcast_to(base.astype(np.float32), (side, side, 3)).copy()
    if random.random() < 0.6:
        ground += _grain(side, random)[..., None] * random.uniform(0.6, 1.2, 3).astype(np.float32)
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    if random.random() < 0.7:
        for _ in range(int(random.integers(1, 4))):
            _label(image, random)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.2, 1.5)))),
                      np.float32)  # fmt: skip


def _grain(side: int, random: np.random.Generator) -> Floats:
    """Return stripes of several widths, nearly along one direction."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    angle = random.choice([0.0, math.pi / 2]) + random.normal(0, 0.15)
    across = np.float32(math.cos(angle)) * x + np.float32(math.sin(angle)) * y
    found = np.zeros((side, side), np.float32)
    for count, height in ((4, 30.0), (14, 14.0), (60, 7.0)):
        line = random.uniform(-1, 1, count + 2).astype(np.float32)
        at = (across - across.min()) / (np.ptp(across) + 1e-6) * count
        found += np.float32(height * random.uniform(0, 1)) * np.interp(
            at, np.arange(count + 2), line
        ).astype(np.float32)
    return found


def _label(image: Image.Image, random: np.random.Generator) -> None:
    """Draw a label with lines of something like text, upright or lying."""
    side = image.width
    width, height = (int(v * side) for v in random.uniform(0.25, 1.0, 2))
    left, top = (int(v * side) for v in random.uniform(-0.3, 0.8, 2))
    white = np.clip(random.uniform(200, 255) + random.normal(0, 8, 3), 0, 255)
    paper = Image.new("RGB", (max(width, 8), max(height, 8)), tuple(int(v) for v in white))
    if random.random() < 0.25:  # a coloured one
        paper.paste(tuple(int(v) for v in random.integers(0, 256, 3)), (0, 0, *paper.size))
    draw = ImageDraw.Draw(paper)
    letter = float(random.uniform(0.03, 0.09)) * side
    ink = int(random.integers(0, 110))
    y = letter / 2
    while y < paper.height:
        x = letter / 2
        while x < paper.width * 0.95:
            for _ in range(int(random.integers(2, 4))):  # strokes of a letter
                (a, b), (c, d) = random.uniform(0, 0.7, (2, 2)) * letter
                line = [x + a, y + b, x + c, y + d]
                draw.line(line, (ink, ink, ink), max(1, int(letter / 7)))
            x += letter * (0.8 if random.random() < 0.85 else 1.8)
        y += letter * 1.4
    if random.random() < 0.5:
        paper = paper.rotate(90, expand=True)
    image.paste(paper, (left, top))


def darkened(colours: Floats, share: Floats, random: np.random.Generator) -> Floats:
    """Return colours with bodies nearly black, as most ground beetles are.

    Args:
        colours: float32[h, w, 3].
        share: float32[h, w, 1], how much of a pixel is body.
        random: Says how dark, and how grey.
    """
    grey = colours.mean(axis=2, keepdims=True)
    dark = colours + (grey - colours) * np.float32(random.uniform(0, 0.9))
    dark = dark * np.float32(random.uniform(0.25, 0.65))
    return np.asarray(colours + share * (dark - colours), np.float32)


def pinned(colours: Floats, share: Floats, random: np.random.Generator) -> Floats:
    """Return colours with the head of a pin somewhere on the body."""
    rows, columns = np.nonzero(share[..., 0] > 0.9)
    if not len(rows):
        return colours
    at = int(random.integers(len(rows)))
    side = colours.shape[0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    high, wide = random.uniform(0.02, 0.07, 2) * side
    far = np.hypot((y - rows[at]) / np.float32(high), (x - columns[at]) / np.float32(wide))
    head = np.clip((1.1 - far) / 0.15, 0, 1)[..., None]
    tone = (random.uniform(90, 235) + random.normal(0, 15, 3)).astype(np.float32)
    light = (1.15 - 0.35 * far)[..., None]
    return np.asarray(colours + head * (np.clip(tone * light, 0, 255) - colours), np.float32)
