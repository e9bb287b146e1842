"""The references nearest to a barcode, as the evidence for a name needs them.

The index gives candidates, a few of each species so that many species are looked at, and each is
aligned. Where the library has an encoder, those nearest by its vectors are candidates too. To
simulate what a library lacks, the same can be asked with a part of the library left out: words are
then weighed as in the whole, which changes nothing that matters and is done once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from merian.barcode import Alignments, WordIndex, align, best, query_words, score
from merian.library.index import open_indexes
from merian.library.store import Library
from merian.library.vectors import Cosines, Kinship

__all__ = ["Finder", "Neighbours", "Without", "find", "finder_of", "joined", "resemblance"]

CANDIDATES, OF_ONE_SPECIES = 32, 4

# Of a read that is much longer than the barcode (a mitochondrial genome, a whole gene) the rest is
# cut off: its words would count against every reference. References that differ in more places
# than such a share may lie anywhere in it.
_MOSTLY, _RELATED = 0.8, 0.3

# To know which library a query is for: how many references are aligned, and how far is like it.
_TRIED, _LIKE = 4, 0.35

_WHOLE = 2**20  # cosines as whole numbers, to be ranked as the sums of words are

Without = tuple[NDArray[np.int32] | None, int]
"""Labels of all entries, and the label of those that are left out; None for their own numbers."""


@dataclass(frozen=True)
class Neighbours:
    """The references near to queries: one row for each, the queries in ascending order.

    Attributes:
        query: int32; the number of the query.
        entry: int32; of the library.
        mismatches: int32; columns of the alignment that do not match.
        overlap: int32; columns of the alignment.
        shared: float32; of the weight of the query's words, the share that the entry has too.
        reverse: bool; whether the entry has the other strand.
        kin: float32; the cosine of the query's vector to the entry's, on the entry's strand; None
            where the library has no encoder.
    """

    query: NDArray[np.int32]
    entry: NDArray[np.int32]
    mismatches: NDArray[np.int32]
    overlap: NDArray[np.int32]
    shared: NDArray[np.float32]
    reverse: NDArray[np.bool_]
    kin: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.entry)


@dataclass(frozen=True, eq=False)
class Finder:
    """A library that is searched.

    Attributes:
        library: The library.
        indexes: Of its segments.
        species: int32[entries]; what species, or unnamed group, each entry is of.
        kinship: The vectors of the entries; None where the library has no encoder.
    """

    library: Library
    indexes: Sequence[WordIndex]
    species: NDArray[np.int32]
    kinship: Kinship | None = None

    def kin_of(self, queries: Sequence[str]) -> Iterator[Cosines | None]:
        """Yield the cosines of queries to all entries, as `find` takes them; None without any."""
        if self.kinship is None:
            return repeat(None, len(queries))
        return self.kinship.of(queries)


def finder_of(library: Library) -> Finder:
    """Open the indexes of a library."""
    groups = np.where(
        library.unnamed < 0, library.node, library.taxonomy.taxa + library.unnamed
    ).astype(np.int32)
    kinship = Kinship.open(library) if library.encoder else None
    return Finder(library, open_indexes(library), groups, kinship)


def find(
    finder: Finder,
    query: str,
    without: Sequence[Without | None] = (None,),
    number: int = 0,
    kin: Cosines | None = None,
) -> list[Neighbours]:
    """Return the nearest references of one clean sequence.

    Args:
        finder: What is searched.
        query: The sequence.
        without: For each answer, the entries that are taken as not there.
        number: The number of the query, for the rows.
        kin: What `Finder.kin_of` says of it; many queries are asked together there in less time.
    """
    (kin,) = (kin,) if kin is not None else finder.kin_of([query])
    answers, window = _found(finder, query, without, number, kin)
    if window.stop - window.start < _MOSTLY * len(query):
        rest = query[window].strip("N")
        (kin,) = finder.kin_of([rest])
        answers, _ = _found(finder, rest, without, number, kin)
    return answers


def _found(
    finder: Finder,
    query: str,
    without: Sequence[Without | None],
    number: int,
    kin: Cosines | None,
) -> tuple[list[Neighbours], slice]:
    """Return the answers, and the stretch of the query that any reference is beside."""
    found = score(query_words(query), finder.indexes)
    chosen = _best_of(found.summed, finder, without)
    more = [few[:0] for few in chosen]
    if kin is not None:
        # One of a species: the index has found what else there is of those that are near.
        near = ((kin.max(axis=0) + 1) * _WHOLE).astype(np.uint32)  # none is 0 but what is left out
        more = _best_of(near, finder, without, of_one_species=1)
    every = [*chosen, *more]
    entries = np.unique(np.concatenate(every)) if every else np.empty(0, np.int64)
    aligned = align(query, [finder.library.letters(entry) for entry in entries.tolist()])
    shared = found.weight(entries) / np.float32(max(found.visited, 1e-9))
    answers = []
    for few, others in zip(chosen, more, strict=True):
        rows = _rows(entries, aligned, few, others)
        answers.append(
            Neighbours(
                np.full(len(rows), number, np.int32),
                entries[rows].astype(np.int32),
                aligned.mismatches[rows],
                aligned.overlap[rows],
                shared[rows],
                aligned.reverse[rows],
                None if kin is None else kin[aligned.reverse[rows].astype(int), entries[rows]],
            )
        )
    return answers, _covered(query, aligned)


def _rows(
    entries: NDArray[np.int64],
    aligned: Alignments,
    few: NDArray[np.int64],
    others: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the rows of candidates that align.

    Those by vector alone count where they are no farther than the farthest of the index. What is
    beyond says nothing more, and would be most of what is reckoned with.
    """
    rows = np.searchsorted(entries, np.sort(few))
    rows = rows[aligned.overlap[rows] > 0]
    more = np.searchsorted(entries, np.setdiff1d(others, few))
    more = more[aligned.overlap[more] > 0]
    if len(rows) and len(more):
        distance = aligned.mismatches / np.maximum(aligned.overlap, 1)
        more = more[distance[more] <= distance[rows].max()]
    return np.sort(np.concatenate([rows, more]))


