"""The scale of a picture from a ruler or graph paper that lies in it.

What repeats is looked for all over the picture (`merian.measure.combs`), followed mark by mark
(`merian.measure.ticks`), and its unit read from which marks are longer (`merian.measure.tick_units`).
Nothing is guessed in silence: where the marks could mean another unit, all that they could mean is
told with the scale, and where there is no ruler there is no scale. Of a ruler for millimetres and
inches each side speaks for the other, as no other two units have their ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merian.measure.calibration import Calibration, NoScaleError
from merian.measure.combs import Comb, find_combs, halved
from merian.measure.tick_units import INCH, Marking, read_marking
from merian.measure.ticks import Ticks, follow

__all__ = ["ruler_scale"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LARGEST = 50_000_000  # pixels: of more every second is enough
_REGULAR = 26.0  # how much likelier marks are regular than not, as a logarithm; see `_weight`
_BY_CHANCE = 0.29  # of a period: spread of marks that are anywhere
_UPRIGHT = 4.0  # degrees
_SQUARE = 0.05  # by which the cells of graph paper may be longer than wide, seen at a slant
_LINES = 5  # of graph paper in the shorter direction
_SAME = 0.01  # of a ratio of two periods
_FINER = (2, 5, 4, 10)  # marks that may stand between those that were found
_UNITS = ((1.0, 0.5), (INCH / 8, INCH / 16, INCH / 32))  # of both sides of a ruler
_TOLD = 0.005  # of the scale: a drift that is worth a word


@dataclass(frozen=True)
class _Found:
    ticks: Ticks
    marking: Marking

    @property
    def scale(self) -> float:
        return self.ticks.period / self.marking.step

    @property
    def sure(self) -> bool:
        return not self.marking.others


def ruler_scale(picture: Pixels, *, step: float | None = None, source: str = "") -> Calibration:
    """Return the scale that a ruler or graph paper in a picture tells.

    Args:
        picture: uint8[height, width, 3], upright.
        step: Millimetres from one mark to the next, where that is known.
        source: What the picture is called.

    Raises:
        NoScaleError: There is no ruler in it, or none that can be read.
    """
    best: list[_Found] = []
    factor = 1
    for grey in _greys(picture):
        while grey.size > _LARGEST:
            grey, factor = halved(grey), 2 * factor
        found = _candidates(grey, step)
        best = sorted([*best, *found], key=lambda one: (not one.sure, -_weight(one.ticks)))
        if best and best[0].sure:
            break
        factor = 1
    if not best:
        raise NoScaleError(
            "no ruler and no graph paper is seen: nothing in it repeats ten times as regularly as "
            "marks do"
        )
    return _calibration(grey, best, factor, source)


def _greys(picture: Pixels) -> Iterator[Floats]:
    """Yield a picture in grey, and by its colours: lines of graph paper may be as bright as it."""
    if picture.ndim == 2:
        yield picture.astype(np.float32)
        return
    yield picture[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    colour = picture[..., :3].max(2).astype(np.float32) - picture[..., :3].min(2)
    if colour.std() > 1:
        yield colour


def _weight(ticks: Ticks) -> float:
    """Return how much likelier marks that are so regular are than marks anywhere."""
    jitter = max(ticks.residual / ticks.period, 0.005)
    return ticks.count * math.log(_BY_CHANCE / jitter)


def _candidates(grey: Floats, step: float | None) -> list[_Found]:
    found: list[_Found] = []
    for comb in find_combs(grey):
        ticks = follow(grey, comb)
        if ticks is None or _weight(ticks) < _REGULAR:
            continue
        found.append(_Found(ticks, _marking(ticks, step)))
        if found[-1].sure and step is None:
            # The rest can only say the same, or be of the other side of a ruler.
            break
    if found and step is None and not any(one.sure for one in found):
        found = _both_sides(found)
        if not any(one.sure for one in found):
            found += _finer(grey, max(found, key=lambda one: _weight(one.ticks)))
    return found


def _marking(ticks: Ticks, step: float | None) -> Marking:
    return read_marking(ticks.strength) if step is None else Marking(step, f"{step:g} mm, told", ())


def _both_sides(found: Sequence[_Found]) -> list[_Found]:
    """Return what was found; where two have the ratio of a millimetre and an inch both are sure."""
    known = dict(enumerate(found))
    for one, first in enumerate(found):
        for other, second in enumerate(found):
            if one == other or _turn(first.ticks.angle, second.ticks.angle) > _UPRIGHT:
                continue
            for metric in _UNITS[0]:
                for inch in _UNITS[1]:
                    ratio = first.ticks.period / second.ticks.period / (metric / inch)
                    if abs(ratio - 1) < _SAME:
                        why = f"{metric:g} mm beside 1/{INCH / inch:.0f} of an inch"
                        known[one] = replace(first, marking=Marking(metric, why, ()))
                        known[other] = replace(second, marking=Marking(inch, why, ()))
    return list(known.values())


def _finer(grey: Floats, coarse: _Found) -> list[_Found]:
    """Return marks between those that were found, if there are such."""
    for parts in _FINER:
        period = coarse.ticks.period / parts
        if period < 3.6:
            continue
        ticks = follow(grey, _comb_along(coarse.ticks, period, coarse.ticks.angle))
        if ticks is None or abs(ticks.period / period - 1) > _SAME:
            continue
        if _weight(ticks) >= _REGULAR:
            marking = read_marking(ticks.strength)
            # What is ambiguous in the finer marks too is no help.
            if not marking.others:
                return [_Found(ticks, marking)]
    return []


def _comb_along(ticks: Ticks, period: float, angle: float) -> Comb:
    """Return a comb in the places of marks."""
    (x0, y0), (x1, y1) = ticks.ends
    side = max(12 * ticks.period, 64.0)
    count = max(2, math.ceil(math.dist((x0, y0), (x1, y1)) / side) + 1)
    boxes = tuple(
        (round(x0 + (x1 - x0) * at - side / 2), round(y0 + (y1 - y0) * at - side / 2), round(side))
        for at in np.linspace(0, 1, count).tolist()
    )
    return Comb(period, angle, 0.0, boxes)


def _turn(one: float, other: float) -> float:
    return abs((one - other + 90) % 180 - 90)


def _crossed(grey: Floats, one: Ticks, known: Sequence[_Found]) -> Ticks | None:
    """Return the lines of graph paper that cross others, if there are such."""
    def fits(ticks: Ticks) -> bool:
        return (
            90 - _turn(ticks.angle, one.angle) < _UPRIGHT
            and abs(math.log(ticks.period / one.period)) < _SQUARE
            and ticks.contrast * one.contrast > 0
        )

    for other in known:
        if fits(other.ticks):
            return other.ticks
    ticks = follow(grey, _comb_along(one, one.period, (one.angle + 180) % 180 - 90), _LINES)
    return ticks if ticks is not None and fits(ticks) else None


def _calibration(grey: Floats, found: Sequence[_Found], factor: int, source: str) -> Calibration:
    best = found[0]
    ticks, marking = best.ticks, best.marking
    crossed = _crossed(grey, ticks, found[1:])
    period, relative, residual, marks, plane = (
        ticks.period, ticks.relative, ticks.residual, ticks.ends, []
    )  # fmt: skip
    if crossed is not None:
        if marking.others:
            again = read_marking(crossed.strength)
            marking = again if len(again.others) < len(marking.others) else marking
        period = math.sqrt(ticks.period * crossed.period)
        apart = abs(math.log(ticks.period / crossed.period))
        relative = math.hypot(max(ticks.relative, crossed.relative), apart / math.sqrt(12))
        residual = math.hypot(ticks.residual, crossed.residual) / math.sqrt(2)
        marks = (*ticks.ends, *crossed.ends)
        if apart > _TOLD:
            plane.append(f"its cells are {100 * apart:.1f} % longer than wide: it is tilted")
    if abs(ticks.drift) > _TOLD:
        plane.append(
            f"the scale changes by {100 * abs(ticks.drift):.1f} % from one of its ends to the "
            "other: it is tilted, or the lens bends"
        )
    scale = period / marking.step
    others = tuple((period / step, why) for step, why in marking.others)
    rivals = tuple(
        (one.scale, f"another ruler: {one.marking.why}")
        for one in found[1:]
        if one.sure and abs(math.log(one.scale / scale)) > 0.03 and _weight(one.ticks) > _REGULAR
    )
    calibration = Calibration(
        scale, min(relative, 0.99), "graph paper" if crossed else "ruler", source,
        residual=residual, plane="; ".join(plane), others=(*others, *rivals), marks=tuple(marks),
        why=f"{ticks.count} marks, {marking.why}",
    )  # fmt: skip
    return calibration if factor == 1 else calibration.resized(factor)
