"""A body told from a busy ground: labels with text, wood, a pin, by the colours that each has.

It starts from what is dark and thick near the middle. Body and ground are each described by a
mixture of colours, every pixel is asked which explains it better, the answer is smoothed along
edges and not across them, and what hangs on the body is the body of the next round. This is the
way of GrabCut, with a guided filter in place of the cut, which needs no more than sums over boxes.

References: Rother, Kolmogorov and Blake 2004, doi:10.1145/1186562.1015720; He, Sun and Tang 2013,
doi:10.1109/TPAMI.2012.213.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.image.otsu import otsu_threshold

__all__ = ["by_colours", "on_edges"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

_COLOURS = 5  # of a mixture
_STEPS = 12  # until a mixture is fitted
_SAMPLE = 6_000  # pixels that it is fitted to
_LEAST = 4.0  # variance of a colour, in CIELAB squared: noise has that much
_ROUNDS = 3
_SURE = 6.0  # the most that one pixel says, as a logarithm
_REACH = 0.5  # sides of the body: farther pixels are believed less
_FAR = 4.0  # how much less, for each side more
_BOX, _EDGE = 2, 9.0  # of the guided filter: half its side; the variance of an edge
_HOLE = 0.02  # of the body: larger holes are not filled


def by_colours(lab: Floats) -> Mask | None:
    """Return the body in a picture in CIELAB; None where nothing dark and thick is there."""
    body = _thick(lab)
    if body is None:
        return None
    first = body
    flat = lab.reshape(-1, 3).astype(np.float64)
    light = lab[..., 0].astype(np.float64)
    side = float(np.sqrt(first.sum()))
    far = np.maximum(ndimage.distance_transform_edt(~first) / side - _REACH, 0) * _FAR
    for _ in range(_ROUNDS):
        ground = ~ndimage.binary_dilation(body, iterations=2)
        if not ground.any():
            return None
        inside, outside = _mixture(_some(flat[body.ravel()])), _mixture(_some(flat[ground.ravel()]))
        says = np.clip(_log(inside, flat) - _log(outside, flat), -_SURE, _SURE)
        found = _guided(light, says.reshape(body.shape) - far) > 0
        labels = ndimage.label(found | first)[0]
        kept = np.zeros(int(labels.max()) + 1, np.bool_)
        kept[np.unique(labels[first])] = True
        kept[0] = False
        body = _without_holes(kept[labels])
    return body


def on_edges(lab: Floats, mask: Mask) -> float:
    """Return how steep lightness is along the outline of a mask, on average."""
    rim = mask & ~ndimage.binary_erosion(mask, border_value=1)
    if not rim.any():
        return 0.0
    return float(
        ndimage.gaussian_gradient_magnitude(lab[..., 0].astype(np.float64), 1.0)[rim].mean()
    )


def _thick(lab: Floats) -> Mask | None:
    """Return what is dark and thick, the piece that is large and near the middle."""
    light = ndimage.gaussian_filter(lab[..., 0], 1)
    height, width = light.shape
    depth = max(1, round(0.04 * min(height, width)))
    dark = np.pad(light < otsu_threshold(light), depth, mode="edge")
    inner = ndimage.distance_transform_edt(dark) > depth
    opened = ndimage.distance_transform_edt(~inner) <= depth
    labels, count = ndimage.label(opened[depth:-depth, depth:-depth])
    if not count:
        return None
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    sizes = np.bincount(labels.ravel(), np.exp(-(x * x + y * y)).ravel())
    sizes[0] = 0
    found: Mask = labels == sizes.argmax()
    return found


def _some(colours: Doubles) -> Doubles:
    return colours[:: max(1, len(colours) // _SAMPLE)]


Mixture = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Share float64[k], middle float64[k, 3] and inverse spread float64[k, 3, 3] of each colour."""


def _mixture(colours: Doubles) -> Mixture:
    """Fit a mixture by expectation and maximisation, from parts along the longest axis."""
    away = colours - colours.mean(axis=0)
    along = away @ np.linalg.eigh(away.T @ away)[1][:, -1]
    cuts = np.quantile(along, np.linspace(0, 1, _COLOURS + 1)[1:-1])
    belongs = np.eye(_COLOURS)[np.searchsorted(cuts, along)]
    for _ in range(_STEPS):
        weight = belongs.sum(axis=0) + 1e-6
        middle = (belongs.T @ colours) / weight[:, None]
        spread = np.empty((_COLOURS, 3, 3))
        for k in range(_COLOURS):
            off = colours - middle[k]
            spread[k] = (off * belongs[:, k : k + 1]).T @ off / weight[k] + _LEAST * np.eye(3)
        mixture = (weight / weight.sum(), middle, np.linalg.inv(spread))
        parts = _parts(mixture, colours)
        belongs = np.exp(parts - parts.max(axis=1, keepdims=True))
        belongs /= belongs.sum(axis=1, keepdims=True)
    return mixture


def _parts(mixture: Mixture, colours: Doubles) -> Doubles:
    share, middle, inverse = mixture
    parts = np.empty((len(colours), len(share)))
    for k in range(len(share)):
        off = colours - middle[k]
        parts[:, k] = np.log(share[k]) + 0.5 * np.linalg.slogdet(inverse[k])[1]
        parts[:, k] -= 0.5 * ((off @ inverse[k]) * off).sum(axis=1)
    return parts


def _log(mixture: Mixture, colours: Doubles) -> Doubles:
    parts = _parts(mixture, colours)
    most = parts.max(axis=1)
    found: Doubles = most + np.log(np.exp(parts - most[:, None]).sum(axis=1))
    return found


def _guided(guide: Doubles, values: Doubles) -> Doubles:
    """Smooth values where the guide is smooth."""

    def mean(of: Doubles) -> Doubles:
        return np.asarray(ndimage.uniform_filter(of, 2 * _BOX + 1, mode="nearest"))

    middle, level = mean(guide), mean(values)
    slope = (mean(guide * values) - middle * level) / (mean(guide * guide) - middle**2 + _EDGE)
    found: Doubles = mean(slope) * guide + mean(level - slope * middle)
    return found


def _without_holes(mask: Mask) -> Mask:
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    if not count:
        return mask
    fill = np.bincount(labels.ravel()) < _HOLE * mask.sum()
    fill[0] = False
    found: Mask = mask | fill[labels]
    return found
