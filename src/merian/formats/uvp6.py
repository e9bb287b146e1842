"""UVP6: folders of pictures as uvpec takes them to teach the camera's classifier.

::

    img_sample/
        Copepoda__6666/12469415.png     the class and EcoTaxa's number of it
        detritus__8888/12469420.png     the name of a file is EcoTaxa's number of the object
    objid_threshold_uvp6.tsv            objid, acq_threshold: the grey value that found each object

The folder, or the one above with the table, is read. An object that lies in two classes is one
occurrence with two names, and a note tells how many there are. The number of a class is its
concept (``EcoTaxa:6666``), its folder the label as it came.

Pictures that EcoTaxa drew have 31 rows at the bottom with a bar of 2 mm and its text on one flat
grey, which is no part of the object: such a picture is kept whole, and the object is the region
above the bar. Whether there is one is seen in the pixels of each; uvpec's own sample is cut
already. ``--set bar=31`` says that all pictures have one of so many rows, ``--set bar=0`` that
none has. The folders tell no size of a pixel; ``--set pixel_um=73`` does.

A UVP6's own bundle for EcoTaxa (``*Images.zip`` with a table) is read as `ecotaxa`. Any other
folder of classes is read as `image-folder`.

Reference: https://github.com/ecotaxa/uvpec (its readme and test sample); Picheral et al. 2022,
doi:10.1002/lom3.10475.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from merian.catalogue.sources import Chunk, Columns, Reading, Reject, Rows, Source
from merian.errors import FormatError, InputError
from merian.files import existing, new_file, write_text
from merian.formats.delimited import delimited, peek_columns, read_head
from merian.formats.ecotaxa_values import number
from merian.formats.registry import Format, Options
from merian.pictures import BadPictureError, facts, whole

__all__ = ["FORMAT", "footer"]

_CLASS = re.compile(r"(.+)__(\d+)")
_THRESHOLDS = frozenset({"objid", "acq_threshold"})
_FOOTER = 31  # rows
_FLAT = 0.8  # of the footer's pixels are of its one grey
_BAR = 8  # pixels that a bar is long at least
_CONTRAST = 200
_CHUNK = 2_000


def footer(content: bytes) -> int:
    """Return how many rows at the bottom of a picture EcoTaxa drew: 31, or none.

    They are of one grey, black or nearly white, but for a flat bar and its text.
    """
    grey = np.asarray(whole(content).convert("L")).astype(np.int16)
    if grey.shape[0] <= _FOOTER:
        return 0
    rows = grey[-_FOOTER:]
    ground = int(np.bincount(rows.ravel()).argmax())
    if 0 < ground < 254 or (rows == ground).mean() < _FLAT:
        return 0
    if not (rows[0] == ground).all() or not (rows[-1] == ground).all():
        return 0
    far = np.abs(rows - ground) >= _CONTRAST
    return _FOOTER if max(map(_longest_run, far)) >= _BAR else 0


def _longest_run(line: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], line.view(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


# -- finding ------------------------------------------------------------------------------------


def _classes(folder: Path) -> list[Path]:
    """Return the folders of classes, if all that are there are such."""
    try:
        with os.scandir(folder) as entries:
            # A link to itself is no folder, and asking the entry would raise.
            below = sorted(
                Path(e.path) for e in entries if not e.name.startswith(".")
                and (os.path.isdir(e.path) if e.is_symlink() else e.is_dir())  # noqa: PTH112
            )  # fmt: skip
    except OSError:
        return []
    return below if below and all(_CLASS.fullmatch(one.name) for one in below) else []


def _root(path: Path) -> Path | None:
    """Return the folder that holds the classes: this one, or the only one in it that does."""
    if not path.is_dir():
        return None
    if _classes(path):
        return path
    below = [one for one in sorted(path.iterdir()) if one.is_dir() and _classes(one)]
    return below[0] if len(below) == 1 else None


def _thresholds(path: Path) -> Path | None:
    """Return the table of thresholds in a folder or the one above."""
    for folder in (path, path.parent):
        for file in sorted(folder.glob("*.tsv"))[:20]:
            if peek_columns(file, "\t") >= _THRESHOLDS:
                return file
    return None


def _sniff(path: Path) -> int:
    try:
        root = _root(path)
        if root is None:
            return 0
        return 3 if _thresholds(root) or _has_bars(root) else 0
    except OSError:
        return 0


def _has_bars(root: Path) -> bool:
    """Return whether the first picture of each of the first classes has a bar."""
    firsts = [min(one.glob("*.png"), default=None) for one in _classes(root)[:3]]
    try:
        return all(file is not None and bool(footer(file.read_bytes())) for file in firsts)
    except BadPictureError:
        return False


def _lacks(path: Path) -> str:
    if not path.is_dir() or _sniff(path) or len(_classes(path)) < 2:
        return ""
    return "has no table with the columns objid and acq_threshold beside its classes"


# -- reading ------------------------------------------------------------------------------------


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "folder of pictures").absolute()
    root = _root(path)
    if root is None:
        raise FormatError(
            "holds no folders of classes called NAME__NUMBER, such as Copepoda__6666", path=path
        )
    rows, size = _whole_number(options, "bar"), options.extra.get("pixel_um")
    um = number(size) if size else None
    if size and (um is None or um <= 0):
        raise InputError(f"--set pixel_um={size}: the size of a pixel in micrometres is expected")
    notes: list[str] = []
    pictures = _Pictures(root, rows, 1000 / um if um else None, notes)
    # Pictures are opened first, since what is none is no object either.
    sources: list[Source] = [
        Rows(root, "media", pictures),
        Rows(root, "record", _Objects(pictures)),
    ]
    inputs = [root]
    table = _thresholds(root)
    if table is not None:
        head = read_head(table, "\t", "")
        terms = {"occurrenceID": '"objid"', "measurementType": "'acq_threshold'",
                 "measurementValue": '"acq_threshold"'}  # fmt: skip
        sources.append(delimited(head, [Columns("measurement", terms)]))
        inputs.append(table)
    return Reading("uvp6", sources, inputs, notes)


def _whole_number(options: Options, name: str) -> int | None:
    told = options.extra.get(name)
    if told is None:
        return None
    if not told.isascii() or not told.isdecimal():
        raise InputError(f"--set {name}={told}: a number of rows is expected")
    return int(told)


@dataclass
class _Pictures:
    """The pictures of the classes, anew each time they are asked for.

    Attributes:
        root: The folder of the classes.
        bar: The rows of the bar in all pictures, where the user says it.
        scale: Pixels of a millimetre, where the user says the size of one.
        notes: What there is to say.
    """

    root: Path
    bar: int | None
    scale: float | None
    notes: list[str]
    broken: set[Path] = field(default_factory=set)

    def __iter__(self) -> Iterator[Chunk | Reject]:
        rows: list[Mapping[str, object]] = []
        cut = 0
        for line, file in self.files():
            made = self._rows(file)
            if isinstance(made, Reject):
                self.broken.add(file)
                yield made
                continue
            cut += len(made) > 1
            rows += [{"line": line, **row} for row in made]
            if len(rows) >= _CHUNK:
                yield _columns(rows)
                rows = []
        if rows:
            yield _columns(rows)
        if cut:
            note = f"{cut} pictures have a bar of scale below, which is left out"
            self.notes.extend({note} - set(self.notes))

    def files(self) -> Iterator[tuple[int, Path]]:
        """Return the pictures of all classes, counted from 1."""
        return enumerate((f for one in _classes(self.root) for f in sorted(one.glob("*.png"))), 1)

    def _rows(self, file: Path) -> list[dict[str, object]] | Reject:
        """Return a picture, and the region of it that shows the object where there is a bar."""
        place = file.relative_to(self.root).as_posix()
        try:
            content = file.read_bytes()
            told = facts(content)
            rows = footer(content) if self.bar is None else self.bar
        except OSError as error:
            return Reject(file, None, f"cannot be opened ({error.strerror})", place)
        except BadPictureError as error:
            return Reject(file, None, str(error), place)
        media = f"{self.root.name}/{place}"
        object_: dict[str, object] = {"occurrenceID": file.stem}
        same: dict[str, object] = {"pixelsPerMillimetre": self.scale, "captureDevice": "UVP6"}
        picture: dict[str, object] = {
            "mediaID": media, "accessURI": file.as_posix(), "format": told.mime,
            "contentHash": hashlib.blake2b(content, digest_size=16).hexdigest(),
            "pixelXDimension": told.width, "pixelYDimension": told.height, **same,
        }  # fmt: skip
        if not 0 < rows < told.height:
            return [picture | object_]
        above = told.height - rows
        region: dict[str, object] = {
            "mediaID": f"{media}#object", "derivedFromMediaID": media,
            "xFrac": 0, "yFrac": 0, "widthFrac": 1, "heightFrac": above / told.height,
            "regionOutline": f"POLYGON ((0 0, {told.width} 0, {told.width} {above}, 0 {above}, "
            "0 0))", **same,
        }  # fmt: skip
        return [picture, region | object_]


@dataclass(frozen=True)
class _Objects:
    """The objects of the pictures that open, and their classes."""

    pictures: _Pictures

    def __iter__(self) -> Iterator[Chunk]:
        labels: dict[str, set[str]] = {}
        rows: list[Mapping[str, object]] = []
        for line, file in self.pictures.files():
            if file in self.pictures.broken:
                continue
            label = file.parent.name
            labels.setdefault(file.stem, set()).add(label)
            named = _CLASS.fullmatch(label)
            rows.append({
                "line": line, "occurrenceID": file.stem, "basisOfRecord": "MachineObservation",
                "verbatimIdentification": label,
                "taxonConceptID": f"EcoTaxa:{_plain(named[2])}" if named else None,
            })  # fmt: skip
            if len(rows) >= _CHUNK:
                yield _columns(rows)
                rows = []
        if rows:
            yield _columns(rows)
        torn = sorted(sorted(names) for names in labels.values() if len(names) > 1)
        note = f"{len(torn)} objects lie in two classes or more, such as "
        if torn and not any(told.startswith(note) for told in self.pictures.notes):
            self.pictures.notes.append(
                f"{note}{' and '.join(torn[0])}: one of the names is wrong"
            )  # fmt: skip


def _columns(rows: Sequence[Mapping[str, object]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _plain(digits: str) -> str:
    """Return a number without zeros before it, however long it is."""
    return digits.lstrip("0") or "0"


# -- faking -------------------------------------------------------------------------------------


def _fake(folder: Path, seed: int) -> Path:
    """Write eight pictures in two classes, every other with a bar, one in both, one broken."""
    root = folder / f"uvp6_{seed}"
    ids = [f"{1_000_000 * seed + 37 * place}" for place in range(8)]
    for place, objid in enumerate(ids):
        name = ("Copepoda__25828", "detritus__84963")[place % 2]
        with new_file(root / "img_sample" / name / f"{objid}.png") as stream:
            stream.write(_fake_picture(seed, place, bar=place % 4 < 2))
    with new_file(root / "img_sample" / "detritus__84963" / f"{ids[0]}.png") as stream:
        stream.write(_fake_picture(seed, 0, bar=True))
    write_text(root / "img_sample" / "detritus__84963" / "broken.png", "no picture\n")
    lines = ["objid\tacq_threshold", *(f"{objid}\t21" for objid in ids)]
    write_text(root / "objid_threshold_uvp6.tsv", "\n".join(lines) + "\n")
    return root


def _fake_picture(seed: int, place: int, *, bar: bool) -> bytes:
    grey = np.full((40 + place, 60), 254, np.uint8)
    grey[10:20, 10 : 20 + place] = (seed * 31 + place * 17) % 200
    if bar:
        below = np.full((_FOOTER, 60), 254, np.uint8)
        below[10:12, 5:32] = 0
        grey = np.concatenate([grey, below])
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


FORMAT = Format(
    name="uvp6",
    title="UVP6: folders of classes for uvpec",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="the sample of uvpec (1,250 pictures)",
)
