"""Legs, antennae, wings, hairs and tails: what a body carries, in the pose of the moment.

Limbs are turned about their joints, never stretched, so that their lengths stay true. Lengths are
in body lengths, angles in radians from x (right) to y (up).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.shading import Material
from merian.world.drawing.shapes import Lathe, Strokes, egg, polyline

__all__ = ["antenna", "curve", "fringe", "join", "leg", "turn", "wing"]

Doubles = NDArray[np.float64]
Point = tuple[float, float]


def turn(angle: float) -> Doubles:
    """Return the unit vector at an angle."""
    return np.array([np.cos(angle), np.sin(angle)])


def join(strokes: list[Strokes]) -> Strokes:
    """Return strokes of one material as one part."""
    first = strokes[0]
    return Strokes(
        np.concatenate([s.ends for s in strokes]),
        np.concatenate([s.radii for s in strokes]),
        np.concatenate([s.along for s in strokes]),
        first.material,
        first.relief,
        first.group,
    )


def curve(start: Point, angle: float, length: float, sag: float, pieces: int = 8) -> Doubles:
    """Return points of an arc whose ends are exactly `length` apart."""
    u = np.linspace(0, 1, pieces + 1)[:, None]
    axis, across = turn(angle), turn(angle + np.pi / 2)
    points: Doubles = np.asarray(start) + length * (u * axis + sag * 4 * u * (1 - u) * across)
    return points


def leg(
    hip: Point,
    angles: tuple[float, float, float],
    lengths: tuple[float, float, float],
    thick: float,
    material: Material,
    group: int = 0,
) -> Strokes:
    """Return a leg of femur, tibia and tarsus; the femur swells, the rest tapers."""
    knee = np.asarray(hip) + lengths[0] * turn(angles[0])
    ankle = knee + lengths[1] * turn(angles[1])
    toe = ankle + lengths[2] * turn(angles[2])
    belly = np.asarray(hip) + 0.45 * (knee - np.asarray(hip))
    points = np.array([hip, belly, knee, ankle, 0.5 * (ankle + toe), toe])
    radii = np.array([0.75, 1.0, 0.6, 0.42, 0.3, 0.18]) * thick
    ends = np.column_stack([points[:-1], points[1:]])
    pairs = np.column_stack([radii[:-1], radii[1:]])
    pairs[2, 0] = 0.42 * thick  # a step at the knee
    along = np.array([[0.0, 0.25], [0.25, 0.5], [0.5, 0.8], [0.8, 0.9], [0.9, 1.0]])
    return Strokes(ends, pairs, along, material, group=group)


def antenna(
    base: Point,
    angle: float,
    length: float,
    sag: float,
    thick: float,
    club: float,
    material: Material,
    group: int = 0,
) -> Strokes:
    """Return an antenna: a thread, or with a club, or, where the club is large, a feather."""
    pieces = 10
    points = curve(base, angle, length, sag, pieces)
    line = polyline(points, thick, thick * 0.45, material, group)
    radii = line.radii.copy()
    if 0.45 < club <= 0.8:
        radii[-3:] = thick * (1.0 + 3.2 * (club - 0.45))
        radii[-1, 1] = thick * 0.5
    # Beads: every second joint is a little thinner.
    radii[::2] *= 0.86
    line = Strokes(line.ends, radii, line.along, material, group=group)
    if club <= 0.8:
        return line
    barbs = []
    for place in np.linspace(0.12, 0.94, 13):
        at = points[0] + (points[-1] - points[0]) * place
        at = at + length * sag * 4 * place * (1 - place) * turn(angle + np.pi / 2)
        reach = length * 0.2 * np.sin(np.pi * place) ** 0.6
        for side in (-1.0, 1.0):
            tip = at + reach * turn(angle + side * 0.95)
            barbs.append(polyline(np.array([at, tip]), thick * 0.35, thick * 0.2, material, group))
    return join([line, *barbs])


def wing(
    root: Point,
    angle: float,
    length: float,
    breadth: float,
    tip: float,
    material: Material,
    *,
    veins: tuple[int, int, float] = (0, 0, 0.0),
    side: int = 1,
    lead: float = 0.3,
    group: int = 0,
) -> Lathe:
    """Return a wing; side 1 is the one whose leading edge is to the left of its axis.

    Args:
        root: Where it is hinged.
        angle: Of its axis.
        length: From root to tip.
        breadth: Largest width.
        tip: 0 is pointed, 1 is blunt.
        material: Of the membrane.
        veins: Lengthwise, cross, and their darkness.
        side: 1 or -1.
        lead: The share of the breadth that lies before the axis.
        group: Of parts that break off together.
    """
    ahead = egg(2 * breadth * lead, 0.55 + 0.2 * tip, 2.2, 1.8 + 1.2 * tip)
    behind = egg(2 * breadth * (1 - lead), 0.5 + 0.22 * tip, 1.9, 1.7 + 1.4 * tip)
    left, right = (ahead, behind) if side > 0 else (behind, ahead)
    return Lathe(root, angle, length, left, right, material, 0.28, veins=veins, group=group)


def fringe(
    outline: Doubles, length: float, material: Material, rng: np.random.Generator, group: int = 0
) -> Strokes:
    """Return hairs that stand out from an outline."""
    count = min(len(outline) // 2, 110)
    index = rng.choice(len(outline) - 2, count, replace=len(outline) - 2 < count) + 1
    centre = outline.mean(axis=0)
    roots = outline[index]
    edge = outline[index + 1] - outline[index - 1]
    away = np.column_stack([edge[:, 1], -edge[:, 0]])
    away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-9
    away *= np.where(np.sum(away * (roots - centre), axis=1) < 0, -1.0, 1.0)[:, None]
    bend = rng.normal(0, 0.35, (count, 2)) + np.array([0.0, -0.5])
    reach = (length * rng.uniform(0.5, 1.1, count))[:, None]
    tips = roots + reach * (away + 0.5 * bend)
    ends = np.column_stack([roots - 0.3 * reach * away, tips])
    radii = np.tile(np.array([[0.004, 0.001]]), (count, 1))
    return Strokes(ends, radii, np.tile([[0.0, 1.0]], (count, 1)), material, group=group)
