"""What lies near each sequence of a library, when it is taken out of it.

The index gives candidates: some of each species, so that many species are looked at, and some of
the nearest whatever their species, so that clusters hold together. Each is aligned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.barcode import align, best, query_words, score
from merian.library import Library
from merian.library.index import open_indexes
from merian.library.neighbours import finder_of
from merian.library.reading import Progress
from merian.processes import in_order

__all__ = ["Near", "near_all", "open_near"]

_CANDIDATES, _OF_ONE_SPECIES, _NEAREST = 32, 4, 16
_BATCH, _WORTH = 200, 1000  # entries that a process is asked at once; that make one worth its start


@dataclass(frozen=True, eq=False)
class Near:
    """Pairs of an entry and one near it, in the order of the entries.

    Attributes:
        entry: int32; the entry.
        other: int32; the one near it.
        distance: float32; the share of columns of their alignment that do not match.
        overlap: int32; how many columns there are.
        reverse: bool; whether the other has the other strand.
        first: int64[entries + 1]; where the pairs of each entry begin.
    """

    entry: npt.NDArray[np.int32]
    other: npt.NDArray[np.int32]
    distance: npt.NDArray[np.float32]
    overlap: npt.NDArray[np.int32]
    reverse: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int64]

    def of(self, entry: int) -> slice:
        """Return the pairs of an entry."""
        return slice(int(self.first[entry]), int(self.first[entry + 1]))


def open_near(folder: str) -> Callable[[list[int]], list[list[list[int]]]]:
    """Return what finds the neighbours of entries: numbers, mismatches, columns, strand."""
    library = Library.open(folder)
    indexes = open_indexes(library)
    species = finder_of(library).species
    own = np.arange(len(library), dtype=np.int32)

    def ask(entries: list[int]) -> list[list[list[int]]]:
        return [one(entry) for entry in entries]

    def one(entry: int) -> list[list[int]]:
        query = library.sequence(entry)
        summed = score(query_words(query), indexes).summed
        summed[entry] = 0  # it is not there
        found = np.union1d(
            best(summed, species, _CANDIDATES, _OF_ONE_SPECIES), best(summed, own, _NEAREST, 1)
        )
        aligned = align(query, [library.letters(other) for other in found.tolist()])
        whole = aligned.overlap > 0
        columns = (found, aligned.mismatches, aligned.overlap, aligned.reverse)
        return [column[whole].tolist() for column in columns]

    return ask


def near_all(library: Library, progress: Progress) -> Near:
    """Return what lies near each entry of a library that has an index."""
    folder, count = str(library.folder), len(library)
    batches = ((list(range(low, min(low + _BATCH, count))),) * 2 for low in range(0, count, _BATCH))
    processes = min(2, os.cpu_count() or 1) if count >= _WORTH else 1
    here = open_near(folder) if processes == 1 else _never
    parts: list[npt.NDArray[np.int32]] = []
    done = 0
    for entries, answers in in_order(
        here, "merian.audit.near:open_near", [folder], batches, processes
    ):
        rows = [
            np.array([[entry] * len(found[0]), *found], np.int32).reshape(5, -1)
            for entry, found in zip(entries, answers, strict=True)
        ]
        parts.append(np.concatenate(rows, axis=1))
        done += len(entries)
        progress("looking for neighbours", done)
    entry, other, mismatches, overlap, reverse = np.concatenate(parts, axis=1)
    distance = (mismatches / np.maximum(overlap, 1)).astype(np.float32)
    first = np.searchsorted(entry, np.arange(count + 1))
    return Near(entry, other, distance, overlap, reverse > 0, first.astype(np.int64))


def _never(_entries: list[int]) -> list[list[list[int]]]:
    raise AssertionError("several processes answer")
