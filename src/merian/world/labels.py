"""What stands on the labels: names as people give them, at the ranks that they could reach.

A preset says how many records have a name at each rank: `bioscan` has the shares published for
BIOSCAN-5M (family 96 %, genus 24 %, species 9 %), `museum` those of a worked collection, `full`
all. Names come as synonyms, with a slip of the pen, with "cf.", and undescribed species as
"Genus sp. 3".

Reference: Gharaee et al. 2024, doi:10.48550/arXiv.2406.12723 (the shares).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import RANKS, Biota
from merian.world.specimens import Specimens

__all__ = ["PRESETS", "Label", "Synonym", "draw_synonyms", "write_labels"]

# Share of the records with a name at each of RANKS; each share contains the next. Of `bioscan` it
# is the share of all records, as published, of the others that of the records of described taxa.
PRESETS: Mapping[str, tuple[float, ...]] = {
    "museum": (1.0, 1.0, 0.998, 0.99, 0.95, 0.85),
    "bioscan": (1.0, 0.999, 0.997, 0.96, 0.24, 0.09),
    "full": (1.0,) * 6,
}
_OF_ALL = "bioscan"
_FAMILY, _GENUS, _SPECIES = (RANKS.index(rank) for rank in ("family", "genus", "species"))
_SYNONYMS, _AS_SYNONYM = 0.08, 0.25
# At level 2, of the names of species; level 1 has half of it, level 3 twice.
_SLIPPED, _UNSURE = 0.004, 0.01
_NUMBERED = 0.6  # of the undescribed species of known genera have a number


@dataclass(frozen=True)
class Synonym:
    """Another name of a species, as the checklist gives it."""

    species: int
    name: str


@dataclass(frozen=True)
class Label:
    """The label of a record.

    Attributes:
        names: The name at each of RANKS, empty where nobody said.
        dirty: What is odd about the lowest: "", "synonym", "slip", "cf." or "number".
    """

    names: tuple[str, ...]
    dirty: str = ""

    @property
    def lowest(self) -> str:
        """The lowest name that was given."""
        return next((name for name in reversed(self.names) if name), "")


def draw_synonyms(
    biota: Biota, unknown: NDArray[np.int8], rng: np.random.Generator
) -> list[Synonym]:
    """Return a second name for a few described species: in another genus, or another epithet."""
    found = []
    names = set(biota.names[_SPECIES])
    genera = np.array(biota.names[_GENUS])
    described = np.flatnonzero(unknown == 0)
    taken = biota.taxon[described]
    for species in described[rng.random(len(described)) < _SYNONYMS].tolist():
        genus, _, epithet = biota.names[_SPECIES][species].partition(" ")
        if rng.random() < 0.6:
            family = taken[:, _FAMILY] == biota.taxon[species, _FAMILY]
            name = f"{rng.choice(genera[np.unique(taken[family, _GENUS])])} {epithet}"
        else:
            other = biota.names[_SPECIES][int(rng.choice(described))].partition(" ")[2]
            name = f"{genus} {other}"
        if name not in names:
            names.add(name)
            found.append(Synonym(species, name))
    return found


def write_labels(
    biota: Biota,
    specimens: Specimens,
    synonyms: list[Synonym],
    preset: str,
    level: int,
    rng: np.random.Generator,
) -> list[Label]:
    """Return the label of every record."""
    often = 2.0 ** (level - 2)
    depth = _depths(specimens, len(biota), preset, rng)
    others = {synonym.species: synonym.name for synonym in synonyms}
    labels: list[Label] = []
    numbers: dict[str, dict[int, int]] = {}  # of the undescribed of each genus, as they were met
    for record in range(len(specimens)):
        first = int(specimens.copy_of[record])
        if first >= 0:
            labels.append(labels[first])
            continue
        species = int(specimens.called[record])
        chance = rng.random(4)  # drawn for all alike, so that one record does not shift the next
        names = [*biota.lineage(species)]
        known = len(RANKS)
        if species == specimens.species[record] and specimens.withheld[record]:
            known = _SPECIES - (int(specimens.withheld[record]) - 1)
        reach = min(known, int(depth[record]))
        full = tuple(name if rank < reach else "" for rank, name in enumerate(names))
        if known == _SPECIES and depth[record] == len(RANKS) and chance[0] < _NUMBERED:
            met = numbers.setdefault(names[_GENUS], {})
            numbered = f"{names[_GENUS]} sp. {met.setdefault(species, 1 + len(met))}"
            labels.append(Label((*full[:_SPECIES], numbered), "number"))
        elif reach < len(RANKS):
            labels.append(Label(full))
        elif species in others and chance[1] < _AS_SYNONYM:
            other = others[species]
            labels.append(Label((*full[:_GENUS], other.partition(" ")[0], other), "synonym"))
        elif chance[2] < _SLIPPED * often:
            labels.append(Label((*full[:_SPECIES], _slip(names[_SPECIES], chance[3])), "slip"))
        elif chance[2] > 1 - _UNSURE * often:
            genus, _, epithet = names[_SPECIES].partition(" ")
            labels.append(Label((*full[:_SPECIES], f"{genus} cf. {epithet}"), "cf."))
        else:
            labels.append(Label(full))
    return labels


def _depths(
    specimens: Specimens, species: int, preset: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return how many ranks of each record are named; half of it is the species' doing."""
    worked = rng.normal(size=species)[specimens.species] + rng.normal(size=len(specimens))
    place = np.empty(len(specimens))
    place[np.argsort(worked, kind="stable")] = (np.arange(len(specimens)) + 0.5) / len(specimens)
    shares = np.array(PRESETS[preset])
    if preset == _OF_ALL:  # what cannot be named is made up for by what can
        able = [np.mean(specimens.withheld < len(RANKS) - rank) for rank in range(len(RANKS))]
        able[_SPECIES] += _NUMBERED * np.mean(specimens.withheld == 1)
        shares = np.minimum.accumulate(np.minimum(shares / np.maximum(able, 1e-9), 1))
    depth: NDArray[np.int64] = (place[:, None] < shares).sum(axis=1)
    return depth


def _slip(name: str, where: float) -> str:
    """Return a name with two letters of its epithet swapped, or one lost."""
    start = name.index(" ") + 2
    # In "Ia io" there are no two letters after the first of the epithet.
    place = min(start + int(where * max(len(name) - start - 2, 0)), len(name) - 2)
    if name[place] != name[place + 1]:
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    return name[:place] + name[place + 1 :]
