"""The pictures of a package: which lie in it, and what its tables call the others.

A catalogue names pictures by where they lie on this machine. Nobody else can use such an address,
and it tells how folders and people here are called: so a package names the file alone, unless the
pictures are copied into it, or the addresses are wanted as they are. Copied are those whose licence
allows it. They lie once, as a folder of pictures that the Hub reads, and each part of the package
names them from where it lies itself, or from where on the web they will be.

Reference: https://huggingface.co/docs/hub/datasets-image
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from merian.catalogue.media import SUBJECT, THING
from merian.containers import BadAddressError, container_of, is_there, read_address
from merian.errors import InputError
from merian.formats.delimited import literal, write_delimited
from merian.formats.flat import rows
from merian.pictures import BadPictureError, opened
from merian.report.publish.licences import Licence, read_licence

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FOLDER", "MEDIA", "Pictures", "of_package"]

MEDIA = ("none", "copy", "link")
"""What may become of pictures on this machine: told by name, copied, or named where they lie."""

FOLDER = "huggingface/images"
"""Where copied pictures lie in a package."""

_LOCAL = "({0} LIKE 'file://%' OR NOT regexp_matches({0}, '^[A-Za-z][A-Za-z0-9+.-]+://'))"
_KINDS = "tar|zip|zid|parquet|roi"
# A picture within another file keeps the name of both.
_NAME = rf"([^/\\]+\.(?:{_KINDS})!/.*|[^/\\]*)$"
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PPM": ".pgm"}
_COLUMNS = ("mediaID", "place", "scientificName", "taxonRank", "license", "rightsHolder")


@dataclass(frozen=True)
class Pictures:
    """What becomes of the pictures.

    Attributes:
        media: One of `MEDIA`.
        url: Where on the web copied ones will lie; "" if nobody said so.
        table: What FROM takes for the copied ones, with `_COLUMNS`; "" if there are none.
        copied: How many files were copied.
        notes: What became of them, in sentences.
    """

    media: str = "none"
    url: str = ""
    table: str = ""
    copied: int = 0
    notes: tuple[str, ...] = ()

    def told(self, below: str) -> str:
        """Return the query of the table of pictures as a part of the package is to name them.

        Args:
            below: The path of the copied pictures from where that part lies.
        """
        if self.media == "link":
            return "SELECT * FROM itself"
        bare = f"regexp_extract(m.accessURI, {literal(_NAME)}, 1)"
        named = f"CASE WHEN {_LOCAL.format('m.accessURI')} THEN {bare} ELSE m.accessURI END"
        if not self.table:
            return f"SELECT m.* REPLACE ({named} AS accessURI) FROM itself m"
        root = literal(f"{self.url or below}/")
        return (
            f"SELECT m.* REPLACE (coalesce({root} || copied.place, {named}) AS accessURI) "
            f"FROM itself m LEFT JOIN {self.table} copied ON copied.mediaID = m.mediaID"
        )


def of_package(catalogue: Catalogue, folder: Path, media: str, url: str = "") -> Pictures:
    """Decide what becomes of the pictures, and copy those that are to be copied.

    Args:
        catalogue: The catalogue.
        folder: Where the package is made.
        media: One of `MEDIA`.
        url: Where on the web copied pictures will lie.
    """
    if media not in MEDIA:
        raise InputError(f"--media {media}: expected one of {', '.join(MEDIA)}")
    if url and (media != "copy" or "://" not in url):
        raise InputError(
            f"--media-url {url}: expected where on the web the pictures that --media copy copies "
            "will lie, such as https://example.org/pictures"
        )
    local = _count(catalogue, _LOCAL.format("accessURI"))
    if media != "copy":
        if not local:
            return Pictures(media)
        what = (
            "The tables name them where they lie here, which tells how folders here are called, "
            "and nobody elsewhere can open them."
            if media == "link"
            else "The tables name their files and not where those lie; --media copy takes those "
            "along whose licence allows it."
        )
        return Pictures(media, notes=(f"Pictures that lie on this machine: {local:,}. {what}",))
    copying = _Copying(catalogue, folder / FOLDER)
    table = catalogue.lay_beside("pictures", _COLUMNS, copying.rows())
    if copying.copied:
        listed = f"SELECT place, {', '.join(c for c in _COLUMNS if c != 'place')} FROM {table}"
        first = "QUALIFY row_number() OVER (PARTITION BY place ORDER BY mediaID) = 1 ORDER BY place"
        columns = ("file_name", *(c for c in _COLUMNS if c != "place"))
        write_delimited(
            folder / FOLDER / "metadata.csv", columns, rows(catalogue, f"{listed} {first}"), ","
        )
    notes = [f"Pictures that were copied: {copying.copied:,}."]
    notes += [f"Not copied, since {why}: {n:,}." for why, n in sorted(copying.left.items())]
    return Pictures(media, url.rstrip("/"), table, copying.copied, tuple(notes))


def _count(catalogue: Catalogue, where: str) -> int:
    found = next(rows(catalogue, f"SELECT count(*) FROM media WHERE {where}"))[0]
    assert isinstance(found, int)
    return found


class _Copying:
    """Copies pictures, each file once.

    Attributes:
        copied: How many files were copied.
        left: How many pictures were not, by the reason.
    """

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.catalogue, self.folder = catalogue, folder
        self.copied = 0
        self.left: dict[str, int] = {}

    def rows(self) -> Iterator[tuple[str | None, ...]]:
        """Copy, and return what is known of each picture that lies in the package now."""
        wanted = (
            "SELECT x.mediaID, x.accessURI, i.scientificName, i.taxonRank, x.license, "
            f"x.rightsHolder FROM media x {THING} LEFT JOIN determination i "
            f"ON i.occurrenceID = {SUBJECT} WHERE x.accessURI IS NOT NULL "
            "ORDER BY x.accessURI, x.mediaID"
        )
        last, place = "", ""
        for media, uri, *known in rows(self.catalogue, wanted):
            address, licence = str(uri), read_licence(None if known[2] is None else str(known[2]))
            if address != last or not place:
                last, place = address, self._copy(address, licence)
            if place and licence.may_be_republished:
                texts = (None if value is None else str(value) for value in known)
                yield str(media), place, *texts

    def _copy(self, address: str, licence: Licence) -> str:
        """Copy a picture; return its path in the folder, or "" if it is left out."""
        why = _reason(address, licence)
        try:
            if not why:
                return self._take(address)
        except (BadAddressError, BadPictureError, OSError):
            why = "they cannot be read as pictures"
        self.left[why] = self.left.get(why, 0) + 1
        return ""

    def _take(self, address: str) -> str:
        name, member = container_of(address)
        content = read_address(address)
        with opened(content) as picture:  # an address may name any file that lies here
            kind = picture.format or ""
        suffix = PurePosixPath(member or name).suffix.lower()
        if not suffix or "/" in suffix:  # a cell of a parquet, pixels in a row
            suffix = _SUFFIXES.get(kind, f".{kind.lower()}")
        place = f"{self.copied // 1000:04d}/{self.copied:07d}{suffix}"
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.copied += 1
        return place


def _reason(address: str, licence: Licence) -> str:
    """Return why a picture is not copied, or ""."""
    if not licence.may_be_republished:
        return "their licence is unknown or reserves all rights"
    if "://" in address and not address.startswith("file://"):
        return "they lie on the web"
    return "" if is_there(address) else "their files are not there"
