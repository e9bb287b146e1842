"""What is known of a name: its places in checklists, GBIF's homonyms, and the map's own names.

Checks of a label map ask the same few things of every name: where does it stand, in how many
branches, what is above it. Checklists differ in the names of the higher groups (Animalia, Metazoa)
and in what they hold, so that places are compared by the names that they share on the way up, and
silence is no evidence.

Reference: https://github.com/gbif/checklistbank (homonyms.txt)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing, open_text
from merian.taxonomy.label_map import LabelMap, LabelTarget
from merian.taxonomy.label_words import LabelWords, read_words
from merian.taxonomy.ranks import RANK_NUMBER
from merian.taxonomy.tree import STATUSES, Taxonomy

__all__ = [
    "Homonym", "Place", "Witness", "below_kingdom", "kingdom_of", "read_homonyms", "shared_names",
    "transferred",
]  # fmt: skip

# What the checklists call the kingdoms, and the groups that stand in for them.
_KINGDOMS = {
    "Animalia": "animalia metazoa",
    "Plantae": "plantae viridiplantae archaeplastida rhodophyta glaucophyta streptophyta",
    "Fungi": "fungi",
    "Bacteria": "bacteria",
    "Archaea": "archaea",
    "Chromista": "chromista sar harosa stramenopiles alveolata rhizaria haptista haptophyta "
    "cryptophyceae cryptophyta cryptista",
    "Protozoa": "protozoa amoebozoa excavata discoba euglenozoa",
    "Viruses": "viruses",
}
_KINGDOM = {word: kingdom for kingdom, words in _KINGDOMS.items() for word in words.split()}
_TOP = frozenset(
    "biota root eukaryota living opisthokonta holozoa life".split()
) | {"cellular organisms", "cellular root", *_KINGDOM}  # fmt: skip
_GBIF_KINGDOMS = (
    "", "Animalia", "Archaea", "Bacteria", "Chromista", "Fungi", "Plantae", "Protozoa", "Viruses",
)  # fmt: skip
_GENUS = RANK_NUMBER["genus"]
_ENDING = re.compile(r"(?<=[a-z]{3})(?:us|um|a|is|e|ii?|ae|os|on)$")  # of an epithet


@dataclass(frozen=True)
class Place:
    """Where a checklist has a name.

    Attributes:
        checklist: Its title.
        number: Which of the checklists.
        node: The usage.
        name: The accepted name.
        rank: Its rank, or "unranked".
        path: The names above and it, from the root.
    """

    checklist: str
    number: int
    node: int
    name: str
    rank: str
    path: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names on the way, folded, without those that everything has."""
        return below_kingdom(self.path)

    def told(self, deepest: int = 4) -> str:
        """Return the way up in words."""
        kingdom = kingdom_of(self.path)
        above = [name for name in self.path[:-1] if name.casefold() not in _TOP][-deepest:]
        way = " > ".join([*([kingdom] if kingdom else []), *above, self.name])
        return f"{self.checklist}: {way}"


@dataclass(frozen=True)
class Homonym:
    """A line of GBIF's list: so many taxa of one rank and kingdom carry the name."""

    count: int
    kingdom: str
    rank: str


def kingdom_of(path: Iterable[str]) -> str:
    """Return the kingdom that a way up passes, in one spelling, or ""."""
    return next((_KINGDOM[n.casefold()] for n in path if n.casefold() in _KINGDOM), "")


def below_kingdom(names: Iterable[str]) -> frozenset[str]:
    """Return names, folded, without the kingdoms and what is above them."""
    return frozenset(name.casefold() for name in names) - _TOP


def shared_names(lineage: Iterable[str], place: Place) -> frozenset[str]:
    """Return the names below the kingdom that a lineage and a place have in common."""
    return below_kingdom(lineage) & place.names


def read_homonyms(path: Path | str) -> dict[str, tuple[Homonym, ...]]:
    """Read GBIF's list of homonyms: count, number of the kingdom, rank and name, between tabs."""
    found: dict[str, list[Homonym]] = defaultdict(list)
    path = existing(path, "list of homonyms")
    with open_text(path) as stream:
        for line in stream:
            parts = line.rstrip("\r\n").split("\t")
            if len(parts) == 4 and parts[0].isdigit() and parts[1].isdigit():
                number = int(parts[1])
                kingdom = _GBIF_KINGDOMS[number] if number < len(_GBIF_KINGDOMS) else ""
                found[parts[3].casefold()].append(Homonym(int(parts[0]), kingdom, parts[2].lower()))
    if not found:
        raise FormatError(
            "is no list of homonyms; GBIF's has count, kingdom, rank and name between tabs",
            path=path, line=1,
        )  # fmt: skip
    return {name: tuple(lines) for name, lines in found.items()}


