"""What the parts of an insect have in common: materials, and where its sections begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from merian.world.drawing.shading import Colour, Material, hsl
from merian.world.traits import elytra_length, insect_width, span

__all__ = [
    "ABDOMEN", "CHEST", "DOWN", "HEAD", "LEGS", "WINGS", "Sections", "Skin", "Values", "make_skin",
    "mix", "sections",
]  # fmt: skip

Values = Mapping[str, float]
DOWN = -np.pi / 2
# Parts of one group break off together.
HEAD, CHEST, ABDOMEN, WINGS, LEGS = range(5)


@dataclass(frozen=True)
class Skin:
    """The materials of one insect."""

    body: Material
    plain: Material
    head: Material
    limb: Material
    eye: Material


@dataclass(frozen=True)
class Sections:
    """Where the sections of a body begin and how wide they are."""

    kind: str
    neck: float  # y where head and chest meet
    loin: float  # y where chest and abdomen meet
    head: float  # widths
    chest: float
    abdomen: float


def make_skin(kind: str, traits: Values) -> Skin:
    """Return the materials of an individual."""
    hue, light, strong = traits["hue"], traits["lightness"], traits["saturation"]
    # Dark yellows look dirty and bright blues like plastic: nature keeps away from both.
    strong *= 0.55 if 0.18 < hue % 1.0 < 0.8 and light > 0.35 else 1.0
    second = hsl(
        traits["second_hue"], traits["second_saturation"] * 0.85, traits["second_lightness"]
    )
    gloss = span(traits["gloss"], 0.05, 0.85) * {"moth": 0.3, "spider": 0.5}.get(kind, 1.0)
    colour = hsl(hue, strong, light)
    tint = span((traits["gloss"] - 0.6) * 2.5, 0, 0.8)
    lustre = hsl(hue + 0.08, 0.9, 0.6)
    shine: Colour = (
        1 - tint + tint * lustre[0], 1 - tint + tint * lustre[1], 1 - tint + tint * lustre[2]
    )  # fmt: skip
    body = Material(
        colour, second, round(traits["pattern"]), 2 + 7 * max(traits["frequency"], 0.0),
        max(traits["contrast"], 0.0), traits["phase"], 1 + 5 * max(traits["edge"], 0.0), gloss,
        shine, texture=0.05 + 0.12 * max(traits["hair"], 0.0),
    )  # fmt: skip
    plain = replace(body, pattern=0)
    head = replace(plain, colour=hsl(hue + 0.01, strong, light + traits["head_light"]))
    limb_light = min(max(light + traits["limb_light"], 0.07), 0.6)
    limb = replace(
        plain, colour=hsl(hue + 0.015, strong * 0.9, limb_light), gloss=gloss * 0.5, shadow=0.0,
        pattern=2 if traits["wing_pattern"] > 4.5 else 0, frequency=4.0, texture=0.03,
        contrast=0.6 * max(traits["contrast"], 0.0),
    )  # fmt: skip
    eye = Material(hsl(traits["eye_hue"], 0.5, 0.1 + 0.25 * traits["head"] ** 2), gloss=1.0)
    return Skin(body, plain, head, limb, eye)


def sections(kind: str, traits: Values) -> Sections:
    """Return where the sections of an individual's body begin, and their widths."""
    width = insect_width(kind, traits)
    head, chest, waist = (min(max(traits[n], 0.0), 1.0) for n in ("head", "chest", "waist"))
    if kind == "beetle":
        loin = -0.5 + elytra_length(traits)
        neck = loin + (0.5 - loin) * span(head, 0.66, 0.5)
        return Sections(kind, neck, loin, width * (0.4 + 0.3 * head), width * (0.68 + 0.29 * waist),
                     width)  # fmt: skip
    if kind == "bug":
        neck, loin = 0.36 - 0.08 * head, 0.36 - 0.08 * head - (0.16 + 0.08 * chest)
        return Sections(kind, neck, loin, width * (0.35 + 0.2 * head), width * (0.8 + 0.18 * waist),
                     width)  # fmt: skip
    if kind == "spider":
        loin = 0.5 - (0.36 + 0.14 * chest)
        return Sections(kind, 0.5, loin, 0.0, width * (0.58 + 0.35 * waist), width)
    if kind == "dragonfly":
        return Sections(kind, 0.4, 0.14 + 0.06 * chest, width * (0.8 + 0.2 * head), width,
                     width * (0.4 + 0.4 * waist))  # fmt: skip
    if kind == "cricket":
        return Sections(kind, 0.32 - 0.05 * head, 0.12, width * (0.6 + 0.25 * head),
                     width * (0.75 + 0.2 * waist), width)  # fmt: skip
    neck = 0.5 - span(head, 0.15, 0.21)
    loin = neck - span(chest, 0.24, 0.36)
    ratio = {"fly": 0.75 + 0.5 * waist, "wasp": 0.6 + 0.75 * waist}.get(kind, 0.7 + 0.4 * waist)
    wide = width / max(1.0, ratio)
    return Sections(kind, neck, loin, wide * (0.78 + 0.2 * head), wide, wide * ratio)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a blend of two colours."""
    rest = 1 - share
    return (
        first[0] * rest + second[0] * share,
        first[1] * rest + second[1] * share,
        first[2] * rest + second[2] * share,
    )
