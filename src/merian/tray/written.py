"""The tables of a tray: its bodies, their outlines as COCO, how many there are of each size.

The numbers of COCO's images and annotations are places in the order in which photographs and bodies
stand, so the same photographs have the same numbers each time.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merian.files import new_file
from merian.formats.delimited import write_delimited
from merian.identify.composition import UNNAMED, count_rows
from merian.measure.codes import worst_first
from merian.measure.stage import Stage
from merian.measure.written import number
from merian.tray.counting import BODY, Counted
from merian.tray.crops import CROPS, crop_name, safe
from merian.tray.naming import NAMES, Named, write_names

__all__ = ["BODIES", "COCO", "COUNTS", "INSTANCES", "MEASUREMENTS", "PHOTOGRAPHS", "SET_ASIDE",
           "SPECTRUM", "UNNAMED", "spectrum", "write_coco", "write_tables"]  # fmt: skip

COUNTS, MEASUREMENTS = "counts.tsv", "measurements.tsv"
INSTANCES, COCO, SPECTRUM = "instances.tsv", "trays.coco.json", "size_spectrum.tsv"
PHOTOGRAPHS, SET_ASIDE = "photographs.tsv", "set_aside.tsv"
_COLUMNS = (
    "photo", "instance", "left", "top", "width", "height", "score", "area", "length", "breadth",
    "biovolume", "unit", "area_px", "crop", "codes", "name", "p",
)  # fmt: skip
_TOLD = ("area", "feret", "min_feret", "biovolume_ellipsoid")
BODIES = f"""
SELECT n, shot, h.image, s.number, s.x, s.y, s.w, s.h, s.score, s.outline,
    {", ".join(f"m.{name}" for name in _TOLD)}, m.unit, m.area_px,
    concat_ws(';', nullif(h.codes, ''), nullif(s.codes, '')), h.scale, h.address
FROM specimen s JOIN shot h USING (shot) LEFT JOIN (
    SELECT n, {", ".join(f"max(value) FILTER (trait = '{name}') AS {name}" for name in _TOLD)},
        max(unit) FILTER (trait = 'feret') AS unit, max(pixels) FILTER (trait = 'area') AS area_px
    FROM measured GROUP BY n) m USING (n) ORDER BY n
"""
_MEASURED = """
SELECT h.image, s.number, m.trait, m.version, m.value, m.low, m.high, m.unit, m.pixels,
    m.calibration, m.codes
FROM measured m JOIN specimen s USING (n) JOIN shot h USING (shot) ORDER BY n, place
"""
_SHOTS = """
SELECT image, address, width, height, found, expected, scale, relative, calibration, codes
FROM shot ORDER BY shot
"""


def write_tables(
    stage: Stage, folder: Path, out: Path, named: Named | None = None,
    counted: Counted | None = None,
) -> dict[str, int]:  # fmt: skip
    """Write all tables into a folder and return how many rows each has.

    Args:
        stage: What was found.
        folder: Where they are written.
        out: How that folder will be called.
        named: What bodies are called.
        counted: How many there are of each kind.
    """
    more = {}
    if named is not None:
        more[NAMES] = write_names(stage, named, folder / NAMES)
    if counted is not None:
        more[COUNTS] = _write_counts(folder / COUNTS, counted)
    more[MEASUREMENTS] = write_delimited(
        folder / MEASUREMENTS,
        ("photo", "instance", "trait", "definition", "value", "low", "high", "unit", "pixels",
         "calibration", "codes"),
        ((*row[:4], *(number(v) for v in row[4:7]), row[7], number(row[8]), *row[9:])
         for row in stage.rows(_MEASURED)), "\t",
    )  # fmt: skip
    return more | {
        INSTANCES: write_delimited(
            folder / INSTANCES, _COLUMNS, _rows(stage, (folder / CROPS).is_dir(), named), "\t"
        ),
        COCO: write_coco(stage, folder / COCO, out, named),
        SPECTRUM: write_delimited(
            folder / SPECTRUM,
            ("photo", "from", "to", "unit", "bodies", "biovolume", "normalised"),
            spectrum(stage), "\t",
        ),
        PHOTOGRAPHS: write_delimited(
            folder / PHOTOGRAPHS,
            ("photo", "address", "width", "height", "found", "expected", "px_per_mm",
             "uncertainty", "calibration", "codes"),
            ((*row[:6], number(row[6]), number(row[7]), *row[8:]) for row in stage.rows(_SHOTS)),
            "\t",
        ),
        SET_ASIDE: write_delimited(
            folder / SET_ASIDE, ("photo", "address", "reason"),
            stage.rows("SELECT image, address, reason FROM aside ORDER BY image, address"), "\t",
        ),
    }  # fmt: skip


def _write_counts(path: Path, counted: Counted) -> int:
    """Write how many of each kind there are; without an interval where nothing tells one."""
    if counted.composition is not None:
        head, rows = count_rows(counted.composition)
        return write_delimited(path, ("photo", *head[1:]), rows, "\t")
    plain = [
        (photo, name or UNNAMED, many, many, "", "", 0)
        for (photo, name), many in sorted(counted.found.items())
    ]
    return write_delimited(
        path, ("photo", "kind", "answered", "count", "from", "to", "validated"), plain, "\t"
    )


def _rows(stage: Stage, cut: bool, named: Named | None) -> Iterator[tuple[object, ...]]:
    for row in stage.rows(BODIES):
        n, shot, image, place, x, y, w, h, score, _, *sizes, unit, pixels, codes, _, _ = row
        name, share = ("", None) if named is None else named.at(n)
        crop = f"{CROPS}/{safe(shot + 1, image)}/{crop_name(place)}" if cut else ""
        yield (
            image, place, x, y, w, h, f"{score:.4f}", *map(number, sizes), unit, f"{pixels:.0f}",
            crop, ";".join(worst_first([code for code in codes.split(";") if code])), name,
            "" if share is None else f"{share:.4f}",
        )  # fmt: skip


def spectrum(stage: Stage) -> Iterator[tuple[object, ...]]:
    """Yield how many bodies there are of each size, photograph by photograph and of all.

    A class is an octave of volume. The volume of its bodies over its width is the normalised
    spectrum (Platt & Denman, Helgoländer wissenschaftliche Meeresuntersuchungen 30, 1977).
    """
    for image, octave, unit, bodies, volume in stage.rows(_SPECTRUM):
        low, high = 2.0**octave, 2.0 ** (octave + 1)
        yield (
            image, f"{low:.6g}", f"{high:.6g}", unit, bodies, f"{volume:.6g}",
            f"{volume / (high - low):.6g}",
        )  # fmt: skip


_SPECTRUM = """
WITH one AS (SELECT h.shot, h.image, floor(log2(m.value))::BIGINT AS octave, m.unit, m.value
             FROM measured m JOIN specimen s USING (n) JOIN shot h USING (shot)
             WHERE m.trait = 'biovolume_ellipsoid' AND m.value > 0)
