"""Sequences among strangers: the species nearest to them are all of another order or higher taxon.

A lone record of its species under a wrong name has nothing near that would speak against it, if
its own kind has few relatives in the reference. But of ten species that are nearest to a beetle's
barcode some are beetles. Where none is, and nine of ten are of one other taxon, it is no beetle.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from merian.audit.near import Near
from merian.audit.records import Records
from merian.library.neighbours import finder_of
from merian.taxonomy import NONE

__all__ = ["nearest_of_each", "strangers"]

_RANKS = ("phylum", "class", "order")  # at the highest that holds
_SPECIES, _MOSTLY = 10, 0.9  # that are asked, and that have to be of one other taxon
_KNOWN = 20  # species that the claimed taxon has at least: else there are none to be near

Numbers = npt.NDArray[np.int64]


def nearest_of_each(near: Near, group: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Say which pairs are the nearest of an entry with each species."""
    order = np.lexsort((near.other, near.distance, group[near.other], near.entry))
    entry, species = near.entry[order], group[near.other][order]
    new = np.ones(len(order), bool)
    new[1:] = (entry[1:] != entry[:-1]) | (species[1:] != species[:-1])
    found = np.zeros(len(order), bool)
    found[order[new]] = True
    return found


def strangers(records: Records, near: Near) -> dict[int, tuple[str, int]]:
    """Return the entries that are among strangers: rank, and the taxon that is around each."""
    group = finder_of(records.library).species
    asked = nearest_of_each(near, group) & (group[near.entry] != group[near.other])
    pairs = np.flatnonzero(asked)
    pairs = pairs[np.lexsort((near.other[pairs], near.distance[pairs], near.entry[pairs]))]
    # The place of each pair among those of its entry.
    entry = near.entry[pairs]
    place = np.arange(len(pairs)) - np.searchsorted(entry, entry)
    pairs = pairs[place < _SPECIES]
    found: dict[int, tuple[str, int]] = {}
    for rank in _RANKS:
        for number, taxon in _at_rank(records, near, pairs, rank):
            found.setdefault(number, (rank, taxon))
    return found


def _at_rank(records: Records, near: Near, pairs: Numbers, rank: str) -> list[tuple[int, int]]:
    """Return the entries whose nearest species are of another taxon of a rank, and the taxon."""
    taxon = records.at_rank(rank)
    named = np.unique(np.stack([taxon, records.species]), axis=1)
    own = named[0][(named[0] != NONE) & (named[1] != NONE)]
    known = np.bincount(own, minlength=int(taxon.max()) + 1) >= _KNOWN
    entry, other = near.entry[pairs], taxon[near.other[pairs]]
    count = np.bincount(entry, minlength=len(taxon))
    alike = np.bincount(entry, other == taxon[entry], minlength=len(taxon))
    base = int(taxon.max()) + 2
    key, times = np.unique(entry.astype(np.int64) * base + other + 1, return_counts=True)
    whose, which = np.divmod(key, base)
    strange = (which > 0) & (times >= _MOSTLY * _SPECIES) & (count[whose] == _SPECIES)
    strange &= (alike[whose] == 0) & (taxon[whose] != NONE)
    strange &= known[np.maximum(taxon[whose], 0)] if len(known) else False
    return list(zip(whose[strange].tolist(), (which[strange] - 1).tolist(), strict=True))
