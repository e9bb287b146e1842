"""Masks of real pictures against what others measured and painted by hand.

Specimens of pitfall traps (Blair et al. 2024, CV-DNA-Hybrid) were cut out at exactly 27 pixels a
millimetre by the box of the outline that ImageJ measured; so each touches the border, by the making
of the crops. What that tells is used where a figure is called tight, and nowhere else; the box is
ImageJ's, so that lengths are told by it, and areas are not. Settings were chosen on one event of
five, which is told apart; the masks of the worst crops of the others were looked at to find faults
of the method (the start and the slope of the ground, faint legs), and the least size of a crop for
mixtures of colours was raised after their figures were seen, as a share of the body was set as the
most that an outline is brought in; so they are not wholly untouched; those of tight crops were
chosen with all events in view, and with drawn insects. All others are from the one event and from
drawn worlds. Around small and blurred bodies the outlines of ImageJ run at the foot of the edge,
ours at the half of it: our areas are smaller there. How wide those outlines are hangs on the
photograph, for which somebody had set a level: so errors are told too with outlines that were moved
by one distance in all of it.

Pinned carabids (BeetleFlow) have painted parts; the lines between parts are painted as ground, so
that no mask of a whole beetle reaches an overlap of one. Settings were chosen on four pictures, but
for the rule that picks one of two masks, for which all were looked at.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.painted_specimens import (
    has_learned_painted,
    largest_piece,
    painted_names,
    part_of_painting,
)
from merian.bench.painted_specimens import read_colours as _read
from merian.errors import NotFoundError
from merian.image.otsu import otsu_mask
from merian.measure.body import Body
from merian.measure.definitions import chosen, definitions
from merian.measure.masks import Region, single
from merian.measure.placing import Placer, outlined, with_learned
from merian.measure.quantities import quantity
from merian.measure.shapes import Shape, rectangle
from merian.measure.specimens import with_landmarks

__all__ = ["CHOSEN_EVENT", "CHOSEN_PICTURES", "figures_by_picture", "parts_figures",
           "pitfall_figures"]  # fmt: skip

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
Figures = dict[str, dict[str, object]]

CHOSEN_EVENT = "DELA01420160913"
CHOSEN_PICTURES = ("0008", "0098", "0188", "0278")

_SCALE = 27.0  # pixels a millimetre
_DOUBTFUL = frozenset({"small", "faint", "two-or-more", "no-ground"})
_DRAWS = 1_000
_ELYTRA = chosen(definitions(), ("elytra_length", "elytra_width"))


def pitfall_figures(folder: Path, seed: int, network: Placer | None = None) -> Figures:
    """Return how far areas and Feret's diameters are from those of ImageJ.

    Args:
        folder: With crops and their table.
        seed: Of the draws for intervals.
        network: Mends outlines; figures with it are told beside those without.
    """
    table = folder / "specimens.csv"
    if not table.is_file():
        raise NotFoundError(f"{table}: not there; name the folder above it with --data")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    pictures = [_read(folder / "crops" / row["Label"]) for row in rows]
    found = [single(picture) for picture in pictures]
    framed = [single(picture, tight=True) for picture in pictures]
    masks = [None if one is None else one.mask for one in found]
    ours = np.array([_errors(mask, row) for mask, row in zip(masks, rows, strict=True)])
    plain = np.array(
        [_errors(otsu_mask(picture), row) for picture, row in zip(pictures, rows, strict=True)]
    )
    away = np.array([row["Event"] != CHOSEN_EVENT for row in rows])
    clear = np.array([one is not None and not _DOUBTFUL & set(one.codes) for one in found])
    figures: Figures = {}
    if network is not None:
        mended = [None if one is None else _seen(one, picture, _whole(network))[0].mask
                  for one, picture in zip(found, pictures, strict=True)]  # fmt: skip
        off = np.array([_errors(mask, row) for mask, row in zip(mended, rows, strict=True)])
        figures |= _quantiles(off[away], ", learned outlines", seed)
    for name, which in (
        ("", away), (", no code", away & clear), (", all events", away | True),
        (", event chosen on", ~away),
    ):  # fmt: skip
        figures |= _quantiles(ours[which], name, seed)
    figures |= _quantiles(plain[away], ", plain Otsu", seed)
    tight = np.array([_errors(None if one is None else one.mask, row)
                      for one, row in zip(framed, rows, strict=True)])  # fmt: skip
    figures |= _quantiles(tight[away], ", tight", seed)
    figures |= _quantiles(tight[~away], ", tight, event chosen on", seed)
    moved = _moved(masks, rows, ours)
    figures |= _quantiles(moved[away], ", one offset a photograph", seed)
    lost = sum(one is None for one in found)
    figures["lost"] = {"value": lost, "n": len(rows), "unit": "specimens"}
    figures["with a code of doubt"] = {
        "value": round(float(1 - clear[away].mean()), 3), "n": int(away.sum()), "unit": "share",
    }  # fmt: skip
    return figures


def _errors(mask: Mask | None, row: Mapping[str, str]) -> tuple[float, float]:
    """Return by what share area and Feret's diameter are off; all of it where nothing was found."""
    if mask is None or not mask.any():
        return -1.0, -1.0
    shape = Shape(mask)
    area = float(mask.sum()) / _SCALE**2 / float(row["Area"]) - 1
    return area, shape.feret.length / _SCALE / float(row["Feret"]) - 1


