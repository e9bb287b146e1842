"""Where a picture is: a file or a region of one, what is known without its pixels, and its address.

A region is told by its left and top edge, its width and height, as fractions of the picture when it
is upright. In an address it stands as a media fragment: ``tray.jpg#xywh=percent:10,20,5,5``.

Reference: W3C Recommendation, Media Fragments URI 1.0 (basic), 4.2.2 Spatial Dimension.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from merian.containers import BadAddressError, read_address
from merian.pictures import BadPictureError, PictureFacts, facts, millimetres

__all__ = ["PictureFile", "Region", "address_of", "apart", "pixels_of", "read_file", "region_of"]

Region = tuple[float, float, float, float]

_MARK = "#xywh=percent:"
_NUMBER = r"-?\d+(?:\.\d+)?"
_FRAGMENT = re.compile(rf"(.*){_MARK}({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})", re.DOTALL)


def region_of(box: Sequence[float | None]) -> Region | None:
    """Return the part of a picture that is meant; None is all of it."""
    x, y, w, h = box
    if x is None or y is None or w is None or h is None or (x, y, w, h) == (0, 0, 1, 1):
        return None
    return x, y, w, h


def pixels_of(size: tuple[int, int], region: Region) -> tuple[int, int, int, int]:
    """Return the pixels of a region: left, top, right and below; one of each at least."""
    width, height = size
    x, y, w, h = region
    left, top = (min(max(round(at * full), 0), full - 1)
                 for at, full in ((x, width), (y, height)))  # fmt: skip
    right = min(max(round((x + w) * width), left + 1), width)
    below = min(max(round((y + h) * height), top + 1), height)
    return left, top, right, below


def address_of(place: str, region: Region | None) -> str:
    """Return the address of a picture with that of its region behind it, so that none is lost."""
    if region is None:
        return place
    # Moved by two decimal places, and not multiplied, so that the same number comes back.
    told = (f"{Decimal(repr(float(part))).scaleb(2):f}" for part in region)
    return f"{place}{_MARK}{','.join(told)}"


def apart(address: str) -> tuple[str, Region | None]:
    """Return where a picture is, and which region of it an address means."""
    found = _FRAGMENT.fullmatch(address)
    if found is None:
        return address, None
    x, y, w, h = (float(Decimal(part).scaleb(-2)) for part in found.groups()[1:])
    return found[1], (x, y, w, h)


def read_file(address: str) -> bytes:
    """Return what is in the file of a picture, or say why that cannot be had."""
    try:
        return read_address(address)
    except BadAddressError as bad:
        raise BadPictureError(str(bad)) from None


class PictureFile(NamedTuple):
    """What is known of a file of a picture without its pixels.

    Attributes:
        digest: The hash of its bytes, in hexadecimal.
        told: What it tells of itself.
    """

    digest: str
    told: PictureFacts

    @staticmethod
    def of(content: bytes) -> PictureFile:
        """Look at a file."""
        return PictureFile(hashlib.blake2b(content, digest_size=16).hexdigest(), facts(content))

    def content_of(self, region: Region | None, known: str | None) -> str:
        """Return the hash of what is looked at: the file, or a region of it.

        Args:
            region: Which part of it; None for all.
            known: The hash that the file had when it was imported, if that is known.
        """
        if region is not None:
            text = f"{self.digest} {region}"
            return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        if known and len(known) == len(self.digest) and known != self.digest:
            raise BadPictureError("the file has changed since it was imported; import it again")
        return self.digest

    def sides(self, region: Region | None, scale: float | None) -> list[float]:
        """Return the longer and the shorter side in mm; NaN where the scale is not known."""
        size = self.told.width, self.told.height
        left, top, right, below = (0, 0, *size) if region is None else pixels_of(size, region)
        found: list[float] = millimetres(right - left, below - top, scale or math.nan).tolist()
        return found
