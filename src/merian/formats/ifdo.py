"""iFDO: what is known of a set of marine pictures, and the annotations of them (JSON).

One object with what holds for all pictures, and an object for each, by the name of its file::

    {"image-set-header": {"image-set-name": ..., "image-set-uuid": ..., "image-license": {...},
        "image-annotation-labels": [{"id": ..., "name": ...}],
        "image-annotation-creators": [{"id": ..., "name": ..., "type": ...}]},
     "image-set-items": {"a.jpg": {"image-uuid": ..., "image-datetime": ..., "image-latitude": ...,
        "image-annotations": [{"shape": "circle", "coordinates": [[x, y, radius]],
            "labels": [{"label": id, "annotator": id, "created-at": ..., "confidence": ...}]}]}}}

What a picture does not say itself, the header says for it. Altitudes below the sea are depths. The
shapes are ``single-pixel``, ``polyline``, ``polygon``, ``rectangle``, ``circle``, ``ellipse`` and
``whole-image``, in pixels; a circle or an ellipse is kept as a polygon, and its numbers in the
remarks. An annotation is an occurrence and a region of its picture, and each label of it an
identification; labels and creators are called by their names where the lists tell them. How large a
picture is, is found with ``--images FOLDER`` alone. Of the rest each field is a measurement, of the
set or of the picture. Lines are the numbers of the pictures in the file.

iFDO is mostly written as YAML, which is not read: save it as JSON. Of videos only what is said of
the whole is read.

Reference: Schoening et al. 2022, doi:10.1038/s41597-022-01491-3; iFDO 2.1,
https://marine-imaging.com/fair/ifdos/iFDO-overview
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing, open_text, write_text
from merian.formats.delimited import head_text
from merian.formats.json_stream import lacking_members
from merian.formats.outlines import LARGEST_SIDE
from merian.formats.picture_shelf import PictureShelf
from merian.formats.region_shapes import corners, outline, region
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import chunked

__all__ = ["FORMAT"]

_HEADER, _ITEMS = "image-set-header", "image-set-items"
_MOST = 1 << 27  # characters of a file, which is read as a whole
_SHAPES = {
    "single-pixel": ("Point", "POINT"), "polyline": ("LineString", "LINESTRING"),
    "polygon": ("Polygon", "POLYGON"), "rectangle": ("Rectangle", "POLYGON"),
    "circle": ("Circle", "POLYGON"), "ellipse": ("Ellipse", "POLYGON"),
}  # fmt: skip
_MACHINE = re.compile(r"\b(ai|machine|algorithm|model|computer)\b", re.IGNORECASE)

# What has a place of its own, so that it is no measurement.
_TAKEN = frozenset({
    "image-set-name", "image-set-uuid", "image-uuid", "image-handle", "image-datetime",
    "image-latitude", "image-longitude", "image-altitude-meters", "image-license",
    "image-copyright", "image-sensor", "image-coordinate-uncertainty-meters", "image-platform",
    "image-pixel-per-millimeter", "image-annotations", "image-annotation-labels",
    "image-annotation-creators",
})  # fmt: skip

Fields = Mapping[str, object]
Row = dict[str, object]


def _sniff(path: Path) -> int:
    text = head_text(path).lstrip()
    return 3 if text.startswith("{") and (f'"{_HEADER}"' in text or f'"{_ITEMS}"' in text) else 0


def _lacks(path: Path) -> str:
    text = head_text(path, 4096)
    if re.search(rf"(?m)^(?:{_HEADER}|{_ITEMS}):", text):
        return "is YAML; save it as JSON"
    return "" if _sniff(path) else lacking_members(path, (_HEADER, _ITEMS), "is none")


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "iFDO")
    document = _document(path)
    header, items = document.get(_HEADER, {}), document.get(_ITEMS)
    if not isinstance(items, dict) or not isinstance(header, dict):
        raise FormatError(f"has no object {_ITEMS}, which an iFDO has", path=path)
    files = _Set(path, header, items, PictureShelf(options.images))
    kinds = ("event", "occurrence", "media", "identification", "measurement")
    return Reading("ifdo", [Rows(path, k, _Table(files, k)) for k in kinds], (path,))


def _document(path: Path) -> Fields:
    with open_text(path, "utf-8-sig") as stream:
        text = stream.read(_MOST + 1)
    if len(text) > _MOST:
        raise FormatError(f"has more than {_MOST:,} characters; split the set", path=path)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"is no JSON ({error.msg})", path=path, line=error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"is no JSON that can be read ({error})", path=path) from None
    if not isinstance(found, dict):
        raise FormatError("is no JSON object, which an iFDO is", path=path, line=1)
    return found


def _named(value: object) -> str | None:
    """Return a text, a number as text, or the name in an object."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("uri")
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, bool | list | dict) else str(value)


