"""What a definition gives of a body in pixels, and how far the outline lets it be off.

An edge that is drawn too far out makes a body longer at both ends and wider at both sides. So the
uncertainty of the outline, `Edge.uncertainty`, goes into every quantity by what the quantity would
be with all of the outline moved by it: twice it into a length, the perimeter times it into an area,
the surface times it into a volume. Landmarks that were set are off each for itself.

References: BIPM, Evaluation of measurement data: guide to the expression of uncertainty in
measurement, JCGM 100:2008, 5.1; Hillebrand & others, Biovolume calculation for pelagic and benthic
microalgae, Journal of Phycology 35, 1999 (volumes by shape).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from merian.measure.body import Body
from merian.measure.colour import ColourCalibration, lab_of
from merian.measure.definitions import CHANNELS, Definition
from merian.measure.midline import path_length
from merian.measure.shapes import Point, Shape

__all__ = ["Quantity", "quantity"]

BY_HAND = 1.5  # pixels: how far a point that somebody has set is off
FOUND = 0.5  # pixels: how far one that was found is off, beside the edge
_MOST_POINTS = 24  # of a midline that is drawn and written

_OfShape = Callable[[Body, Shape], "Quantity"]


@dataclass(frozen=True)
class Quantity:
    """What was measured, in pixels to the power of its dimension.

    Attributes:
        value: The value.
        uncertainty: Its standard uncertainty without scale and definition; NaN where not known.
        points: Between which it runs, in the picture, with names if they have some.
        named: Names of the points; as many, or none.
    """

    value: float
    uncertainty: float
    points: tuple[Point, ...] = ()
    named: tuple[str, ...] = ()


def quantity(
    body: Body,
    definition: Definition,
    colours: ColourCalibration | None = None,
    by_hand: frozenset[str] = frozenset(),
) -> Quantity | None:
    """Return what a definition gives of a body; None where the body has not what it asks for.

    Args:
        body: The specimen.
        definition: The trait.
        colours: Of the picture, where a chart lies in it.
        by_hand: Landmarks that somebody has set.
    """
    if definition.how in ("chord", "path"):
        return _between(body, definition.landmarks, by_hand)
    if definition.how == "across":
        return _across(body)
    shape = body.part(definition.part)
    if shape is None:
        return None
    if definition.how == "colour":
        return _colour(body, shape, definition.colour, colours)
    if definition.how in ("midline", "cylinder", "cone"):
        return _along_midline(body, definition, shape)
    return _OF_SHAPE[definition.how](body, shape)


def _between(body: Body, names: Sequence[str], by_hand: frozenset[str]) -> Quantity | None:
    if any(name not in body.points for name in names):
        return None
    points = tuple(body.points[name] for name in names)
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    # Of how far an end is off, only what lies along the line makes it longer or shorter.
    ends = {names[0]: _way(points[1], points[0]), names[-1]: _way(points[-2], points[-1])}
    # What a network has placed is off by its own error, and not by that of the outline.
    placed = body.off.keys() - by_hand
    apart = [BY_HAND if name in by_hand else body.off[name].along(way) if name in placed else FOUND
             for name, way in ends.items()]  # fmt: skip
    edge = sum(body.edge.uncertainty for name in ends if name not in by_hand | placed)
    return Quantity(length, math.hypot(*apart, edge), points, tuple(names))


def _way(start: Point, end: Point) -> Point:
    """Return the unit vector from one point to another; of one and the same, any."""
    length = math.dist(start, end)
    return ((end[0] - start[0]) / length, (end[1] - start[1]) / length) if length else (1.0, 0.0)


def _across(body: Body) -> Quantity | None:
    """Return the extent across the body's axis, of all that stands out."""
    if "head_tip" not in body.points or "abdomen_tip" not in body.points:
        return None
    head, abdomen = body.points["head_tip"], body.points["abdomen_tip"]
    if head == abdomen:
        return None
    x, y = _way(head, abdomen)
    across = np.array([-y, x])
    hull = body.whole.hull
    place = hull @ across
    low, high = hull[place.argmin()], hull[place.argmax()]
    ends = [body.in_picture((float(x), float(y))) for x, y in (low, high)]
    return Quantity(float(np.ptp(place)), 2 * body.edge.uncertainty, tuple(ends))


def _along_midline(body: Body, definition: Definition, shape: Shape) -> Quantity | None:
    line = body.midline(definition.part)
    if line is None:
        return None
    length, edge = path_length(line), body.edge.uncertainty
    few = line[np.linspace(0, len(line) - 1, min(len(line), _MOST_POINTS)).round().astype(int)]
    points = tuple(body.in_picture((float(x), float(y))) for x, y in few)
    if definition.how == "midline":
        return Quantity(length, math.hypot(2 * edge, math.sqrt(2) * FOUND), points)
    # A section of a cylinder is length times width, of a cone half of that.
    share, part = (1.0, math.pi / 4) if definition.how == "cylinder" else (2.0, math.pi / 12)

    def volume(area: float, longer: float) -> float:
        return part * (share * area / longer) ** 2 * longer

    value = volume(shape.area, length)
    moved = volume(shape.area + shape.perimeter * edge, length + 2 * edge)
    return Quantity(value, abs(moved - value), points)


# -- of a shape -------------------------------------------------------------------------------


def _length(value: Callable[[Shape], tuple[float, tuple[Point, ...]]]) -> _OfShape:
    def of(body: Body, shape: Shape) -> Quantity:
        length, points = value(shape)
        moved = tuple(body.in_picture(point) for point in points)
        return Quantity(length, math.hypot(2 * body.edge.uncertainty, FOUND), moved)

    return of


