"""Outlines that somebody has drawn again: which, what body they are, and the file with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.formats.outlines import bounds, polygon_area
from merian.measure.asked import Asked
from merian.measure.body import Body
from merian.measure.edited import Edits, Key
from merian.measure.landmarks import find_landmarks
from merian.measure.outline import filled_polygon
from merian.measure.run import pixels_for
from merian.measure.shapes import Point
from merian.measure.written import COCO
from merian.pictures import BadPictureError

__all__ = ["body_of_rings", "mended", "redrawn_of"]

_STILL = 0.02  # pixels: less is how a program writes numbers


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


def redrawn_of(folder: Path, edits: Edits) -> dict[Key, list[list[float]]]:
    """Return the outlines that are not what they were."""
    if not edits.rings:
        return {}
    content = json.loads((folder / COCO).read_text(encoding="utf-8"))
    images = {one["id"]: one["file_name"] for one in content["images"]}
    own = {
        (images[one["image_id"]], one["attributes"]["specimen"]): one["segmentation"]
        for one in content["annotations"]
    }
    return {
        key: rings for key, rings in edits.rings.items()
        if not _same(own.get(key, []), rings)
    }  # fmt: skip


def _same(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> bool:
    if len(one) != len(other):
        return False
    return all(
        len(a) == len(b) and all(abs(x - y) <= _STILL for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def mended(folder: Path, edits: Edits, changed: set[Key]) -> dict[str, Any]:
    """Return the outlines of a run with those, and the landmarks, that were corrected."""
    content: dict[str, Any] = json.loads((folder / COCO).read_text(encoding="utf-8"))
    images = {one["id"]: one["file_name"] for one in content["images"]}
    marks = content["categories"][0]["keypoints"]
    for one in content["annotations"]:
        key = images[one["image_id"]], one["attributes"]["specimen"]
        if key not in changed:
            continue
        for name, (x, y) in edits.points.get(key, {}).items():
            if name in marks:
                at = 3 * marks.index(name)
                one["keypoints"][at : at + 3] = [round(x, 2), round(y, 2), 2]
        one["num_keypoints"] = sum(seen > 0 for seen in one["keypoints"][2::3])
        if key in edits.rings:
            one["segmentation"] = edits.rings[key]
            boxes = [bounds(ring) for ring in edits.rings[key]]
            left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
            right, below = max(b[0] + b[2] for b in boxes), max(b[1] + b[3] for b in boxes)
            one["bbox"] = [left, top, right - left, below - top]
            one["area"] = sum(polygon_area(ring) for ring in edits.rings[key])
    return content
