"""Squares cut out of a picture for a network to look at, and places in them.

A window is a square of a picture, turned, mirrored and scaled to a fixed side. Places are x and y;
the left top corner of a picture or a window is 0, 0, so that the middle of the first pixel is at a
half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

__all__ = ["SHARE", "Window", "box_window", "close_window", "pairs_of", "reach_line", "reach_of"]

Doubles = NDArray[np.float64]

SHARE = 0.7
"""Of a window's side: how much of it a body's box, or the distance of its landmarks, takes."""

_LEAST = 4.0  # pixels that landmarks are apart, to tell how large a body is


@dataclass(frozen=True)
class Window:
    """A square of a picture.

    Attributes:
        middle: Of it, in the picture.
        scale: Pixels of the picture for one of the window.
        side: Height and width in pixels of the window.
        angle: By how much it is turned, in radians.
        mirrored: Whether left and right are exchanged.
    """

    middle: tuple[float, float]
    scale: float
    side: int
    angle: float = 0.0
    mirrored: bool = False

    @property
    def _matrix(self) -> Doubles:
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turned = np.array([[cosine, -sine], [sine, cosine]])
        return self.scale * turned @ np.diag([-1.0 if self.mirrored else 1.0, 1.0])

    def in_picture(self, places: Doubles) -> Doubles:
        """Return places float[..., 2] of the window as those of the picture."""
        found: Doubles = (places - self.side / 2) @ self._matrix.T + self.middle
        return found

    def in_window(self, places: Doubles) -> Doubles:
        """Return places float[..., 2] of the picture as those of the window."""
        back = np.linalg.inv(self._matrix)
        found: Doubles = (places - np.array(self.middle)) @ back.T + self.side / 2
        return found

    def read(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32[side, side, c] of a picture [h, w, c]; it goes on beyond its border."""
        factor = max(1, math.floor(self.scale))
        if factor > 1:  # what is made smaller is meant, not sampled
            picture = _reduced(picture, factor)
        grid = np.arange(self.side) + 0.5
        places = self.in_picture(np.stack(np.meshgrid(grid, grid), axis=-1)) / factor - 0.5
        rows_columns = (places[..., 1], places[..., 0])
        read = [
            map_coordinates(picture[..., c], rows_columns, np.float32, order=1, mode="nearest")
            for c in range(picture.shape[2])
        ]
        return np.stack(read, axis=-1)


def _reduced(picture: NDArray[np.uint8], factor: int) -> NDArray[Any]:
    """Return the means of squares; channel by channel, as Pillow mixes a fourth into the others."""
    one = [np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., c])).reduce(factor))
           for c in range(picture.shape[2])]  # fmt: skip
    return np.stack(one, axis=-1)


def box_window(box: tuple[float, ...], side: int) -> Window:
    """Return the upright window around a box: left, top, width and height."""
    left, top, width, height = box
    return Window(
        (left + width / 2, top + height / 2), max(width, height, 1.0) / SHARE / side, side
    )


def close_window(points: NDArray[Any], side: int) -> Window | None:
    """Return the upright window around landmarks float[k, 2]; None where they are at one place.

    Legs and antennae reach out of it, and the body is seen larger than in `box_window`.
    """
    apart = reach_of(points)
    if apart < _LEAST:
        return None
    x, y = ((points.min(axis=0) + points.max(axis=0)) / 2).tolist()
    return Window((x, y), apart / SHARE / side, side)


def reach_of(points: NDArray[Any]) -> float:
    """Return the largest distance between landmarks float[k, 2]; 0 of less than two."""
    return reach_line(points)[0]


def reach_line(points: NDArray[Any]) -> tuple[float, tuple[float, float]]:
    """Return the largest distance between landmarks and the way along it, a unit vector."""
    if len(points) < 2:
        return 0.0, (1.0, 0.0)
    apart = (points[:, None] - points[None]).reshape(-1, 2)
    lengths = np.hypot(*apart.T)
    most = int(lengths.argmax())
    reach = float(lengths[most])
    x, y = (apart[most] / reach).tolist() if reach else (1.0, 0.0)
    return reach, (x, y)


def pairs_of(names: Sequence[str]) -> list[int]:
    """Return which landmark each one becomes in a mirror: left ones are right ones there."""
    found = []
    for number, name in enumerate(names):
        other = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
        found.append(names.index(other) if other in names else number)
    return found