def _area(body: Body, shape: Shape) -> Quantity:
    return Quantity(shape.area, shape.perimeter * body.edge.uncertainty)


def _perimeter(body: Body, shape: Shape) -> Quantity:
    # A ragged outline is longer by what is ragged; a pixel in each 40 of a straight one.
    edge = 2 * math.pi * body.edge.uncertainty
    return Quantity(shape.perimeter, math.hypot(edge, 0.025 * shape.perimeter))


def _sphere(body: Body, shape: Shape) -> Quantity:
    def volume(area: float) -> float:
        return 4 / 3 * area * math.sqrt(area / math.pi)

    moved = volume(shape.area + shape.perimeter * body.edge.uncertainty)
    return Quantity(volume(shape.area), moved - volume(shape.area))


def _ellipsoid(body: Body, shape: Shape) -> Quantity:
    ellipse = shape.ellipse

    def volume(more: float) -> float:
        return (
            math.pi / 6 * (ellipse.major + more) * (ellipse.minor + more) * (ellipse.minor + more)
        )

    points = shape.ellipse.axis(True)
    moved = tuple(body.in_picture(point) for point in points)
    return Quantity(volume(0), volume(2 * body.edge.uncertainty) - volume(0), moved)


def _rotational(body: Body, shape: Shape) -> Quantity:
    widths = _slices(shape)
    edge = body.edge.uncertainty
    surface = math.pi * float(widths.sum())
    points = tuple(body.in_picture(point) for point in shape.rectangle.middle(along=True))
    return Quantity(math.pi / 4 * float((widths**2).sum()), surface * edge, points)


def _slices(shape: Shape) -> NDArray[np.float64]:
    """Return the width of slices of a pixel's depth along the longer side of the rectangle."""
    y, x = np.nonzero(shape.mask)
    angle = shape.rectangle.angle
    along: NDArray[np.float64] = x * math.cos(angle) + y * math.sin(angle)
    place = along - along.min()
    # A pixel lies in two slices by parts, so that the turn of the body does not ripple.
    lower: NDArray[np.int64] = np.floor(place).astype(np.int64)
    part: NDArray[np.float64] = place - lower.astype(np.float64)
    size = int(lower.max()) + 2
    widths = np.zeros(size)
    np.add.at(widths, lower, 1 - part)
    np.add.at(widths, lower + 1, part)
    return widths


def _ratio(value: Callable[[Shape], float], moved: Callable[[Shape, float], float]) -> _OfShape:
    def of(body: Body, shape: Shape) -> Quantity:
        now = value(shape)
        return Quantity(now, abs(moved(shape, body.edge.uncertainty) - now))

    return of


def _moved_circularity(shape: Shape, edge: float) -> float:
    longer = shape.perimeter + 2 * math.pi * edge
    return 4 * math.pi * (shape.area + shape.perimeter * edge) / longer**2


def _moved_solidity(shape: Shape, edge: float) -> float:
    closed = np.concatenate([shape.hull, shape.hull[:1]])
    around = path_length(closed)
    inner = shape.solidity
    within = inner * _hull_area(shape)
    return min((within + shape.perimeter * edge) / (_hull_area(shape) + around * edge), 1.0)


def _hull_area(shape: Shape) -> float:
    x, y = shape.hull.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


_OF_SHAPE: dict[str, _OfShape] = {
    "feret": _length(lambda s: (s.feret.length, (s.feret.one, s.feret.other))),
    "min_feret": _length(lambda s: (s.min_feret.length, (s.min_feret.one, s.min_feret.other))),
    "rectangle_length": _length(lambda s: (s.rectangle.length, s.rectangle.middle(along=True))),
    "rectangle_width": _length(lambda s: (s.rectangle.width, s.rectangle.middle(along=False))),
    "ellipse_major": _length(lambda s: (s.ellipse.major, s.ellipse.axis(True))),
    "ellipse_minor": _length(lambda s: (s.ellipse.minor, s.ellipse.axis(False))),
    "moment_major": _length(lambda s: (s.ellipse.moment_major, ())),
    "moment_minor": _length(lambda s: (s.ellipse.moment_minor, ())),
    "area": _area,
    "perimeter": _perimeter,
    "sphere": _sphere,
    "ellipsoid": _ellipsoid,
    "rotational": _rotational,
    "circularity": _ratio(lambda s: s.circularity, _moved_circularity),
    "aspect_ratio": _ratio(
        lambda s: s.aspect, lambda s, e: (s.ellipse.major + 2 * e) / (s.ellipse.minor + 2 * e)
    ),
    "roundness": _ratio(
        lambda s: s.roundness, lambda s, e: (s.ellipse.minor + 2 * e) / (s.ellipse.major + 2 * e)
    ),
    "solidity": _ratio(lambda s: s.solidity, _moved_solidity),
}


# -- colour -----------------------------------------------------------------------------------


def _colour(
    body: Body, shape: Shape, wanted: tuple[str, str], colours: ColourCalibration | None
) -> Quantity | None:
    if body.pixels is None:
        return None
    values = body.pixels[shape.mask].astype(np.float64)
    if colours is not None:
        values = colours.applied(values)
    how, channel = wanted
    number = CHANNELS.index(channel)
    of = values[:, number] if number < 3 else lab_of(values)[:, number - 3]
    value = float(np.mean(of) if how == "mean" else np.median(of))
    # What a camera makes of a colour is not known without a chart; with one, its patches tell.
    known = colours is not None and number >= 3
    return Quantity(value, colours.residual if known and colours else math.nan)
