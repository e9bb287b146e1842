"""Files of pictures, read in one place: pixels, and what the file tells of place and time.

A file may come from anywhere, so nothing of it is trusted. Only formats that Pillow reads by itself
are opened (an EPS would start another program), the number of pixels is asked before any of them is
unpacked, and whatever goes wrong is one error with a reason. Metadata that are damaged do no harm
to the pixels, and are not told.

References: CIPA DC-008, Exchangeable image file format (Exif), version 2.32; CIPA DC-007,
Multi-Picture Format.
"""

from __future__ import annotations

import io
import math
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError

from merian.containers import BadAddressError, read_address
from merian.errors import InputError

__all__ = ["LIMIT", "BadPictureError", "Picture", "PictureFacts", "coloured", "decode", "facts",
           "millimetres", "opened", "pixel_limit", "read_picture", "whole"]  # fmt: skip

LIMIT = "MERIAN_PIXEL_LIMIT"
"""The environment variable with the most pixels that a picture may have."""

Pixels = NDArray[np.uint8]

_USUAL = 178_956_970  # pixels: twice what Pillow warns of, a quarter of a GiB in grey
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "DIB", "JPEG2000", "PPM")
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL = 4_096  # a file may hold a few bytes behind its end marker: padding, or a maker's notes
_WHITE = (255, 255, 255)
_DEEP = ("I", "F")  # modes of more than 8 bits start so
_TWELVE = 4_095  # the highest value of the many scientific cameras that have 12 bits
_OPENING = threading.Lock()

# Exif: the tag of the orientation, and what makes a picture upright again.
_ORIENTATION, _DETAILS, _GPS = 0x0112, 0x8769, 0x8825
_TAKEN, _OFFSET = 0x9003, 0x9011
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_ON_ITS_SIDE = 5  # from this orientation on, width and height change places


class BadPictureError(InputError):
    """A picture that cannot be read, and why."""


@dataclass(frozen=True)
class PictureFacts:
    """What a file tells without its pixels.

    Attributes:
        format: As Pillow calls it; the pictures of cameras that hold several are "JPEG" too.
        width: In pixels, upright.
        height: The same.
        latitude: In degrees, where the file tells a place.
        longitude: The same.
        taken: When, in ISO 8601, with the offset from UTC where the file has it.
    """

    format: str
    width: int
    height: int
    latitude: float | None = None
    longitude: float | None = None
    taken: str | None = None

    @property
    def mime(self) -> str:
        """The kind of the file, as the web calls it."""
        return Image.MIME.get(self.format, "")


@dataclass(frozen=True)
class Picture:
    """A picture in memory.

    Attributes:
        pixels: uint8[h, w, 3], upright, RGB.
        facts: What its file tells. Its width and height are those of the file, which is decoded
            smaller where that is enough.
    """

    pixels: Pixels
    facts: PictureFacts


def pixel_limit() -> int:
    """Return the most pixels that a picture may have: MERIAN_PIXEL_LIMIT, or 178,956,970."""
    told = os.environ.get(LIMIT)
    if not told:
        return _USUAL
    if not told.isascii() or not told.isdecimal() or not int(told):
        raise InputError(f"{LIMIT} is {told!r}; a number of pixels expected, such as 500000000")
    return int(told)


def read_picture(source: bytes | Path | str, least: int | None = None) -> Picture:
    """Read a picture.

    Args:
        source: The content of a file, or its address (see `merian.containers`).
        least: No side needs to be longer than this; see `decode`.

    Raises:
        BadPictureError: It is damaged, cut short, no picture, or too large.
    """
    content = source if isinstance(source, bytes) else _content(str(source))
    return Picture(np.asarray(decode(content, least)), facts(content))


def facts(content: bytes) -> PictureFacts:
    """Return what a file tells of itself; its pixels are only unpacked where nothing else helps.

    A JPEG has to end with its marker and a PNG with its last chunk; other files are decoded.
    """
    with opened(content) as image:
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        told = (*_place(image), _taken(image))
        if kind not in _ENDS:
            image.load()  # which turns a TIFF upright, and closes what tells its place
        width, height = image.size
        if _orientation(image) >= _ON_ITS_SIDE:
            width, height = height, width
    if _ENDS.get(kind, b"") not in content[-_TAIL:]:
        raise BadPictureError("the file is cut short: its end marker is missing")
    return PictureFacts(kind, width, height, *told)


def millimetres(width: ArrayLike, height: ArrayLike, px_per_mm: ArrayLike) -> NDArray[np.float32]:
    """Return float32[..., 2]: the longer and the shorter side in mm; NaN where it is not known.

    Args:
        width: Of a picture in pixels.
        height: The same.
        px_per_mm: Pixels of a millimetre; NaN, zero or less is unknown.
    """
    scale = np.asarray(px_per_mm, np.float64)
    known = np.isfinite(scale) & (scale > 0)
    sides = np.stack(np.broadcast_arrays(np.asarray(width, np.float64), height, scale)[:2], axis=-1)
    scaled = sides / np.where(known, scale, np.nan)[..., None]
    return np.sort(scaled, axis=-1)[..., ::-1].astype(np.float32)


