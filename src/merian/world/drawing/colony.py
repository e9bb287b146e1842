"""Colony-like bodies: corals, sea fans, sponges, plates, each grown anew for every individual.

Six sorts: branching, fan, massive, brain, tubes, plates. The first two and the tubes stand upright
and are one high, from y = -0.5 to 0.5; the others are domes of diameter one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.limbs import turn
from merian.world.drawing.relief import Relief
from merian.world.drawing.shading import Colour, Material, hsl
from merian.world.drawing.shapes import Disc, Figure, Lathe, Part, Strokes, oval
from merian.world.traits import KINDS, appendage_count, colony_width, span

__all__ = ["colony"]

Values = Mapping[str, float]
Doubles = NDArray[np.float64]
Marks = dict[str, tuple[float, float]]
UP = np.pi / 2


@dataclass(frozen=True)
class _Shoot:
    """A growing tip."""

    place: Doubles
    aim: float
    radius: float
    order: int
    height: float  # of the path so far


def colony(traits: Values, rng: np.random.Generator) -> Figure:
    """Return the body of an individual."""
    kind = KINDS[2][round(traits["kind"])]
    if kind in ("branching", "fan"):
        return _branched(kind, traits, rng)
    if kind == "tubes":
        return _tubes(traits, rng)
    if kind == "plates":
        return _plates(traits, rng)
    return _dome(kind, traits, rng)


def _skin(traits: Values) -> Material:
    light = span(traits["lightness"], 0.3, 0.68)
    return Material(
        hsl(traits["hue"], traits["saturation"] * 0.75, light),
        hsl(traits["second_hue"], traits["second_saturation"] * 0.65,
            span(traits["second_lightness"], 0.2, 0.85)),
        round(traits["pattern"]), 1.5 + 4 * max(traits["frequency"], 0.0),
        0.8 * max(traits["contrast"], 0.0), traits["phase"], 0.8 + 2 * max(traits["edge"], 0.0),
        span(traits["gloss"], 0.0, 0.25), texture=0.1, shadow=0.3,
    )  # fmt: skip


def _stain(traits: Values) -> Colour:
    pale = traits["second_lightness"] > 0.45
    hue = hsl(traits["second_hue"], 0.5 * traits["second_saturation"], 0.85 if pale else 0.3)
    gain = 1.9 if pale else 1.3
    return (hue[0] * gain, hue[1] * gain, hue[2] * gain)


def _branched(kind: str, traits: Values, rng: np.random.Generator) -> Figure:
    """Grow a bush or a fan, then stretch it to its true height and width."""
    ends, radii, along = _grow(kind, traits, rng)
    width = colony_width(kind, traits)
    points = ends.reshape(-1, 2, 2)
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    size = np.array([width, 1.0])
    points = (points - low) / (high - low) * size + np.array([-width / 2, -0.5])
    thick = span(
        traits["limb_thickness"], *((0.014, 0.048) if kind == "branching" else (0.01, 0.019))
    )
    radii = radii / radii.max() * thick * (1.6 if kind == "branching" else 2.6)
    radii = np.maximum(radii, thick * 0.45)
    skin = _skin(traits)
    # Young tips are paler, in many species of another colour.
    tips = replace(
        skin, pattern=4, phase=span(traits["phase"], 0.55, 0.95), edge=1.2,
        contrast=span(traits["contrast"], 0.2, 0.9),
    )  # fmt: skip
    cups = Relief("cups", span(traits["relief"], 0.016, 0.034), 0.9, 0.45, _stain(traits), 0.4)
    limbs = Strokes(points.reshape(-1, 4), radii, along, tips, cups)
    spread = thick * 2.4 * (1 + 0.2 * np.cos(3 * np.arange(32) * np.pi / 16))
    foot = Disc(_foot(points), spread, replace(skin, pattern=0), 0.7)
    top = points.reshape(-1, 2)[np.argmax(points.reshape(-1, 2)[:, 1])]
    side = points.reshape(-1, 2)
    marks = _caliper(side, float(top[0]), width)
    return Figure((foot, limbs), marks)


def _foot(points: Doubles) -> tuple[float, float]:
    flat = points.reshape(-1, 2)
    lowest = flat[np.argmin(flat[:, 1])]
    return float(lowest[0]), float(lowest[1])


def _caliper(points: Doubles, top: float, width: float) -> Marks:
    left = points[np.argmin(points[:, 0])]
    return {
        "height_low": (top, -0.5),
        "height_high": (top, 0.5),
        "width_left": (-width / 2, float(left[1])),
        "width_right": (width / 2, float(left[1])),
    }


def _grow(kind: str, traits: Values, rng: np.random.Generator) -> tuple[Doubles, Doubles, Doubles]:
    """Return rods, their radii and their places on the way from foot to tip."""
    fan = kind == "fan"
    budget = 260 if fan else 150
    fork = span(traits["fork_angle"], 0.25, 0.75)
    splits = span(traits["fork_count"], 0.3, 0.62) if fan else span(traits["fork_count"], 0.3, 0.75)
    taper = span(traits["taper"], 0.72, 0.92)
    step = 0.055 if fan else 0.085
    lift = 0.03 if fan else 0.1
    shoots = [_Shoot(np.zeros(2), UP + a, 1.0, 0, 0.0) for a in _starts(kind, traits, rng)]
    ends: list[list[float]] = []
    radii: list[list[float]] = []
    along: list[list[float]] = []
    while shoots and len(ends) < budget:
        shoot = shoots.pop(0)
        aim = shoot.aim + rng.normal(0, 0.14)
        aim += lift * np.sin(UP - aim)
        place = shoot.place + step * rng.uniform(0.75, 1.2) * turn(aim)
        ends.append([*shoot.place, *place])
        forks = rng.random() < splits and shoot.height > step
        radius = shoot.radius * (taper if forks else 0.985)
        radii.append([shoot.radius, radius])
        along.append([shoot.height, shoot.height + step])
        if shoot.height > 1.0 + (0.25 * rng.random()):
            continue
        for side in (-1, 1) if forks else (0,):
            spread = fork * side * rng.uniform(0.6, 1.1)
            if fan and forks:
                spread *= 1.2 if side == rng.choice([-1, 1]) else 0.35
            shoots.append(
                _Shoot(place, aim + spread, radius, shoot.order + abs(side), shoot.height + step)
            )
    places = np.array(along)
    return np.array(ends), np.array(radii), np.clip(places / places.max(), 0, 1)


def _starts(kind: str, traits: Values, rng: np.random.Generator) -> list[float]:
    count = round(span(traits["count"], 1, 3 if kind == "fan" else 6))
    spread = span(traits["fork_angle"], 0.3, 1.0)
    return [float(a) + rng.normal(0, 0.1) for a in np.linspace(-spread, spread, count + 2)[1:-1]]


def _dome(kind: str, traits: Values, rng: np.random.Generator) -> Figure:
    """Return a dome with cups or meanders."""
    ring = _blob(traits, rng, 0.04 + 0.11 * traits["lobes"])
    ring, marks = _to_diameter(ring)
    skin = replace(_skin(traits), shadow=0.0)
    swell = span(traits["wing_spread"], 0.0, 0.5)
    if kind == "brain":
        size = span(traits["relief"], 0.045, 0.13)
        relief = Relief("meander", size, 0.9, span(traits["contrast"], 0.35, 0.9), _stain(traits),
                        swell=0.5 * swell)  # fmt: skip
    else:
        size = span(traits["relief"], 0.03, 0.11)
        order = span(traits["taper"], 0.08, 0.48)
        relief = Relief("cups", size, 0.85, span(traits["contrast"], 0.3, 0.85), _stain(traits),
                        order, swell)  # fmt: skip
    dome = span(traits["chest"], 0.65, 0.98)
    return Figure((Disc((0.0, 0.0), ring, skin, dome, relief),), marks)


def _blob(traits: Values, rng: np.random.Generator, rough: float) -> Doubles:
    """Return a round outline with lobes, as distances from the centre."""
    angle = np.arange(96) * (2 * np.pi / 96)
    long = 1 + 0.22 * span(traits["width"], 0, 1) * np.cos(2 * angle + rng.uniform(0, 6))
    count = round(span(traits["fork_count"], 3, 9))
    lobes = np.cos(count * angle + rng.uniform(0, 6)) * rough * 0.5
    for order in range(2, 9):
        lobes = lobes + rough / order * rng.normal() * np.cos(order * angle + rng.uniform(0, 6))
    ring: Doubles = np.clip(long * (1 + lobes), 0.45, 1.8)
    return ring


def _to_diameter(ring: Doubles) -> tuple[Doubles, Marks]:
    """Scale an outline so that its largest diameter is 1; return that diameter's ends."""
    angle = np.arange(len(ring)) * (2 * np.pi / len(ring))
    points = np.column_stack([np.cos(angle), np.sin(angle)]) * ring[:, None]
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, second = np.unravel_index(np.argmax(apart), apart.shape)
    scale = 1 / apart.max()
    one, two = points[first] * scale, points[second] * scale
    marks = {
        "diameter_first": (float(one[0]), float(one[1])),
        "diameter_second": (float(two[0]), float(two[1])),
    }
    return ring * scale, marks


