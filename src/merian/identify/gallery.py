"""A library's pictures, arranged so that every taxon is one stretch of them at every rank.

A question is a row of cosines to all pictures. What it says of every taxon (the nearest picture,
how many are near, the mean) is then one pass over the row for each rank, whatever is taken as not
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.ladder import Ladder

__all__ = ["ABSENT", "Gallery", "Told", "gallery_of"]

Floats = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]

ABSENT = np.float32(-2.0)
"""Below every cosine: of pictures that are not there, and of taxa none of which is there."""

_NEAR = np.float32(0.1)  # cosines that are told apart when the near ones are counted
_TINY = np.exp(-2 / _NEAR)  # what a picture at the other end of the world counts
_SHORTEST = np.float32(0.05)  # a mean that is shorter points nowhere


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures in the order of the tree.

    Attributes:
        ladder: Of the library.
        entry: int64[n]; the entry of each place.
        individual: int64[n]; pictures of one specimen share it.
        rungs: By rank, int32; the rung of each stretch, in the order of the stretches.
        starts: By rank, int64; where each stretch begins.
        above: By rank, int64; of each stretch, the number of the one it lies in a rank above (of
            the highest rank: 0).
        stretch: int64[rungs]; the number of the stretch of each rung, in its rank.
    """

    ladder: Ladder
    entry: NDArray[np.int64]
    individual: NDArray[np.int64]
    rungs: tuple[NDArray[np.int32], ...]
    starts: tuple[NDArray[np.int64], ...]
    above: tuple[NDArray[np.int64], ...]
    stretch: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.entry)

    def path(self, rank: int) -> NDArray[np.int32]:
        """Return the rung of each place at a rank."""
        found: NDArray[np.int32] = self.ladder.path[self.entry, rank]
        return found

    def sums(self, vectors: Floats) -> list[NDArray[np.float64]]:
        """Return by rank the sum of the vectors, [n, dim], of every stretch."""
        return [np.add.reduceat(vectors, begin, axis=0, dtype=np.float64) for begin in self.starts]

    def sizes(self) -> list[NDArray[np.int64]]:
        """Return by rank how many pictures every stretch has."""
        return [np.diff(begin, append=len(self)) for begin in self.starts]

    def lengths(self, sums: Sequence[NDArray[np.float64]]) -> list[Floats]:
        """Return by rank, as [1, stretches], how long the mean of the vectors of a stretch is."""
        return [
            (np.sqrt((total * total).sum(axis=1)) / size).astype(np.float32)[None, :]
            for total, size in zip(sums, self.sizes(), strict=True)
        ]

    def told(self, cosines: Floats, lengths: Sequence[Floats] | None = None) -> list[Told]:
        """Return by rank what cosines, [queries, n], say of every stretch.

        Args:
            cosines: `ABSENT` where a picture is not there.
            lengths: By rank, of the means of stretches, [queries or 1, stretches]; 1 if not given.
        """
        starts = self.starts[-1]
        there = cosines > ABSENT
        best = np.maximum.reduceat(cosines, starts, axis=1)
        count = np.add.reduceat(there, starts, axis=1, dtype=np.float32)
        total = np.add.reduceat(np.where(there, cosines, 0), starts, axis=1, dtype=np.float64)
        weight = np.where(there, np.exp((cosines - 1) / _NEAR), 0)
        near = np.add.reduceat(weight, starts, axis=1, dtype=np.float64)
        found = []
        for rank in range(len(self.starts) - 1, -1, -1):
            if rank < len(self.starts) - 1:  # of the stretches that lie in one of this rank
                begin = np.searchsorted(self.above[rank + 1], np.arange(len(self.starts[rank])))
                best = np.maximum.reduceat(best, begin, axis=1)
                count, total, near = (
                    np.add.reduceat(sums, begin, axis=1) for sums in (count, total, near)
                )
            many = np.maximum(count, 1)
            mean = total / many
            if lengths is not None:
                mean /= np.maximum(lengths[rank], _SHORTEST)
            soft = 1 + _NEAR * np.log(np.maximum(near / many, _TINY))
            found.append(Told(best, mean.astype(np.float32), soft.astype(np.float32), count))
        return found[::-1]


@dataclass(frozen=True, eq=False)
class Told:
    """What a row of cosines says of the stretches of one rank: [queries, stretches] each.

    Attributes:
        best: The highest cosine; `ABSENT` where nothing is there.
        mean: Of all that is there; where lengths were given, the cosine to their mean.
        near: A mean in which the near ones weigh most.
        count: How many are there.
    """

    best: Floats
    mean: Floats
    near: Floats
    count: Floats


def gallery_of(ladder: Ladder, individual: Integers) -> Gallery:
    """Arrange the entries of a library.

    Args:
        ladder: Of the library.
        individual: Of each entry.
    """
    ranks = len(ladder.ranks)
    order = np.lexsort(tuple(ladder.path[:, rank] for rank in range(ranks - 1, -1, -1)))
    path = ladder.path[order]
    rungs, starts, above = [], [], []
    stretch = np.zeros(len(ladder), np.int64)
    for rank in range(ranks):
        here = np.flatnonzero(np.append(True, path[1:, rank] != path[:-1, rank])[: len(path)])
        rungs.append(path[here, rank])
        stretch[rungs[-1]] = np.arange(len(here))
        starts.append(here)
        above.append(
            np.searchsorted(starts[rank - 1], here, side="right") - 1
            if rank
            else np.zeros(len(here), np.int64)
        )
    return Gallery(
        ladder,
        order.astype(np.int64),
        np.asarray(individual, np.int64)[order],
        tuple(rungs),
        tuple(starts),
        tuple(above),
        stretch,
    )
