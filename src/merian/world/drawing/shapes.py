"""The three shapes that all bodies are made of, and how they are painted.

A lathe is an outline along an axis (heads, elytra, wings, bells), a disc an outline around a
centre (domes, shells), strokes are tapered round rods (legs, antennae, spines, branches). All
lengths are in body lengths; x is to the right, y up, the head is up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merian.world.drawing.canvas import Canvas, Frame
from merian.world.drawing.relief import Relief, add_relief
from merian.world.drawing.shading import Material, shade

__all__ = ["Disc", "Figure", "Lathe", "Part", "Strokes", "egg", "oval", "paint", "polyline"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_SAMPLES = 65


@dataclass(frozen=True)
class Lathe:
    """An outline along an axis.

    Attributes:
        start: Where the axis begins.
        angle: Its direction, radians from x to y.
        length: Of the axis.
        left: Half-widths on the left at equal steps along the axis.
        right: Those on the right.
        material: What it is made of.
        dome: 0 is flat, 1 is round.
        bend: How far the middle of the axis is moved to the left, in lengths of the axis.
        veins: Number of lengthwise and of cross veins, and how dark they are.
        relief: Texture in pixels of the picture, if any.
        group: Parts of one group break off together.
    """

    start: tuple[float, float]
    angle: float
    length: float
    left: Doubles
    right: Doubles
    material: Material
    dome: float = 1.0
    bend: float = 0.0
    veins: tuple[int, int, float] = (0, 0, 0.0)
    relief: Relief | None = None
    group: int = 0

    def outline(self) -> Doubles:
        """Return points around the shape."""
        u = np.linspace(0, 1, len(self.left))
        axis = np.array([np.cos(self.angle), np.sin(self.angle)])
        across = np.array([-axis[1], axis[0]])
        middle = (
            np.asarray(self.start)
            + u[:, None] * self.length * axis
            + (4 * self.bend * self.length * u * (1 - u))[:, None] * across
        )
        left, right = self.left[:, None] * across, self.right[:, None] * across
        return np.concatenate([middle + left, (middle - right)[::-1]])


@dataclass(frozen=True)
class Disc:
    """An outline around a centre.

    Attributes:
        centre: Where it is.
        radius: Distances of the outline at equal angles, from x to y and round.
        material: What it is made of.
        dome: 0 is flat, 1 is a half sphere.
        relief: Texture, if any.
        group: Parts of one group break off together.
    """

    centre: tuple[float, float]
    radius: Doubles
    material: Material
    dome: float = 1.0
    relief: Relief | None = None
    group: int = 0

    def outline(self) -> Doubles:
        """Return points around the shape."""
        angle = np.arange(len(self.radius)) * (2 * np.pi / len(self.radius))
        ring = np.column_stack([np.cos(angle), np.sin(angle)]) * self.radius[:, None]
        return np.asarray(self.centre) + ring


@dataclass(frozen=True)
class Strokes:
    """Tapered rods with round ends, shaded as one.

    Attributes:
        ends: float64[n, 4], x and y of both ends.
        radii: float64[n, 2], at both ends.
        along: float64[n, 2], the place on the limb at both ends, 0 to 1: for patterns.
        material: What they are made of.
        group: Parts of one group break off together.
    """

    ends: Doubles
    radii: Doubles
    along: Doubles
    material: Material
    relief: Relief | None = None
    group: int = 0

    def outline(self) -> Doubles:
        """Return points around the shape."""
        points = self.ends.reshape(-1, 2)
        reach = self.radii.reshape(-1, 1)
        corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        return np.concatenate([points + reach * corner for corner in corners])


Part = Lathe | Disc | Strokes


@dataclass(frozen=True)
class Figure:
    """A body: its parts from the lowest to the topmost, and its landmarks."""

    parts: tuple[Part, ...]
    landmarks: dict[str, tuple[float, float]]

    def outline(self) -> Doubles:
        """Return points around all parts."""
        return np.concatenate([part.outline() for part in self.parts])

    def regroup(self, groups: set[int]) -> Figure:
        """Return the figure with only the parts of some groups."""
        return replace(self, parts=tuple(part for part in self.parts if part.group in groups))


def egg(width: float, peak: float = 0.5, front: float = 2.0, back: float = 2.0) -> Doubles:
    """Return half-widths of an egg: widest at `peak`; 2 is round, more is blunt, less pointed."""
    u = np.linspace(0, 1, _SAMPLES)
    peak = min(max(peak, 0.05), 0.95)
    gap = np.where(u < peak, (peak - u) / peak, (u - peak) / (1 - peak))
    power = np.where(u < peak, front, back)
    shape: Doubles = width / 2 * np.maximum(1 - gap**power, 0) ** (1 / np.maximum(power, 1.6))
    return shape


def oval(across: float, along: float) -> Doubles:
    """Return the radius of an ellipse, for a disc; half its width and half its height."""
    angle = np.arange(48) * (2 * np.pi / 48)
    ring: Doubles = across * along / np.hypot(along * np.cos(angle), across * np.sin(angle))
    return ring


def polyline(
    points: Doubles, start: float, end: float, material: Material, group: int = 0
) -> Strokes:
    """Return a limb through points that tapers from one radius to another."""
    count = len(points) - 1
    steps = np.linspace(0, 1, count + 1)
    radius = start + (end - start) * steps
    return Strokes(
        np.column_stack([points[:-1], points[1:]]),
        np.column_stack([radius[:-1], radius[1:]]),
        np.column_stack([steps[:-1], steps[1:]]),
        material,
        group=group,
    )


def paint(figure: Figure, canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """Paint all parts of a figure."""
    for part in figure.parts:
        if isinstance(part, Lathe):
            _paint_lathe(part, canvas, frame, rng)
        elif isinstance(part, Disc):
            _paint_disc(part, canvas, frame, rng)
        else:
            _paint_strokes(part, canvas, frame, rng)


def _local_light(
    canvas: Canvas, frame: Frame, axis: Doubles
) -> tuple[tuple[float, float, float], Doubles]:
    """Return the light in the frame of a part, and that frame's axes in pixels."""
    across = np.array([-axis[1], axis[0]])
    axes = np.column_stack([frame.matrix @ axis, frame.matrix @ across])
    unit = axes / np.linalg.norm(axes, axis=0)
    x, y, z = canvas.light.direction
    return (float(x * unit[0, 0] + y * unit[1, 0]), float(x * unit[0, 1] + y * unit[1, 1]), z), axes


