"""Pictures and barcodes of the same items together.

Two ways. As vectors: each kind is brought to one length and the kinds are laid side by side, so
that any grouping of vectors takes them (the protocol of BIOSCAN-5M). As groups: those of the
barcodes stand, but a group that falls apart at a finer distance is parted there if its parts look
different, and what has no barcode goes to the group that its nearest pictures are in. A picture
tells species apart less well than a barcode does, so it decides only where the barcode leaves it
open, and only as far as the pictures of those with a barcode show that it can.

The finer distance of 1 % and the silhouette of 0.05 were chosen on invented worlds.

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
from merian.discover.markov import mean_silhouette
from merian.discover.tree import numbered
from merian.errors import InputError

__all__ = ["FINER", "SCALES", "beside_each_other", "with_pictures"]

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

SCALES = ("length", "spread")
FINER = 0.01  # the distance at which a group of barcodes may be parted
_DIFFERENT = 0.05  # the mean silhouette of pictures from which on parts look different
_SOME = 3  # records of a part that looks like something
_RIGHT = 0.9  # of those with a barcode that pictures would place rightly, or they place none
_JUDGED, _ASKED = 1024, 4096  # records at most
_KIN = 5  # whose blocks stand for one that is missing, and who say where an item goes
_BLOCK, _AT_ONCE = 1024, 1 << 22  # rows, and distances that are held at a time
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
    there = [np.asarray(np.isfinite(block).all(axis=1), np.bool_) for block in blocks]
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


def _nearest(asked: Floats, among: Floats, count: int = _KIN) -> Numbers:
    """Return the nearest few of some rows to each row that is asked, nearest first."""
    count = min(count, len(among))
    square = (among.astype(np.float64) ** 2).sum(axis=1)
    found = np.empty((len(asked), count), np.int64)
    rows = max(1, min(_BLOCK, _AT_ONCE // max(1, len(among))))
    for start in range(0, len(asked), rows):
        some = asked[start : start + rows]
        gap = square - 2 * (some @ among.T).astype(np.float64)
        found[start : start + rows] = np.argsort(gap, axis=1, kind="stable")[:, :count]
    return found


def with_pictures(
    groups: Clustering, vectors: ArrayLike, finer: Clustering | None = None
) -> Clustering:
    """Return groups of barcodes, refined by pictures.

    A group is parted into the finer groups that lie in it where the mean silhouette of their
    pictures is high enough. What had no barcode goes to the group of its nearest pictures if so
    many of the five agree as, among those with a barcode, are right in nine of ten cases; else it
    is left alone, as it was.

    Args:
        groups: Of barcodes; -1 is what had none that could be read.
        vectors: float[n, d]; of the pictures, NaN where there is none.
        finer: Groups of the same barcodes at a smaller distance (`FINER`); none are parted if not
            given.
    """
    rows = np.asarray(vectors)
    if len(rows) != len(groups.label):
        raise InputError(f"vectors of {len(rows)} items for groups of {len(groups.label)}")
    unit, there = unit_rows(rows)
    found = groups.label.astype(np.int64)
    if finer is not None:
        found[there] = _parted(found[there], finer.label[there].astype(np.int64), unit)
    found[there] = _placed(found[there], unit)
    left = int((found < 0).sum())
    return replace(
        groups,
        label=numbered(found),
        method=f"{groups.method}, then pictures",
        left={_NO_BARCODE: left} if left else {},
    )


def _parted(label: Numbers, finer: Numbers, unit: Floats) -> Numbers:
    """Return groups after those have been parted whose finer groups look different.

    Finer groups of one or two records are too few to look like anything: they go where the nearest
    picture is. What has a barcode but no picture stays with the largest part.
    """
    found, following = label.copy(), int(label.max(initial=-1)) + 1
    order = np.argsort(label, kind="stable")
    order = order[label[order] >= 0]
    bounds = np.flatnonzero(np.diff(label[order], prepend=-1))
    for members in np.split(order, bounds)[1:]:
        _, part, count = np.unique(finer[members], return_inverse=True, return_counts=True)
        large = count[part] >= _SOME
        if (count >= _SOME).sum() < 2:
            continue
        tell = members[large]
        of = np.unique(part[large], return_inverse=True)[1].astype(np.int64)
        some = np.unique(np.linspace(0, len(tell) - 1, min(len(tell), _JUDGED)).astype(int))
        judged = np.unique(of[some], return_inverse=True)[1].astype(np.int64)
        if not judged.any():
            continue
        gap = 2 - 2 * unit[tell[some]].astype(np.float64) @ unit[tell[some]].T
        apart = np.sqrt(np.maximum(gap, 0))
        np.fill_diagonal(apart, 0)
        if mean_silhouette(apart, judged) < _DIFFERENT:
            continue
        # The largest part keeps the number, for those of the group that have no picture.
        most = int(np.bincount(of).argmax())
        number = np.full(int(of.max()) + 1, label[members[0]])
        others = np.flatnonzero(np.arange(of.max() + 1) != most)
        number[others] = following + np.arange(len(others))
        following += len(others)
        found[tell] = number[of]
        few = members[~large]
        if len(few):
            found[few] = number[of[_nearest(unit[few], unit[tell])[:, 0]]]
    return found


def _placed(label: Numbers, unit: Floats) -> Numbers:
    """Return groups with those that had none where their nearest pictures are, if these agree."""
    found = label.copy()
    wants, tell = np.flatnonzero(label < 0), np.flatnonzero(label >= 0)
    if not len(wants) or len(tell) < 2:
        return found
    known = tell[np.unique(np.linspace(0, len(tell) - 1, min(len(tell), _ASKED)).astype(int))]
    # Of itself nobody is asked: it is the nearest, or as near as another that is the same picture.
    near = _nearest(unit[known], unit[tell], _KIN + 1)
    own = tell[near] == known[:, None]
    own[~own.any(axis=1), -1] = True
    name, times = _agreed(label[tell[near[~own].reshape(len(known), -1)]])
    right = name == label[known]
    for least in range(_KIN // 2 + 1, _KIN + 1):
        if right[times >= least].sum() >= _RIGHT * max(1, (times >= least).sum()):
            name, times = _agreed(label[tell[_nearest(unit[wants], unit[tell])]])
            found[wants[times >= least]] = name[times >= least]
            break
    return found


def _agreed(names: Numbers) -> tuple[Numbers, Numbers]:
    """Return of each row the name that is there most often, and how often."""
    same = (names[:, :, None] == names[:, None, :]).sum(axis=2)
    at = same.argmax(axis=1)
    rows = np.arange(len(names))
    return names[rows, at], same[rows, at]
