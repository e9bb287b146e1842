"""Photographs of bodies with a known truth: pose, light, background, dirt, scale, camera.

`photograph` makes the picture of one individual and its mask, landmarks and measures; `cut_out`
the body alone, for pictures of many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import PLANS
from merian.world.drawing.background import background, debris, is_dark
from merian.world.drawing.canvas import Canvas, Frame, blank
from merian.world.drawing.colony import colony
from merian.world.drawing.insect import insect
from merian.world.drawing.instrument import expose
from merian.world.drawing.noise import blur
from merian.world.drawing.plankton import plankton
from merian.world.drawing.scalebar import draw_bar, draw_ruler, ruler_width
from merian.world.drawing.shading import Light
from merian.world.drawing.shapes import Figure, paint
from merian.world.traits import measures

__all__ = ["PLANS", "CutOut", "Picture", "cut_out", "photograph"]

Floats = NDArray[np.float32]
Values = Mapping[str, float]

_BODIES = (insect, plankton, colony)
# Least cover of a pixel that belongs to the mask; less than half, or hairs would be lost.
_MASK_FROM = 0.4
# Spread of the turn away from the head up, in degrees, at each level.
_TURN = (0.0, 8.0, 90.0, 180.0)
# Least distance in RGB of a body from the background that a photographer looks for.
_STANDS_OUT = 0.55
# How bright a body is on a ground, against what it is on a table.
_GAIN = {"bright": 0.72, "dark": 1.35}
_RULERS = 0.07  # share of pictures with a ruler
_TILT = (0.0, 3.0, 6.0, 8.0)  # largest, in degrees


@dataclass(frozen=True)
class Picture:
    """A photograph and what is true of it.

    Attributes:
        image: uint8[h, w, 3].
        mask: Where the organism is, with all its parts.
        px_per_mm: True scale.
        landmarks: x and y in pixels; the centre of the first pixel is 0, 0. `traits.ENDS` says
            which two belong to which measure.
        measures: Of the individual, in mm, and counts.
        scale: "bar", "ruler" or "none".
        scale_mm: Length of the bar, or distance of two long ticks of the ruler.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    px_per_mm: float
    landmarks: dict[str, tuple[float, float]]
    measures: dict[str, float]
    scale: str
    scale_mm: float


@dataclass(frozen=True)
class CutOut:
    """A body alone, to be laid into a larger picture.

    Attributes:
        rgb: float32[h, w, 3], 0 to 1, not multiplied by the opacity.
        alpha: float32[h, w], opacity.
        mask: bool[h, w], the body with all its parts, as in `Picture`.
        landmarks: As in `Picture`.
    """

    rgb: Floats
    alpha: Floats
    mask: NDArray[np.bool_]
    landmarks: dict[str, tuple[float, float]]


def photograph(
    plan: int,
    traits: Values,
    rng: np.random.Generator,
    *,
    size: int = 256,
    level: int = 2,
    instrument: int = 0,
    state: str = "whole",
) -> Picture:
    """Photograph an individual.

    Args:
        plan: Number of its body plan.
        traits: From `traits.individual`.
        rng: Draws pose, light and all else.
        size: Height and width in pixels.
        level: 1 is a studio, 2 a laboratory, 3 the field.
        instrument: 0 to 5.
        state: "whole", "fragment" (a part of the body), or "empty" (only dirt).
    """
    light = _light(rng, level, plan)
    figure = _BODIES[plan](traits, rng)
    if state == "fragment":
        figure = _broken(figure, plan, rng)
    edge = int(rng.integers(4)) if rng.random() < _RULERS else None
    frame = _place(figure, rng, size, level, edge)
    length_mm = float(np.exp(traits["log_length"]))
    px_per_mm = frame.scale / length_mm
    body = blank(size, size, light, rng)
    if state != "empty":
        paint(figure, body, frame, rng)
        if state == "fragment" and plan != 0:
            _tear(body, rng)
    scene, sort = _ground(body, plan, rng, level, instrument)
    dirt = blank(size, size, light, rng)
    debris(dirt, rng, level, dark=is_dark(sort), amount=2.0 if state == "empty" else 1.0)
    scene = _over(_over(scene, dirt, light, sort), body, light, sort)
    mask = body.cover > _MASK_FROM
    scale, scale_mm = _scale(scene, mask, edge, px_per_mm, rng)
    image = expose(scene, plan, instrument, level, rng)
    marks = {} if state != "whole" else _landmarks(figure, frame)
    truth = {} if state != "whole" else measures(plan, traits)
    return Picture(image, mask, px_per_mm, marks, truth, scale, scale_mm)