SELECT image, octave, unit, count(*), sum(value ORDER BY value) FROM one
GROUP BY shot, image, octave, unit
UNION ALL
SELECT '', octave, unit, count(*), sum(value ORDER BY value) FROM one GROUP BY octave, unit
ORDER BY 1, 3, 2
"""


def write_coco(stage: Stage, path: Path, out: Path, named: Named | None = None) -> int:
    """Write outlines as COCO, and return how many bodies.

    Args:
        stage: What was found.
        path: The file.
        out: The folder in which it will lie; photographs are named from there.
        named: What bodies are called; one without a name is a body.
    """
    names = {} if named is None else {n: named.at(n)[0] for n in named.answers}
    called = [BODY, *sorted({*names.values()} - {BODY, ""})]
    number_of = {name: place for place, name in enumerate(called, 1)}
    count = 0
    with new_file(path, text=True) as stream:
        stream.write('{"info": {"description": "bodies in trays by Merian"},\n"categories": [')
        stream.write(",\n".join(
            _compact({"id": place, "name": name, "supercategory": ""})
            for name, place in number_of.items()
        ))  # fmt: skip
        stream.write('],\n"images": [')
        shots = stage.rows("SELECT shot, address, width, height, scale FROM shot ORDER BY shot")
        for place, (shot, address, width, height, scale) in enumerate(shots):
            told = {"id": shot + 1, "file_name": _named(address, out), "width": width,
                    "height": height, **({"px_per_mm": scale} if scale else {})}  # fmt: skip
            stream.write(("," if place else "") + "\n" + _compact(told))
        stream.write('\n],\n"annotations": [')
        for row in stage.rows(BODIES):
            told = _annotation(row, number_of[names.get(row[0]) or BODY])
            stream.write(("," if count else "") + "\n" + _compact(told))
            count += 1
        stream.write("\n]}\n")
    return count


def _annotation(row: tuple[Any, ...], category: int) -> dict[str, object]:
    n, shot, _, place, x, y, w, h, score, outline, *_, pixels, codes, _, _ = row
    attributes = {"instance": place, **({"codes": codes} if codes else {})}
    return {
        "id": n + 1, "image_id": shot + 1, "category_id": category, "iscrowd": 0,
        "bbox": [x, y, w, h], "area": round(pixels) if not math.isnan(pixels) else 0,
        "segmentation": json.loads(outline), "score": score, "attributes": attributes,
    }  # fmt: skip


def _named(address: str, out: Path) -> str:
    """Return how a photograph is called from the folder of the tray."""
    path = Path(address)
    if not path.is_file():
        return address
    try:
        return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
