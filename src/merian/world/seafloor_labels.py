"""How people label the sea floor: three trees, each as far down as somebody dared to go.

Growth forms and substrates follow the manner of CATAMI (Althaus et al. 2015,
doi:10.1371/journal.pone.0141039). Labels stop early, miss whole trees, and are sometimes wrong, as
in any collection of annotations from many campaigns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merian.world.biota import RANKS, Biota
from merian.world.drawing.seafloor import ALGAE, GROUNDS

__all__ = ["TREES", "Annotator", "Place"]

TREES = ("taxonomy", "growth form", "substrate")

_FORMS = {
    "branching": ("Cnidaria", "Corals", "Stony corals", "Branching"),
    "massive": ("Cnidaria", "Corals", "Stony corals", "Massive"),
    "brain": ("Cnidaria", "Corals", "Stony corals", "Massive", "Meandering"),
    "plates": ("Cnidaria", "Corals", "Stony corals", "Foliose", "Plates"),
    "fan": ("Cnidaria", "Corals", "Octocorals", "Fan", "Simple"),
    "tubes": ("Sponges", "Hollow forms", "Tubes and chimneys"),
}
_ALGAL_FORMS = {
    "turf": ("Macroalgae", "Filamentous", "Turf"),
    "crust": ("Macroalgae", "Encrusting", "Calcareous", "Red"),
    "fronds": ("Macroalgae", "Erect coarse branching", "Brown"),
}
_GROUNDS = {
    "sand": ("Unconsolidated", "Sand and mud", "Coarse sand"),
    "rubble": ("Unconsolidated", "Pebble and gravel", "Biogenic", "Coral rubble"),
    "rock": ("Consolidated", "Rock"),
}
# How often a campaign uses taxonomy, growth forms, substrates; and labels points, pictures.
_CAMPAIGNS = (
    (0.25, (True, True, True), (True, False)),
    (0.25, (False, True, True), (True, False)),
    (0.15, (True, False, False), (True, True)),
    (0.20, (False, True, True), (False, True)),
    (0.15, (True, True, False), (False, True)),
)
# Chance to stop above each further level of a path, per tree: names of species are the hardest.
_STOP = {"taxonomy": 0.10, "growth form": 0.06, "substrate": 0.10}
_WRONG = (0.0, 0.02, 0.05)  # at each level of the world
_NOTED = {"taxonomy": 0.95, "growth form": 0.97, "substrate": 0.9}  # of what is seen at a point
_UNDER_LIFE = 0.15  # how often the ground under a colony is noted
_SMALLEST = 0.004  # share of the floor that is noticed in a whole picture

Path = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """What is at a point: a species or an alga (-1 if none), and the ground."""

    species: int
    alga: int
    ground: int


class Annotator:
    """Somebody who labels one picture, by the rules of one campaign."""

    def __init__(
        self,
        biota: Biota,
        names: Sequence[str],
        forms: Sequence[str],
        level: int,
        rng: np.random.Generator,
    ) -> None:
        """Draw a campaign.

        Args:
            biota: Gives the lineages.
            names: For each species the lowest name that it has been given.
            forms: For each species its growth form, a word of `traits.KINDS`.
            level: Of doubt, 1 to 3.
            rng: Draws the campaign and all doubts.
        """
        self._biota, self._names, self._forms = biota, names, forms
        self._doubt, self._wrong = 0.5 * level, _WRONG[level - 1]
        self._rng = rng
        chances = np.array([share for share, _, _ in _CAMPAIGNS])
        _, trees, (self.points, self.whole) = _CAMPAIGNS[
            int(rng.choice(len(chances), p=chances / chances.sum()))
        ]
        self.trees = [tree for tree, used in zip(TREES, trees, strict=True) if used]

    def true_path(self, tree: str, place: Place) -> Path:
        """Return the full path of what is at a place, species that nobody has named included."""
        if tree == "taxonomy":
            return self._biota.lineage(place.species) if place.species >= 0 else ()
        if tree == "substrate":
            return _GROUNDS[GROUNDS[place.ground]]
        if place.species >= 0:
            return _FORMS[self._forms[place.species]]
        return _ALGAL_FORMS[ALGAE[place.alga]] if place.alga >= 0 else ()

    def at_point(self, place: Place) -> list[tuple[str, str]]:
        """Return the labels of a point: tree and path."""
        if not self.points:
            return []
        found = []
        alive = place.species >= 0 or place.alga >= 0
        for tree in self.trees:
            chance = _NOTED[tree]
            if tree == "substrate" and alive:
                chance = _UNDER_LIFE
            path = self.true_path(tree, place)
            if path and self._rng.random() < chance:
                found.append((tree, " > ".join(self._as_written(tree, path))))
        return found

    def of_picture(self, shares: Mapping[tuple[str, Path], float]) -> list[tuple[str, str]]:
        """Return the labels of a whole picture: tree and path, each once."""
        if not self.whole:
            return []
        found: dict[tuple[str, str], None] = {}  # a set that keeps its order
        for (tree, path), share in shares.items():
            if tree in self.trees and share > _SMALLEST and self._rng.random() < _NOTED[tree]:
                found[tree, " > ".join(self._as_written(tree, path))] = None
        return list(found)

    def _as_written(self, tree: str, path: Path) -> Path:
        """Return a path as an annotator writes it: cut, and sometimes wrong at its end."""
        if tree == "taxonomy":
            path = self._named(path)
        keep = 1
        while keep < len(path) and self._rng.random() > self._doubt * _STOP[tree]:
            keep += 1
        path = path[:keep]
        if self._rng.random() < self._wrong:
            others = sorted(
                other[:keep]
                for other in self._all_paths(tree)
                if len(other) >= keep and other[: keep - 1] == path[:-1] and other[:keep] != path
            )
            if others:
                return others[int(self._rng.integers(len(others)))]
        return path

    def _named(self, lineage: Path) -> Path:
        """Return the part of a lineage down to the lowest name that its species has."""
        species = self._biota.names[len(RANKS) - 1].index(lineage[-1])
        name = self._names[species]
        return lineage[: lineage.index(name) + 1] if name in lineage else lineage[:-1]

    def _all_paths(self, tree: str) -> list[Path]:
        if tree == "substrate":
            return list(_GROUNDS.values())
        if tree == "growth form":
            return [*_FORMS.values(), *_ALGAL_FORMS.values()]
        return [
            self._named(self._biota.lineage(species))
            for species in np.flatnonzero(self._biota.plan == 2).tolist()
        ]
