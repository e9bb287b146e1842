"""Many pictures, each with its scale: by one way or another, for a rig as a whole, and for crops.

A picture that cannot be read, or shows no scale, is set aside with the reason and stops nothing.
Pictures of a rig share one scale, that of the median; one whose own is far from it is told, and one
that shows none has the rig's. A crop has the scale of the picture that it was cut from, changed as
it was resized: crops are known by an address with a region, by a table of regions, or by a name
that begins like that of the whole.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from merian.errors import FormatError, InputError
from merian.files import existing
from merian.image.addresses import apart, pixels_of
from merian.measure.bars import bar_scale
from merian.measure.boards import Board, board_scale
from merian.measure.calibration import Calibration, NoScaleError, declared, pool, two_points
from merian.measure.calibrations import Calibrated
from merian.measure.rulers import ruler_scale
from merian.pictures import BadPictureError, read_picture

__all__ = ["Way", "calibrated", "carried", "pictures_of", "pooled", "read_points", "way_of"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"})
_METHODS = ("declared", "points", "bar", "ruler", "graph", "board")
_POINTS = ("picture", "x1", "y1", "x2", "y2", "length")
_REGIONS = ("crop", "picture", "width", "height")
_EVEN = 0.02  # by which a crop may be stretched more in one direction than in the other

Marks = tuple[float, float, float, float, float, str]  # x and y of two points, length and its unit


@dataclass(frozen=True)
class Way:
    """How the scale of pictures is found.

    Attributes:
        method: One of declared, points, bar, ruler, graph, board.
        scale: Pixels a millimetre, declared.
        relative: Its standard uncertainty as a share.
        points: Of each picture, by its name, marks that somebody set; "" is for all.
        length: Of a bar.
        unit: Of the length.
        step: Millimetres from mark to mark of a ruler, where that is known.
        board: As it was printed.
    """

    method: str
    scale: float = 0.0
    relative: float = 0.0
    points: Mapping[str, Marks] | None = None
    length: float = 0.0
    unit: str = "mm"
    step: float | None = None
    board: Board | None = None


def way_of(method: str, given: Mapping[str, bool]) -> str:
    """Return the method that is meant: that which is told, or that for which something is given.

    Args:
        method: "auto", or a method.
        given: Of each method that needs something, whether that is given.
    """
    there = [name for name, is_given in given.items() if is_given]
    if method != "auto":
        if method in given and not given[method]:
            raise InputError(f"--method {method}: what it needs is not given; see --help")
        return method
    if len(there) > 1:
        raise InputError(f"options of {' and '.join(there)} are given; name one by --method")
    return there[0] if there else "ruler"


def pictures_of(sources: Sequence[Path]) -> list[str]:
    """Return the pictures in files and folders, in order, each once."""
    found: list[str] = []
    for source in sources:
        place, region = apart(str(source))
        path = existing(place, "picture or folder")
        if not path.is_dir():
            found.append(str(source))
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        if region is not None or not inside:
            raise InputError(f"{path}: no picture is in this folder")
        found += [str(p) for p in inside if p.is_file()]
    if not found:
        raise InputError("no picture is given")
    return list(dict.fromkeys(found))


def calibrated(
    pictures: Sequence[str], way: Way, progress: Callable[[float, float], None] | None = None
) -> list[Calibrated]:
    """Return the scale of each picture, or why it has none.

    Args:
        pictures: Their addresses.
        way: How scales are found.
        progress: Called with how many pictures are done, and of how many.
    """
    found = []
    for done, picture in enumerate(pictures, 1):
        found.append(_one(picture, way))
        if progress is not None:
            progress(done, len(pictures))
    return found


def _one(picture: str, way: Way) -> Calibrated:
    place, region = apart(picture)
    try:
        pixels = read_picture(place).pixels
    except BadPictureError as bad:
        return Calibrated(picture, 0, 0, None, reason=str(bad))
    if region is not None:
        left, top, right, below = pixels_of((pixels.shape[1], pixels.shape[0]), region)
        pixels = pixels[top:below, left:right]
    tall, wide = pixels.shape[:2]
    name = PurePath(place).name
    try:
        if way.method == "declared":
            scale = declared(way.scale, way.relative, "told by hand")
        elif way.method == "points":
            scale = _by_hand(name, way.points or {}, wide, tall)
        elif way.method == "bar":
            scale = bar_scale(pixels, way.length, way.unit, source=name)
        elif way.method == "board":
            assert way.board is not None
            scale = board_scale(pixels, way.board, source=name)
        else:
            scale = ruler_scale(pixels, step=way.step, source=name)
            if way.method == "graph" and scale.method != "graph paper":
                raise NoScaleError("no graph paper is seen, but what may be a ruler")
    except NoScaleError as none:
        return Calibrated(picture, wide, tall, None, reason=str(none))
    return Calibrated(picture, wide, tall, scale)


def _by_hand(name: str, points: Mapping[str, Marks], wide: int, tall: int) -> Calibration:
    marks = points.get(name, points.get(""))
    if marks is None:
        raise NoScaleError("no points were set for it")
    x1, y1, x2, y2, length, unit = marks
    if not all(
        -0.5 <= x <= wide - 0.5 and -0.5 <= y <= tall - 0.5 for x, y in ((x1, y1), (x2, y2))
    ):
        raise NoScaleError(
            f"points are set outside of its {wide} x {tall} pixels; were they set on a picture of "
            "another size?"
        )
    return two_points((x1, y1), (x2, y2), length, unit, source=name)


def read_points(path: Path) -> dict[str, Marks]:
    """Return the points of a table: picture, x1, y1, x2, y2, length and, if not mm, unit."""
    points = {}
    for number, row in _rows(path, _POINTS):
        try:
            marks = tuple(float(row[name]) for name in _POINTS[1:])
        except ValueError as error:
            raise FormatError(f"{error}; a number is expected", path=path, line=number) from None
        points[PurePath(row["picture"]).name] = (*marks, (row.get("unit") or "mm").strip())
    return points  # type: ignore[return-value]


def _rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    with existing(path, "file").open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        lacking = [name for name in needed if name not in (reader.fieldnames or ())]
        if lacking:
            raise FormatError(
                f"no column {', '.join(lacking)}; expected are {', '.join(needed)}", path=path,
                line=1,
            )  # fmt: skip
        return [(reader.line_num, {k: v or "" for k, v in row.items() if k}) for row in reader]


# -- rigs ---------------------------------------------------------------------------------------


def pooled(found: Sequence[Calibrated], rig: str) -> list[Calibrated]:
    """Return pictures of one rig with the scale of the rig."""
    readable = [one for one in found if one.width]
    sizes = Counter(tuple(sorted((one.width, one.height))) for one in readable)
    if not sizes:
        return list(found)
    size = max(sizes, key=lambda pair: (sizes[pair], pair))
    same = [one for one in readable if tuple(sorted((one.width, one.height))) == size]
    own = {one.picture: one.calibration for one in same if one.calibration is not None}
    if not own:
        return list(found)
    series = pool(own, rig)
    away = {outlier.source: outlier for outlier in series.outliers}
    result = []
    for one in found:
        if one.width and one not in same:
            reason = (
                f"{one.width} x {one.height} pixels, and the pictures of the rig have "
                f"{size[1]} x {size[0]}: it has another scale"
            )
            result.append(replace(one, calibration=None, reason=reason))
        elif not one.width:
            result.append(one)
        else:
            mine = own.get(one.picture)
            reason = one.reason
            if one.picture in away:
                ratio = away[one.picture].ratio
                reason = f"its own scale is {ratio:.3f} times that of the rig"
            marks = mine.marks if mine else ()
            scale = replace(series.calibration, marks=marks)
            result.append(replace(one, calibration=scale, own=mine.pixels_per_mm if mine else None,
                                  reason=reason))  # fmt: skip
    return result


# -- crops --------------------------------------------------------------------------------------


def carried(
    crops: Sequence[str], wholes: Mapping[str, Calibrated], regions: Path | None = None
) -> list[Calibrated]:
    """Return crops with the scale of what they were cut from.

    Args:
        crops: Their addresses; one with a region is a crop of the picture before it.
        wholes: The pictures that they were cut from, with their scales.
        regions: A table of crop, picture, and width and height in the pixels of that picture, where
            crops were resized.
    """
    known = {PurePath(name).name: one for name, one in wholes.items()}
    cut: dict[str, tuple[str, float, float, int]] = {}
    if regions is not None:
        for number, row in _rows(regions, _REGIONS):
            try:
                box = float(row["width"]), float(row["height"])
            except ValueError as error:
                raise FormatError(f"{error}; a number is expected", path=regions,
                                  line=number) from None  # fmt: skip
            cut[PurePath(row["crop"]).name] = (PurePath(row["picture"]).name, *box, number)
    return [_crop(crop, known, cut) for crop in crops]


def _crop(
    crop: str, known: Mapping[str, Calibrated], cut: Mapping[str, tuple[str, float, float, int]]
) -> Calibrated:
    place, region = apart(crop)
    name = PurePath(place).name
    try:
        pixels = read_picture(place).pixels
    except BadPictureError as bad:
        return Calibrated(crop, 0, 0, None, reason=str(bad))
    tall, wide = pixels.shape[:2]
    factor = 1.0
    if region is not None:
        left, top, right, below = pixels_of((wide, tall), region)
        wide, tall, whole = right - left, below - top, known.get(name)
    elif name in cut:
        parent, box_wide, box_tall, _ = cut[name]
        whole = known.get(parent)
        if min(box_wide, box_tall) <= 0:
            return Calibrated(crop, wide, tall, None, reason="its region has no size")
        factor = (wide / box_wide * tall / box_tall) ** 0.5
        stretched = wide / box_wide / (tall / box_tall)
        if abs(stretched - 1) > _EVEN + 1 / min(box_wide, box_tall):
            reason = f"it was stretched {stretched:.2f} times as much in width as in height"
            return Calibrated(crop, wide, tall, None, reason=reason)
    else:
        whole = _by_name(name, known)
    if whole is None:
        reason = "no picture that it was cut from has a scale: none has a name that it begins with"
        return Calibrated(crop, wide, tall, None, reason=reason)
    if whole.calibration is None:
        reason = f"{PurePath(whole.picture).name}, of which it is a part, has no scale"
        return Calibrated(crop, wide, tall, None, reason=reason)
    # Sides are whole pixels: a factor is as sure as that.
    scale = replace(
        whole.calibration.resized(factor), source=PurePath(whole.picture).name, marks=()
    )
    return Calibrated(crop, wide, tall, scale)


def _by_name(name: str, known: Mapping[str, Calibrated]) -> Calibrated | None:
    """Return the picture with the longest name that a crop's begins with, up to a sign."""
    stem = PurePath(name).stem
    fitting = [
        whole
        for whole in known
        if stem.startswith(begin := PurePath(whole).stem)
        and (len(stem) == len(begin) or not stem[len(begin)].isalnum())
    ]
    return known[max(fitting, key=len)] if fitting else None
