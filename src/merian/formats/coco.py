"""COCO: pictures and the boxes, polygons and masks of what is on them, in one JSON file.

::

    {"info": {...}, "licenses": [{"id", "name", "url"}],
     "images": [{"id", "file_name", "width", "height", "license", "date_captured"}],
     "annotations": [{"id", "image_id", "category_id", "bbox": [left, top, width, height],
                      "segmentation", "area", "iscrowd", "attributes", "score"}],
     "categories": [{"id", "name", "supercategory"}]}

Lengths are pixels. A ``segmentation`` is a list of polygons [x, y, x, y, ...], or a mask
{"size": [height, width], "counts"} of COCO's letters or of numbers; both are kept as outlines. A
picture is a row of media; each annotation is a region of it, an occurrence, and its category's name
the label. A ``score`` makes it a machine's, with that probability. An annotation with neither box
nor outline is about the whole picture (COCO Camera Traps). All that has no term (area, iscrowd
where it is 1, attributes, any further key) is a measurement under its own name. A list of results
[{"image_id", "category_id", "bbox", "segmentation", "score"}] is read with the file of its
pictures: ``--set instances=FILE``.

Odd, and real: two categories of one name; a category_id that is not listed; pictures without size
(then they are looked at, if they are there); a ``date_captured`` of 0, or that of the export
(Roboflow), which is no date of a picture; boxes that stick out (clipped in the fractions; as they
came in the measurement ``bbox``); ``toras_path`` for ``file_name`` (TORAS); a polygon without its
outer list. CVAT, Label Studio, Roboflow and TORAS write it. The pictures are looked for beside the
file, in ``images``, and where the user says. Ids begin with the file's name and a hash of it,
or with ``--set dataset=NAME``; ``--set split=train`` names the part of a split, which is else
taken from the file's name or its folder's. Keys of ours: ``px_per_mm``, ``rights_holder``,
``split``, ``media_id``, ``occurrence_id``, and ``area_is_computed`` where the area was not given.

Reference: Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48; https://cocodataset.org/#format-data
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Reading, Rows
from merian.errors import FormatError
from merian.files import content_hash, existing, write_json
from merian.formats.coco_head import read_coco_head
from merian.formats.coco_rows import Annotations, Measured, Pictures
from merian.formats.coco_write import write_coco
from merian.formats.delimited import head_text
from merian.formats.json_stream import first_object, lacking_members
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]

_RESULT = {"image_id", "category_id"}
_PLACED = ("bbox", "segmentation", "keypoints", "caption")
_TAIL = 1 << 16


def _sniff(path: Path) -> int:
    """Return 3 where images and annotations, or results, are seen in the head or at the end."""
    text = head_text(path).lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        first = first_object(text, "[")
        return 3 if isinstance(first, dict) and _is_result(first) else 0
    if not text.startswith("{"):
        return 0
    image, annotation = (_first(text, key) for key in ("images", "annotations"))
    if isinstance(annotation, dict) and "image_id" in annotation:
        return 3
    is_image = isinstance(image, dict) and "id" in image and "detections" not in image
    if not is_image:
        return 0
    listed = '"annotations"' in text or '"categories"' in text or '"image_id"' in _tail(path)
    return 3 if listed else 2


def _is_result(first: Mapping[str, object]) -> bool:
    return first.keys() >= _RESULT and any(key in first for key in _PLACED)


def _first(text: str, key: str) -> object:
    """Return the first element of a list in the head of a file."""
    at = text.find(f'"{key}"')
    behind = text[at + len(key) + 2 :].lstrip() if at >= 0 else ""
    behind = behind.removeprefix(":").lstrip()
    return first_object(behind, "[") if behind.startswith("[") else None


def _tail(path: Path) -> str:
    """Return the end of a file that is not packed."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _lacks(path: Path) -> str:
    if _sniff(path):
        return ""
    head = head_text(path).lstrip("\ufeff \t\r\n")
    if head.startswith("[") and path.suffix.lower() == ".json":
        return "is a list whose first element has no image_id, category_id and bbox"
    told = "has no image with an id, nor an annotation with an image_id"
    if _first(head, "annotations") is not None and '"images"' not in head + _tail(path):
        return "has no images"  # of a file of any size
    return lacking_members(path, ("images", "annotations", "categories"), told)


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "COCO file")
    if path.is_dir():
        raise FormatError("is a folder; COCO's JSON file is expected", path=path)
    if head_text(path).lstrip("\ufeff \t\r\n").startswith("["):
        return _read_results(path, options)
    head = read_coco_head(path, options)
    prefix = f"{head.dataset}/annotation"
    sources = (
        Rows(path, "media", Pictures(head, path)),
        Rows(path, "measurement", Pictures(head, path, measured=True)),
        Rows(path, "record", Annotations(head, path, prefix=prefix)),
        Rows(path, "measurement", Measured(head, path, prefix=prefix)),
    )
    return Reading("coco", sources, (path,), tuple(head.notes))


