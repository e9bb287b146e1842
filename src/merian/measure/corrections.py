"""Corrections of a run by a person: taken in, kept with what was there before, and judged.

What was moved is measured again by the same definitions and the same scale, with the uncertainty of
a point that is set by hand. The old values stay in corrections.tsv with who mended them and when.
How far corrections go in one direction is the bias of what was measured, and its interval is drawn
by picture; pictures on which something was moved count as looked at, and what was left as it was on
them counts as right. `all_checked` says that the rest of the edited file was looked at too.
"""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import FormatError, InputError
from merian.files import content_hash, existing, new_folder, write_json
from merian.formats.delimited import write_delimited
from merian.measure.agreement import Pair, agreement
from merian.measure.body import Body
from merian.measure.calibration import Calibration
from merian.measure.codes import of_traits, worst_first
from merian.measure.definitions import Definition
from merian.measure.edited import Box, Edits, Key, read_edited
from merian.measure.measurement import Measurement, measurement
from merian.measure.quantities import BY_HAND, Quantity, quantity
from merian.measure.ratings import Ratings
from merian.measure.redrawn import body_of_rings, mended, redrawn_of
from merian.measure.run import FORMAT, HEADER
from merian.measure.shapes import Point
from merian.measure.written import COCO, IMAGES, MEASUREMENTS, POINTS, number
from merian.stamp import check_stamp

__all__ = [
    "HISTORY", "Bias", "Corrected", "Held", "correct", "measured_again", "moved_points",
]  # fmt: skip

HISTORY = "corrections.tsv"
_COLUMNS = (
    "image", "specimen", "id", "trait", "definition", "old", "new", "unit", "old_low", "old_high",
    "by", "date", "file", "hash", "moved",
)  # fmt: skip
_STILL = 0.02  # pixels: less is how a program writes numbers
_MACHINE = "Merian"
_GEOMETRY = frozenset({"outside", "axes", "width-over-length"})


@dataclass(frozen=True)
class Bias:
    """How far corrections went, of one trait: old less new is the error of what was measured.

    Attributes:
        trait: Of the definition.
        unit: Of the values.
        checked: Specimens that were looked at.
        moved: Of these, whose value changed.
        pair: The figures, corrected against measured; None where less than two were looked at.
    """

    trait: str
    unit: str
    checked: int
    moved: int
    pair: Pair | None


@dataclass(frozen=True)
class Corrected:
    """What corrections have come to.

    Attributes:
        specimens: How many were changed.
        values: How many values.
        aside: What could not be used: where, and why.
        biases: By trait.
        rows: Of the table of history that were added.
    """

    specimens: int
    values: int
    aside: tuple[tuple[str, str], ...]
    biases: tuple[Bias, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Held:
    """What is held of the pictures that are corrected.

    Attributes:
        definitions: Of the traits that were measured, by their id.
        sizes: By picture, its width and height.
        scales: By picture, its scale.
        addresses: By picture, where it is.
        points: By specimen, its points by name.
    """

    definitions: dict[str, Definition]
    sizes: dict[str, tuple[int, int]]
    scales: dict[str, Calibration | None]
    addresses: dict[str, str]
    points: dict[Key, dict[str, Point]]


def correct(
    folder: Path, edited: Path, *, by: str, date: str, all_checked: bool = False
) -> Corrected:
    """Take corrections into a folder of measurements.

    Args:
        folder: What `merian measure` wrote.
        edited: A CSV table as points.csv, CVAT or COCO.
        by: Who made them.
        date: When, as 2026-05-01.
        all_checked: Whether all that the edited file names was looked at.
    """
    run = _read_run(folder)
    boxes: dict[str, dict[int, Box]] = {}
    for (image, place), points in run.points.items():
        if points:
            across, down = zip(*points.values(), strict=True)
            boxes.setdefault(image, {})[place] = (min(across), min(down), max(across), max(down))
    edits = read_edited(edited, run.sizes, boxes)
    moved = {key: moved_points(run.points[key], points) for key, points in edits.points.items()}
    moved = {key: names for key, names in moved.items() if names}
    redrawn = redrawn_of(folder, edits)
    changed = {*moved, *redrawn}
    if not changed and not all_checked:
        raise InputError(
            f"{edited}: nothing in it differs from {folder / POINTS}"
            + (f"; {len(edits.aside):,} were set aside, the first ({edits.aside[0][0]}): "
               f"{edits.aside[0][1]}" if edits.aside else "")
        )  # fmt: skip
    looked = {key for key in run.points if key[0] in {image for image, _ in changed}}
    if all_checked:
        looked |= {*edits.points, *edits.rings} | {
            key for key in run.points if key[0] in {image for image, _ in edits.points}
        }
    again = {
        key: measured_again(run, key, edits, moved.get(key, ()), redrawn.get(key))
        for key in sorted(changed)
    }
    told = (by, date, edited.name, content_hash(edited))
    return _rewritten(folder, run, again, looked, edits, moved, told)


def _read_run(folder: Path) -> Held:
    existing(folder, "folder of measurements")
    header = check_stamp(folder / HEADER, FORMAT, 1)
    try:
        definitions = {name: _definition(one) for name, one in header["definitions"].items()}
        run = Held(definitions, {}, {}, {}, {})
        for row in _rows(folder / IMAGES, "\t"):
            image = row["image"]
            run.sizes[image] = int(row["width"]), int(row["height"])
            run.addresses[image] = row["address"]
            scale = row["px_per_mm"]
            run.scales[image] = Calibration(
                float(scale), float(row["uncertainty"]), *_how(row["calibration"])
            ) if scale else None  # fmt: skip
        for row in _rows(folder / POINTS, ","):
            key = row["image"], int(row["specimen"])
            run.points.setdefault(key, {})[row["point"]] = float(row["x"]), float(row["y"])
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError(f"its tables were changed and cannot be read ({error!r})",
                          path=folder) from None  # fmt: skip
    return run


def _definition(told: Mapping[str, Any]) -> Definition:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
    }
    return Definition(**values)


