"""Light on a surface: normals to brightness, and the patterns that a skin may carry.

Every part of a body knows for each of its pixels where it lies on the part (u along it from 0 to
1, t across it from -1 to 1) and which way it faces. A material turns these into colour: two
pigments mixed by a pattern, a diffuse and a glossy reflection (Blinn 1977,
doi:10.1145/563858.563893), a darker rim.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Light", "Material", "coat", "hsl", "shade"]

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Where the light comes from, in pixels with z towards the camera.

    Attributes:
        direction: A unit vector to the light: right, down, to the camera.
        colour: Of the light, about 1.
        ambient: The share of light that comes from everywhere.
    """

    direction: tuple[float, float, float] = (-0.45, -0.55, 0.7)
    colour: Colour = (1.0, 1.0, 1.0)
    ambient: float = 0.45


@dataclass(frozen=True)
class Material:
    """What a part is made of.

    Attributes:
        colour: The first pigment.
        second: The second, where the pattern says so.
        pattern: 0 plain, 1 stripes, 2 bands, 3 spots, 4 gradient, 5 patches, 6 margin, 7 chevrons.
        frequency: How many of them.
        contrast: How much of the second pigment shows, 0 to 1.
        phase: Shifts the pattern.
        edge: Sharpness of its borders.
        gloss: Strength of highlights.
        shine: The colour of highlights and of a metallic lustre.
        opacity: 1 hides what lies behind.
        rim: Opacity that is added where the surface turns away, as in glass.
        texture: Strength of fine mottling.
        grooves: Number of furrows along the part, a side.
        depth: Of the furrows.
        segments: Furrows across the part.
        shadow: How much it darkens what lies under its edge.
    """

    colour: Colour
    second: Colour = (0.1, 0.1, 0.1)
    pattern: int = 0
    frequency: float = 3.0
    contrast: float = 0.0
    phase: float = 0.0
    edge: float = 3.0
    gloss: float = 0.3
    shine: Colour = field(default=(1.0, 1.0, 1.0))
    opacity: float = 1.0
    rim: float = 0.0
    texture: float = 0.06
    grooves: float = 0.0
    depth: float = 0.0
    segments: float = 0.0
    shadow: float = 0.35


def hsl(hue: float, saturation: float, lightness: float) -> Colour:
    """Return red, green, blue from 0 to 1; the hue is a turn, the others are clipped."""
    saturation = min(max(saturation, 0.0), 1.0)
    # Pure greens and violets look painted; living ones are muted.
    green = np.exp(-((((hue % 1.0) - 0.3) / 0.13) ** 2))
    violet = np.exp(-((((hue % 1.0) - 0.74) / 0.12) ** 2))
    saturation *= 1 - 0.5 * float(green) - 0.45 * float(violet)
    return colorsys.hls_to_rgb(hue % 1.0, min(max(lightness, 0.02), 0.97), saturation)


def coat(material: Material, u: Floats, t: Floats) -> Floats | None:
    """Return the share of the second pigment from 0 to 1, or None where there is none."""
    if material.pattern == 0 or material.contrast <= 0.01:
        return None
    turn, phase = np.float32(2 * np.pi), np.float32(material.phase * 2 * np.pi)
    frequency = np.float32(material.frequency)
    side = np.abs(t)
    if material.pattern == 1:
        wave = np.cos(turn * frequency * 0.5 * side + phase)
    elif material.pattern == 2:
        wave = np.cos(turn * frequency * (u + 0.06 * side * side) + phase)
    elif material.pattern == 3:
        wave = 0.45 - np.cos(turn * frequency * u + phase) * np.cos(turn * 0.9 * side + 0.6 * phase)
        wave = -wave * 1.5
    elif material.pattern == 4:
        wave = (u - np.float32(0.25 + 0.5 * (material.phase % 1.0))) * 3
    elif material.pattern == 5:
        wave = _patches(u, side, float(frequency), float(phase))
    elif material.pattern == 6:
        wave = (side - 1 + 1 / (1 + frequency * 0.6)) * 8
    else:
        wave = np.cos(turn * frequency * (u + (0.25 + 0.1 * np.sin(phase)) * side) + phase)
    share: Floats = np.clip(0.5 + material.edge * (wave - 0.1), 0, 1).astype(np.float32)
    return share * np.float32(material.contrast)


def _patches(u: Floats, side: Floats, frequency: float, phase: float) -> Floats:
    """Return blotches that are the same for everyone of a species: waves that cross."""
    total = np.zeros_like(u)
    for number, (along, across) in enumerate(((1.0, 0.4), (-0.5, 0.9), (0.7, -1.1), (1.6, 0.8))):
        angle = 2.2 * frequency * (along * u + across * 0.7 * side) + phase * (1 + 0.7 * number)
        total += np.cos(angle + 1.9 * number)
    return total * np.float32(0.6)


def shade(
    material: Material,
    light: tuple[float, float, float],
    lamp: Light,
    normal: tuple[Floats, Floats, Floats],
    surface: tuple[Floats, Floats],
    mottle: Floats,
) -> Floats:
    """Return the colour of each pixel of a part, float32[h, w, 3].

    Args:
        material: Of the part.
        light: The direction to the light in the frame of the normals.
        lamp: Colour and ambient share.
        normal: Three planes, of unit length.
        surface: Where each pixel lies on the part: u and t.
        mottle: Fine noise of spread 1.
    """
    nu, nv, nz = normal
    u, t = surface
    if material.grooves and material.depth:
        wave = np.sin(np.float32(2 * np.pi * material.grooves) * np.abs(t)) * np.sign(t)
        nv = nv + (np.float32(material.depth) * wave).astype(np.float32)
    if material.segments:
        nu = nu + np.float32(0.45) * _furrow(u * np.float32(material.segments))
    facing = nu * np.float32(light[0]) + nv * np.float32(light[1]) + nz * np.float32(light[2])
    facing = np.clip(facing, 0, 1)
    level = lamp.ambient * (0.35 + 0.65 * nz) + (1 - lamp.ambient) * 1.25 * facing
    level *= 1 + np.float32(material.texture) * mottle
    colour = _pigment(material, u, t)
    result: Floats = colour * level[..., None] * np.array(lamp.colour, np.float32)
    if material.gloss > 0.02:
        # Half-way between the light and the camera.
        half = np.array([light[0], light[1], light[2] + 1.0])
        half /= np.linalg.norm(half)
        spark = nu * np.float32(half[0]) + nv * np.float32(half[1]) + nz * np.float32(half[2])
        spark = np.clip(spark, 0, 1)
        wide = spark**6
        spark = (wide**5 * 0.8 + wide * 0.22) * np.float32(material.gloss)
        result += spark[..., None] * np.array(material.shine, np.float32)
    return result


def _furrow(phase: Floats) -> Floats:
    """Return the slope of plates that overlap: a saw tooth."""
    slope: Floats = (phase - np.floor(phase)) ** 4 * 2 - 0.25
    return slope


def _pigment(material: Material, u: Floats, t: Floats) -> Floats:
    first = np.array(material.colour, np.float32)
    share = coat(material, u, t)
    if share is None:
        return first[None, None, :]
    return first + share[..., None] * (np.array(material.second, np.float32) - first)