def _moved(
    masks: Sequence[Mask | None], rows: Sequence[Mapping[str, str]], errors: Values
) -> Values:
    """Return the errors of outlines that were moved by one distance in all of a photograph.

    ImageJ takes a level that somebody sets, for each photograph another: then all outlines of one
    are wider or narrower than ours by the same. The distance is the median of the others.
    """
    shapes = [None if mask is None or not mask.any() else Shape(mask) for mask in masks]
    photographs = np.array([_photograph(row["Label"]) for row in rows])
    around = np.array([1.0 if shape is None else shape.perimeter for shape in shapes])
    areas, lengths = (
        np.array([float(row[name]) * _SCALE**power for row in rows])
        for name, power in (("Area", 2), ("Feret", 1))
    )
    away = -errors[:, 0] * areas / around
    found = errors.copy()
    for at, shape in enumerate(shapes):
        others = photographs == photographs[at]
        others[at] = False
        if shape is not None and others.any():
            offset = float(np.median(away[others]))
            found[at] += offset * around[at] / areas[at], 2 * offset / lengths[at]
    return found


def _photograph(crop: str) -> str:
    """Return the photograph that a crop is of: its name up to the photograph's number."""
    place, _, number = crop.partition("IMG_")
    return place + number.split(".")[0]


def _quantiles(errors: Values, name: str, seed: int) -> Figures:
    figures: Figures = {}
    for column, what in enumerate(("area", "Feret")):
        off = 100 * errors[:, column]
        for label, told in (
            ("median error", lambda some: np.median(np.abs(some), axis=-1)),
            ("95th percentile", lambda some: np.percentile(np.abs(some), 95, axis=-1)),
            ("median, with its sign", lambda some: np.median(some, axis=-1)),
        ):
            figures[f"{what}, {label}{name}"] = _figure(off, told, "%", seed)
    return figures


def _figure(
    values: Values, told: Callable[[Values], Any], unit: str, seed: int, digits: int = 2
) -> dict[str, object]:
    """Return a figure with the middle 95 % of a bootstrap over specimens."""
    rng = np.random.default_rng(seed)
    drawn = told(values[rng.integers(0, len(values), (_DRAWS, len(values)))])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "value": round(float(told(values)), digits), "low": round(float(low), digits),
        "high": round(float(high), digits), "n": len(values), "unit": unit,
    }  # fmt: skip


def parts_figures(folder: Path, seed: int, network: Placer | None = None) -> Figures:
    """Return how well masks of pinned beetles fit, and how far elytra are from painted ones.

    Args:
        folder: With images and masks.
        seed: Of the draws for intervals.
        network: Places landmarks; figures with it are told beside those without.
    """
    names = painted_names(folder)
    if network is None or not _known(network):
        told = {} if network is None else dict.fromkeys(names, network)
        return figures_by_picture(folder, seed, told)
    # What a network has learned from tells nothing of it: `merian bench traits --part painted`.
    figures = figures_by_picture(folder, seed, {})
    figures["learned from, so not measured with the network"] = {
        "value": len(names), "n": len(names), "unit": "pictures",
    }  # fmt: skip
    return figures


def _known(network: Placer) -> bool:
    """Return whether a network has learned from the painted pictures."""
    from merian.learn.landmark_building import load_landmark_network  # noqa: PLC0415 - torch

    return has_learned_painted(load_landmark_network(network.model)[1])


