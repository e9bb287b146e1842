"""The evidence of place and date: where and when the taxa of a list were met.

The list is the user's: records with coordinates, or the names of what lives in a region. It says of
each outcome in the joint tree, a species or "something new under here", how much likelier the place
and the day are for it than for any record (see `presence`). A list of names alone says which taxa
are met in the region more often than chance would have it. What these numbers are worth beside a
barcode or a picture is learnt where everything else is (see `consensus`): simulated records are
given the place of a visit to their species, with its site left out of the list, or the whole cube
of 512 km about it; with what the library is to lack left out too; and of one in ten the list is
taken to have never met its species, since lists are not complete.

A record without a place, or what no list knows, adds 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.identify.joint import Joint
from merian.identify.ladder import ROOT
from merian.identify.listed import Listed
from merian.identify.presence import BLOCK_KM, NUMBERS, SITE_KM, Presence, Spots, points
from merian.identify.sightings import Sightings, half_of
from merian.library import Library

__all__ = ["COLUMNS", "Drawn", "PlaceEvidence", "Spot", "binomial", "spot_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

COLUMNS = 2 * NUMBERS
"""How many numbers describe an outcome: of a species, or else of what is new under a taxon."""

_UNMET = 0.1  # of simulated records, the share whose species the list is taken not to have
_SEED = 0
_BINOMIAL = re.compile(
    r"^[A-Z][\w-]+ (?:\([A-Z][\w-]+\) )?(?!(?:spp?|cf|aff|nr|gen|indet|nov)\b)[a-zà-ÿ][\w-]+"
)
_HIGHER = ("genus", "family", "order", "class", "phylum", "kingdom")

Spot = tuple[float, float, int]
"""Latitude, longitude and half of a month from 0, which is -1 where no day is known."""


def spot_of(latitude: float, longitude: float, date: str | None) -> Spot:
    """Return where and when a record was found; of an interval of dates the first counts."""
    found = re.match(r"\d{4}-(\d\d)-(\d\d)", date or "")
    month, day = (int(found[1]), int(found[2])) if found else (0, 0)
    known = 1 <= month <= 12 and 1 <= day <= 31
    return float(latitude), float(longitude), half_of(month, day) if known else -1


def binomial(name: str) -> str:
    """Return the species that a name is of, without author and subgenus; "" where it is of none."""
    found = _BINOMIAL.match(name)
    return re.sub(r" \([^)]*\)", "", found[0]) if found else ""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Where and when simulated records were found.

    Attributes:
        spots: Of each.
        gone: Of each, what the list is taken not to have.
        block: bool; whether the whole cube about it is left out, and not the site alone.
    """

    spots: Spots
    gone: NDArray[np.int32]
    block: NDArray[np.bool_]


