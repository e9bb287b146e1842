"""Where the pictures of a table of annotations lie, and how large they are.

Such tables name their pictures by file or address and rarely say how large they are, while points
in pixels mean a place in a picture only with its size. Where the user says in which folder the
pictures lie, each is looked up there: under the path that the table gives, or under its last part.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from merian.catalogue.sources import Reject
from merian.files import existing
from merian.pictures import BadPictureError, facts

__all__ = ["PictureShelf"]

_KEPT = 4_096  # sizes; the annotations of a picture stand together in most tables
_LARGEST_FILE = 1 << 30


class PictureShelf:
    """The folder of the pictures that a table names.

    Attributes:
        folder: Where they lie; None if nobody said so, and then none is looked up.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = existing(folder, "folder of pictures").absolute() if folder else None
        self._find = lru_cache(_KEPT)(self._looked_up)
        self._rejects: list[Reject] = []

    def place(self, name: str) -> str:
        """Return the path of a picture, or what the table calls it if it is not there."""
        path, _ = self._find(name)
        return path or name

    def size(self, name: str) -> tuple[int, int] | None:
        """Return width and height of a picture, None where that is not known."""
        return self._find(name)[1]

    def rejects(self) -> Iterator[Reject]:
        """Return what was found wrong with files since this was last asked."""
        found, self._rejects = self._rejects, []
        yield from found

    def _looked_up(self, name: str) -> tuple[str | None, tuple[int, int] | None]:
        path = self._file(name)
        if path is None:
            return None, None
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise BadPictureError(f"has {path.stat().st_size:,} bytes")
            told = facts(path.read_bytes())
        except (BadPictureError, OSError) as error:
            reason = f"the size of the picture cannot be read: {error}"
            self._rejects.append(Reject(path, None, reason, name, "pixelXDimension", "value"))
            return path.as_posix(), None
        return path.as_posix(), (told.width, told.height)

    def _file(self, name: str) -> Path | None:
        """Return the file of a picture that a table calls by a path, a file name or an address."""
        if self.folder is None or not name:
            return None
        try:
            inner = unquote(urlsplit(name).path) if "://" in name else name
            inner = inner.replace("\\", "/").strip("/")
            for tried in dict.fromkeys((inner, inner.rsplit("/", 1)[-1])):
                path = self.folder / tried
                if tried and ".." not in path.parts and path.is_file():
                    return path
        except (ValueError, OSError):  # a null byte or an endless name
            pass
        return None
