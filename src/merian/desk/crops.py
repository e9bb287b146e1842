"""Pictures of the desk: thumbnails that are made once and kept, and larger ones that are not.

A picture is asked for by its mediaID alone, and only what the catalogue says of it is read. What is
sent is always made anew from decoded pixels, so that no other file can leave this way, whatever
a catalogue calls a picture. Thumbnails lie in ``thumbnails/`` of the catalogue; the folder may be
deleted at any time. Of bulk photographs the last ones are kept decoded, since the crops of a tray
are asked for one after the other.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.containers import container_of
from merian.desk.desk import Desk
from merian.files import new_file
from merian.image.addresses import Region, pixels_of, read_file, region_of
from merian.pictures import BadPictureError, decode

__all__ = ["FOLDER", "Crops", "Shown", "shown"]

FOLDER = "thumbnails"
THUMB, LARGE = 240, 1400  # pixels of the longer side
_QUALITY = 82
_KEPT = 48_000_000  # pixels of decoded pictures

_THING = THING.replace("material t", "main.material t")
_OF_RECORD = """
SELECT mediaID AS key FROM main.media WHERE occurrenceID = ? OR (occurrenceID IS NULL AND (
    mediaID = ? OR materialEntityID IN
        (SELECT materialEntityID FROM main.material WHERE occurrenceID = ?)))
"""


@dataclass(frozen=True)
class Shown:
    """A picture, as the catalogue knows it.

    Attributes:
        id: Its mediaID.
        address: Where it is.
        region: The part of it that is meant.
        scale: Pixels of a millimetre, or None.
        outline: What is meant, in pixels of the picture, or "".
        facts: What else is known of it.
    """

    id: str
    address: str
    region: Region | None
    scale: float | None
    outline: str
    facts: dict[str, Any]


def shown(desk: Desk, *, media: str = "", record: str = "", most: int = 24) -> list[Shown]:
    """Return a picture by its mediaID, or those of a record."""
    keys = [media]
    if record:
        keys = [row["key"] for row in desk.rows(_OF_RECORD, [record] * 3)]
    # The few that are meant are taken out first, so that nothing is joined whole.
    meant = "(SELECT * FROM main.media WHERE mediaID IN (SELECT unnest(?::VARCHAR[])))"
    whole = f"(SELECT * FROM main.media WHERE mediaID IN (SELECT derivedFromMediaID FROM {meant}))"
    rows = desk.rows(
        f"SELECT x.mediaID AS id, {ADDRESS} AS address, {box('a', 'b', 'c', 'd')}, "
        f"{SCALE} AS scale, x.regionOutline AS outline, x.subjectPart, x.subjectOrientation, "
        "x.captureDevice, x.license, x.rightsHolder, x.mediaRemarks "
        f"FROM {meant} x {PARENT.replace('media p', whole + ' p')} {_THING} "
        f"WHERE {ADDRESS} IS NOT NULL AND (? = '' OR coalesce({SUBJECT}, x.mediaID) = ?) "
        f"ORDER BY x.mediaID LIMIT {most}",
        [keys, keys, record, record],
    )  # fmt: skip
    return [
        Shown(row.pop("id"), row.pop("address"),
              region_of([row.pop("a"), row.pop("b"), row.pop("c"), row.pop("d")]),
              row.pop("scale"), row.pop("outline") or "", row)
        for row in rows
    ]  # fmt: skip


class Crops:
    """The pictures of a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._folder = desk.catalogue.path / FOLDER
        self._lock = threading.Lock()
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()
        self._turns = threading.Semaphore(max(1, (os.cpu_count() or 2)))

    def thumbnail(self, media: str) -> bytes:
        """Return a small JPEG of a picture or a region; made once.

        Raises:
            BadPictureError: There is none, and why.
        """
        one = self._one(media)
        text = repr((one.address, one.region, _stamp(one.address), THUMB))
        key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        file = self._folder / key[:2] / f"{key}.jpg"
        try:
            return file.read_bytes()
        except OSError:
            pass
        made = _jpeg(self._cut(one, THUMB), THUMB)
        with new_file(file) as stream:
            stream.write(made)
        return made

    def large(self, media: str, *, around: bool = False) -> bytes:
        """Return a large JPEG of a picture; of a region with what is around it if asked."""
        one = self._one(media)
        if around and one.region is not None:
            return _jpeg(self._whole(one.address, None), LARGE)
        return _jpeg(self._cut(one, LARGE), LARGE)

    def size(self, one: Shown) -> tuple[int, int]:
        """Return width and height of the whole picture that one is, or lies in."""
        return self._whole(one.address, None).size

    def _one(self, media: str) -> Shown:
        found = shown(self._desk, media=media)
        if not found:
            raise BadPictureError("the catalogue has no such picture")
        return found[0]

    def _cut(self, one: Shown, side: int) -> Image.Image:
        if one.region is None:
            return self._whole(one.address, side)
        whole = self._whole(one.address, None)
        return whole.crop(pixels_of(whole.size, one.region))

    def _whole(self, address: str, least: int | None) -> Image.Image:
        """Return a decoded picture; full ones are kept for a while."""
        if least is not None:
            with self._turns:
                return decode(read_file(address), least)
        with self._lock:
            if address in self._decoded:
                self._decoded.move_to_end(address)
                return self._decoded[address]
            image = decode(read_file(address))
            self._decoded[address] = image
            while (
                len(self._decoded) > 1
                and sum(one.width * one.height for one in self._decoded.values()) > _KEPT
            ):
                self._decoded.popitem(last=False)
            return image


def _stamp(address: str) -> tuple[int, int]:
    """Return what changes when a file does."""
    try:
        told = Path(container_of(address)[0]).stat()
    except (OSError, ValueError):
        return 0, 0
    return told.st_mtime_ns, told.st_size


def _jpeg(image: Image.Image, side: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