def decode(content: bytes, least: int | None = None) -> Image.Image:
    """Return a file of a picture as RGB, upright; what is see-through becomes white.

    Args:
        content: The file.
        least: No side needs to be longer than this: a JPEG is decoded at an eighth, a quarter or
            half of its size where that suffices, which is several times as fast.

    Raises:
        BadPictureError: It cannot be read.
    """
    with opened(content) as image:
        if least is not None:
            image.draft("RGB", (least, least))
        return coloured(_upright(image))


def whole(content: bytes) -> Image.Image:
    """Return a file of a picture upright and otherwise as it is, in its own mode."""
    with opened(content) as image:
        return _upright(image)


@contextmanager
def opened(content: bytes) -> Iterator[Image.Image]:
    """Open a file of a picture; whatever is raised meanwhile becomes a `BadPictureError`."""
    if not content:
        raise BadPictureError("the file is empty")
    limit = pixel_limit()
    try:
        with warnings.catch_warnings():
            # A large picture is no bomb yet, and damaged metadata do no harm to the pixels.
            warnings.simplefilter("ignore")
            with _open(content, limit) as image:
                if math.prod(image.size) > limit:
                    raise _too_large(limit)
                yield image
    except BadPictureError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(limit) from None
    except UnidentifiedImageError:  # its own words hold an address in memory
        raise BadPictureError(
            "is no picture that can be read (it begins like no format that is known)"
        ) from None
    except Exception as error:  # Pillow's plugins raise anything on a damaged file
        raise BadPictureError(
            f"is no picture that can be read ({type(error).__name__}: {str(error)[:100]})"
        ) from None


def _open(content: bytes, limit: int) -> Image.Image:
    """Open a file by Pillow, whose own limit makes way for a higher one."""
    stream = io.BytesIO(content)
    own = Image.MAX_IMAGE_PIXELS
    if own is None or limit <= 2 * own:
        return Image.open(stream, formats=_known())
    with _OPENING:
        try:
            Image.MAX_IMAGE_PIXELS = limit
            return Image.open(stream, formats=_known())
        finally:
            Image.MAX_IMAGE_PIXELS = own


@cache
def _known() -> tuple[str, ...]:
    """Return the formats that are opened, of those that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _too_large(limit: int) -> BadPictureError:
    told = f"{limit // 10**6:,} million" if limit >= 10**6 else f"{limit:,}"
    return BadPictureError(
        f"would unpack to more than {told} pixels; cut it into tiles, or raise {LIMIT}"
    )


def _content(place: str) -> bytes:
    try:
        return read_address(place)
    except BadAddressError as bad:
        raise BadPictureError(f"{place}: {bad}") from None


# -- pixels -------------------------------------------------------------------------------------


def _upright(image: Image.Image) -> Image.Image:
    """Return a picture as it was seen when it was taken."""
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def coloured(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(_DEEP):
        return _shallow(image).convert("RGB")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        on_white = Image.new("RGB", image.size, _WHITE)
        on_white.paste(image, mask=image.getchannel("A"))
        return on_white
    return image.convert("RGB")


def _shallow(image: Image.Image) -> Image.Image:
    """Return 8 of the 16 bits of a picture; what has other values is spread over all 8.

    Where no value needs more than 12 of the 16 bits the camera had 12, and those are taken.
    """
    values = np.asarray(image).astype(np.float64)
    there = np.isfinite(values)
    if not there.any():
        raise BadPictureError("holds no number: all of its values are NaN or infinite")
    low, high = float(values[there].min()), float(values[there].max())
    if image.mode.startswith("I;16") or (low >= 0 and 255 < high < 65_536):
        scale = 16.0 if 255 < high <= _TWELVE else 257.0
        return Image.fromarray((values / scale).astype(np.uint8))
    values = np.clip(np.nan_to_num(values, nan=low), low, high)
    if low < 0 or high > 255:
        values = (values - low) * (255 / (high - low) if high > low else 0.0)
    return Image.fromarray(values.astype(np.uint8))


# -- metadata -----------------------------------------------------------------------------------


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata raise anything
        return 1
    return found if isinstance(found, int) and found in _UPRIGHT else 1


def _details(image: Image.Image, part: int) -> dict[int, Any]:
    try:
        return dict(image.getexif().get_ifd(part))
    except Exception:  # damaged metadata raise anything
        return {}


def _place(image: Image.Image) -> tuple[float | None, float | None]:
    """Return latitude and longitude in degrees, or neither."""
    told = _details(image, _GPS)
    latitude, longitude = _degrees(told.get(2), told.get(1)), _degrees(told.get(4), told.get(3))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None, None
    return latitude, longitude


def _degrees(parts: Any, side: Any) -> float | None:
    """Return degrees, minutes and seconds as one number, negative in the south and the west."""
    side = side.strip("\0 ").upper() if isinstance(side, str) else ""
    if side not in {"N", "S", "E", "W"} or not isinstance(parts, tuple) or len(parts) != 3:
        return None
    try:
        value: float = sum(float(part) / 60**power for power, part in enumerate(parts))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(value) or value < 0:
        return None
    return round(-value if side in {"S", "W"} else value, 7)


def _taken(image: Image.Image) -> str | None:
    """Return when a picture was taken; not when its file was changed."""
    told = _details(image, _DETAILS)
    text, offset = (str(told.get(tag, "")).strip("\0 ") for tag in (_TAKEN, _OFFSET))
    try:
        when = datetime.strptime(text, "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        return None
    return when + offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else when
