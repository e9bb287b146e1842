"""Reading and writing files so that nothing is half written.

A write goes to a temporary name beside its target, is forced to the disk and then renamed:
whoever looks sees the old file, or the new one, and never a part. Text is UTF-8, compressed
files are opened as what they hold, and the encoding of foreign tables is found by reading them.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from merian.errors import InputError, NotFoundError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "check_outside",
    "check_replaceable",
    "content_hash",
    "existing",
    "find_encoding",
    "marked_encoding",
    "new_file",
    "new_folder",
    "only_writer",
    "open_binary",
    "open_text",
    "to_disk",
    "write_json",
    "write_text",
]

_BLOCK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


def existing(path: Path | str, what: str = "file or folder") -> Path:
    """Return the path, or say that it is not there and what lies nearby."""
    path = Path(path)
    if path.exists():
        return path
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    inside = ", ".join(sorted(p.name for p in parent.iterdir())[:5]) if parent.is_dir() else ""
    raise NotFoundError(
        f"{path}: no such {what}. The nearest folder that exists is {parent.resolve()}"
        + (f", which holds {inside}" if inside else ", which is empty")
    )


def check_outside(path: Path | str) -> None:
    """Say so if this process is in a folder: one that is replaced is lost to whoever is in it."""
    path = Path(path).resolve()
    if Path.cwd().is_relative_to(path):
        raise InputError(
            f"{path}: is where you are, and would be replaced; go to another folder and name it "
            "from there"
        )


def check_replaceable(
    out: Path, header: str, what: str, holds: str = "the tables and the page"
) -> None:
    """Make sure that a folder may be written: it is not there, is empty, or is an earlier result.

    Args:
        out: The folder.
        header: The file by which an earlier result is known.
        what: What such a result is.
        holds: What is to stand in it.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder for {holds}")
    if out.is_dir() and any(out.iterdir()) and not (out / header).is_file():
        raise InputError(f"{out}: holds other things than {what}. Name a new folder")
    check_outside(out)


@contextmanager
def new_file(path: Path | str, *, text: bool = False) -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when the block ends without an error."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file to write")
    _make_parent(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        stream: IO[Any] = (
            open(handle, "w", encoding="utf-8", newline="\n")  # noqa: PTH123, SIM115
            if text
            else open(handle, "wb")  # noqa: PTH123, SIM115
        )
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends without an error.

    A folder already there is replaced; the caller asks first whether that is wanted. What a killed
    process has left of the same folder is removed.
    """
    if Path(path).exists() and not Path(path).is_dir():
        raise InputError(f"{path}: is a file; give the name of a folder to write")
    path = Path(path).resolve()  # "." has no name beside which to write, and a link no content
    _make_parent(path)
    _sweep(path)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    lock = _lock(part)
    try:
        yield part
        to_disk(part)
        part.chmod(0o755)
        if path.exists():
            old = part.with_suffix(".old")
            try:
                path.rename(old)
                part.rename(path)
            except BaseException:  # stopped in between: what was there is all that there is
                if old.exists() and not path.exists():
                    old.rename(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def to_disk(folder: Path) -> None:
    """Force the files of a folder to the disk, for everyone to read."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


@contextmanager
def only_writer(path: Path | str) -> Iterator[None]:
    """Hold a folder against any other process that would write to it in this way."""
    lock = _lock(existing(path, "folder"))
    if lock is None and sys.platform != "win32":
        raise InputError(f"{path}: another process is writing to it; wait until it is done")
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _make_parent(path: Path) -> None:
    """Make the folder in which a path will stand."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            f"{path}: a file stands where its folder would be; name another place"
        ) from None


def _lock(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives; None if another has it or nobody can."""
    if sys.platform == "win32":  # no such locks: what was left there stays
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(path: Path) -> None:
    """Remove what killed processes have left of a folder: nobody holds it any more."""
    name = glob.escape(path.name)
    for left in path.parent.glob(f".{name}.????????.part"):
        if left.is_dir() and (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    if path.exists():  # else one of these may be all that there is
        for left in path.parent.glob(f".{name}.????????.old"):
            shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 file, complete or not at all."""
    with new_file(path, text=True) as stream:
        stream.write(text)


def write_json(path: Path | str, value: object) -> None:
    """Write a JSON file, complete or not at all, the same bytes for the same value."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def open_binary(path: Path | str) -> IO[bytes]:
    """Open a file for reading, unpacking it if its first bytes say that it is gzipped."""
    path = existing(path, "file")
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP_MAGIC
    # gzip.open closes the file that it opened itself, but not a stream of ours.
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def find_encoding(path: Path | str) -> str:
    """Return ``utf-8-sig`` if the whole file is UTF-8 (with or without a mark), else ``cp1252``.

    Old exports are Latin-1, mostly in fact Windows-1252, and say so nowhere. The whole file is
    read, since the first accent may stand in its last line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_binary(path) as stream:
        while block := stream.read(_BLOCK):
            if block.isascii() and not decoder.getstate()[0]:
                continue  # nothing to decode, and nothing left over from the block before
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return "cp1252"
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def marked_encoding(path: Path | str) -> str | None:
    """Return ``utf-16`` for a file that begins with its mark, as spreadsheets write it."""
    with open_binary(path) as stream:
        return "utf-16" if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else None


def open_text(path: Path | str, encoding: str | None = None) -> io.TextIOWrapper:
    """Open a text file, gzipped or not, in its own encoding, with its newlines as they are.

    Bytes that Windows-1252 does not define become the replacement character.
    """
    return io.TextIOWrapper(
        open_binary(path),
        encoding=encoding or find_encoding(path),
        errors="replace",
        newline="",
    )


def content_hash(path: Path | str) -> str:
    """Return the hash of a file's bytes, or of a folder's names and bytes in order."""
    path = existing(path)
    digest = hashlib.blake2b(digest_size=16)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