def _local_grid(
    canvas: Canvas, box: tuple[slice, slice], start: Doubles, axes: Doubles
) -> tuple[Floats, Floats]:
    """Return for each pixel its place along and across the axes of a part."""
    x, y = canvas.grid(box)
    back = np.linalg.inv(axes).astype(np.float32)
    x, y = x - np.float32(start[0]), y - np.float32(start[1])
    return back[0, 0] * x + back[0, 1] * y, back[1, 0] * x + back[1, 1] * y


def _paint_lathe(part: Lathe, canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    axis = np.array([np.cos(part.angle), np.sin(part.angle)]) * part.length
    soft = 0.03 * frame.scale
    box = canvas.box(frame.to_pixels(part.outline()), soft + 1.5)
    if box is None:
        return
    light, axes = _local_light(canvas, frame, axis)
    start = frame.to_pixels(np.array([part.start]))[0]
    u, v = _local_grid(canvas, box, start, axes)
    inner = np.clip(u, 0, 1)
    if part.bend:
        v = v - np.float32(4 * part.bend) * inner * (1 - inner)
    width, slope = _width(part, inner, v)
    # v and the widths are in lengths of the axis; distances in pixels.
    unit = np.float32(frame.scale * part.length)
    gap = (width - np.abs(v)) / np.sqrt(1 + np.minimum(slope * slope, 9.0))
    past = np.maximum(-u, u - 1)
    distance = np.where(past > 0, -np.hypot(past, np.maximum(np.abs(v) - width, 0)), gap) * unit
    cover = np.clip(distance + np.float32(0.5), 0, 1)
    t: Floats = np.clip(v / np.maximum(width, 1e-6), -1, 1).astype(np.float32)
    dome = np.float32(part.dome)
    nz = np.sqrt(1 - (dome * t) ** 2 * np.float32(0.97))
    nu: Floats = (-np.clip(slope, -2.5, 2.5) * nz * np.float32(0.55) * dome).astype(np.float32)
    _finish(part, canvas, frame, rng, box, (cover, distance), (nu, dome * t, nz), (inner, t), light)


def _width(part: Lathe, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return the half-width at each pixel, on its side, and how it changes, in axis lengths."""
    at = u * np.float32(len(part.left) - 1)
    index = np.minimum(at.astype(np.int32), len(part.left) - 2)
    rest = at - index
    table = np.stack([part.right, part.left]).astype(np.float32) / np.float32(part.length)
    steps = np.diff(table, axis=1)
    if np.array_equal(part.left, part.right):
        low, step = table[0][index], steps[0][index]
    else:
        side = (v > 0).astype(np.int32)
        low, step = table[side, index], steps[side, index]
    return low + rest * step, step * np.float32(len(part.left) - 1)


def _paint_disc(part: Disc, canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    soft = 0.03 * frame.scale
    box = canvas.box(frame.to_pixels(part.outline()), soft + 1.5)
    if box is None:
        return
    light, axes = _local_light(canvas, frame, np.array([1.0, 0.0]))
    start = frame.to_pixels(np.array([part.centre]))[0]
    x, y = _local_grid(canvas, box, start, axes)
    angle: Floats = (np.arctan2(y, x) / np.float32(2 * np.pi)).astype(np.float32)
    count = len(part.radius)
    at = (angle % 1.0) * np.float32(count)
    index = at.astype(np.int32) % count
    rest = at - np.floor(at)
    table = part.radius.astype(np.float32)
    steps = np.roll(table, -1) - table
    reach = table[index] + rest * steps[index]
    slope = steps[index] * np.float32(count / (2 * np.pi)) / np.maximum(reach, 1e-6)
    radius = np.hypot(x, y)
    distance = (reach - radius) / np.sqrt(1 + np.minimum(slope * slope, 9)) * frame.scale
    distance = distance.astype(np.float32)
    cover = np.clip(distance + np.float32(0.5), 0, 1)
    share: Floats = np.clip(radius / np.maximum(reach, 1e-6), 0, 1).astype(np.float32)
    inverse: Floats = (1 / np.maximum(radius, 1e-6)).astype(np.float32)
    lean = np.float32(part.dome) * share
    nz = np.sqrt(1 - lean * lean * np.float32(0.97))
    normal = (lean * x * inverse, lean * y * inverse, nz)
    _finish(part, canvas, frame, rng, box, (cover, distance), normal, (share, angle * 2), light)


def _paint_strokes(part: Strokes, canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    starts = frame.to_pixels(part.ends[:, :2])
    ends = frame.to_pixels(part.ends[:, 2:])
    radii = part.radii * frame.scale
    reach = float(radii.max())
    box = canvas.box(np.concatenate([starts, ends]), reach + 2)
    if box is None:
        return
    shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    best = np.full(shape, -9.0, np.float32)  # signed distance
    aside = np.zeros((2, *shape), np.float32)  # the normal's x and y
    place = np.zeros(shape, np.float32)
    corner = np.array([box[1].start, box[0].start], dtype=np.float64)
    for row in range(len(starts)):
        _stamp(
            best, aside, place, starts[row] - corner, ends[row] - corner, radii[row],
            part.along[row],
        )  # fmt: skip
    cover = np.clip(best + np.float32(0.5), 0, 1)
    lean = np.clip(aside[0] ** 2 + aside[1] ** 2, 0, 0.97)
    nz = np.sqrt(1 - lean)
    across = np.sqrt(lean) * np.sign(aside[0] + aside[1] * np.float32(0.3))
    light = canvas.light.direction
    normal = (aside[0], aside[1], nz)
    _finish(part, canvas, frame, rng, box, (cover, best), normal, (place, across), light)


def _stamp(
    best: Floats,
    aside: Floats,
    place: Floats,
    start: Doubles,
    end: Doubles,
    radii: Doubles,
    along: Doubles,
) -> None:
    """Enter one rod into the planes, where it is nearer than what is there."""
    # A hair thinner than a pixel still leaves a trace.
    first, last = max(radii[0], 0.4), max(radii[1], 0.4)
    reach = max(first, last) + 2
    left, top = np.maximum(np.floor(np.minimum(start, end) - reach), 0).astype(int)
    right, bottom = np.ceil(np.maximum(start, end) + reach).astype(int) + 1
    view = best[top:bottom, left:right]
    if view.size == 0:
        return
    x = np.arange(left, left + view.shape[1], dtype=np.float32)[None] - np.float32(start[0])
    y = np.arange(top, top + view.shape[0], dtype=np.float32)[:, None] - np.float32(start[1])
    dx, dy = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    share = (x * dx + y * dy) / (dx * dx + dy * dy + np.float32(1e-9))
    h: Floats = np.clip(share, 0, 1).astype(np.float32)
    x, y = x - h * dx, y - h * dy
    radius = np.float32(first) + np.float32(last - first) * h
    distance = radius - np.sqrt(x * x + y * y)
    closer = distance > view
    np.copyto(view, distance, where=closer)
    np.copyto(aside[0, top:bottom, left:right], x / radius, where=closer)
    np.copyto(aside[1, top:bottom, left:right], y / radius, where=closer)
    position = np.float32(along[0]) + np.float32(along[1] - along[0]) * h
    np.copyto(place[top:bottom, left:right], position, where=closer)


def _finish(
    part: Part,
    canvas: Canvas,
    frame: Frame,
    rng: np.random.Generator,
    box: tuple[slice, slice],
    edge: tuple[Floats, Floats],
    normal: tuple[Floats, Floats, Floats],
    surface: tuple[Floats, Floats],
    light: tuple[float, float, float],
) -> None:
    """Shade a part whose geometry is known, and lay it on the canvas."""
    cover, distance = edge
    material = part.material
    if material.shadow > 0.01 and not isinstance(part, Strokes):
        near = np.clip(1 + distance / np.float32(0.03 * frame.scale), 0, 1)
        canvas.darken(box, np.float32(material.shadow) * near * near)
    stain = None
    if part.relief is not None:
        normal, stain = add_relief(part.relief, normal, frame.scale, rng)
    colour = shade(material, light, canvas.light, normal, surface, canvas.mottle[box])
    if stain is not None and part.relief is not None:
        tint = np.array(part.relief.colour, np.float32)
        colour = colour + stain[..., None] * (tint * colour.mean(axis=2, keepdims=True) - colour)
    opacity = cover * np.float32(material.opacity)
    if material.rim:
        turned = 1 - normal[2]
        opacity = opacity + cover * (1 - opacity) * np.float32(material.rim) * turned**1.5
    if isinstance(part, Lathe) and part.veins[2]:
        unit = frame.scale * part.length
        dark = _veins(part, surface, unit) * cover
        colour = colour * (1 - 0.75 * dark)[..., None]
        opacity = np.maximum(opacity, dark * np.float32(part.veins[2]))
    canvas.lay(box, colour, np.clip(opacity, 0, 1), cover)


def _veins(part: Lathe, surface: tuple[Floats, Floats], unit: float) -> Floats:
    """Return 1 on the veins of a wing: a fan from its root, and ladders between."""
    u, t = surface
    lengthwise, cross, _ = part.veins
    half = np.float32(max(part.left.max(), part.right.max()) / part.length * unit)
    total = lengthwise + 1
    phase = (t + 1) * np.float32(0.5 * total)
    gap = np.abs(phase - np.round(phase)) * half * np.float32(2 / total)
    line = np.clip(1.1 - gap, 0, 1)
    if cross:
        # The ladders of neighbouring fields are shifted, as in real wings.
        shift = np.floor(phase) * np.float32(0.37)
        rung = u * np.float32(cross) + shift
        gap = np.abs(rung - np.round(rung)) * np.float32(unit / cross)
        line = np.maximum(line, np.clip(0.9 - gap, 0, 1) * (u > 0.25))
    strong = np.clip(1.6 - np.abs(1 - np.abs(t)) * half, 0, 1)
    result: Floats = np.maximum(line * (0.55 + 0.45 * (1 - u)), strong)
    return result
