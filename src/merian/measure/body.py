"""A specimen in a picture: its mask, its parts, its landmarks, its edge; each made when asked for.

A point is x and y in pixels of the whole picture, whose left top corner is 0, 0, so that the middle
of the first pixel is at a half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from merian.measure.edges import UNKNOWN, Edge, edge_of
from merian.measure.midline import midline
from merian.measure.shapes import Point, Shape

if TYPE_CHECKING:
    from merian.learn.landmark_errors import Off

__all__ = ["Body"]

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

_AROUND = 16  # pixels around the box of a mask, for its edge


@dataclass(frozen=True)
class Body:
    """A specimen in a picture.

    Attributes:
        mask: All that stands out, cropped to its box.
        left: Of the box, in the picture.
        top: The same.
        picture: The whole picture; None where only the mask is known.
        points: Its landmarks.
        parts: Masks of parts, by their name, in the same box.
        codes: What the segmentation has said of it.
        off: How far landmarks that a network has placed may be off.
        placed_by: That network.
        tight: Whether its picture was cut at its outline.
    """

    mask: Mask
    left: int
    top: int
    picture: Pixels | None = None
    points: Mapping[str, Point] = field(default_factory=dict)
    parts: Mapping[str, Mask] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    off: Mapping[str, Off] = field(default_factory=dict)
    placed_by: str = ""
    tight: bool = False

    def part(self, name: str) -> Shape | None:
        """Return the shape of a part; None where it is not known."""
        if name == "whole":
            return self.whole
        return self._shapes.get(name)

    @cached_property
    def whole(self) -> Shape:
        """All that stands out."""
        return Shape(self.mask)

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {name: Shape(mask) for name, mask in self.parts.items() if mask.any()}

    @cached_property
    def edge(self) -> Edge:
        """Its edge in the picture."""
        if self.picture is None:
            return UNKNOWN
        height, width = self.mask.shape
        top, left = max(self.top - _AROUND, 0), max(self.left - _AROUND, 0)
        around = self.picture[top : self.top + height + _AROUND, left : self.left + width + _AROUND]
        mask = np.zeros(around.shape[:2], bool)
        y, x = self.top - top, self.left - left
        mask[y : y + height, x : x + width] = self.mask
        return edge_of(Shape(mask), around)

    @cached_property
    def pixels(self) -> Pixels | None:
        """The picture within its box."""
        if self.picture is None:
            return None
        height, width = self.mask.shape
        return self.picture[self.top : self.top + height, self.left : self.left + width]

    def midline(self, part: str) -> NDArray[np.float64] | None:
        """Return the line through the middle of a part, in pixels of its box."""
        if part not in self._midlines:
            shape = self.part(part)
            self._midlines[part] = None if shape is None else midline(shape.mask)
        return self._midlines[part]

    @cached_property
    def _midlines(self) -> dict[str, NDArray[np.float64] | None]:
        return {}

    def in_picture(self, point: Point) -> Point:
        """Return a point of its box as one of the picture."""
        return point[0] + self.left, point[1] + self.top
