"""Pictures become pixels of one size: squared, cropped and turned.

Everything is uint8 and one picture at a time; numbers are made of many at once, on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.errors import InputError

__all__ = ["Augmentation", "augmented", "square"]

Pixels = NDArray[np.uint8]

_TRIES = 10  # to find a crop that fits, before all of the picture is taken


@dataclass(frozen=True)
class Augmentation:
    """What is done to a picture before it is learned from.

    Attributes:
        least: The least share of its area that a crop keeps.
        stretch: The most that a crop is stretched; 1 is not at all.
        flips: Whether it is mirrored, half of the times.
        turns: Whether it is turned by quarters: a specimen has no upper side.
        light: The most that brightness and contrast change, as a share.
    """

    least: float = 0.6
    stretch: float = 4 / 3
    flips: bool = True
    turns: bool = True
    light: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1 or self.stretch < 1 or not 0 <= self.light < 1:
            raise InputError(
                "a crop keeps a share of more than 0 and at most 1, is stretched by 1 or more, and "
                f"light changes by 0 to 1; found {self.least:g}, {self.stretch:g}, {self.light:g}"
            )


def square(image: Image.Image, size: int) -> Pixels:
    """Return uint8[size, size, 3]: all of a picture, filled up with the colour of its border."""
    width, height = image.size
    longest = max(width, height)
    wide, high = (max(1, round(side * size / longest)) for side in (width, height))
    pixels = np.asarray(image.resize((wide, high), Image.Resampling.BICUBIC, reducing_gap=3.0))
    if wide == high:
        return pixels
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    filled = np.empty((size, size, 3), np.uint8)
    filled[:] = np.median(rim, axis=0).astype(np.uint8)
    down, right = (size - high) // 2, (size - wide) // 2
    filled[down : down + high, right : right + wide] = pixels
    return filled


def augmented(
    image: Image.Image, size: int, asked: Augmentation, random: np.random.Generator
) -> Pixels:
    """Return uint8[size, size, 3]: a crop of a picture as chance says, turned and lit."""
    box = _crop(image.size, asked, random)
    if box is None:
        pixels = square(image, size)
    else:
        pixels = np.asarray(
            image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
        )
    if asked.turns:
        pixels = np.rot90(pixels, int(random.integers(4)))
    if asked.flips and random.random() < 0.5:
        pixels = pixels[:, ::-1]
    if asked.light:
        brightness, contrast = 1 + random.uniform(-asked.light, asked.light, 2)
        values = (np.arange(256) - 127.5) * contrast + 127.5 * brightness
        pixels = np.clip(np.round(values), 0, 255).astype(np.uint8)[pixels]
    return np.ascontiguousarray(pixels)


def _crop(
    shape: tuple[int, int], asked: Augmentation, random: np.random.Generator
) -> tuple[float, float, float, float] | None:
    """Return the box of a crop, or None where none of that shape fits into the picture."""
    width, height = shape
    for _ in range(_TRIES):
        area = random.uniform(asked.least, 1) * width * height
        ratio = math.exp(random.uniform(-1, 1) * math.log(asked.stretch))
        wide, high = math.sqrt(area * ratio), math.sqrt(area / ratio)
        left, top = random.random(2)
        if wide <= width and high <= height:
            left, top = left * (width - wide), top * (height - high)
            return left, top, left + wide, top + high
    return None
