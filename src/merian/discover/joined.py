"""Pictures and barcodes of the same items together.

Two ways. As vectors: each kind is brought to one length and the kinds are laid side by side, so
that any grouping of vectors takes them (the protocol of BIOSCAN-5M). As groups: those of the
barcodes stand, and what has no barcode that could be read goes to the group that most of its
nearest pictures are in. A picture tells species apart less well than a barcode does, so it decides
only where the barcode says nothing.

Reference: Gharaee et al., BIOSCAN-5M, arXiv 2406.12723 (normalised concatenation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.discover.clustering import Clustering
from merian.discover.graph import unit_rows
from merian.discover.tree import numbered
from merian.errors import InputError

__all__ = ["SCALES", "beside_each_other", "with_pictures"]

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

SCALES = ("length", "spread")
_KIN = 5  # whose blocks stand for one that is missing, and who say where an item goes
_BLOCK = 1024
_NO_BARCODE = "no barcode, and no pictures that agree"


def beside_each_other(
    kinds: Mapping[str, ArrayLike],
    weights: Mapping[str, float] | None = None,
    scale: str = "length",
) -> Floats:
    """Return the vectors of all kinds side by side, one row for each item.

    A missing one (NaN in its row) is the mean of those of the five items that are nearest in the
    kinds that are there, so that it neither draws items together nor holds them apart. What has
    none at all stays NaN.

    Args:
        kinds: Of each kind, float[n, d].
        weights: Of each kind, its share of a squared distance; equal if not given.
        scale: "length": each row has length 1. "spread": each column has mean 0 and spread 1, and
            rows have length 1 in the mean.

    Returns:
        float32[n, the sum of all d].
    """
    if not kinds or scale not in SCALES:
        raise InputError(
            f"{len(kinds)} kinds of vectors and scale {scale!r}; one or more, and one of "
            f"{', '.join(SCALES)} expected"
        )
    share = dict.fromkeys(kinds, 1.0) if weights is None else dict(weights)
    if set(share) != set(kinds) or min(share.values()) <= 0:
        raise InputError(
            f"weights of {', '.join(share) or 'nothing'}; one above 0 expected for each of "
            f"{', '.join(kinds)}"
        )
    blocks = [_scaled(np.asarray(rows), scale, name) for name, rows in kinds.items()]
    count = {len(block) for block in blocks}
    if len(count) > 1:
        raise InputError(f"kinds of {sorted(count)} items; the same items expected in each")
    there = [np.isfinite(block).all(axis=1) for block in blocks]
    whole = sum(share.values())
    filled = [_filled(blocks, there, kind) for kind in range(len(blocks))]
    parts = [
        block * np.float32(np.sqrt(share[name] / whole))
        for name, block in zip(kinds, filled, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _scaled(rows: NDArray[Any], scale: str, name: str) -> Floats:
    """Return rows of one kind as they are compared, NaN where there is none."""
    if rows.ndim != 2:
        raise InputError(f"vectors of {name} {list(rows.shape)}; a row for each item expected")
    found = np.full(rows.shape, np.nan, np.float32)
    there = np.isfinite(rows).all(axis=1)
    if scale == "spread" and there.any():
        some = rows[there].astype(np.float64)
        spread = some.std(axis=0)
        centred = (some - some.mean(axis=0)) / np.where(spread > 0, spread, 1)
        length = np.sqrt((centred**2).sum(axis=1).mean())
        found[there] = centred / (length or 1)
        return found
    unit, which = unit_rows(rows)
    found[which] = unit
    return found


def _filled(blocks: Sequence[Floats], there: Sequence[NDArray[np.bool_]], kind: int) -> Floats:
    """Return the rows of a kind with what is missing put in from the items that are nearest."""
    found = blocks[kind].copy()
    for other in range(len(blocks)):
        # By the first kind that is there: where three are, the others would tell much the same.
        wants = np.flatnonzero(~np.isfinite(found).all(axis=1) & there[other])
        tell = np.flatnonzero(there[other] & there[kind])
        if other == kind or not len(wants) or not len(tell):
            continue
        near = _nearest(blocks[other][wants], blocks[other][tell])
        found[wants] = blocks[kind][tell[near]].mean(axis=1)
    return found


def _nearest(asked: Floats, among: Floats) -> Numbers:
    """Return the nearest few of some rows to each row that is asked, nearest first."""
    count = min(_KIN, len(among))
    square = (among.astype(np.float64) ** 2).sum(axis=1)
    found = np.empty((len(asked), count), np.int64)
    for start in range(0, len(asked), _BLOCK):
        some = asked[start : start + _BLOCK]
        gap = square - 2 * (some @ among.T).astype(np.float64)
        found[start : start + _BLOCK] = np.argsort(gap, axis=1, kind="stable")[:, :count]
    return found


def with_pictures(groups: Clustering, vectors: ArrayLike) -> Clustering:
    """Return groups of barcodes with what had none in the group of its nearest pictures.

    Of the five nearest pictures that are in a group more than half must be in one: else the item is
    left alone, as it was.

    Args:
        groups: Of barcodes; -1 is what had none that could be read.
        vectors: float[n, d]; of the pictures, NaN where there is none.
    """
    rows = np.asarray(vectors)
    if len(rows) != len(groups.label):
        raise InputError(f"vectors of {len(rows)} items for groups of {len(groups.label)}")
    unit, there = unit_rows(rows)
    label = groups.label[there]
    wants, tell = np.flatnonzero(label < 0), np.flatnonzero(label >= 0)
    found = groups.label.astype(np.int64)
    if len(wants) and len(tell):
        said = label[tell][_nearest(unit[wants], unit[tell])]
        for row, names in zip(there[wants].tolist(), said, strict=True):
            name, times = np.unique(names, return_counts=True)
            if 2 * times.max() > len(names):
                found[row] = name[times.argmax()]
    left = int((found < 0).sum())
    return replace(
        groups,
        label=numbered(found),
        method=f"{groups.method}, then pictures",
        left={_NO_BARCODE: left} if left else {},
    )
