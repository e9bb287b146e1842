"""The evidence of barcodes by a library of them: see `barcode` for what describes an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify.barcode import describe
from merian.identify.by_length import lines_of, promises_of
from merian.identify.determination import Match
from merian.identify.evidence import Asked
from merian.identify.fitting import score
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learning import Learnt, open_learnt
from merian.identify.promise import Choice, Promise
from merian.identify.simulations import Simulations
from merian.library import Library
from merian.library.neighbours import Finder, Neighbours, find, finder_of, joined

__all__ = ["BarcodeEvidence"]


@dataclass(frozen=True)
class _Near:
    """The neighbours of queries, and where those of each begin."""

    neighbours: Neighbours
    first: NDArray[np.int64]

    def rows(self, number: int) -> NDArray[np.int64]:
        """Return the rows of one query."""
        return np.arange(self.first[number], self.first[number + 1])


class BarcodeEvidence:
    """What a library of barcodes says (see `evidence.Evidence`)."""

    kind = "barcode"

    def __init__(self, library: Library) -> None:
        self.library = library.of_kind("barcode")
        self.ladder: Ladder = ladder_of(library)
        self._finder: Finder = finder_of(library)
        self._learnt: Learnt = open_learnt(library, self.ladder)
        self.simulated: Simulations = self._learnt.simulated
        self.usual_length: float = self._learnt.clades.usual_length

    def ask(self, queries: Sequence[str]) -> Asked:
        """Find what is near to clean sequences, and score what each may be."""
        kin = self._finder.kin_of(queries)
        found = [
            find(self._finder, query, number=n, kin=near)[0]
            for n, (query, near) in enumerate(zip(queries, kin, strict=True))
        ]
        neighbours = joined(found)
        described = describe(neighbours, len(queries), self._learnt.clades)
        scores = score(described, self._learnt.weights)
        first = np.cumsum([0, *(len(near) for near in found)])
        near = _Near(neighbours, first)
        return Asked(described.offset, described.rung, described.length, scores, near)

    def matches(self, asked: Asked, number: int, count: int | None) -> list[Match]:
        """Return the references near to a query, the nearest first."""
        near: Neighbours = asked.near.neighbours
        rows = asked.near.rows(number)
        distance = near.mismatches[rows] / np.maximum(near.overlap[rows], 1)
        order = np.lexsort((near.entry[rows], -near.overlap[rows], distance))
        return [self._match(near, int(row)) for row in rows[order][:count]]

    def _match(self, near: Neighbours, row: int) -> Match:
        entry = int(near.entry[row])
        mismatches, overlap = int(near.mismatches[row]), int(near.overlap[row])
        record = int(self.library.record[self.library.first_record[entry]])
        return Match(
            entry,
            self.library.reference(record).id,
            self.library.name_of(entry),
            1 - mismatches / overlap,
            overlap,
            mismatches,
            bool(near.reverse[row]),
            None if near.kin is None else float(near.kin[row]),
        )

    def nearest_species(self, asked: Asked, number: int) -> Sequence[tuple[str, str, int]]:
        """Return the species that are nearest, all equally: name, genus, and how many records."""
        near: Neighbours = asked.near.neighbours
        rows = asked.near.rows(number)
        if not len(rows):
            return []
        distance = near.mismatches[rows] / near.overlap[rows]
        entries = near.entry[rows[distance == distance.min()]]
        records = self._learnt.clades.records
        found = {}
        for path in self.ladder.path[entries].tolist():
            if self.ladder.group[path[-1]] < 0:
                genus = self._name(path[-2]) if len(path) > 1 else ""
                found[self._name(path[-1])] = (genus, int(records[path[-1]]))
        return [(name, *said) for name, said in sorted(found.items())]

    def _name(self, rung: int) -> str:
        node = int(self.ladder.node[rung])
        return self.library.taxonomy.name_of(node) if node >= 0 else ""

    def promises(self, choice: Choice) -> tuple[Promise, ...]:
        """Return what is promised for whole barcodes, pieces and short pieces."""
        return promises_of(self.simulated, self.ladder, choice)

    def lines(self, promises: Sequence[Promise]) -> list[str]:
        """Say in plain words what is promised, for whole barcodes and for pieces."""
        lines = lines_of(promises)
        if encoder := self.library.encoder:
            lines.append(
                f"vectors of {encoder['name']} ({encoder['id']}) are a part of the evidence"
            )
        return lines
