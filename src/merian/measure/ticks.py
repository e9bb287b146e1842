"""Following marks that repeat, one by one: where each is, how regular they are, how strong.

A comb (`merian.measure.combs`) says roughly where marks repeat and how often. The picture is
sampled along their direction and shifted by their frequency, so that what is left is how far each
stretch is ahead or behind: its phase. Unwrapped along the ruler and fitted with a smooth curve, the
phase counts the marks to a hundredth of one over the whole length, follows a ruler that is seen at
a slant, and gives each mark its place. Marks that are no ruler's are not regular: their own phases
scatter, and they are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.measure.combs import Comb, halved
from merian.measure.phases import (
    IRREGULAR,
    Frame,
    Phases,
    curve_of,
    fitted,
    phases_of,
    sampled,
    slopes,
    tracked,
)

__all__ = ["Ticks", "follow"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_SAMPLES = 6.0  # a period has at least that many samples where the picture has
_FEWEST = 10  # marks
_SEEN = 0.8  # of the marks have to stand out
_ASTRAY = 0.25  # of a period: a mark that is so far off is another thing
_FAINT = 2.0  # grey values
_SLANTED = 0.15  # of the period, from end to end
_REACH = 5.0  # times the band of all marks: how far the longest ones may go on
_GOES_ON = 0.35  # of the strength of the usual mark
_PRECISE = 3e-4  # of the scale: lenses, paper and print are no better


@dataclass(frozen=True)
class Ticks:
    """Marks that repeat, followed along their whole length.

    Attributes:
        period: Pixels from one mark to the next, the mean over all.
        relative: Its standard uncertainty, as a share.
        angle: Of the direction in which they repeat, in degrees from the x axis.
        count: Of marks.
        residual: How far marks are from the curve, root mean square in pixels.
        drift: How much longer the period is at one end than at the other, as a share.
        strength: Of each mark, over their median, float[count]; NaN where one is hidden.
        ends: The middles of the first and the last mark, x and y in pixels.
        contrast: Of the marks in grey values, negative if they are darker.
    """

    period: float
    relative: float
    angle: float
    count: int
    residual: float
    drift: float
    strength: Doubles
    ends: tuple[tuple[float, float], tuple[float, float]]
    contrast: float


def follow(grey: Floats, comb: Comb, fewest: int = _FEWEST) -> Ticks | None:
    """Return the marks of a comb, or None where they are not those of a ruler.

    Args:
        grey: Of the picture, float32[height, width].
        comb: What was seen in pieces of it.
        fewest: Marks that there have to be.
    """
    factor = 1
    while comb.period / factor >= 2 * _SAMPLES and min(grey.shape) >= 64:
        grey, factor = halved(grey), 2 * factor
    period, angle = comb.period / factor, comb.angle
    boxes = [tuple(value / factor for value in box) for box in comb.boxes]
    frame: Frame | None = None
    for _ in range(3):
        frame = sampled(grey, boxes, angle, period, fewest)
        if frame is None:
            return None
        phases = phases_of(frame)
        if np.count_nonzero(phases.weight) < 4:
            return None
        turn, stretch = slopes(phases)
        # Of a wave vector (1/p, 0) in the frame, moved by what the slopes say.
        along, across = 1 / period + stretch, turn
        period = 1 / math.hypot(along, across)
        angle += math.degrees(math.atan2(across, along))
        if abs(turn * period) < 2e-4 and abs(stretch * period) < 2e-3:
            break
    assert frame is not None
    found = _read(frame, phases, fewest)
    return None if found is None else _enlarged(found, factor)


def _enlarged(ticks: Ticks, factor: int) -> Ticks:
    """Return marks in the pixels of the whole picture: halves lie between those they are of."""
    shift = (factor - 1) / 2
    first, last = (tuple(factor * value + shift for value in end) for end in ticks.ends)
    return Ticks(
        ticks.period * factor, ticks.relative, ticks.angle, ticks.count, ticks.residual * factor,
        ticks.drift, ticks.strength, (first, last), ticks.contrast,  # type: ignore[arg-type]
    )  # fmt: skip


def _read(frame: Frame, phases: Phases, fewest: int) -> Ticks | None:
    weights = phases.weight
    sums = (phases.values * weights).sum(0)
    stretches = tracked(sums, frame.period / phases.step)
    if stretches is None:
        return None
    curve = curve_of(sums, stretches, phases.step, frame.period)
    if curve is None:
        return None
    lines = frame.values[: len(phases.values) * phases.rows]
    lines = lines.reshape(len(phases.values), phases.rows, -1).mean(1)
    band = weights[:, stretches].sum(1)
    middle = _middle(weights, stretches)
    profile = _profile(lines, weights, phases.step)
    columns = _places(curve)
    if len(columns) < fewest:
        return None
    contrast, shift = _shape(profile, columns)
    columns = _places(curve, shift)
    offs, seen = _offs(profile, columns, np.sign(contrast))
    kept = _kept(seen & (np.abs(offs) < _ASTRAY))
    if kept is None or kept.stop - kept.start < fewest or abs(contrast) < _FAINT:
        return None
    columns, offs, seen = columns[kept], offs[kept], seen[kept]
    return _marks(frame, lines, band, middle, columns, offs, seen, contrast, phases.step)


def _marks(
    frame: Frame, lines: Floats, band: Floats, middle: Doubles, columns: Doubles, offs: Doubles,
    seen: NDArray[np.bool_], contrast: float, step: int,
) -> Ticks | None:  # fmt: skip
    """Return the marks, their places fitted once more, or None where they are not regular."""
    count = len(columns)
    rough = float(columns[-1] - columns[0]) / (count - 1)
    numbers = np.arange(count, dtype=np.float64)
    fit, off, degree = fitted(numbers[seen], (columns + offs * rough)[seen], rough, 25, 60)
    places = np.polyval(fit, (numbers - numbers[seen].mean()) / count)
    jitter = 1.4826 * float(np.median(np.abs(off))) / rough
    if np.mean(seen) < _SEEN or jitter > IRREGULAR or not (np.diff(places) > 0).all():
        return None
    length = float(places[-1] - places[0])
    period = length / (count - 1)
    local = np.diff(places) / period
    drift = float(local[-1] - local[0])
    if abs(drift) > _SLANTED:
        return None
    # The mean of a period that drifts is as unsure as it is far from what holds where things lie.
    random = jitter * math.sqrt(12) * degree / count**1.5
    relative = math.hypot(random, abs(drift) / math.sqrt(12), _PRECISE)
    strength = _strengths(lines, band, middle, places, period, contrast, step)
    strength[~seen] = np.nan
    rows = (np.polyval(middle, places[[0, -1]] / step) + 0.5) * len(frame.values) / len(lines)
    ends = tuple(
        frame.place(float(x), float(y)) for x, y in zip(places[[0, -1]], rows, strict=True)
    )
    angle = math.degrees(math.atan2(frame.along[1], frame.along[0]))
    return Ticks(
        period, relative, angle, count,
        float(np.sqrt(np.mean(off**2))), drift, strength, ends, contrast,  # type: ignore[arg-type]
    )  # fmt: skip


def _kept(good: NDArray[np.bool_]) -> slice | None:
    """Return the longest run of marks of which hardly any is missing, its ends good ones."""
    bad = np.convolve(~good, np.ones(7), "same") > 3
    best = (0, 0)
    for start, stop in _runs(~bad):
        inside = np.flatnonzero(good[start:stop])
        if len(inside) and inside[-1] - inside[0] > best[1] - best[0]:
            best = start + int(inside[0]), start + int(inside[-1])
    return slice(best[0], best[1] + 1) if best[1] > best[0] else None


def _runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _places(curve: tuple[Doubles, Doubles], shift: float = 0.0) -> Doubles:
    """Return where the count is whole, but for a shift: the samples of marks."""
    samples, turns = curve[0], curve[1] - shift
    return np.interp(np.arange(math.ceil(turns[0]), math.floor(turns[-1]) + 1), turns, samples)


def _profile(lines: Floats, weights: Floats, step: int) -> Doubles:
    """Return the mean of the rows that show marks, along the frame."""
    wide = weights.shape[1] * step
    smooth = np.repeat(weights, step, axis=1)
    total = smooth.sum(0)
    usual = weights.sum(1)[:, None] / max(float(weights.sum()), 1e-9)
    # Where a stretch shows none, the rows that show the most elsewhere speak.
    smooth = np.where(total > 0, smooth / np.maximum(total, 1e-9), usual)
    profile = np.zeros(lines.shape[1])
    profile[:wide] = (lines[:, :wide] * smooth).sum(0)
    return profile


def _middle(weights: Floats, run: NDArray[np.int64]) -> Doubles:
    """Return a line that gives the block of rows in the middle of the marks by the stretch."""
    rows = np.arange(len(weights))
    total = weights[:, run].sum(0)
    there = total > 0
    means = (weights[:, run] * rows[:, None]).sum(0)[there] / total[there]
    if there.sum() < 4:
        return np.array([0.0, float(np.mean(means)) if there.any() else 0.0])
    return np.asarray(np.polyfit(run[there], means, 1, w=np.sqrt(total[there])), np.float64)


def _shape(profile: Doubles, columns: Doubles) -> tuple[float, float]:
    """Return how strong the usual mark is, and by which part of a turn it is off the count."""
    phases = np.linspace(0, 1, 32, endpoint=False)
    period = float(np.median(np.diff(columns)))
    grid = columns[:-1, None] + phases[None] * period
    values = np.interp(grid.ravel(), np.arange(len(profile)), profile).reshape(grid.shape)
    fold = np.median(values, axis=0)
    fold = fold - np.median(fold)
    at = int(np.argmax(np.abs(fold)))
    beside = fold[(at - 1) % 32], fold[at], fold[(at + 1) % 32]
    bend = beside[0] - 2 * beside[1] + beside[2]
    shift = 0.5 * (beside[0] - beside[2]) / bend if abs(bend) > 1e-9 else 0.0
    return float(fold[at] - fold[(at + 16) % 32]), float((at + np.clip(shift, -0.5, 0.5)) / 32)


def _offs(profile: Doubles, columns: Doubles, sign: float) -> tuple[Doubles, NDArray[np.bool_]]:
    """Return by which part of a period each mark is off its place, and which marks are seen."""
    period = float(np.median(np.diff(columns)))
    parts = (np.arange(24) + 0.5) / 24 - 0.5
    grid = columns[:, None] + parts[None] * period
    values = sign * np.interp(grid.ravel(), np.arange(len(profile)), profile).reshape(grid.shape)
    values = values - values.mean(1, keepdims=True)
    wave = (values * np.exp(2j * np.pi * parts)).sum(1)
    offs = np.angle(wave) / (2 * np.pi)
    power = np.real(wave)
    return offs, power > 0.3 * float(np.median(power))


def _strengths(
    lines: Floats, band: Floats, middle: Doubles, columns: Doubles, period: float, contrast: float,
    step: int,
) -> Doubles:  # fmt: skip
    """Return how much of each mark there is, over the median: how strong, and how long.

    In the band of all marks by their strength. Beyond, on both sides, by how far a mark goes on: so
    numbers, that stand apart, do not count.
    """
    rows = np.arange(len(lines))
    low, high = np.interp((0.1, 0.9), np.cumsum(band) / band.sum(), rows)
    half = max(1, round(0.5 * (high - low)))
    reach = min(half + round(_REACH * (2 * half + 1)), len(lines))
    samples = np.arange(lines.shape[1])
    signed = np.sign(contrast) * lines
    there = np.empty((len(lines), len(columns)), np.float32)
    for row in rows:
        line = signed[row]
        tick = np.maximum.reduce([np.interp(columns + d, samples, line) for d in (-0.5, 0, 0.5)])
        beside = [np.interp(columns + d * period, samples, line) for d in (-0.5, 0.5)]
        there[row] = tick - np.maximum(*beside)
    there = np.clip(there / abs(contrast), 0, 2)
    centre = np.rint(np.polyval(middle, columns / step)).astype(int)
    at = centre[None] + np.arange(-reach, reach + 1)[:, None]
    inside = (at >= 0) & (at < len(lines))
    around = np.where(inside, np.take_along_axis(there, np.clip(at, 0, len(lines) - 1), 0), 0)
    total = around[reach - half : reach + half + 1].mean(0)
    for side in (around[reach + half + 1 :], around[: reach - half][::-1]):
        goes_on = np.cumprod(np.maximum(side[:-1], side[1:]) > _GOES_ON, axis=0)
        total += goes_on.sum(0) / (2 * half + 1)
    usual = float(np.median(total))
    return np.asarray(total / usual if usual > 0 else total, np.float64)