def figures_by_picture(folder: Path, seed: int, networks: Mapping[str, Placer]) -> Figures:
    """Return the figures of `parts_figures`, where each picture may have a network of its own.

    Args:
        folder: With images and masks.
        seed: Of the draws for intervals.
        networks: By the name of the picture; all pictures, or none.
    """
    files = [folder / "images" / name for name in painted_names(folder)]
    looks: dict[str, Callable[[Placer], Placer]] = {}
    if networks:
        looks = {", learned": lambda network: network, ", learned, outlines too": _whole}
    ways = ["", *looks]
    overlaps: dict[str, list[float]] = {way: [] for way in (*ways, ", plain Otsu")}
    lengths: dict[str, list[list[float]]] = {way: [] for way in ways}
    for file in files:
        picture = _read(file)
        painted = _read(folder / "masks" / file.name)
        truth: Mask = np.asarray(painted.any(axis=2))
        region = single(picture)
        overlaps[", plain Otsu"].append(_overlap(otsu_mask(picture), truth))
        for way in ways:
            network = looks[way](networks[file.name]) if way else None
            mask, known = np.zeros_like(truth), None
            if region is not None:
                body, known = _seen(region, picture, network)
                mask = _placed(body, truth.shape)
            overlaps[way].append(_overlap(mask, truth))
            lengths[way].append(_elytra(known, painted))
    untouched = np.array([file.stem not in CHOSEN_PICTURES for file in files])
    figures: Figures = {}
    for name, which in (("", untouched), (", all pictures", untouched | True)):
        for way, fits in overlaps.items():
            figures[f"overlap of all parts{name}{way}"] = _figure(
                np.array(fits)[which], lambda some: np.mean(some, axis=-1), "IoU, mean", seed, 3
            )
        for way in ways:
            figures |= _of_elytra(np.array(lengths[way]), which, f"{name}{way}", seed)
    return figures


def _of_elytra(off: Values, which: NDArray[np.bool_], name: str, seed: int) -> Figures:
    """Return how far lengths and widths of elytra are off, and in how many they were found."""
    figures: Figures = {}
    known = which & np.isfinite(off[:, 0])
    for column, what in enumerate(("length", "width")):
        if known.any():
            own, within = 100 * off[known, 2 * column], off[known, 2 * column + 1]
            figures[f"elytra {what}, median error{name}"] = _figure(
                own, lambda some: np.median(np.abs(some), axis=-1), "%", seed
            )
            figures[f"elytra {what}, within k=2{name}"] = _figure(
                within, lambda some: np.mean(some, axis=-1), "share of painted values", seed, 3
            )
    figures[f"elytra found{name}"] = {
        "value": round(float(known.sum() / which.sum()), 3), "n": int(which.sum()), "unit": "share",
    }  # fmt: skip
    return figures


def _seen(region: Region, picture: Bytes, network: Placer | None) -> tuple[Body, Body]:
    """Return a body with its outline, and with its landmarks too, as `merian measure` has them."""
    body = Body(region.mask, region.left, region.top, picture, codes=region.codes)
    placed = None if network is None else network.look(body)
    if network is None or placed is None:
        return body, with_landmarks(body)
    if network.outlines:
        body = outlined(body, placed)
    return body, with_learned(body, placed, network.told)


def _whole(network: Placer) -> Placer:
    """Return a network whose outlines are taken too."""
    return replace(network, outlines=True)


def _placed(body: Body, shape: tuple[int, ...]) -> Mask:
    """Return the mask of a body in its picture."""
    full = np.zeros(shape, np.bool_)
    height, width = body.mask.shape
    full[body.top : body.top + height, body.left : body.left + width] = body.mask
    return full


def _elytra(known: Body | None, painted: Bytes) -> list[float]:
    """Return by what share length and width of elytra are off, each with whether it is within k=2.

    NaN where none were found. The painted ones have the length and width of the smallest rectangle
    around their largest piece.
    """
    if known is None or "elytra_base" not in known.points:
        return [np.nan] * 4
    truth = rectangle(Shape(largest_piece(part_of_painting(painted, "elytra"))).hull)
    told: list[float] = []
    for trait, true in zip(_ELYTRA, (truth.length, truth.width), strict=True):
        found = quantity(known, trait)
        assert found is not None  # its landmarks are there
        told += [found.value / true - 1, abs(found.value - true) <= 2 * found.uncertainty]
    return told


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(int((one | other).sum()), 1))