class PlaceEvidence:
    """What a list says of places and days.

    Attributes:
        sightings: The list.
        matched: How many of its taxa are species that the libraries have.
    """

    def __init__(self, sightings: Sightings, joint: Joint, libraries: Sequence[Library]) -> None:
        """Find the taxa of a list in the tree of libraries.

        Args:
            sightings: The list.
            joint: The tree.
            libraries: In the order in which they were joined; their synonyms count.
        """
        self.sightings, self._joint = sightings, joint
        ladder = joint.ladder
        rungs, species = _rungs_of(sightings, joint, libraries)
        self._lowest = len(ladder.ranks) - 1
        self.matched = int(species.sum())
        if not self.matched:
            raise InputError(
                f"{sightings.path}: none of its {len(rungs):,} taxa is a species of the library "
                f"({', '.join(sightings.names[:3])} ...); "
                "is it a list of the same kind of organisms?"
            )
        self.placed = sightings.placed
        self._species = np.unique(rungs[species])
        if self.placed:
            there = np.isfinite(sightings.latitude) & np.isfinite(sightings.longitude)
            visit = rungs[sightings.taxon[there]]
            self._half = sightings.half[there]
            self._point = points(sightings.latitude[there], sightings.longitude[there])
            self._presence: Presence | Listed = Presence(ladder, self._point, self._half, visit)
            self._path = np.where(visit[:, None] >= 0, ladder.paths(visit), -1)
            self._order = np.argsort(visit, kind="stable")
            self._first = np.searchsorted(visit[self._order], np.arange(len(ladder) + 1))
        else:
            unknown = np.array(sorted(set(rungs[~species].tolist()) - {ROOT}), np.int64)
            extra = np.array([(rungs[~species] == one).sum() for one in unknown], np.int64)
            self._presence = Listed(ladder, self._species, unknown, extra)

    # -- queries --------------------------------------------------------------------------------

    def rows(self, spots: Sequence[Spot], number: Integers, rung: Integers) -> Floats:
        """Return the numbers that describe outcomes.

        Args:
            spots: Where and when queries were found.
            number: Of each outcome, in ascending order, its query.
            rung: Of each.
        """
        place = np.array([spot[:2] for spot in spots], np.float64).reshape(-1, 2)
        half = np.array([spot[2] for spot in spots], np.int8)
        asked = Spots(points(place[:, 0], place[:, 1]), half, np.zeros(len(half)))
        return self._rows(asked, number, rung, np.full(len(half), ROOT, np.int32))

    def _rows(self, spots: Spots, number: Integers, rung: Integers, gone: Integers) -> Floats:
        told = self._presence.describe(spots, number, rung, gone)
        found = np.zeros((len(rung), COLUMNS))
        ladder = self._joint.ladder
        species = (rung >= 0) & (ladder.rank[rung] == self._lowest)
        found[:, :NUMBERS] = np.where(species[:, None], told, 0)
        found[:, NUMBERS:] = np.where((rung >= 0)[:, None] & ~species[:, None], told, 0)
        return found

    def nearest(self, spot: Spot, rung: int) -> float | None:
        """Return how far the nearest visit to a taxon is, in km; None where there is none."""
        if not self.placed or rung < 0:
            return None
        visits = np.flatnonzero(self._path[:, self._joint.ladder.rank[rung]] == rung)
        if not len(visits):
            return None
        here = points(np.array([spot[0]]), np.array([spot[1]]))
        chord = float(np.linalg.norm(self._point[visits] - here, axis=1).min())
        return float(2 * 6371.0088 * np.arcsin(min(1.0, chord / (2 * 6371.0088))))

    # -- learning -------------------------------------------------------------------------------

    def has(self, species: int) -> bool:
        """Return whether the list has a species, so that a record of it can be simulated."""
        if not self.placed:
            return bool(np.isin(species, self._species))
        return bool(self._first[species + 1] > self._first[species])

    def draw(
        self, species: Sequence[int], absent: Sequence[int], block: NDArray[np.bool_]
    ) -> Drawn:
        """Return where and when simulated records were found.

        Args:
            species: Of each; `has` says yes to it.
            absent: What the libraries are to lack of each, and so the list too; ROOT for nothing.
            block: Of each, whether the list is to lack the whole cube about it.
        """
        random = np.random.default_rng(_SEED)
        count = len(species)
        unmet = random.random(count) < _UNMET
        pick = random.random(count)
        gone = np.where(np.array(absent, np.int64) != ROOT, absent, np.where(unmet, species, ROOT))
        if not self.placed:
            nowhere = Spots(np.zeros((count, 3)), np.full(count, -1, np.int8), np.zeros(count))
            # A list of what lives in a region has what a library lacks.
            return Drawn(
                nowhere, np.where(unmet, species, ROOT).astype(np.int32), np.zeros(count, bool)
            )
        own = np.array(species, np.int64)
        first, stop = self._first[own], self._first[own + 1]
        visit = self._order[first + (pick * (stop - first)).astype(np.int64)]
        without = np.where(block, BLOCK_KM, SITE_KM)
        spots = Spots(self._point[visit], self._half[visit], without)
        return Drawn(spots, gone.astype(np.int32), block)

    def simulated_rows(self, drawn: Drawn, number: Integers, rung: Integers) -> Floats:
        """Return the numbers that describe outcomes of simulated records, as `rows` does."""
        return self._rows(drawn.spots, number, rung, drawn.gone)


# -- the taxa of a list --------------------------------------------------------------------------

_Named = Mapping[tuple[str, str], Sequence[int]]


def _rungs_of(
    sightings: Sightings, joint: Joint, libraries: Sequence[Library]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the lowest rung of each taxon of a list, and whether that is the species itself."""
    ladder = joint.ladder
    named: dict[tuple[str, str], list[int]] = {}
    for rung in np.flatnonzero(ladder.node >= 0).tolist():
        key = ladder.ranks[ladder.rank[rung]], joint.names[ladder.node[rung]].casefold()
        named.setdefault(key, []).append(rung)
    rungs = np.full(len(sightings.names), ROOT, np.int64)
    species = np.zeros(len(rungs), bool)
    for place, (name, above) in enumerate(zip(sightings.names, sightings.above, strict=True)):
        plain = binomial(name)
        rung = _species(plain, joint, named, libraries) if plain else ROOT
        if rung != ROOT:
            rungs[place], species[place] = rung, True
            continue
        told = {"genus": name.split()[0], **above} if plain else dict(above)
        for rank in _HIGHER:
            same = named.get((rank, told.get(rank, "").casefold()), ())
            if len(same) == 1:  # of homonyms none is meant for sure
                rungs[place] = same[0]
                break
    return rungs, species


def _species(name: str, joint: Joint, named: _Named, libraries: Sequence[Library]) -> int:
    """Return the rung of a species by any of its names; ROOT where there is none."""
    for number, library in enumerate(libraries):
        taxonomy = library.taxonomy
        for node in taxonomy.accepted[taxonomy.find(name)].tolist():
            own = int(taxonomy.at_rank([node], "species")[0])
            accepted = taxonomy.name_of(own).casefold() if own >= 0 else ""
            for rung in named.get(("species", accepted), ()):
                if joint.base[number][rung] == rung:
                    return rung
    return ROOT
