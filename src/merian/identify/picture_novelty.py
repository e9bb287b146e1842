"""Simulated novelty of pictures: a library is asked about some, with a part of it taken away.

They are its own, or, of a library of barcodes, pictures of named records that it does not hold
(see `learning_across`).

As for barcodes (see `novelty`): each picture that is asked is left out, then its species, its
genus and so on up. What is left out with it are all pictures of the same specimen, since another
picture of one beetle is not another beetle. What has a name above species alone is left out by its
group: pictures under one label are one kind, as in the classes of plankton and sea floors.

`likeness` is learnt from the pictures that are asked about, without what is left out, but with what
stays: as a library would learn it that never had the species, or the genus. So it is learnt anew
for each level and each fold of what can be left out there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.described import Described, joined_described
from merian.identify.gallery import ABSENT, Gallery, gallery_of
from merian.identify.ladder import Ladder
from merian.identify.learned import Learned
from merian.identify.likeness import Likeness, likeness_of, plain_likeness, unit
from merian.identify.picture import describe_pictures
from merian.library.turns import in_turn

__all__ = ["PictureEpisodes", "Questions", "fold_of", "own_questions", "simulate_pictures"]

_FOLDS = 5  # times that the likeness is learnt at each level, without some of what is asked
_ASKED = 2_500  # pictures at most; more take longer and say little more
_TOGETHER = 64
_SEED = 0

Floats32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Questions:
    """Pictures that a library is asked about; its own, or others.

    Attributes:
        vectors: int16[n, dim], as those of the library are.
        path: int32[n, ranks]; the rungs of each.
        individual: int64[n]; entries of the same number show the same specimen.
        may: bool[n]; which can be asked at all.
        above: bool[n]; of which it is known what a library without their kind would lack.
    """

    vectors: NDArray[np.int16]
    path: NDArray[np.int32]
    individual: NDArray[np.int64]
    may: NDArray[np.bool_]
    above: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.path)


@dataclass(frozen=True)
class PictureEpisodes:
    """Simulated pictures.

    Attributes:
        described: Their outcomes.
        own: int64; which question each is: of a library that is asked about its own, the entry.
        path: int32[episodes, ranks]; its rungs.
        level: int64; the rank under which its taxon is left out: of the lowest the specimen
            itself, -1 for all that the library has of its highest taxon.
        stratum: int8; what the library lacks (see `strata`).
        true: int32[episodes, ranks]; its rungs, -2 for what is left out.
    """

    described: Described
    own: NDArray[np.int64]
    path: NDArray[np.int32]
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
    likeness: Likeness
    alike: Floats32
    seen: Floats32
    sums: Sequence[NDArray[np.float64]]
    lengths: Sequence[Floats32]


def fold_of(taxon: Integers, folds: int) -> NDArray[np.int64]:
    """Return by which fold each is asked: those of a taxon together."""
    taxa, number = np.unique(taxon, return_inverse=True)
    order = np.random.default_rng(_SEED).permutation(len(taxa)) % folds
    found: NDArray[np.int64] = order[number.reshape(-1)]
    return found


def own_questions(
    vectors: NDArray[np.int16], ladder: Ladder, individual: Integers, learned: Learned | None
) -> Questions:
    """Return all pictures of a library as questions.

    Args:
        vectors: Of all entries.
        ladder: Of the library.
        individual: Of each entry; pictures of one specimen share it.
        learned: What the encoder has learned by name, if it has.
    """
    lowest = ladder.path[:, -1]
    may = (ladder.node[lowest] >= 0) | (ladder.group[lowest] >= 0)
    if learned is not None:
        may &= ~learned.entries
    every = np.ones(len(lowest), bool)
    return Questions(vectors, ladder.path, np.asarray(individual, np.int64), may, every)


def simulate_pictures(
    vectors: NDArray[np.int16],
    ladder: Ladder,
    individual: Integers,
    learned: Learned | None,
    progress: Callable[[int], None],
    questions: Questions | None = None,
    whitened: bool = True,
) -> PictureEpisodes:
    """Ask a library about pictures.

    Args:
        vectors: Of all entries.
        ladder: Of the library.
        individual: Of each entry; those of one specimen share it.
        learned: What the encoder has learned by name, if it has.
        progress: Is told how many pictures were asked.
        questions: What is asked about; its own pictures if not given.
        whitened: Whether a likeness is learnt, or all directions count alike.
    """
    gallery = gallery_of(ladder, individual)
    asked_of = questions or own_questions(vectors, ladder, individual, learned)
    asked = in_turn(asked_of.path[:, -1], asked_of.may, _ASKED)
    last = len(ladder.ranks) - 1
    parts: list[Described] = []
    own: list[int] = []
    level: list[int] = []
    for number, at in enumerate(range(last, -2, -1)):
        left_out = asked_of.individual if at == last else asked_of.path[:, at + 1]
        fold = fold_of(left_out, _FOLDS)
        for turn in range(_FOLDS):
            mine = asked[fold[asked] == turn]
            if not len(mine) or (at < 0 and int(ladder.children[-1]) < 2):
                continue
            learnt_from = fold != turn
            if not learnt_from.any():
                learnt_from[:] = True  # there is nothing else
            room = _room(gallery, vectors, _likeness(asked_of, learnt_from, whitened))
            for first in range(0, len(mine), _TOGETHER):
                some = mine[first : first + _TOGETHER]
                rows, found = _asked(room, asked_of, some, at, learned)
                if found is not None:
                    parts.append(found)
                    own += some[rows].tolist()
                    level += [at] * len(rows)
            progress(round((number + (turn + 1) / _FOLDS) / (last + 2) * len(asked)))
    own_, level_ = np.array(own, np.int64), np.array(level, np.int64)
    path = asked_of.path[own_].reshape(len(own_), len(ladder.ranks))
    true = path.copy()
    true[np.arange(len(ladder.ranks))[None, :] > level_[:, None]] = -2
    stratum = strata.of_outcomes(ladder.ranks)[level_]
    described = joined_described(parts, len(ladder.ranks))
    return PictureEpisodes(described, own_, path, level_, stratum, true)


def _likeness(asked_of: Questions, learnt_from: NDArray[np.bool_], whitened: bool) -> Likeness:
    """Return what is learnt from some of the pictures."""
    if not whitened:
        return plain_likeness(asked_of.vectors.shape[1])
    some = np.flatnonzero(learnt_from)
    return likeness_of(asked_of.vectors[some], asked_of.path[some, -1])


def _room(gallery: Gallery, vectors: NDArray[np.int16], likeness: Likeness) -> _Room:
    """Return the entries as they are seen with a likeness."""
    rows = vectors[gallery.entry]
    alike = likeness(rows)
    sums = gallery.sums(alike)
    return _Room(gallery, likeness, alike, unit(rows), sums, gallery.lengths(sums))


def _asked(
    room: _Room,
    asked_of: Questions,
    some: NDArray[np.int64],
    level: int,
    learned: Learned | None,
) -> tuple[NDArray[np.int64], Described | None]:
    """Ask about some pictures at one level.

    Returns:
        Which of the pictures can be asked there, and their outcomes.
    """
    gallery, ladder = room.gallery, room.gallery.ladder
    path, last = asked_of.path[some], len(ladder.ranks) - 1
    gone = gallery.individual[None, :] == asked_of.individual[some][:, None]
    own = np.ones_like(gone)
    if level < last:
        gone = gone | (gallery.path(level + 1)[None, :] == path[:, level + 1][:, None])
    if level >= 0:
        own = gallery.path(level)[None, :] == path[:, level][:, None]
    # Something new under a taxon can only be told where the taxon is there without it.
    may = (own & ~gone).any(axis=1)
    if level < last:
        may &= asked_of.above[some]
        if learned is not None:
            may &= ~learned.rungs[path[:, level + 1]]
    rows = np.flatnonzero(may)
    if not len(rows):
        return rows, None
    gone = gone[rows]
    vectors = asked_of.vectors[some[rows]]
    alike = room.likeness(vectors) @ room.alike.T
    seen = unit(vectors) @ room.seen.T
    found = describe_pictures(
        gallery,
        np.where(gone, ABSENT, alike),
        np.where(gone, ABSENT, seen),
        _lengths(room, gone, path[rows]),
    )
    return rows, found


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
