"""The classes of each rank and how they hang together: what a classifier's outputs stand for.

A class is a name at a rank. The taxon above it is the one that most of its records have; records
that have another are counted as conflicts and keep the labels they came with. A rank that is not
told (a genus without a subfamily) is stepped over, so that the genus still hangs under its family.

A label that is not known, or whose taxon is not among the classes, is -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["UNKNOWN", "Codes", "RankLabels"]

UNKNOWN = -1

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class RankLabels:
    """The classes of each rank, from the highest to the lowest.

    All classes together are nodes: those of the first rank, those of the second, and so on.

    Attributes:
        ranks: Their names, as "family".
        names: Of the classes of each rank, sorted.
        parents: Of each class of each rank the node above it; -1 where there is none.
        counts: How many records each class was seen on.
        conflicts: Records whose taxon above a class is another than the class's.
    """

    ranks: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    parents: tuple[tuple[int, ...], ...]
    counts: tuple[tuple[int, ...], ...]
    conflicts: int = 0

    def __post_init__(self) -> None:
        sizes = [len(names) for names in self.names]
        for what, found in (("parents", self.parents), ("counts", self.counts)):
            if [len(each) for each in found] != sizes:
                raise InputError(
                    f"{what} of {[len(each) for each in found]} classes at the ranks; "
                    f"{sizes} expected, as there are names"
                )
        if len(self.ranks) != len(sizes) or not all(sizes):
            empty = [r for r, names in zip(self.ranks, self.names, strict=False) if not names]
            raise InputError(f"no class at {', '.join(empty) or 'some rank'}; leave such ranks out")
        for start, above in zip(self.starts, self.parents, strict=False):
            if any(not UNKNOWN <= node < start for node in above):
                raise InputError("a class hangs under one of its own rank or of a lower one")

    @classmethod
    def of_lineages(
        cls, ranks: Sequence[str], lineages: Iterable[Sequence[str | None]], least: int = 1
    ) -> RankLabels:
        """Learn the classes from records.

        Args:
            ranks: From the highest to the lowest.
            lineages: Of each record a name for each rank; None or "" where it is not known.
            least: Names on fewer records are no classes.
        """
        rows = [tuple(name or "" for name in lineage) for lineage in lineages]
        uneven = [row for row in rows if len(row) != len(ranks)]
        if uneven:
            raise InputError(f"a lineage of {len(uneven[0])} names; {len(ranks)} expected")
        names = [sorted({row[rank] for row in rows} - {""}) for rank in range(len(ranks))]
        return cls.of_codes(ranks, names, _coded(names, rows), least)

    @classmethod
    def of_codes(
        cls, ranks: Sequence[str], names: Sequence[Sequence[str]], codes: Codes, least: int = 1
    ) -> RankLabels:
        """Learn the classes from records whose names are numbers already.

        Args:
            ranks: From the highest to the lowest.
            names: Of each rank, what its numbers stand for.
            codes: int64[n, ranks]; -1 where a name is not known.
            least: Names on fewer records are no classes.
        """
        codes = np.asarray(codes, np.int64).reshape(-1, len(ranks))
        _check_codes(ranks, names, codes)
        seen = [
            np.bincount(codes[codes[:, r] >= 0, r], minlength=len(names[r]))
            for r in range(len(ranks))
        ]
        kept = []
        for known, count in zip(names, seen, strict=True):
            enough = np.flatnonzero(count >= max(least, 1)).tolist()
            kept.append(sorted(enough, key=known.__getitem__))
        new = np.full(codes.shape, UNKNOWN, np.int64)
        for r, old in enumerate(kept):
            place = np.full(len(names[r]) + 1, UNKNOWN, np.int64)  # the last is for -1
            place[old] = np.arange(len(old))
            new[:, r] = place[codes[:, r]]
        parents, conflicts = _parents(new, [len(old) for old in kept])
        return cls(
            tuple(ranks),
            tuple(tuple(names[r][c] for c in old) for r, old in enumerate(kept)),
            parents,
            tuple(tuple(int(seen[r][c]) for c in old) for r, old in enumerate(kept)),
            conflicts,
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many classes each rank has."""
        return tuple(len(names) for names in self.names)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first node of each rank, and at the end how many nodes there are."""
        return (0, *(int(n) for n in np.cumsum(self.sizes)))

    @cached_property
    def above(self) -> Codes:
        """int64[nodes]; the node above each, -1 where there is none."""
        return np.array([node for each in self.parents for node in each], np.int64)

    @cached_property
    def ancestors(self) -> Codes:
        """int64[nodes, ranks]; the class of each node at each rank, itself at its own.

        It is -1 at the ranks below a node, and where none is known.
        """
        found = np.full((self.starts[-1], len(self.ranks)), UNKNOWN, np.int64)
        for rank, (start, stop) in enumerate(zip(self.starts, self.starts[1:], strict=False)):
            nodes = np.arange(start, stop)
            hung = self.above[nodes] >= 0
            found[nodes[hung]] = found[self.above[nodes[hung]]]
            found[nodes, rank] = nodes - start
        return found

    def codes(self, lineages: Iterable[Sequence[str | None]]) -> Codes:
        """Return int64[n, ranks] for lineages of names."""
        rows = [tuple(name or "" for name in lineage) for lineage in lineages]
        return _coded(self.names, rows)

    def recode(self, names: Sequence[Sequence[str]], codes: Codes) -> Codes:
        """Return the classes of records whose numbers stand for other names than ours.

        Args:
            names: Of each rank, what its numbers stand for.
            codes: int64[n, ranks]; -1 where a name is not known.
        """
        codes = np.asarray(codes, np.int64)
        _check_codes(self.ranks, names, codes)
        found = np.empty_like(codes)
        for rank, known in enumerate(names):
            table = np.append(self.table(rank, known), UNKNOWN)  # the last is for -1
            found[:, rank] = table[codes[:, rank]]
        return found

    def table(self, rank: int, names: Sequence[str]) -> Codes:
        """Return our class of each of some names at a rank; -1 for one that is none."""
        place = {name: number for number, name in enumerate(self.names[rank])}
        return np.array([place.get(name, UNKNOWN) for name in names], np.int64)

    def lineages(self, codes: Codes) -> list[tuple[str, ...]]:
        """Return the names of labels; "" where one is not known."""
        return [
            tuple(
                names[code] if code >= 0 else ""
                for names, code in zip(self.names, row, strict=True)
            )
            for row in np.asarray(codes).tolist()
        ]

    def card(self) -> dict[str, Any]:
        """Return what JSON can hold, to be stored beside the weights."""
        return {
            "ranks": list(self.ranks),
            "names": [list(names) for names in self.names],
            "parents": [list(nodes) for nodes in self.parents],
            "counts": [list(counts) for counts in self.counts],
            "conflicts": self.conflicts,
        }

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> RankLabels:
        """Return what `card` wrote down."""
        missing = [k for k in ("ranks", "names", "parents", "counts") if k not in card]
        if missing:
            raise InputError(f"the labels of a model lack {', '.join(missing)}")
        names, parents, counts = (
            tuple(tuple(each) for each in card[key]) for key in ("names", "parents", "counts")
        )
        ranks = tuple(card["ranks"])
        return cls(ranks, names, parents, counts, int(card.get("conflicts", 0)))


def _coded(names: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> Codes:
    places = [{name: number for number, name in enumerate(each)} for each in names]
    found = np.full((len(rows), len(names)), UNKNOWN, np.int64)
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise InputError(f"lineage {number} has {len(row)} names; {len(names)} expected")
        found[number] = [place.get(name, UNKNOWN) for place, name in zip(places, row, strict=True)]
    return found


def _check_codes(ranks: Sequence[str], names: Sequence[Sequence[str]], codes: Codes) -> None:
    if len(names) != len(ranks) or codes.ndim != 2 or codes.shape[1] != len(ranks):
        raise InputError(
            f"labels {list(codes.shape)} for {len(names)} lists of names; "
            f"one column and one list expected for each of {', '.join(ranks)}"
        )
    for rank, column, known in zip(ranks, codes.T, names, strict=True):
        if len(column) and not UNKNOWN <= column.min() <= column.max() < len(known):
            raise InputError(
                f"labels {column.min()} to {column.max()} at {rank}, which has {len(known)} names"
            )


def _parents(codes: Codes, sizes: Sequence[int]) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Return of each class the node above it that most records have, and how many have another."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    found, conflicts = [], 0
    for rank, size in enumerate(sizes):
        parents = np.full(size, UNKNOWN, np.int64)
        for upper in reversed(range(rank)):  # the nearest rank at which any record is known
            told = (codes[:, rank] >= 0) & (codes[:, upper] >= 0)
            told &= np.append(parents, UNKNOWN)[codes[:, rank]] == UNKNOWN
            pairs, count = np.unique(codes[told][:, [rank, upper]], axis=0, return_counts=True)
            # The most frequent stands last, and of those the one with the lowest number.
            order = np.lexsort((-pairs[:, 1], count, pairs[:, 0]))
            child, parent = pairs[order].T
            last = np.append(child[1:] != child[:-1], True)[: len(child)]
            parents[child[last]] = starts[upper] + parent[last]
            conflicts += int(count.sum() - count[order][last].sum())
        found.append(tuple(int(node) for node in parents))
    return tuple(found), conflicts
