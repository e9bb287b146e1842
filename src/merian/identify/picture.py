"""The evidence of a picture: what the nearest pictures of a library say about each thing it may be.

The outcomes are those of a barcode (see `barcode`): the species and unnamed groups whose pictures
are near, and "something that the library lacks, under here" for every taxon above one of these. Two
cosines tell how near a picture is: as the encoder sees it, and as `likeness` does. Of each taxon
count its nearest picture, the mean of its near ones and of all, and how far it is ahead of every
other taxon of its rank. `fitting` weighs them on simulated novelty.

Nothing counts what a taxon above species has, or how its children lie: a genus of which a species
is taken away for a simulation would be told by that, and one of which it was never there would not.
How many pictures a species has is that of the whole library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify.described import Described, in_order
from merian.identify.gallery import ABSENT, Gallery, Told

__all__ = ["FEATURES", "describe_pictures"]

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]

CANDIDATES = 40  # species and groups that a picture may be
_STEEP = 8.0  # of the cosine by which a taxon is ahead: by an eighth is most of the way
_COMMON = (
    "one", "nearest", "ahead", "well ahead", "ahead at all", "near ones", "near ones ahead",
    "all", "all ahead", "seen nearest", "seen ahead", "seen all",
)  # fmt: skip
FEATURES = {
    "species": (*_COMMON, "pictures", "unnamed"),
    "above": (*_COMMON, "best of all"),
    "root": ("one", "nearest", "near ones", "all", "seen nearest", "lead", "seen lead"),
}  # fmt: skip
"""What describes an outcome, by its kind."""


@dataclass(frozen=True, eq=False)
class _Rank:
    """What was told of the stretches of a rank, and of the best of the others of each."""

    alike: Told
    seen: Told
    others: Floats32  # [queries, stretches]: of another stretch, the nearest picture
    others_near: Floats32
    others_all: Floats32
    others_seen: Floats32


def describe_pictures(
    gallery: Gallery, alike: Floats32, seen: Floats32, lengths: Sequence[Floats32]
) -> Described:
    """Describe the outcomes of pictures.

    Args:
        gallery: Of the library.
        alike: float32[queries, n]; cosines to all its pictures as `likeness` has them, `ABSENT`
            where one is not there.
        seen: The same as the encoder has them.
        lengths: By rank, of the mean vector of every stretch (see `Gallery.lengths`).
    """
    ladder, count = gallery.ladder, len(alike)
    last = len(ladder.ranks) - 1
    told = [
        _rank(one, other)
        for one, other in zip(gallery.told(alike, lengths), gallery.told(seen), strict=True)
    ]
    chosen, size = _chosen(told[last].alike), gallery.sizes()[last]
    best = told[0].alike.best.max(axis=1).astype(np.float64)
    asked: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []
    features: list[Floats] = []
    for rank in range(last, -1, -1):
        # A stand-in has but one child, under which nothing new can be told apart from it.
        told_of = chosen if rank == last else chosen & (ladder.node[gallery.rungs[rank]] >= 0)
        query, stretch = np.nonzero(told_of)
        rung = gallery.rungs[rank][stretch]
        common = _common(told[rank], query, stretch)
        if rank == last:
            own = [np.log(size[stretch]), (ladder.group[rung] >= 0).astype(np.float64)]
        else:
            own = [best[query]]
        rows = np.stack([*common, *own], axis=1)
        asked.append((query, rung))
        features.append(rows)
        if rank:
            chosen = _above(chosen, gallery.above[rank], len(gallery.rungs[rank - 1]))
    asked.reverse()
    features.reverse()
    features.append(_of_root(told[0], told[last]))
    return in_order(asked, features, np.zeros(count, np.int8))


def _rank(one: Told, other: Told) -> _Rank:
    return _Rank(
        one, other, _others(one.best, one.count), _others(one.near, one.count),
        _others(one.mean, one.count), _others(other.best, other.count),
    )  # fmt: skip


def _others(value: Floats32, count: Floats32) -> Floats32:
    """Return of each stretch the highest value of any other one; 0 where no other is there."""
    there = np.where(count > 0, value, ABSENT)
    first = there.argmax(axis=1)
    row = np.arange(len(there))
    highest = there[row, first]
    there[row, first] = ABSENT
    second = there.max(axis=1) if there.shape[1] else highest
    found = np.repeat(highest[:, None], value.shape[1], axis=1)
    found[row, first] = second
    return np.where(found > ABSENT, found, np.float32(0)).astype(np.float32)


def _chosen(told: Told) -> NDArray[np.bool_]:
    """Return which stretches of the lowest rank a picture may be: the nearest ones."""
    there = told.count > 0
    if there.shape[1] <= CANDIDATES:
        return there
    near = np.where(there, told.near, ABSENT)
    # Of equals the first, whatever the machine: a stable sort.
    order = np.argsort(-near, axis=1, kind="stable")[:, :CANDIDATES]
    found = np.zeros(there.shape, bool)
    np.put_along_axis(found, order, True, axis=1)
    return found & there


def _above(chosen: NDArray[np.bool_], above: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return which stretches of the rank above hold a chosen one."""
    found = np.zeros((len(chosen), count), bool)
    query, stretch = np.nonzero(chosen)
    found[query, above[stretch]] = True
    return found


def _common(told: _Rank, query: NDArray[np.int64], stretch: NDArray[np.int64]) -> list[Floats]:
    """Return what describes any taxon."""
    at = (query, stretch)
    one, other = told.alike, told.seen
    nearest = one.best[at].astype(np.float64)
    ahead = nearest - told.others[at]
    near, every = one.near[at].astype(np.float64), one.mean[at].astype(np.float64)
    return [
        np.ones(len(query)),
        nearest,
        ahead,
        np.maximum(0, ahead),
        np.tanh(_STEEP * ahead),
        near,
        near - told.others_near[at],
        every,
        every - told.others_all[at],
        other.best[at].astype(np.float64),
        other.best[at].astype(np.float64) - told.others_seen[at],
        other.mean[at].astype(np.float64),
    ]


def _of_root(highest: _Rank, lowest: _Rank) -> Floats:
    """Return the numbers that describe "nothing that is near to anything here"."""
    best = highest.alike.best.max(axis=1).astype(np.float64)
    seen = highest.seen.best.max(axis=1).astype(np.float64)

    def lead(told: Told) -> Floats:
        """How far the nearest species is ahead of the next."""
        there = np.where(told.count > 0, told.near, ABSENT).astype(np.float64)
        if there.shape[1] < 2:
            return np.zeros(len(there))
        two = np.partition(there, there.shape[1] - 2, axis=1)[:, -2:]
        found: Floats = two[:, 1] - np.maximum(two[:, 0], -1)
        return found

    near = np.where(lowest.alike.count > 0, lowest.alike.near, ABSENT).max(axis=1)
    mean = np.where(lowest.alike.count > 0, lowest.alike.mean, ABSENT).max(axis=1)
    return np.stack(
        [np.ones(len(best)), best, near, mean, seen, lead(lowest.alike), lead(lowest.seen)], axis=1
    ).astype(np.float64)
