"""What lies within another file: a member of a tar or zip, a cell of a parquet, pixels in a row.

Imaging labs and hubs keep pictures by the thousand in one file. Such a picture keeps its place and
is not copied: its address is that of the file, ``!/``, and what lies where in it::

    shard-000.tar!/000017.jpg         a member of a tar (not packed), a zip or a zid
    train.parquet!/image/17           the column and the row, counted from 0; the column holds
                                      bytes, or a struct with a field "bytes"
    D20130101T101010.roi!/1024/80/60  grey pixels: the first byte, width and height; read as a PGM

A ``#`` in the name of a member is written ``%23`` and ``%`` is ``%25``, so that the region of a
picture can stand behind an address.

References: POSIX.1-2008, pax; PKWARE APPNOTE 6.3; Apache Parquet; Netpbm, pgm.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple, cast

import duckdb

from merian.errors import InputError
from merian.parquet import FileStamp, RowRange, fetch, layout_of, scan
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["MARK", "BadAddressError", "TarFile", "container_of", "is_there", "member_address",
           "read_address", "tar_files"]  # fmt: skip

MARK = "!/"
"""Stands between a file and what lies within it."""

_HEADER = 1 << 20  # bytes of the header of a file in a tar, long names and all
_MOST = 1 << 30  # bytes of one member: no picture is larger, and a zip may claim anything
_DAMAGED = (*UNREADABLE_ZIP, ValueError, tarfile.TarError, duckdb.Error)


class BadAddressError(InputError):
    """What an address means cannot be had, and why."""


def member_address(file: Path | str, *parts: str | int) -> str:
    """Return the address of what lies within a file: a member, or column and row, or numbers."""
    told = "/".join(str(part).replace("%", "%25").replace("#", "%23") for part in parts)
    return f"{file}{MARK}{told}"


def container_of(address: str) -> tuple[str, str]:
    """Return the file of an address and what is meant within it, which is "" for the file."""
    address = address.removeprefix("file://")
    # A folder may be called so too: the mark that counts stands behind a container.
    for kind in _READERS:
        head, mark, member = address.partition(f"{kind}{MARK}")
        if mark:
            return head + kind, member.replace("%23", "#").replace("%25", "%")
    return address, ""


def is_there(address: str) -> bool:
    """Return whether the file of an address is there; what lies within it is not looked for."""
    return Path(container_of(address)[0]).is_file()


def read_address(address: str) -> bytes:
    """Return the bytes of a file, or of what lies within one.

    Raises:
        BadAddressError: There are none; it says why.
    """
    if "://" in address and not address.startswith("file://"):
        raise BadAddressError("is on the web; nothing is fetched, so bring the file and import it")
    name, member = container_of(address)
    path = Path(name)
    try:
        told = path.stat()
        # A device or a pipe may never end.
        if not stat.S_ISREG(told.st_mode) and not path.is_dir():
            raise BadAddressError("is no file")
        if not member:
            return path.read_bytes()
        return _READERS[path.suffix](FileStamp(name, told.st_size, told.st_mtime_ns), member)
    except BadAddressError:
        raise
    except OSError as error:
        raise BadAddressError(f"cannot be opened ({error.strerror or error})") from None
    except ValueError as error:  # a null byte in its name
        raise BadAddressError(f"cannot be opened ({error})") from None


# -- kinds --------------------------------------------------------------------------------------


def _of_tar(file: FileStamp, member: str) -> bytes:
    where = _members(file).get(member)
    if where is None:
        raise BadAddressError(f"{Path(file.path).name} has no file {member}")
    first, size = where
    return _bytes(file, first, size)


@lru_cache(maxsize=16)
def _members(file: FileStamp) -> Mapping[str, tuple[int, int]]:
    """Return where the bytes of each file of a tar are; of two of one name the last counts."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for one in tar_files(file.path):
            found[one.name] = (one.first, one.size)
    except BadAddressError:
        if not found:  # what stands before the damage can be read
            raise
    return found


class TarFile(NamedTuple):
    """A file in a tar: its name, its first byte and how many there are."""

    name: str
    first: int
    size: int


