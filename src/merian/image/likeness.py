"""Whether two pictures are one, though the bytes differ: saved anew, made smaller, turned.

A picture is shrunk to 32 by 32 greys and its cosine transform taken. Of a natural picture the
coarse waves are strong and alike in all, the fine ones weak and its own: so each is weighted by its
frequency, and the direction of what results is the picture's look. JPEG and rescaling hardly move
it; two specimens of one species on a like ground have looks that differ. Turning or mirroring a
picture only changes signs and swaps the two axes, so all eight looks come of one.

No picture is held against all others. A look falls on one side or the other of many random planes;
looks that agree in all planes of one of several bundles are compared, and no others. Of looks with
a cosine of 0.97, the least that counts here, nine in ten meet in one bundle or more.

References: Zauner, Implementation and benchmarking of perceptual image hash functions, Upper
Austria University of Applied Sciences, 2010, for the transform; Charikar, Similarity estimation
techniques from rounding algorithms, STOC 2002, for the planes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LENGTH", "TURNS", "Look", "candidates", "cosines", "look_of", "turned"]

_SIDE, _WAVES = 32, 12
LENGTH = _WAVES * _WAVES
"""Numbers of a look."""

TURNS = ("", "mirrored", "upside down", "turned by 180", "transposed", "turned by 90",
         "turned by 270", "transposed and turned by 180")  # fmt: skip
"""What was done to a picture, in the order of `turned`; the first is nothing."""

_PLAIN = 1.5  # grey levels: a picture that strays less is of one colour, and like any other
_BUNDLES, _PLANES = 16, 22
_NEIGHBOURS = 16  # in one bundle, in the order of all planes: more would make all pairs of some
_BLOCK = 65_536
_SEED = 1699  # of the planes: any number does, but it has to stay

Looks = NDArray[np.int8]
Numbers = NDArray[np.int64]


class Look(NamedTuple):
    """How a picture looks.

    Attributes:
        waves: int8[LENGTH]; the direction.
        mean: Of its greys, 0 to 255, which saving it anew does not change much.
        spread: Their standard deviation, the same.
    """

    waves: Looks
    mean: float
    spread: float


def look_of(image: Image.Image) -> Look | None:
    """Return how a picture looks; None if it is of one colour, and so like any other."""
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    values = np.asarray(grey, np.float32)
    mean, spread = float(values.mean()), float(values.std())
    if spread < _PLAIN:
        return None
    basis = _cosine_waves()
    look = basis @ values @ basis.T * _weights()
    waves = np.round(look * (127 / np.abs(look).max())).astype(np.int8).ravel()
    return Look(waves, mean, spread)


@cache
def _cosine_waves() -> NDArray[np.float32]:
    """Return float32[waves, side]: the first waves of the cosine transform (DCT-II)."""
    wave, place = np.arange(_WAVES)[:, None], np.arange(_SIDE)[None] + 0.5
    return np.cos(np.pi * wave * place / _SIDE).astype(np.float32)


@cache
def _weights() -> NDArray[np.float32]:
    """Return float32[waves, waves]: the frequency of each; the mean does not count."""
    wave = np.arange(_WAVES, dtype=np.float32)
    return np.hypot(wave[:, None], wave[None])


def turned(looks: Looks, turn: int) -> Looks:
    """Return how pictures look when they are turned; ``turn`` is a place in `TURNS`."""
    square = looks.reshape(-1, _WAVES, _WAVES)
    if turn >= 4:
        square = square.transpose(0, 2, 1)
    sign = np.where(np.arange(_WAVES) % 2, -1, 1).astype(np.int8)
    if turn in (1, 3, 5, 7):
        square = square * sign[None, None, :]
    if turn in (2, 3, 6, 7):
        square = square * sign[None, :, None]
    return np.ascontiguousarray(square).reshape(len(looks), LENGTH)


def cosines(one: Looks, other: Looks) -> NDArray[np.float32]:
    """Return how alike looks are, pair by pair: 1 for the same, about 0 for strangers."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: NDArray[np.float32] = np.einsum("ij,ij->i", a, b) / np.maximum(lengths, 1e-6)
    return found


def candidates(looks: Looks, turns: int = 1) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Return pairs that may be alike, bundle by bundle: of each the two, and how one is turned.

    The second of a pair is turned. A pair may come more than once. Memory and time grow with the
    number of looks, and not with that of their pairs.

    Args:
        looks: int8[n, LENGTH]; may be a file mapped into memory.
        turns: How many of `TURNS` are looked for.
    """
    for bundle in range(_BUNDLES):
        keys = _keys(looks, 0, bundle)
        order = np.argsort(keys, kind="stable")
        plain = keys[order]
        for distance in range(1, _NEIGHBOURS + 1):
            same = np.flatnonzero(plain[distance:] == plain[:-distance])
            if not len(same):
                break
            yield order[same], order[same + distance], 0
        for turn in range(1, turns):
            yield from _turned_pairs(plain, order, _keys(looks, turn, bundle), turn)


def _turned_pairs(
    plain: Numbers, order: Numbers, keys: Numbers, turn: int
) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Return pairs of a look as it is with one that was turned."""
    first = np.searchsorted(plain, keys, side="left")
    many = np.minimum(np.searchsorted(plain, keys, side="right") - first, _NEIGHBOURS)
    for step in range(int(many.max(initial=0))):
        other = np.flatnonzero(many > step)
        one = order[first[other] + step]
        apart = one != other
        yield one[apart], other[apart], turn


def _keys(looks: Looks, turn: int, bundle: int) -> Numbers:
    """Return int64[n]: on which side of each plane of a bundle the looks lie."""
    planes = _planes()[bundle]
    powers = 1 << np.arange(_PLANES, dtype=np.int64)
    found = np.empty(len(looks), np.int64)
    for low in range(0, len(looks), _BLOCK):
        part = turned(np.asarray(looks[low : low + _BLOCK]), turn).astype(np.float32)
        found[low : low + _BLOCK] = (part @ planes > 0) @ powers
    return found


@cache
def _planes() -> NDArray[np.float32]:
    """Return float32[bundles, LENGTH, planes]: random directions."""
    random = np.random.default_rng(_SEED)
    return random.standard_normal((_BUNDLES, LENGTH, _PLANES), np.float32)
