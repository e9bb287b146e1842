"""The rows of a CVAT file: its pictures, its shapes, and what is said of each shape."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from merian.catalogue.sources import Reject
from merian.containers import member_address
from merian.errors import FormatError
from merian.formats.cvat_shapes import Drawn, drawn
from merian.formats.cvat_xml import SHAPES, Element, Picture, Shape, walk
from merian.formats.outlines import LARGEST_SIDE, OutlineError
from merian.formats.registry import Options
from merian.formats.row_chunks import ChunkedRows, text_of

__all__ = ["CvatHead", "Pictures", "ShapeFacts", "Shapes", "read_cvat_head"]

_SPLITS = {"train": "train", "val": "val", "validation": "val", "valid": "val", "test": "test"}
# Attributes of an element that are a measurement where they are not as usual.
_FLAGS = {"occluded": "0", "z_order": "0", "group_id": "0"}
_KNOWN = frozenset({
    "label", "source", "points", "xtl", "ytl", "xbr", "ybr", "rle", "left", "top", "width",
    "height", "cx", "cy", "rx", "ry", "rotation", "score", "media_id", "occurrence_id", *_FLAGS,
})  # fmt: skip
_PREFIX = "attribute."


@dataclass
class CvatHead:
    """What is known of a file before its rows are made.

    Attributes:
        path: The file.
        dataset: What its ids begin with.
        folder: Where the pictures lie.
        inside: The names of the files in it, where it is a zip.
        title: The name of its task.
        notes: What the user should know.
    """

    path: Path
    dataset: str
    folder: Path
    inside: frozenset[str] = frozenset()
    title: str | None = None
    notes: list[str] = field(default_factory=list)


class _Known(NamedTuple):
    """A picture: its mediaID, name, size, part of a split, and whether its id came before."""

    media: str
    name: str
    width: int | None
    height: int | None
    split: str | None
    twice: bool


def read_cvat_head(path: Path, dataset: str, options: Options) -> CvatHead:
    """Read a whole file for what there is in it.

    Raises:
        FormatError: If it is no XML of CVAT, or holds no pictures.
    """
    near = path.parent.absolute()
    head = CvatHead(path, dataset, options.images.absolute() if options.images else near)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            head.inside = frozenset(packed.namelist())
    names: list[str] = []
    pictures, tracked = 0, 0
    kinds, labels = Counter[str](), list[str]()
    for one in walk(path):
        if isinstance(one, Picture):
            pictures += 1
            names += [one.attributes.get("name", "")][: 50 - len(names)]
        elif isinstance(one, Element):
            if one.path[1:] == ("name",):
                head.title = text_of(one.text)
            elif one.path[-3:] == ("labels", "label", "name") and len(labels) < 100:
                labels.append(one.text)
        elif one.tracked:
            tracked += 1
        else:
            kinds[one.kind] += 1
    if not pictures:
        raise FormatError(
            f"has no pictures{f', only {tracked} shapes on frames of a video' * bool(tracked)}; "
            "export it as 'CVAT for images 1.1'", path=path
        )  # fmt: skip
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    head.notes.append(f"pictures: {pictures}, shapes: {told or 'none'}")
    head.notes += [f"labels: {', '.join(labels)}"] if labels else []
    if tracked:
        head.notes.append(f"{tracked} shapes on frames of a video are not read")
    _find_folder(head, names)
    return head


def _find_folder(head: CvatHead, names: list[str]) -> None:
    if head.inside:
        return
    for place in (head.folder, head.folder / "images", head.path.parent.absolute()):
        if any(name and (place / name).is_file() for name in names):
            head.folder = place
            head.notes.append(f"pictures are taken from {place}")
            return
    head.notes.append(
        f"none of the first {len(names)} pictures lies in {head.folder}; name their folder"
    )


def _address(head: CvatHead, name: str) -> str:
    for member in (f"images/{name}", name):
        if member in head.inside:
            return member_address(head.path.absolute(), member)
    return name if "://" in name else Path(os.path.normpath(head.folder / name)).as_posix()


@dataclass(frozen=True)
class _Walked(ChunkedRows):
    """Rows of a file, anew each time they are asked for."""

    head: CvatHead

    def _pictures(self) -> Iterator[tuple[Picture, _Known] | tuple[Shape, _Known, int]]:
        """Return each picture, then each of its shapes with its place."""
        seen: set[str] = set()
        known: _Known | None = None
        place = 0
        for one in walk(self.head.path):
            if isinstance(one, Picture):
                known, place = self._known(one, seen), 0
                yield one, known
            elif isinstance(one, Shape) and known and not one.tracked and one.kind in SHAPES:
                place += 1
                yield one, known, place

    def _known(self, picture: Picture, seen: set[str]) -> _Known:
        said = picture.attributes
        key = "-".join(filter(None, (said.get("task_id"), said.get("id"))))
        key = key or said.get("name", "")
        media = text_of(said.get("media_id")) or f"{self.head.dataset}/image/{text_of(key)}"
        twice = media in seen or not said.get("name")
        seen.add(media)
        sides = [said.get(side, "") for side in ("width", "height")]
        good = all(text.isdecimal() and 0 < int(text[:20]) <= LARGEST_SIDE for text in sides)
        width, height = (int(sides[0]), int(sides[1])) if good else (None, None)
        split = said.get("split") or _SPLITS.get(said.get("subset", "").lower())
        return _Known(media, text_of(said.get("name")) or "", width, height, split, twice)

    def _reject(self, line: int, reason: str, content: object, term: str | None = None) -> Reject:
        told = text_of(str(content)[:1000]) or ""
        return Reject(self.head.path, line, reason, told, term, "value" if term else "row")


class Pictures(_Walked):
    """The pictures as rows of media."""

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._pictures():
            if isinstance(found[0], Shape):
                continue
            picture, known = found[0], found[1]
            said = picture.attributes
            if known.twice:
                reason = f"the picture {known.media} was seen before in this file"
                yield self._reject(
                    picture.line, reason if known.name else "a picture without a name", dict(said)
                )
                continue
            if known.width is None:
                size = f"{said.get('width')} x {said.get('height')}"
                reason = "no width and height of a picture"
                yield self._reject(picture.line, reason, size, "pixelXDimension")
            yield {
                "line": picture.line,
                "mediaID": known.media,
                "accessURI": _address(self.head, known.name),
                "pixelXDimension": known.width,
                "pixelYDimension": known.height,
                "pixelsPerMillimetre": text_of(said.get("px_per_mm")),
                "license": text_of(said.get("license")),
                "rightsHolder": text_of(said.get("rights_holder")),
            }


class Shapes(_Walked):
    """The shapes as flat records."""

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._pictures():
            if not isinstance(found[0], Shape) or len(found) < 3:
                continue
            shape, known, place = found
            if known.twice:
                reason = f"a shape on {known.name or 'a picture'}, which was set aside"
                yield self._reject(shape.line, reason, shape.attributes)
                continue
            name = shape_id(shape, known.media, place)
            try:
                where = drawn(shape, known.width, known.height)
            except OutlineError as fault:
                yield self._reject(shape.line, str(fault), name, "regionOutline")
                where = Drawn(None, None, None)
            yield self._row(shape, known, name, where)

    def _row(self, shape: Shape, known: _Known, name: str, where: Drawn) -> Mapping[str, object]:
        said = shape.attributes
        source = said.get("source", "manual")
        agent = {"manual": "human", "auto": "machine"}.get(source)
        own = name == known.media  # a picture that shows one thing alone
        x, y, w, h = (None,) * 4 if own or where.fractions is None else where.fractions
        return {
            "line": shape.line,
            "occurrenceID": text_of(said.get("occurrence_id")) or name,
            "basisOfRecord": "MachineObservation",
            "datasetName": self.head.title,
            "split": known.split,
            "verbatimIdentification": text_of(said.get("label")),
            "agentType": agent,
            "identificationVerificationStatus":
                "PredictedByMachine" if agent == "machine" else None,
            "probability": text_of(said.get("score")) if agent == "machine" else None,
            "identificationRemarks": None if agent else f"source {text_of(source)}",
            "mediaID": name,
            "derivedFromMediaID": None if own else known.media,
            "xFrac": x, "yFrac": y, "widthFrac": w, "heightFrac": h,
            "regionOutline": None if own else where.outline,
        }  # fmt: skip


def shape_id(shape: Shape, media: str, place: int) -> str:
    """Return the mediaID of a shape."""
    return text_of(shape.attributes.get("media_id")) or f"{media}/shape/{place}"


class ShapeFacts(_Walked):
    """What is said of shapes, as measurements."""

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._pictures():
            if not isinstance(found[0], Shape) or len(found) < 3:
                continue
            shape, known, place = found
            if known.twice:
                continue
            name = shape_id(shape, known.media, place)
            for kind, value in self._said(shape, known).items():
                if text_of(value):
                    yield {
                        "line": shape.line,
                        "occurrenceID": text_of(shape.attributes.get("occurrence_id")) or name,
                        "mediaID": name,
                        "measurementType": text_of(kind),
                        "measurementValue": text_of(value),
                    }

    def _said(self, shape: Shape, known: _Known) -> dict[str, str]:
        told = {
            key: value
            for key, value in shape.attributes.items()
            if _FLAGS.get(key, None if key not in _KNOWN else value) != value
        }
        try:
            kept = drawn(shape, known.width, known.height).kept
        except OutlineError:
            kept = None
        if kept:
            told[shape.kind] = kept
        for key, value in shape.said.items():
            taken = key in told or key in _KNOWN or key in SHAPES or key.startswith(_PREFIX)
            told[_PREFIX + key if taken else key] = value
        return told