def tar_files(path: Path | str) -> Iterator[TarFile]:
    """Return the files of a tar that is not packed, in order; what is in them is passed over.

    Raises:
        BadAddressError: The tar is damaged, or ends early. What stands before is returned first.
    """
    last = -1
    try:
        with Path(path).open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(0)
            bounded = cast("IO[bytes]", _Bounded(stream))
            with tarfile.open(fileobj=bounded, mode="r:") as packed:
                for one in packed:
                    packed.members.clear()  # type: ignore[attr-defined]  # they would pile up
                    if one.offset_data <= last or one.size < 0:
                        raise tarfile.ReadError("a size that leads backwards")
                    last = one.offset_data
                    if one.offset_data + one.size > end:
                        raise tarfile.ReadError(f"{one.name[:100]} is cut short")
                    if one.isreg():
                        yield TarFile(one.name, one.offset_data, one.size)
    except _DAMAGED as error:
        raise _damaged(path, error) from None


class _Bounded:
    """A stream of which no more is read at once than the header of a tar may be long."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._stream.read(size)


def _of_zip(file: FileStamp, member: str) -> bytes:
    packed = _opened_zip(file)
    try:
        told = packed.getinfo(member)
        if told.file_size > _MOST:
            raise BadAddressError(f"{member} would unpack to {told.file_size:,} bytes")
        with packed.open(told) as stream:
            return stream.read(_MOST)
    except KeyError:
        raise BadAddressError(f"{Path(file.path).name} has no file {member}") from None
    except _DAMAGED as error:
        raise _damaged(file, error) from None


@lru_cache(maxsize=4)
def _opened_zip(file: FileStamp) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(Path(file.path))
    except _DAMAGED as error:
        raise _damaged(file, error) from None


def _of_parquet(file: FileStamp, member: str) -> bytes:
    column, _, row = member.rpartition("/")
    if not column or not row.isdecimal():
        raise BadAddressError(f"{member!r}: the column and the row of a parquet expected, image/17")
    try:
        number = int(row[:20])
        rows = layout_of(file, (column,)).block(number)
        cells = _cells(file, column, rows) if rows else ()
    except _DAMAGED as error:
        raise _damaged(file, error) from None
    at = number - rows.first if rows else 0
    if at >= len(cells):
        raise BadAddressError(f"{Path(file.path).name} has no row {number}")
    content = cells[at]
    if content is None:
        raise BadAddressError(f"row {number} of {Path(file.path).name} holds nothing in {column}")
    return content


@lru_cache(maxsize=256)
def _cell(file: FileStamp, column: str) -> str:
    """Return the SQL of a column's bytes, which may lie in a struct."""
    name = '"' + column.replace('"', '""') + '"'
    ((_, kind, *_),) = fetch(f"DESCRIBE SELECT {name} FROM {scan(file.path)}")
    return f"{name}.bytes" if str(kind).startswith("STRUCT") else name


@lru_cache(maxsize=8)
def _cells(file: FileStamp, column: str, rows: RowRange) -> tuple[bytes | None, ...]:
    found = fetch(
        f"SELECT {_cell(file, column)} FROM {scan(file.path, rows)} ORDER BY file_row_number"
    )
    return tuple(cell if isinstance(cell, bytes) else None for (cell,) in found)


def _of_pixels(file: FileStamp, member: str) -> bytes:
    try:
        first, width, height = (int(part) for part in member.split("/"))
    except ValueError:
        raise BadAddressError(
            f"{member!r}: the first byte, width and height of pixels expected, 1024/80/60"
        ) from None
    if min(first, width - 1, height - 1) < 0:
        raise BadAddressError(f"{width} x {height} pixels at byte {first} are no picture")
    return b"P5 %d %d 255\n" % (width, height) + _bytes(file, first, width * height)


def _bytes(file: FileStamp, first: int, size: int) -> bytes:
    if first + size > file.size:
        raise BadAddressError(
            f"{Path(file.path).name} is cut short: it ends at byte {file.size:,}, and "
            f"{first + size:,} are needed"
        )
    if size > _MOST:
        raise BadAddressError(f"would be {size:,} bytes")
    with Path(file.path).open("rb") as stream:
        stream.seek(first)
        return stream.read(size)


def _damaged(file: FileStamp | Path | str, error: Exception) -> BadAddressError:
    told = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    name = Path(file.path if isinstance(file, FileStamp) else file).name
    return BadAddressError(f"{name} is damaged or cannot be read ({told})")


_READERS: dict[str, Callable[[FileStamp, str], bytes]] = {
    ".tar": _of_tar,
    ".zip": _of_zip,
    ".zid": _of_zip,  # the zip of ZooImage
    ".parquet": _of_parquet,
    ".roi": _of_pixels,
}
