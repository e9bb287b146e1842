"""What is known of clusters for as long as they live: names, members, aliases and history.

A code is given once and stays. A cluster that was joined with another keeps its own code as an
alias, and points to the one that it goes by now; the history says when, by whom and why. Nothing is
ever taken out of the history: what is undone is undone by a further entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from merian.discover.names import name_of
from merian.errors import InputError, NotFoundError, did_you_mean

__all__ = ["Cluster", "Entry", "Registry", "numbered", "resolved"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, or an alias of one.

    Attributes:
        code: What it is called for good.
        founded: The number of the entry of the history that it came with.
        name: The name that it goes by: what a person has promoted it to, else the provisional one.
        provisional: Its provisional name.
        parent: The taxon that it stands under, or "".
        parent_rank: Its rank, or "".
        lineage: Rank and name of that and of what is above.
        probability: That a member belongs to the parent; None where nothing is said.
        standing: The share of members that stand by it.
        specimens: How many members it had when it was last found.
        support: How stable it is under resampling, 0 to 1; None where that is not known.
        medoid: The member in its middle.
        nearest: The named species that is nearest, or "".
        nearest_reference: The id of the reference of it.
        distance: How far that is: share of bases that differ, or 1 - cosine.
        measure: What the distance is of: barcode or picture, or "".
        into: The code that it goes by now, or "" where that is its own.
        by_hand: Whether a person has put it there.
        promoted: The name that a person has given it, or "".
    """

    code: str
    founded: int
    provisional: str
    parent: str = ""
    parent_rank: str = ""
    lineage: tuple[tuple[str, str], ...] = ()
    probability: float | None = None
    standing: float | None = None
    specimens: int = 0
    support: float | None = None
    medoid: str = ""
    nearest: str = ""
    nearest_reference: str = ""
    distance: float | None = None
    measure: str = ""
    into: str = ""
    by_hand: bool = False
    promoted: str = ""

    @property
    def name(self) -> str:
        """The name that it goes by."""
        return self.promoted or self.provisional


@dataclass(frozen=True, slots=True)
class Entry:
    """What has happened to a cluster.

    Attributes:
        number: From 1, in the order in which it happened.
        action: founded, split, joined, renamed; by people merged, promoted, undone.
        code: The cluster.
        others: The other clusters that it is about.
        name: What it was called from then on.
        before: What it was called until then.
        agent: human or machine.
        by: Who; of a machine the run.
        at: When, of what people do; a machine writes no clock.
        why: The reason that was given.
        undoes: The number of the entry that this one undoes; 0 for none.
    """

    number: int
    action: str
    code: str
    others: tuple[str, ...] = ()
    name: str = ""
    before: str = ""
    agent: str = "machine"
    by: str = ""
    at: str = ""
    why: str = ""
    undoes: int = 0


@dataclass(frozen=True)
class Registry:
    """All clusters that there ever were.

    Attributes:
        clusters: By code, aliases among them, the oldest first.
        code: By record, the code that it was put under; see `Registry.current`.
        history: All entries in order.
    """

    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Entry, ...] = ()

    def current(self, code: str) -> str:
        """Return the code that a cluster goes by now."""
        return resolved(code, self.clusters)

    def find(self, asked: str) -> Cluster:
        """Return a cluster that a person asks for, by a code or by a name."""
        wanted = " ".join(asked.split())
        found = self.clusters.get(wanted) or self.clusters.get(f"MRN-{wanted}")
        if found is None:
            every = [self.whole(one) for one in self.clusters]
            named = [one for one in every if wanted in (one.name, one.provisional)]
            found = named[0] if len(named) == 1 else None
        if found is None:
            known = [text for one in self.clusters.values() for text in (one.code, one.name)]
            raise NotFoundError(
                f"{asked}: there is no such cluster.{did_you_mean(wanted, known)} "
                "`merian discover list` shows them all"
            )
        return found

    def standing(self) -> list[Cluster]:
        """Return the clusters that are no aliases, the largest first."""
        own = [self.whole(code) for code, one in self.clusters.items() if not one.into]
        return sorted(own, key=lambda one: (-one.specimens, one.founded, one.code))

    def whole(self, code: str) -> Cluster:
        """Return a cluster with what people have merged into it.

        Each part keeps what was found about it, so that a merger can be undone. Together they stand
        under the lowest taxon that all stand under; it is as probable as they are in the mean, or
        more, as none of them makes a taxon less probable than one below it.
        """
        own = self.clusters[code]
        parts = [own, *(self.clusters[c] for c in self.aliases(code) if self.clusters[c].by_hand)]
        parts = [part for part in parts if part.specimens] or parts[:1]
        if parts == [own]:
            return own
        many = sum(part.specimens for part in parts)
        largest = max(parts, key=lambda part: part.specimens)
        near = min(parts, key=lambda part: math.inf if part.distance is None else part.distance)
        lineage = _shared_lineage([part.lineage for part in parts])
        rank, parent = lineage[-1] if lineage else ("", "")
        return replace(
            own,
            provisional=name_of(parent, rank, code),
            parent=parent,
            parent_rank=rank,
            lineage=lineage,
            probability=_mean([(part.probability, part.specimens) for part in parts]),
            standing=_mean([(part.standing, part.specimens) for part in parts]),
            specimens=many,
            support=None,
            medoid=largest.medoid,
            nearest=near.nearest,
            nearest_reference=near.nearest_reference,
            distance=near.distance,
            measure=near.measure,
        )

    def aliases(self, code: str) -> Sequence[str]:
        """Return the codes that go by another one now."""
        return self._aliases.get(code, ())

    @cached_property
    def _aliases(self) -> Mapping[str, Sequence[str]]:
        """The codes that go by each other one now; made once, as all clusters are asked for."""
        found: dict[str, list[str]] = {}
        for code, one in self.clusters.items():
            if one.into:
                found.setdefault(self.current(code), []).append(code)
        return found

    def members(self) -> dict[str, list[str]]:
        """Return the records of each cluster that is no alias, in ascending order."""
        found: dict[str, list[str]] = {}
        for record, code in sorted(self.code.items()):
            found.setdefault(self.current(code), []).append(record)
        return found


def resolved(code: str, clusters: Mapping[str, Cluster]) -> str:
    """Follow aliases to the cluster that a code goes by now."""
    seen = {code}
    while into := clusters[code].into:
        if into in seen:
            raise InputError(f"{code}: its aliases run in a circle; {sorted(seen)}")
        seen.add(into)
        code = into
    return code


def numbered(history: Iterable[Entry]) -> int:
    """Return the number of the next entry."""
    return max((entry.number for entry in history), default=0) + 1


def _shared_lineage(
    lineages: Sequence[tuple[tuple[str, str], ...]],
) -> tuple[tuple[str, str], ...]:
    """Return what several lineages have in common, from the top down."""
    found: list[tuple[str, str]] = []
    for steps in zip(*lineages, strict=False):
        if len(set(steps)) > 1:
            break
        found.append(steps[0])
    return tuple(found)


def _mean(weighted: Sequence[tuple[float | None, int]]) -> float | None:
    """Return the mean of numbers by the specimens that they are of; None where none is known."""
    known = [(value, weight) for value, weight in weighted if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None
