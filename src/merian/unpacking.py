"""Opening zips, tars and gzipped tables that come from strangers.

A packed file may not write outside the folder that it is unpacked to, and may not grow without
bound. What was unpacked lives in a scratch folder that goes when nothing refers to it any more.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from merian.errors import FormatError
from merian.files import find_encoding, open_binary

__all__ = [
    "UNREADABLE", "UNREADABLE_ZIP", "Scratch", "safe_name", "text_encoding", "untar", "unzip",
]  # fmt: skip

# What Python raises when a compressed file is cut short or damaged.
UNREADABLE = (OSError, EOFError, zlib.error)

# And for a zip: RuntimeError is how it asks for a password, NotImplementedError how it says that it
# does not know the packing; names in it may be no UTF-8.
UNREADABLE_ZIP = (
    *UNREADABLE, zipfile.BadZipFile, RuntimeError, NotImplementedError, UnicodeDecodeError,
)  # fmt: skip

# Deflate can shrink by 1,032; tables of names shrink by 5 to 30.
_MOST_GROWTH = 200
_ALWAYS_ALLOWED = 64 << 20
_MOST_FILES = 100_000
_BLOCK = 1 << 20


class Scratch:
    """A folder of our own, deleted when closed or forgotten.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, what: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"merian-{what}-"))
        self._finalize = weakref.finalize(self, shutil.rmtree, str(self.folder), ignore_errors=True)

    def close(self) -> None:
        """Delete the folder and all in it."""
        self._finalize()


def _everything(_: str) -> bool:
    return True


def unzip(path: Path, folder: Path, keep: Callable[[str], bool] = _everything) -> None:
    """Unpack the files of a zip whose names are to be kept, if it is safe to do so.

    Raises:
        FormatError: For a damaged zip, a name that leads out of the folder, or a zip that would
            grow more than any table of text does.
    """
    allowed = _allowance(path)
    try:
        with zipfile.ZipFile(path) as packed:
            told = packed.infolist()
            if not all(m.filename for m in told):
                raise zipfile.BadZipFile("a file in it has no name")
            members = [m for m in told if not m.is_dir() and keep(m.filename)]
            _check_count(len(members), path)
            for member in members:
                with packed.open(member) as source:
                    allowed = _copy(source, folder, member.filename, allowed, path)
    except UNREADABLE_ZIP as error:
        raise FormatError(f"cannot be unpacked ({error}); get a fresh copy", path=path) from None


def untar(path: Path, folder: Path, keep: Callable[[str], bool] = _everything) -> None:
    """Unpack the plain files of a tar, compressed or not, as `unzip` does."""
    allowed = _allowance(path)
    count = 0
    try:
        with tarfile.open(path) as packed:
            for member in packed:
                count += 1
                _check_count(count, path)
                if member.isfile() and keep(member.name):
                    source = packed.extractfile(member)
                    assert source is not None  # a plain file always has content
                    allowed = _copy(source, folder, member.name, allowed, path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise FormatError(f"cannot be unpacked ({error}); get a fresh copy", path=path) from None


def _allowance(path: Path) -> int:
    return max(_ALWAYS_ALLOWED, _MOST_GROWTH * path.stat().st_size)


def _check_count(count: int, path: Path) -> None:
    if count > _MOST_FILES:
        raise FormatError(f"holds more than {_MOST_FILES} files; give the folder", path=path)


def _copy(source: IO[bytes], folder: Path, name: str, allowed: int, path: Path) -> int:
    """Write one packed file below the folder and return how much may still be written."""
    target = folder / safe_name(name, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        while block := source.read(_BLOCK):
            allowed -= len(block)
            if allowed < 0:
                raise FormatError(
                    f"would unpack to more than {_MOST_GROWTH} times its size, which no table of "
                    "text does; unpack it by hand if you trust it, and give the folder",
                    path=path,
                )
            sink.write(block)
    return allowed


def safe_name(name: str, path: Path) -> str:
    """Return the name of a packed file, or refuse one that leads out of its folder."""
    clean = PurePosixPath(name.replace("\\", "/"))
    drive = re.match(r"[A-Za-z]:", name)
    if clean.is_absolute() or ".." in clean.parts or drive or not clean.parts:
        raise FormatError(
            f"names the file {name!r}, which leads out of its own folder; do not trust it",
            path=path,
        )
    return str(clean)


def text_encoding(path: Path) -> str:
    """Return the encoding of a text file, gzipped or not.

    Raises:
        FormatError: For a folder, a damaged gzip, or bytes that are no text.
    """
    if path.is_dir():
        raise FormatError("is a folder; a file is expected", path=path)
    try:
        with open_binary(path) as stream:
            if b"\0" in stream.read(4096):
                raise FormatError("holds zero bytes; a file of text is expected", path=path)
        return find_encoding(path)
    except (zlib.error, EOFError, OSError) as error:
        raise FormatError(f"cannot be read ({error}); get a fresh copy", path=path) from None
