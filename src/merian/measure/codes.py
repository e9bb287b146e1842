"""What is doubtful of a measurement, by codes; each has words, and what to do about it.

A code stands beside a value and never takes its place: who uses the value decides. Some are seen
in one picture; others only where a specimen stands beside others of its group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from merian.measure.body import Body
from merian.measure.calibration import Calibration
from merian.measure.measurement import Measurement
from merian.measure.shapes import Point

__all__ = ["CODES", "FAR_FROM_GROUP", "RATIO_SPREADS", "of_specimen", "of_traits", "worst_first"]

CODES: dict[str, tuple[str, str]] = {
    "scale-outlier": (
        "the picture's scale is far from that of the others",
        "Measure the bar or ruler of this picture again; twice or half is a wrong mark.",
    ),
    "scale-ambiguous": (
        "the scale may also be another",
        "Tell what the marks of the ruler are, or give --scale.",
    ),
    "frame": (
        "points or outlines were made on a picture of another size",
        "They were brought to this one; make sure that it is the same picture.",
    ),
    "outside": (
        "a point lies outside the picture",
        "Set it again, on the picture at its full size.",
    ),
    "count": (
        "another number of specimens than expected",
        "Look for what was missed, joined or parted. No ids were given to this picture.",
    ),
    "duplicate-id": (
        "the same id stands for several specimens",
        "Mend the table of ids; a counter may have started again.",
    ),
    "two-or-more": (
        "may be two or more that touch",
        "Part them by hand: --masks takes outlines.",
    ),
    "width-over-length": (
        "wider than long",
        "Length and width are swapped, or the body lies otherwise than it should.",
    ),
    "ratio": (
        "width over length is far from that of its group",
        "Rolled, or with spread elytra: another thing than its definition asks for.",
    ),
    "axes": (
        "length and width are not across each other",
        "One of their points is not where it should be.",
    ),
    "size": (
        "1.3 times as large as its group, or as small",
        "Another scale, another species, or a part of it was measured.",
    ),
    "landmarks-differ": (
        "the network and the search along the outline place landmarks far apart",
        "Look at the landmarks; --landmarks classical measures without the network.",
    ),
    "outlines-differ": (
        "the network sees another body than colours tell",
        "Look at the outline: what lies beside the body may be in it, or a part of it not.",
    ),
    "touches-border": (
        "reaches the border of the picture",
        "A part of it is not in the picture: the values are too small.",
    ),
    "short-of-frame": (
        "does not reach all sides of a picture that was cut at its outline",
        "Look for a pale leg or wing that is missing; of wider crops measure without --tight.",
    ),
    "low-solidity": (
        "the body's outline is ragged or holds much that is not body",
        "Look at the outline: background may be in it, or half of the body not.",
    ),
    "parted": (
        "was parted from another that touches it",
        "Look at the line between them.",
    ),
    "busy-ground": (
        "the ground is of several colours, and the body was told from it by mixtures of colours",
        "Look at the outline; a plain ground helps.",
    ),
    "no-ground": (
        "little of the ground is seen around it",
        "Look at the outline; a wider crop helps.",
    ),
    "small": (
        "has few pixels",
        "The interval is wide for that; take the picture from nearer.",
    ),
    "faint": (
        "stands out little from the ground",
        "Look at the outline; light from behind helps.",
    ),
    "blur": (
        "its edge is not sharp",
        "The interval is wider for that; focus on the edge of the body.",
    ),
    "elytra-base": (
        "two places look alike as the base of the elytra",
        "Look where the elytra begin; set elytra_base by hand if it is the other.",
    ),
    "legs-kept": (
        "legs or antennae may be in the body, or it lies bent",
        "Look at the outline of the body.",
    ),
    "no-body": (
        "the body could not be told from its legs",
        "Set its landmarks by hand.",
    ),
    "corrected": (
        "a person has set its points",
        "Nothing: what was there before is in corrections.tsv.",
    ),
    "not-found": (
        "nothing was found in the picture",
        "Is there a specimen that stands out from the ground? --masks takes outlines.",
    ),
}
"""By code, the most urgent first: what it says, and what to do."""

FAR_FROM_GROUP = 1.3
RATIO_SPREADS = 5.0
_AXES = 75.0  # degrees: length and width are across each other
_SOLID = 0.8  # of a body without legs
_SOFT = 0.04  # of the least width of a body
_SOFT_PIXELS = 4.0
_WIDTHS = (("body_length", "body_width"), ("elytra_length", "elytra_width"))


def of_specimen(
    body: Body,
    measured: Sequence[Measurement],
    size: tuple[int, int],
    calibration: Calibration | None,
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return what is doubtful of a specimen as a whole, and of single traits.

    Args:
        body: The specimen.
        measured: Its measurements.
        size: Of the picture: width and height.
        calibration: Of the picture.
    """
    codes = list(body.codes)
    if calibration is not None and calibration.ambiguous:
        codes.append("scale-ambiguous")
    height, width = body.mask.shape
    if not body.tight and (
        body.left <= 0 or body.top <= 0 or body.left + width >= size[0]
        or body.top + height >= size[1]
    ):  # fmt: skip
        codes.append("touches-border")
    solid = body.part("body")
    if solid is not None and solid.solidity < _SOLID:
        codes.append("low-solidity")
    across = (solid or body.whole).min_feret.length
    if body.edge.width > max(_SOFT_PIXELS, _SOFT * across):
        codes.append("blur")
    of_trait = of_traits(measured, size)
    if "elytra-base" in codes:  # of nothing else
        codes.remove("elytra-base")
        for one in measured:
            if one.trait.startswith("elytra"):
                of_trait[one.trait] = worst_first((*of_trait.get(one.trait, ()), "elytra-base"))
    return worst_first(codes), of_trait


