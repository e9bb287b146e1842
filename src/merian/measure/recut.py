"""A body from an outline that somebody has drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from merian.errors import InputError
from merian.measure.asked import Asked
from merian.measure.body import Body
from merian.measure.landmarks import find_landmarks
from merian.measure.outline import filled_polygon
from merian.measure.run import pixels_for
from merian.measure.shapes import Point
from merian.pictures import BadPictureError

__all__ = ["body_of_rings"]


def body_of_rings(
    rings: list[list[float]],
    address: str,
    size: tuple[int, int],
    points: Mapping[str, Point],
    by_hand: frozenset[str],
) -> Body:
    """Return the body of an outline, with landmarks of its own where none was set by hand.

    Args:
        rings: Flat lists x, y, x, y in pixels of the picture.
        address: Of the picture; where it is gone, the outline alone tells.
        size: Of the picture.
        points: Its landmarks.
        by_hand: Which of them somebody has set.
    """
    polygons = [np.array(ring, np.float64).reshape(-1, 2) for ring in rings]
    every = np.concatenate(polygons)
    left, top = (max(int(v), 0) for v in np.floor(every.min(axis=0)))
    right, below = (min(int(v), side) for v, side in
                    zip(np.ceil(every.max(axis=0)), size, strict=True))  # fmt: skip
    mask = filled_polygon(
        [ring - np.array([left, top]) for ring in polygons],
        max(right - left, 1), max(below - top, 1),
    )  # fmt: skip
    if not mask.any():
        raise InputError(f"an outline drawn again on {address} holds no pixel")
    try:
        picture = pixels_for(Asked(address, address))
    except BadPictureError:
        picture = None
    body = Body(mask, left, top, picture, dict(points))
    found = find_landmarks(mask, body.pixels)
    if found is None:
        return body
    own = {name: body.in_picture(point) for name, point in found.points.items()}
    set_ = {name: point for name, point in points.items() if name in by_hand}
    return replace(body, points={**own, **set_}, parts=found.parts)
