"""Legs, antennae, wings, hairs and tails of each sort of insect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from merian.world.drawing.insect_frame import (
    ABDOMEN,
    DOWN,
    HEAD,
    LEGS,
    WINGS,
    Sections,
    Skin,
    Values,
    mix,
)
from merian.world.drawing.limbs import antenna, curve, fringe, join, leg, wing
from merian.world.drawing.shading import Material, hsl
from merian.world.drawing.shapes import Disc, Lathe, Part, Strokes, oval, polyline
from merian.world.traits import antenna_length, span, wing_length

__all__ = ["antennae_of", "hairs_of", "legs_of", "tails_of", "wings_of"]

_Angles = tuple[tuple[float, float, float], ...]


def legs_of(plan: Sections, traits: Values, skin: Skin, rng: np.random.Generator) -> list[Part]:
    """Return all legs as one part, below the body."""
    reach = span(traits["limb_length"], 0.36, 0.8)
    thick = span(traits["limb_thickness"], 0.009, 0.027)
    pairs: _Angles = ((0.75, 1.15, 1.0), (-0.05, -0.5, -0.65), (-0.6, -1.15, -1.2))
    scales: tuple[float, ...] = (0.85, 0.95, 1.15 + 0.25 * traits["hind_limb"])
    places: tuple[float, ...] = (0.75, 0.45, 0.1)
    if plan.kind == "spider":
        reach, thick = reach * 1.75, thick * 1.15
        pairs = ((0.95, 1.45, 1.5), (0.4, 0.7, 0.75), (-0.3, -0.6, -0.7), (-0.85, -1.3, -1.35))
        scales, places = (1.1, 0.95, 0.85, 1.1), (0.8, 0.6, 0.45, 0.3)
    elif plan.kind == "cricket":
        scales = (0.6, 0.65, 1.5 + 0.5 * traits["hind_limb"])
        pairs = ((0.75, 1.15, 1.0), (-0.05, -0.5, -0.65), (-0.5, -1.35, -1.3))
    elif plan.kind in ("dragonfly", "moth"):
        reach *= 0.6
    low, high = plan.loin - (0.05 if plan.kind in ("beetle", "cricket") else 0.0), plan.neck
    legs: list[Strokes] = []
    for side in (-1, 1):
        for pair, (angles, scale, place) in enumerate(zip(pairs, scales, places, strict=False)):
            sway = rng.normal(0, 0.13, 3).cumsum()
            turned = [a + s for a, s in zip(angles, sway, strict=True)]
            if side < 0:
                turned = [np.pi - a for a in turned]
            hip = (side * plan.chest * 0.3, low + (high - low) * place)
            parts = (0.42 * reach * scale, 0.4 * reach * scale, 0.22 * reach * scale)
            bulk = thick * (1 + (0.9 * traits["hind_limb"] + 0.8 * (plan.kind == "cricket"))
                            * (pair == len(pairs) - 1))  # fmt: skip
            legs.append(leg(hip, (turned[0], turned[1], turned[2]), parts, bulk, skin.limb, LEGS))
    return [join(legs)]


def antennae_of(
    plan: Sections, traits: Values, skin: Skin, rng: np.random.Generator,
    marks: dict[str, tuple[float, float]],
) -> list[Part]:  # fmt: skip
    """Return both antennae as one part, and enter the ends of one."""
    if plan.kind == "spider":
        return []
    length = antenna_length(plan.kind, traits)
    thick = span(traits["limb_thickness"], 0.006, 0.013)
    club = traits["antenna_club"] * (1.0 if plan.kind in ("moth", "beetle") else 0.75)
    spread = 0.35 + 0.5 * (1 - length) + rng.normal(0, 0.12)
    both = []
    for side in (-1, 1):
        base = (side * plan.head * 0.2, 0.5 - 0.35 * (0.5 - plan.neck))
        aim = np.pi / 2 - side * (spread + rng.normal(0, 0.09))
        sag = side * (0.05 + 0.13 * traits["antenna_curve"])
        both.append(antenna(base, aim, length, sag, thick, club, skin.limb, HEAD))
        end = curve(base, aim, length, sag)[-1]
    marks["antenna_base"], marks["antenna_tip"] = base, (float(end[0]), float(end[1]))
    return [join(both)]


def wings_of(
    plan: Sections, traits: Values, skin: Skin, rng: np.random.Generator,
    marks: dict[str, tuple[float, float]],
) -> list[Part]:  # fmt: skip
    """Return the spread wings, hind wings first, and enter the ends of one or of the elytra."""
    if plan.kind == "beetle":
        marks["elytra_base"], marks["elytra_tip"] = (0.0, plan.loin), (0.0, -0.5)
    if plan.kind not in ("fly", "wasp", "moth", "dragonfly"):
        return []
    length, spread = wing_length(plan.kind, traits), traits["wing_spread"]
    breadth = length * span(traits["wing_width"], *_BREADTH[plan.kind])
    low, high = _POSTURE[plan.kind]
    aim = span(spread, low, high) + rng.normal(0, 0.05)
    material = _membrane(plan.kind, traits, skin)
    dark = 0.3 if plan.kind == "moth" else 0.65
    count = round(span(traits["veins"], 3, 8))
    cross = round(span(traits["veins"], 3, 9)) * {"dragonfly": 2, "moth": 0}.get(plan.kind, 1)
    tip = traits["wing_tip"]
    height = plan.loin + (plan.neck - plan.loin) * 0.62
    fore: list[Part] = []
    hind: list[Part] = []
    for side in (-1, 1):
        lift = rng.normal(0, 0.04)
        angle = aim + lift if side > 0 else np.pi - aim - lift
        back = aim - 0.55 - lift if side > 0 else np.pi - aim + 0.55 + lift
        if plan.kind == "dragonfly":
            back += side * 0.3
        root = (side * plan.chest * 0.24, height)
        fore.append(wing(root, angle, length, breadth, tip, material, veins=(count, cross, dark),
                         side=side, group=WINGS))  # fmt: skip
        if side > 0:
            marks["wing_base"] = root
            marks["wing_tip"] = (
                root[0] + length * float(np.cos(angle)), root[1] + length * float(np.sin(angle))
            )  # fmt: skip
        if plan.kind == "fly":
            continue
        share = {"moth": 0.78, "wasp": 0.68}.get(plan.kind, 0.96)
        wide = {"moth": 1.25, "wasp": 0.7}.get(plan.kind, 1.12)
        rear = (side * plan.chest * 0.2, height - 0.08)
        paler = replace(material, colour=mix(material.colour, material.second, 0.2))
        hind.append(wing(rear, back, length * share, breadth * wide, 0.8, paler,
                         veins=(count, cross, dark), side=side, group=WINGS))  # fmt: skip
    if plan.kind == "moth" and traits["eye"] > 0.45:
        return [*hind, *fore, *_eye_spots(fore, traits, skin)]
    return [*hind, *fore]


def _eye_spots(wings: list[Part], traits: Values, skin: Skin) -> list[Part]:
    """Return rings on the wings of a moth, at the same place of each."""
    spots: list[Part] = []
    for part in wings:
        assert isinstance(part, Lathe)
        at = span(traits["phase"] / 1.5, 0.5, 0.75)
        x = part.start[0] + at * part.length * float(np.cos(part.angle))
        y = part.start[1] + at * part.length * float(np.sin(part.angle))
        size = span(traits["frequency"], 0.1, 0.19) * 2 * max(part.left.max(), part.right.max())
        pupil = replace(skin.eye, gloss=0.15, shadow=0.0)
        iris = replace(pupil, colour=mix(skin.body.second, (1.0, 0.85, 0.5), 0.4))
        for share, material in ((1.0, pupil), (0.78, iris), (0.45, pupil)):
            ring = oval(size * share, size * share)
            spots.append(Disc((x, y), ring, material, 0.1, group=WINGS))
    return spots


_BREADTH = {"fly": (0.28, 0.42), "wasp": (0.26, 0.38), "moth": (0.4, 0.72),
            "dragonfly": (0.14, 0.26)}  # fmt: skip


_POSTURE = {"fly": (-1.15, -0.35), "wasp": (-0.9, 0.25), "moth": (0.05, 0.6),
            "dragonfly": (-0.05, 0.22)}  # fmt: skip


def _membrane(kind: str, traits: Values, skin: Skin) -> Material:
    """Return the material of wings: glass and smoke, or a moth's scales."""
    if kind == "moth":
        return replace(
            skin.body, pattern=round(traits["wing_pattern"]), contrast=0.35 + 0.65
            * max(traits["contrast"], 0.0), gloss=0.05, texture=0.14, shadow=0.35,
            colour=hsl(traits["hue"], traits["saturation"] * 0.8, traits["lightness"] + 0.12),
        )  # fmt: skip
    smoke = max(traits["wing_smoke"], 0.0) ** 2
    tone = mix((0.56, 0.54, 0.48), mix(skin.plain.colour, (0.3, 0.2, 0.1), 0.4), smoke)
    pattern = {1: 2, 2: 5, 3: 4}.get(round(traits["wing_pattern"]), 0)
    return Material(
        tone, (0.16, 0.12, 0.1), pattern, 1.5 + 2 * traits["frequency"], 0.7, traits["phase"],
        2.0, 0.5, (0.85, 0.95, 1.0), span(smoke, 0.58, 0.9), 0.0, 0.03, shadow=0.06,
    )  # fmt: skip


def hairs_of(trunk: list[Part], traits: Values, skin: Skin, rng: np.random.Generator) -> list[Part]:
    """Return the fur of the trunk."""
    length = span(traits["hair"], 0.02, 0.06)
    tone = mix(skin.limb.colour, skin.body.second, 0.3)
    material = Material(tone, gloss=0.0, opacity=0.5, shadow=0.0)
    shapes = [p for p in trunk if isinstance(p, Lathe) and p.length > 0.15][:3]
    return [join([fringe(p.outline(), length, material, rng, p.group) for p in shapes])]


def tails_of(plan: Sections, traits: Values, skin: Skin) -> list[Part]:
    """Return cerci of crickets, an ovipositor of wasps."""
    length = span((traits["tail_length"] - 0.35) * 1.5, 0, 0.4)
    if plan.kind not in ("cricket", "wasp") or length < 0.05:
        return []
    spread = span(traits["tail_spread"], 0.1, 0.6) if plan.kind == "cricket" else 0.03
    tails = [
        polyline(
            curve((s * 0.02, -0.47), DOWN + s * spread, length, 0.04 * s, 4),
            0.01,
            0.004,
            skin.limb,
            ABDOMEN,
        )
        for s in (-1, 1)
    ]
    return [join(tails)]
