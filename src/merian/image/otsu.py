"""The plainest cut-out: what differs in colour from the border of the picture.

Every pixel's distance to the median colour of the border is split in two by Otsu's threshold;
the largest connected piece, with its holes filled, is the organism. It needs no training, and
says how much of a better segmentation is due to the data being easy.

References: Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on
Systems, Man, and Cybernetics 9, 1979. Components by runs: He, Chao and Suzuki, IEEE Transactions
on Image Processing 17, 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["components", "otsu_mask", "otsu_threshold"]

Mask = npt.NDArray[np.bool_]


def otsu_mask(image: npt.NDArray[np.uint8]) -> Mask:
    """Return bool[h, w], the foreground of a picture uint8[h, w, 3]."""
    pixels = image.astype(np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    distance = np.linalg.norm(pixels - np.median(border, axis=0), axis=2)
    return _filled(_largest(distance > otsu_threshold(distance)))


def otsu_threshold(values: npt.NDArray[np.floating[Any]], bins: int = 256) -> float:
    """Return the value that splits an array into the two classes with the most unlike means.

    Where all values are the same it is that value, and nothing is above it.
    """
    if values.min() == values.max():
        return float(values.max())
    counts, edges = np.histogram(values, bins)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    total = np.cumsum(counts * middle)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_below = total[:-1] / below
        mean_above = (total[-1] - total[:-1]) / above
        between = below * above * (mean_above - mean_below) ** 2
    return float(edges[1:-1][np.nanargmax(between)])


def components(mask: Mask, diagonal: bool = True) -> npt.NDArray[np.int32]:
    """Number the connected pieces of a mask, from 1 in reading order; 0 is outside.

    Runs of set pixels are the nodes, runs that touch in neighbouring rows the edges; every run
    takes the least number that it can reach.

    Args:
        mask: bool[h, w].
        diagonal: Whether pixels that meet at a corner only are connected.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    stop = np.nonzero(change == -1)[1]  # of the same run, as both are in reading order
    lower, upper = _touching(row, start, stop, width + 2, int(diagonal))
    piece = np.arange(len(row))
    while True:
        least = np.minimum(piece[lower], piece[upper])
        before = piece.copy()
        np.minimum.at(piece, before[lower], least)
        np.minimum.at(piece, before[upper], least)
        piece = piece[piece]
        if np.array_equal(piece, before):
            break
    number = np.unique(piece, return_inverse=True)[1] + 1
    labels = np.zeros((height, width), np.int32)
    labels[mask] = np.repeat(number, stop - start)
    return labels


def _touching(
    row: npt.NDArray[Any], start: npt.NDArray[Any], stop: npt.NDArray[Any], wide: int, reach: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return pairs of runs, one in the row below the other, that touch."""
    below = (row + 1) * wide
    first = np.searchsorted(row * wide + stop, below + start - reach, side="right")
    last = np.searchsorted(row * wide + start, below + stop + reach, side="left")
    many = np.maximum(last - first, 0)
    run = np.repeat(np.arange(len(row)), many)
    within = np.arange(len(run)) - np.repeat(np.cumsum(many) - many, many)
    return run, first[run] + within


def _largest(mask: Mask) -> Mask:
    """Return the largest piece of a mask."""
    labels = components(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: Mask = (labels == sizes.argmax()) & mask
    return largest


def _filled(mask: Mask) -> Mask:
    """Return a mask with all that it surrounds."""
    outside = components(~mask, diagonal=False)
    rim = np.concatenate([outside[0], outside[-1], outside[:, 0], outside[:, -1]])
    filled: Mask = np.isin(outside, np.setdiff1d(rim, 0), invert=True)
    return filled
