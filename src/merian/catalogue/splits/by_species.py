"""Pieces by species: what the published splits by species and barcode are worked out on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BySpecies", "by_species", "deal"]

Long = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BySpecies:
    """Which pieces are of which species.

    Attributes:
        pieces: How many pieces there are.
        records: By species, how many records.
        species: By piece: its species; -1 of none, -2 of several.
        size: By piece: its records that have a species.
    """

    pieces: int
    records: Long
    species: Long
    size: Long
    _of: Long
    _within: Long

    def whole(self, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, Long]]:
        """Return each chosen species that has them, and the pieces that are of it alone."""
        own = np.flatnonzero(self.species >= 0)
        own = own[np.argsort(self.species[own], kind="stable")]
        if not len(own):
            return
        kinds, first = np.unique(self.species[own], return_index=True)
        for kind, pieces in zip(kinds.tolist(), np.split(own, first[1:]), strict=True):
            if chosen[kind]:
                yield kind, pieces

    def shared(self) -> tuple[Long, Long]:
        """Return pairs of a piece and a species, of pieces with several species."""
        several = self.species[self._of] == -2
        return self._of[several], self._within[several]


def by_species(piece: npt.NDArray[np.int32], species: npt.NDArray[np.int32]) -> BySpecies:
    """Count species and pieces.

    Args:
        piece: Of each record.
        species: Of each record; -1 for none.
    """
    pieces, kinds = int(piece.max()) + 1, int(species.max()) + 1
    named = species >= 0
    pair = np.unique(piece[named].astype(np.int64) * max(kinds, 1) + species[named])
    of, within = pair // max(kinds, 1), pair % max(kinds, 1)
    different = np.bincount(of, minlength=pieces)
    alone = np.full(pieces, -1, np.int64)
    alone[of] = within
    alone[different > 1] = -2
    return BySpecies(
        pieces,
        np.bincount(species[named], minlength=kinds),
        alone,
        np.bincount(piece[named], minlength=pieces),
        of,
        within,
    )


def deal(size: Long, shares: tuple[float, ...], rng: np.random.Generator) -> Long:
    """Return the part of each piece of a species: large ones first, to who still wants most."""
    tie = rng.permutation(len(size))
    wanted = np.array(shares) * size.sum()
    part = np.empty(len(size), np.int64)
    for at in np.lexsort((tie, -size)).tolist():
        part[at] = int(np.argmax(wanted))
        wanted[part[at]] -= size[at]
    return part
