"""MegaDetector: boxes that a detector found in pictures of camera traps, format 1.0 to 1.6.

::

    {"info": {"format_version", "detector", "detection_completion_time", "classifier", ...},
     "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
     "classification_categories": {"0": "fox"},
     "classification_category_descriptions": {"0": "id;class;order;family;genus;species;name"},
     "images": [{"file", "datetime", "location", "failure",
                 "detections": [{"category", "conf", "bbox": [left, top, width, height],
                                 "classifications": [[category, conf], ...]}]}]}

Lengths are fractions of the picture. A detection is a region of its picture and an occurrence that
a machine named: after the first of its classifications, which is the surest, or else after its
category. Further classifications are a remark; then what the detector said is in the measurements
``category`` and ``conf``. Where a description has seven parts, they name the higher ranks. All else
(frame_number, attributes ...) is a measurement under its own name. A picture with a ``failure`` is
kept and its failure is a remark. Nothing is left out for a low ``conf``, unless
``--set threshold=0.2`` says so; the typical threshold of the detector is told. Names of files are
taken from the folder of the pictures, or from where the JSON lies.

Reference: https://lila.science/megadetector-output-format, 1.6
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.files import content_hash, existing, write_json
from merian.formats.delimited import head_text
from merian.formats.json_stream import Member, first_object, lacking_members, members
from merian.formats.outlines import is_pixel
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows, said_text, text_of

__all__ = ["FORMAT"]

_OF_IMAGES = frozenset({"file", "datetime", "location", "failure", "detections"})
_OF_DETECTIONS = frozenset({"category", "conf", "bbox", "classifications"})
_RANKS = ("class", "order", "family", "genus")
_PARTS = 7  # of a description: its id, four ranks, the epithet and the common name


def _sniff(path: Path) -> int:
    """Return 3 where the first picture has a file and detections, or the categories are there."""
    text = head_text(path).lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return 0
    if '"detection_categories"' in text and ('"images"' in text or '"info"' in text):
        return 3
    at = text.find('"images"')
    first = first_object(text[at:], "[") if at >= 0 else None
    return 3 if isinstance(first, dict) and first.keys() >= {"file", "detections"} else 0


def _lacks(path: Path) -> str:
    if _sniff(path):
        return ""
    told = "has no image with a file and detections"
    return lacking_members(path, ("images", "detection_categories"), told)


@dataclass
class _Head:
    """What the file says beside its pictures."""

    path: Path
    dataset: str
    folder: Path
    threshold: float
    info: dict[str, object] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)

    def named(self, category: object) -> str | None:
        return self.categories.get(str(category))


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "MegaDetector file")
    if path.is_dir():
        raise FormatError("is a folder; MegaDetector's JSON file is expected", path=path)
    stem = re.sub(r"\.json(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    folder = (options.images or path.parent).absolute()
    dataset = options.extra.get("dataset") or f"{stem}-{content_hash(path)[:8]}"
    head = _Head(path, dataset, folder, _threshold(options))
    pictures = failed = below = 0
    for member in members(path):
        if member.key == "images" and isinstance(member.value, dict):
            pictures += "file" in member.value
            failed += bool(member.value.get("failure"))
            below += sum(not _keeps(head, one) for one in _detections(member.value))
        elif isinstance(member.value, dict):
            _take(head, member)
    if not pictures:
        raise FormatError(
            "has no images with a file; MegaDetector's output has images, each with a file and "
            "detections", path=path
        )  # fmt: skip
    notes = [f"pictures: {pictures}, of which {failed} failed; taken from {folder}"]
    notes += [f"{below} detections are below the threshold of {head.threshold:g}"] if below else []
    notes += [f"info: {text_of('; '.join(f'{k} {v}' for k, v in head.info.items()))}"] * bool(
        head.info
    )
    sources = (
        Rows(path, "media", _Pictures(head)),
        Rows(path, "measurement", _PicturesMeasured(head)),
        Rows(path, "record", _Detections(head)),
        Rows(path, "measurement", _Measured(head)),
    )
    return Reading("megadetector", sources, (path,), tuple(notes))


def _threshold(options: Options) -> float:
    said = options.extra.get("threshold", "0")
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"threshold={said}: a number from 0 to 1 is expected")
    return value


def _take(head: _Head, member: Member) -> None:
    tables = {
        "detection_categories": head.categories,
        "classification_categories": head.classes,
        "classification_category_descriptions": head.descriptions,
    }
    assert isinstance(member.value, dict)
    if member.key == "info":
        head.info.update(member.value)
    elif member.key in tables:
        pairs = ((key, text_of(name)) for key, name in member.value.items())
        tables[member.key].update({key: name for key, name in pairs if name})


def _keeps(head: _Head, detection: object) -> bool:
    """Return whether a detection is not below the threshold; what is none is told later."""
    conf = detection.get("conf") if isinstance(detection, dict) else None
    return not isinstance(conf, int | float) or conf >= head.threshold


def _detections(image: Mapping[str, object]) -> list[object]:
    found = image.get("detections")
    return found if isinstance(found, list) else []


@dataclass(frozen=True)
class _Listed(ChunkedRows):
    """Rows of the pictures of a file, anew each time they are asked for."""

    head: _Head

    def _images(self) -> Iterator[tuple[Member, str, Mapping[str, object]] | Reject]:
        """Return each picture with its mediaID."""
        seen: set[str] = set()
        for member in members(self.head.path):
            if member.key != "images":
                continue
            image = member.value
            file = text_of(image.get("file")) if isinstance(image, dict) else None
            if not isinstance(image, dict) or file is None:
                yield _reject(self.head, member, "a picture without a file", image)
            elif file in seen:
                yield _reject(self.head, member, f"the file {file} was seen before", file)
            else:
                seen.add(file)
                yield member, f"{self.head.dataset}/{file}", image

    def _found(self) -> Iterator[tuple[Member, str, str, Mapping[str, object], object]]:
        """Return each detection above the threshold, with its id, and its picture with its own."""
        for found in self._images():
            if isinstance(found, Reject):
                continue
            member, media, image = found
            for number, detection in enumerate(_detections(image), 1):
                if _keeps(self.head, detection):
                    yield member, media, f"{media}#{number}", image, detection


def _reject(head: _Head, member: Member, reason: str, content: object, term: str = "") -> Reject:
    told = text_of(str(content)[:1000]) or ""
    return Reject(head.path, member.line, reason, told, term or None, "value" if term else "row")


class _Pictures(_Listed):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._images():
            if isinstance(found, Reject):
                yield found
                continue
            member, media, image = found
            file, failure = str(text_of(image["file"])), text_of(image.get("failure"))
            yield {
                "line": member.line,
                "mediaID": media,
                "accessURI": file if "://" in file else (self.head.folder / file).as_posix(),
                "mediaRemarks": f"failure: {failure}" if failure else None,
            }


class _PicturesMeasured(_Listed):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for found in self._images():
            if isinstance(found, Reject):
                continue
            member, media, image = found
            for kind, value in image.items():
                if kind not in _OF_IMAGES and (told := said_text(value)):
                    yield {
                        "line": member.line, "mediaID": media,
                        "measurementType": text_of(kind), "measurementValue": told,
                    }  # fmt: skip


class _Detections(_Listed):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for member, media, name, image, detection in self._found():
            if not isinstance(detection, dict):
                yield _reject(self.head, member, "a detection that is none", detection)
                continue
            box = _box(detection.get("bbox"))
            if box is None:
                reason = "no box: left, top, width and height as fractions are expected"
                yield _reject(self.head, member, reason, detection.get("bbox"), "xFrac")
            x, y, w, h = box or (None,) * 4
            yield {
                "line": member.line,
                "occurrenceID": name,
                "basisOfRecord": "MachineObservation",
                "eventDate": text_of(image.get("datetime")),
                "locality": text_of(image.get("location")),
                "mediaID": name,
                "derivedFromMediaID": media,
                "xFrac": x, "yFrac": y, "widthFrac": w, "heightFrac": h,
                "agentType": "machine",
                "identificationVerificationStatus": "PredictedByMachine",
                **self._named(detection),
            }  # fmt: skip

    def _named(self, detection: Mapping[str, object]) -> dict[str, object]:
        """Return the name of a detection, from whom and how sure."""
        head = self.head
        classified = _classified(detection)
        by = text_of(head.info.get("classifier" if classified else "detector"))
        told: dict[str, object] = {
            "identifiedBy": by,
            "dateIdentified": text_of(
                head.info.get("classification_completion_time" if classified else "")
                or head.info.get("detection_completion_time")
            ),
        }
        if not classified:
            label = head.named(detection.get("category"))
            return told | {
                "verbatimIdentification": label,
                "probability": said_text(detection.get("conf")),
            }
        key, conf = classified[0]
        others = [f"{head.classes.get(k, k)} {c}" for k, c in classified[1:]]
        told |= {
            "verbatimIdentification": head.classes.get(key, key),
            "probability": said_text(conf),
            "identificationRemarks": f"also {', '.join(others)}" if others else None,
        }
        return told | _lineage(head.descriptions.get(key, ""))


def _classified(detection: Mapping[str, object]) -> list[tuple[str, float]]:
    """Return the classifications of a detection, the surest first."""
    found = detection.get("classifications")
    pairs = [
        (str(text_of(pair[0])), float(pair[1]))
        for pair in (found if isinstance(found, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and is_pixel(pair[1])
    ]
    return sorted(pairs, key=lambda pair: -pair[1])


def _lineage(description: str) -> dict[str, object]:
    """Return the ranks of a description of seven parts, in which names are not capitalised."""
    parts = [part.strip() for part in description.split(";")]
    if len(parts) != _PARTS:
        return {}
    ranks: dict[str, object] = {
        rank: part.capitalize() for rank, part in zip(_RANKS, parts[1:5], strict=True) if part
    }
    if parts[4] and parts[5]:
        ranks["species"] = f"{parts[4].capitalize()} {parts[5]}"
    return ranks


def _box(bbox: object) -> tuple[float, float, float, float] | None:
    """Return a box of fractions, clipped to the picture."""
    if not (isinstance(bbox, list) and len(bbox) == 4):
        return None
    if not all(type(side) in (int, float) and -1 <= side <= 2 for side in bbox):
        return None
    x, y, w, h = bbox
    if w < 0 or h < 0:
        return None
    left, top = min(max(x, 0), 1), min(max(y, 0), 1)
    # A box that is in the picture keeps its numbers.
    width = w if x == left and x + w <= 1 else min(x + w, 1) - left
    height = h if y == top and y + h <= 1 else min(y + h, 1) - top
    return left, top, max(width, 0), max(height, 0)


class _Measured(_Listed):
    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        for member, _, name, _, detection in self._found():
            if not isinstance(detection, dict):
                continue
            said = {k: v for k, v in detection.items() if k not in _OF_DETECTIONS}
            if _classified(detection):
                category = detection.get("category")
                said["category"] = self.head.named(category) or category
                said["conf"] = detection.get("conf")
            for kind, value in said.items():
                if told := said_text(value):
                    yield {
                        "line": member.line, "occurrenceID": name, "mediaID": name,
                        "measurementType": text_of(kind), "measurementValue": told,
                    }  # fmt: skip


def _fake(folder: Path, seed: int) -> Path:
    """Write the detections of six pictures, one of which failed."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    images: list[dict[str, object]] = []
    for number in range(6):
        found = []
        for _ in range(number % 3):
            box = [round(chance.uniform(0, 0.5), 4) for _ in range(4)]
            one: dict[str, object] = {
                "category": chance.choice("123"),
                "conf": round(chance.random(), 3),
                "bbox": box,
            }
            if number % 2:
                one["classifications"] = [["0", 0.9], ["1", 0.05]]
            found.append(one)
        images.append({
            "file": f"site{seed}/IMG_{number:04d}.JPG",
            "detections": found,
            "datetime": f"2022-07-0{number + 1} 04:05:06",
        })  # fmt: skip
    images.append({"file": "broken.jpg", "failure": "image access failure", "detections": None})
    path = folder / "detections.json"
    write_json(path, {
        "images": images,
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "classification_categories": {"0": "red fox", "1": "blank"},
        "classification_category_descriptions": {
            "0": "x;mammalia;carnivora;canidae;vulpes;vulpes;red fox", "1": "y;;;;;;blank",
        },
        "info": {
            "format_version": "1.4", "detector": "md_v5a.0.0.pt", "classifier": "fake",
            "detection_completion_time": "2022-08-01 10:00:00",
            "detector_metadata": {"typical_detection_threshold": 0.2},
        },
    })  # fmt: skip
    return path


FORMAT = Format(
    name="megadetector",
    title="MegaDetector: boxes in pictures of camera traps",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
