"""How far marks that repeat are ahead or behind, along a ruler: their phases.

The picture is sampled along the direction of the marks and shifted by their frequency, so that what
is left is a phase for each stretch. From the clearest stretch on the phases are followed to both
sides as long as they are where they are expected, and a smooth curve through them counts the marks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter1d

__all__ = [
    "IRREGULAR",
    "Frame",
    "Phases",
    "curve_of",
    "fitted",
    "phases_of",
    "sampled",
    "slopes",
    "tracked",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Complex = NDArray[np.complex64]

_COHERENT = 0.2  # share of the variance that a sine of the period explains, where there are marks
_STRONG = 0.4  # of the usual strength along the ruler
_OFF = 0.12  # of a period: how far the next stretch may be from where it is expected
_GAP = 14  # marks that may be hidden in between
IRREGULAR = 0.09  # of a period: what single marks are off by; a sine in noise gives 0.1 to 0.3


@dataclass(frozen=True)
class Frame:
    """A picture sampled along a direction: [across, along]."""

    values: Floats
    inside: NDArray[np.bool_]  # of each column: its middle is in the picture
    origin: tuple[float, float]  # x and y of the first sample
    along: tuple[float, float]
    across: tuple[float, float]
    period: float  # samples of a step of one pixel

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Return where a sample is in the picture, x and y."""
        return (
            float(self.origin[0] + column * self.along[0] + row * self.across[0]),
            float(self.origin[1] + column * self.along[1] + row * self.across[1]),
        )


@dataclass(frozen=True)
class Phases:
    """The marks of a frame as phases: [block of rows, stretch]."""

    values: Complex  # of length 1
    weight: Floats  # by how clearly the period is seen; 0 where it is not
    rows: int  # of a block
    step: int  # samples of a stretch


def sampled(
    grey: Floats, boxes: list[tuple[float, ...]], angle: float, period: float, fewest: int
) -> Frame | None:
    """Sample the picture along a direction, over the rows of the boxes and as far as it goes."""
    tall, wide = grey.shape
    along = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    across = -along[1], along[0]
    middle = (
        float(np.mean([x + side / 2 for x, _, side in boxes])),
        float(np.mean([y + side / 2 for _, y, side in boxes])),
    )
    corners = np.array([
        (min(max(x + dx, 0), wide), min(max(y + dy, 0), tall))
        for x, y, side in boxes for dx in (0, side) for dy in (0, side)
    ]) - middle  # fmt: skip
    v = corners @ np.array(across)
    low, high = float(v.min()), float(v.max())
    # A ruler may be longer than the pieces that show it, and leave their rows a little.
    whole = np.array([(0, 0), (wide, 0), (0, tall), (wide, tall)]) - middle
    s = whole @ np.array(along)
    rows, columns = int(high - low) + 1, int(s.max() - s.min()) + 1
    if columns < fewest * period or rows < 3:
        return None
    origin = (
        middle[0] + s.min() * along[0] + low * across[0],
        middle[1] + s.min() * along[1] + low * across[1],
    )
    down, right = np.arange(rows)[:, None], np.arange(columns)[None]
    x = (origin[0] + right * along[0] + down * across[0]).astype(np.float32)
    y = (origin[1] + right * along[1] + down * across[1]).astype(np.float32)
    values = map_coordinates(grey, [y, x], order=1, mode="nearest")
    there = (x >= 0) & (x <= wide - 1) & (y >= 0) & (y <= tall - 1)
    values = values - uniform_filter1d(values, max(3, round(2 * period)), axis=1)
    values *= there
    return Frame(values.astype(np.float32), there.any(0), origin, along, across, period)


