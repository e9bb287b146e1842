"""Wrong labels by leave-one-out: what all other records say of each.

An entry is judged by what lies near it. Neighbours count the more the nearer they are (at a
distance d by exp(-d / s), where s grows with the rank) and the more records stand behind them. At
each rank, with ``other`` for the taxon that has most and ``own`` for its own taxon,

    score = (other - 3 own) / (other + 3 own + 0.3)

so a record of the same name nearby weighs three of another name: names are wrong one by one, and a
barcode that two species share, or a name that is older than another, is no wrong label. The score
is halved where the name has no record elsewhere: if *Aus bus* is known from here alone, it is its
neighbours that may be wrong. So a wrong label, which is seen from both sides, is put down to the
record whose name is at home elsewhere. Above the species each species counts once, however many
records it has. Records found wrong speak against no other in a second round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.audit.near import Near
from merian.audit.records import Records
from merian.audit.strangers import nearest_of_each
from merian.library.neighbours import finder_of
from merian.taxonomy import NONE

__all__ = ["CUT", "SCALES", "Doubts", "doubt"]

SCALES = {
    "species": 0.01, "genus": 0.03, "family": 0.05, "order": 0.06, "class": 0.07, "phylum": 0.08,
    "kingdom": 0.08,
}  # fmt: skip
"""How far a neighbour speaks at each rank, as a share of differing bases, from low to high."""

CUT = 0.5  # of a score; above it a label is reported
_OWN, _NOTHING = 3.0, 0.3  # what a record of the same name weighs, and what weighs against both
_HERE = 3.0  # a record is elsewhere if it is farther than so many times the scale
# Above the species, what is farther than so many times the scale says nothing: of a lone species
# of its family, the nearest is of another one and yet no sign of a wrong label.
_HEARD = 1.2
_FEW = 0.1  # what a record weighs against others once it is found wrong
_NO_HOME = 0.5

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Doubts:
    """The labels in doubt, one row an entry, the most doubtful first.

    Attributes:
        entry: int64; the entry.
        rank: The highest rank at which its label is in doubt.
        score: float64; the score at the rank at which that is highest.
        name: int64; the taxon that fits better: a species where one does, else at the rank.
        sure: bool; whether it is this record: else its neighbours are as doubtful as it is.
    """

    entry: Numbers
    rank: list[str]
    score: Floats
    name: Numbers
    sure: npt.NDArray[np.bool_]


def doubt(records: Records, near: Near) -> Doubts:
    """Return the labels that are probably wrong."""
    home = _homes(records, near)
    first, names = _scores(records, near, np.ones(len(records.library)), home)
    weight = np.where(np.max(first, axis=0) > CUT, _FEW, 1.0)
    second, _ = _scores(records, near, weight, home)
    best_first, best_second = first.max(axis=0), second.max(axis=0)
    entries = np.flatnonzero(np.maximum(best_first, best_second) > CUT)
    ranks = list(SCALES)
    rank, name, score = [], [], []
    sure = best_second[entries] > CUT
    for entry, certain in zip(entries.tolist(), sure.tolist(), strict=True):
        scores = second[:, entry] if certain else first[:, entry]
        above = np.flatnonzero(scores > CUT)
        rank.append(ranks[above[-1]])
        # A species that is only here is not doubted as such, and yet another may fit better.
        fits = np.flatnonzero(first[:, entry] / home[:, entry] > CUT)
        name.append(int(names[fits[0], entry]))
        score.append(float(scores.max()))
    order = np.lexsort((entries, -np.round(score, 6), ~sure))
    return Doubts(
        entries[order],
        [rank[i] for i in order.tolist()],
        np.array(score)[order],
        np.array(name, np.int64)[order],
        sure[order],
    )


def _homes(records: Records, near: Near) -> Floats:
    """Return what each score is multiplied by: less where the taxon has no record elsewhere."""
    multiplicity = np.asarray(records.library.multiplicity, np.float64)
    return np.array([
        np.where(_has_home(near, records.at_rank(rank), multiplicity, scale), 1.0, _NO_HOME)
        for rank, scale in SCALES.items()
    ])  # fmt: skip


def _scores(records: Records, near: Near, weight: Floats, home: Floats) -> tuple[Floats, Numbers]:
    """Return the score of each entry at each rank, and the taxon that fits better."""
    library = records.library
    multiplicity = np.asarray(library.multiplicity, np.float64)
    group = finder_of(library).species
    scores = np.full((len(SCALES), len(library)), -1.0)
    better = np.full((len(SCALES), len(library)), NONE, np.int64)
    for row, (rank, scale) in enumerate(SCALES.items()):
        taxon = records.at_rank(rank)
        named = (taxon[near.entry] != NONE) & (taxon[near.other] != NONE)
        speak = np.exp(-near.distance / scale)
        if rank == "species":
            speak = speak * multiplicity[near.other]
        else:
            named &= nearest_of_each(near, group) & (near.distance <= _HEARD * scale)
        itself = multiplicity - 1 if rank == "species" else np.zeros(len(library))
        scores[row], better[row] = _at_rank(
            near, taxon, np.where(named, speak, 0.0), itself, weight
        )
    return scores * home, better


def _at_rank(
    near: Near, taxon: npt.NDArray[np.int32], speak: Floats, itself: Floats, weight: Floats
) -> tuple[Floats, Numbers]:
    """Return scores at one rank, -1 where nothing speaks, and the taxa that fit better."""
    count = len(taxon)
    same = taxon[near.entry] == taxon[near.other]
    own = np.bincount(near.entry[same], speak[same], minlength=count) + itself
    entry, other = near.entry[~same], near.other[~same]
    key = entry.astype(np.int64) * (int(taxon.max()) + 2) + taxon[other] + 1
    pairs, number = np.unique(key, return_inverse=True)
    summed = np.bincount(number, speak[~same] * weight[other], minlength=len(pairs))
    whose, which = np.divmod(pairs, int(taxon.max()) + 2)
    order = np.lexsort((which, -summed, whose))
    lead = np.ones(len(order), bool)
    lead[1:] = whose[order][1:] != whose[order][:-1]
    lead = order[lead]
    most, better = np.zeros(count), np.full(count, NONE, np.int64)
    most[whose[lead]], better[whose[lead]] = summed[lead], which[lead] - 1
    score = (most - _OWN * own) / (most + _OWN * own + _NOTHING)
    return np.where(most > 0, score, -1.0), better


def _has_home(
    near: Near, taxon: npt.NDArray[np.int32], multiplicity: Floats, scale: float
) -> npt.NDArray[np.bool_]:
    """Say of each entry whether its taxon has records that are not near it."""
    named = taxon != NONE
    total = np.zeros(int(taxon.max()) + 2)
    np.add.at(total, taxon[named], multiplicity[named])
    here = (taxon[near.entry] == taxon[near.other]) & (near.distance < _HERE * scale)
    close = np.bincount(near.entry[here], multiplicity[near.other[here]], minlength=len(taxon))
    found: npt.NDArray[np.bool_] = named & (total[taxon] > close + multiplicity)
    return found
