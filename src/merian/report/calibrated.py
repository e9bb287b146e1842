"""The page of calibrations: the scale of each picture, and where its marks were found."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path, PurePath

from PIL import ImageDraw

from merian.files import write_text
from merian.image.addresses import apart, pixels_of, read_file
from merian.measure.calibration import Point
from merian.measure.calibrations import Calibrated
from merian.pictures import BadPictureError, decode
from merian.report.page import Figures, Note, Part, Picture, Pictures, Section, Table, Text, page
from merian.stamp import run_id, stamp

__all__ = ["calibrated_page", "marked_picture", "write_calibrated"]

_FORMAT, _VERSION = "merian-calibrations-page", "1.0"
_SHOWN, _ROWS, _NOTES = 24, 200, 6  # pictures, rows of a table, notes
_SIDE, _QUALITY = 900, 82
_COLOUR = (230, 30, 120)
_HOW = """
A scale has a standard uncertainty (k = 1) and says where it is from. Where marks could mean another
unit, what else they could mean stands beside it: tell it by --tick. Lines on the pictures join the
marks that were found.
"""


def write_calibrated(path: Path, found: Sequence[Calibrated], rig: str = "") -> None:
    """Write the page of calibrations."""
    write_text(path, calibrated_page(found, rig))


def calibrated_page(found: Sequence[Calibrated], rig: str = "") -> str:
    """Return the page of calibrations."""
    known = [one for one in found if one.calibration is not None]
    lacking = [one for one in found if one.calibration is None]
    doubtful = [one for one in known if one.calibration and one.calibration.ambiguous]
    far = [one for one in known if one.own is not None and one.reason]
    parts: list[Part] = [
        Figures([
            (f"{len(known):,}", "pictures with a scale"), (f"{len(doubtful):,}", "ambiguous"),
            (f"{len(lacking):,}", "set aside"),
            *([(f"{len(far):,}", "far from the rig")] if rig else []),
        ]),
        Text(_HOW),
        Table(
            ("picture", "pixels a mm", "uncertainty", "how", "why", "or else"),
            [_row(one) for one in known[:_ROWS]], more=max(0, len(known) - _ROWS),
        ),
    ]  # fmt: skip
    for one in [one for one in known if one.calibration and one.calibration.plane][:_NOTES]:
        assert one.calibration is not None
        parts.append(Note(f"{PurePath(one.picture).name}: {one.calibration.plane}."))
    sections = [Section("Scales", parts)]
    if far:
        rows = [(PurePath(one.picture).name, one.reason) for one in far[:_ROWS]]
        sections.append(Section("Far from the rig", [
            Table(("picture", "why"), rows, more=max(0, len(far) - _ROWS))
        ]))  # fmt: skip
    if lacking:
        rows = [(PurePath(one.picture).name, one.reason) for one in lacking[:_ROWS]]
        sections.append(Section("Set aside", [
            Table(("picture", "why"), rows, more=max(0, len(lacking) - _ROWS))
        ]))  # fmt: skip
    marked = [one for one in known if one.calibration and one.calibration.marks][:_SHOWN]
    pictures = []
    for one in marked:
        data = marked_picture(one)
        if data:
            assert one.calibration is not None
            name = PurePath(apart(one.picture)[0]).name
            pictures.append(Picture(data, name, _scale(one), f"where the marks of {name} are"))
    if pictures:
        sections.append(Section("Where the marks are", [Pictures(pictures, width=440)]))
    return page(
        "Scales of pictures", sections, subtitle=rig or f"{len(found):,} pictures",
        stamp=stamp(_FORMAT, _VERSION, run_id("calibrate", {"found": [str(one) for one in found]})),
    )  # fmt: skip


def _scale(one: Calibrated) -> str:
    scale = one.calibration
    assert scale is not None
    return f"{scale.pixels_per_mm:.4g} ± {scale.pixels_per_mm * scale.relative:.2g} pixels a mm"


def _row(one: Calibrated) -> tuple[object, ...]:
    scale = one.calibration
    assert scale is not None
    others = "; ".join(f"{value:.4g} ({why})" for value, why in scale.others[:4])
    how = scale.method if not scale.source or scale.source in one.picture else (
        f"{scale.method}, {scale.source}"
    )  # fmt: skip
    return (
        PurePath(one.picture).name, f"{scale.pixels_per_mm:.5g}", f"{100 * scale.relative:.2f} %",
        how, scale.why, others,
    )  # fmt: skip


def marked_picture(one: Calibrated, side: int = _SIDE) -> bytes:
    """Return a JPEG of a picture with its marks, or nothing where it cannot be read."""
    place, region = apart(one.picture)
    try:
        image = decode(read_file(place))
    except BadPictureError:
        return b""
    if region is not None:
        image = image.crop(pixels_of(image.size, region))
    full = image.width
    image = image.copy()
    image.thumbnail((side, side))
    factor = image.width / full
    marks = one.calibration.marks if one.calibration else ()
    drawn = ImageDraw.Draw(image)
    at = [((x + 0.5) * factor, (y + 0.5) * factor) for x, y in marks]
    if one.calibration is not None and one.calibration.method == "board":
        _line(drawn, [*at, at[0]])
    else:
        for first, last in zip(at[::2], at[1::2], strict=False):
            _line(drawn, [first, last])
            for end in (first, last):
                _across(drawn, end, first, last)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _line(drawn: ImageDraw.ImageDraw, points: Sequence[Point]) -> None:
    drawn.line(points, fill=(255, 255, 255), width=4)
    drawn.line(points, fill=_COLOUR, width=2)


def _across(drawn: ImageDraw.ImageDraw, end: Point, first: Point, last: Point) -> None:
    """Draw a stroke across the end of a line."""
    long = max(math.dist(first, last), 1e-6)
    dx, dy = (last[1] - first[1]) / long * 10, (first[0] - last[0]) / long * 10
    _line(drawn, [(end[0] - dx, end[1] - dy), (end[0] + dx, end[1] + dy)])