def _best_of(
    summed: NDArray[np.uint32],
    finder: Finder,
    without: Sequence[Without | None],
    of_one_species: int = OF_ONE_SPECIES,
) -> list[NDArray[np.int64]]:
    """Return the entries with the highest sums, a few of a species, for each answer."""
    chosen = []
    for left_out in without:
        kept = summed
        if left_out is not None:
            labels, label = left_out
            kept = summed.copy()
            kept[label if labels is None else labels == label] = 0
        chosen.append(best(kept, finder.species, CANDIDATES, of_one_species))
    return chosen


def _covered(query: str, aligned: Alignments) -> slice:
    """Return the stretch of a query beside which references lie; all of it if none is related."""
    related = (aligned.overlap > 0) & (aligned.mismatches < _RELATED * aligned.overlap)
    if not related.any():
        return slice(0, len(query))
    start, stop = aligned.query_start[related], aligned.query_stop[related]
    reverse = aligned.reverse[related]  # there both count on the other strand
    first = np.where(reverse, len(query) - stop, start)
    last = np.where(reverse, len(query) - start, stop)
    return slice(int(first.min()), int(last.max()))


def joined(parts: Sequence[Neighbours]) -> Neighbours:
    """Return several queries' neighbours as one."""
    columns = ["query", "entry", "mismatches", "overlap", "shared", "reverse"]
    if all(part.kin is not None for part in parts):
        columns.append("kin")
    return Neighbours(*(np.concatenate([getattr(p, name) for p in parts]) for name in columns))


def resemblance(finder: Finder, query: str) -> float:
    """Return how much of a clean sequence a library accounts for; 0 where nothing is like it.

    That is what the best of a few alignments tells over chance, in nats: a long one at some
    distance tells more than a short one that fits. Measured on COI and ITS1, no reference of the
    other gene, and of a shuffled sequence, is nearer than 0.38; nothing beyond 0.35 counts.
    """
    few = best(score(query_words(query), finder.indexes).summed, finder.species, _TRIED, 1)
    aligned = align(query, [finder.library.letters(entry) for entry in few.tolist()])
    columns = np.maximum(aligned.overlap, 1)
    distance = aligned.mismatches / columns
    like = (aligned.overlap > 0) & (distance <= _LIKE)
    if not like.any():
        return 0.0
    far = np.maximum(distance[like], 1e-9)
    told = np.log(4) + (1 - far) * np.log(1 - far) + far * np.log(far / 3)
    return float((columns[like] * told).max())
