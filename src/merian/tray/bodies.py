"""The bodies of a photograph with their sizes: what is written of each.

Whatever is measured of a specimen elsewhere is measured of a body here, by the same definitions and
with the same intervals; see `merian.measure`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from merian.measure.asked import Asked
from merian.measure.body import Body
from merian.measure.calibration import Calibration
from merian.measure.codes import worst_first
from merian.measure.definitions import Definition
from merian.measure.specimens import (
    Measured,
    Specimen,
    measure_body,
    scale_of,
    with_landmarks,
    with_trunk,
)
from merian.threads import one_thread_each, usable_cores
from merian.tray.finding import Finder
from merian.tray.instances import Instance, enlarged
from merian.tray.photograph import Photograph, Whole
from merian.tray.polygons import polygons
from merian.tray.search import AT_ONCE, Grid, small_bodies_in

__all__ = ["SIZES", "Settings", "body_id", "found_in", "photo_id"]

SIZES = ("area", "feret", "min_feret", "biovolume_ellipsoid")
"""What is measured of every body."""

_USUAL = "low-solidity"  # in a tray wings and legs lie as they fell, and most outlines are ragged


@dataclass(frozen=True)
class Settings:
    """How photographs are looked at.

    Attributes:
        finder: The name of the finder.
        find: The finder.
        traits: What is measured of each body.
        calibration: The scale of photographs that have none of their own.
        least: Of a body's score.
        grid: How photographs are cut into tiles.
    """

    finder: str
    find: Finder
    traits: tuple[Definition, ...]
    calibration: Calibration | None = None
    least: float = 0.0
    grid: Grid = field(default_factory=Grid)


class _Windows:
    """A photograph that is read where it is sliced, as `merian.measure.body` slices pictures."""

    def __init__(self, photograph: Photograph) -> None:
        self._photograph = photograph

    def __getitem__(self, part: tuple[slice, slice]) -> NDArray[np.uint8]:
        one = self._photograph
        (top, below, _), (left, right, _) = part[0].indices(one.height), part[1].indices(one.width)
        return one.window(left, top, right, below)


def found_in(
    photograph: Photograph,
    asked: Asked,
    settings: Settings,
    progress: Callable[[str, int, int], None] | None = None,
) -> Measured:
    """Return the bodies of a photograph, measured.

    Their masks are made as large as they are one after the other: all of them together would be as
    large as the photograph.

    Args:
        photograph: Its pixels.
        asked: What is known of it.
        settings: How it is looked at.
        progress: Is told how many tiles, and then bodies, are done, and of how many.
    """
    tell = progress or (lambda _what, _done, _of: None)
    size = photograph.width, photograph.height
    calibration, codes = scale_of(asked, size, settings.calibration)
    scale = calibration.pixels_per_mm if calibration else None
    every, factor = small_bodies_in(
        photograph, settings.find, px_per_mm=scale, grid=settings.grid,
        progress=partial(tell, "tile"),
    )  # fmt: skip
    instances = tuple(one for one in every if one.score >= settings.least)
    if not instances:
        codes.append("not-found")
    if asked.expected is not None and asked.expected != len(instances):
        codes.append("count")
    pixels = photograph.pixels if isinstance(photograph, Whole) else (
        cast("NDArray[np.uint8]", _Windows(photograph))
    )  # fmt: skip

    def specimen(number: int, one: Instance) -> Specimen:
        whole = enlarged(one, factor)
        return _specimen(number, whole, pixels, asked, settings.traits, calibration, size)

    with one_thread_each(), ThreadPoolExecutor(usable_cores(AT_ONCE)) as pool:
        specimens = []
        for one in pool.map(specimen, range(1, len(instances) + 1), instances):
            specimens.append(one)
            tell("body", len(specimens), len(instances))
    return Measured(asked, *size, calibration, None, tuple(specimens), worst_first(codes))


def _specimen(
    number: int,
    instance: Instance,
    pixels: NDArray[np.uint8],
    asked: Asked,
    traits: Sequence[Definition],
    calibration: Calibration | None,
    size: tuple[int, int],
) -> Specimen:
    body = Body(instance.mask, instance.left, instance.top, pixels, codes=instance.codes)
    if any(one.landmarks or one.how == "across" or one.part == "elytra" for one in traits):
        body = with_landmarks(body)
    elif any(one.part != "whole" for one in traits):
        body = with_trunk(body)
    measured, codes = measure_body(body, traits, calibration, None, size)
    codes = tuple(code for code in codes if code != _USUAL)
    rings = tuple(ring + np.array([body.left, body.top]) for ring in polygons(instance.mask))
    left, top, right, below = instance.box
    box = (left, top, right - left, below - top)
    key = body_id(asked.media, box, instance.area)
    return Specimen(
        number, "", f"region-{key}", f"body-{key}", asked.group, box, rings, body.points, measured,
        codes, round(instance.score, 4),
    )  # fmt: skip


def photo_id(content: str) -> str:
    """Return the id of a photograph by the hash of its file."""
    return f"photo-{content[:20]}"


def body_id(photo: str, box: tuple[int, int, int, int], area: int) -> str:
    """Return what ids of a body end with, by its photograph and where it lies in it."""
    told = json.dumps([photo, *box, area]).encode()
    return hashlib.blake2b(told, digest_size=10).hexdigest()
