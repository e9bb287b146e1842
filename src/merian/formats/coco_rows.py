"""The rows of a COCO file: its pictures, its annotations, and what is measured or said of each.

The lists are walked anew for each kind of row, so that none of them is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue.sources import Chunk, Reject
from merian.formats.coco_head import (
    NAMES,
    CocoHead,
    Picture,
    key_of,
    picture_address,
)
from merian.formats.json_stream import Member, members
from merian.formats.outlines import (
    Box,
    OutlineError,
    bounds,
    box_outline,
    clipped,
    is_pixel,
    mask_outline,
    polygon_outline,
    read_mask,
    sticks_out,
)
from merian.formats.row_chunks import chunked, said_text, text_of

__all__ = ["Annotations", "Measured", "Pictures", "Region", "region_of"]

# What an image and an annotation say in terms; all else that they hold becomes a measurement.
_OF_IMAGES = frozenset({
    *NAMES, "id", "width", "height", "license", "date_captured", "datetime", "location",
    "px_per_mm", "rights_holder", "media_id", "split",
})  # fmt: skip
_OF_ANNOTATIONS = frozenset({
    "id", "image_id", "category_id", "bbox", "segmentation", "score", "attributes",
    "occurrence_id", "media_id", "area_is_computed",
})  # fmt: skip
_ATTRIBUTE = "attributes."
_UNITS = {"area": "px2", "bbox": "px"}


@dataclass(frozen=True)
class _Listed:
    """One list of a file, anew each time it is asked for."""

    head: CocoHead
    path: Path
    key: str = ""

    def _members(self) -> Iterator[Member]:
        begun = False
        for member in members(self.path):
            if member.key == self.key and member.place:
                begun = True
                yield member
            elif begun:  # each list stands once
                return

    def _reject(
        self, member: Member, reason: str, term: str | None = None, content: object = None
    ) -> Reject:
        told = text_of(str(member.value if content is None else content)[:1000]) or ""
        scope = "value" if term else "row"
        return Reject(self.path, member.line, reason, told, term, scope)


# -- pictures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pictures(_Listed):
    """The pictures as rows of media, or what else is said of them as rows of measurement."""

    key: str = "images"
    measured: bool = False

    def __iter__(self) -> Iterator[Chunk | Reject]:
        return chunked(self._measured() if self.measured else self._rows())

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        seen: set[str] = set()
        for member in self._members():
            image = member.value
            key = key_of(image.get("id")) if isinstance(image, dict) else None
            if not isinstance(image, dict) or key is None:
                yield self._reject(member, "an image without an id")
                continue
            if key in seen:
                yield self._reject(member, f"the image id {key} was seen before in this file")
                continue
            seen.add(key)
            known = self.head.pictures[key]
            if known.width is None and ("width" in image or "height" in image):
                said = f"{image.get('width')} x {image.get('height')}"
                yield self._reject(
                    member, "no width and height of a picture", "pixelXDimension", said
                )
            yield {
                "line": member.line,
                "mediaID": known.media,
                "accessURI": picture_address(self.head.folder, image),
                "pixelXDimension": known.width,
                "pixelYDimension": known.height,
                "license": self.head.licences.get(key_of(image.get("license")) or ""),
                "rightsHolder": text_of(image.get("rights_holder")),
                "pixelsPerMillimetre": text_of(image.get("px_per_mm")),
            }

    def _measured(self) -> Iterator[Mapping[str, object] | Reject]:
        seen: set[str] = set()
        for member in self._members():
            image = member.value
            key = key_of(image.get("id")) if isinstance(image, dict) else None
            if not isinstance(image, dict) or key is None or key in seen:
                continue
            seen.add(key)
            for name, value in image.items():
                if name not in _OF_IMAGES and (told := said_text(value)):
                    yield {
                        "line": member.line,
                        "mediaID": self.head.pictures[key].media,
                        "measurementType": text_of(name),
                        "measurementValue": told,
                    }


# -- annotations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Region:
    """Where in its picture something is.

    Attributes:
        fractions: Of the picture, or None where its size is not known.
        outline: As in the catalogue, or None for a plain box.
        bbox: The box as it came, where the fractions do not tell it.
        faults: What was wrong with what was given.
    """

    fractions: Box | None
    outline: str | None
    bbox: Box | None
    faults: tuple[str, ...]


def region_of(annotation: Mapping[str, object], width: int | None, height: int | None) -> Region:
    """Return what ``bbox`` and ``segmentation`` of an annotation say."""
    faults: list[str] = []
    rings: list[list[float]] = []
    outline: str | None = None
    around: Box | None = None
    segmentation = annotation.get("segmentation")
    try:
        if isinstance(segmentation, dict):
            mask = read_mask(segmentation.get("size"), segmentation.get("counts"))
            if width and (mask.height, mask.width) != (height, width):
                raise OutlineError(
                    f"a mask of {mask.height} x {mask.width} pixels on a picture of "
                    f"{height} x {width}"
                )
            width, height = mask.width, mask.height
            outline, around = mask_outline(mask), mask.box
        elif segmentation:
            rings = _rings(segmentation)
            outline = polygon_outline(rings)
    except OutlineError as error:
        faults.append(str(error))
    box = _box(annotation.get("bbox"), faults)
    if box is None and outline and rings:
        around = bounds([number for ring in rings for number in ring])
    used = box or around
    if used is None:
        whole = not annotation.get("bbox") and not segmentation
        return Region((0, 0, 1, 1) if whole else None, None, None, tuple(faults))
    if not width or not height:
        return Region(None, outline or box_outline(used), box, tuple(faults))
    outside = sticks_out(used, width, height)
    if outside and outline is None:
        outline = box_outline(used)
    return Region(clipped(used, width, height), outline, box if outside else None, tuple(faults))


def _rings(segmentation: object) -> list[list[float]]:
    """Return polygons as flat lists; some files have one polygon without the outer list."""
    if not isinstance(segmentation, list):
        raise OutlineError("a segmentation that is no list and no mask")
    rings = [segmentation] if not isinstance(segmentation[0], list) else segmentation
    if not all(isinstance(ring, list) for ring in rings):
        raise OutlineError("a segmentation that is half a list of lists")
    return [ring for ring in rings if ring] or _no_points()


def _no_points() -> list[list[float]]:
    raise OutlineError("a segmentation without points")


def _box(bbox: object, faults: list[str]) -> Box | None:
    if bbox is None or bbox == []:
        return None
    if not (isinstance(bbox, list) and len(bbox) == 4 and all(map(is_pixel, bbox))):
        faults.append(f"no box: left, top, width and height are expected, found {str(bbox)[:60]}")
        return None
    if bbox[2] < 0 or bbox[3] < 0:
        faults.append(f"a box whose width or height is below 0: {bbox}")
        return None
    return bbox[0], bbox[1], bbox[2], bbox[3]


def _kept_box(annotation: Mapping[str, object], picture: Picture) -> Box | None:
    """Return the box as it came, where the fractions do not tell it."""
    if not picture.width or not picture.height:
        return region_of(annotation, None, None).bbox
    box = _box(annotation.get("bbox"), [])
    return box if box and sticks_out(box, picture.width, picture.height) else None


@dataclass(frozen=True)
class Annotations(_Listed):
    """The annotations as flat records.

    Attributes:
        prefix: What their ids begin with.
    """

    key: str = "annotations"
    prefix: str = ""

    def __iter__(self) -> Iterator[Chunk | Reject]:
        return chunked(self._rows())

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        seen: set[str] = set()
        for member in self._members():
            found = self._known(member, seen)
            if isinstance(found, Reject):
                yield found
                continue
            name, annotation, picture = found
            region = region_of(annotation, picture.width, picture.height)
            for fault in region.faults:
                yield self._reject(member, fault, "regionOutline", name)
            yield self._row(member, name, annotation, picture, region)

    def _known(
        self, member: Member, seen: set[str]
    ) -> tuple[str, Mapping[str, object], Picture] | Reject:
        """Return the id of an annotation, itself and its picture, or what is wrong with it."""
        annotation = member.value
        if not isinstance(annotation, dict):
            return self._reject(member, "no annotation: {...} is expected")
        key = key_of(annotation.get("id"))
        name = f"{self.prefix}/{f'place-{member.place}' if key is None else key}"
        if name in seen:
            return self._reject(member, f"the annotation id {key} was seen before in this file")
        image = key_of(annotation.get("image_id"))
        picture = self.head.pictures.get(image or "")
        if picture is None:
            return self._reject(member, f"its image_id {image} is not among the images")
        seen.add(name)
        return name, annotation, picture

    def _row(
        self,
        member: Member,
        name: str,
        annotation: Mapping[str, object],
        picture: Picture,
        region: Region,
    ) -> Mapping[str, object]:
        category = self.head.categories.get(key_of(annotation.get("category_id")) or "")
        score = annotation.get("score")
        media = text_of(annotation.get("media_id")) or name
        own = media == picture.media  # a picture that shows one thing alone
        x, y, w, h = (None,) * 4 if own or not region.fractions else region.fractions
        return {
            "line": member.line,
            "occurrenceID": text_of(annotation.get("occurrence_id")) or name,
            "basisOfRecord": "MachineObservation",
            "datasetName": self.head.title,
            "split": picture.split or self.head.split,
            "eventDate": picture.date,
            "locality": picture.place,
            "verbatimIdentification": category.name or None if category else None,
            "identificationRemarks": f"supercategory {category.above}"
            if category and category.above else None,
            "agentType": None if score is None else "machine",
            "identificationVerificationStatus": None if score is None else "PredictedByMachine",
            "probability": said_text(score),
            "mediaID": media,
            "derivedFromMediaID": None if own else picture.media,
            "xFrac": x, "yFrac": y, "widthFrac": w, "heightFrac": h,
            "regionOutline": None if own else region.outline,
        }  # fmt: skip


@dataclass(frozen=True)
class Measured(Annotations):
    """What else is said of annotations, as measurements of their regions."""

    def _rows(self) -> Iterator[Mapping[str, object] | Reject]:
        seen: set[str] = set()
        for member in self._members():
            found = self._known(member, seen)
            if isinstance(found, Reject):
                continue  # told with the annotations
            name, annotation, picture = found
            subject = {
                "line": member.line,
                "occurrenceID": text_of(annotation.get("occurrence_id")) or name,
                "mediaID": text_of(annotation.get("media_id")) or name,
            }
            said = self._said(annotation, picture)
            for kind, value in said.items():
                yield {
                    **subject,
                    "measurementType": text_of(kind),
                    "measurementValue": value,
                    "measurementUnit": _UNITS.get(kind),
                }

    def _said(self, annotation: Mapping[str, object], picture: Picture) -> dict[str, str]:
        left = {k: v for k, v in annotation.items() if k not in _OF_ANNOTATIONS}
        if not left.get("iscrowd"):  # that it is one thing is what is usual
            left.pop("iscrowd", None)
        if annotation.get("area_is_computed"):
            left.pop("area", None)
        if bbox := _kept_box(annotation, picture):
            left["bbox"] = list(bbox)
        attributes = annotation.get("attributes")
        if isinstance(attributes, dict):
            for key, value in attributes.items():
                taken = key in left or key in _OF_ANNOTATIONS or key.startswith(_ATTRIBUTE)
                left[_ATTRIBUTE + key if taken or key in _UNITS or key == "iscrowd" else key] = (
                    value
                )
        elif attributes:
            left["attributes"] = attributes
        told = {kind: said_text(value) for kind, value in left.items()}
        return {kind: value for kind, value in told.items() if value is not None}
