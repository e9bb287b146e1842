"""What can be seen of an object in a picture, without a model: is there one, sharp, whole?

A picture of a specimen is a ground and something that stands out from it. The ground is what a wide
median leaves, the object what is darker than it in any colour (brighter, where the ground is dark).
Reflections of a well or a lens go the other way, so how far the ground strays to its bright side
says how much of the dark side is worth nothing: an object is there if it stands out by several
times as much.

Blur is the width of the object's own edges, not of the picture: a specimen on the wall of a well is
out of focus over a floor that is sharp. An edge blurred by a Gaussian of s pixels has a steepest
slope of contrast / (s sqrt(2 pi)), so the slope tells s. All is measured on a picture reduced until
no side is longer than 512 pixels, as a camera's own pixels are finer than its lens.

References: Otsu (see `merian.image.otsu`) for the pieces; Elder and Zucker, Local scale control for
edge detection and blur estimation, IEEE Transactions on Pattern Analysis and Machine Intelligence
20, 1998, for blur as the width of an edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from merian.image.otsu import components

__all__ = ["SIDE", "Seen", "see"]

SIDE = 512
"""No side of what is measured is longer, in pixels."""

_COARSE = 48  # pixels: the longer side of the picture of the ground
_WINDOW = 4  # the median looks at one part in so many of it
_DARK = 85  # a ground below is dark, and objects are brighter
_LEAST_GROUND = 0.75  # of the border's lightness: what is darker is no ground, but a large object
_NOISE = 0.02  # of the ground's lightness: what a camera adds by itself
_REFLECTING = 75  # percent of the pixels whose bright side is the ground's own
_OF_PEAK = 0.5  # of the strongest contrast: an edge lies there, whatever its blur
_PIECE = 0.1  # of the largest piece's weight: less is dust
_STEEP, _FULL = 95, 95  # percentiles: a speck of dust may be sharper, a highlight darker
_SLOPE = math.sqrt(2 * math.pi)

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """What is seen of the object.

    Attributes:
        contrast: How much darker than the ground its darkest spot is, 0 to 1.
        stands_out: How many times the contrast is that of the ground's own reflections.
        blur: The width of its edges: the sigma of a Gaussian, in pixels of the reduced picture.
        scattered: The share of its weight that lies in other pieces than the largest; 0 for one.
        cut: How much of it the edge of the picture cuts: the length at the edge by the root of its
            area; 0 where it lies within, 1.6 for a disc that is cut in half.
        covers: Its share of the picture.
    """

    contrast: float
    stands_out: float
    blur: float
    scattered: float
    cut: float
    covers: float


def see(image: Image.Image) -> Seen:
    """Return what is seen of the object of a picture in RGB."""
    darker, lighter = _against_ground(_reduced(image, SIDE))
    # What is finer than three pixels is a hair or dust, and no object.
    held = Image.fromarray((darker * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(3))
    contrast = float(np.asarray(held).max()) / 255
    ground = float(np.percentile(lighter, _REFLECTING))
    stands_out = contrast / (ground + _NOISE)
    if contrast == 0:
        return Seen(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    pieces = components(darker > _OF_PEAK * contrast)
    weight = np.bincount(pieces.ravel(), darker.ravel(), minlength=2).astype(np.float64)
    weight[0] = 0
    largest = int(weight.argmax())
    body: Mask = pieces == largest
    counted = weight[weight >= _PIECE * weight[largest]]
    return Seen(
        contrast,
        stands_out,
        _blur(darker, body),
        float(1 - weight[largest] / counted.sum()),
        _cut(pieces, weight),
        float(body.mean()),
    )


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """Return a picture reduced by a whole number, so that no side is longer."""
    factor = math.ceil(max(image.size) / side)
    return image.reduce(factor) if factor > 1 else image


def _against_ground(image: Image.Image) -> tuple[Grey, Grey]:
    """Return how much darker than the ground each pixel is in any colour, and how much lighter."""
    pixels = np.asarray(image, np.float32) + 1
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if np.median(border) < _DARK:
        pixels, border = 257 - pixels, 257 - border
    ground = np.maximum(_ground(pixels), _LEAST_GROUND * np.median(border, axis=0))
    apart = 1 - pixels / ground
    return np.clip(apart.max(axis=2), 0, 1), np.clip(-apart.min(axis=2), 0, None)


def _ground(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a wide median leaves, as large as the picture."""
    height, width = pixels.shape[:2]
    coarse = np.asarray(_reduced(Image.fromarray((pixels - 1).astype(np.uint8)), _COARSE))
    window = max(3, max(coarse.shape[:2]) // _WINDOW | 1)
    by = min(window // 2, *(side - 1 for side in coarse.shape[:2]))
    # Mirrored, or an object at the edge would be its own ground.
    wide = Image.fromarray(np.pad(coarse, ((by, by), (by, by), (0, 0)), mode="reflect"))
    smooth = wide.filter(ImageFilter.MedianFilter(window))
    smooth = smooth.crop((by, by, smooth.width - by, smooth.height - by))
    back = smooth.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(back, np.float32) + 1


def _blur(darker: Grey, body: Mask) -> float:
    """Return the width of the edges of a piece, in pixels."""
    if min(darker.shape) < 2:
        return 0.0
    around = Image.fromarray(body.astype(np.uint8)).filter(ImageFilter.MaxFilter(7))
    down, across = np.gradient(darker)
    steep = np.percentile(np.hypot(down, across)[np.asarray(around) > 0], _STEEP)
    return float(np.percentile(darker[body], _FULL) / (_SLOPE * max(float(steep), 1e-6)))


def _cut(pieces: NDArray[np.int32], weight: NDArray[np.float64]) -> float:
    """Return how much of the object the picture's edge cuts: of the piece that it cuts most.

    A piece much lighter than the largest counts less.
    """
    rim = np.concatenate([pieces[0], pieces[-1], pieces[1:-1, 0], pieces[1:-1, -1]])
    length = np.bincount(rim, minlength=len(weight)).astype(np.float64)
    length[0] = 0
    area = np.maximum(np.bincount(pieces.ravel(), minlength=len(weight)), 1)
    return float((length / np.sqrt(area) * weight / weight.max()).max())
