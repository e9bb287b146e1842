"""Files of calibrations: which scale each picture has, and why; written, and read back the same.

A ``.json`` file holds all there is; a ``.tsv`` table the same in columns, what is a list as JSON,
with its stamp beside it. Pictures without a scale stand in it too, with the reason.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError
from merian.files import existing, write_json
from merian.formats.delimited import write_delimited
from merian.measure.calibration import Calibration
from merian.stamp import check_stamp, run_id, stamp, stamp_beside

__all__ = ["FORMAT", "Calibrated", "read_calibrations", "write_calibrations"]

FORMAT, VERSION = "merian-calibrations", "1.0"
_COLUMNS = (
    "picture", "width", "height", "pixels_per_mm", "relative", "method", "source", "residual",
    "plane", "others", "marks", "why", "own_pixels_per_mm", "reason",
)  # fmt: skip
_LISTS = ("others", "marks")
_NUMBERS = ("pixels_per_mm", "relative", "residual", "own_pixels_per_mm")


@dataclass(frozen=True)
class Calibrated:
    """A picture, and its scale or why it has none.

    Attributes:
        picture: Its name or address.
        width: In pixels, upright; 0 where it cannot be read.
        height: The same.
        calibration: Its scale.
        own: What its own marks say, in pixels a millimetre, where the scale is that of its rig.
        reason: Why it has none, or why its own does not count.
    """

    picture: str
    width: int
    height: int
    calibration: Calibration | None
    own: float | None = None
    reason: str = ""


def write_calibrations(path: Path, found: Iterable[Calibrated]) -> None:
    """Write calibrations as JSON or as a table, by the name of the file."""
    rows = [_row(one) for one in found]
    told = stamp(FORMAT, VERSION, run_id("calibrate", {"rows": rows}))
    if path.suffix.lower() == ".json":
        write_json(path, {"merian": told, "calibrations": rows})
    elif path.suffix.lower() == ".tsv":
        write_delimited(path, _COLUMNS, ([_cell(row[name]) for name in _COLUMNS] for row in rows),
                        "\t", str)  # fmt: skip
        stamp_beside(path, told)
    else:
        raise InputError(f"{path}: calibrations are written as .json or .tsv")


def read_calibrations(path: Path | str) -> dict[str, Calibrated]:
    """Return what `write_calibrations` wrote, by the names of the pictures."""
    path = existing(path, "file")
    if path.suffix.lower() == ".tsv":
        check_stamp(f"{path}.merian.json", FORMAT, 1)
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        rows: Sequence[Mapping[str, Any]] = [_parsed(line) for line in lines]
    else:
        rows = check_stamp(path, FORMAT, 1).get("calibrations", [])
    try:
        found = [_calibrated(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"a calibration that is not whole ({error!r})", path=path) from None
    return {one.picture: one for one in found}


def _row(one: Calibrated) -> dict[str, Any]:
    scale = one.calibration
    return {
        "picture": one.picture,
        "width": one.width,
        "height": one.height,
        "pixels_per_mm": scale and scale.pixels_per_mm,
        "relative": scale and scale.relative,
        "method": scale.method if scale else "",
        "source": scale.source if scale else "",
        "residual": scale.residual if scale and math.isfinite(scale.residual) else None,
        "plane": scale.plane if scale else "",
        "others": [[value, why] for value, why in scale.others] if scale else [],
        "marks": [[x, y] for x, y in scale.marks] if scale else [],
        "why": scale.why if scale else "",
        "own_pixels_per_mm": one.own,
        "reason": one.reason,
    }


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return repr(float(value)) if isinstance(value, float) else value


def _parsed(line: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict(line)
    for name in _LISTS:
        row[name] = json.loads(row[name]) if row[name] else []
    for name in _NUMBERS:
        row[name] = float(row[name]) if row[name] else None
    return row


def _calibrated(row: Mapping[str, Any]) -> Calibrated:
    scale = None
    if row["pixels_per_mm"] is not None:
        residual = row["residual"]
        scale = Calibration(
            float(row["pixels_per_mm"]), float(row["relative"]), str(row["method"]),
            str(row["source"]), math.nan if residual is None else float(residual),
            str(row["plane"]), tuple((float(v), str(why)) for v, why in row["others"]),
            tuple((float(x), float(y)) for x, y in row["marks"]), str(row["why"]),
        )  # fmt: skip
    own = row["own_pixels_per_mm"]
    return Calibrated(
        str(row["picture"]), int(row["width"]), int(row["height"]), scale,
        None if own is None else float(own), str(row["reason"]),
    )  # fmt: skip