def _tubes(traits: Values, rng: np.random.Generator) -> Figure:
    """Return the tubes or vases of a sponge, the tallest last, with dark mouths."""
    count = appendage_count("tubes", traits)
    width = colony_width("tubes", traits)
    skin = _skin(traits)
    thick = min(width * span(traits["limb_thickness"], 0.28, 0.5), 1.6 * width / (count + 1))
    flare = span(traits["pointed"], 0.55, 1.15)
    pores = Relief("pits", span(traits["relief"], 0.02, 0.06), 1.0, 0.6, (0.4, 0.35, 0.3), 0.45)
    heights = np.sort(rng.uniform(0.45, 0.85, count))
    heights[-1] = 1.0
    places = (np.linspace(-1, 1, count) if count > 1 else np.zeros(1)) * (width - thick) / 2
    order = rng.permutation(count)
    parts: list[Part] = []
    u = np.linspace(0, 1, 65)
    mouth_size = 0.3
    for height, slot in zip(heights, order, strict=True):
        rim = mouth_size * thick / 2
        length = float(height) - rim
        shape = flare + (1 - flare) * np.abs(2 * u - 0.9) ** 1.2 + 0.05 * np.sin(
            u * span(traits["frequency"], 4, 22) + 6 * traits["phase"])  # fmt: skip
        profile = thick / 2 * shape / shape.max()
        profile[0] = profile[1] * 0.9
        foot = float(places[slot]) * 0.75
        lean = float(places[slot]) - foot
        reach = float(np.hypot(lean, length))
        aim = float(np.arctan2(length, lean))
        parts.append(Lathe((foot, -0.5), aim, reach, profile, profile, skin, 1.0,
                           relief=pores))  # fmt: skip
        wide = profile[-1]
        lip = replace(skin, gloss=0.1, shadow=0.1, pattern=0)
        dark = Material(
            (skin.colour[0] * 0.3, skin.colour[1] * 0.28, skin.colour[2] * 0.28), gloss=0.0,
            shadow=0.0,
        )  # fmt: skip
        centre = (float(places[slot]), -0.5 + length)
        parts.append(Disc(centre, oval(wide, rim), lip, 0.3))
        parts.append(Disc(centre, oval(wide * 0.74, rim * 0.66), dark, 0.5))
    top = float(places[order[-1]])
    marks = {"height_low": (top, -0.5), "height_high": (top, 0.5)}
    return Figure(tuple(parts), marks)


