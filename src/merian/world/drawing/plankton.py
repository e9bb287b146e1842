"""Plankton-like bodies: clear as glass, with organs that shine through.

Seven sorts: copepod, water flea, medusa, diatom chain, radiolarian, dinoflagellate, arrow worm.
Lengths are in body lengths, the body's upper end at y = 0.5 and its lower end at -0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from merian.world.drawing.limbs import antenna, curve, join, turn
from merian.world.drawing.relief import Relief
from merian.world.drawing.shading import Material, hsl
from merian.world.drawing.shapes import Disc, Figure, Lathe, Part, Strokes, egg, oval, polyline
from merian.world.traits import KINDS, appendage_count, plankton_width, span

__all__ = ["plankton"]

Values = Mapping[str, float]
DOWN, UP = -np.pi / 2, np.pi / 2


@dataclass(frozen=True)
class _Skin:
    """The materials of one body."""

    glass: Material
    limb: Material
    gut: Material
    eye: Material


def plankton(traits: Values, rng: np.random.Generator) -> Figure:
    """Return the body of an individual in some pose."""
    kind = KINDS[1][round(traits["kind"])]
    width = plankton_width(kind, traits)
    parts = _MAKERS[kind](traits, _skin(kind, traits), width, rng)
    place = _WIDEST.get(kind, 0.0)
    if kind in ("copepod", "water flea"):
        shell = next(p for p in parts if isinstance(p, Lathe) and p.group == 1)
        place = shell.start[1] - shell.length * float(np.argmax(shell.left)) / 64
    if kind == "medusa":
        place = 0.5 - 0.8 * _bell(traits)
    marks = {
        "head_tip": (0.0, 0.5),
        "abdomen_tip": (0.0, -0.5),
        "width_left": (-width / 2, place),
        "width_right": (width / 2, place),
    }
    return Figure(tuple(parts), marks)


def _skin(kind: str, traits: Values) -> _Skin:
    hue, strong = traits["hue"], traits["saturation"]
    light = span(traits["lightness"], 0.32, 0.78)
    clear = span(traits["clarity"], 0.5, 0.9)
    glass = Material(
        hsl(hue, strong * 0.8, light),
        hsl(traits["second_hue"], traits["second_saturation"], traits["second_lightness"]),
        round(traits["pattern"]), 2 + 6 * max(traits["frequency"], 0.0),
        0.75 * max(traits["contrast"], 0.0), traits["phase"], 1 + 3 * max(traits["edge"], 0.0),
        0.7, (1.0, 1.0, 1.0), clear, 0.85, 0.04, shadow=0.1,
    )  # fmt: skip
    if kind in ("diatom", "dinoflagellate"):
        warm = 0.09 + 0.12 * (hue % 1.0)
        glass = replace(glass, colour=hsl(warm, 0.35 + 0.4 * strong, light))
    limb = replace(
        glass, pattern=0, opacity=min(clear + 0.25, 1.0), rim=0.3, shadow=0.0, gloss=0.3,
        colour=hsl(hue + 0.02, strong * 0.7, light - 0.1),
    )  # fmt: skip
    gut = Material(
        hsl(traits["second_hue"], 0.3 + 0.6 * traits["second_saturation"],
            span(traits["second_lightness"], 0.16, 0.5)),
        gloss=0.2, opacity=0.75, texture=0.2, shadow=0.0,
    )  # fmt: skip
    eye = Material(hsl(traits["eye_hue"] * 0.1, 0.7, 0.14), gloss=0.9, shadow=0.1)
    return _Skin(glass, limb, gut, eye)


def _lathe(
    start: tuple[float, float], angle: float, length: float, profile: np.ndarray,
    material: Material, group: int = 0, bend: float = 0.0,
) -> Lathe:  # fmt: skip
    return Lathe(start, angle, length, profile, profile, material, 1.0, bend, group=group)


def _bristles(
    tip: tuple[float, float], aim: float, count: int, reach: float, fan: float,
    material: Material, rng: np.random.Generator,
) -> list[Strokes]:  # fmt: skip
    """Return hairs that spread from a point."""
    aims = aim + np.linspace(-fan, fan, count) + rng.normal(0, 0.03, count)
    return [
        polyline(
            curve(tip, float(a), reach * (0.8 + 0.2 * np.cos(a - aim)), 0.03, 4),
            0.006,
            0.0025,
            material,
        )
        for a in aims
    ]


def _copepod(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    front = span(traits["head"], 0.56, 0.72)
    loin = 0.5 - front
    thin = width * span(traits["waist"], 0.2, 0.38)
    feelers = []
    reach = span(traits["antenna_length"], 0.35, 1.05)
    spread = span(traits["wing_spread"], 0.15, 1.0) + rng.normal(0, 0.08)
    root = 0.5 - 0.13 * front
    for side in (-1, 1):
        aim = spread * -0.8 if side > 0 else np.pi + spread * 0.8
        sag = side * (0.08 + 0.1 * traits["antenna_curve"])
        base = (side * width * 0.28, root)
        thick = span(traits["limb_thickness"], 0.01, 0.018)
        feelers.append(antenna(base, aim, reach, sag, thick, 0.0, skin.limb))
        points = curve(base, aim, reach, sag, 10)
        hair = 0.05 * turn(aim + side * 1.2)
        feelers += [
            polyline(np.array([spot, spot + hair]), 0.004, 0.002, skin.limb)
            for spot in points[3::2]
        ]
    tails: list[Strokes] = []
    fork = span(traits["tail_spread"], 0.08, 0.45)
    for side in (-1, 1):
        hip = np.array([side * thin * 0.3, -0.44])
        end = hip + 0.07 * turn(DOWN + side * fork)
        end[1] = -0.5
        tails.append(polyline(np.array([hip, end]), thin * 0.2, thin * 0.15, skin.limb))
        reach = span(traits["tail_length"], 0.08, 0.4)
        tip = (float(end[0]), -0.5)
        tails += _bristles(tip, DOWN + side * fork, 4, reach, 0.3, skin.limb, rng)
    peak = span(traits["peak"], 0.35, 0.6)
    shell = replace(skin.glass, segments=round(span(traits["veins"], 3, 6)))
    rear = replace(skin.glass, segments=4.0, pattern=0)
    full = _lathe((0.0, 0.5), DOWN, front, egg(width, peak, span(traits["pointed"], 1.7, 2.8),
                                               2.5), shell, 1)  # fmt: skip
    parts: list[Part] = [
        join(feelers), join(tails),
        _lathe((0.0, loin + 0.04), DOWN, loin + 0.49, egg(thin, 0.2, 2.0, 4.0), rear),
        full,
        _lathe((0.0, 0.36), DOWN, front * 0.62,
               egg(width * span(traits["chest"], 0.2, 0.5), 0.3, 2.0, 1.7), skin.gut),
    ]  # fmt: skip
    if traits["eye"] > 0.25:
        parts.append(Disc((0.0, 0.5 - 0.1 * front), oval(0.02, 0.017 + 0.012 * traits["eye"]),
                          skin.eye))  # fmt: skip
    if traits["lobes"] > 0.6:  # egg sacs
        eggs = replace(skin.gut, colour=skin.glass.second, opacity=0.9)
        sac = _lathe((0.0, loin - 0.02), DOWN, 0.26, egg(width * 0.36, 0.5), eggs)
        sac = replace(sac, relief=Relief("bumps", 0.03, 1.2, 0.3))
        parts += [
            replace(sac, start=(side * thin * 0.45, loin - 0.02), angle=DOWN + side * 0.35)
            for side in (-1, 1)
        ]
    return parts


def _water_flea(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    tail = span(traits["tail_length"], 0.05, 0.3)
    shell_length = 1 - tail
    limbs: list[Strokes] = []
    reach = span(traits["antenna_length"], 0.3, 0.55)
    for side in (-1, 1):
        aim = UP - side * (span(traits["wing_spread"], 0.7, 1.2) + rng.normal(0, 0.1))
        base = (side * width * 0.2, 0.3)
        stem = curve(base, aim, reach * 0.5, 0.05 * side, 4)
        limbs.append(polyline(stem, 0.028, 0.018, skin.limb))
        for fork in (-0.35, 0.3):
            twig = curve((float(stem[-1][0]), float(stem[-1][1])), aim + fork, reach * 0.5, 0.06)
            limbs.append(polyline(twig, 0.013, 0.006, skin.limb))
            hair = 0.12 * turn(aim + fork * 0.5)
            limbs += [
                polyline(np.array([spot, spot + hair]), 0.004, 0.002, skin.limb)
                for spot in twig[2::2]
            ]
    shell = replace(
        skin.glass, grooves=round(span(traits["grooves"], 0, 9)), depth=0.15, opacity=0.65
    )
    profile = egg(width, span(traits["peak"], 0.42, 0.62), span(traits["pointed"], 1.6, 2.6), 1.9)
    body = _lathe((0.0, 0.5), DOWN, shell_length, profile, shell, 1)
    gut = curve((0.02, 0.36), DOWN - 0.12, 0.62 * shell_length, span(traits["lobes"], 0.1, 0.3))
    parts: list[Part] = [
        join(limbs),
        polyline(curve((0.0, 0.53 - shell_length), DOWN, 0.03 + tail, 0.0, 3), 0.02, 0.004,
                 skin.limb),
        body,
        replace(polyline(gut, 0.035, 0.022, skin.gut), group=0),
    ]  # fmt: skip
    for number in range(round(span(traits["count"], 0, 6))):  # the brood
        x = (0.1 + 0.07 * (number % 2)) * width * 2 - 0.02
        y = 0.08 - 0.075 * number
        brood = replace(skin.gut, colour=skin.glass.second, opacity=0.7, gloss=0.4)
        parts.append(Disc((-x, y), oval(0.06, 0.055), brood))
    size = span(traits["eye"], 0.035, 0.075)
    parts.append(Disc((0.06 * width, 0.39), oval(size, size), skin.eye))
    return parts


def _bell(traits: Values) -> float:
    return span(traits["chest"], 0.45, 0.95)


def _medusa(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    """Return a bell seen from the side; its length is that from the top to the mouth's arms."""
    bell = _bell(traits)
    count = appendage_count("medusa", traits)
    reach = span(traits["limb_length"], 0.35, 1.3)
    sway = rng.normal(0, 0.25)
    rim = 0.5 - bell * 0.93
    threads = []
    for place in np.linspace(-0.92, 0.92, count):
        base = (float(place) * width / 2, rim + 0.05 * bell * (1 - place * place))
        aim = DOWN + 0.3 * place + 0.3 * sway + rng.normal(0, 0.08)
        length = reach * rng.uniform(0.75, 1.05)
        u = np.linspace(0, 1, 10)[:, None]
        wave = 0.05 * length * np.sin(u * rng.uniform(4, 9) + rng.uniform(0, 6)) * u
        points = curve(base, aim, length, 0.12 * sway, 9) + wave * turn(aim + UP)
        thick = span(traits["limb_thickness"], 0.006, 0.018)
        threads.append(polyline(points, thick, 0.003, skin.limb))
    dome = np.sin(np.linspace(0, 1, 65) ** span(traits["peak"], 0.55, 1.1) * np.pi / 2)
    power = span(traits["pointed"], 0.42, 0.75)
    profile = width / 2 * np.where(dome > 0, dome, 0) ** power
    u = np.linspace(0, 1, 65)
    profile = profile * np.where(u > 0.93, 1 - 5 * np.maximum(u - 0.93, 0) ** 1.4, 1.0)
    profile *= width / 2 / profile.max()
    glass = replace(
        skin.glass, opacity=0.35 + 0.45 * skin.glass.opacity, grooves=round(count / 4), depth=0.2
    )
    if glass.pattern == 2:
        glass = replace(glass, pattern=1)
    organ = replace(skin.gut, opacity=0.7)
    arms = []
    for side in np.linspace(-1, 1, round(span(traits["fork_count"], 2, 5))):
        path = curve((side * 0.06 * width, 0.5 - 0.35 * bell), DOWN + 0.12 * side,
                     0.65 - 0.1 * abs(side) + 0.35 * bell - 0.0, 0.05 * side, 6)  # fmt: skip
        path[:, 1] = np.maximum(path[:, 1], -0.49)
        arms.append(polyline(path, 0.05 * width, 0.012, organ))
    gonads: list[Part] = []
    for place in (-0.5, -0.18, 0.18, 0.5):
        size = span(traits["lobes"], 0.06, 0.14)
        gonads.append(Disc((place * width * 0.55, 0.5 - bell * (0.5 + 0.12 * abs(place))),
                           oval(size * width * 0.55, size), organ, 0.8))  # fmt: skip
    top = Lathe((0.0, 0.5), DOWN, bell, profile, profile, glass, 0.95, group=1)
    return [join(threads), join(arms), *gonads, top]