def _by_id(value: object) -> dict[str, Fields]:
    """Return a list of objects by their ids."""
    listed = value if isinstance(value, list) else []
    return {str(one.get("id")): one for one in listed if isinstance(one, dict)}


@dataclass(frozen=True)
class _Set:
    """A set of pictures.

    Attributes:
        path: The file.
        header: What holds for all pictures.
        items: The pictures by name.
        shelf: Where their files lie.
    """

    path: Path
    header: Fields
    items: Fields
    shelf: PictureShelf

    @property
    def called(self) -> str:
        """The identifier of the set."""
        name = _named(self.header.get("image-set-uuid")) or _named(
            self.header.get("image-set-name")
        )
        return f"ifdo:{name or self.path.name.removesuffix('.gz').removesuffix('.json')}"

    def rows(self, table: str) -> Iterator[Row | Reject]:
        """Return the rows of one table."""
        if table == "event":
            yield {"line": 1, "eventID": self.called, "eventType": "image set",
                   "locality": _named(self.header.get("image-event"))}  # fmt: skip
        if table == "measurement":
            yield from _measured(1, self.called, self.header)
        for line, (name, told) in enumerate(self.items.items(), start=1):
            item = told[0] if isinstance(told, list) and told else told
            if not isinstance(item, dict):
                if table == "event":
                    reason = "a picture without an object that tells of it"
                    yield Reject(self.path, line, reason, name)
                continue
            uuid = _named(item.get("image-uuid"))
            picture = f"ifdo:{uuid}" if uuid else f"{self.called}:{name}"
            if table == "event":
                yield {"line": line, **self._event(picture, item)}
            elif table == "measurement":
                yield from _measured(line, picture, item)
            elif table == "media":
                yield {"line": line, **self._picture(picture, name, item)}
                yield from self.shelf.rejects()
            if table in ("occurrence", "media", "identification"):
                yield from self._annotations(table, line, picture, name, item)

    def _told(self, item: Fields, field: str) -> str | None:
        """Return what a picture says, or the header for it."""
        own = _named(item.get(field))
        return own if own is not None else _named(self.header.get(field))

    def _event(self, picture: str, item: Fields) -> Row:
        height = self._told(item, "image-altitude-meters")
        depth = height[1:] if height and height.startswith("-") else None
        above = height if height and not depth else None
        when = self._told(item, "image-datetime")
        return {
            "eventID": picture,
            "parentEventID": self.called,
            "eventType": "picture",
            "eventDate": when,
            "decimalLatitude": self._told(item, "image-latitude"),
            "decimalLongitude": self._told(item, "image-longitude"),
            "coordinateUncertaintyInMeters": self._told(
                item, "image-coordinate-uncertainty-meters"
            ),
            "minimumDepthInMeters": depth,
            "maximumDepthInMeters": depth,
            "minimumElevationInMeters": above,
            "maximumElevationInMeters": above,
            "samplingProtocol": self._told(item, "image-platform"),
        }

    def _picture(self, picture: str, name: str, item: Fields) -> Row:
        size = self.shelf.size(name)
        place = self.shelf.place(name)
        handle = _named(item.get("image-handle"))
        return {
            "mediaID": picture,
            "accessURI": handle if handle and place == name else place,
            "pixelXDimension": size and size[0],
            "pixelYDimension": size and size[1],
            "pixelsPerMillimetre": self._told(item, "image-pixel-per-millimeter"),
            "captureDevice": self._told(item, "image-sensor"),
            "license": self._told(item, "image-license"),
            "rightsHolder": self._told(item, "image-copyright"),
        }

    def _annotations(
        self, table: str, line: int, picture: str, name: str, item: Fields
    ) -> Iterator[Row | Reject]:
        listed = item.get("image-annotations")
        for number, one in enumerate(listed if isinstance(listed, list) else [], start=1):
            if not isinstance(one, dict) or one.get("frames"):
                if table == "occurrence":
                    reason = f"annotation {number} of {name} is of a video, or no object"
                    yield Reject(self.path, line, reason, _as_json(one))
                continue
            known = f"{picture}:{number}"
            if table == "occurrence":
                yield {
                    "line": line,
                    "occurrenceID": known,
                    "eventID": picture,
                    "basisOfRecord": "MachineObservation",
                    "datasetName": _named(self.header.get("image-set-name")),
                }
            elif table == "media":
                row = {"line": line, "mediaID": known, "occurrenceID": known,
                       "derivedFromMediaID": picture}  # fmt: skip
                yield from self._region(row, one, self.shelf.size(name))
            else:
                yield from self._labels(line, known, one)

    def _region(
        self, row: Row, one: Fields, size: tuple[int, int] | None
    ) -> Iterator[Row | Reject]:
        shape = _named(one.get("shape")) or ""
        if shape == "whole-image":
            yield row | {"xFrac": 0, "yFrac": 0, "widthFrac": 1, "heightFrac": 1}
            return
        kind, drawn = _SHAPES.get(shape, ("", ""))
        found = _coordinates(one.get("coordinates"))
        points = corners(kind, found) if found and kind else None
        if points is None:
            reason = f"not the coordinates of a shape of iFDO: {shape[:60]}"
            content = _as_json(one.get("coordinates"))
            line = int(str(row["line"]))
            yield Reject(self.path, line, reason, content, "regionOutline", "value")
            yield row
            return
        if kind in ("Circle", "Ellipse"):
            row["mediaRemarks"] = f"{shape} {found}"
        yield row | {"regionOutline": outline(drawn, points)} | region(points, size)

    def _labels(self, line: int, known: str, one: Fields) -> Iterator[Row]:
        names = _by_id(self.header.get("image-annotation-labels"))
        people = _by_id(self.header.get("image-annotation-creators"))
        listed = one.get("labels")
        for told in listed if isinstance(listed, list) else []:
            if not isinstance(told, dict):
                continue
            label = _named(told.get("label") or told.get("id"))
            who = _named(told.get("annotator"))
            person = people.get(who or "", {})
            machine = _MACHINE.search(_named(person.get("type")) or "")
            if label:
                yield {
                    "line": line,
                    "occurrenceID": known,
                    "verbatimIdentification": _named(names.get(label, {}).get("name")) or label,
                    "taxonConceptID": label if label in names else None,
                    "identifiedBy": _named(person.get("name")) or who,
                    "dateIdentified": _named(told.get("created-at")),
                    "probability": _named(told.get("confidence")),
                    "agentType": "machine" if machine else "human",
                }


