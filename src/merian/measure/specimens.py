"""Measuring a picture: the specimens in it, each with its traits.

Masks are given or found. A body gets its landmarks, every trait that is asked for is taken, and
what is doubtful is told beside it. A trait that a body has not (elytra of a fly) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label

from merian.errors import InputError
from merian.formats.outlines import OutlineError, outline_mask, read_rings
from merian.image.addresses import read_file
from merian.measure.asked import Asked, Given
from merian.measure.body import Body
from merian.measure.body_parts import trunk_of
from merian.measure.calibration import Calibration
from merian.measure.codes import of_specimen, worst_first
from merian.measure.colour import ColourCalibration, Patch, calibrate_colours
from merian.measure.definitions import Definition
from merian.measure.landmarks import find_landmarks, trunk_codes, with_found
from merian.measure.masks import Region, regions
from merian.measure.masks import single as find_single
from merian.measure.measurement import Measurement, measurement
from merian.measure.outline import filled_polygon
from merian.measure.placing import Placer, outlined, with_learned
from merian.measure.quantities import quantity
from merian.measure.shapes import Point
from merian.pictures import BadPictureError, whole

__all__ = ["Measured", "Settings", "Specimen", "bodies_of", "measure_body", "measure_pixels",
           "scale_of", "with_landmarks", "with_trunk"]  # fmt: skip

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

_EIGHT = np.ones((3, 3), int)
_LEAST = 30  # pixels of a piece of a mask file; less is dust
_ALIKE = 0.01  # sides of two pictures that are the same but for their size
_MOST = 20_000  # specimens of one picture


@dataclass(frozen=True)
class Settings:
    """How pictures are measured.

    Attributes:
        traits: What is measured.
        calibration: The scale of pictures that have none of their own.
        single: Whether each picture shows one specimen.
        expected: How many specimens a picture shows, where nothing else is told of it.
        chart: Patches of known colours, at the same place in every picture.
        placer: The network that places landmarks; None for none.
        tight: Whether each picture was cut at the outline of its one specimen.
    """

    traits: tuple[Definition, ...]
    calibration: Calibration | None = None
    single: bool = False
    expected: int | None = None
    chart: tuple[Patch, ...] = ()
    placer: Placer | None = None
    tight: bool = False


@dataclass(frozen=True)
class Specimen:
    """A specimen of a picture.

    Attributes:
        number: In its picture, from 1 in reading order.
        id: What it is called, where that is known.
        region: The id of the outline that was given.
        record: Of the specimen in a catalogue.
        group: Whose specimens it is compared with.
        box: Left, top, width and height in the picture.
        outline: Its outer outlines in the picture, the largest first.
        points: Its landmarks in the picture.
        measurements: Its traits.
        codes: What is doubtful of it as a whole.
        score: How sure it is that this is a specimen, from 0 to 1, where something tells.
        placed_by: The network that placed landmarks on it.
    """

    number: int
    id: str
    region: str
    record: str
    group: str
    box: tuple[int, int, int, int]
    outline: tuple[NDArray[np.int64], ...]
    points: Mapping[str, Point]
    measurements: tuple[Measurement, ...]
    codes: tuple[str, ...]
    score: float | None = None
    placed_by: str = ""


@dataclass(frozen=True)
class Measured:
    """A picture that was measured.

    Attributes:
        asked: Which.
        width: Of it in pixels; of the region, if only that was meant.
        height: The same.
        calibration: Its scale.
        colours: How its colours were brought back, where a chart is in it.
        specimens: In reading order.
        codes: What is doubtful of the picture.
    """

    asked: Asked
    width: int
    height: int
    calibration: Calibration | None
    colours: ColourCalibration | None
    specimens: tuple[Specimen, ...]
    codes: tuple[str, ...]


def measure_pixels(
    pixels: Pixels,
    asked: Asked,
    settings: Settings,
    found: Sequence[tuple[Body, Given]] | None = None,
) -> Measured:
    """Measure the specimens of a picture.

    Args:
        pixels: uint8[h, w, 3].
        asked: What is known of it.
        settings: How it is measured.
        found: What `bodies_of` has found in it, where it was asked before.

    Raises:
        BadPictureError: What is given of the picture does not fit it.
    """
    height, width = pixels.shape[:2]
    calibration, codes = scale_of(asked, (width, height), settings.calibration)
    try:
        colours = calibrate_colours(pixels, list(settings.chart)) if settings.chart else None
    except InputError as error:
        raise BadPictureError(str(error)) from None
    single = (settings.single or settings.tight) if asked.single is None else asked.single
    bodies = found if found is not None else list(
        bodies_of(pixels, asked, single, tight=settings.tight)
    )  # fmt: skip
    if asked.frame is not None and asked.frame != (width, height):
        codes.append("frame")
    expected = asked.expected if asked.expected is not None else settings.expected
    ids = asked.ids
    if not bodies:
        codes.append("not-found")
    if (expected is not None and expected != len(bodies)) or (ids and len(ids) != len(bodies)):
        codes.append("count")
        ids = ()
    # The outline alone needs no landmarks, and they take most of the time.
    wanted = any(
        one.landmarks or one.how == "across" or one.part != "whole" for one in settings.traits
    )
    specimens = []
    for number, (body, given) in enumerate(bodies, 1):
        # The same body, of which more is known.
        body = _known(body, settings.placer, asked, wanted)  # noqa: PLW2901
        measured, own = measure_body(body, settings.traits, calibration, colours, (width, height))
        name = ids[number - 1] if ids else given.id if asked.outlines else ""
        specimens.append(Specimen(
            number, name, given.id, given.record or (asked.record if len(bodies) == 1 else ""),
            given.group or asked.group,
            (body.left, body.top, body.mask.shape[1], body.mask.shape[0]),
            tuple(ring + np.array([body.left, body.top]) for ring in body.whole.outer),
            body.points, measured, own, placed_by=body.placed_by,
        ))  # fmt: skip
    return Measured(
        asked, width, height, calibration, colours, tuple(specimens), worst_first(codes)
    )


def scale_of(
    asked: Asked, size: tuple[int, int], usual: Calibration | None
) -> tuple[Calibration | None, list[str]]:
    """Return the scale of a picture; one of a copy of another size is brought to this."""
    own, frame = asked.calibration, asked.scale_frame
    if own is None or frame is None or frame == size or asked.region is not None:
        return own or usual, []
    across, down = size[0] / frame[0], size[1] / frame[1]
    if abs(across / down - 1) > _ALIKE:
        raise BadPictureError(
            f"its scale was taken from a picture of {frame[0]} x {frame[1]} pixels, and it has "
            f"{size[0]} x {size[1]}, which is of another shape"
        )
    return own.resized(math.sqrt(across * down)), ["frame"]


def measure_body(
    body: Body,
    traits: Sequence[Definition],
    calibration: Calibration | None,
    colours: ColourCalibration | None,
    size: tuple[int, int],
    by_hand: frozenset[str] = frozenset(),
) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    """Return the measurements of a body, and what is doubtful of it as a whole.

    Args:
        body: With its landmarks.
        traits: What is measured.
        calibration: Of the picture.
        colours: Of the picture, where a chart is in it.
        size: Of the picture: width and height.
        by_hand: Landmarks that somebody has set.
    """
    found = []
    for trait in traits:
        value = quantity(body, trait, colours, by_hand)
        if value is not None:
            found.append(measurement(value, trait, calibration))
    codes, of_trait = of_specimen(body, found, size, calibration)
    told = tuple(
        replace(one, codes=of_trait[one.trait]) if one.trait in of_trait else one for one in found
    )
    return told, codes


def _known(body: Body, placer: Placer | None, asked: Asked, wanted: bool) -> Body:
    """Return a body with its landmarks, if they are wanted, and with an outline of a network.

    An outline that was given stays as it is, and one that the frame of a tight crop tells.
    """
    given = bool(asked.outlines or asked.mask) or body.tight
    mended = placer is not None and placer.outlines and not given
    placed = placer.look(body) if placer is not None and (wanted or mended) else None
    if placer is None or placed is None:
        return with_landmarks(body) if wanted else body
    if mended:
        body = outlined(body, placed)
    return with_learned(body, placed, placer.told) if wanted else body


def with_landmarks(body: Body) -> Body:
    """Return a body with its landmarks and its parts, where they can be told."""
    found = find_landmarks(body.mask, body.pixels)
    if found is None:
        return replace(body, codes=(*body.codes, "no-body"))
    return with_found(body, found)


def with_trunk(body: Body) -> Body:
    """Return a body with the part of it that has no legs: less than all landmarks, and sooner."""
    trunk = trunk_of(body.mask)
    if trunk is None:
        return replace(body, codes=(*body.codes, "no-body"))
    codes = (*body.codes, *trunk_codes(trunk))
    return replace(body, parts={"body": trunk.mask, **body.parts}, codes=codes)


# -- masks ------------------------------------------------------------------------------------


def bodies_of(
    pixels: Pixels, asked: Asked, single: bool, *, tight: bool = False
) -> Iterator[tuple[Body, Given]]:
    """Yield the bodies of a picture in reading order: those that are given, or that are found.

    Args:
        pixels: uint8[h, w, 3].
        asked: What is known of it.
        single: Whether it shows one.
        tight: Whether it was cut at the outline of that single one.
    """
    if asked.outlines is not None:
        yield from _given(pixels, asked)
    elif asked.mask is not None:
        yield from _of_file(pixels, asked, single)
    else:
        yield from _found(pixels, single, tight)


def _found(pixels: Pixels, single: bool, tight: bool) -> Iterator[tuple[Body, Given]]:
    listed: tuple[Region, ...]
    if single:
        one = find_single(pixels, tight=tight)
        listed = () if one is None else (one,)
    else:
        listed = regions(pixels)
    for region in listed:
        body = Body(region.mask, region.left, region.top, pixels, codes=region.codes, tight=tight)
        yield body, Given("")


def _given(pixels: Pixels, asked: Asked) -> Iterator[tuple[Body, Given]]:
    """Yield bodies of outlines; what was drawn on a picture of another size is brought to this."""
    height, width = pixels.shape[:2]
    frame = asked.frame or (width, height)
    across, down = width / frame[0], height / frame[1]
    if abs(across / down - 1) > _ALIKE:
        raise BadPictureError(
            f"its outlines were drawn on a picture of {frame[0]} x {frame[1]} pixels, and it has "
            f"{width} x {height}, which is of another shape"
        )
    for given in (asked.outlines or ())[:_MOST]:
        try:
            if given.outline.startswith("RLE("):
                body = _of_runs(given.outline, (across, down), pixels)
            else:
                body = _of_rings(read_rings(given.outline), (across, down), pixels)
        except OutlineError as error:
            raise BadPictureError(f"the outline {given.id}: {error}") from None
        if body is not None:
            yield body, given


def _of_rings(rings: list[list[float]], scale: tuple[float, float], pixels: Pixels) -> Body | None:
    height, width = pixels.shape[:2]
    polygons = [np.array(ring, np.float64).reshape(-1, 2) * scale for ring in rings]
    every = np.concatenate(polygons)
    left, top = (max(int(np.floor(v)), 0) for v in every.min(axis=0))
    right, below = (min(int(np.ceil(v)), side) for v, side in
                    zip(every.max(axis=0), (width, height), strict=True))  # fmt: skip
    if right <= left or below <= top:
        return None
    mask = filled_polygon([ring - [left, top] for ring in polygons], right - left, below - top)
    return _cropped(mask, left, top, pixels)


def _of_runs(outline: str, scale: tuple[float, float], pixels: Pixels) -> Body | None:
    told = outline_mask(outline)
    runs = told.run_lengths()
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask = flat.reshape(told.width, told.height).T
    if scale != (1.0, 1.0):
        height, width = pixels.shape[:2]
        picture = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
        mask = np.asarray(picture)
    return _cropped(mask, 0, 0, pixels)


def _of_file(pixels: Pixels, asked: Asked, single: bool) -> Iterator[tuple[Body, Given]]:
    """Yield bodies of a file of a mask: each value, or each piece where there is one value."""
    picture = whole(read_file(str(asked.mask)))
    if picture.mode not in ("1", "L", "P", "I", "I;16"):
        picture = picture.convert("L")
    values = np.asarray(picture)
    height, width = pixels.shape[:2]
    if values.shape[:2] != (height, width):
        raise BadPictureError(
            f"its mask {asked.mask} has {values.shape[1]} x {values.shape[0]} pixels, and it has "
            f"{width} x {height}"
        )
    kinds = np.unique(values[values > 0])
    if len(kinds) > 1 and len(kinds) <= _MOST:
        pieces, numbers = values.astype(np.int64), kinds.tolist()
        boxes = dict(enumerate(find_objects(pieces.astype(np.int32)), 1))
    elif single or not len(kinds):
        pieces, numbers = (values > 0).astype(np.int64), [1] if len(kinds) else []
        boxes = {1: (slice(0, height), slice(0, width))}
    else:
        pieces, count = label(values > 0, _EIGHT)
        numbers, boxes = list(range(1, count + 1)), dict(enumerate(find_objects(pieces), 1))
    for number in numbers:
        rows, columns = boxes[number]
        mask = pieces[rows, columns] == number
        if np.count_nonzero(mask) >= _LEAST:
            body = _cropped(mask, columns.start, rows.start, pixels)
            if body is not None:
                yield body, Given("", f"{number}" if len(kinds) > 1 else "")


def _cropped(mask: Mask, left: int, top: int, pixels: Pixels) -> Body | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Body(np.ascontiguousarray(cut), left + int(columns[0]), top + int(rows[0]), pixels)