def transferred(a: str, b: str) -> bool:
    """Return whether two species have one epithet: most likely one was moved."""
    first, second = a.split(" "), b.split(" ")
    if not len(first) == len(second) == 2:
        return False
    # The ending follows the gender of the genus: Neoceratium lineatum, Tripos lineatus.
    return _ENDING.sub("", first[1]) == _ENDING.sub("", second[1])


class Witness:
    """What is known of names.

    Attributes:
        taxonomies: The checklists.
        labels: The map.
        homonyms: GBIF's list, folded name -> lines.
        uses: Folded name -> the keys of the targets that have it in their lineage.
    """

    def __init__(
        self,
        labels: LabelMap,
        taxonomies: Sequence[Taxonomy] = (),
        homonyms: Mapping[str, tuple[Homonym, ...]] | None = None,
    ) -> None:
        self.labels = labels
        self.taxonomies = tuple(taxonomies)
        self.homonyms = dict(homonyms or {})
        self.uses: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._above: dict[str, set[str]] = defaultdict(set)
        for key, target in labels.targets.items():
            names = [name.casefold() for name in target.lineage.values()]
            for depth, name in enumerate(names):
                self.uses[name].append(key)
                self._above[name] |= set(names[:depth])
        self._places: dict[str, tuple[Place, ...]] = {}
        self._words = {label: self.read(label) for _, label in labels.targets}

    def words(self, label: str) -> LabelWords:
        """Return the words of a label of the map."""
        return self._words[label]

    def read(self, label: str) -> LabelWords:
        """Read a label with the names that are known."""
        return read_words(label, self.is_name, self.is_above)

    def places(self, name: str) -> tuple[Place, ...]:
        """Return where the checklists have a name."""
        found = self._places.get(name)
        if found is None:
            found = tuple(
                place
                for number, taxonomy in enumerate(self.taxonomies)
                for place in _places(taxonomy, number, name)
            )
            self._places[name] = found
        return found

    def is_name(self, name: str, large: bool) -> bool:
        """Return whether words are a name.

        A word in small letters may be a common word that is a genus too ("helix"): it is taken for
        a name if the map has it, or a checklist has it above the genus.
        """
        if name.casefold() in self.uses:
            return True
        places = self.places(name)
        return bool(places) and (
            large or any(0 < RANK_NUMBER.get(place.rank, 0) < _GENUS for place in places)
        )

    def map_has_above(self, upper: str, lower: str) -> bool:
        """Return whether the map itself has one name above another."""
        return upper.casefold() in self._above.get(lower.casefold(), ())

    def is_above(self, upper: str, lower: str) -> bool:
        """Return whether one name stands above another, in the map or a checklist."""
        if self.map_has_above(upper, lower):
            return True
        folded = upper.casefold()
        return any(folded in (n.casefold() for n in p.path[:-1]) for p in self.places(lower))

    def fits(self, target: LabelTarget, place: Place) -> int:
        """Return how well a place agrees with the lineage of a target.

        Names in common below the kingdom, the kingdom itself counting one; -1 if they contradict.
        """
        above = [name for name in target.lineage.values() if name != target.name]
        common = len(shared_names(above, place) - {place.name.casefold()})
        mine, theirs = kingdom_of(target.lineage.values()), kingdom_of(place.path)
        if mine and theirs and mine != theirs and not common:
            return -1
        return common + (1 if mine and mine == theirs else 0)


def _places(taxonomy: Taxonomy, number: int, name: str) -> list[Place]:
    """Return where one checklist has a name; what is no taxon there is left out."""
    found: list[Place] = []
    for node in taxonomy.find(name).tolist():
        accepted = int(taxonomy.accepted[node])
        if STATUSES[taxonomy.status[accepted]] == "morphological":
            continue
        path = tuple(taxonomy.name_of(n) for n in taxonomy.path(node))
        if any(p.path == path for p in found):
            continue
        title = taxonomy.lock.checklist
        found.append(Place(
            title, number, node, taxonomy.name_of(accepted), taxonomy.rank_of(accepted), path,
        ))  # fmt: skip
    return found
