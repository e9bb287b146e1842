"""A catalogue as one COCO file: its pictures, their regions, and the names that stand.

Pictures are images, and what shows an occurrence or is a region of a picture is an annotation; a
picture that shows one thing as a whole is both. Numbers are those of the file that all of it came
from, if it came from one, else places in the order of the ids. The ids of the catalogue stand
beside them, so that what is written reads back as the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from merian.files import new_file
from merian.formats.annotated import (
    PICTURES,
    REGIONS,
    SAID,
    Said,
    numbers,
    only,
    picture_name,
)
from merian.formats.flat import STANDING, rows
from merian.formats.outlines import (
    Box,
    Mask,
    OutlineError,
    bounds,
    box_outline,
    outline_mask,
    pixel_box,
    polygon_area,
    read_rings,
)

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write_coco"]

_CATEGORIES = f"""
SELECT DISTINCT coalesce(i.verbatimIdentification, i.scientificName, ''), i.identificationRemarks
FROM media x LEFT JOIN ({STANDING}) i ON i.subject = x.occurrenceID
WHERE x.occurrenceID IS NOT NULL OR x.derivedFromMediaID IS NOT NULL ORDER BY ALL
"""

_ABOVE = "supercategory "
# Keys of an annotation that a measurement of that name stands for; others are attributes.
_OWN = ("area", "iscrowd")


def write_coco(catalogue: Catalogue, path: Path) -> int:
    """Write the pictures and regions of a catalogue; return the number of annotations."""
    pictures = numbers(str(row[0]) for row in rows(catalogue, PICTURES))
    regions = numbers(str(row[0]) for row in rows(catalogue, REGIONS))
    categories = _category_numbers(rows(catalogue, _CATEGORIES))
    licences = [
        str(text)
        for (text,) in rows(
            catalogue,
            "SELECT DISTINCT license FROM media WHERE derivedFromMediaID IS NULL "
            "AND license IS NOT NULL ORDER BY 1",
        )
    ]
    titles = [str(row[0]) for row in rows(
        catalogue, "SELECT DISTINCT datasetName FROM occurrence WHERE datasetName IS NOT NULL"
    )]  # fmt: skip
    said = Said(rows(catalogue, SAID))
    folder = path.parent.absolute()
    with new_file(path, text=True) as stream:
        stream.write('{\n"info": ')
        _dump({"description": titles[0]} if len(titles) == 1 else {}, stream)
        _write_list(stream, "licenses", (
            {"id": number, **({"url": text} if "://" in text else {"name": text})}
            for number, text in enumerate(licences, 1)
        ))  # fmt: skip
        _write_list(stream, "categories", (
            {"id": number, "name": name, "supercategory": above}
            for (name, above), number in categories.items()
        ))  # fmt: skip
        _write_list(stream, "images", (
            _image(row, pictures, licences, folder, said) for row in rows(catalogue, PICTURES)
        ))  # fmt: skip
        said = Said(rows(catalogue, SAID))
        _write_list(stream, "annotations", (
            _annotation(row, regions, pictures, categories, said)
            for row in rows(catalogue, REGIONS)
        ))  # fmt: skip
        stream.write("\n}\n")
    return len(regions)


def _write_list(stream: IO[str], key: str, values: Iterable[Mapping[str, object]]) -> None:
    """Write a list with one element a line."""
    stream.write(f',\n"{key}": [')
    for number, value in enumerate(values):
        stream.write(",\n" if number else "\n")
        _dump(value, stream)
    stream.write("\n]")


def _dump(value: object, stream: IO[str]) -> None:
    stream.write(json.dumps(value, ensure_ascii=False))


def _category_numbers(found: Iterable[Sequence[object]]) -> dict[tuple[str, str], int]:
    """Return a number for each name and what is above it; 0 is what has no name."""
    keys = dict.fromkeys((str(name), _above(remarks)) for name, remarks in found)
    named = sorted(key for key in keys if key[0])
    return ({("", ""): 0} if len(named) < len(keys) else {}) | {
        key: number for number, key in enumerate(named, 1)
    }


def _above(remarks: object) -> str:
    text = str(remarks or "")
    return text.removeprefix(_ABOVE) if text.startswith(_ABOVE) else ""


def _value(text: str) -> object:
    """Return the value of JSON that a text was, so that it is the same text again."""
    try:
        value = json.loads(text)
        same = json.dumps(value, ensure_ascii=False) == text
    except (ValueError, RecursionError):
        return text
    return text if value is None or isinstance(value, str) or not same else value


def _image(
    row: Sequence[Any],
    numbers: Mapping[str, int],
    licences: Sequence[str],
    folder: Path,
    said: Said,
) -> dict[str, object]:
    media, address, width, height, licence, holder, scale, dates, places, splits, shown = row
    one = {
        "id": numbers[media],
        "file_name": picture_name(address, folder) or None,
        "width": width,
        "height": height,
        "license": licences.index(licence) + 1 if licence else None,
        "date_captured": only(dates),
        "location": only(places),
        "split": only(splits),
        "rights_holder": holder,
        "px_per_mm": scale,
        "media_id": media,
    }
    kept = {key: value for key, value in one.items() if value is not None}
    # What is measured of a picture that shows one thing stands with its annotation.
    told = said.of(media) if shown is None else {}
    return kept | {k: _value(v) for k, v in told.items() if k not in kept}


def _annotation(
    row: Sequence[Any],
    numbers: Mapping[str, int],
    pictures: Mapping[str, int],
    categories: Mapping[tuple[str, str], int],
    said: Said,
) -> dict[str, object]:
    media, picture, occurrence, *box, outline, width, height, name, remarks, score = row
    told = said.of(media)
    segmentation, area, around = _segmentation(outline)
    bbox = _bbox(told.pop("bbox", None), box, width, height, around)
    if bbox and outline == box_outline((bbox[0], bbox[1], bbox[2], bbox[3])):
        segmentation = []  # only said that the box sticks out
    own = {key: _value(told.pop(key)) for key in _OWN if _is_number(told.get(key))}
    one = {
        "id": numbers[media],
        "image_id": pictures[picture],
        "category_id": categories[name, _above(remarks) if name else ""],
        "bbox": bbox,
        "segmentation": segmentation,
        "area": area if area is not None else bbox[2] * bbox[3] if bbox else 0,
        "iscrowd": 0,
        **own,
        "score": score,
        "area_is_computed": None if "area" in own else True,
        "attributes": {_attribute(k): _value(v) for k, v in told.items()} or None,
        "occurrence_id": occurrence,
        "media_id": media,
    }
    return {key: value for key, value in one.items() if value is not None}


def _is_number(text: str | None) -> bool:
    return text is not None and isinstance(_value(text), int | float)


def _attribute(kind: str) -> str:
    return kind.removeprefix("attributes.")


def _bbox(
    kept: str | None,
    fractions: Sequence[float | None],
    width: int | None,
    height: int | None,
    around: Box | None,
) -> list[float] | None:
    """Return the box of a region: as it came, or from its fractions, or around its outline."""
    value = _value(kept) if kept else None
    if isinstance(value, list) and len(value) == 4:
        return value
    x, y, w, h = fractions
    if not width or not height:
        return list(around) if around else None
    if x is None or y is None or w is None or h is None:
        return list(around or (0, 0, width, height))
    return list(pixel_box((x, y, w, h), width, height))


def _segmentation(outline: str | None) -> tuple[object, float | None, Box | None]:
    """Return an outline as it came, its area and the box around it."""
    if not outline:
        return [], None, None
    try:
        if outline.startswith("RLE("):
            mask: Mask = outline_mask(outline)
            size = {"size": [mask.height, mask.width], "counts": mask.counts}
            return size, mask.area, mask.box
        rings = read_rings(outline)
    except OutlineError:
        return [], None, None  # a point or a line: COCO has no place for it
    flat = [number for ring in rings for number in ring]
    area = sum(map(polygon_area, rings))
    return rings, area, bounds(flat) if flat else None