def _read_results(path: Path, options: Options) -> Reading:
    """Read a list of results, whose pictures and categories are in another file."""
    said = options.extra.get("instances")
    if said is None:
        raise FormatError(
            "is a list of results, which has no pictures and no names; say which file has them "
            "with --set instances=FILE", path=path, line=1
        )  # fmt: skip
    instances = existing(said, "file of instances")
    head = read_coco_head(instances, options)
    head.notes[:] = [note for note in head.notes if not note.startswith("categories that")]
    prefix = f"{head.dataset}/result/{content_hash(path)[:8]}"
    sources = (
        Rows(instances, "media", Pictures(head, instances)),
        Rows(path, "record", Annotations(head, path, "", prefix)),
        Rows(path, "measurement", Measured(head, path, "", prefix)),
    )
    note = f"pictures and names are those of {instances}"
    return Reading("coco", sources, (path, instances), (note, *head.notes))


# -- faking ---------------------------------------------------------------------------------------


def _fake(folder: Path, seed: int) -> Path:
    """Write two pictures with boxes, polygons and a mask, and the faults that real files have."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    images = []
    for number in (1, 2):
        name = f"tray_{seed:02d}_{number}.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 48), (number * 40 + seed) % 256).save(folder / "images" / name)
        images.append({
            "id": number, "file_name": name, "width": 64, "height": 48, "license": 1,
            "date_captured": 0, "flickr_url": "",
        })  # fmt: skip
    annotations: list[dict[str, object]] = []
    for number in range(12):
        x, y = chance.randrange(0, 50), chance.randrange(0, 30)
        w, h = chance.randrange(4, 14), chance.randrange(4, 18)
        outline: object = ([], [[x, y, x + w, y, x + w, y + h + 0.5, float(x), y + h]],
                           {"size": [48, 64], "counts": [48 * x + y, h, 48 * 64 - 48 * x - y - h]},
                           [x, y, x + w, y, x + w, y + h])[number % 4]  # fmt: skip
        annotations.append({
            "id": number + 1, "image_id": 1 + number % 2, "category_id": 1 + number % 3,
            "bbox": [x, y, w, h], "area": w * h, "segmentation": outline, "iscrowd": 0,
            "attributes": {"occluded": chance.random() < 0.3},
        })  # fmt: skip
    annotations[4]["bbox"] = [60, 40, 10, 10.25]
    annotations[5]["image_id"] = 99
    annotations[7]["id"] = 1
    coco = {
        "info": {"description": "", "date_created": "", "version": f"{seed}"},
        "licenses": [{"id": 1, "name": "CC0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "categories": [
            {"id": 1, "name": "Carabidae", "supercategory": "Coleoptera"},
            {"id": 2, "name": "debris", "supercategory": "none"},
        ],
        "images": images,
        "annotations": annotations,
    }  # fmt: skip
    path = folder / "instances_default.json"
    write_json(path, coco)
    return path


FORMAT = Format(
    name="coco",
    title="COCO: boxes, polygons and masks in pictures",
    sniff=_sniff,
    read=_read,
    write=write_coco,
    fake=_fake,
    lacks=_lacks,
    suffix=".coco.json",
    tested_on="flatbug's polygons, yellow sticky traps of Roboflow, BIOSCAN wells of TORAS",
    tells_parts=True,
)
