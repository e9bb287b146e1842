"""The records of a library as columns: of each its entry, its species and its cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from merian.audit.contain import Sequences
from merian.library import Library, Reference
from merian.library.naming import lineage_of
from merian.taxonomy import NONE

__all__ = ["PLACE", "Records", "place_of"]

PLACE = ("record", "file", "line", "accession", "bin", "label")
"""The columns that say of a record where it stands and what it says."""


def place_of(reference: Reference) -> tuple[object, ...]:
    """Return what stands in these columns."""
    return (
        reference.id, reference.file, reference.line, reference.accession, reference.concept,
        reference.label,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Records:
    """A library, record by record.

    Attributes:
        library: The library.
    """

    library: Library

    @cached_property
    def entry(self) -> npt.NDArray[np.int32]:
        """int32[records]; of each record."""
        return np.concatenate([segment.record_entry for segment in self.library.segments])

    @cached_property
    def concept(self) -> npt.NDArray[np.int32]:
        """int32[records]; the BIN or species hypothesis of each in ``concepts``, -1 for none."""
        return self._concepts[0]

    @cached_property
    def concepts(self) -> list[str]:
        """The BINs and species hypotheses."""
        return self._concepts[1]

    @cached_property
    def _concepts(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        known: dict[str, int] = {}
        parts = []
        for segment in self.library.segments:
            own = [known.setdefault(name, len(known)) if name else -1 for name in segment.concepts]
            parts.append(np.array(own, np.int32)[segment.concept])
        return np.concatenate(parts), list(known)

    @cached_property
    def markers(self) -> list[str]:
        """The gene of each entry, as its first record has it, or ""."""
        _, first = np.unique(self.entry, return_index=True)
        names: list[str] = []
        for segment in self.library.segments:
            known = [*segment.markers]
            names += [known[number] for number in segment.marker.tolist()]
        return [names[record] for record in first.tolist()]

    def at_rank(self, rank: str) -> npt.NDArray[np.int32]:
        """Return the taxon of each entry at a rank, -1 where it has none."""
        if rank not in self._at_rank:
            nodes = np.asarray(self.library.node)
            self._at_rank[rank] = self.library.taxonomy.at_rank(nodes, rank)
        return self._at_rank[rank]

    @cached_property
    def _at_rank(self) -> dict[str, npt.NDArray[np.int32]]:
        return {}

    @property
    def species(self) -> npt.NDArray[np.int32]:
        """int32[entries]; the species of each, -1 where it is named to none."""
        return self.at_rank("species")

    @cached_property
    def sequences(self) -> Sequences:
        """The sequences of all entries."""
        segments = self.library.segments
        text = np.concatenate([segment.text for segment in segments])
        sizes = self.library.lengths()
        return Sequences(text, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    @cached_property
    def digest(self) -> npt.NDArray[np.int64]:
        """int64[entries]; the same number for the same sequence."""
        pairs = np.concatenate([segment.digest for segment in self.library.segments])
        _, number = np.unique(pairs.view("u8,u8").ravel(), return_inverse=True)
        return np.asarray(number, np.int64)

    def name(self, node: int) -> str:
        """Return the name of a taxon, or "" for none."""
        return self.library.taxonomy.name_of(node) if node != NONE else ""

    def of_entry(self, entry: int) -> list[Reference]:
        """Return the records of an entry."""
        return self.library.records_of(entry)

    def namings(self) -> tuple[list[int], list[list[str]]]:
        """Return the naming of each record, and their lineages from high to low."""
        known: dict[str, int] = {}
        numbers: list[int] = []
        for segment in self.library.segments:
            own = np.array([known.setdefault(text, len(known)) for text in segment.namings])
            numbers += own[segment.naming].tolist()
        return numbers, [lineage_of(text) for text in known]
