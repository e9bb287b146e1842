"""The tables of measured beetles: three shapes in CSV, and the JSON of drawn lines."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.errors import FormatError
from merian.files import open_text
from merian.formats.delimited import read_head, rows_behind
from merian.formats.json_stream import members
from merian.formats.neon_rows import Beetle, Measure, length
from merian.formats.outlines import is_pixel
from merian.formats.row_chunks import text_of

__all__ = ["COLUMNS", "DRAWN", "beetles", "kind_of"]

# kind -> the columns that make it out.
COLUMNS: Mapping[str, frozenset[str]] = {
    "one row a beetle": frozenset({
        "elytraLength_pix", "elytraWidth_pix", "elytraLength_cm", "elytraWidth_cm", "user_name",
        "individualID",
    }),
    "one row a line": frozenset({
        "pictureID", "individual", "structure", "coords_pix", "dist_pix", "dist_cm", "user_name",
    }),
    "one row a drawn beetle": frozenset({
        "groupImageFilePath", "BeetlePosition", "individualID", "coords_scalebar",
        "coords_elytra_max_length",
    }),
}  # fmt: skip
DRAWN = frozenset({"beetle_position", "measurements", "scientific_name"})
_DRAWN_LENGTHS = ("elytra_max_length", "basal_pronotum_width", "elytra_max_width")
_NULLS = frozenset({"", "NA", "nan", "NaN", "None"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def kind_of(columns: frozenset[str]) -> str | None:
    """Return which of the tables has these columns."""
    return next((kind for kind, sure in COLUMNS.items() if columns >= sure), None)


def beetles(path: Path) -> Iterator[Beetle | Reject]:
    """Return the beetles of a file, each as often as it was measured."""
    if path.name.lower().removesuffix(".gz").endswith(".json") or _is_json(path):
        yield from _drawn(path)
        return
    head = read_head(path, ",", '"')
    kind = kind_of(frozenset(head.columns))
    if kind is None:
        raise FormatError("is no table of measured beetles", path=path, line=1)
    read = {"one row a beetle": _wide, "one row a line": _long}.get(kind, _hawaii)
    with open_text(path, head.encoding) as stream:
        reader = rows_behind(stream, head)
        while True:
            line = head.header_lines + reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield Reject(path, line, f"the row cannot be read ({error})")
                continue
            if row is None:
                return
            if len(row) != len(head.columns):
                if row:
                    reason = f"{len(row)} fields; {len(head.columns)} are expected"
                    yield Reject(path, line, reason, ",".join(row))
                continue
            given = {c: v.strip() for c, v in zip(head.columns, row, strict=True)}
            made = read(line, {c: v for c, v in given.items() if v not in _NULLS})
            yield made or Reject(path, line, "no id of a beetle", ",".join(row))


def _is_json(path: Path) -> bool:
    with open_text(path) as stream:
        return stream.read(64).lstrip("\ufeff \t\r\n").startswith("[")


def _label(row: Mapping[str, str]) -> str | None:
    return row.get("scientificName") or " ".join(
        row[part] for part in ("genus", "species") if part in row
    ) or None  # fmt: skip


def _scale(pixels: str | None, centimetres: str | None) -> float | None:
    try:
        scale = float(pixels or "") / float(centimetres or "")
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return scale if math.isfinite(scale) and scale > 0 else None


def _points(text: str | None) -> list[float]:
    """Return the numbers of points, written as lists or as x1: 3, y1: 4."""
    found = _NUMBER.findall(re.sub(r"[xy]\d?", " ", text or ""))
    flat = [float(number) for number in found[:64]]
    return flat if all(map(is_pixel, flat)) and len(flat) % 2 == 0 else []


def _wide(line: int, row: Mapping[str, str]) -> Beetle | None:
    if "individualID" not in row:
        return None
    name = row["individualID"]
    picture = name.rpartition("_")[0] or None
    said = [f"{c} {row[c]}" for c in ("lying_flat", "outliers") if row.get(c, "False") != "False"]
    measures = []
    for part, short in (("elytraLength", "length"), ("elytraWidth", "width")):
        values = {u: row[f"{part}_{c}"] for u, c in (("cm", "cm"), ("px", "pix"))
                  if f"{part}_{c}" in row}  # fmt: skip
        drawn = _points(row.get(f"coords_pix_{short}"))
        remarks = "; ".join([*said, *(["drawn on a picture made smaller"] if drawn else [])])
        key = row.get(f"measureID_{short}")
        measures.append(Measure(part, values, (), key, remarks or None))
    return Beetle(
        line, name,
        picture=picture,
        file=f"{picture}.jpg" if picture else None,
        label=_label(row),
        number=row.get("combinedID"),
        sample=row.get("NEON_sampleID") or picture,
        who=row.get("user_name"),
        scale=_scale(row.get("elytraLength_pix"), row.get("elytraLength_cm")),
        measures=measures,
    )  # fmt: skip


def _long(line: int, row: Mapping[str, str]) -> Beetle | None:
    if "pictureID" not in row or "individual" not in row:
        return None
    picture = row["pictureID"].removesuffix(".jpg")
    values = {u: row[c] for u, c in (("cm", "dist_cm"), ("px", "dist_pix")) if c in row}
    full = _points(row.get("coords_pix_scaled_up"))
    said = [f"lying_flat {row['lying_flat']}"] if "lying_flat" in row else []
    said += ["pixels are those of a picture made smaller"]
    measure = Measure(
        row.get("structure", "length"), values, full, row.get("measureID"), "; ".join(said)
    )
    return Beetle(
        line, f"{picture}_{row['individual'].removesuffix('.0')}",
        picture=picture,
        file=row.get("file_name") or row["pictureID"],
        label=_label(row),
        number=row.get("combinedID"),
        sample=row.get("NEON_sampleID") or picture,
        who=row.get("user_name"),
        scale=_scale(row.get("cm_pix") or row.get("dist_pix"),
                     "1" if "cm_pix" in row else row.get("dist_cm")),
        measures=[measure],
    )  # fmt: skip


def _hawaii(line: int, row: Mapping[str, str]) -> Beetle | None:
    if "groupImageFilePath" not in row or "BeetlePosition" not in row:
        return None
    file = row["groupImageFilePath"]
    picture = Path(file).stem
    measures = []
    for kind in _DRAWN_LENGTHS:
        values = {u: row[f"{u}_{kind}"] for u in ("cm", "px") if f"{u}_{kind}" in row}
        if values:
            measures.append(Measure(kind, values, _points(row.get(f"coords_{kind}"))))
    bar = _points(row.get("coords_scalebar"))
    return Beetle(
        line, f"{picture}/{row['BeetlePosition'].removesuffix('.0')}",
        picture=picture,
        file=file,
        label=_label(row),
        number=row.get("individualID"),
        scale=_scale(row.get("px_scalebar") or str(length(bar)), row.get("cm_scalebar", "1")),
        bar=bar,
        full=True,
        measures=measures,
    )  # fmt: skip


# -- drawn lines in JSON ------------------------------------------------------------------------


def _drawn(path: Path) -> Iterator[Beetle | Reject]:
    """Return the beetles of a list of drawn lines.

    Lines are in pixels of a beetle's own picture. The scale bar is so too where pictures were cut
    by ``origin_x``; where they were cut by ``offset_x``, it is in pixels of the larger picture.
    """
    for member in members(path):
        one = member.value
        if not isinstance(one, dict) or not one.keys() >= DRAWN:
            yield Reject(path, member.line, "no beetle with a position and measurements", str(one))
            continue
        file = text_of(one.get("rel_group_img_path") or one.get("group_img_rel_path"))
        picture = text_of(one.get("group_img") or one.get("group_img_basename") or file)
        moved = [one.get(f"{'offset' if 'offset_x' in one else 'origin'}_{axis}") for axis in "xy"]
        if picture is None or not all(map(is_pixel, moved)):
            yield Reject(path, member.line, "no larger picture, or no place on it", str(one))
            continue
        picture = Path(picture).stem
        listed = one["measurements"] if isinstance(one["measurements"], list) else []
        lines: dict[str, list[float]] = {}
        for found in listed:
            if isinstance(found, dict) and isinstance(found.get("measurement_type"), str):
                kind = str(text_of(found["measurement_type"]))
                lines[kind] = _moved(found, kind == "scalebar" and "offset_x" in one, moved)
        for kind in (kind for kind, line in lines.items() if len(line) <= 2):
            reason = f"{kind} is no line of two points or more"
            where = f"{picture}/{text_of(one['beetle_position'])}"
            yield Reject(path, member.line, reason, where, "regionOutline", "value")
        bar = lines.pop("scalebar", [])
        scale = length(bar) or None
        yield Beetle(
            member.line, f"{picture}/{text_of(one['beetle_position'])}",
            picture=picture,
            file=file,
            label=text_of(one["scientific_name"]),
            number=text_of(one.get("individual_id")),
            crop=text_of(one.get("rel_individual_img_path") or one.get("indiv_img_rel_path")),
            scale=scale,
            bar=bar,
            full=True,
            measures=[
                Measure(kind, _lengths(line, scale), line) for kind, line in lines.items()
                if len(line) > 2
            ],
            taxon=text_of(one.get("taxon_id")),
        )  # fmt: skip


def _moved(found: Mapping[str, object], stays: bool, by: list[object]) -> list[float]:
    """Return a line in pixels of the larger picture; none for what is no line."""
    given = found.get("polyline_px") or found.get("polyline")
    if not isinstance(given, list):
        return []
    flat = [n for point in given for n in point] if all(
        isinstance(point, list) for point in given
    ) else given  # fmt: skip
    if len(flat) % 2 or not all(map(is_pixel, flat)):
        return []
    if stays:
        return [float(n) for n in flat]
    x, y = (float(json.dumps(side)) for side in by)
    return [round(n + (y if place % 2 else x), 4) for place, n in enumerate(flat)]


def _lengths(line: list[float], scale: float | None) -> dict[str, str]:
    pixels = length(line)
    told = {"px": f"{pixels:.6g}"}
    return {"cm": f"{pixels / scale:.6g}", **told} if scale else told
