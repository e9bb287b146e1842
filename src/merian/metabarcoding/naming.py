"""What the answers say of each feature, in terms that several libraries share.

A library numbers its rungs by itself. Here a taxon is its rank and the names above it and its own,
so that a species is one whichever library knows it, and has an id that is a hash of these words:
the same in another run or another lab that uses the same lineage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.identifier import Identifier
from merian.identify.ladder import Ladder
from merian.taxonomy import MAIN_RANKS

__all__ = ["GENUS", "NOTHING", "SPECIES", "Named", "Outcomes", "Taxa", "named"]

NOTHING = 0  # the taxon that says nothing: the root
SPECIES, GENUS = MAIN_RANKS.index("species"), MAIN_RANKS.index("genus")

Lineage = tuple[str, ...]


class Taxa:
    """All taxa that are spoken of, and their numbers; the root is number 0.

    Attributes:
        lineages: By number, the names from the kingdom down to its rank; "" where there is none.
    """

    def __init__(self) -> None:
        self._numbers: dict[Lineage, int] = {(): NOTHING}
        self.lineages: list[Lineage] = [()]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.lineages)

    def number(self, lineage: Lineage) -> int:
        """Return the number of a taxon."""
        if lineage not in self._numbers:
            self._numbers[lineage] = len(self.lineages)
            self.lineages.append(lineage)
        return self._numbers[lineage]

    def rank(self, taxon: int) -> str:
        """Return its rank, or ""."""
        depth = len(self.lineages[taxon])
        return MAIN_RANKS[depth - 1] if depth else ""

    def name(self, taxon: int) -> str:
        """Return its name, or ""."""
        lineage = self.lineages[taxon]
        return lineage[-1] if lineage else ""

    def above(self, taxon: int) -> list[int]:
        """Return it and all named taxa above it, itself last."""
        lineage = self.lineages[taxon]
        return [self.number(lineage[: d + 1]) for d, name in enumerate(lineage) if name]

    def id(self, taxon: int) -> str:
        """Return its stable id."""
        lineage = self.lineages[taxon]
        text = "|".join((self.rank(taxon), *(name for name in lineage if name)))
        return f"t{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


@dataclass(frozen=True)
class Outcomes:
    """What each of several things may be.

    Attributes:
        first: int64[things + 1]; where the outcomes of each begin.
        probability: float64; of each outcome.
        taxon: int32; the named taxon that it is, or is under.
        group: int32; the unnamed group of a library that it is, else -1.
        new: bool; whether it is something that the library lacks.
    """

    first: NDArray[np.int64]
    probability: NDArray[np.float64]
    taxon: NDArray[np.int32]
    group: NDArray[np.int32]
    new: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return of how many things."""
        return len(self.first) - 1

    @property
    def owner(self) -> NDArray[np.int64]:
        """The thing that each outcome is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def key(self) -> NDArray[np.int64]:
        """One number for each different outcome; those that are new come behind all others."""
        groups, taxa = int(self.group.max(initial=-1)) + 2, int(self.taxon.max(initial=0)) + 1
        return (self.new * taxa + self.taxon).astype(np.int64) * groups + self.group + 1


@dataclass(frozen=True)
class Named:
    """What features are, feature by feature.

    Attributes:
        taxa: The taxa.
        stands: int32[features]; the taxon that each stands at; -1 where it was set aside.
        reverse: bool[features]; whether it has the other strand than its nearest reference.
        library: By feature, the library that answered, or "".
        told: By feature, what its answer says in words.
        outcomes: Of each feature.
    """

    taxa: Taxa
    stands: NDArray[np.int32]
    reverse: NDArray[np.bool_]
    library: Sequence[str]
    told: Sequence[Mapping[str, Any]]
    outcomes: Outcomes


class _Rungs:
    """The rungs of one library as taxa."""

    def __init__(self, one: Identifier, taxa: Taxa, groups: dict[tuple[int, str], int]) -> None:
        self._library, self._ladder = one.library, one.ladder
        self._taxa, self._groups = taxa, groups
        self._known: dict[int, tuple[int, int, bool]] = {}

    def lineage(self, node: int) -> Lineage:
        """Return the names of the main ranks down to a taxon."""
        taxonomy = self._library.taxonomy
        found = [int(taxonomy.at_rank(node, rank)) for rank in MAIN_RANKS] if node >= 0 else []
        names = [taxonomy.name_of(n) if n >= 0 else "" for n in found]
        while names and not names[-1]:
            names.pop()
        return tuple(names)

    def outcome(self, rung: int) -> tuple[int, int, bool]:
        """Return the named taxon of an outcome, its unnamed group, and whether it is new."""
        if rung not in self._known:
            self._known[rung] = self._found(rung)
        return self._known[rung]

    def _found(self, rung: int) -> tuple[int, int, bool]:
        ladder: Ladder = self._ladder
        lowest = rung >= 0 and int(ladder.rank[rung]) == len(ladder.ranks) - 1
        group = int(ladder.group[rung]) if rung >= 0 else -1
        named = rung
        while named >= 0 and ladder.node[named] < 0:
            named = int(ladder.parent[named])
        node = int(ladder.node[named]) if named >= 0 else -1
        taxon = self._taxa.number(self.lineage(node))
        if group >= 0:
            key = (taxon, self._library.group_name[group])
            group = self._groups.setdefault(key, len(self._groups))
        return taxon, group, not lowest


def named(
    parts: Iterable[Path], numbers: Mapping[str, int], identifiers: Mapping[str, Identifier]
) -> Named:
    """Read answers in full.

    Args:
        parts: The files of answers, as `merian.identify.chunks` keeps them.
        numbers: Of the features, by id.
        identifiers: What answered, by the name of its library.
    """
    taxa, groups = Taxa(), dict[tuple[int, str], int]()
    rungs = {name: _Rungs(one, taxa, groups) for name, one in identifiers.items()}
    count = len(numbers)
    stands, reverse = np.full(count, -1, np.int32), np.zeros(count, bool)
    library, told = [""] * count, [dict[str, Any]() for _ in range(count)]
    outcomes: list[Sequence[tuple[int, int, bool, float]]] = [()] * count
    only = next(iter(rungs))
    for part in parts:
        with part.open(encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                number = numbers[row["id"]]
                mine = rungs[row.get("library") or only]
                library[number] = row.get("library") or only
                stands[number] = taxa.number(mine.lineage(row["node"]))
                reverse[number] = row["reverse"]
                told[number] = {key: row[key] for key in _KEPT}
                outcomes[number] = [(*mine.outcome(r), p) for r, p in row["outcomes"]]
    flat = [one for found in outcomes for one in found]
    whole = Outcomes(
        np.cumsum([0, *map(len, outcomes)]).astype(np.int64),
        np.array([one[3] for one in flat], np.float64),
        np.array([one[0] for one in flat], np.int32),
        np.array([one[1] for one in flat], np.int32),
        np.array([one[2] for one in flat], bool),
    )
    return Named(taxa, stands, reverse, library, told, whole)


_KEPT = ("p", "identity", "nearest", "verdict", "flags", "explanation", "group")
