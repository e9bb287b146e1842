"""A scale as a file: what `merian calibrate` finds, for `merian measure` and for keeping.

JSON with the stamp of its format under "merian" and the fields of a `Calibration` under
"calibration".
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import write_json
from merian.measure.calibration import Calibration
from merian.stamp import check_stamp, run_id, stamp

__all__ = ["FORMAT", "read_calibration", "write_calibration"]

FORMAT, _VERSION = "merian-calibration", "1.0"


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a scale into a file."""
    told = {key: _plain(value) for key, value in asdict(calibration).items()}
    run = run_id("calibrate", told)
    write_json(path, {"merian": stamp(FORMAT, _VERSION, run), "calibration": told})


def read_calibration(path: Path) -> Calibration:
    """Return the scale of a file."""
    told = check_stamp(path, FORMAT, 1).get("calibration")
    if not isinstance(told, dict):
        raise FormatError("has no calibration", path=path)
    try:
        residual = told.get("residual")
        return Calibration(
            float(told["pixels_per_mm"]), float(told["relative"]), str(told["method"]),
            str(told.get("source", "")), math.nan if residual is None else float(residual),
            str(told.get("plane", "")),
            tuple((float(scale), str(why)) for scale, why in told.get("others", ())),
            tuple((float(x), float(y)) for x, y in told.get("marks", ())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"is no scale: {error!r}", path=path) from None


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