def cut_out(
    plan: int,
    traits: Values,
    rng: np.random.Generator,
    px_per_mm: float,
    angle: float,
    level: int = 2,
) -> CutOut:
    """Return a body alone.

    Args:
        plan: Number of its body plan.
        traits: From `traits.individual`.
        rng: Draws pose and light.
        px_per_mm: Scale.
        angle: Degrees by which the head is turned from up, to the right.
        level: 1 to 3, how far the body may be tilted and the light off white.
    """
    light = _light(rng, level, plan)
    figure = _BODIES[plan](traits, rng)
    scale = px_per_mm * float(np.exp(traits["log_length"]))
    matrix = _matrix(rng, scale, np.radians(angle), level)
    outline = figure.outline() @ matrix.T
    low, high = outline.min(axis=0) - 2, outline.max(axis=0) + 2
    width, height = np.ceil(high - low).astype(int) + 1
    frame = Frame(matrix, -low, scale)
    body = blank(max(int(height), 4), max(int(width), 4), light, rng)
    paint(figure, body, frame, rng)
    rgb = body.rgb / np.maximum(body.alpha, 1e-4)[..., None]
    mask = body.cover > _MASK_FROM
    return CutOut(np.clip(rgb, 0, 1), np.clip(body.alpha, 0, 1), mask, _landmarks(figure, frame))


def _ground(
    body: Canvas, plan: int, rng: np.random.Generator, level: int, instrument: int
) -> tuple[Floats, str]:
    """Choose a background on which the body stands out, in the field the first that there is.

    What is lit from behind is darker, what is lit on a dark field brighter than on a table.
    """
    weight = float(body.alpha.sum())
    colour = body.rgb.sum(axis=(0, 1)) / max(weight, 1.0)
    best, seed = -1.0, 0
    for _ in range((1, 8, 8, 3)[level]):
        # A small picture of the same seed tells the tone.
        trial = int(rng.integers(2**62))
        scene, sort = background(plan, np.random.default_rng(trial), 32, level, instrument)
        lit = colour * _GAIN.get(sort, 1.0)
        apart = float(np.linalg.norm(lit - scene[::4, ::4].mean(axis=(0, 1))))
        if apart > best:
            best, seed = apart, trial
        if weight < 1 or best > _STANDS_OUT:
            break
    size = body.alpha.shape[0]
    scene, sort = background(plan, np.random.default_rng(seed), size, level, instrument)
    body.rgb[...] *= np.float32(_GAIN.get(sort, 1.0))
    return scene, sort


def _light(rng: np.random.Generator, level: int, plan: int) -> Light:
    """Draw a lamp; on plankton it comes from all around."""
    angle = np.radians(225 + rng.normal(0, 18 * level))
    height = np.radians(rng.uniform(40, 62))
    flat = np.cos(height)
    warm = rng.normal(0, 0.012 * level)
    bright = np.exp(rng.normal(0, 0.03 * level))
    return Light(
        (float(flat * np.cos(angle)), float(flat * np.sin(angle)), float(np.sin(height))),
        (float(bright * (1 + warm)), float(bright), float(bright * (1 - warm))),
        0.6 if plan == 1 else float(rng.uniform(0.4, 0.52)),
    )


def _matrix(
    rng: np.random.Generator, scale: float, angle: float, level: int
) -> NDArray[np.float64]:
    """Return the matrix of a turned and slightly tilted body; y of pictures goes down."""
    limit = _TILT[level]
    tilt = np.cos(np.radians(rng.uniform(-limit, limit, 2)))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix: NDArray[np.float64] = scale * turned @ np.diag([tilt[0], -tilt[1]])
    return matrix


