"""Photographs of drawn bodies for tests."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def tray(size=(700, 500), seed=0, count=18, legs=True):
    """Dark bodies with legs on pale, noisy ground, none touching; and how many there are."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, (228, 225, 216))
    pen = ImageDraw.Draw(image)
    places = []
    while len(places) < count:
        x, y = rng.integers(45, size[0] - 45), rng.integers(45, size[1] - 45)
        if all((x - a) ** 2 + (y - b) ** 2 > 88**2 for a, b in places):
            places.append((x, y))
    for x, y in places:
        wide, high = rng.integers(12, 22), rng.integers(8, 14)
        if legs:
            for at in (-8, 0, 8):
                pen.line([x + at, y - high - 14, x + at, y + high + 14], fill=(60, 45, 35), width=2)
        pen.ellipse([x - wide, y - high, x + wide, y + high], fill=(75, 50, 35))
    pixels = np.asarray(image).astype(np.float64)
    pixels += rng.normal(0, 2, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8), count
