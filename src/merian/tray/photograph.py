"""A photograph that is asked for parts of it, held as a whole or read block by block.

What Pillow reads is decoded once and held: three bytes a pixel, as far as the limit on pixels goes
(see `merian.pictures`). A TIFF that lies in strips or tiles is larger than any such limit at times,
a gigapixel and more. Each of its blocks is a picture of its own with the tags of all: so a block
is written out as a small TIFF, and Pillow reads that. Only the blocks that a part needs are read,
and some of them are kept for the next part. Other formats (JPEG, PNG and others) cannot be read in
parts and have to fit the limit.

Reference: Adobe, TIFF revision 6.0, sections 8, 15 and 22.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from merian.image.addresses import read_file
from merian.pictures import BadPictureError, coloured, decode, opened, pixel_limit

__all__ = ["Blocks", "Photograph", "Whole", "open_photograph"]

Bytes = NDArray[np.uint8]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HELD = 60_000_000  # pixels of a TIFF that is read at once
_KEPT = 192 << 20  # bytes of blocks that are kept at least
_LARGEST_BLOCK = 1 << 28  # bytes of a block as it is stored
# Tags, by the numbers of the standard.
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_AT, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 273, 274, 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_AT, _TILE_BYTES = 322, 323, 324, 325
_TABLES = 347  # of a JPEG
# What a block has in common with all: fill order, predictor, palette, further samples and their
# format, subsampling and its position.
_SHORTS = (_BITS, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, _PLANAR, 317, 320, 338, 339, 530, 531)
_SHORT, _LONG, _UNDEFINED = 3, 4, 7


class Photograph(Protocol):
    """A photograph of which parts can be had.

    Attributes:
        width: In pixels, upright.
        height: The same.
    """

    width: int
    height: int

    def window(self, left: int, top: int, right: int, below: int) -> Bytes:
        """Return uint8[h, w, 3], the pixels of a part."""
        ...

    def sampled(self, step: int) -> Bytes:
        """Return every so-manieth pixel of every so-manieth row, from the middle of a step on."""
        ...


class Whole:
    """A photograph in memory."""

    def __init__(self, pixels: Bytes) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def window(self, left: int, top: int, right: int, below: int) -> Bytes:
        """Return a part; it is not copied."""
        return self.pixels[top:below, left:right]

    def sampled(self, step: int) -> Bytes:
        """Return every so-manieth pixel."""
        return np.ascontiguousarray(self.pixels[step // 2 :: step, step // 2 :: step])


class Blocks:
    """A TIFF that is read block by block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._order, tags = _tags_of(path)
        self._tags = tags
        self.width, self.height = _size(tags)
        self._wide, self._high = self.width, min(_number(tags, _ROWS, self.height), self.height)
        at, many = tags.get(_STRIP_AT, ()), tags.get(_STRIP_BYTES, ())
        self._tiled = _TILE_AT in tags
        if self._tiled:
            self._wide, self._high = _number(tags, _TILE_WIDTH), _number(tags, _TILE_LENGTH)
            at, many = tags[_TILE_AT], tags.get(_TILE_BYTES, ())
        self._at, self._many = [*at], [*many]
        _check(tags, self._wide, self._high)
        self._columns = math.ceil(self.width / self._wide)
        expected = self._columns * math.ceil(self.height / self._high)
        if len(self._at) != expected or len(self._many) != expected:
            raise BadPictureError(f"has {len(self._at):,} blocks where {expected:,} are expected")
        # A row of windows should find its blocks again.
        self._most = _KEPT + 3 * self.width * (2 * self._high + 2_048)
        self._lock = Lock()
        self._kept: OrderedDict[int, Bytes] = OrderedDict()
        self._bytes = 0

    def window(self, left: int, top: int, right: int, below: int) -> Bytes:
        """Return a part, of the blocks that it needs."""
        found = np.empty((below - top, right - left, 3), np.uint8)
        for row in range(top // self._high, (below - 1) // self._high + 1):
            for column in range(left // self._wide, (right - 1) // self._wide + 1):
                block = self._block(row * self._columns + column)
                y, x = row * self._high, column * self._wide
                first, last = max(top, y), min(below, y + block.shape[0])
                start, stop = max(left, x), min(right, x + block.shape[1])
                found[first - top : last - top, start - left : stop - left] = block[
                    first - y : last - y, start - x : stop - x
                ]
        return found

    def sampled(self, step: int) -> Bytes:
        """Return every so-manieth pixel; each block is read once and not kept."""
        half = step // 2
        rows, columns = (len(range(half, side, step)) for side in (self.height, self.width))
        found = np.empty((rows, columns, 3), np.uint8)
        for number in range(len(self._at)):
            y, x = (number // self._columns) * self._high, (number % self._columns) * self._wide
            first, start = (half - y) % step, (half - x) % step
            some = self._decoded(number)[
                first : self.height - y : step, start : self.width - x : step
            ]
            down, across = (y + first - half) // step, (x + start - half) // step
            found[down : down + some.shape[0], across : across + some.shape[1]] = some
        return found

    def _block(self, number: int) -> Bytes:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        block = self._decoded(number)
        with self._lock:
            if number not in self._kept:
                self._kept[number] = block
                self._bytes += block.nbytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return block

    def _decoded(self, number: int) -> Bytes:
        """Return a block: as a small TIFF of its own it is read by Pillow."""
        with _damaged(f"its block {number:,}"):
            block = self._read(number)
        if block.shape != (self._tall(number), self._wide, 3):
            raise BadPictureError(f"its block {number:,} is of another size than is told")
        return block

    def _tall(self, number: int) -> int:
        """Return how high a block is: the last strip may be lower, a tile never is."""
        return self._high if self._tiled else min(self._high, self.height - number * self._high)

    def _read(self, number: int) -> Bytes:
        many = self._many[number]
        if not 0 < many <= _LARGEST_BLOCK:
            raise BadPictureError(f"its block {number:,} has {many:,} bytes")
        with self.path.open("rb") as stream:
            stream.seek(self._at[number])
            data = stream.read(many)
        if len(data) < many:
            raise BadPictureError(f"the file is cut short: its block {number:,} is missing")
        small = _small(self._tags, self._order, self._wide, self._tall(number), data)
        with opened(small) as image:
            image.load()
            return np.asarray(coloured(image))


@contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Say which part of a file cannot be read, where its directory tells what makes no sense."""
    try:
        yield
    except (OSError, TypeError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise BadPictureError(
            f"{what} cannot be read ({type(error).__name__}: {str(error)[:100]})"
        ) from None


def open_photograph(address: str) -> Photograph:
    """Open a photograph: a TIFF that is large block by block, others at once.

    Raises:
        BadPictureError: It cannot be read.
    """
    path = Path(address)
    if path.is_file():
        with _damaged("it"):
            with path.open("rb") as stream:
                kind = stream.read(4)
            if kind in _TIFF and math.prod(_size(_tags_of(path)[1])) > min(_HELD, pixel_limit()):
                return Blocks(path)
    return Whole(np.asarray(decode(read_file(address))))


def _tags_of(path: Path) -> tuple[str, Mapping[int, Any]]:
    """Return the order of bytes of a TIFF, and the tags of its first picture."""
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata do no harm to the pixels
            head = stream.read(8)
            tags = ImageFileDirectory_v2(head + stream.read(8) * (43 in head[2:4]))
            stream.seek(tags.next)
            tags.load(stream)
            return "<" if head[:2] == b"II" else ">", dict(tags)
    except Exception as error:  # Pillow's plugins raise anything on a damaged file
        raise BadPictureError(
            f"is no TIFF that can be read ({type(error).__name__}: {str(error)[:100]})"
        ) from None


def _size(tags: Mapping[int, Any]) -> tuple[int, int]:
    return _number(tags, _WIDTH), _number(tags, _LENGTH)


def _number(tags: Mapping[int, Any], tag: int, otherwise: int = 0) -> int:
    value = tags.get(tag, otherwise)
    number = value[0] if isinstance(value, tuple) and value else value
    return number if isinstance(number, int) else 0


def _check(tags: Mapping[int, Any], wide: int, high: int) -> None:
    """Say so if a TIFF cannot be read in blocks."""
    if min(wide, high, *_size(tags)) < 1:
        raise BadPictureError("its blocks have no width or no height")
    if wide * high > pixel_limit():
        raise BadPictureError(
            f"lies in blocks of {wide:,} x {high:,} pixels, more than can be held; write it anew "
            "in tiles of 256 or 512 pixels"
        )
    bits = tags.get(_BITS, (1,))
    if set(bits if isinstance(bits, tuple) else (bits,)) != {8}:
        raise BadPictureError("is too large to be read at once and has not 8 bits a colour")
    if _number(tags, _PLANAR, 1) != 1:
        raise BadPictureError("is too large to be read at once and has its colours apart")
    if _number(tags, _ORIENTATION, 1) not in (0, 1):
        raise BadPictureError("is too large to be turned upright; write it anew, upright")


def _small(tags: Mapping[int, Any], order: str, wide: int, high: int, data: bytes) -> bytes:
    """Return a TIFF of one strip that holds a block."""
    entries: list[tuple[int, int, int, bytes]] = []  # tag, type, count and value
    for tag in _SHORTS:
        if tag in tags:
            value = tags[tag]
            numbers = value if isinstance(value, tuple) else (value,)
            told = struct.pack(f"{order}{len(numbers)}H", *numbers)
            entries.append((tag, _SHORT, len(numbers), told))
    if _TABLES in tags:
        entries.append((_TABLES, _UNDEFINED, len(tags[_TABLES]), bytes(tags[_TABLES])))
    plain = {_WIDTH: wide, _LENGTH: high, _ROWS: high, _STRIP_BYTES: len(data), _STRIP_AT: 0}
    entries += [(tag, _LONG, 1, struct.pack(f"{order}I", one)) for tag, one in plain.items()]
    entries.sort()
    at = 8 + 2 + 12 * len(entries) + 4
    beyond = b""
    strip_at = at + sum(len(told) + len(told) % 2 for *_, told in entries if len(told) > 4)
    listed = b""
    for tag, kind, count, told in entries:
        value = struct.pack(f"{order}I", strip_at) if tag == _STRIP_AT else told
        if len(value) > 4:
            place = struct.pack(f"{order}I", at + len(beyond))
            value, beyond = place, beyond + value + b"\0" * (len(value) % 2)
        listed += struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    end = struct.pack(f"{order}I", 0)
    return head + struct.pack(f"{order}H", len(entries)) + listed + end + beyond + data
