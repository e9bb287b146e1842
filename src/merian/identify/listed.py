"""Listed: how much likelier a taxon is where a list of names says that it lives.

As `presence`, where a list tells no places: one number an outcome, the others 0. The taxa are the
species of the libraries and of the list together. With n of them in a taxon, O of these on the
list and b the share of all that are, the ratio is (O + k r) / (n b + k), drawn towards that of the
parent taxon. A species that is not on the list is less likely, and never impossible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.ladder import Ladder
from merian.identify.presence import BOUND, NUMBERS, Spots

__all__ = ["Listed"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

_PULL = 0.1  # species that a parent's ratio counts as


class Listed:
    """What a list of names says."""

    def __init__(
        self, ladder: Ladder, species: Integers, others: Integers, extra: Integers
    ) -> None:
        """Count species.

        Args:
            ladder: Of the libraries.
            species: Rungs of species that are on the list.
            others: Rungs above species that the list has more species under.
            extra: How many of these.
        """
        self.ladder = ladder
        lowest = ladder.rank == len(ladder.ranks) - 1
        own = np.flatnonzero(lowest & (ladder.node >= 0))
        self._listed = self._summed(
            np.append(species, others), np.append(np.ones(len(species)), extra)
        )
        self._whole = self._summed(np.append(own, others), np.append(np.ones(len(own)), extra))
        self._share = float(self._listed[-1] / max(self._whole[-1], 1))

    def _summed(self, rung: Integers, count: Floats) -> Floats:
        """Return the sums at and below each rung, and last of all."""
        path = self.ladder.paths(rung.astype(np.int32))
        found = np.zeros(len(self.ladder) + 1)
        for rank in range(path.shape[1]):
            there = path[:, rank] >= 0
            np.add.at(found, path[there, rank], count[there])
        found[-1] = count.sum()
        return found

    def describe(self, _spots: Spots, number: Integers, rung: Integers, gone: Integers) -> Floats:
        """Return the logarithms of ratios of outcomes, as `presence.Presence.describe` does."""
        path = self.ladder.paths(np.where(rung >= 0, rung, 0).astype(np.int32))
        lost = np.asarray(gone)[number]
        above = self.ladder.paths(np.where(lost >= 0, lost, 0).astype(np.int32))
        ratio = np.ones(len(rung))
        for rank in range(path.shape[1]):
            at = path[:, rank]
            there = at >= 0
            out = (lost >= 0) & there & (above[:, rank] == at)
            o = self._listed[at] - np.where(out, self._listed[lost], 0)
            # What the list has not met lives on: the species is there, and not listed.
            n = self._whole[at]
            shrunk = (o + _PULL * ratio) / (n * self._share + _PULL)
            ratio = np.where(there, shrunk, ratio)
        found = np.zeros((len(rung), NUMBERS))
        found[:, 0] = np.where(rung >= 0, np.clip(np.log(ratio), -BOUND, BOUND), 0)
        return found
