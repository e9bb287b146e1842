"""The trees of several libraries as one: what each says can be compared by names.

A taxon is the same in two libraries if its rank and name are, and not all that stands above it in
both differs: then it is a homonym. Where libraries place a taxon differently, the closer parent
counts, and of equally close ones that of the library given first. Unnamed groups are the same if
their names are and they stand under the same taxon: a BIN, a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from merian.identify.ladder import ROOT, Ladder
from merian.library import Library
from merian.taxonomy import MAIN_RANKS

__all__ = ["Joint", "join"]

Ints = NDArray[np.int32]
_GROUP = "group"  # beside the ranks


@dataclass(frozen=True, eq=False)
class Joint:
    """One tree of several.

    Attributes:
        ladder: Its rungs; it has no entries.
        names: By the ``node`` of a rung, its name.
        groups: By the ``group`` of a rung, its name.
        to: By library, int32[rungs + 1]; of each rung of its own the one here; of a stand-in the
            one of what it stands under; ROOT for the root, which is last.
        base: By library, int32[rungs here + 1]; the lowest rung at or above each that it has, as a
            rung here; ROOT for the root, which is last.
    """

    ladder: Ladder
    names: Sequence[str]
    groups: Sequence[str]
    to: Sequence[Ints]
    base: Sequence[Ints]


@dataclass
class _Taxon:
    """A named taxon or an unnamed group, of one library or of several."""

    rank: int  # in `MAIN_RANKS`
    name: str
    group: bool
    above: frozenset[tuple[int, str]]
    parent: int = ROOT
    rung: int = ROOT
    own: set[int] = field(default_factory=set)  # the libraries that have it


class _Taxa:
    """All taxa as they are met."""

    def __init__(self) -> None:
        self.all: list[_Taxon] = []
        self._met: dict[tuple[int, str, bool], list[int]] = {}

    def number(self, library: int, taxon: _Taxon) -> int:
        """Return the number of a taxon, a new one if it was not met."""
        key = (taxon.rank, taxon.name.casefold(), taxon.group)
        for number in self._met.setdefault(key, []):
            known = self.all[number]
            homonym = known.above and taxon.above and not known.above & taxon.above
            if library in known.own or homonym or (known.group and known.parent != taxon.parent):
                continue
            known.own.add(library)
            if taxon.parent != ROOT and (
                known.parent == ROOT or self.all[taxon.parent].rank > self.all[known.parent].rank
            ):
                known.parent = taxon.parent
            return number
        taxon.own.add(library)
        self.all.append(taxon)
        self._met[key].append(len(self.all) - 1)
        return len(self.all) - 1


def join(libraries: Sequence[Library], ladders: Sequence[Ladder]) -> Joint:
    """Make one tree of those of several libraries.

    Args:
        libraries: The one given first decides where they differ.
        ladders: Of each.
    """
    taxa = _Taxa()
    numbers = [
        _take(taxa, number, library, ladder)
        for number, (library, ladder) in enumerate(zip(libraries, ladders, strict=True))
    ]
    ranks = [rank for rank in MAIN_RANKS if any(rank in ladder.ranks for ladder in ladders)]
    ladder, names, groups = _ladder(taxa.all, tuple(ranks))
    rung = np.array([taxon.rung for taxon in taxa.all] + [ROOT], np.int32)
    to = [rung[own] for own in numbers]
    base = []
    for number in range(len(libraries)):
        found = np.full(len(ladder) + 1, ROOT, np.int32)
        for taxon in taxa.all:
            if number in taxon.own:
                found[taxon.rung] = taxon.rung
        for here in range(len(ladder)):  # a parent has a lower number than its children
            if found[here] == ROOT:
                found[here] = found[ladder.parent[here]]
        base.append(found)
    return Joint(ladder, names, groups, to, base)


def _take(taxa: _Taxa, number: int, library: Library, ladder: Ladder) -> NDArray[np.int64]:
    """Return the number of the taxon of each rung; of a stand-in that of what it stands under."""
    found = np.full(len(ladder) + 1, ROOT, np.int64)
    above: list[frozenset[tuple[int, str]]] = []
    for rung in range(len(ladder)):  # a parent has a lower number than its children
        parent = int(ladder.parent[rung])
        over = above[parent] if parent >= 0 else frozenset()
        under = int(found[parent])
        node, group = int(ladder.node[rung]), int(ladder.group[rung])
        if node < 0 and group < 0:
            found[rung] = under
            above.append(over)
            continue
        name = library.taxonomy.name_of(node) if node >= 0 else library.group_name[group]
        rank = MAIN_RANKS.index(ladder.ranks[int(ladder.rank[rung])])
        found[rung] = taxa.number(number, _Taxon(rank, name, node < 0, over, under))
        above.append(over | {(rank, name.casefold())})
    return found


def _ladder(taxa: Sequence[_Taxon], ranks: tuple[str, ...]) -> tuple[Ladder, list[str], list[str]]:
    """Return the ladder of all taxa, and the names of its nodes and groups; rungs are told."""
    places = {MAIN_RANKS.index(rank): place for place, rank in enumerate(ranks)}
    rank: list[int] = []
    parent: list[int] = []
    node: list[int] = []
    group: list[int] = []
    names: list[str] = []
    groups: list[str] = []

    def add(place: int, above: int, name: str | None, grouped: bool = False) -> int:
        rank.append(place)
        parent.append(above)
        node.append(-1 if name is None or grouped else len(names))
        group.append(len(groups) if grouped else -1)
        if name is not None:
            (groups if grouped else names).append(name)
        return len(rank) - 1

    # A parent has a higher rank, so it is there before its children.
    for taxon in sorted(taxa, key=lambda one: one.rank):
        place = places[taxon.rank]
        above = taxa[taxon.parent].rung if taxon.parent != ROOT else ROOT
        for between in range(rank[above] + 1 if above != ROOT else 0, place):
            above = add(between, above, None)
        taxon.rung = add(place, above, taxon.name, taxon.group)
    parents = np.array(parent, np.int32)
    children = np.bincount(np.where(parents < 0, len(rank), parents), minlength=len(rank) + 1)
    ladder = Ladder(
        ranks,
        np.empty((0, len(ranks)), np.int32),
        np.array(rank, np.int8),
        parents,
        np.array(node, np.int32),
        np.array(group, np.int32),
        children.astype(np.int32),
    )
    return ladder, names, groups
