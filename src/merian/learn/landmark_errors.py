"""How far landmarks that a network has placed may be off, along the body and across it.

The tip of a body is round: where it is along the body is clear, and where across it is not; and a
body is nearly as wide before and behind the place where it is widest. So the error of a landmark is
told along the line between the landmarks that are farthest apart, and across it. It has two
parts: how far single looks of the network are apart, and a share of the largest distance between
landmarks, which all looks have in common. That share is measured on specimens that the network has
not seen, as they are found and looked at in use, and stands on its card.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from merian.learn.bootstrap import interval_of

if TYPE_CHECKING:
    from merian.learn.landmark_finding import Mark, Placed

__all__ = ["ACROSS", "ALONG", "FAR", "Off", "errors_in_use"]

FAR = 0.1
"""Of the largest distance between landmarks: one that is farther off was missed."""

ALONG, ACROSS = "along", "across"
"""What errors on a card are called, each with the name of the landmark behind it."""

_LEAST = 1e-4  # of the reach: what is less is nothing
_ROUNDS = 400
_UNIT = "of the reach, standard error beside that of looks"

_Point = tuple[float, float]
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Off:
    """How far a point may be off: variances and covariance in square pixels.

    Attributes:
        xx: Along x.
        xy: Of both.
        yy: Along y.
    """

    xx: float
    xy: float
    yy: float

    @classmethod
    def of(cls, along: float, across: float, way: _Point) -> Self:
        """Return what is so far off along a way, a unit vector, and so far across it."""
        (x, y), own, other = way, along**2, across**2
        return cls(own * x * x + other * y * y, (own - other) * x * y, own * y * y + other * x * x)

    def along(self, way: _Point) -> float:
        """Return the standard uncertainty along a way, a unit vector."""
        x, y = way
        return math.sqrt(max(self.xx * x * x + 2 * self.xy * x * y + self.yy * y * y, 0.0))

    def beside(self, other: Off) -> Off:
        """Return that of two parts that know nothing of each other."""
        return Off(self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)


def errors_in_use(
    found: Iterable[tuple[Placed, Mapping[str, _Point]]], believed: Callable[[str, Mark], bool]
) -> dict[str, dict[str, Any]]:
    """Return errors of landmarks as a card keeps them; those that were missed are left out.

    Args:
        found: What the network says of bodies, each with its true landmarks.
        believed: Whether a landmark of a name is one that people will use.
    """
    errors: dict[str, list[tuple[float, float]]] = {}
    for placed, true in found:
        reach = max(placed.reach, 1.0)
        for name in placed.marks.keys() & true.keys():
            mark = placed.marks[name]
            away = np.subtract(mark.point, true[name]) / reach
            if not believed(name, mark) or math.hypot(*away) >= FAR:
                continue
            x, y = placed.way
            for told, way in ((ALONG, (x, y)), (ACROSS, (-y, x))):
                pair = (float(away @ way), mark.looks.along(way) / reach)
                errors.setdefault(f"{told} {name}", []).append(pair)
    return {name: _figure(np.array(pairs)) for name, pairs in sorted(errors.items())}


def _figure(pairs: _Doubles) -> dict[str, Any]:
    got = interval_of(lambda rows: _share(pairs[rows]), len(pairs), rounds=_ROUNDS)
    return {"value": round(got.value, 5), "low": round(got.low, 5), "high": round(got.high, 5),
            "n": len(pairs), "unit": _UNIT}  # fmt: skip


def _share(pairs: _Doubles) -> float:
    """Return what errors have beside the spread of looks: with both they are as large as told."""
    squares, looks = pairs[:, 0] ** 2, pairs[:, 1] ** 2

    def more(share: float) -> float:
        return float((squares / (share**2 + looks)).mean()) - 1

    return _LEAST if more(_LEAST) <= 0 else float(brentq(more, _LEAST, 1.0))
