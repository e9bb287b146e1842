"""The specimens of a world: which species each is, and what went wrong with it.

Some species, genera and families are withheld: nobody has described them, so that no label and
no checklist names them. Others are named, and a few of them wrongly. Tubes are swapped, records
entered twice, pictures empty or torn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import RANKS, Biota

__all__ = ["PLATE", "STATES", "WITHHELD", "Specimens", "draw_specimens", "withhold"]

WITHHELD = ("none", "species", "genus", "family")
STATES = ("whole", "fragment", "empty")

_FAMILY, _GENUS = RANKS.index("family"), RANKS.index("genus")
_WITHHELD_SHARES = {"family": 0.04, "genus": 0.06, "species": 0.12}
# How often at level 2. Level 1 has half of it, level 3 twice.
_MISLABELLED, _SWAPPED, _DUPLICATED, _FRAGMENT, _EMPTY = 0.004, 0.002, 0.01, 0.02, 0.01
PLATE = 95  # specimens whose tubes stand in one plate


@dataclass(frozen=True)
class Specimens:
    """Columns over all records, in the order in which they were entered.

    Attributes:
        species: The true species.
        called: The species that a careless eye would call it: the true one but for mislabels.
        tube: The record whose barcode stands under this one: itself but for swaps.
        copy_of: The record of which it is a second entry, or -1.
        state: Of the picture, as in STATES.
        withheld: Why it has no name, as in WITHHELD.
    """

    species: NDArray[np.int32]
    called: NDArray[np.int32]
    tube: NDArray[np.int32]
    copy_of: NDArray[np.int32]
    state: NDArray[np.int8]
    withheld: NDArray[np.int8]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.species)

    @property
    def first_entry(self) -> NDArray[np.int32]:
        """The first record of the same specimen: the record itself but for second entries."""
        return np.where(self.copy_of >= 0, self.copy_of, np.arange(len(self), dtype=np.int32))


def withhold(biota: Biota, rng: np.random.Generator, largest: float = 1.0) -> NDArray[np.int8]:
    """Return for each species what of it nobody has described, as in WITHHELD.

    Genera are taken from families with others, species from genera with others, so that what is
    above a withheld taxon is known.

    Args:
        biota: The species and their taxa.
        rng: Draws which.
        largest: What holds a larger share of all species stays known.
    """
    found = np.zeros(len(biota), dtype=np.int8)
    for number, name in ((3, "family"), (2, "genus"), (1, "species")):
        rank = RANKS.index(name)
        free = found == 0
        able = []
        size = np.bincount(biota.taxon[:, rank]) / len(biota)
        for above in np.unique(biota.taxon[free, rank - 1]).tolist():
            members = np.unique(biota.taxon[free & (biota.taxon[:, rank - 1] == above), rank])
            # One taxon of each group stays, and no homonymous genus is a riddle of two kinds.
            able += [t for t in rng.permutation(members)[1:].tolist() if size[t] <= largest]
        count = min(len(able), max(1, round(_WITHHELD_SHARES[name] * len(biota.names[rank]))))
        chosen = rng.choice(np.array(able, dtype=np.int32), size=count, replace=False)
        found[free & np.isin(biota.taxon[:, rank], chosen)] = number
    return found


def draw_specimens(
    biota: Biota,
    count: int,
    level: int,
    unknown: NDArray[np.int8],
    rng: np.random.Generator,
    species: NDArray[np.int32] | None = None,
) -> Specimens:
    """Draw records with the faults of a level.

    Args:
        biota: The species.
        count: How many records.
        level: Of the faults, 1 to 3.
        unknown: What of each species nobody has described, as in WITHHELD.
        rng: Draws everything.
        species: Of each record; as many of each as it is common if not given.
    """
    often = 2.0 ** (level - 2)
    if species is None:
        species = rng.choice(len(biota), size=count, p=biota.abundance).astype(np.int32)
    species = species.copy()
    records = np.arange(count, dtype=np.int32)
    called = species.copy()
    for i in np.flatnonzero(rng.random(count) < _MISLABELLED * often).tolist():
        called[i] = _look_alike(biota, unknown, int(species[i]), rng)
    tube = records.copy()
    for i in np.flatnonzero(rng.random(count) < _SWAPPED * often / 2).tolist():
        other = i // PLATE * PLATE + int(rng.integers(PLATE))
        if other < count:
            tube[i], tube[other] = tube[other], tube[i]
    state = rng.choice(
        len(STATES),
        size=count,
        p=[1 - (_FRAGMENT + _EMPTY) * often, _FRAGMENT * often, _EMPTY * often],
    ).astype(np.int8)
    copy_of = np.full(count, -1, dtype=np.int32)
    for i in np.flatnonzero(rng.random(count) < _DUPLICATED * often).tolist():
        first = int(rng.integers(0, i)) if i else 0
        if first < i and copy_of[first] < 0:
            copy_of[i] = first
    second = copy_of >= 0
    source = copy_of[second]
    species[second], called[second], state[second] = species[source], called[source], state[source]
    # A second entry has the barcode of the first, whichever tube that came from.
    tube[second] = tube[source]
    return Specimens(species, called, tube, copy_of, state, unknown[species])


def _look_alike(
    biota: Biota, unknown: NDArray[np.int8], species: int, rng: np.random.Generator
) -> int:
    """Return a described species that this one is taken for: of its genus, else of its family."""
    for rank in (_GENUS, _FAMILY):
        if rank == _GENUS and rng.random() < 0.25:
            continue
        near = np.flatnonzero((biota.taxon[:, rank] == biota.taxon[species, rank]) & (unknown == 0))
        near = near[near != species]
        if near.size:
            return int(rng.choice(near))
    return species
