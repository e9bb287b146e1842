"""A picture, or a region of one, made small for a page."""

from __future__ import annotations

import io
from pathlib import PurePath

from PIL import Image

from merian.image.addresses import apart, pixels_of, read_file
from merian.pictures import BadPictureError, decode

__all__ = ["small_jpeg", "small_picture"]

_SIDE, _QUALITY = 200, 80


def small_picture(address: str) -> tuple[bytes, str]:
    """Return a small JPEG and nothing, or nothing and why there is none."""
    place, region = apart(address)
    try:
        image = decode(read_file(place), None if region else _SIDE)
    except BadPictureError as bad:
        return b"", f"{PurePath(place).name}: {bad}"
    small = image.copy() if region is None else image.crop(pixels_of(image.size, region))
    return _small(small, _SIDE), ""


def small_jpeg(content: bytes, side: int) -> bytes:
    """Return a file of a picture as a JPEG whose sides are not longer than so many pixels."""
    return _small(decode(content).copy(), side)


def _small(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
