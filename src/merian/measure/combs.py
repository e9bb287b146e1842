"""Where in a picture something repeats: the ticks of a ruler, the lines of graph paper.

The picture is looked at in square pieces, at its own size and at halves of it. What repeats stands
in the spectrum of a piece as a comb: peaks at a frequency and its multiples, in one direction for a
ruler and in two for graph paper. A comb counts by how far its teeth stand above the gaps between
them, so that twice the period (half of its teeth are missing) and half the period (there are teeth
in its gaps) mostly lose to the right one. This only says where to look: `merian.measure.ticks`
follows the marks one by one, and has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Comb", "find_combs", "halved"]

Floats = NDArray[np.float32]

_PIECE = 256  # pixels of a side
_RIM = 96  # pixels around a picture that mirror it: pieces hardly see what lies at their sides
_STEP = 0.25  # of a bin of the spectrum: how finely combs are looked for
_LEAST, _MOST = 3.6, 40.0  # pixels: periods that a piece can show
_TEETH = 6  # that are looked at
_END = 0.46  # cycles a pixel: beyond are the edges of pixels
_DIRECTIONS = 6  # strongest peaks of a piece that are followed
_FLAT = 2.0  # grey values: pieces with less in them hold no marks
_CLEAR = 4.0  # how far a comb stands out; cloth gives up to 4.5, and what is no ruler is seen later
_ALIKE = 0.07  # of a period, between pieces
_ALIKE_ANGLE = 4.0  # degrees
_BESIDE = 1.25  # sides of a piece
_SMALLEST = 200  # pixels of the shorter side below which a picture is not halved again
_LARGEST = 7_000_000  # pixels above which the pieces of a picture do not overlap
_COMBS = 12  # that are told of


@dataclass(frozen=True)
class Comb:
    """Marks that seem to repeat in a part of a picture.

    Attributes:
        period: Pixels from one mark to the next, to a few per cent.
        angle: Of the direction in which they repeat, in degrees from the x axis, -90 to 90.
        clearness: How far the comb stands out.
        boxes: Of the pieces that show it, the clearest first: left, top and side, in pixels.
    """

    period: float
    angle: float
    clearness: float
    boxes: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Seen:
    clearness: float
    period: float
    angle: float
    x: int
    y: int
    side: int


def find_combs(grey: Floats) -> list[Comb]:
    """Return what repeats in a picture, in the most pieces and the clearest first.

    Args:
        grey: Of the picture, float32[height, width].
    """
    seen = sorted(_everywhere(grey), key=lambda one: (-one.clearness, one.side, one.y, one.x))
    combs: list[Comb] = []
    while seen:
        same = [one for one in seen if _alike(seen[0], one)]
        combs.append(_together(same))
        seen = [one for one in seen if not _alike(seen[0], one)]
    combs.sort(key=lambda comb: -comb.clearness * math.sqrt(min(len(comb.boxes), 9)))
    return combs[:_COMBS]


def halved(picture: NDArray[Any]) -> Floats:
    """Return a picture of half the size: pixel 0 has the middle of the first two."""
    tall, wide = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    even = picture[:tall, :wide]
    small: Floats = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return small


def _everywhere(grey: NDArray[Any]) -> Iterator[_Seen]:
    factor = 1
    while min(grey.shape) > _RIM:
        more = [(0, max(0, _PIECE - side)) for side in grey.shape]
        grey = np.pad(grey, more, mode="edge")
        step = _PIECE // 2 if grey.size <= _LARGEST else _PIECE
        yield from _looked_at(np.pad(grey, _RIM, mode="reflect"), factor, step)
        if min(grey.shape) < 2 * _SMALLEST:
            return
        grey, factor = halved(grey), 2 * factor


def _together(same: Sequence[_Seen]) -> Comb:
    """Return one comb of the same in several pieces; angles are those of the clearest."""
    best = same[0]
    clear = [one for one in same if one.clearness > 0.6 * best.clearness]
    period = float(np.median([one.period for one in clear]))
    # What is far beside the clearest piece is no part of the same ruler; what is far along may be.
    turn = math.radians(best.angle)
    boxes = dict.fromkeys(
        (one.x, one.y, one.side)
        for one in same
        if abs(_middle(one, turn) - _middle(best, turn)) <= _BESIDE * max(one.side, best.side)
    )
    return Comb(period, best.angle, best.clearness, tuple(boxes))


def _middle(seen: _Seen, turn: float) -> float:
    """Return how far the middle of a piece is across a direction."""
    half = seen.side / 2
    return (seen.y + half) * math.cos(turn) - (seen.x + half) * math.sin(turn)


def _alike(one: _Seen, other: _Seen) -> bool:
    turn = abs((one.angle - other.angle + 90) % 180 - 90)
    return turn <= _ALIKE_ANGLE and abs(other.period / one.period - 1) <= _ALIKE


def _starts(length: int, step: int) -> list[int]:
    starts = list(range(0, length - _PIECE + 1, step))
    return starts if starts[-1] == length - _PIECE else [*starts, length - _PIECE]


def _looked_at(picture: Floats, factor: int, step: int) -> Iterator[_Seen]:
    for y in _starts(picture.shape[0], step):
        for x in _starts(picture.shape[1], step):
            piece = picture[y : y + _PIECE, x : x + _PIECE]
            if piece.std() >= _FLAT:
                for clearness, period, angle in _combs_of(piece):
                    left, top = (x - _RIM) * factor, (y - _RIM) * factor
                    yield _Seen(clearness, period * factor, angle, left, top, _PIECE * factor)


def _combs_of(piece: Floats) -> Iterator[tuple[float, float, float]]:
    """Yield clearness, period and angle of the combs in the strongest directions of a piece."""
    spectrum = _spectrum(piece)
    bins = _bins()
    inside = np.where((bins >= 5) & (bins < int(_END * _PIECE)), spectrum, 0)
    # Of each row of the spectrum the strongest; to sort all of it takes longer than the rest.
    columns = inside.argmax(1)
    heights = inside[np.arange(_PIECE), columns]
    followed: list[float] = []
    for row in np.argsort(-heights, kind="stable")[:_DIRECTIONS].tolist():
        column = int(columns[row])
        up = (row + _PIECE // 2) % _PIECE - _PIECE // 2
        angle = math.degrees(math.atan2(up, column))
        if any(abs((angle - other + 90) % 180 - 90) < 2 for other in followed):
            continue
        followed.append(angle)
        clearness, period = _clearest(_along(spectrum, angle))
        if clearness >= _CLEAR:
            yield clearness, period, (angle + 90) % 180 - 90


@cache
def _window() -> Floats:
    hann = np.hanning(_PIECE).astype(np.float32)
    return hann[:, None] * hann[None]


@cache
def _bins() -> NDArray[np.int64]:
    """Return how many bins each frequency of a spectrum is from zero."""
    up = np.fft.fftfreq(_PIECE)[:, None]
    across = np.fft.rfftfreq(_PIECE)[None]
    bins: NDArray[np.int64] = np.rint(np.hypot(up, across) * _PIECE).astype(np.int64)
    return bins


def _spectrum(piece: Floats) -> Floats:
    """Return the power of a piece over what is usual in each ring: peaks stand out anywhere."""
    power = np.abs(np.fft.rfft2((piece - piece.mean()) * _window())) ** 2
    bins = _bins().ravel()
    usual = np.bincount(bins, np.log(power.ravel() + 1e-6)) / np.bincount(bins)
    # Where a picture was made smaller or sharpened the finest rings are empty: no peak of nothing.
    usual = np.exp(np.maximum.accumulate(usual[::-1])[::-1])
    flat: Floats = (power / (usual[_bins()] + 1e-9)).astype(np.float32)
    return flat


def _along(spectrum: Floats, angle: float) -> Floats:
    """Return the logarithm of the spectrum along a direction, by quarters of a bin."""
    steps = np.arange(int(_END * _PIECE / _STEP)) * _STEP
    across = np.rint(steps * math.cos(math.radians(angle))).astype(np.int64)
    up = np.rint(steps * math.sin(math.radians(angle))).astype(np.int64)
    best = np.zeros(len(steps), np.float32)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            column, row = across + dx, up + dy
            turned = column < 0  # the other half of a spectrum mirrors this one
            column, row = np.where(turned, -column, column), np.where(turned, -row, row)
            best = np.maximum(best, spectrum[row % _PIECE, column])
    return np.log1p(best)


@cache
def _combed() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return, for each comb: its tooth of least frequency, its teeth, and which of them count."""
    length = int(_END * _PIECE / _STEP)
    first = np.arange(int(_PIECE / _MOST / _STEP), int(_PIECE / _LEAST / _STEP) + 1)
    first = first[first < length]
    teeth = first[:, None] * np.arange(1, _TEETH + 1)
    there = (teeth < length).astype(np.float32)
    return first, np.minimum(teeth, length - 1), there


def _clearest(line: Floats) -> tuple[float, float]:
    """Return how clear the clearest comb of a line is, and its period."""
    first, teeth, there = _combed()
    count = there.sum(1)
    above = ((line[teeth] - line[teeth - first[:, None] // 2]) * there).sum(1) / count
    # A comb of one tooth may be a chance; four are as good as more.
    clearness = above * np.sqrt(np.minimum(count, 4))
    best = int(np.argmax(clearness))
    return float(clearness[best]), float(_PIECE / (first[best] * _STEP))
