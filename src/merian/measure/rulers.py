"""The scale of a picture from a ruler or graph paper that lies in it.

What repeats is looked for all over the picture (`merian.measure.combs`), followed mark by mark
(`merian.measure.ticks`), and its unit read from which marks are longer
(`merian.measure.tick_units`). Nothing is guessed in silence: where the marks could mean another
unit, all that they could mean is told with the scale, and where there is no ruler there is no
scale. Of a ruler for millimetres and inches each side speaks for the other, as no other two units
have their ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merian.measure.calibration import Calibration, NoScaleError, Point
from merian.measure.combs import Comb, find_combs, halved
from merian.measure.tick_units import INCH, Marking, read_marking
from merian.measure.ticks import Ticks, follow

__all__ = ["ruler_scale"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_USUAL = 8_000_000  # pixels: of more every second is looked at first
_LARGEST = 50_000_000  # pixels: of more every second is enough
_REGULAR = 26.0  # how much likelier marks are regular than not, as a logarithm; see `_weight`
_BY_CHANCE = 0.29  # of a period: spread of marks that are anywhere
_UPRIGHT = 4.0  # degrees
_SQUARE = 0.05  # by which the cells of graph paper may be longer than wide, seen at a slant
_LINES = 5  # of graph paper in the shorter direction
_PAPER = 2e-3  # of the scale: paper grows in damp air by so much, and is no better printed
_SAME = 0.01  # of a ratio of two periods
_FINER = (2, 5, 4, 10)  # marks that may stand between those that were found
_METRIC, _INCHES = (1.0, 0.5), (INCH / 8, INCH / 16, INCH / 32)  # of both sides of a ruler
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
    best: tuple[list[_Found], Floats, int] | None = None
    for grey, factor in _greys(picture):
        found = _candidates(grey, step)
        found.sort(key=lambda one: (not one.sure, -_weight(one.ticks)))
        if found and best is not None and found[0].sure and _same(found[0], best[0][0], factor):
            # The same marks again: what they are is clear now, where they are was clearer before.
            best[0][0] = replace(best[0][0], marking=found[0].marking)
        elif found and (best is None or _better(found[0], best[0][0])):
            best = found, grey, factor
        if best is not None and best[0][0].sure:
            break
    if best is None:
        raise NoScaleError(
            "no ruler and no graph paper is seen: nothing in it repeats ten times as regularly as "
            "marks do"
        )
    return _calibration(*best, source)


def _same(one: _Found, other: _Found, factor: int) -> bool:
    return (
        factor == 1
        and _turn(one.ticks.angle, other.ticks.angle) < _UPRIGHT
        and abs(math.log(one.ticks.period / other.ticks.period)) < 3 * _SAME
    )


def _better(one: _Found, other: _Found) -> bool:
    return (one.sure, _weight(one.ticks)) > (other.sure, _weight(other.ticks))


def _greys(picture: Pixels) -> Iterator[tuple[Floats, int]]:
    """Yield a picture in grey, and by its colours: lines of graph paper may be as bright as it.

    Each with the factor by which it is smaller. The fine marks of a large picture come last.
    """
    grey = (picture @ np.array([0.299, 0.587, 0.114], np.float32)) if picture.ndim > 2 else picture
    small, factor = _reduced(np.asarray(grey, np.float32))
    yield small, factor
    if picture.ndim > 2:
        colour = picture.max(2).astype(np.float32) - picture.min(2)
        if colour.std() > 1:
            yield _reduced(colour)
    if factor > 1 and grey.size <= _LARGEST:
        yield np.asarray(grey, np.float32), 1


def _reduced(grey: Floats) -> tuple[Floats, int]:
    factor = 1
    while grey.size > _USUAL:
        grey, factor = halved(grey), 2 * factor
    return grey, factor


def _weight(ticks: Ticks) -> float:
    """Return how much likelier marks that are so regular are than marks anywhere."""
    jitter = max(ticks.residual / ticks.period, 0.005)
    return ticks.count * math.log(_BY_CHANCE / jitter)


def _candidates(grey: Floats, step: float | None) -> list[_Found]:
    found: list[_Found] = []
    sure: Ticks | None = None
    for comb in find_combs(grey):
        # When one is sure the rest can only say the same, but for lines that cross it.
        if sure is not None and not _crosses(comb.angle, comb.period, sure, 2 * _SQUARE):
            continue
        ticks = follow(grey, comb)
        if ticks is None or _weight(ticks) < _REGULAR:
            continue
        found.append(_Found(ticks, _marking(ticks, step)))
        if found[-1].sure and sure is None:
            sure = ticks
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
            # Halves beside 32nds have the ratio of wholes beside 16ths: one side has to tell.
            metric = first.marking.step
            for inch in _INCHES if metric in _METRIC and first.marking.levels else ():
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
            # What is ambiguous in the finer marks too is no help; and edges between others may pass
            # for halves, but not for a whole ruler.
            if not marking.others and (len(marking.levels) > 2 or marking.levels == (5, 10)):
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
    across = follow(grey, _comb_along(one, one.period, (one.angle + 180) % 180 - 90), _LINES)
    for ticks in (*(other.ticks for other in known), across):
        if (
            ticks is not None
            and _crosses(ticks.angle, ticks.period, one, _SQUARE)
            and ticks.contrast * one.contrast > 0
        ):
            return ticks
    return None


def _crosses(angle: float, period: float, ticks: Ticks, apart: float) -> bool:
    return (
        90 - _turn(angle, ticks.angle) < _UPRIGHT and abs(math.log(period / ticks.period)) < apart
    )


def _both_ways(one: Ticks, other: Ticks) -> tuple[float, float, float]:
    """Return the mean period of both directions, its uncertainty, and how far they are apart.

    Each counts by how sure it is, and what they differ by beyond that makes both less sure.
    """
    apart = math.log(one.period / other.period)
    variances = np.array([one.relative**2, other.relative**2])
    variances += max(0.0, apart**2 / 2 - float(variances.mean()))
    weights = 1 / variances
    share = float(weights[1] / weights.sum())
    return one.period * math.exp(-share * apart), float(weights.sum() ** -0.5), abs(apart)


def _calibration(found: Sequence[_Found], grey: Floats, factor: int, source: str) -> Calibration:
    best = found[0]
    ticks, marking = best.ticks, best.marking
    crossed = _crossed(grey, ticks, found[1:])
    marks: tuple[Point, ...] = ticks.ends
    plane: list[str] = []
    period, relative, residual = ticks.period, ticks.relative, ticks.residual
    if crossed is not None:
        if marking.others:
            again = read_marking(crossed.strength)
            marking = again if len(again.others) < len(marking.others) else marking
        period, relative, apart = _both_ways(ticks, crossed)
        relative = math.hypot(relative, _PAPER)
        residual = math.hypot(ticks.residual, crossed.residual) / math.sqrt(2)
        marks = (*ticks.ends, *crossed.ends)
        if apart > max(_TOLD, 2 * math.hypot(ticks.relative, crossed.relative)):
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
        residual=residual, plane="; ".join(plane), others=(*others, *rivals), marks=marks,
        why=f"{ticks.count} marks, {marking.why}",
    )  # fmt: skip
    return calibration if factor == 1 else calibration.resized(factor)
