"""A folder of pictures, one organism a picture, sorted into folders named after classes.

::

    pictures/
        Copepoda__6666/12469415.png     the class is the name of the folder, as it stands
        train/Copepoda/12469420.png     a folder above a class may name the part of a split
        Arthropoda/Copepoda/7.png       further folders above are kept as a remark
        13630370.png                    a picture in no class has no label

Every picture is looked at: it must open, have a size that is not absurd, and end as its format
ends (a JPEG with its end marker, a PNG with IEND; others are decoded). One that does not is set
aside with the reason. Where its Exif tells when and where it was taken, so does the record; width
and height are those of the picture upright. What is no picture is counted by suffix; hidden files
and Windows' ``Thumbs.db`` are passed over. The id of a picture is its path from the folder's name
on.

This is the layout of EcoTaxa, UVP6 and Kaggle exports and of most classification data sets.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.registry import Format, Options
from merian.pictures import BadPictureError, PictureFacts, facts

__all__ = ["FORMAT", "SUFFIXES", "Pictures", "read_pictures"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"})
_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_PASSED_OVER = frozenset({"thumbs.db", "desktop.ini"})
_LOOKED_AT = 2_000
_CHUNK = 2_000


def _sniff(path: Path) -> int:
    if path.is_file():
        return 2 if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") else 0
    if not path.is_dir() or (path / "meta.xml").exists():
        return 0
    for number, file in enumerate(_walk(path)):
        if file.suffix.lower() in SUFFIXES:
            return 2
        if number == _LOOKED_AT:
            break
    return 0


def _walk(root: Path) -> Iterator[Path]:
    """Return the visible files below a folder, in order."""
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if not name.startswith(".") and name.lower() not in _PASSED_OVER:
                yield Path(folder) / name


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "folder of pictures").absolute()
    files = [path] if path.is_file() else list(_walk(path))
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not pictures:
        raise FormatError(
            f"holds no picture ({', '.join(sorted(SUFFIXES))}) among {len(files)} files",
            path=path,
        )
    if path.is_file():
        return read_pictures([path])
    others = Counter(
        f.suffix.lower() or "(none)" for f in files if f.suffix.lower() not in SUFFIXES
    )
    notes = [_describe(path, pictures)]
    if others:
        listed = ", ".join(f"{suffix} {count}" for suffix, count in sorted(others.items()))
        notes.append(f"files that are no pictures are passed over: {listed}")
    # The list of notes grows while the pictures are read: only then are doubles known.
    chunks = Pictures(path, pictures, notes)
    return Reading("image-folder", (Rows(path, "record", chunks),), (path,), notes)


def read_pictures(files: Sequence[Path]) -> Reading:
    """Return single files of pictures, which are in no class whatever their folders are called.

    Args:
        files: Where they are. Those of one folder are one source.
    """
    found: dict[Path, list[Path]] = {}
    for file in dict.fromkeys(existing(file, "picture").absolute() for file in files):
        found.setdefault(file.parent, []).append(file)
    notes = [f"pictures: {sum(map(len, found.values()))} (each given by itself, in no class)"]
    sources = [
        Rows(inside[0] if len(inside) == 1 else folder, "record", Pictures(folder, inside, notes))
        for folder, inside in found.items()
    ]
    inputs = [file for inside in found.values() for file in inside]
    return Reading("image-folder", sources, inputs, notes)


def _describe(root: Path, pictures: Sequence[Path]) -> str:
    classes = Counter(_place(root, file)[0] for file in pictures)
    bare = classes.pop(None, 0)
    without = f" ({bare} in no class)" if bare else ""
    return f"pictures: {len(pictures)}{without}, classes: {len(classes)}"


def _place(root: Path, file: Path) -> tuple[str | None, str | None, str | None]:
    """Return the class, the part of a split and the folders above that a picture's place says."""
    above = list(file.relative_to(root).parts[:-1])
    part = next((_SPLITS[n.lower()] for n in above[:-1] if n.lower() in _SPLITS), None)
    kept = [name for i, name in enumerate(above)
            if i == len(above) - 1 or name.lower() not in _SPLITS]  # fmt: skip
    label = kept[-1] if kept else None
    return label, part, "/".join(kept) if len(kept) > 1 else None


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder, anew each time they are asked for.

    Attributes:
        root: The folder.
        files: Those of its files that are pictures; `line` counts them from 1.
        notes: What there is to say; doubles are told when all were read.
    """

    root: Path
    files: Sequence[Path]
    notes: list[str]

    def class_of(self, file: Path) -> str | None:
        """Return the folder that a picture is sorted into, or None."""
        return _place(self.root, file)[0]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        labels: dict[str, set[str]] = {}
        same = 0
        for start in range(0, len(self.files), _CHUNK):
            rows: list[tuple[object, ...]] = []
            for line, file in enumerate(self.files[start : start + _CHUNK], start=start + 1):
                found = _look_at(file)
                if isinstance(found, str):
                    yield Reject(file, None, found, file.relative_to(self.root).as_posix())
                    continue
                label, part, above = _place(self.root, file)
                content, told = found
                same += content in labels
                labels.setdefault(content, set()).add(label or "")
                rows.append((line, *self._row(file, content, told, label, part, above)))
            if rows:
                columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
                for term in _SELDOM:
                    if all(value is None for value in columns[term]):
                        del columns[term]
                yield columns
        self._tell_doubles(same, labels)

    def _row(
        self,
        file: Path,
        content: str,
        told: PictureFacts,
        label: str | None,
        part: str | None,
        above: str | None,
    ) -> tuple[object, ...]:
        identifier = f"{self.root.name}/{file.relative_to(self.root).as_posix()}"
        return (
            identifier, "MachineObservation", part, label,
            f"folder {above}" if above else None,
            file.as_posix(), content, told.mime, told.width, told.height,
            told.taken, told.latitude, told.longitude,
        )  # fmt: skip

    def _tell_doubles(self, same: int, labels: dict[str, set[str]]) -> None:
        torn = {hash: names for hash, names in labels.items() if len(names) > 1}
        notes = []
        if same:
            notes.append(f"{same} pictures are byte for byte the same as an earlier one")
        if torn:
            first = min(sorted(names) for names in torn.values())
            notes.append(
                f"{len(torn)} pictures lie in two classes or more, such as {' and '.join(first)}: "
                "one of the labels is wrong"
            )
        self.notes.extend(note for note in notes if note not in self.notes)


_COLUMNS = (
    "line", "occurrenceID", "basisOfRecord", "split", "verbatimIdentification",
    "identificationRemarks", "accessURI", "contentHash",
    "format", "pixelXDimension", "pixelYDimension",
    "eventDate", "decimalLatitude", "decimalLongitude",
)  # fmt: skip

# What few files tell, of cameras and telephones that know time and place.
_SELDOM = ("eventDate", "decimalLatitude", "decimalLongitude")


def _look_at(file: Path) -> tuple[str, PictureFacts] | str:
    """Return the hash of a picture and what it tells of itself, or why it is none."""
    try:
        content = file.read_bytes()
        return hashlib.blake2b(content, digest_size=16).hexdigest(), facts(content)
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    except BadPictureError as error:
        return str(error)


def _fake(folder: Path, seed: int) -> Path:
    """Write a few small pictures in two classes, one in none, and two that are broken."""
    root = folder / f"pictures{seed}"
    for number in range(6):
        where = root / ("Copepoda__6666", "detritus__8888", "")[number % 3]
        where.mkdir(parents=True, exist_ok=True)
        picture = Image.new("L", (20 + number, 30), (seed * 37 + number * 31) % 256)
        picture.save(where / f"{1000 + number}.{'png' if number % 2 else 'jpg'}")
    (root / "Copepoda__6666" / "empty.jpg").write_bytes(b"")
    whole = (root / "Copepoda__6666" / "1000.jpg").read_bytes()
    (root / "detritus__8888" / "short.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "notes.txt").write_text("no picture\n", encoding="utf-8")
    return root


FORMAT = Format(
    name="image-folder",
    title="Folder of pictures with a folder for each class",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    tested_on="UVP6 sample of uvpec, ISIIS PlanktonSet 1.0, FlowCam pictures of planktonclass, "
    "RSMAS corals",
)