def _place(
    figure: Figure, rng: np.random.Generator, size: int, level: int, edge: int | None
) -> Frame:
    """Choose turn, size and place so that the body fills 45 to 85 % of the frame."""
    angle = np.radians(rng.normal(0, _TURN[level]))
    if level == 3 and rng.random() < 0.25:
        angle += rng.choice([-1, 1]) * np.pi / 2
    matrix = _matrix(rng, 1.0, angle, level)
    outline = figure.outline() @ matrix.T
    low, high = outline.min(axis=0), outline.max(axis=0)
    room = np.array([0.0, 0.0, size, size])  # left, top, right, bottom
    if edge is not None:
        strip = ruler_width(size) + 3
        room += np.array([[0, 0, 0, -strip], [strip, 0, 0, 0], [0, strip, 0, 0],
                          [0, 0, -strip, 0]])[edge]  # fmt: skip
    free = room[2:] - room[:2]
    share = np.clip(rng.normal(0.78, 0.03 * level), 0.55, 0.84)
    scale = min(share * size / float((high - low).max()), float((0.94 * free / (high - low)).min()))
    slack = free - scale * (high - low)
    shift = np.clip(rng.normal(0.5, 0.09 * level, 2), 0.1, 0.9)
    origin = room[:2] + shift * slack - scale * low
    return Frame(matrix * scale, origin, scale)


def _over(scene: Floats, body: Canvas, light: Light, sort: str) -> Floats:
    """Lay a canvas over the scene, with its shadow on a ground that can take one."""
    size = scene.shape[0]
    if sort not in ("dark", "bright", "water"):
        far = 0.016 * size
        shade = blur(body.alpha, far * 0.9)
        step = [round(-far * 1.1 * light.direction[axis]) for axis in (0, 1)]
        shade = np.roll(shade, (step[1], step[0]), axis=(0, 1))
        contact = blur(body.alpha, far * 0.35)
        scene = scene * (1 - 0.2 * shade - 0.14 * contact)[..., None]
    elif sort == "dark":
        scene = scene + (0.05 * blur(body.alpha, 0.02 * size))[..., None]
    return scene * (1 - body.alpha)[..., None] + body.rgb


def _broken(figure: Figure, plan: int, rng: np.random.Generator) -> Figure:
    """Return a part of an insect; other bodies are torn after painting."""
    if plan != 0:
        return figure
    groups = {part.group for part in figure.parts}
    sets = [{2, 3}, {2}, {0, 1}, {1, 3, 4}, {1, 4}, {0, 1, 4}]
    choice = [s & groups for s in sets if s & groups]
    return figure.regroup(choice[int(rng.integers(len(choice)))])


def _tear(body: Canvas, rng: np.random.Generator) -> None:
    """Tear away about half of a body along a ragged line, in place."""
    rows, columns = np.nonzero(body.cover > _MASK_FROM)
    if not rows.size:
        return
    height, width = body.cover.shape
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.cos(angle), np.sin(angle)
    place = np.quantile(columns * along + rows * across, rng.uniform(0.45, 0.65))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ragged = 2.5 * np.sin((x * across - y * along) * 0.23 + angle) + 1.5 * body.mottle
    keep = np.clip(x * np.float32(along) + y * np.float32(across) - place + ragged, 0, 1)
    keep = keep.astype(np.float32)
    body.rgb[...] *= keep[..., None]
    body.alpha[...] *= keep
    body.cover[...] *= keep


def _scale(
    scene: Floats,
    mask: NDArray[np.bool_],
    edge: int | None,
    px_per_mm: float,
    rng: np.random.Generator,
) -> tuple[str, float]:
    if edge is not None:
        return "ruler", draw_ruler(scene, edge, px_per_mm, rng)
    if rng.random() < 0.35:
        length = draw_bar(scene, mask, px_per_mm, rng)
        return ("bar", length) if length else ("none", 0.0)
    return "none", 0.0


def _landmarks(figure: Figure, frame: Frame) -> dict[str, tuple[float, float]]:
    pixels = frame.to_pixels(np.array(list(figure.landmarks.values()), dtype=np.float64))
    return {
        name: (float(x), float(y)) for name, (x, y) in zip(figure.landmarks, pixels, strict=True)
    }
