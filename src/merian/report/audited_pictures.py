"""Small pictures for the page of an audit of pictures: the first of each finding.

A finding that names two pictures shows both, side by side. A picture that cannot be opened stands
as a grey box with the reason.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import PurePath

from PIL import Image

from merian.audit import Audit, Finding
from merian.image.addresses import Region, apart, pixels_of, read_file
from merian.pictures import BadPictureError, decode
from merian.report.audited import Shown
from merian.report.page import Thumbnail

__all__ = ["small_pictures"]

_SIDE, _QUALITY = 150, 80
_SHOWN = 24  # pictures of each finding: a page that can be sent by mail


def small_pictures(audit: Audit) -> Shown:
    """Return the first pictures of each finding that has any."""
    opened = lru_cache(maxsize=1)(_opened)
    small: dict[str, tuple[bytes, str]] = {}
    found = {}
    for finding in audit.findings:
        if "picture" not in finding.columns:
            continue
        addresses = _addresses(finding)
        for address in sorted({address for address, _, _ in addresses} - set(small)):
            place, region = apart(address)
            try:
                image = opened(place, None if region else _SIDE)
                small[address] = _small(image, region), ""
            except BadPictureError as bad:
                small[address] = b"", f"{PurePath(place).name}: {bad}"
        found[finding.name] = [
            Thumbnail(small[address][0], PurePath(address).name, label, remark, small[address][1])
            for address, label, remark in addresses
        ]
    return found


def _addresses(finding: Finding) -> list[tuple[str, str, str]]:
    """Return where the pictures of the first rows are, with label and score or group."""
    at = {column: place for place, column in enumerate(finding.columns)}
    found: list[tuple[str, str, str]] = []
    for row in finding.rows:
        remark = next(
            (f"{column} {row[at[column]]}" for column in ("score", "group", "likeness")
             if column in at), "",
        )  # fmt: skip
        found.append((str(row[at["file"]]), str(row[at["label"]]), remark))
        if "other_file" in at:
            found.append((str(row[at["other_file"]]), str(row[at["other_label"]]), remark))
        if len(found) >= _SHOWN:
            break
    return found


def _opened(place: str, least: int | None) -> Image.Image:
    """Return a picture, smaller than it is where no more is needed than `least` pixels a side."""
    return decode(read_file(place), least)


def _small(image: Image.Image, region: Region | None) -> bytes:
    """Return a picture, or a region of it, as a small JPEG."""
    small = image.copy() if region is None else image.crop(pixels_of(image.size, region))
    small.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