def _diatom(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    """Return a chain of cells with their plastids, and spines where cells meet."""
    count = appendage_count("diatom", traits)
    length = 1.0 / count
    square = span(traits["pointed"], 2.4, 9.0)
    gap = span(traits["waist"], 0.9, 1.0)
    bend = rng.normal(0, 0.02)
    strand = replace(skin.limb, opacity=0.8, gloss=0.1)
    middle = curve((0.0, 0.5), DOWN, 1.0, -bend, 8)
    thick = 0.16 * width
    cells: list[Part] = [polyline(middle, thick, thick, strand)]
    spines: list[Strokes] = []
    wall = replace(skin.glass, opacity=0.6, rim=1.0)
    plastid = replace(skin.gut, colour=skin.glass.colour, opacity=0.7)
    reach = span(traits["limb_length"], -0.15, 0.45)
    for number in range(count):
        top = 0.5 - number * length
        size = length * (gap if number < count - 1 else 1.0)
        aside = 4 * bend * (top - 0.5) * (top + 0.5)
        cells.append(_lathe((aside, top), DOWN, size, egg(width, 0.5, square, square), wall, 1))
        for _ in range(round(span(traits["lobes"], 1, 5))):
            x = aside + rng.uniform(-0.27, 0.27) * width
            y = top - size * rng.uniform(0.25, 0.75)
            round_ = min(width, size) * rng.uniform(0.12, 0.2)
            cells.append(Disc((x, y), oval(round_, round_ * 0.8), plastid, 0.6))
        if reach > 0.03:
            for side in (-1, 1):
                base = (aside + side * width * 0.42, top - 0.02 * size)
                lift = span(traits["tail_spread"], -0.5, 0.6) + rng.normal(0, 0.05)
                aim = lift if side > 0 else np.pi - lift
                spines.append(polyline(curve(base, aim, reach, side * 0.08, 5), 0.006, 0.003,
                                       skin.limb))  # fmt: skip
    spine_parts: list[Part] = [join(spines)] if spines else []
    return [*spine_parts, *cells]


def _radiolarian(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    """Return a sphere of lattice with a core and spines."""
    count = appendage_count("radiolarian", traits)
    reach = span(traits["limb_length"], 0.12, 0.75)
    spines = []
    stem = span(traits["limb_thickness"], 0.006, 0.028)
    for number in range(count):
        aim = 2 * np.pi * number / count + rng.normal(0, 0.6 / count)
        base = 0.4 * turn(aim) * np.array([width, 1.0])
        length = (reach + 0.05) * (1.0 if number % 2 == 0 else span(traits["hind_limb"], 0.4, 1))
        spines.append(polyline(np.array([base, base + length * turn(aim)]), stem, 0.003,
                               skin.limb))  # fmt: skip
    lobes = round(span(traits["fork_count"], 0, 6))
    angle = np.arange(96) * (2 * np.pi / 96)
    bulge = 0.06 * traits["lobes"] * np.cos(lobes * angle) * np.sin(angle) ** 2 * np.cos(angle) ** 2
    ring = _ring(width, angle) * (1 + bulge)
    lattice = Relief("pits", span(traits["relief"], 0.05, 0.13), 1.3, 0.7, (0.35, 0.35, 0.4), 0.12)
    shell = replace(skin.glass, opacity=0.55, pattern=round(traits["pattern"]) % 3)
    core = span(traits["chest"], 0.12, 0.3)
    parts: list[Part] = [join(spines)]
    halo = replace(skin.glass, opacity=0.4, rim=0.3, pattern=0, gloss=0.1)
    if traits["hair"] > 0.5:
        parts.append(Disc((0.0, 0.0), np.full(48, 0.5 + 0.2 * reach), halo, 0.9))
    parts += [
        Disc((0.0, 0.0), oval(core * width, core), skin.gut),
        Disc((0.0, 0.0), ring, shell, 1.0, lattice),
    ]
    return parts


def _ring(width: float, angle: np.ndarray) -> np.ndarray:
    ring: np.ndarray = 0.5 * width / np.hypot(np.cos(angle), width * np.sin(angle))
    return ring


def _dinoflagellate(
    traits: Values, skin: _Skin, width: float, rng: np.random.Generator
) -> list[Part]:
    """Return an armoured cell with a girdle and horns that end at the ends of the body."""
    horn = span(traits["tail_length"], 0.05, 0.36)
    core = 1 - horn * 1.5
    top = 0.5 - horn * 0.9
    bottom = top - core
    plates = Relief("cups", span(traits["relief"], 0.05, 0.13), 0.32, 0.3, (0.6, 0.55, 0.5), 0.3)
    shell = replace(skin.glass, opacity=min(skin.glass.opacity + 0.25, 1.0))
    horns = [polyline(curve((0.0, top - 0.12), UP, horn * 0.9 + 0.12, 0.0, 4), width * 0.16, 0.009,
                      shell)]  # fmt: skip
    for side in (-1, 1):
        lift = span(traits["tail_spread"], 0.1, 1.2) * side
        base = (side * width * 0.22, bottom + 0.14)
        reach = (base[1] + 0.5) / np.cos(lift * 0.0) * (0.8 if side > 0 else 1.0)
        path = curve(base, DOWN + lift * 0.45, reach, -0.15 * lift, 6)
        path[:, 1] = np.maximum(path[:, 1], -0.5)
        horns.append(polyline(path, width * 0.12, 0.008, shell))
    profile = egg(width, span(traits["peak"], 0.4, 0.6), span(traits["pointed"], 1.2, 2.4), 1.9)
    body = replace(_lathe((0.0, top), DOWN, core, profile, shell, 1), relief=plates)
    dark = replace(skin.gut, opacity=0.55)
    middle = top - core * float(np.argmax(profile)) / 64
    girdle = Lathe((-width / 2, middle), 0.0, width, egg(0.055, 0.5, 5, 5), egg(0.055, 0.5, 5, 5),
                   dark, 0.5)  # fmt: skip
    spots: list[Part] = []
    for _ in range(round(span(traits["count"], 2, 9))):
        x, y = rng.uniform(-0.25, 0.25) * width, middle + rng.uniform(-0.25, 0.25) * core
        spots.append(Disc((x, y), oval(0.035, 0.03), dark, 0.6))
    return [join(horns), body, *spots, girdle]


def _arrow_worm(traits: Values, skin: _Skin, width: float, rng: np.random.Generator) -> list[Part]:
    bend = rng.normal(0, 0.012)
    fins: list[Part] = []
    glassy = replace(skin.glass, opacity=0.65, pattern=0, grooves=6.0, depth=0.2)
    for place, size in ((0.0, 0.3), (-0.2, 0.26)):
        wide = width * span(traits["wing_width"], 1.4, 2.4)
        fins.append(_lathe((0.0, place + size / 2), DOWN, size, egg(wide, 0.6, 1.6, 2.2), glassy))
    tail = egg(width * 2.4 * span(traits["tail_spread"], 0.7, 1.3), 0.85, 1.2, 4.0)
    fins.append(_lathe((0.0, -0.36), DOWN, 0.14, tail, glassy))
    hooks = []
    for side in (-1, 1):
        for number in range(4):
            aim = UP - side * (0.5 + 0.25 * number)
            hooks.append(polyline(curve((side * width * 0.25, 0.46), aim, 0.045, 0.2 * side, 3),
                                  0.006, 0.003, skin.limb))  # fmt: skip
    body = replace(skin.glass, segments=0.0)
    trunk = _lathe((0.0, 0.5), DOWN, 1.0, egg(width, 0.42, 4.0, 1.9), body, 1, bend)
    gut = _lathe((0.0, 0.44), DOWN, 0.72, egg(width * 0.34, 0.5, 5, 4), skin.gut, 0, bend)
    eyes: list[Part] = [
        Disc((s * width * 0.22, 0.45), oval(0.009, 0.009), skin.eye) for s in (-1, 1)
    ]
    return [*fins, join(hooks), trunk, gut, *eyes]


_MAKERS = {
    "copepod": _copepod,
    "water flea": _water_flea,
    "medusa": _medusa,
    "diatom": _diatom,
    "radiolarian": _radiolarian,
    "dinoflagellate": _dinoflagellate,
    "arrow worm": _arrow_worm,
}
_WIDEST = {"arrow worm": 0.08, "diatom": 0.5}
