"""The body of a mask without its legs and antennae, its axis and its ends.

What is thin is no body: the mask is opened by a disc of a third of its half width, and the largest
piece is the core. The axis is the line through the core about which it is most alike on both sides,
near that of its moments. Along the axis the body is followed out from the core as long as it
narrows: where it ends in something thin and long, that is an antenna, a jaw or a tail, and the
body ends where that begins.

References: Serra, Image analysis and mathematical morphology, 1982 (opening); Sun & Sherrah, 3D
symmetry detection using the extended Gaussian image, IEEE PAMI 19, 1997 (moments, then symmetry).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_fill_holes,
    distance_transform_edt,
    grey_opening,
    label,
)

from merian.measure.shapes import Point, Shape

__all__ = ["Axis", "Trunk", "core_of", "trunk_of"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.floating[Any]]

_OPEN = 0.36  # of the half width: what is thinner is a leg
_OF_BODY = 0.6  # of a hole: so much of it lies in the core, or it is no spot on a body
_WITHIN = 0.5  # of how thick a body is: one that is less wide at its axis lies beside that
_TURNS = math.radians(16)  # from the axis of moments to that of symmetry
_LOOKED = 72  # pixels along a core that is turned to find its symmetry
_THIN = 0.14  # of the largest width: an antenna, where it goes on
_LEG = 0.12  # of the length: the stretch that a leg takes
_STUB = 0.1  # of that width: how far it goes on at least
_TIP = 2.5  # radii of the opening: what it cuts off a pointed end


@dataclass(frozen=True)
class Axis:
    """A line with a direction, in pixels of a mask's box.

    Attributes:
        origin: A point on it.
        along: Unit vector.
    """

    origin: Point
    along: Point

    @property
    def across(self) -> Point:
        """Unit vector to the right of it, as seen with y downwards."""
        return -self.along[1], self.along[0]

    def point(self, t: float, s: float = 0.0) -> Point:
        """Return a point by its place along and across."""
        (ox, oy), (ax, ay), (sx, sy) = self.origin, self.along, self.across
        return ox + t * ax + s * sx, oy + t * ay + s * sy

    def turned(self) -> Axis:
        """Return the same line the other way."""
        return Axis(self.origin, (-self.along[0], -self.along[1]))


@dataclass(frozen=True)
class Trunk:
    """A body without legs and antennae.

    Attributes:
        mask: Of it, in the box of the whole mask.
        axis: Through its middle; which end is the head is not told.
        start: Where it begins along the axis, in pixels from the origin.
        stop: Where it ends.
        left: Half widths at each pixel from start to stop, to the left.
        right: The same to the right.
        beyond: How far it reaches before or behind what is thick, as a share of its length.
    """

    mask: Mask
    axis: Axis
    start: float
    stop: float
    left: Floats
    right: Floats
    beyond: float = 0.0

    @property
    def lopsided(self) -> float:
        """How far its sides are from alike, as a share of its width."""
        width = float((self.left + self.right).mean())
        return float(np.abs(self.left - self.right).mean()) / max(width, 1e-9)

    @property
    def length(self) -> float:
        """From end to end."""
        return self.stop - self.start

    def turned(self) -> Trunk:
        """Return the same body with its ends exchanged."""
        return Trunk(
            self.mask, self.axis.turned(), -self.stop, -self.start, self.right[::-1],
            self.left[::-1], self.beyond,
        )  # fmt: skip


def core_of(mask: Mask) -> tuple[Mask, float]:
    """Return what is thick, the largest piece of an opened mask, and the radius of opening."""
    padded = np.pad(mask, 1)
    depth = distance_transform_edt(padded)
    # Of a body that is not round the deepest place says how wide it is.
    radius = _OPEN * float(depth.max())
    inner = depth > radius
    opened = distance_transform_edt(~inner) <= radius
    pieces, count = label(opened & padded, np.ones((3, 3), int))
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        pieces = pieces == sizes.argmax()
    core: Mask = (pieces > 0)[1:-1, 1:-1] & mask
    return core, radius


def trunk_of(mask: Mask) -> Trunk | None:
    """Return the body of a mask; None where nothing of it is thick, or it is bent off its axis."""
    mask = _without_spots(mask)
    core, radius = core_of(mask)
    if core.sum() < 12:
        return None
    axis = _symmetric(core)
    left, right, first = _half_widths(mask, core, axis)
    start, stop = _ends(left + right, core, axis, first, radius)
    thick, _ = _in_axis(axis, *(place + 0.5 for place in np.nonzero(core)[::-1]))
    beyond = max(float(thick.min()) - start, stop - float(thick.max()), 0.0)
    if stop - start < 3:
        return None
    numbers = np.arange(math.floor(start), math.ceil(stop))
    taken = np.clip(numbers - first, 0, len(left) - 1)
    # What widens a body for a short stretch is where a leg begins.
    size = max(3, round(_LEG * (stop - start)))
    left, right = (grey_opening(side, size, mode="nearest") for side in (left, right))
    if float((left + right)[taken].max()) < _WITHIN * 2 * radius / _OPEN:
        return None
    y, x = np.nonzero(mask)
    along, across = _in_axis(axis, x + 0.5, y + 0.5)
    place = np.clip(np.floor(along).astype(int) - first, 0, len(left) - 1)
    body = np.zeros_like(mask)
    within = (along >= start) & (along <= stop)
    within &= (across <= right[place] + 0.5) & (across >= -left[place] - 0.5)
    body[y[within], x[within]] = True
    return Trunk(
        body, axis, start, stop, left[taken], right[taken], beyond / (stop - start)
    )  # fmt: skip


def _without_spots(mask: Mask) -> Mask:
    """Return a mask with the holes within the body filled, and not those between its legs.

    What shines on a body, or is as pale as the ground, is a hole in its mask.
    """
    filled: Mask = binary_fill_holes(mask)
    holes, count = label(filled & ~mask)
    if not count:
        return mask
    core, _ = core_of(filled)
    within = np.bincount(holes.ravel(), core.ravel(), count + 1)
    share = within / np.bincount(holes.ravel(), minlength=count + 1)
    spots = share > _OF_BODY
    spots[0] = False
    found: Mask = mask | spots[holes]
    return found


def _in_axis(axis: Axis, x: Places, y: Places) -> tuple[Floats, Floats]:
    """Return places along and across an axis."""
    dx, dy = x - axis.origin[0], y - axis.origin[1]
    along: Floats = dx * axis.along[0] + dy * axis.along[1]
    across: Floats = dx * axis.across[0] + dy * axis.across[1]
    return along, across


def _symmetric(core: Mask) -> Axis:
    """Return the axis about which a core is most alike on both sides."""
    from merian.measure.mirror_loops import covered  # noqa: PLC0415 - numba takes half a second

    ellipse = Shape(core).ellipse
    y, x = np.nonzero(core)
    step = max(1, math.isqrt(len(x) // 4000))
    px, py = (x[::step] + 0.5).astype(np.float64), (y[::step] + 0.5).astype(np.float64)
    flat = core.astype(np.float32)

    def alike(angle: float, shift: float) -> float:
        """Return the share of pixels whose mirror image is in the core too."""
        ax, ay = math.cos(angle), math.sin(angle)
        ox, oy = ellipse.centre[0] - shift * ay, ellipse.centre[1] + shift * ax
        return covered(flat, px, py, ox, oy, ax, ay)

    # A round body may be alike about any line: what is longer is the axis, as a rule.
    reach = _TURNS if ellipse.major > 1.15 * ellipse.minor else math.pi / 2
    angles = ellipse.angle + np.linspace(-reach, reach, 17 if reach == _TURNS else 45)
    best = max(angles.tolist(), key=lambda angle: alike(angle, 0.0))
    fine, wide = float(angles[1] - angles[0]), 0.06 * ellipse.minor
    shift = 0.0
    for _ in range(4):
        tried = [
            (best + a * fine, shift + s * wide) for a in (-0.5, 0, 0.5) for s in (-0.5, 0, 0.5)
        ]
        best, shift = max(tried, key=lambda pair: alike(*pair))
        fine, wide = fine / 2, wide / 2
    ax, ay = math.cos(best), math.sin(best)
    cx, cy = ellipse.centre
    return Axis((cx - shift * ay, cy + shift * ax), (ax, ay))


def _half_widths(mask: Mask, core: Mask, axis: Axis) -> tuple[Floats, Floats, int]:
    """Return how far a mask reaches without a gap to both sides of its axis, slice by slice.

    Within the core that of the core counts, so that a leg makes nothing wider.
    """
    y, x = np.nonzero(mask)
    along, across = _in_axis(axis, x + 0.5, y + 0.5)
    first, last = math.floor(along.min()) - 1, math.ceil(along.max()) + 1
    places = np.arange(first, last) + 0.5
    away = np.arange(0, float(np.abs(across).max()) + 2, 0.5)
    inside = _read(core, axis, places, away), _read(mask, axis, places, away)
    found = []
    for side in (0, 1):
        of_core, of_mask = (_run(one[side]) for one in inside)
        found.append(np.where(of_core > 0, of_core, of_mask))
    return found[0] / 2, found[1] / 2, first


def _read(mask: Mask, axis: Axis, places: Floats, away: Floats) -> tuple[Mask, Mask]:
    """Return whether a mask is set beside an axis, to its left and to its right."""
    sides = []
    for sign in (-1, 1):
        x = axis.origin[0] + places[:, None] * axis.along[0] + sign * away * axis.across[0]
        y = axis.origin[1] + places[:, None] * axis.along[1] + sign * away * axis.across[1]
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        there = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
        there[there] = mask[row[there], column[there]]
        sides.append(there)
    return sides[0], sides[1]


def _run(there: Mask) -> Floats:
    """Return how many are set from the first on, without a gap."""
    run: Floats = np.where(there.all(axis=1), there.shape[1], (~there).argmax(axis=1))
    return run.astype(np.float64)


def _ends(width: Floats, core: Mask, axis: Axis, first: int, radius: float) -> tuple[float, float]:
    """Return where a body begins and ends along its axis."""
    y, x = np.nonzero(core)
    along, _ = _in_axis(axis, x + 0.5, y + 0.5)
    low, high = round(float(along.min())) - first, round(float(along.max())) - first
    widest = float(np.percentile(width[width > 0], 95))
    stop = _followed(width, high, widest, radius)
    start = _followed(width[::-1], len(width) - 1 - low, widest, radius)
    return first + (len(width) - 1 - start), first + stop + 1.0


def _followed(width: Floats, at: int, widest: float, radius: float) -> float:
    """Return the last slice of a body that is followed on from the end of its core."""
    at = min(max(at, 1), len(width) - 1)
    while at > 0 and width[at] == 0:
        at -= 1
    begin = at
    while at + 1 < len(width) and width[at + 1] > 0:
        at += 1
    # A tip that the opening has cut off narrows and ends soon; what goes on is an appendage.
    if at - begin > _TIP * radius:
        narrow = np.flatnonzero(width[begin : at + 1] < 1.5 * radius)
        return float(begin + narrow[0] if len(narrow) else begin)
    thin = at
    while thin > 0 and width[thin] < _THIN * widest:
        thin -= 1
    if at - thin > max(_STUB * widest, 2):
        return float(min(begin, thin))
    return float(at)
