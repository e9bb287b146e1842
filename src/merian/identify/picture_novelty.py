"""Simulated novelty of pictures: a library is asked about its own, with a part of it taken away.

As for barcodes (see `novelty`): each picture that is asked is left out, then its species, its
genus and so on up. What is left out with it are all pictures of the same specimen, since another
picture of one beetle is not another beetle. What has a name above species alone is left out by its
group: pictures under one label are one kind, as in the classes of plankton and sea floors.

`likeness` is learnt without the genera that are asked: else it would have seen what is to be new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.described import Described, joined_described
from merian.identify.gallery import ABSENT, Gallery, gallery_of
from merian.identify.ladder import Ladder
from merian.identify.learned import Learned
from merian.identify.likeness import likeness_of, unit
from merian.identify.novelty import chosen
from merian.identify.picture import describe_pictures

__all__ = ["FOLDS", "PictureEpisodes", "fold_of", "simulate_pictures"]

FOLDS = 8

_ASKED = 2_500  # pictures at most; more take longer and say little more
_TOGETHER = 64
_SEED = 0

Floats32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PictureEpisodes:
    """Simulated pictures.

    Attributes:
        described: Their outcomes.
        own: int64; the entry that each is.
        level: int64; the rank under which its taxon is left out: of the lowest the specimen
            itself, -1 for all that the library has of its highest taxon.
        stratum: int8; what the library lacks (see `strata`).
        true: int32[episodes, ranks]; the rungs of the entry, -2 for what is left out.
    """

    described: Described
    own: NDArray[np.int64]
    level: NDArray[np.int64]
    stratum: NDArray[np.int8]
    true: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.own)


@dataclass(frozen=True, eq=False)
class _Room:
    """The pictures as they are seen with one `likeness`, in the order of the gallery."""

    gallery: Gallery
    alike: Floats32
    seen: Floats32
    sums: Sequence[NDArray[np.float64]]
    lengths: Sequence[Floats32]


def fold_of(genus: Integers) -> NDArray[np.int64]:
    """Return by which fold each is asked: those of a genus together."""
    genera, number = np.unique(genus, return_inverse=True)
    order = np.random.default_rng(_SEED).permutation(len(genera)) % FOLDS
    found: NDArray[np.int64] = order[number.reshape(-1)]
    return found


def simulate_pictures(
    vectors: NDArray[np.int16],
    ladder: Ladder,
    individual: Integers,
    genus_rank: int,
    learned: Learned | None,
    progress: Callable[[int], None],
) -> PictureEpisodes:
    """Ask a library about its own pictures.

    Args:
        vectors: Of all entries.
        ladder: Of the library.
        individual: Of each entry; pictures of one specimen share it.
        genus_rank: Its taxa are asked without having been learnt from.
        learned: What the encoder has learned by name, if it has.
        progress: Is told how many pictures were asked.
    """
    gallery = gallery_of(ladder, individual)
    fold = fold_of(ladder.path[:, genus_rank])
    asked = chosen(ladder, learned, _ASKED)
    parts: list[Described] = []
    own: list[int] = []
    level: list[int] = []
    done = 0
    for turn in range(FOLDS):
        mine = asked[fold[asked] == turn]
        if not len(mine):
            continue
        others = fold != turn
        if not others.any():
            others[:] = True  # one genus is all that there is
        room = _room(gallery, vectors, others)
        place = np.empty(len(gallery), np.int64)
        place[gallery.entry] = np.arange(len(gallery))
        for first in range(0, len(mine), _TOGETHER):
            some = mine[first : first + _TOGETHER]
            for at, rows, found in _asked(room, place[some], learned):
                parts.append(found)
                own += some[rows].tolist()
                level += [at] * len(rows)
            done += len(some)
            progress(done)
    own_, level_ = np.array(own, np.int64), np.array(level, np.int64)
    true = ladder.path[own_].reshape(len(own_), len(ladder.ranks)).copy()
    true[np.arange(len(ladder.ranks))[None, :] > level_[:, None]] = -2
    stratum = strata.of_outcomes(ladder.ranks)[level_]
    described = joined_described(parts, len(ladder.ranks))
    return PictureEpisodes(described, own_, level_, stratum, true)


def _room(gallery: Gallery, vectors: NDArray[np.int16], learnt_from: NDArray[np.bool_]) -> _Room:
    """Return the pictures as they are seen by what is learnt from some of them."""
    some = np.flatnonzero(learnt_from)
    likeness = likeness_of(vectors[some], gallery.ladder.path[some, -1])
    rows = vectors[gallery.entry]
    alike = likeness(rows)
    sums = gallery.sums(alike)
    return _Room(gallery, alike, unit(rows), sums, gallery.lengths(sums))


def _asked(
    room: _Room, places: NDArray[np.int64], learned: Learned | None
) -> Iterator[tuple[int, NDArray[np.int64], Described]]:
    """Ask about some pictures, level by level.

    Yields:
        The level, which of the pictures are asked at it, and their outcomes.
    """
    gallery, ladder = room.gallery, room.gallery.ladder
    last = len(ladder.ranks) - 1
    alike = room.alike[places] @ room.alike.T
    seen = room.seen[places] @ room.seen.T
    path = ladder.path[gallery.entry[places]]
    itself = gallery.individual[None, :] == gallery.individual[places][:, None]
    for level in range(last, -2, -1):
        absent = itself
        if level < last:
            absent = itself | (gallery.path(level + 1)[None, :] == path[:, level + 1][:, None])
        own = np.ones_like(itself)
        if level >= 0:
            own = gallery.path(level)[None, :] == path[:, level][:, None]
        # Something new under a taxon can only be told where the taxon is there without it.
        may = (own & ~absent).any(axis=1)
        if level < last and learned is not None:
            may &= ~learned.rungs[path[:, level + 1]]
        rows = np.flatnonzero(may)
        if not len(rows):
            continue
        gone = absent[rows]
        yield (
            level,
            rows,
            describe_pictures(
                gallery,
                np.where(gone, ABSENT, alike[rows]),
                np.where(gone, ABSENT, seen[rows]),
                _lengths(room, gone, path[rows]),
            ),
        )


def _lengths(room: _Room, gone: NDArray[np.bool_], path: NDArray[np.int32]) -> list[Floats32]:
    """Return how long the means of stretches are without what is gone, [queries, stretches].

    What is gone of a query lies in its own taxa, so only these have other means.
    """
    gallery = room.gallery
    less = gone.astype(np.float32) @ room.alike  # [queries, dim]
    count = gone.sum(axis=1)
    row = np.arange(len(gone))
    found = []
    for rank, (sums, size) in enumerate(zip(room.sums, gallery.sizes(), strict=True)):
        lengths = np.repeat(room.lengths[rank], len(gone), axis=0)
        stretch = gallery.stretch[path[:, rank]]
        rest = sums[stretch] - less
        many = np.maximum(size[stretch] - count, 1)
        lengths[row, stretch] = np.sqrt((rest * rest).sum(axis=1)) / many
        found.append(lengths)
    return found
