"""A picture, or a region of one, made small for a page."""

from __future__ import annotations

import io
from pathlib import PurePath

from merian.image.addresses import apart, pixels_of, read_file
from merian.pictures import BadPictureError, decode

__all__ = ["small_picture"]

_SIDE, _QUALITY = 200, 80


def small_picture(address: str) -> tuple[bytes, str]:
    """Return a small JPEG and nothing, or nothing and why there is none."""
    place, region = apart(address)
    try:
        image = decode(read_file(place), None if region else _SIDE)
    except BadPictureError as bad:
        return b"", f"{PurePath(place).name}: {bad}"
    small = image.copy() if region is None else image.crop(pixels_of(image.size, region))
    small.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue(), ""
