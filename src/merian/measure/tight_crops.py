"""The outline of a body in a crop that was cut at its outline: it reaches all four sides.

How far out the edge of a blurred body is taken, and whether a pale leg or wing belongs to it, is a
matter of level, and whoever cut the crop has chosen one. Where most sides are reached by the body
itself, the highest level at which it reaches them is that one. What reaches a side by a leg or a
wing says nothing of the body: there only this arm is followed, as far down as it takes.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.measure.extremes import crests

__all__ = ["at_frame", "reaches_frame"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_LEVELS = (0.4, 2.0)  # of the usual level: that of the body is never outside
_ON_TRUST = 0.6  # of it: where arms do not reach the sides, the body is taken so far down
_FAINT = 0.2  # of it: what hangs on the body is clearer
_CLEAR = 1.5  # times the noise: and clearer than that
_STEPS = 64  # of levels that are asked, each a thirtieth over the one before
_MOST_SIDES = 3  # reached by the body itself: they tell its level
_THICK = 0.15  # of the side of a square as large as the body: legs are not so thick
_PIXELS = (2, 15)  # nor are they thicker, and what is thinner has no legs
_RIM = 3  # pixels of a blurred rim
_EVERYWHERE = np.ones((3, 3), np.bool_)


def at_frame(mask: Mask, distance: Floats, level: float, noise: float) -> tuple[Mask, float]:
    """Return the body as it reaches all sides of its crop, and the lowest level that it took.

    Args:
        mask: Of the body as it is without knowing how the crop was cut.
        distance: How far each pixel is from the ground.
        level: From which on something is a body, as a rule.
        noise: Of the ground.
    """
    least, usual = max(_CLEAR * noise, _FAINT * level), level
    asked = np.geomspace(least, max(_LEVELS[1] * usual, least), _STEPS)
    sides = _levels(mask, distance, asked)
    faint = min((at for at, _ in sides), default=least) if len(sides) == 4 else least
    own = [at for at, by_body in sides if by_body]
    found = mask
    if len(own) >= _MOST_SIDES:
        level = max(min(own), _LEVELS[0] * usual)
        found = _at(mask, distance, level)
    if not reaches_frame(found):
        found = _piece(found | ((distance > faint) & crests(distance)[1]), mask)
    if not reaches_frame(found):
        found = _with_arms(found, _piece(distance > faint, mask))
    if not reaches_frame(found):
        level = max(faint, _ON_TRUST * usual)
        found = found | _at(mask, distance, level)
    return found, level


def reaches_frame(mask: Mask) -> bool:
    """Return whether a mask of a whole crop reaches all four sides."""
    return all(bool(side.any()) for side in _sides(mask))


def _sides(mask: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    return mask[0], mask[-1], mask[:, 0], mask[:, -1]


def _at(mask: Mask, distance: Floats, level: float) -> Mask:
    """Return a mask whose body is that of a level; its legs are as they were."""
    thick = _thick(_piece(distance > level, mask)) | _thick(mask)
    return _piece(np.where(thick, distance > level, mask), mask)


def _thick(mask: Mask) -> Mask:
    """Return where the body is without its legs, with a rim around it."""
    size = int(np.clip(round(_THICK * float(mask.sum()) ** 0.5), *_PIXELS))
    framed = np.pad(mask, size, mode="edge")  # it is no thinner where the crop ends
    body = ndimage.binary_opening(framed, np.ones((size, size), np.bool_))
    around = ndimage.binary_dilation(body, _EVERYWHERE, iterations=_RIM)
    found: Mask = around[size:-size, size:-size]
    return found


def _levels(mask: Mask, distance: Floats, asked: NDArray[np.float64]) -> list[tuple[float, bool]]:
    """Return for each side that is reached the highest level, and whether by the body itself.

    Args:
        mask: Of the body.
        distance: How far each pixel is from the ground.
        asked: Levels, the lowest first.
    """

    @cache
    def piece(at: int) -> Mask:
        return _piece(distance > asked[at], mask)

    @cache
    def thick(at: int) -> Mask:
        return _thick(piece(at))

    found = []
    for number in range(4):
        low, high = -1, len(asked)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _sides(piece(middle))[number].any() else (low, middle)
        if low >= 0:
            by_body = (_sides(piece(low))[number] & _sides(thick(low))[number]).any()
            found.append((float(asked[low]), bool(by_body)))
    return found


def _with_arms(mask: Mask, fainter: Mask) -> Mask:
    """Return a mask with those arms of a fainter one that reach a side which it does not."""
    beyond = fainter & ~ndimage.binary_dilation(mask, _EVERYWHERE, iterations=_RIM)
    labels, _ = ndimage.label(beyond, _EVERYWHERE)
    wanted = {
        number
        for side, numbers in zip(_sides(mask), _sides(labels), strict=True) if not side.any()
        for number in np.unique(numbers).tolist()
    }  # fmt: skip
    arms = np.isin(labels, [*(wanted - {0})])
    joined: Mask = ndimage.binary_dilation(arms, _EVERYWHERE, iterations=_RIM + 1) & fainter
    return mask | joined


def _piece(standing: Mask, mask: Mask) -> Mask:
    """Return the piece that has most of a mask; the mask itself where none has any of it."""
    labels, count = ndimage.label(standing, _EVERYWHERE)
    shared = np.bincount(labels[mask], minlength=count + 1)
    shared[0] = 0
    found: Mask = labels == int(shared.argmax())
    return found if shared.any() else mask
