"""Glints at the rim of a body: what shines there is as pale as the ground, and lost to the mask.

A glint within a body is a hole that is filled. One at the rim, as at the tip of elytra, is a pit,
and the body ends where the pit begins. It is told from the ground by its tone or its hue, from a
shadow in that it is not the ground made darker, and from legs by what is around it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["with_glints"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_DARK = 6.0  # of L*: by how much a body is darker than the ground, or nothing on it shines
_GLINT = 5.0  # of L*: paler than the ground by so much
_REACH = 3  # times the noise, and pixels around a glint
_OF_BODY = (0.03, 0.15)  # glints are smaller: any, and those that the body is around
_HELD = (0.35, 0.6)  # of what is around such a glint is the body
_SHADOW = 0.3  # of its depth: a shadow has less of a hue
_EVERYWHERE = np.ones((3, 3), np.bool_)


def with_glints(mask: Mask, apart: Floats, noise: float, *, plain: bool) -> Mask:
    """Return a mask of a dark body with the glints that reach its rim: as pale as the ground is.

    A glint is paler than the ground or of another hue; what is darker is a shadow, as far as it has
    the ground's hue. It is small, has the body on a good part of its rim, and is no line of
    overshoot along it. A large one has the body around most of it, and is taken only on a plain
    ground: on another it may be a gap of legs, with what lies there.

    Args:
        mask: Of the body.
        apart: How far each pixel is from the ground, in L*, a* and b*.
        noise: Of the ground.
        plain: Whether most of the picture is ground.
    """
    lighter = apart[..., 0]
    if not mask.any() or float(np.median(lighter[mask])) > -_DARK:
        return mask
    least = max(_REACH * noise, _GLINT)
    whole = mask.copy()
    for pale, share, held in (
        (lighter > least, _OF_BODY[0], _HELD[0]),
        (plain & _tinted(apart, least), _OF_BODY[1], _HELD[1]),
    ):
        for box, glint in _beside(pale & ~whole, whole):
            near = ndimage.binary_dilation(glint, _EVERYWHERE, iterations=_REACH)
            if glint.sum() < share * mask.sum() and whole[box][near & ~glint].mean() > held:
                joined = ndimage.binary_closing(whole[box] | glint, _EVERYWHERE, iterations=2)
                whole[box] |= glint | (joined & near)
    return whole


def _tinted(apart: Floats, least: float) -> Mask:
    """Return what is apart from the ground and no shadow."""
    lighter, hue = apart[..., 0], np.hypot(apart[..., 1], apart[..., 2])
    found: Mask = (np.hypot(lighter, hue) > least) & (hue > -_SHADOW * lighter)
    return found


def _beside(pale: Mask, mask: Mask) -> Iterator[tuple[tuple[slice, ...], Mask]]:
    """Yield the thick pieces of something that are beside a mask, each with a box around it."""
    labels, _ = ndimage.label(pale)
    thick = ndimage.binary_opening(pale, _EVERYWHERE)
    boxes = ndimage.find_objects(labels)
    touched = thick & ndimage.binary_dilation(mask, iterations=_REACH)
    for number in np.unique(labels[touched]).tolist():
        box = tuple(
            slice(max(one.start - 2 * _REACH, 0), one.stop + 2 * _REACH)
            for one in boxes[number - 1]
        )
        yield box, labels[box] == number
