"""Insect-like bodies, seen from above: head at the top, legs, antennae, wings, a patterned skin.

Eight sorts: beetle, fly, wasp, bug, moth, spider, dragonfly, cricket. Within a sort, traits shape
every part. Lengths are in body lengths, the head's tip at y = 0.5 and the abdomen's at -0.5.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from merian.world.drawing.insect_frame import (
    ABDOMEN,
    CHEST,
    DOWN,
    HEAD,
    Sections,
    Skin,
    Values,
    make_skin,
    sections,
)
from merian.world.drawing.insect_limbs import antennae_of, hairs_of, legs_of, tails_of, wings_of
from merian.world.drawing.limbs import join
from merian.world.drawing.shading import Material
from merian.world.drawing.shapes import Disc, Figure, Lathe, Part, egg, oval, polyline
from merian.world.traits import KINDS, span

__all__ = ["insect"]


def insect(traits: Values, rng: np.random.Generator) -> Figure:
    """Return the body of an individual in some pose."""
    kind = KINDS[0][round(traits["kind"])]
    skin, plan = make_skin(kind, traits), sections(kind, traits)
    marks: dict[str, tuple[float, float]] = {"head_tip": (0.0, 0.5), "abdomen_tip": (0.0, -0.5)}
    legs = legs_of(plan, traits, skin, rng)
    feelers = antennae_of(plan, traits, skin, rng, marks)
    wings = wings_of(plan, traits, skin, rng, marks)
    trunk = _trunk(plan, traits, skin, marks)
    hairs: list[Part] = []
    if traits["hair"] > _HAIRY.get(kind, 0.85):
        hairs = hairs_of(trunk, traits, skin, rng)
    tails = tails_of(plan, traits, skin)
    if kind in ("moth", "dragonfly", "wasp"):
        order = [*legs, *tails, *feelers, *wings, *hairs, *trunk]
    else:
        order = [*legs, *tails, *feelers, *hairs, *trunk, *wings]
    return Figure(tuple(order), marks)


_HAIRY = {"moth": 0.1, "wasp": 0.5, "fly": 0.6, "spider": 0.55}


def _trunk(
    plan: Sections, traits: Values, skin: Skin, marks: dict[str, tuple[float, float]]
) -> list[Part]:
    """Return abdomen, chest, head and eyes, and enter where the body is widest."""
    peak = span(traits["peak"], 0.3, 0.62)
    point = span(traits["pointed"], 2.6, 1.35)
    segments = span(traits["veins"], 4, 8)
    rings = replace(skin.body, segments=round(segments))
    parts: list[Part] = []
    overlap = 0.03
    if plan.kind == "beetle":
        parts.append(_elytra(plan, traits, skin, peak, point))
    else:
        top = plan.loin + (overlap if plan.kind not in ("wasp",) else 0.035)
        front = 2.2
        if plan.kind == "wasp":  # a stalk
            front = span(traits["hair"], 1.25, 2.2)
        if plan.kind == "spider":
            rings = replace(rings, segments=0.0, texture=0.16)
        profile = egg(plan.abdomen, peak, front, point)
        if plan.kind == "dragonfly":
            profile = egg(plan.abdomen, 0.12, 2.0, 4.5) * (1 - 0.25 * np.sin(np.linspace(0, 6, 65)))
            profile *= 0.5 * plan.abdomen / profile.max()
            rings = replace(rings, segments=9.0, frequency=9.0)
        parts.append(_lathe((0.0, top), DOWN, top + 0.5, profile, rings, group=ABDOMEN))
        if plan.kind in ("bug", "cricket"):
            parts += _folded(plan, traits, skin, profile, top)
    widest, place = plan.abdomen, _widest(parts[0])
    bottom = plan.loin - overlap
    length = plan.neck + overlap - bottom
    chest_peak = {"beetle": 0.62, "bug": 0.8, "spider": 0.62}.get(plan.kind, 0.5)
    blunt = 2.2 + 2.2 * max(traits["waist"], 0.0)
    material = replace(skin.body, segments=0.0) if traits["wing_pattern"] > 3 else skin.head
    chest = egg(plan.chest, chest_peak, blunt if plan.kind != "spider" else 2.4, blunt)
    body = _lathe((0.0, plan.neck + overlap), DOWN, length, chest, material, group=CHEST)
    if plan.kind == "spider":
        body = _lathe((0.0, 0.5), DOWN, 0.5 - bottom, chest, skin.head, group=CHEST)
    parts.append(body)
    if plan.chest > widest:
        widest, place = plan.chest, _widest(body)
    marks["width_left"], marks["width_right"] = (-widest / 2, place), (widest / 2, place)
    return [*parts, *_head(plan, traits, skin)]


def _lathe(
    start: tuple[float, float], angle: float, length: float, profile: np.ndarray,
    material: Material, group: int = 0, dome: float = 1.0,
) -> Lathe:  # fmt: skip
    return Lathe(start, angle, length, profile, profile, material, dome, group=group)


def _widest(part: Part) -> float:
    assert isinstance(part, Lathe)
    return part.start[1] - part.length * float(np.argmax(part.left)) / (len(part.left) - 1)


def _elytra(plan: Sections, traits: Values, skin: Skin, peak: float, point: float) -> Lathe:
    """Return the wing cases; the suture is a vein of darkness down the middle."""
    furrows = round(span(traits["grooves"], -3, 7))
    material = replace(
        skin.body, grooves=float(max(furrows, 0)), depth=0.32 if furrows > 0 else 0.0
    )
    profile = egg(plan.abdomen, peak * 0.9, 2.6 + 1.6 * max(traits["chest"], 0), point + 0.4)
    part = _lathe((0.0, plan.loin), DOWN, plan.loin + 0.5, profile, material, group=ABDOMEN)
    return replace(part, veins=(1, 0, 1.0))


def _folded(
    plan: Sections, traits: Values, skin: Skin, profile: np.ndarray, top: float
) -> list[Part]:
    """Return wings folded over the back: of a bug with its shield, of a cricket."""
    length = (top + 0.5) * span(traits["wing_length"], 0.72, 0.97)
    dark = replace(skin.body, phase=traits["phase"] + 0.4, shadow=0.2)
    tone = skin.head.colour
    dark = replace(dark, colour=(tone[0] * 0.9, tone[1] * 0.9, tone[2] * 0.85))
    if plan.kind == "cricket":
        cover = _lathe((0.0, top), DOWN, length, profile * 0.86, dark, ABDOMEN, 0.8)
        return [replace(cover, veins=(5, 0, 0.7))]
    smoke = Material((0.25, 0.2, 0.15), opacity=0.55, gloss=0.3, texture=0.02, shadow=0.1)
    membrane = _lathe((0.0, top - 0.3 * length), DOWN, length * 0.72,
                      egg(plan.abdomen * 0.72, 0.35, 2, 2.6), smoke, ABDOMEN, 0.4)  # fmt: skip
    cover = _lathe((0.0, top), DOWN, length * 0.68, profile * 0.9, dark, ABDOMEN, 0.7)
    size = span(traits["tail_length"], 0.16, 0.36)
    shield = _lathe((0.0, top), DOWN, size, egg(plan.abdomen * 0.5, 0.06, 2.0, 1.15),
                    skin.plain, ABDOMEN)  # fmt: skip
    return [replace(membrane, veins=(4, 0, 0.6)), replace(cover, veins=(1, 0, 0.8)), shield]


def _head(plan: Sections, traits: Values, skin: Skin) -> list[Part]:
    """Return head, eyes, and jaws of a beetle."""
    eye = span(traits["eye"], 0.1, 0.26)
    if plan.kind == "spider":
        return _spider_eyes(plan, traits, skin)
    eye = {"fly": eye + 0.16, "dragonfly": eye + 0.18, "wasp": eye + 0.04}.get(plan.kind, eye)
    length = 0.5 - plan.neck + 0.02
    jaws: list[Part] = []
    top = 0.5
    if plan.kind == "beetle":
        bite = 0.035 + 0.05 * max(traits["tail_length"], 0.0)
        top, length = 0.5 - 0.5 * bite, length - 0.5 * bite
        reach = 0.25 * plan.head
        hooks = [
            polyline(
                np.array([[s * reach, top - 0.03], [s * reach * 1.15, top], [s * 0.012, 0.494]]),
                0.016, 0.006, skin.limb, HEAD,
            )
            for s in (-1, 1)
        ]  # fmt: skip
        jaws = [join(hooks)]
    skull = _lathe((0.0, top), DOWN, length, egg(plan.head, 0.55, 2.0, 2.6), skin.head, HEAD)
    size = eye * plan.head
    height = top - 0.48 * length
    eyes = [
        Disc(
            (s * (plan.head / 2 - 0.55 * size), height),
            oval(size * 0.75, size),
            skin.eye,
            0.9,
            group=HEAD,
        )
        for s in (-1, 1)
    ]
    return [*jaws, skull, *eyes]


def _spider_eyes(plan: Sections, traits: Values, skin: Skin) -> list[Part]:
    size = span(traits["eye"], 0.012, 0.03)
    places = ((0.03, 0.475), (0.075, 0.465), (0.05, 0.44))
    return [
        Disc((s * x * plan.chest * 3, y), np.full(24, size), skin.eye, group=HEAD)
        for x, y in places
        for s in (-1, 1)
    ]
