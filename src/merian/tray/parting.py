"""Bodies that hang together by a leg, an antenna or a narrow bridge, parted there.

In a full tray legs cross, and what stands out of the ground is one piece of many bodies. Where a
piece is much narrower than the bodies on both sides of it, it is cut: so legs stay with the body
that they are nearest to along the piece. A watershed from every thick place would cut legs and
wings off; here a place counts only if it is several times as thick as the neck, and if what is cut
off is as large as a body.

Reference: Beucher & Lantuéjoul, Use of watersheds in contour detection, 1979; the ratio of neck to
body takes the place of the dynamic of Grimaud, Image Algebra and Morphological Image Processing
III, 1992.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["at_necks"]

Mask = NDArray[np.bool_]
Depths = NDArray[np.float64]

_NECK = 0.3  # of the thickness of the narrower body: a wider neck is none
_STEP = 1.25  # times as thick from one level to the next
_FIRST = 1.0  # pixels from the border: the thinnest neck


def at_necks(mask: Mask, least: float, neck: float = _NECK) -> list[Mask]:
    """Return the bodies in a mask: one, or several that hang together by necks.

    Args:
        mask: One piece.
        least: Pixels of a body.
        neck: How thin a neck is, as a share of the thickness of the narrower of two bodies.
    """
    if np.count_nonzero(mask) < 2 * least:
        return [mask]
    framed = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(framed)
    cores = _cores(framed, depth, _FIRST, least, neck)
    while len(cores) > 1:
        drawn = _nearest(framed, cores)
        sizes = np.bincount(drawn.ravel(), minlength=len(cores) + 1)[1:]
        enough = sizes >= least
        if enough.all():
            parts = [drawn[1:-1, 1:-1] == place for place in range(1, len(cores) + 1)]
            return [part & mask for part in parts]
        cores = [core for core, stays in zip(cores, enough.tolist(), strict=True) if stays]
    return [mask]


def _cores(piece: Mask, depth: Depths, level: float, least: float, neck: float) -> list[Mask]:
    """Return the places of a piece that are bodies against its necks."""
    top = float(depth[piece].max())
    while level <= neck * top:
        labels, count = ndimage.label(piece & (depth > level))
        tops = np.zeros(count + 1)
        np.maximum.at(tops, labels.ravel(), depth.ravel())
        tops = tops[1:]
        real = np.flatnonzero(tops * neck >= level)
        if len(real) > 1:
            found: list[Mask] = []
            for at in real.tolist():
                found += _cores(labels == at + 1, depth, level * _STEP, least, neck)
            return found
        if len(real) == 1:
            piece = labels == int(real[0]) + 1
        level *= _STEP
    return [piece]


def _nearest(mask: Mask, cores: list[Mask]) -> NDArray[np.int32]:
    """Return to which core each pixel of a mask is nearest on a way within it, from 1."""
    drawn = np.zeros(mask.shape, np.int32)
    for place, core in enumerate(cores, 1):
        drawn[core] = place
    # The mask has a frame of a pixel, so that every neighbour is within the array.
    flat, wide = drawn.ravel(), mask.shape[1]
    open_ = mask.ravel() & (flat == 0)
    around = np.array([dy * wide + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    edge = np.flatnonzero(flat)
    while len(edge):
        near = (edge[:, None] + around).ravel()
        label = np.repeat(flat[edge], len(around))
        free = open_[near]
        near, label = near[free], label[free]
        np.maximum.at(flat, near, label)
        edge = np.unique(near)
        open_[edge] = False
    return drawn
