"""The scale of a picture from a scale bar whose length is told.

A bar is a thin straight piece, darker or lighter than what is around it, alone, and all of one
tone; its ends may have serifs. Pieces of such a shape are cut from the picture at two scales of
"around", their middle line is found to a fraction of a pixel, and both ends where the tone is half
way to that of the ground. Which of them is the bar nobody can know where several are alike: then
they are told, and none is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, map_coordinates, uniform_filter

from merian.measure.calibration import Calibration, NoScaleError, Point
from merian.measure.units import MILLIMETRES

__all__ = ["Bar", "bar_scale", "find_bars"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LARGEST = 4_000_000  # pixels in which bars are looked for; ends are found in the whole picture
_SHORTEST, _SLIMMEST = 24.0, 4.0  # pixels, and times its thickness
_SMALL, _LONGEST = 0.05, 0.75  # of the picture: shorter are letters, longer is its frame
_FULL = 0.35  # of the box of its moments that it fills: serifs make that larger
_STRAIGHT = 0.35  # of its thickness, or pixels: how far its middle line may bend
_CONTRAST = 25.0  # grey values
_EVEN = 0.25  # of its contrast: spread of the tone along it
_ALONE = 0.25  # of its contrast: what the ground around it may differ by
_LEAST = 0.25  # of merit
_ALIKE = 0.75  # of the merit of the best: what may be the bar as well
_END = 0.35  # pixels: how sure one end is, at best
_BARS = 6  # that are told of


@dataclass(frozen=True)
class Bar:
    """A bar.

    Attributes:
        ends: The middles of both ends, x and y in pixels.
        thick: Pixels.
        contrast: Of it to the ground in grey values, negative if it is darker.
        merit: How much it is like a bar, 0 to 1.
    """

    ends: tuple[Point, Point]
    thick: float
    contrast: float
    merit: float

    @property
    def length(self) -> float:
        """Pixels from end to end."""
        return math.dist(*self.ends)


def bar_scale(picture: Pixels, length: float, unit: str = "mm", *, source: str = "") -> Calibration:
    """Return the scale that the bar in a picture tells.

    Args:
        picture: uint8[height, width, 3], upright.
        length: Of the bar.
        unit: Of the length.
        source: What the picture is called.

    Raises:
        NoScaleError: There is no bar in it, or there are several that are alike.
    """
    bars = find_bars(picture)
    if not bars:
        raise NoScaleError("no scale bar is seen: no thin, straight, even piece that stands alone")
    likely = [bar for bar in bars if bar.merit >= _ALIKE * bars[0].merit]
    if len(likely) > 1:
        told = "; ".join(_told(bar) for bar in likely)
        raise NoScaleError(
            f"{len(likely)} pieces may be the scale bar: {told}. Tell its ends by --points"
        )
    bar = likely[0]
    relative = math.sqrt(2) * max(_END, 0.06 * bar.thick) / bar.length
    return Calibration(
        bar.length / (length * MILLIMETRES[unit]), min(relative, 0.99), "bar", source,
        marks=bar.ends, why=f"a bar {bar.length:.1f} pixels long, {length:g} {unit} as told",
    )  # fmt: skip


def _told(bar: Bar) -> str:
    (x0, y0), (x1, y1) = bar.ends
    return f"{bar.length:.1f} pixels from {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}"


def find_bars(picture: Pixels) -> list[Bar]:
    """Return what may be a scale bar in a picture, the likeliest first."""
    seen = picture @ np.array([0.299, 0.587, 0.114], np.float32) if picture.ndim > 2 else picture
    grey: Floats = np.asarray(seen, np.float32)
    step = max(1, math.ceil(math.sqrt(grey.size / _LARGEST)))
    small = grey[::step, ::step]
    found: list[Bar] = []
    for around in (0.03, 0.1):
        wide = 2 * round(around * min(small.shape) / 2) + 1
        ground = uniform_filter(small, max(wide, 9), mode="nearest")
        for sign in (-1, 1):
            pieces, count = label(sign * (small - ground) > _CONTRAST / 2, np.ones((3, 3), int))
            found += _pieces(grey, pieces, count, step, sign)
    found.sort(key=lambda bar: (-bar.merit, bar.ends))
    bars: list[Bar] = []
    for bar in found:
        if all(_apart(bar, other) for other in bars):
            bars.append(bar)
    return bars[:_BARS]


def _apart(one: Bar, other: Bar) -> bool:
    """Return whether two bars are not the same: neither has its middle on the other."""
    middles = [np.mean(bar.ends, axis=0) for bar in (one, other)]
    near = max(one.thick, other.thick) + 0.5 * min(one.length, other.length)
    return float(math.dist(*middles)) > near


def _pieces(grey: Floats, pieces: NDArray[np.int32], count: int, step: int, sign: int) -> list[Bar]:
    """Return the pieces that have the shape of a bar."""
    if not count:
        return []
    y, x = np.nonzero(pieces)
    which = pieces[y, x] - 1
    size = np.bincount(which, minlength=count).astype(float)
    mx, my = (np.bincount(which, v, count) / size for v in (x, y))
    dx, dy = x - mx[which], y - my[which]
    xx, yy, xy = (np.bincount(which, v, count) / size for v in (dx * dx, dy * dy, dx * dy))
    half = np.hypot((xx - yy) / 2, xy)
    long, thin = (np.sqrt(12 * np.maximum((xx + yy) / 2 + s * half, 1 / 12)) for s in (1, -1))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    slim = (long * step >= _SHORTEST) & (long >= 0.8 * _SLIMMEST * thin)
    slim &= long <= _LONGEST * math.hypot(*pieces.shape)
    # A bar fills the box around it, with room for serifs.
    slim &= size >= _FULL * long * thin
    bars = []
    for number in np.flatnonzero(slim)[np.argsort(-size[slim], kind="stable")][:60].tolist():
        middle = (mx[number] * step, my[number] * step)
        bar = _measured(grey, middle, angle[number], long[number] * step, thin[number] * step, sign)
        if bar is not None:
            bars.append(bar)
    return bars


def _measured(
    grey: Floats, middle: Point, angle: float, long: float, thin: float, sign: int
) -> Bar | None:
    """Return a bar with its ends to a fraction of a pixel, or None if it is none after all."""
    for _ in range(2):
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        room = max(8.0, 3 * thin)
        s = np.arange(-long / 2 - room, long / 2 + room + 1, 0.5)
        v = np.arange(-2 * thin - 4, 2 * thin + 4.01, 0.5)
        x = middle[0] + s[None] * along[0] + v[:, None] * across[0]
        y = middle[1] + s[None] * along[1] + v[:, None] * across[1]
        inside = (x >= 0) & (x < grey.shape[1]) & (y >= 0) & (y < grey.shape[0])
        values = sign * map_coordinates(grey, [y, x], order=1, mode="nearest")
        body = np.abs(s) < 0.4 * long
        rim = np.abs(v) > 1.2 * thin + 2
        ground = float(np.median(values[rim][:, body]))
        line = np.median(values[:, body], axis=1)
        contrast = float(line.max()) - ground
        if contrast < _CONTRAST:
            return None
        # The middle line, from the centres of columns.
        part = np.clip((values - ground) / contrast, 0, 1.2)
        part[np.abs(v) > 1.2 * thin + 1] = 0
        total = part.sum(0)
        there = body & (total > 0)
        centre = (part * v[:, None]).sum(0)[there] / total[there]
        slope, shift = np.polyfit(s[there], centre, 1)
        bent = float(np.sqrt(np.mean((centre - slope * s[there] - shift) ** 2)))
        angle += math.atan(slope)
        middle = (middle[0] + shift * across[0], middle[1] + shift * across[1])
    thick = float(np.median(total[there])) * 0.5
    if bent > max(_STRAIGHT * thick, 0.6) or long < _SLIMMEST * thick:
        return None
    rows = values[np.abs(v) <= max(0.4 * thick, 0.5)]
    row = rows.mean(0)
    # Of a thick bar each part has its own ends, as print has holes.
    parts = [part.mean(0) for part in np.array_split(rows, max(1, round(thick / 3)))]
    both = [ends for part in parts if (ends := _half_way(s, part, ground, contrast)) is not None]
    if not both or not inside[:, [0, -1]].any():
        return None
    low, high = np.median(both, axis=0).tolist()
    tone = row[(s > low + thick / 2 + 1) & (s < high - thick / 2 - 1)]
    shortest = max(_SHORTEST, _SLIMMEST * thick, _SMALL * min(grey.shape))
    if high - low < shortest or len(tone) < 8:
        return None
    uneven = float(np.std(tone)) / contrast
    beside = values[rim][:, (s > low) & (s < high)]
    busy = float(np.median(np.abs(beside - ground))) / contrast
    beyond = values[:, (s < low - 3) | (s > high + 3)][np.abs(v) < thick]
    if uneven > _EVEN or busy > _ALONE or beyond.size == 0:
        return None
    # What goes on beyond its ends is a line that something crosses.
    goes_on = float(np.percentile((beyond - ground) / contrast, 75))
    merit = (1 - uneven / _EVEN / 2) * (1 - busy / _ALONE / 2) * (1 - np.clip(goes_on, 0, 1))
    merit *= min(1.0, contrast / 80) * min(1.0, (high - low) / thick / 12) ** 0.5
    if merit < _LEAST:
        return None
    first, last = (
        (float(middle[0] + at * along[0]), float(middle[1] + at * along[1])) for at in (low, high)
    )
    ordered = (first, last) if first <= last else (last, first)
    return Bar(ordered, thick, sign * contrast, float(merit))


def _half_way(
    s: NDArray[np.float64], row: Floats, ground: float, contrast: float
) -> tuple[float, float] | None:
    """Return where the tone of a bar is half way to that of the ground, on both sides."""
    share = (row - ground) / contrast
    # The step that fits best; what is printed with holes passes half of the tone many times.
    middle = len(s) // 2
    left = int(np.argmin(np.cumsum(2 * share[:middle] - 1))) + 1
    right = len(s) - 2 - int(np.argmin(np.cumsum(2 * share[: middle - 1 : -1] - 1)))
    ends = []
    for at, way in ((left, -1), (right, 1)):
        near = [k for k in range(at - 3, at + 4) if 0 <= k < len(s) and 0 <= k + way < len(s)]
        crossings = [
            float(s[k] + way * 0.5 * (share[k] - 0.5) / (share[k] - share[k + way]))
            for k in near if share[k] >= 0.5 > share[k + way]
        ]  # fmt: skip
        if not crossings:
            return None
        ends.append(min(crossings, key=lambda place: abs(place - float(s[at]))))
    return (ends[0], ends[1]) if ends[1] > ends[0] else None
