"""Pictures on their way into a pack: looked at, hashed, and written into tar files.

The bytes of a picture stay as they are; a region of a picture is cut out and kept without loss.
Each picture is a file in a tar, with a JSON file of its ids and names behind it, so that WebDataset
and every other reader of tar files can use a pack. Of a record without one there is the JSON alone.

Reference: POSIX.1-2008, pax, ustar Interchange Format.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import duckdb

from merian.catalogue.checks import literal
from merian.errors import InputError
from merian.image.addresses import PictureFile, Region, pixels_of, read_file, region_of
from merian.learn.pack_gather import Gathered, Progress
from merian.pictures import BadPictureError, coloured, whole

__all__ = ["BadPictureError", "look_at_all", "picture_bytes", "tar_pictures"]

_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "BMP": "bmp", "GIF": "gif", "WEBP": "webp",
             "PPM": "pnm"}  # fmt: skip
_BLOCK = 512
_BATCH = 1_000


def look_at_all(
    con: duckdb.DuckDBPyConnection, found: Gathered, work: Path, step: Progress
) -> None:
    """Make the table ``looked`` of good pictures.

    It has their number, hash, the suffix of the file, and the longer and the shorter side in life
    in mm, NULL where that is not known.
    """
    file = work / "looked.tsv"
    rows = con.execute(
        "SELECT n, record, address, content, px_per_mm, x, y, w, h FROM raw "
        "WHERE address IS NOT NULL ORDER BY address, n"
    )
    done, last = 0, ("", b"")
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        while batch := rows.fetchmany(_BATCH):
            step("looking at pictures", done)
            for n, record, address, known, scale, *box in batch:
                try:
                    if address != last[0]:
                        last = ("", b"")  # a file that failed must not stand for the next region
                        last = (address, read_file(address))
                    content, suffix, *sides = _look_at(last[1], known, region_of(box), scale)
                except BadPictureError as bad:
                    found.rejects.append((address, "", record, str(bad)))
                else:
                    told = "\t".join("" if math.isnan(side) else repr(side) for side in sides)
                    stream.write(f"{n}\t{content}\t{suffix}\t{told}\n")
            done += len(batch)
    con.execute(
        f"CREATE TABLE looked AS SELECT * FROM read_csv({literal(file)}, delim = '\t', "
        "columns = {'n': 'BIGINT', 'content': 'VARCHAR', 'suffix': 'VARCHAR', 'longer': 'DOUBLE', "
        "'shorter': 'DOUBLE'}, header = false, "
        "auto_detect = false)"
    )


def _look_at(
    content: bytes, known: str | None, region: Region | None, scale: float | None
) -> tuple[str, str, float, float]:
    """Return the hash of what is packed of a picture, the suffix of its file, and its sides in mm.

    They are NaN where the pixels of a millimetre are not known.
    """
    file = PictureFile.of(content)
    found = file.content_of(region, known)
    kind = file.told.format
    if kind not in _SUFFIXES:
        raise BadPictureError(
            f"is a picture of the format {kind}, which is not packed; turn it into PNG"
        )
    if region is not None:
        whole(content)
    longer, shorter = file.sides(region, scale)
    return found, _SUFFIXES[kind] if region is None else "png", longer, shorter


def picture_bytes(address: str, box: list[float | None]) -> bytes:
    """Return what is packed of a picture: its file, or the region cut out of it as a PNG.

    Raises:
        BadPictureError: There is none, or it cannot be read.
    """
    content = read_file(address)
    region = region_of(box)
    if region is None:
        return content
    return _cut(content, region)


def _cut(content: bytes, region: Region) -> bytes:
    """Return a region of a picture, upright, as a PNG."""
    image = whole(content)
    piece = image.crop(pixels_of(image.size, region))
    held = io.BytesIO()
    (piece if piece.mode in {"L", "RGB"} else coloured(piece)).save(held, "PNG")
    return held.getvalue()


class _Tar:
    """A tar file that is being written; the same bytes for the same files, whenever."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._place = 0

    def add(self, name: str, content: bytes) -> int:
        """Add a file and return where its content begins."""
        head = tarfile.TarInfo(name)
        head.size = len(content)
        self._write(head.tobuf(tarfile.USTAR_FORMAT))
        begin = self._place
        self._write(content + b"\0" * (-len(content) % _BLOCK))
        return begin

    def close(self) -> None:
        """Write the end of the file: empty blocks, up to a whole record."""
        self._write(b"\0" * (2 * _BLOCK))
        self._write(b"\0" * (-self._place % tarfile.RECORDSIZE))

    def _write(self, content: bytes) -> None:
        self._stream.write(content)
        self._place += len(content)


def tar_pictures(stream: IO[bytes], rows: Iterator[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """Write pictures into a tar file; yield where each begins and how long it is.

    A record without a picture has no address, and a length of 0.
    """
    tar = _Tar(stream)
    for row in rows:
        key = f"{row['place']:09}"
        if row["address"] is None:
            yield 0, 0
        else:
            try:
                content = picture_bytes(row["address"], [row[c] for c in "xywh"])
            except BadPictureError as bad:
                raise InputError(f"{row['address']}: {bad}; it was there a moment ago") from None
            yield tar.add(f"{key}.{row['suffix']}", content), len(content)
        told = {k: v for k, v in row["told"].items() if v is not None}
        tar.add(f"{key}.json", json.dumps(told, ensure_ascii=False).encode())
    tar.close()
