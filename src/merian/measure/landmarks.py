"""Landmarks of a body from its outline and its picture: ends, widest place, elytra.

Which end is the head, and where the elytra begin, is found together. Where thorax and elytra meet
there is a notch in the outline, an edge across the body, and from there on a line down the middle,
the suture. Each place along the body gets a mark for these three, from either end; the best one
that leaves the elytra between a half and six sevenths of the body is their base. Where nothing is
clear the elytra are not told, and the narrower end is taken for the head.

The head ends where its closed jaws end, if they meet on the axis before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from merian.measure.body import Body
from merian.measure.body_parts import Trunk, trunk_of
from merian.measure.colour import lab_of
from merian.measure.shapes import Point

__all__ = ["SIDES", "Found", "Told", "find_landmarks", "trunk_codes", "with_found"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_ROWS, _COLUMNS = 160, 41  # of a body that is drawn straight
_BASE = (0.14, 0.52)  # of the length from the head: where elytra begin
_JAWS = 0.075  # of the length: how far they reach before the head
_CLEAR = 2.0  # of a place's mark, in spreads of all: less is no base; of beetles all have more
_AS_CLEAR = 0.85  # of the clearest place: another is as good
_FAR = 1 / 16  # of the length: places that are not the same
_LOPSIDED = 0.1  # of the width: no body that lies straight is so
_BEYOND = 0.08  # of the length: no head and no tail goes on so far without being thick
_BASE_CODE = "elytra-base"
_NARROW = 0.7  # what a narrower head adds to the mark of an end
_LEG = 0.1  # of half the width: a side that lies farther from a network's is not the body's
_LEGS_CODE = "legs-kept"
_OF_BODY, _OF_ELYTRA = ("width_left", "width_right"), ("elytra_left", "elytra_right")
# Where sides run an outline tells better than a network, whose map is flat along it.
SIDES = frozenset({*_OF_BODY, *_OF_ELYTRA})


@dataclass(frozen=True)
class Told:
    """What a network says of a body (see `merian.measure.placing`).

    Attributes:
        points: The landmarks that it is sure of, in pixels of the box.
        absent: Those that it is sure the body has not.
        sides: Where the body is widest, on both sides, in pixels of the box; None where it does not
            say. It may be vague along the body.
    """

    points: Mapping[str, Point]
    absent: frozenset[str] = frozenset()
    sides: tuple[Point, Point] | None = None


@dataclass(frozen=True)
class Found:
    """What was found on a body.

    Attributes:
        points: Landmarks, in pixels of the box.
        parts: Masks of the body and, where they were found, of the elytra.
        base: How clear the base of the elytra is, in spreads of all places; 0 where not looked for.
        codes: What may be wrong: "legs-kept", "elytra-base".
        taken: Those of the points that were told, or lie where that was told.
        mended: Sides among them that are told ones, and not the outline's.
        apart: How far the farthest that was told is from where it would be without, in pixels.
    """

    points: dict[str, Point]
    parts: dict[str, Mask]
    base: float
    codes: tuple[str, ...] = ()
    taken: frozenset[str] = field(default=frozenset())
    mended: frozenset[str] = field(default=frozenset())
    apart: float = 0.0


def find_landmarks(
    mask: Mask, picture: NDArray[np.uint8] | None, told: Told | None = None
) -> Found | None:
    """Return the landmarks of a body; None where nothing of the mask is thick.

    Args:
        mask: All that stands out, with legs.
        picture: uint8[h, w, 3] of the same box; None where there is none.
        told: What a network says of it.
    """
    trunk = trunk_of(mask)
    if trunk is None:
        return None
    marks = [_marks(one, picture) for one in (trunk, trunk.turned())]
    best = [_hindmost(one) for one in marks]
    scores = [float(one.max()) + _NARROW * (_front(each) < _front(each.turned()))
              for one, each in zip(marks, (trunk, trunk.turned()), strict=True)]  # fmt: skip
    turned = scores[1] > scores[0]
    chosen = trunk.turned() if turned else trunk
    head = _jaws(chosen, mask)
    clear = float(marks[turned].max())
    points = {
        "head_tip": chosen.axis.point(head),
        "abdomen_tip": chosen.axis.point(chosen.stop),
        **_widest(chosen, chosen.start, chosen.stop, _OF_BODY),
    }
    parts = {"body": chosen.mask}
    codes = list(trunk_codes(chosen))
    if picture is not None and clear >= _CLEAR:
        base = chosen.start + (best[turned] + 0.5) / _ROWS * chosen.length
        points["elytra_base"] = chosen.axis.point(base)
        points["elytra_tip"] = points["abdomen_tip"]
        points.update(_widest(chosen, base, chosen.stop, _OF_ELYTRA))
        parts["elytra"] = _behind(chosen, base)
        if _elsewhere(marks[turned], best[turned]) > _AS_CLEAR * clear:
            codes.append(_BASE_CODE)
    found = Found(points, parts, clear, tuple(codes))
    return found if told is None else _with_told(found, chosen, told)


def with_found(body: Body, found: Found) -> Body:
    """Return a body with its landmarks and its parts; what it has of them already stays."""
    points = {name: body.in_picture(point) for name, point in found.points.items()}
    given = {_BASE_CODE: "elytra_base" in body.points, _LEGS_CODE: "body" in body.parts}
    codes = (*body.codes, *(code for code in found.codes if not given[code]))
    return replace(
        body, points={**points, **body.points}, parts={**found.parts, **body.parts}, codes=codes
    )


def trunk_codes(trunk: Trunk) -> tuple[str, ...]:
    """Return what is doubtful of a body: a leg or an antenna in it is on one side, or at an end."""
    return (_LEGS_CODE,) if trunk.lopsided > _LOPSIDED or trunk.beyond > _BEYOND else ()


def _hindmost(mark: Floats) -> int:
    """Return the clearest place, or the one behind it that is as clear.

    A head meets the thorax as clearly as that the elytra, and behind their base nothing does.
    """
    at = int(mark.argmax())
    behind = at + round(_FAR * _ROWS)
    after = mark[behind:]
    if len(after) and float(after.max()) > _AS_CLEAR * float(mark[at]) > 0:
        return behind + int(after.argmax())
    return at


def _elsewhere(mark: Floats, at: int) -> float:
    """Return the mark of the clearest place that is far from one."""
    away = np.abs(np.arange(_ROWS) - at)
    return float(mark[away > _FAR * _ROWS].max())


def _with_told(plain: Found, trunk: Trunk, told: Told) -> Found:
    """Return landmarks with those that were told; the rest follows from where these are."""
    given = {name: point for name, point in told.points.items() if name not in SIDES}
    points = dict(plain.points)
    if {"head_tip", "abdomen_tip"} <= told.points.keys():
        ends = [_along(trunk, told.points[name]) for name in ("head_tip", "abdomen_tip")]
        if ends[0] > ends[1]:
            trunk = trunk.turned()
    points |= given
    of_body, mended = _sides_told(trunk, trunk.start, _OF_BODY, told)
    points |= of_body or _widest(trunk, trunk.start, trunk.stop, _OF_BODY)
    of_elytra: dict[str, Point] = {}
    parts = dict(plain.parts)
    base = points.get("elytra_base")
    place = trunk.start if base is None else _along(trunk, base)
    if base is None or "elytra_base" in told.absent or place >= trunk.stop - 1:
        points = {name: at for name, at in points.items() if not name.startswith("elytra_")}
        parts.pop("elytra", None)
    else:
        # The outline alone has elytra end where the body does; so they do where that is told.
        points["elytra_tip"] = given.get("elytra_tip", points["abdomen_tip"])
        of_elytra, more = _sides_told(trunk, place, _OF_ELYTRA, told)
        points |= of_elytra or _widest(trunk, place, trunk.stop, _OF_ELYTRA)
        mended |= more
        parts["elytra"] = _behind(trunk, place)
    there = given.keys() & points.keys()
    taken = frozenset(there | of_body.keys() | of_elytra.keys())
    both = there & plain.points.keys()
    apart = max((math.dist(points[name], plain.points[name]) for name in both), default=0.0)
    # A base that is told is not one of two places that look alike.
    sought = "elytra_base" in points and "elytra_base" not in taken
    codes = [code for code in plain.codes if code != _BASE_CODE or sought]
    if mended and _LEGS_CODE not in codes:
        codes.append(_LEGS_CODE)
    return Found(points, parts, plain.base, tuple(codes), taken, mended, apart)


def _sides_told(
    trunk: Trunk, start: float, names: tuple[str, str], told: Told
) -> tuple[dict[str, Point], frozenset[str]]:
    """Return the ends of the largest width from a place on, if it is told, and what is not outline.

    A network tells better where a body is widest, as an outline may be so at a leg; and the outline
    how wide it is there, unless they are far apart, as where that goes around a leg.
    """
    if told.sides is None:
        return {}, frozenset()
    place = sum(_along(trunk, point) for point in told.sides) / 2
    if not start <= place < trunk.stop:
        return {}, frozenset()
    at = min(max(math.floor(place) - math.floor(trunk.start), 0), len(trunk.left) - 1)
    low, high = sorted(_across(trunk, point) for point in told.sides)
    points, mended = {}, set()
    for name, own, seen in (
        (names[0], -float(trunk.left[at]), low), (names[1], float(trunk.right[at]), high)
    ):  # fmt: skip
        if abs(own - seen) > _LEG * (high - low) / 2:
            mended.add(name)
        points[name] = trunk.axis.point(place, seen if name in mended else own)
    return points, frozenset(mended)


def _along(trunk: Trunk, point: Point) -> float:
    """Return the place of a point along the axis of a body."""
    (ox, oy), (ax, ay) = trunk.axis.origin, trunk.axis.along
    return (point[0] - ox) * ax + (point[1] - oy) * ay


def _across(trunk: Trunk, point: Point) -> float:
    """Return how far a point is to the right of the axis of a body."""
    (ox, oy), (sx, sy) = trunk.axis.origin, trunk.axis.across
    return (point[0] - ox) * sx + (point[1] - oy) * sy


def _front(trunk: Trunk) -> float:
    """Return how wide a body is near its start, as a share of its largest width."""
    width = trunk.left + trunk.right
    return float(width[: max(2, round(0.15 * len(width)))].mean() / max(width.max(), 1e-9))


def _jaws(trunk: Trunk, mask: Mask) -> float:
    """Return where the head ends: before the trunk, if closed jaws reach on along the axis."""
    reach = _JAWS * trunk.length
    places = np.arange(trunk.start, trunk.start - 1.5 * reach, -0.5)
    side = 0.06 * float((trunk.left + trunk.right).max())
    away = np.arange(-side, side + 0.5, 0.5)
    x = trunk.axis.origin[0] + places[:, None] * trunk.axis.along[0] + (
        away * trunk.axis.across[0]
    )  # fmt: skip
    y = trunk.axis.origin[1] + places[:, None] * trunk.axis.along[1] + (
        away * trunk.axis.across[1]
    )  # fmt: skip
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    there = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
    there[there] = mask[row[there], column[there]]
    seen = np.flatnonzero(there.any(axis=1))
    if not len(seen):
        return trunk.start
    # What goes on beyond the reach of jaws is an antenna before them: the middle of what may be.
    if places[seen[-1]] < trunk.start - reach:
        return trunk.start - reach / 2
    return float(places[seen[-1]]) - 0.25


def _widest(trunk: Trunk, start: float, stop: float, names: tuple[str, str]) -> dict[str, Point]:
    """Return the ends of the largest width between two places."""
    first = math.floor(trunk.start)
    low, high = max(round(start) - first, 0), max(round(stop) - first, 1)
    width = (trunk.left + trunk.right)[low:high]
    at = low + int(width.argmax())
    place = first + at + 0.5
    return {
        names[0]: trunk.axis.point(place, -float(trunk.left[at])),
        names[1]: trunk.axis.point(place, float(trunk.right[at])),
    }


def _behind(trunk: Trunk, base: float) -> Mask:
    """Return the body from a place on."""
    y, x = np.nonzero(trunk.mask)
    (ox, oy), (ax, ay) = trunk.axis.origin, trunk.axis.along
    behind = (x + 0.5 - ox) * ax + (y + 0.5 - oy) * ay >= base
    part = np.zeros_like(trunk.mask)
    part[y[behind], x[behind]] = True
    return part


# -- where thorax and elytra meet -------------------------------------------------------------


def _marks(trunk: Trunk, picture: NDArray[np.uint8] | None) -> Floats:
    """Return how much each place along a body looks like the base of elytra; NaN-free."""
    notch = _notch(trunk)
    mark = _standard(notch)
    if picture is not None:
        straight = _straight(trunk, picture)
        mark = mark + _standard(_edge_across(straight)) + _standard(_suture_begins(straight))
    place = (np.arange(_ROWS) + 0.5) / _ROWS
    allowed = (place >= _BASE[0]) & (place <= _BASE[1])
    return np.where(allowed, mark / 3, -9.0)


def _standard(values: Floats) -> Floats:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values)


def _rows(values: Floats) -> Floats:
    """Return values along a body at the rows of one that is drawn straight."""
    at = (np.arange(_ROWS) + 0.5) / _ROWS * len(values) - 0.5
    return np.interp(at, np.arange(len(values)), values)


def _notch(trunk: Trunk) -> Floats:
    """Return how deep the outline is below the line over its bulges, on the less deep side."""
    depth = []
    for side in (trunk.left, trunk.right):
        width = gaussian_filter1d(_rows(side), 1.0)
        depth.append(_above(width) - width)
    less: Floats = np.minimum(*depth)
    return less


def _above(values: Floats) -> Floats:
    """Return the upper hull of values."""
    chain: list[int] = []
    for at in range(len(values)):
        while len(chain) > 1:
            a, b = chain[-2], chain[-1]
            if (values[b] - values[a]) * (at - a) > (values[at] - values[a]) * (b - a):
                break
            chain.pop()
        chain.append(at)
    return np.interp(np.arange(len(values)), chain, values[chain])


def _straight(trunk: Trunk, picture: NDArray[np.uint8]) -> Floats:
    """Return the body as a rectangle of colours: rows along it, columns across, in CIELAB."""
    place = trunk.start + (np.arange(_ROWS) + 0.5) / _ROWS * trunk.length
    left, right = _rows(trunk.left), _rows(trunk.right)
    # Both halves by the same width, so that the middle column is the axis.
    half = np.minimum(left, right)
    away = np.linspace(-0.85, 0.85, _COLUMNS) * half[:, None]
    x = trunk.axis.origin[0] + place[:, None] * trunk.axis.along[0] + away * trunk.axis.across[0]
    y = trunk.axis.origin[1] + place[:, None] * trunk.axis.along[1] + away * trunk.axis.across[1]
    blur = max(trunk.length / _ROWS / 2, 0.3)
    soft = gaussian_filter(picture.astype(np.float32), (blur, blur, 0))
    read = [map_coordinates(soft[..., c], (y - 0.5, x - 0.5), order=1, mode="nearest")
            for c in range(3)]  # fmt: skip
    return lab_of(np.stack(read, axis=-1))


def _edge_across(straight: Floats) -> Floats:
    """Return how strong an edge goes across the body at each row."""
    change = gaussian_filter1d(straight, 1.5, axis=0, order=1, mode="nearest")
    strength = np.linalg.norm(change, axis=2)
    # Most of the columns, so that no spot makes an edge.
    edge: Floats = np.percentile(strength, 35, axis=1)
    edge[: round(0.06 * _ROWS)] = edge[-round(0.06 * _ROWS) :] = 0.0
    return edge


def _suture_begins(straight: Floats) -> Floats:
    """Return how well the row parts a body without a line down its middle from one with it."""
    light = straight[..., 0]
    middle = _COLUMNS // 2
    centre = light[:, middle - 1 : middle + 2].min(axis=1)
    beside = np.minimum(
        light[:, middle - 6 : middle - 2].mean(axis=1),
        light[:, middle + 3 : middle + 7].mean(axis=1),
    )
    dark = np.clip(beside - centre, -6.0, 6.0)
    dark = gaussian_filter1d(dark, 1.0)
    # The means before and after each row, as far as they differ for their number.
    total = np.concatenate([[0.0], np.cumsum(dark)])
    n = np.arange(1, _ROWS)
    before, after = total[1:-1] / n, (total[-1] - total[1:-1]) / (_ROWS - n)
    weight = np.sqrt(n * (_ROWS - n)) / _ROWS
    found = np.zeros(_ROWS)
    found[1:] = (after - before) * weight
    return found
