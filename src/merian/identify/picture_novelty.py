"""Simulated novelty of pictures: a library is asked about its own, with a part of it taken away.

As for barcodes (see `novelty`): each picture that is asked is left out, then its species, its
genus and so on up. What is left out with it are all pictures of the same specimen, since another
picture of one beetle is not another beetle. What has a name above species alone is left out by its
group: pictures under one label are one kind, as in the classes of plankton and sea floors.

`likeness` is learnt without the genera that are asked: else it would have seen what is to be new.

Who leaves a species out of one genus alone can tell this genus by its having lost one. So every
other genus loses one of its species as well, drawn by chance, and every family a genus: wherever
something is left out, all that could have lost something has.
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
class _Thinned:
    """A gallery in which every taxon of a rank has lost one child.

    Attributes:
        lost: bool[n]; the pictures that are lost.
        sums: By rank, float64[stretches, dim]; of the vectors that are left.
        sizes: By rank, int64[stretches]; how many are left.
    """

    lost: NDArray[np.bool_]
    sums: Sequence[NDArray[np.float64]]
    sizes: Sequence[NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class _Room:
    """The pictures as they are seen with one `likeness`, in the order of the gallery.

    ``thinned`` is by level, from the highest rank; last that where something of the root is absent,
    of which there is but one.
    """

    gallery: Gallery
    alike: Floats32
    seen: Floats32
    thinned: Sequence[_Thinned]


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
    levels = range(len(gallery.ladder.ranks))
    lost = [*(_lost(gallery, level) for level in levels), np.zeros(len(gallery), bool)]
    return _Room(gallery, alike, unit(rows), [_thinned(gallery, alike, one) for one in lost])


def _lost(gallery: Gallery, level: int) -> NDArray[np.bool_]:
    """Return one child of every taxon of a rank that has several; of a species, one specimen."""
    last = len(gallery.ladder.ranks) - 1
    above = gallery.ladder.path[gallery.entry, level]
    below = gallery.individual if level == last else gallery.path(level + 1)
    pairs, number = np.unique(np.stack([above, below], axis=1), axis=0, return_inverse=True)
    order = np.random.default_rng((_SEED, level)).permutation(len(pairs))
    _, first, count = np.unique(pairs[order, 0], return_index=True, return_counts=True)
    lost = np.zeros(len(pairs), bool)
    lost[order[first[count > 1]]] = True
    found: NDArray[np.bool_] = lost[number.reshape(-1)]
    return found


def _thinned(gallery: Gallery, alike: Floats32, lost: NDArray[np.bool_]) -> _Thinned:
    left = ~lost
    sums = gallery.sums(np.where(left[:, None], alike, np.float32(0)))
    sizes = [np.add.reduceat(left, begin, dtype=np.int64) for begin in gallery.starts]
    return _Thinned(lost, sums, sizes)


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
        thinned = room.thinned[level]
        kept = thinned.lost[None, :] & own[rows]  # its own taxon has lost what is asked
        lengths = _lengths(room, thinned, absent[rows], kept, path[rows])
        gone = absent[rows] | (thinned.lost[None, :] & ~own[rows])
        yield (
            level,
            rows,
            describe_pictures(
                gallery,
                np.where(gone, ABSENT, alike[rows]),
                np.where(gone, ABSENT, seen[rows]),
                lengths,
            ),
        )


def _lengths(
    room: _Room,
    thinned: _Thinned,
    absent: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    path: NDArray[np.int32],
) -> list[Floats32]:
    """Return how long the means of stretches are, [queries, stretches].

    What of a query is absent, and what is kept for it of what others have lost, lies in its own
    taxa, so only these have other means.
    """
    gallery = room.gallery
    change = kept.astype(np.float32) - absent.astype(np.float32)
    more = change @ room.alike  # [queries, dim]
    count = change.sum(axis=1)
    row = np.arange(len(absent))
    found = []
    for rank, sums in enumerate(thinned.sums):
        size = thinned.sizes[rank]
        whole = np.sqrt((sums * sums).sum(axis=1)) / np.maximum(size, 1)
        lengths = np.repeat(whole.astype(np.float32)[None, :], len(absent), axis=0)
        stretch = gallery.stretch[path[:, rank]]
        rest = sums[stretch] + more
        many = np.maximum(size[stretch] + count, 1)
        lengths[row, stretch] = np.sqrt((rest * rest).sum(axis=1)) / many
        found.append(lengths)
    return found