def _coordinates(value: object) -> list[float] | None:
    """Return the numbers of the first list of coordinates; a list of numbers is one itself."""
    listed = value if isinstance(value, list) else []
    if listed and isinstance(listed[0], list):
        listed = listed[0]
    if listed and isinstance(listed[0], dict):
        listed = [one.get(axis) for one in listed if isinstance(one, dict) for axis in ("x", "y")]
    good = [
        float(one)
        for one in listed
        if isinstance(one, int | float) and not isinstance(one, bool) and abs(one) <= LARGEST_SIDE
    ]
    return good if good and len(good) == len(listed) else None


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)[:10_000]
    except (ValueError, RecursionError):
        return "(nested too deeply)"


def _measured(line: int, event: str, fields: Fields) -> Iterator[Row]:
    """Return what has no other place, lists as JSON."""
    for field, value in fields.items():
        if field in _TAKEN or value is None:
            continue
        listed = isinstance(value, list) or (isinstance(value, dict) and "name" not in value)
        told = _as_json(value) if listed else _named(value)
        if told is None and isinstance(value, bool):
            told = str(value).lower()
        if told:
            yield {
                "line": line,
                "eventID": event,
                "measurementType": field,
                "measurementValue": told,
            }


@dataclass(frozen=True)
class _Table:
    """The rows of one table, anew each time they are asked for."""

    files: _Set
    kind: str

    def __iter__(self) -> Iterator[Chunk | Reject]:
        return chunked(map(_encodable, self.files.rows(self.kind)))


