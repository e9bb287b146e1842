"""Small pictures for a page."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

from merian.pictures import decode

__all__ = ["jpeg", "shrunk", "thumb"]

_THUMB = 150
_LARGE = 820
_QUALITY = 82


def thumb(path: Path) -> bytes:
    """Return a square picture as a small one."""
    picture = decode(path.read_bytes())
    return jpeg(picture.resize((_THUMB, _THUMB), Image.Resampling.LANCZOS))


def shrunk(path: Path) -> bytes:
    """Return a large picture as one that fits a page."""
    small = decode(path.read_bytes())
    small.thumbnail((_LARGE, _LARGE), Image.Resampling.LANCZOS)
    return jpeg(small)


def jpeg(picture: Image.Image) -> bytes:
    """Return a picture as the bytes of a JPEG file."""
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
