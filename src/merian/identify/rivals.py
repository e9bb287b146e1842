"""Rivals: what one record may be, held against each other in the barcode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.taxonomy import MAIN_RANKS

__all__ = ["Barcode", "Pair", "Rival"]

_WHOLE = 0.9  # of the barcode: a read that long is a whole one


@dataclass(frozen=True, slots=True)
class Rival:
    """An outcome, and what the library has of it.

    Attributes:
        words: What it is, in words.
        rank: Of its taxon.
        name: Of its taxon, "" for the root.
        new: Whether it is something that the library does not have, under that taxon.
        group: The unnamed group that it is, or "".
        probability: Of it.
        lineage: The names of its taxon and of what is above, by rank.
        bits: Its references laid over the nearest reference (see `layout.laid_over`).
        records: How many references there are of it.
        species: How many species of that taxon the library has.
        markers: The genes of its references.
    """

    words: str
    rank: str
    name: str
    new: bool
    group: str
    probability: float
    lineage: Mapping[str, str]
    bits: NDArray[np.uint8]
    records: int
    species: int
    markers: frozenset[str]

    @property
    def named(self) -> bool:
        """Whether it is a species with a name and references."""
        return not self.new and not self.group

    @property
    def known(self) -> bool:
        """Whether the library has references of it."""
        return not self.new


@dataclass(frozen=True, slots=True)
class Barcode:
    """How much of the barcode was read.

    Attributes:
        read: bool[places]; which places of the nearest reference the query covers.
        length: Bases of a usual reference of the rivals.
        marker: The gene of the nearest reference, or "".
    """

    read: NDArray[np.bool_]
    length: int
    marker: str

    @property
    def bases(self) -> int:
        """How many bases were read."""
        return int(self.read.sum())

    @property
    def unread(self) -> float:
        """The share of the barcode that was not read; 0 where that is too little to matter."""
        share = 1 - self.bases / max(self.length, 1)
        return share if share > 1 - _WHOLE else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rivals, or one that may be several things."""

    one: Rival
    other: Rival

    @property
    def same(self) -> bool:
        """Whether both are the same outcome, which may yet be several things."""
        return self.one is self.other

    @property
    def known(self) -> bool:
        """Whether the library has references of both."""
        return self.one.known and self.other.known and not self.same

    @property
    def named(self) -> bool:
        """Whether both are species with a name."""
        return self.one.named and self.other.named

    @property
    def apart(self) -> float:
        """The share of places at which their most alike references differ; NaN if not known."""
        one, other = self.one.bits[:, None], self.other.bits[None]
        both = (one > 0) & (other > 0)
        overlap = both.sum(axis=2)
        differ = (both & ((one & other) == 0)).sum(axis=2)
        shares = np.where(overlap > 0, differ / np.maximum(overlap, 1), np.inf)
        least = float(shares.min(initial=np.inf))
        return least if np.isfinite(least) else float("nan")

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """The places at which no reference of the one may have what one of the other has."""
        one = np.bitwise_or.reduce(self.one.bits, axis=0)
        other = np.bitwise_or.reduce(self.other.bits, axis=0)
        return np.asarray((one > 0) & (other > 0) & ((one & other) == 0))

    @property
    def shared(self) -> str:
        """The lowest rank at which both have one name, or ""."""
        one, other = self.one.lineage, self.other.lineage
        found = [r for r in MAIN_RANKS if one.get(r) and one.get(r) == other.get(r)]
        return found[-1] if found else ""

    def __str__(self) -> str:
        return (
            f"{self.one.words} ({self.one.probability:.2f}) and "
            f"{self.other.words} ({self.other.probability:.2f})"
        )
