"""``merian calibrate``: how many pixels a millimetre has, and how sure that is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.measure.boards import Board
    from merian.measure.calibrating import Marks, Way
    from merian.measure.calibrations import Calibrated

__all__ = ["calibrate"]

_LENGTH = re.compile(r"\s*(?:(\d+)/(\d+)|(\d+(?:\.\d+)?))\s*([^\W\d_]+)?\s*")
_SHOWN = 40


def calibrate(
    *images: Path,
    method: Literal["auto", "declared", "points", "bar", "ruler", "graph", "board"] = "auto",
    scale: float | None = None,
    uncertainty: float = 0.0,
    points: str = "",
    length: str = "",
    bar: str = "",
    tick: str = "",
    board: str = "",
    square: str = "",
    marker: str = "",
    dictionary: str = "4X4_50",
    series: str = "",
    of: Path | None = None,
    regions: Path | None = None,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    page: Path | None = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Find the scale of pictures: pixels of a millimetre, and how sure they are.

    Without an option a ruler or graph paper is looked for. What its marks may mean else is told
    with the scale; a picture in which no scale is found is set aside with the reason.

    Args:
        images: Pictures, and folders of pictures.
        method: How; auto is the one that another option is given for, or a ruler.
        scale: Pixels of a millimetre, where that is known.
        uncertainty: Of --scale: its standard uncertainty as a share, such as 0.01.
        points: Two points, x1,y1,x2,y2, with --length; or a table of picture, x1, y1, x2, y2,
            length and, if it is not mm, unit.
        length: Between the points: 10mm, 1cm, 0.5in.
        bar: A scale bar is looked for, which is that long.
        tick: From mark to mark of the ruler or paper, where that is known: 1mm, 0.5mm, 1/16in.
        board: Squares of a ChArUco board, 7x5; the sizes of square and code go with it.
        square: Side of a square of the board.
        marker: Side of a code of the board. Without --board, of ArUco codes alone.
        dictionary: Of the codes.
        series: Name of the rig that took all of the pictures: they have one scale, and those whose
            own is more than 2 % off are told.
        of: Calibrations that were written before: the images are crops of those pictures, whose
            names their names begin with.
        regions: With --of, a table of crop, picture, width and height in pixels of that picture,
            for crops that were resized.
        out: The calibrations: a .json or a .tsv.
        page: A page (.html) with the pictures, and where the marks are.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.measure.calibrating import calibrated, carried, pictures_of, pooled
    from merian.measure.calibrations import read_calibrations, write_calibrations

    if not images:
        raise InputError("no picture is given; see merian calibrate --help")
    for path, endings in ((out, (".json", ".tsv")), (page, (".html", ".htm"))):
        if path is not None and path.suffix.lower() not in endings:
            raise InputError(f"{path}: a name that ends in {' or '.join(endings)} is expected")
    if regions is not None and of is None:
        raise InputError("--regions tells where crops were cut from: it needs --of")
    pictures = pictures_of(images)
    if of is not None:
        with screen.working("Reading crops", quiet):
            found = carried(pictures, read_calibrations(of), regions)
    else:
        way = _way(
            method, scale, uncertainty, points, length, bar, tick,
            _board(board, square, marker, dictionary),
        )  # fmt: skip
        with screen.working("Looking for scales", quiet) as working:
            found = calibrated(pictures, way, working)
    if series:
        found = pooled(found, series)
    if json:
        screen.print_json([_plain(one) for one in found])
    else:
        _print(found, quiet)
    if out is not None:
        write_calibrations(out, found)
        screen.say(f"calibrations are in {out}", quiet)
    if page is not None:
        from merian.report.calibrated import write_calibrated

        write_calibrated(page, found, series)
        screen.say(f"look at {page}", quiet)
    if not any(one.calibration for one in found):
        raise InputError(
            f"no picture has a scale. {Path(found[0].picture).name}: {found[0].reason}"
        )


def _way(
    method: str,
    scale: float | None,
    uncertainty: float,
    points: str,
    length: str,
    bar: str,
    tick: str,
    board: Board | None,
) -> Way:
    from merian.measure.calibrating import Way, way_of

    meant = way_of(method, {
        "declared": scale is not None, "points": bool(points), "bar": bool(bar),
        "board": board is not None,
    })  # fmt: skip
    if meant == "declared":
        assert scale is not None
        return Way("declared", scale=scale, relative=uncertainty)
    if meant == "points":
        return Way("points", points=_points(points, length))
    if meant == "bar":
        long, unit = _length(bar, "--bar")
        return Way("bar", length=long, unit=unit)
    if meant == "board":
        return Way("board", board=board)
    return Way(meant, step=_millimetres(tick, "--tick") if tick else None)


def _points(text: str, length: str) -> dict[str, Marks]:
    from merian.measure.calibrating import read_points

    if re.fullmatch(r"\s*-?[\d.]+(\s*,\s*-?[\d.]+){3}\s*", text):
        try:
            x1, y1, x2, y2 = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(f"--points {text}: expected four numbers, x1,y1,x2,y2") from None
        if not length:
            raise InputError("--points needs --length: what lies between them, such as 10mm")
        return {"": (x1, y1, x2, y2, *_length(length, "--length"))}
    return read_points(Path(text))


def _board(board: str, square: str, marker: str, dictionary: str) -> Board | None:
    from merian.measure.boards import Board

    if not (board or square or marker):
        return None
    if not marker:
        raise InputError("a board needs --marker, the side of its codes, such as 7mm")
    if not board:
        return Board(0, 0, 0.0, _millimetres(marker, "--marker"), dictionary)
    size = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", board)
    if size is None:
        raise InputError(f"--board {board}: expected squares across and down, such as 7x5")
    if not square:
        raise InputError("a board needs --square, the side of its squares, such as 10mm")
    sides = _millimetres(square, "--square"), _millimetres(marker, "--marker")
    return Board(int(size[1]), int(size[2]), *sides, dictionary)


def _length(text: str, option: str) -> tuple[float, str]:
    """Return a length and its unit; millimetres if there is none."""
    from merian.measure.units import MILLIMETRES

    found = _LENGTH.fullmatch(text)
    unit = ((found[4] if found else "") or "mm").lower()
    if found is None or unit not in MILLIMETRES:
        raise InputError(f"{option} {text}: expected a length, such as 10mm, 1cm or 1/16in")
    value = float(found[1]) / max(float(found[2]), 1e-9) if found[1] else float(found[3])
    if not value > 0:
        raise InputError(f"{option} {text}: a length above 0 is expected")
    return value, unit


def _millimetres(text: str, option: str) -> float:
    from merian.measure.units import MILLIMETRES

    value, unit = _length(text, option)
    return value * MILLIMETRES[unit]


def _print(found: list[Calibrated], quiet: bool) -> None:
    rows = []
    for one in found[:_SHOWN]:
        scale = one.calibration
        if scale is not None:
            others = ", ".join(f"{value:.4g}" for value, _ in scale.others[:4])
            sure = f"{100 * scale.relative:.2f} %"
            rows.append((
                Path(one.picture).name, f"{scale.pixels_per_mm:.5g}", sure,
                scale.method, scale.why, others,
            ))  # fmt: skip
    if rows:
        head = ("picture", "pixels a mm", "uncertainty", "method", "why", "or else")
        screen.print_table(head, rows)
    if len(found) > _SHOWN:
        screen.say(f"and {len(found) - _SHOWN:,} more", quiet)
    slanted = [one for one in found if one.calibration and one.calibration.plane]
    for one in slanted[:_SHOWN]:
        assert one.calibration is not None
        screen.say(f"{Path(one.picture).name}: {one.calibration.plane}", quiet)
    doubtful = sum(bool(one.calibration and one.calibration.ambiguous) for one in found)
    if doubtful:
        screen.say(
            f"{screen.counted(doubtful, 'picture')} may have another scale, as the marks may be of "
            "another unit: tell it by --tick", quiet,
        )  # fmt: skip
    told = [one for one in found if one.reason]
    for one in told[:_SHOWN]:
        kind = (
            "set aside" if one.calibration is None else "far from the rig" if one.own else "rig's"
        )
        screen.say(f"{kind}: {Path(one.picture).name}: {one.reason}", quiet)
    if len(told) > _SHOWN:
        screen.say(f"and {len(told) - _SHOWN:,} more", quiet)


def _plain(one: Calibrated) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(one)
