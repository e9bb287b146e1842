"""The tables of a run, as files: measurements, end points, outlines, pictures, what was set aside.

End points are a table that any spreadsheet can edit, and outlines with landmarks are COCO, which
annotation programs read. Each row of a coordinate has the width and height of its picture with it:
numbers that were taken from a copy of another size can then be told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from merian.files import new_file
from merian.formats.delimited import write_delimited
from merian.measure.codes import worst_first
from merian.measure.definitions import LANDMARKS
from merian.measure.stage import Stage

__all__ = ["COCO", "IMAGES", "MEASUREMENTS", "POINTS", "SET_ASIDE", "number", "write_tables"]

MEASUREMENTS, POINTS, COCO = "measurements.tsv", "points.csv", "outlines.coco.json"
IMAGES, SET_ASIDE = "images.tsv", "set_aside.tsv"

_MEASURED = """
SELECT h.image, s.number, s.id, s.grp, m.trait, m.version, m.value, m.low, m.high, m.unit,
    m.pixels, m.calibration, concat_ws(';', h.codes, s.codes, m.codes), s.placed_by
FROM measured m JOIN specimen s USING (n) JOIN shot h USING (shot) ORDER BY n, place
"""
_POINTS = """
SELECT h.image, h.width, h.height, s.number, s.id, s.points, m.trait, m.points, m.named
FROM specimen s JOIN shot h USING (shot) LEFT JOIN measured m USING (n) ORDER BY n, place
"""
_SHOTS = """
SELECT image, address, width, height, found, expected, scale, relative, calibration, colours, codes
FROM shot ORDER BY shot
"""
_BODIES = """
SELECT n, shot, number, id, region, x, y, w, h, outline, points, codes, placed_by FROM specimen
ORDER BY n
"""


def write_tables(stage: Stage, folder: Path) -> dict[str, int]:
    """Write all tables into a folder and return how many rows each has."""
    return {
        MEASUREMENTS: write_delimited(
            folder / MEASUREMENTS,
            ("image", "specimen", "id", "group", "trait", "definition", "value", "low", "high",
             "unit", "pixels", "calibration", "codes", "placed_by"),
            ((*row[:6], *(number(v) for v in row[6:9]), row[9], number(row[10]), row[11],
              ";".join(worst_first([c for c in row[12].split(";") if c])), row[13])
             for row in stage.rows(_MEASURED)), "\t",
        ),
        POINTS: write_delimited(
            folder / POINTS,
            ("image", "width", "height", "specimen", "id", "point", "x", "y"),
            _points(stage), ",",
        ),
        IMAGES: write_delimited(
            folder / IMAGES,
            ("image", "address", "width", "height", "found", "expected", "px_per_mm",
             "uncertainty", "calibration", "colours", "codes"),
            ((*row[:6], number(row[6]), number(row[7]), *row[8:]) for row in stage.rows(_SHOTS)),
            "\t",
        ),
        SET_ASIDE: write_delimited(
            folder / SET_ASIDE, ("image", "address", "reason"),
            stage.rows("SELECT image, address, reason FROM aside ORDER BY image, address"), "\t",
        ),
        COCO: _write_coco(stage, folder / COCO),
    }  # fmt: skip


def number(value: float | None) -> str:
    """Return a number with six digits; nothing where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


def _points(stage: Stage) -> Iterator[tuple[object, ...]]:
    """Yield landmarks, and after them the ends of what has no landmarks."""
    for head, group in groupby(stage.rows(_POINTS), key=lambda row: row[:6]):
        where = head[:5]
        for name, (x, y) in json.loads(head[5]).items():
            yield (*where, name, f"{x:.2f}", f"{y:.2f}")
        for row in group:
            ends = json.loads(row[7]) if row[7] else []
            if len(ends) == 2 and not json.loads(row[8]):
                for place, (x, y) in enumerate(ends, 1):
                    yield (*where, f"{row[6]}:{place}", f"{x:.2f}", f"{y:.2f}")


def _write_coco(stage: Stage, path: Path) -> int:
    """Write outlines and landmarks as COCO, and return how many specimens."""
    category = {
        "id": 1, "name": "specimen", "supercategory": "", "keypoints": list(LANDMARKS),
        "skeleton": [[1, 2], [3, 4], [5, 6], [7, 8]],
    }  # fmt: skip
    count = 0
    with new_file(path, text=True) as stream:
        stream.write('{"info": {"description": "outlines and landmarks by Merian"},\n')
        stream.write(f'"categories": {_compact([category])},\n"images": [')
        sql = "SELECT shot, image, width, height FROM shot ORDER BY shot"
        for place, (shot, image, width, height) in enumerate(stage.rows(sql)):
            told = {"id": shot + 1, "file_name": image, "width": width, "height": height}
            stream.write(("," if place else "") + "\n" + _compact(told))
        stream.write('\n],\n"annotations": [')
        for row in stage.rows(_BODIES):
            stream.write(("," if count else "") + "\n" + _compact(_annotation(row)))
            count += 1
        stream.write("\n]}\n")
    return count


def _annotation(row: tuple[Any, ...]) -> dict[str, object]:
    n, shot, place, name, region, x, y, w, h, outline, points, codes, placed_by = row
    rings, marks = json.loads(outline), json.loads(points)
    keypoints: list[float] = []
    for mark in LANDMARKS:
        keypoints += [*(round(v, 2) for v in marks[mark]), 2] if mark in marks else [0, 0, 0]
    attributes = {"specimen": place, "id": name, "region": region, "codes": codes,
                  "placed_by": placed_by}  # fmt: skip
    return {
        "id": n + 1, "image_id": shot + 1, "category_id": 1, "iscrowd": 0,
        "bbox": [x, y, w, h], "area": sum(_area(ring) for ring in rings), "segmentation": rings,
        "keypoints": keypoints, "num_keypoints": sum(mark in marks for mark in LANDMARKS),
        "attributes": {key: value for key, value in attributes.items() if value},
    }  # fmt: skip


def _area(ring: list[float]) -> float:
    x, y = ring[::2], ring[1::2]
    after = zip([*x[1:], x[0]], [*y[1:], y[0]], strict=True)
    return abs(sum(a * d - c * b for a, b, (c, d) in zip(x, y, after, strict=True))) / 2


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