def phases_of(frame: Frame) -> Phases:
    """Return how far each part of a frame is ahead of the period."""
    rows, step = max(2, round(frame.period / 4)), max(2, round(frame.period / 2))
    tall, wide = frame.values.shape
    rows = max(1, min(rows, tall // 2))
    tall, wide = tall // rows * rows, wide // step * step
    wave = np.exp(-2j * np.pi * np.arange(wide) / frame.period).astype(np.complex64)
    lines = frame.values[:tall, :wide].reshape(-1, rows, wide)
    mean = lines.mean(1)
    # Thick lines shall not outvote the thin ones beside them.
    usual = uniform_filter1d(np.abs(mean), round(6 * frame.period) + 1, axis=1) + 0.05
    mean = mean / (np.abs(mean) + usual)
    shifted = (mean * wave).reshape(len(mean), -1, step).sum(2)
    power = (mean**2).reshape(len(mean), -1, step).sum(2)
    window = np.hanning(10)[1:-1]  # four periods
    window = (window / window.sum()).astype(np.float32)
    smooth = _along_rows(shifted, window)
    coherence = np.abs(smooth) ** 2 / ((_along_rows(power, window) + 1e-6) * step)
    # By how clear it is; how loud tells only from the faint, as writing is louder than ticks.
    loud = usual[:, step // 2 :: step][:, : coherence.shape[1]]
    clear = coherence >= _COHERENT
    enough = float(np.median(loud[clear])) if clear.any() else 1.0
    weight = np.where(clear, coherence**2 * loud / (loud + enough), 0).astype(np.float32)
    return Phases((smooth / (np.abs(smooth) + 1e-9)).astype(np.complex64), weight, rows, step)


def _along_rows(values: NDArray[Any], window: Floats) -> NDArray[Any]:
    half = len(window) // 2
    padded = np.pad(values, ((0, 0), (half, len(window) - half - 1)))
    wide = values.shape[1]
    total = np.zeros_like(values)
    for place, weight in enumerate(window):
        total = total + weight * padded[:, place : place + wide]
    return total


def slopes(phases: Phases) -> tuple[float, float]:
    """Return by how many cycles a pixel the phases advance from row to row, and along."""
    kept = phases.values * phases.weight
    down = (kept[1:] * np.conj(kept[:-1])).sum()
    # Windows overlap: neighbours share most of what they see, those eight apart nothing.
    apart = min(8, kept.shape[1] - 1)
    first = (kept[:, 1:] * np.conj(kept[:, :-1])).sum()
    rough = np.angle(first)
    far = (kept[:, apart:] * np.conj(kept[:, :-apart])).sum() * np.exp(-1j * rough * apart)
    right = rough + (np.angle(far) / apart if abs(far) > 0 else 0.0)
    turn = np.angle(down) / (2 * np.pi * phases.rows) if abs(down) > 0 else 0.0
    return float(turn), float(right / (2 * np.pi * phases.step))


def tracked(sums: Complex, stretches: float) -> NDArray[np.int64] | None:
    """Return the stretches that show the marks, from the clearest on as far as phases go on.

    Args:
        sums: How many rows show the period in each stretch, turned by their phase.
        stretches: Of one period.
    """
    strength = np.abs(sums)
    wide = np.convolve(sums, np.ones(max(3, round(6 * stretches))), "same")
    seed = int(np.argmax(np.abs(wide)))
    if not strength[seed] > 0:
        return None
    reach = round(12 * stretches)
    near = slice(max(0, seed - reach // 2), seed + reach // 2 + 1)
    usual = float(np.median(strength[near][strength[near] > 0]))
    found = [seed]
    for way in (1, -1):
        found += _walk(sums, seed, way, usual, stretches)
    return np.array(sorted(found)) if len(found) >= 4 * stretches else None


def _walk(sums: Complex, seed: int, way: int, usual: float, stretches: float) -> list[int]:
    """Return the stretches on one side of a seed whose phases are where they are expected."""
    memory, gap = round(10 * stretches), _GAP * stretches
    places, phases, found = [seed], [float(np.angle(sums[seed]))], []
    slope, at, lost = 0.0, seed + way, 0
    while 0 <= at < len(sums) and lost <= gap:
        expected = phases[-1] + slope * (at - places[-1])
        off = (float(np.angle(sums[at])) - expected + math.pi) % (2 * math.pi) - math.pi
        if abs(sums[at]) > _STRONG * usual and abs(off) < _OFF * 2 * math.pi:
            places.append(at)
            phases.append(expected + off)
            found.append(at)
            lost = 0
            if len(places) >= 4:
                slope = float(np.polyfit(places[-memory:], phases[-memory:], 1)[0])
            usual = 0.98 * usual + 0.02 * abs(sums[at])
        else:
            lost += 1
        at += way
    # What lies behind a gap and is short was met by chance.
    return _without_chance(found, gap / 2)


def _without_chance(found: list[int], gap: float) -> list[int]:
    for at in range(len(found) - 1, 0, -1):
        if abs(found[at] - found[at - 1]) > gap / 4 and len(found) - at < gap:
            found = found[:at]
    return found


def curve_of(
    sums: Complex, run: NDArray[np.int64], step: int, period: float
) -> tuple[Doubles, Doubles] | None:
    """Return samples, and how many marks are passed by each; None where no curve holds."""
    near = sums[run[1:]] * np.conj(sums[run[:-1]])
    near = near[np.diff(run) == 1]
    slope = float(np.angle(near.sum())) if len(near) else 0.0
    phase = np.unwrap(np.angle(sums[run] * np.exp(-1j * slope * run))) + slope * run
    place = (run + 0.5) * step - 0.5
    turns = phase / (2 * np.pi) + place / period
    marks = int(np.ptp(turns)) + 1
    second, third = (1 if marks >= n else len(run) + 1 for n in (25, 60))
    weight: Doubles = np.abs(sums[run]).astype(np.float64)
    fit, off, _ = fitted(place, turns, 1.0, second, third, weight)
    if float(np.median(np.abs(off))) > IRREGULAR:
        return None
    samples = np.arange(place[0] - step / 2, place[-1] + step / 2 + 1)
    counted = np.polyval(fit, (samples - place.mean()) / (np.ptp(place) + 1))
    return (samples, counted) if (np.diff(counted) > 0).all() else None


def fitted(
    x: NDArray[Any],
    y: NDArray[Any],
    unit: float,
    second: int,
    third: int,
    weight: Doubles | None = None,
) -> tuple[Doubles, Doubles, int]:
    """Fit the plainest curve that holds; return it, what is left, and its degree.

    The curve is over x less its mean, by the range of x and one more.
    """
    span = float(np.ptp(x)) + 1
    z = (x - x.mean()) / span
    weight = np.ones(len(x)) if weight is None else weight
    best: tuple[Doubles, Doubles, int] | None = None
    for degree in (1, 2, 3):
        if degree > 1 and len(x) < (second, third)[degree - 2]:
            break
        kept = np.ones(len(x), bool)
        for _ in range(3):
            fit = np.polyfit(z[kept], y[kept], degree, w=weight[kept])
            off = y - np.polyval(fit, z)
            kept = np.abs(off) <= max(0.02 * unit, 3.5 * float(np.median(np.abs(off))))
        if best is not None and np.median(np.abs(off)) > 0.8 * np.median(np.abs(best[1])):
            continue
        best = fit, off, degree
    assert best is not None
    return best