def _how(calibration: str) -> tuple[str, str]:
    """Return method and source of a scale as it is told in a line."""
    _, _, rest = calibration.partition("; ")
    method, _, source = rest.partition("; ")
    return method, source


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with existing(path, "table of a run").open(encoding="utf-8", newline="") as stream:
        if delimiter == "\t":
            yield from csv.DictReader(stream, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(stream, delimiter=delimiter)


def moved_points(before: Mapping[str, Point], after: Mapping[str, Point]) -> tuple[str, ...]:
    """Return the names of points that are new, or elsewhere."""
    return tuple(sorted(
        name for name, point in after.items()
        if name not in before or math.dist(before[name], point) > _STILL
    ))  # fmt: skip


def measured_again(
    run: Held,
    key: Key,
    edits: Edits,
    moved: Sequence[str],
    rings: list[list[float]] | None,
) -> dict[str, Measurement]:
    """Return the traits of a specimen that change by its correction.

    Args:
        run: What is held of it.
        key: It.
        edits: Where its points, and its outline, are now.
        moved: The names of the points that are elsewhere.
        rings: Its outline, where that was drawn again.
    """
    image, _ = key
    points = {**run.points[key], **edits.points.get(key, {})}
    hand = frozenset(moved)
    body = Body(np.ones((1, 1), bool), 0, 0, None, points)
    if rings is not None:
        body = body_of_rings(rings, run.addresses[image], run.sizes[image], points, hand)
    found = []
    for definition in run.definitions.values():
        ends = [points.get(f"{definition.id}:{at}") for at in (1, 2)]
        value: Quantity | None = None
        if any(f"{definition.id}:{at}" in hand for at in (1, 2)) and ends[0] and ends[1]:
            apart = math.dist(ends[0], ends[1])
            value = Quantity(apart, math.sqrt(2) * BY_HAND, (ends[0], ends[1]))
        elif rings is not None or hand.intersection(definition.landmarks):
            value = quantity(body, definition, None, hand)
        if value is not None and definition.how != "colour":
            found.append(measurement(value, definition, run.scales[image]))
    return {one.trait: one for one in found}


def _rewritten(
    folder: Path,
    run: Held,
    again: Mapping[Key, Mapping[str, Measurement]],
    looked: set[Key],
    edits: Edits,
    moved: Mapping[Key, Sequence[str]],
    told: tuple[str, str, str, str],
) -> Corrected:
    """Write the folder anew with what was corrected, and return what that has come to."""
    history: list[tuple[object, ...]] = []
    values: dict[tuple[str, str], dict[Key, tuple[float, float]]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for key, group in groupby(_rows(folder / MEASUREMENTS, "\t"), key=_key):
            fresh = dict(again.get(key, {}))
            codes = of_traits([*fresh.values()], run.sizes[key[0]])
            for row in group:
                new, old = fresh.pop(row["trait"], None), float(row["value"])
                if key in looked:
                    at = values.setdefault((row["trait"], row["unit"]), {})
                    at[key] = old, new.value if new else old
                if new is None:
                    yield tuple(row.values())
                else:
                    history.append(_history(row, new, edits, run, key, moved, told))
                    yield _row(row, new, codes)
            for new in fresh.values():  # what had no landmarks before
                bare = {**row, **dict.fromkeys(("value", "low", "high", "codes"), "")}
                history.append(_history(bare, new, edits, run, key, moved, told))
                yield _row(bare, new, codes)

    head = next(iter(_rows(folder / MEASUREMENTS, "\t")), {})
    with new_folder(folder) as part:
        for one in folder.iterdir():
            if one.is_dir():
                shutil.copytree(one, part / one.name)
            elif one.name not in (MEASUREMENTS, POINTS, HISTORY, COCO):
                shutil.copyfile(one, part / one.name)
        write_json(part / COCO, mended(folder, edits, set(again)))
        write_delimited(part / MEASUREMENTS, tuple(head), rows(), "\t")
        write_delimited(part / POINTS, ("image", "width", "height", "specimen", "id", "point", "x",
                                        "y"), _points(folder, edits), ",")  # fmt: skip
        before = [tuple(row.values()) for row in _rows(folder / HISTORY, "\t")] if (
            folder / HISTORY).is_file() else []  # fmt: skip
        write_delimited(part / HISTORY, _COLUMNS, [*before, *history], "\t")
        biases = tuple(_bias(trait, unit, at, told[0]) for (trait, unit), at in values.items())
        write_json(part / "bias.json", {"by": told[0], "date": told[1], "file": told[2],
                                        "traits": [_plain(one) for one in biases]})  # fmt: skip
    return Corrected(len(again), len(history), tuple(edits.aside), biases, tuple(history))


def _key(row: Mapping[str, str]) -> Key:
    return row["image"], int(row["specimen"])


def _row(
    row: Mapping[str, str], new: Measurement, doubts: Mapping[str, Sequence[str]]
) -> tuple[object, ...]:
    """Return a row of measurements with a corrected value."""
    codes = {*row["codes"].split(";"), "corrected"} - _GEOMETRY - {""} | {
        *doubts.get(new.trait, ())
    }
    return (
        *(row[name] for name in ("image", "specimen", "id", "group")), new.trait, new.version,
        *(number(v) for v in (new.value, new.low, new.high)), new.unit, number(new.pixels),
        row["calibration"], ";".join(worst_first([*codes])),
        *(row[name] for name in ("placed_by",) if name in row),  # older tables have it not
    )  # fmt: skip


def _history(
    row: Mapping[str, str],
    new: Measurement,
    edits: Edits,
    run: Held,
    key: Key,
    moved: Mapping[Key, Sequence[str]],
    told: tuple[str, str, str, str],
) -> tuple[object, ...]:
    ways = []
    for name in moved.get(key, ()):
        x, y = edits.points[key][name]
        was = run.points[key].get(name)
        before = f"{was[0]:.2f} {was[1]:.2f}" if was else "nowhere"
        ways.append(f"{name}: {before} -> {x:.2f} {y:.2f}")
    return (
        row["image"], row["specimen"], row["id"], new.trait, new.version, row["value"],
        number(new.value), new.unit, row["low"], row["high"], *told,
        "; ".join(ways) or "outline drawn again",
    )  # fmt: skip


def _points(folder: Path, edits: Edits) -> Iterator[tuple[object, ...]]:
    for key, group in groupby(_rows(folder / POINTS, ","), key=_key):
        left = dict(edits.points.get(key, {}))
        for row in group:
            point = left.pop(row["point"], None)
            if point is not None:
                row["x"], row["y"] = f"{point[0]:.2f}", f"{point[1]:.2f}"
            yield tuple(row.values())
        for name, (x, y) in left.items():
            yield (*(row[column] for column in ("image", "width", "height", "specimen", "id")),
                   name, f"{x:.2f}", f"{y:.2f}")  # fmt: skip


def _bias(trait: str, unit: str, values: Mapping[Key, tuple[float, float]], by: str) -> Bias:
    """Return how far what was measured is off what a person has made of it, by picture."""
    keys = sorted(values)
    old, new = (np.array(column) for column in zip(*(values[key] for key in keys), strict=True))
    changed = int((np.abs(old - new) > 1e-9 * np.abs(old)).sum())
    if len(keys) < 2:
        return Bias(trait, unit, len(keys), changed, None)
    images = tuple(sorted({image for image, _ in keys}))
    number_of = {image: at for at, image in enumerate(images)}
    at = np.array([number_of[image] for image, _ in keys], np.int64)
    both = np.column_stack([new, old])
    subjects = tuple(f"{image} {place}" for image, place in keys)
    ratings = Ratings(trait, unit, subjects, (by, _MACHINE), images, at, both,
                      np.full_like(both, np.nan), ())  # fmt: skip
    return Bias(trait, unit, len(keys), changed, agreement(ratings).pairs[0])


def _plain(one: Bias) -> dict[str, Any]:
    figures = one.pair.own if one.pair else {}
    return {
        "trait": one.trait, "unit": one.unit, "checked": one.checked, "moved": one.moved,
        **{name: [figures[name].value, *(None if math.isnan(v) else v for v in (
            figures[name].low, figures[name].high))] for name in ("bias", "mae", "rmse")
           if name in figures},
    }  # fmt: skip