def _plates(traits: Values, rng: np.random.Generator) -> Figure:
    """Return leaves that overlap like roses, the largest below."""
    skin = replace(_skin(traits), pattern=2, contrast=span(traits["contrast"], 0.15, 0.6))
    outer, marks = _to_diameter(_blob(traits, rng, 0.06 + 0.16 * traits["lobes"]))
    rough = Relief("bumps", span(traits["relief"], 0.03, 0.1), 0.5, 0.25, _stain(traits))
    parts: list[Part] = [Disc((0.0, 0.0), outer, skin, 0.5, rough)]
    layers = round(span(traits["count"], 1, 5))
    for layer in range(1, layers):
        share = 1 - layer / layers
        ring, _ = _to_diameter(_blob(traits, rng, 0.1 + 0.25 * traits["lobes"]))
        spot = rng.normal(0, 0.06, 2) * share
        bright = 1 + 0.06 * layer
        tone = (skin.colour[0] * bright, skin.colour[1] * bright, skin.colour[2] * bright)
        leaf = replace(skin, colour=tone, shadow=0.6)
        ring = np.minimum(ring * (0.25 + 0.65 * share), outer * 0.92)
        parts.append(Disc((float(spot[0]), float(spot[1])), ring, leaf, 0.55, rough))
    return Figure(tuple(parts), marks)
