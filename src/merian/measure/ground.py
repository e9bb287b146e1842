"""How far each pixel is from the ground that a specimen lies on, in colour.

The ground is a smooth surface in CIELAB: a polynomial of second degree, fitted again and again to
the pixels that are near it, so that bodies do not pull it. It starts from the colour that the
corners and the border have most of, the smooth places before all: the blurred rim of a body that
fills its crop is never smooth. It is fitted at reduced size and can be asked for any part of a
picture, so that a large one is never held as numbers at once.

References: CIE 15:2004 for L*a*b*; Tukey's biweight for the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from merian.measure.colour import lab_roots, linear, of_white

__all__ = ["Ground", "ground_of", "lab_of"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FITTED = 250  # pixels of the longer side that the surface is fitted to
_ROUNDS = 8
_NOISE = (0.8, 4.0)  # of L*: a picture of 8 bits has the least, after JPEG
_REACH = 3  # times the noise: what is nearer is ground
_START = 9.0  # from the first colour: what may be ground; and the farthest that any round looks
_SLOPED = 60  # pixels of the shorter side: in smaller pictures the ground is of one colour
_ALIKE = 5.0  # in L*: pixels of one tone
_FIRST = 0.1  # what the commonest colour has before the corners
_STEPS = 8192  # from black to white, between which roots are taken on lines: to 0.0002 of L*


@dataclass(frozen=True)
class Ground:
    """The ground of a picture.

    Attributes:
        surface: float64[6, 3]; what 1, x, y, x², xy and y² add to L*, a* and b*, with x and y from
            -1 to 1 over the picture.
        noise: How far pixels of the ground are from it.
        share: Of the picture that is ground.
        shape: Height and width of the picture.
    """

    surface: Doubles
    noise: float
    share: float
    shape: tuple[int, int]

    def apart(self, lab: Floats, top: int = 0, left: int = 0) -> Floats:
        """Return float32[h, w, 3], how far a part of the picture is from the ground.

        Args:
            lab: The part in CIELAB.
            top: Where it is in the picture.
            left: Where it is in the picture.
        """
        height, width = self.shape
        y = (2 * (np.arange(lab.shape[0]) + top) / max(height - 1, 1) - 1)[:, None]
        x = (2 * (np.arange(lab.shape[1]) + left) / max(width - 1, 1) - 1)[None]
        found = np.empty_like(lab)
        for channel in range(3):
            c = self.surface[:, channel]
            on = c[0] + c[1] * x + c[2] * y + c[3] * (x * x) + c[4] * (x * y) + c[5] * (y * y)
            found[..., channel] = lab[..., channel] - on
        return found

    def distance(self, lab: Floats, top: int = 0, left: int = 0) -> Floats:
        """Return float32[h, w], how far a part of the picture is from the ground, as a length."""
        from merian.measure.picture_loops import distances  # noqa: PLC0415 - loads numba

        return distances(lab, np.ascontiguousarray(self.surface), top, left, *self.shape)


def lab_of(picture: Bytes) -> Floats:
    """Return float32[h, w, 3], CIELAB of an sRGB picture under D65."""
    from merian.measure.picture_loops import lab_from  # noqa: PLC0415 - loads numba

    shares, roots = _tables()
    return lab_from(picture, shares, roots)


@cache
def _tables() -> tuple[Floats, Floats]:
    """Return what each value of a colour adds to X, Y and Z, and the roots of those."""
    light = linear(np.arange(256.0))
    shares = np.concatenate([np.outer(light, row) for row in _STEPS * of_white()])
    roots = lab_roots(np.arange(_STEPS + 2) / _STEPS)
    return shares.astype(np.float32), roots.astype(np.float32)


def ground_of(lab: Floats, shape: tuple[int, int] | None = None, *, inside: bool = False) -> Ground:
    """Fit the ground of a picture.

    Args:
        lab: The picture in CIELAB, which may have been made smaller.
        shape: Height and width of the picture itself; None where it is that of `lab`.
        inside: Whether to start from the commonest colour of all, not from what is outside: a tray
            on a table.
    """
    factor = max(1, max(lab.shape[:2]) // _FITTED)
    first = [min(factor // 2, side - 1) for side in lab.shape[:2]]  # it may be a single row
    small = lab[first[0] :: factor, first[1] :: factor]
    height, width = small.shape[:2]
    y = np.broadcast_to(np.linspace(-1, 1, height)[:, None], (height, width)).ravel()
    x = np.broadcast_to(np.linspace(-1, 1, width)[None], (height, width)).ravel()
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    flat = small.reshape(-1, 3).astype(np.float64)
    surface = np.zeros((6, 3))
    surface[0] = _commonest(small, inside=True) if inside else _start(small)
    noise, reach = _NOISE[1], _START
    near = np.ones(len(flat), np.bool_)
    for turn in range(_ROUNDS):
        apart = np.linalg.norm(flat - basis @ surface, axis=1)
        near = apart < reach
        if near.sum() < 6:
            break
        noise = float(np.clip(1.2 * np.median(apart[near]), *_NOISE))
        terms = _borne(near.reshape(height, width)) if turn > 1 else 1
        weight = np.where(near, 1 - np.minimum(apart / reach, 1) ** 2, 0)
        used = basis[:, :terms] * weight[:, None]
        product = used.T @ used + 1e-5 * weight.sum() * np.eye(terms)
        surface = np.zeros((6, 3))
        surface[:terms] = np.linalg.solve(product, used.T @ (flat * weight[:, None]))
        reach = min(_REACH * noise, _START)
    return Ground(surface, noise, float(near.mean()), shape or (lab.shape[0], lab.shape[1]))


def _borne(near: Mask) -> int:
    """Return how many terms can be borne: a slope asks for ground in many places, a bend in all."""
    height, width = near.shape
    if min(near.shape) < _SLOPED:
        return 1
    ninths = [
        near[height * i // 3 : height * (i + 1) // 3, width * j // 3 : width * (j + 1) // 3].mean()
        for i in range(3)
        for j in range(3)
    ]
    seen = sum(share > 0.1 for share in ninths)
    return 6 if seen >= 8 else 3 if seen >= 5 else 1


def _start(lab: Floats) -> Doubles:
    """Return the colour to start from: that which is outside more than in the middle.

    Asked are the commonest colour of corners and border, smooth places before all, the two palest
    corners, and the two darkest. In a small crop hardly a pixel is pure ground, and most are body.
    """
    light = lab[..., 0]
    height, width = light.shape
    deep, wide = max(1, height // 12), max(1, width // 12)
    corners = np.array([
        np.median(lab[rows, columns].reshape(-1, 3), axis=0)
        for rows in (np.s_[:deep], np.s_[-deep:])
        for columns in (np.s_[:wide], np.s_[-wide:])
    ])  # fmt: skip
    corners = corners[np.argsort(corners[:, 0], kind="stable")]
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    middle = lab[height // 4 : height - height // 4, width // 4 : width - width // 4].reshape(-1, 3)
    asked = (_commonest(lab), corners[2:].mean(axis=0), corners[:2].mean(axis=0))
    marks = [
        _share(corners, one) + _share(border, one) - 0.7 * _share(middle, one) for one in asked
    ]
    return np.asarray(asked[int(np.argmax([marks[0] + _FIRST, *marks[1:]]))], dtype=np.float64)


def _share(colours: Floats, start: Doubles) -> float:
    return float((np.linalg.norm(colours - start, axis=1) < _START).mean())


def _commonest(lab: Floats, *, inside: bool = False) -> Doubles:
    """Return the commonest colour, of corners and border or of all; smooth places before all."""
    light = lab[..., 0]
    steep = np.zeros_like(light)
    if min(light.shape) > 1:
        steep = np.hypot(*np.gradient(light)).astype(np.float32)
    votes = 1 / (1 + (steep / 2) ** 2)
    height, width = light.shape
    place = np.full_like(light, 0.3 / light.size)
    rim = 2 * (height + width)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        place[edge] += 1 / rim
    deep, wide = max(1, height // 10), max(1, width // 10)
    for rows in (np.s_[:deep], np.s_[-deep:]):
        for columns in (np.s_[:wide], np.s_[-wide:]):
            place[rows, columns] += 0.25 / (deep * wide)
    votes = votes if inside else votes * place
    counts = np.histogram(light, 102, (0, 102), weights=votes)[0]
    tone = float(np.convolve(counts, np.hanning(13), "same").argmax()) + 0.5
    near = np.abs(light - tone) < _ALIKE
    if not near.any():
        near = np.ones_like(near)
    return np.array([_middle(lab[near][:, channel], votes[near]) for channel in range(3)])


def _middle(values: Floats, weights: Floats) -> float:
    """Return the weighted median."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
