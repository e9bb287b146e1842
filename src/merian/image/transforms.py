"""Pictures become pixels of one size: squared, cropped and turned.

Everything is uint8 and one picture at a time; numbers are made of many at once, on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from merian.errors import InputError

__all__ = ["Augmentation", "augmented", "look", "square"]

Pixels = NDArray[np.uint8]

_TURNS = ("any", "quarters", "never")


@dataclass(frozen=True)
class Augmentation:
    """What is done to a picture before it is learned from.

    Attributes:
        least: The least share of its square that a crop keeps: how much larger things may look.
        most: The most that it keeps.
        stretch: The most that a crop is stretched; 1 is not at all, as shape is what names many.
        flips: Whether it is mirrored, half of the times.
        turns: "any" angle, since a specimen has no upper side, "quarters" of a circle, or "never".
        light: The most that brightness and contrast change, as a share.
        colour: The most that colours pale or deepen, as a share.
        grey: How often a picture loses its colours.
        blur: How often it is blurred, by up to a hundredth of its size.
    """

    least: float = 0.6
    stretch: float = 1.0
    flips: bool = True
    turns: str = "any"
    light: float = 0.1
    colour: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    most: float = 1.0

    def __post_init__(self) -> None:
        shares = (self.colour, self.grey, self.blur)
        if not self.least <= self.most <= 1 or min(shares) < 0 or max(shares) > 1:
            raise InputError(
                f"a crop keeps at most {self.most:g}, which is from least to 1, and colour, grey "
                f"and blur are shares from 0 to 1; found {', '.join(f'{s:g}' for s in shares)}"
            )
        if not 0 < self.least <= 1 or self.stretch < 1 or not 0 <= self.light < 1:
            raise InputError(
                "a crop keeps a share of more than 0 and at most 1, is stretched by 1 or more, and "
                f"light changes by 0 to 1; found {self.least:g}, {self.stretch:g}, {self.light:g}"
            )
        if self.turns not in _TURNS:
            raise InputError(f"turns is {self.turns!r}; {', '.join(_TURNS)} expected")


def square(image: Image.Image, size: int) -> Pixels:
    """Return uint8[size, size, 3]: all of a picture, filled up with the colour of its border."""
    width, height = image.size
    longest = max(width, height)
    wide, high = (max(1, round(side * size / longest)) for side in (width, height))
    pixels = np.asarray(image.resize((wide, high), Image.Resampling.BICUBIC, reducing_gap=3.0))
    if wide == high:
        return pixels
    filled = np.empty((size, size, 3), np.uint8)
    filled[:] = _border(pixels)
    down, right = (size - high) // 2, (size - wide) // 2
    filled[down : down + high, right : right + wide] = pixels
    return filled


def augmented(
    image: Image.Image, size: int, asked: Augmentation, random: np.random.Generator
) -> Pixels:
    """Return uint8[size, size, 3]: a crop of a picture's square as chance says, turned and lit.

    The square is that of `square`, with the colour of the border around the picture, and what a
    crop that is turned sees beyond it has that colour too.
    """
    return look(image, size, asked, random)[0]


def look(
    image: Image.Image, size: int, asked: Augmentation, random: np.random.Generator
) -> tuple[Pixels, float]:
    """Return what `augmented` does, and how long the side of the crop is beside the square's."""
    share = random.uniform(asked.least, asked.most)
    longer = math.exp(random.uniform(-1, 1) * math.log(asked.stretch) / 2)
    side = max(image.size) * math.sqrt(share)
    wide, high = side * longer, side / longer  # of the crop, in pixels of the picture
    middle = [
        full / 2 + (random.random() - 0.5) * max(max(image.size) - cut, 0.0)
        for full, cut in zip(image.size, (wide, high), strict=True)
    ]
    angle = _angle(asked.turns, random)
    mirrored = -1.0 if asked.flips and random.random() < 0.5 else 1.0
    found = _turned(image, size, (wide, high), (middle[0], middle[1]), angle, mirrored)
    return np.array(_lit(found, asked, random)), math.sqrt(share)


def _lit(found: Image.Image, asked: Augmentation, random: np.random.Generator) -> Image.Image:
    """Return a picture with light, colours and sharpness as chance says."""
    if asked.light:
        brightness, contrast = 1 + random.uniform(-asked.light, asked.light, 2)
        values = (np.arange(256) - 127.5) * contrast + 127.5 * brightness
        found = found.point(3 * np.clip(np.round(values), 0, 255).astype(int).tolist())
    if asked.colour:
        depth = 1 + random.uniform(-asked.colour, asked.colour)
        found = ImageEnhance.Color(found).enhance(depth)
    if asked.grey and random.random() < asked.grey:
        found = found.convert("L").convert("RGB")
    if asked.blur and random.random() < asked.blur:
        found = found.filter(
            ImageFilter.GaussianBlur(random.uniform(0.05, 1) * max(found.size) / 100)
        )
    return found


def _angle(turns: str, random: np.random.Generator) -> float:
    """Return by how much a picture is turned, as a share of a circle."""
    if turns == "never":
        return 0.0
    return random.random() if turns == "any" else int(random.integers(4)) / 4


def _turned(
    image: Image.Image,
    size: int,
    crop: tuple[float, float],
    middle: tuple[float, float],
    angle: float,
    mirrored: float,
) -> Image.Image:
    """Return a crop around a place of a picture, turned about that place."""
    # First of the right size, with all that is smaller than a pixel averaged; then only turned.
    small = [max(1, round(full * size / cut)) for full, cut in zip(image.size, crop, strict=True)]
    resized = image.resize((small[0], small[1]), Image.Resampling.BICUBIC, reducing_gap=2.0)
    x, y = (at * new / full for at, new, full in zip(middle, small, image.size, strict=True))
    cosine, sine = math.cos(math.tau * angle), math.sin(math.tau * angle)
    if angle in {0.0, 0.25, 0.5, 0.75}:
        cosine, sine = round(cosine), round(sine)
    across, down = (mirrored * cosine, sine), (-mirrored * sine, cosine)
    half = size / 2
    # Where in `resized` a pixel of the result comes from: a line for x and one for y.
    lines = (*across, x - half * sum(across), *down, y - half * sum(down))
    rim = _border(np.asarray(resized))
    return resized.transform(
        (size, size),
        Image.Transform.AFFINE,
        lines,
        Image.Resampling.BILINEAR,  # of the same scale; the cubic takes three times as long
        fillcolor=(int(rim[0]), int(rim[1]), int(rim[2])),
    )


def _border(pixels: Pixels) -> Pixels:
    """Return the colour of the border of a picture, uint8[3]."""
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.median(rim, axis=0).astype(np.uint8)
