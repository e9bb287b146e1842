"""An edition: what is worked out anew from all segments each time that a library grows.

    taxonomy/            the tree of all names
    entries.safetensors  one row an entry: its node, its unnamed group, how many records it stands
                         for and which; and the names of the groups

An addition may bring a family for a genus that had none, or outvote what the labels said so far.
So the tree is made from the labels of all records, and nodes get their numbers anew; the sequences
are not touched. A library that was added to has the tree of one that was built at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.library.gather import Numbers
from merian.library.naming import LINEAGE, lineage_of, provisional_of
from merian.library.placing import is_species, place
from merian.library.segment import Segment
from merian.taxonomy import NONE, Taxonomy, save_taxonomy
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "ENTRIES",
    "TAXONOMY",
    "Edition",
    "Names",
    "edition_of",
    "leads_of",
    "named_as",
    "open_edition",
    "write_edition",
]

ENTRIES, TAXONOMY = "entries.safetensors", "taxonomy"
_FORMAT = "merian-library-edition 1.0"
_SPECIES = LINEAGE.index("species")  # its place in a lineage
_ARRAYS = ("node", "unnamed", "multiplicity", "group_node", "first_record", "record")


@dataclass(frozen=True, eq=False)
class Edition:
    """What holds for all entries; the arrays may be mapped.

    Attributes:
        taxonomy: The tree of the library.
        node: int32[entries]; what each is named to: a species, or the lowest taxon named above it.
        unnamed: int32[entries]; its unnamed group, -1 where it is named to a species.
        multiplicity: int32[entries]; how many records stand behind it.
        group_node: int32[groups]; the taxon under which each unnamed group stands.
        group_name: What each is called: a BIN, "Aus sp. 3", or the id of its first record.
        first_record: int64[entries + 1]; where the records of each entry begin in ``record``.
        record: int32[records]; the records of all segments in the order of their entries.
    """

    taxonomy: Taxonomy
    node: NDArray[np.int32]
    unnamed: NDArray[np.int32]
    multiplicity: NDArray[np.int32]
    group_node: NDArray[np.int32]
    group_name: Strings
    first_record: NDArray[np.int64]
    record: NDArray[np.int32]


class Names:
    """The nodes of the namings of several segments, and what tells unnamed references apart.

    Attributes:
        placed: The tree, and the node of each distinct naming.
    """

    def __init__(
        self,
        tables: Sequence[tuple[Strings, NDArray[np.int32]]],
        checklist: Taxonomy | None,
    ) -> None:
        """Place all namings.

        Args:
            tables: The namings of each segment, and the naming of each of its records.
            checklist: The tree; without it they imply their own.
        """
        known = Numbers()
        counts = np.zeros(sum(len(namings) for namings, _ in tables), dtype=np.int64)
        self._number = []
        for namings, used in tables:
            own = np.array([known(naming) for naming in namings], dtype=np.int64)
            counts[: len(known)] += np.bincount(own[used], minlength=len(known))
            self._number.append(own)
        self._namings = [*known.strings()]
        self.placed = place(self._namings, counts[: len(known)], checklist)
        self._species = is_species(self.placed.taxonomy, self.placed.node)

    def nodes(self, segment: int) -> NDArray[np.int32]:
        """Return the node of each naming of a segment."""
        found: NDArray[np.int32] = self.placed.node[self._number[segment]]
        return found

    def groups(
        self, segment: int, namings: NDArray[np.int32], concepts: Sequence[str]
    ) -> list[str | None]:
        """Return what each record is grouped by under its node.

        None where it is named to a species, "" where nothing but its sequence tells it apart.

        Args:
            segment: The number of the segment.
            namings: By record.
            concepts: By record, its BIN or species hypothesis.
        """
        number = self._number[segment]
        own = [None if self._species[n] else _called(self._namings[n]) for n in number.tolist()]
        return [
            None if own[naming] is None else concept or own[naming]
            for naming, concept in zip(namings.tolist(), concepts, strict=True)
        ]


def _called(naming: str) -> str:
    """Return what tells an unnamed reference apart, or "": else the species that the tree lacks."""
    return provisional_of(naming) or lineage_of(naming)[_SPECIES]


def leads_of(segments: Sequence[Segment]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return all records in the order of their entries, and where those of each entry begin."""
    entry = np.concatenate([segment.record_entry for segment in segments])
    record = np.argsort(entry, kind="stable").astype(np.int32)
    entries = sum(segment.entries for segment in segments)
    first_record = np.searchsorted(entry[record], np.arange(entries + 1))
    return record, first_record.astype(np.int64)


def named_as(
    segments: Sequence[Segment], names: Names, lead: NDArray[np.int32]
) -> Iterator[tuple[int, str | None, Segment, int]]:
    """Return, entry by entry, its node and what it is grouped by (see `Names.groups`).

    An entry is named as its first record; that the others are named alike is why they joined it.

    Args:
        segments: All segments.
        names: Of at least these segments.
        lead: The first record of each entry.

    Yields:
        The node, the key of the group, and the segment and row of the first record.
    """
    bounds = np.cumsum([0, *(segment.records for segment in segments)])
    entry = 0
    for number, segment in enumerate(segments):
        rows = lead[entry : entry + segment.entries] - bounds[number]
        entry += segment.entries
        nodes = names.nodes(number)[segment.naming[rows]].tolist()
        concepts = [*segment.concepts]
        told = [concepts[c] for c in segment.concept[rows].tolist()]
        keys = names.groups(number, segment.naming[rows], told)
        for node, key, row in zip(nodes, keys, rows.tolist(), strict=True):
            yield node, key, segment, row


def edition_of(segments: Sequence[Segment], names: Names) -> Edition:
    """Work out an edition.

    Args:
        segments: All segments, in order.
        names: Of these segments.
    """
    record, first_record = leads_of(segments)
    entries = len(first_record) - 1
    node = np.full(entries, NONE, dtype=np.int32)
    unnamed = np.full(entries, NONE, dtype=np.int32)
    groups: dict[tuple[int, str], int] = {}
    called: list[str] = []
    found = named_as(segments, names, record[first_record[:-1]])
    for entry, (at, key, segment, row) in enumerate(found):
        node[entry] = at
        if key is None:
            continue
        # Where nothing else tells it apart, a sequence is a group of its own. It is called by the
        # id of its first record, which another file may have as well.
        asked = (at, key or f"\0{entry}")
        if asked not in groups:
            groups[asked] = len(called)
            called.append(key or segment.id[row])
        unnamed[entry] = groups[asked]
    return Edition(
        taxonomy=names.placed.taxonomy,
        node=node,
        unnamed=unnamed,
        multiplicity=np.diff(first_record).astype(np.int32),
        group_node=np.array([at for at, _ in groups], dtype=np.int32),
        group_name=Strings.of(called),
        first_record=first_record,
        record=record,
    )


def write_edition(folder: Path, edition: Edition, names: Names) -> None:
    """Write an edition into a folder that is not in its place yet."""
    save_taxonomy(edition.taxonomy, folder / TAXONOMY, names.placed.report)
    arrays: dict[str, NDArray[Any]] = {name: getattr(edition, name) for name in _ARRAYS}
    write_tensors(folder / ENTRIES, arrays | edition.group_name.arrays("group_name"), _FORMAT)


def open_edition(folder: Path) -> Edition:
    """Map an edition."""
    arrays = map_tensors(folder / ENTRIES)
    plain: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    called = Strings.among(arrays, "group_name")
    return Edition(taxonomy=Taxonomy.open(folder / TAXONOMY), group_name=called, **plain)
