"""Drawing what was measured over its picture: outlines, lines, landmarks, numbers.

What a measurement took for the body is seen at a glance; a wrong one too. Outlines are drawn where
they are, between pixels, and lines from end to end.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from merian.measure.shapes import Point

__all__ = ["Drawing", "crop", "jpeg", "overlay"]

_LARGEST = 1_600  # pixels of a side of an overlay
_COLOURS = {
    "body_length": (230, 30, 30), "body_width": (30, 90, 230), "elytra_length": (250, 150, 0),
    "elytra_width": (0, 160, 160), "feret": (150, 150, 150), "min_feret": (190, 190, 190),
    "midline_length": (200, 0, 200), "wing_span": (120, 70, 20),
}  # fmt: skip
_OTHER = (90, 90, 90)
_OUTLINE = (20, 200, 60)
_DOUBTED = (240, 0, 160)
_AROUND = 0.12  # of a specimen's longer side, around it in a crop


@dataclass(frozen=True)
class Drawing:
    """What is drawn of a specimen.

    Attributes:
        label: Its number or its id.
        box: Left, top, width and height.
        rings: Its outlines, each a flat list x, y, x, y.
        lines: By trait, the points it runs between.
        points: Its landmarks.
        doubted: Whether it has a code.
    """

    label: str
    box: tuple[int, int, int, int]
    rings: Sequence[Sequence[float]]
    lines: Mapping[str, Sequence[Point]]
    points: Mapping[str, Point]
    doubted: bool = False


def overlay(pixels: NDArray[np.uint8], drawings: Iterable[Drawing]) -> Image.Image:
    """Return a picture with all that was measured; a large one is made smaller."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _LARGEST / max(height, width))
    scale = max(scale, min(4.0, 400 / max(height, width)))  # a small one is made larger
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    for drawing in drawings:
        _draw(pen, drawing, scale, (0.0, 0.0), labelled=True)
    return picture


def crop(pixels: NDArray[np.uint8], drawing: Drawing, side: int = 260) -> Image.Image:
    """Return a specimen alone with what was measured of it, in a square of one size."""
    x, y, w, h = drawing.box
    around = _AROUND * max(w, h) + 4
    reach = max(w, h) / 2 + around
    left, top = x + w / 2 - reach, y + h / 2 - reach
    scale = side / (2 * reach)
    box = (left, top, left + 2 * reach, top + 2 * reach)
    picture = Image.fromarray(pixels).transform(
        (side, side), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC,
        fillcolor=(245, 245, 245),
    )  # fmt: skip
    _draw(ImageDraw.Draw(picture), drawing, scale, (left, top), labelled=False)
    return picture


def jpeg(picture: Image.Image) -> bytes:
    """Return the bytes of a JPEG file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _draw(
    pen: ImageDraw.ImageDraw, drawing: Drawing, scale: float, origin: Point, *, labelled: bool
) -> None:
    def at(point: Sequence[float]) -> Point:
        return (point[0] - origin[0]) * scale, (point[1] - origin[1]) * scale

    for ring in drawing.rings:
        points = [at(pair) for pair in zip(ring[::2], ring[1::2], strict=True)]
        if len(points) > 1:
            pen.line([*points, points[0]], fill=_OUTLINE, width=1)
    for trait, line in drawing.lines.items():
        if len(line) > 1:
            wide = 2 if trait in _COLOURS else 1
            pen.line([at(point) for point in line], fill=_COLOURS.get(trait, _OTHER), width=wide)
    for point in drawing.points.values():
        x, y = at(point)
        pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill=(255, 255, 255), outline=(0, 0, 0))
    if labelled:
        x, y = at(drawing.box[:2])
        font = ImageFont.load_default(14)
        box = pen.textbbox((x, max(y - 16, 0)), drawing.label, font=font)
        pen.rectangle(box, fill=_DOUBTED if drawing.doubted else (255, 255, 255))
        ink = (255, 255, 255) if drawing.doubted else (0, 0, 0)
        pen.text((x, max(y - 16, 0)), drawing.label, fill=ink, font=font)