def worst_first(codes: Sequence[str]) -> tuple[str, ...]:
    """Return codes, each once, the most urgent first."""
    order = {code: number for number, code in enumerate(CODES)}
    return tuple(sorted(set(codes), key=lambda code: (order.get(code, len(order)), code)))


def of_traits(measured: Sequence[Measurement], size: tuple[int, int]) -> dict[str, tuple[str, ...]]:
    """Return what is doubtful of single traits of a specimen.

    Args:
        measured: Its measurements.
        size: Of the picture: width and height.
    """
    found: dict[str, list[str]] = {}
    by_trait = {one.trait: one for one in measured}
    for one in measured:
        # Ends of shapes lie on the outline, and so on the picture's border at most; those of an
        # axis, which is read a pixel at a time, less than a pixel beyond.
        if any(not (-1 < x < size[0] + 1 and -1 < y < size[1] + 1) for x, y in one.points):
            found.setdefault(one.trait, []).append("outside")
    for longer, wider in _WIDTHS:
        if longer not in by_trait or wider not in by_trait:
            continue
        length, width = by_trait[longer], by_trait[wider]
        codes = []
        if width.pixels > length.pixels:
            codes.append("width-over-length")
        angle = _angle(length.points, width.points)
        if angle is not None and angle < _AXES:
            codes.append("axes")
        for trait in (longer, wider):
            found.setdefault(trait, []).extend(codes)
    return {trait: worst_first(codes) for trait, codes in found.items() if codes}


def _angle(one: Sequence[Point], other: Sequence[Point]) -> float | None:
    """Return the angle between two lines in degrees, 90 at most."""
    if len(one) < 2 or len(other) < 2:
        return None
    (ax, ay), (bx, by) = (
        (line[-1][0] - line[0][0], line[-1][1] - line[0][1]) for line in (one, other)
    )
    if not math.hypot(ax, ay) or not math.hypot(bx, by):
        return None
    cosine = abs(ax * bx + ay * by) / (math.hypot(ax, ay) * math.hypot(bx, by))
    return math.degrees(math.acos(min(cosine, 1.0)))