def _encodable(row: Row | Reject) -> Row | Reject:
    """Return a row without halves of characters, which escapes of JSON may leave."""
    if isinstance(row, Reject):
        return replace(row, reason=_whole(row.reason), content=_whole(row.content))
    return {term: _whole(v) if isinstance(v, str) else v for term, v in row.items()}


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _fake(folder: Path, seed: int) -> Path:
    """Write a set of 5 pictures with annotations of all shapes, one of them a machine's."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    drawn: tuple[tuple[str, list[list[float]]], ...] = (
        ("single-pixel", [[50.5, 60]]), ("circle", [[120, 90, 15.5]]), ("whole-image", []),
        ("rectangle", [[10, 10, 90, 10, 90, 50, 10, 50]]), ("polyline", [[0, 0, 30, 40]]),
        ("polygon", [[5, 5, 80, 9, 40, 70]]), ("ellipse", [[60, 50, 140, 50, 100, 30, 100, 70]]),
    )  # fmt: skip
    items = {}
    for number in range(5):
        name = f"SO268_CAM-1_{seed:02d}_{number:03d}.JPG"
        items[name] = {
            "image-datetime": f"2019-03-04 08:37:{number:02d}.000000",
            "image-altitude-meters": round(chance.uniform(-4100, -4000), 1),
            "image-entropy": round(chance.random(), 6),
            "image-uuid": f"c6b8d981-05c7-449f-85a9-{seed:06d}{number:06d}",
            "image-annotations": [
                {
                    "shape": shape, "coordinates": coordinates,
                    "labels": [{"label": f"L{place % 2}", "annotator": f"P{number % 2}",
                                "created-at": "2020-01-02 03:04:05", "confidence": 0.5}],
                }
                for place, (shape, coordinates) in enumerate(drawn[number:])
            ],
        }  # fmt: skip
    header = {
        "image-set-name": f"SO268-{seed} OFOS", "image-set-uuid": f"f840644a-{seed:04d}",
        "image-license": {"name": "CC-BY"}, "image-copyright": "(c) GEOMAR",
        "image-sensor": {"name": "SO_CAM-1"}, "image-latitude": 11.93, "image-longitude": -117.04,
        "image-acquisition": "photo",
        "image-annotation-labels": [{"id": "L0", "name": "Holothuria"},
                                    {"id": "L1", "name": "Actiniaria > Amphianthus"}],
        "image-annotation-creators": [{"id": "P0", "name": "Y. Bödur", "type": "Human expert"},
                                      {"id": "P1", "name": "net", "type": "AI model"}],
    }  # fmt: skip
    path = folder / f"SO268-{seed}.ifdo.json"
    text = json.dumps({_HEADER: header, _ITEMS: items}, ensure_ascii=False, indent=1)
    write_text(path, text + "\n")
    return path


FORMAT = Format(
    name="ifdo",
    title="iFDO: sets of marine pictures and their annotations (JSON)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
