"""Where the tables of EcoTaxa lie, and the pictures beside them.

A table is a file, a member of a zip, or a member of one of the zips that UVP6 makes for each
sample (``b_da_19_Images.zip``), which may lie in a folder or in a zip themselves. Pictures lie
beside their table, in the zip if that does.

Reference: https://ecotaxa.obs-vlfr.fr (the help of its import).
"""

from __future__ import annotations

import codecs
import os
import posixpath
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from merian.containers import member_address
from merian.errors import FormatError, MerianError
from merian.files import open_binary
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["Table", "address_of", "find_tables", "inner_pictures", "is_like", "is_named", "peek"]

_SUFFIXES = (".tsv", ".txt")
_INNER = 1 << 31  # bytes of a zip within a zip that are unpacked to be looked at
_BLOCK = 1 << 20
_PEEKED = 1 << 16
_LEVELS = ("object_", "acq_", "process_", "sample_")


@dataclass(frozen=True)
class Table:
    """One table, and where it lies.

    Attributes:
        path: The file, or the zip that it lies in.
        members: Nothing for a file; else its name in the zip, behind that of the zip in the zip.
    """

    path: Path
    members: tuple[str, ...] = ()

    @property
    def shown(self) -> Path:
        """The table as the user knows it."""
        return self.path.joinpath(*self.members)

    @property
    def name(self) -> str:
        """The name of the table itself."""
        return posixpath.basename(self.members[-1]) if self.members else self.path.name

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open it as bytes; what is damaged is one error."""
        try:
            with ExitStack() as stack:
                if not self.members:
                    yield stack.enter_context(open_binary(self.path))
                    return
                packed = stack.enter_context(zipfile.ZipFile(self.path))
                for inner in self.members[:-1]:
                    packed = stack.enter_context(_inner_zip(packed, inner, stack))
                yield stack.enter_context(packed.open(self.members[-1]))
        except (*UNREADABLE_ZIP, KeyError) as error:
            raise FormatError(
                f"is damaged or cannot be read ({str(error)[:200]}); get a fresh copy",
                path=self.shown,
            ) from None


# -- finding ------------------------------------------------------------------------------------


def find_tables(path: Path, most: int | None = None) -> list[Table]:
    """Return the tables at a path, in order.

    Args:
        path: A table, a zip or a folder.
        most: How many files are looked through; all if not given.
    """
    if path.is_dir():
        return _in_folder(path, most)
    return _in_zip(path) if zipfile.is_zipfile(path) else [Table(path)]


def _in_folder(root: Path, most: int | None) -> list[Table]:
    found: list[Table] = []
    others: list[Table] = []
    for number, file in enumerate(_walk(root)):
        if most is not None and number >= most:
            break
        if is_named(file.name):
            found.append(Table(file))
        elif file.name.endswith("Images.zip"):
            found += _in_zip(file)
        elif file.suffix.lower() == ".tsv":
            others.append(Table(file))
    # What has another name is not imported by EcoTaxa, but can be read.
    return found or [table for table in others if is_like(peek(table))]


def _walk(root: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder) / name


def is_named(name: str) -> bool:
    """Return whether a file is called as a table of EcoTaxa is, in whatever case."""
    lower = name.lower().removesuffix(".gz")
    return lower.startswith("ecotaxa") and lower.endswith(_SUFFIXES)


def _in_zip(path: Path) -> list[Table]:
    try:
        with zipfile.ZipFile(path) as packed:
            names = sorted(_visible(packed))
            found = [Table(path, (name,)) for name in names if is_named(posixpath.basename(name))]
            for name in names:
                if name.endswith("Images.zip"):
                    with ExitStack() as stack, _inner_zip(packed, name, stack) as inner:
                        found += [Table(path, (name, below)) for below in sorted(_visible(inner))
                                  if is_named(posixpath.basename(below))]  # fmt: skip
    except (*UNREADABLE_ZIP, FormatError):
        return []
    if found:
        return found
    others = [Table(path, (name,)) for name in names if name.lower().endswith(".tsv")]
    return [table for table in others if is_like(peek(table))]


def _visible(packed: zipfile.ZipFile) -> list[str]:
    return [
        name for name in packed.namelist()
        if not name.startswith("__MACOSX") and not posixpath.basename(name).startswith(".")
        and not name.endswith("/")
    ]  # fmt: skip


def _inner_zip(packed: zipfile.ZipFile, name: str, stack: ExitStack) -> zipfile.ZipFile:
    """Return a zip within a zip, unpacked into a file that nobody sees."""
    size = packed.getinfo(name).file_size
    if size > _INNER:
        raise FormatError(f"{name} would unpack to {size:,} bytes; unpack it and read the folder")
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
    with packed.open(name) as stream:
        shutil.copyfileobj(stream, copy, _BLOCK)
    return zipfile.ZipFile(copy)


def peek(table: Table) -> tuple[str, ...]:
    """Return the columns of a table in small letters; nothing for what is none. Never raises."""
    try:
        with table.open() as stream:
            block = stream.read(_PEEKED)
    except MerianError:
        return ()
    line = block.partition(b"\n")[0].partition(b"\r")[0]
    if b"\0" in block or b"\t" not in line:
        return ()
    text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    return tuple(name.strip(' "\r').lower() for name in text.split("\t"))


def is_like(columns: Sequence[str]) -> bool:
    """Return whether these are the columns of a table of EcoTaxa."""
    of_levels = sum(name.startswith(_LEVELS) for name in columns)
    return "object_id" in columns and ("img_file_name" in columns or of_levels >= 4)


# -- pictures -----------------------------------------------------------------------------------


def address_of(table: Table, name: str, images: Path | None = None) -> str:
    """Return where the picture lies that a table names, or "" where there is none.

    Args:
        table: The table, which pictures lie beside.
        name: What it calls the picture.
        images: Where the user says that the pictures lie.
    """
    name = name.replace("\\", "/")
    if not name or "\0" in name:
        return ""
    if images is not None:
        places = (images / name, images / posixpath.basename(name))
        return next((place.as_posix() for place in places if _is_file(place)), "")
    if not table.members:
        place = table.path.parent / name
        return place.as_posix() if _is_file(place) else ""
    if len(table.members) > 1 or table.path.suffix != ".zip":
        return ""
    member = posixpath.normpath(posixpath.join(posixpath.dirname(table.members[0]), name))
    return member_address(table.path, member) if member in listed(table.path) else ""


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a name that is too long
        return False


@contextmanager
def inner_pictures(table: Table) -> Iterator[Callable[[str], bytes | None]]:
    """Give the pictures beside a table in a zip within a zip, which have no address."""
    try:
        with ExitStack() as stack:
            packed = stack.enter_context(zipfile.ZipFile(table.path))
            inner = stack.enter_context(_inner_zip(packed, table.members[0], stack))
            folder = posixpath.dirname(table.members[-1])

            def picture(name: str) -> bytes | None:
                member = posixpath.normpath(posixpath.join(folder, name.replace("\\", "/")))
                try:
                    return inner.read(member)
                except (KeyError, *UNREADABLE_ZIP):
                    return None

            yield picture
    except (*UNREADABLE_ZIP, KeyError) as error:
        raise FormatError(f"is damaged ({str(error)[:200]})", path=table.shown) from None


@lru_cache(maxsize=4)
def listed(path: Path) -> frozenset[str]:
    """Return the names of what lies in a zip."""
    try:
        with zipfile.ZipFile(path) as packed:
            return frozenset(packed.namelist())
    except UNREADABLE_ZIP:
        return frozenset()
