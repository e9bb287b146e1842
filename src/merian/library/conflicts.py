"""Where the sources of a library contradict each other, and who says what.

A source is a file. Three things are looked at: one sequence under several names, one id or
accession under several names, and one taxon in several places of the tree. Only what two sources
say differently is told: one that has a barcode under two names, of which another has one, does not
contradict it; neither does who says less. How the tree was decided stands in
``taxonomy/problems.tsv``; a checklist has decided where everything stands, so there lineages are
not compared.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.formats.delimited import write_delimited
from merian.library.edition import Names
from merian.library.naming import LINEAGE, lineage_of
from merian.library.segment import Segment
from merian.taxonomy import NONE, Taxonomy
from merian.taxonomy.strings import Strings, hash_strings

__all__ = ["CONFLICTS", "KINDS", "Conflict", "conflicts_of", "write_conflicts"]

CONFLICTS = "conflicts.tsv"
KINDS = (
    "one sequence, several names",
    "one id, several names",
    "one accession, several names",
    "one taxon, several places",
)
PICTURES = "one picture, several names"
_VERSION = re.compile(r"\.\d+$")
_COLUMNS = ("conflict", "kind", "of", "says", "source", "references")


@dataclass(frozen=True)
class Conflict:
    """One thing of which sources say different things.

    Attributes:
        kind: One of `KINDS`.
        of: The id, the accession, the taxon; of a sequence, the id of its first record.
        says: Statement, source, and how many references say so.
    """

    kind: str
    of: str
    says: Sequence[tuple[str, str, int]]


@dataclass(frozen=True)
class _Records:
    """All records of a library, as far as they are compared."""

    source: NDArray[np.int64]
    node: NDArray[np.int64]
    sources: Sequence[str]


def conflicts_of(
    segments: Sequence[Segment], names: Names, lineages: bool = True, pictures: bool = False
) -> list[Conflict]:
    """Return where sources contradict each other.

    Args:
        segments: All segments.
        names: Of these segments.
        lineages: Whether lineages are compared; not where a checklist has decided.
        pictures: Whether they are of pictures, of which no archive gives accessions.
    """
    number: dict[str, int] = {}
    source, node = [], []
    for place, segment in enumerate(segments):
        own = np.array([number.setdefault(f, len(number)) for f in segment.files], np.int64)
        source.append(own[segment.file])
        node.append(names.nodes(place)[segment.naming].astype(np.int64))
    if len(number) < 2:
        return []
    records = _Records(np.concatenate(source), np.concatenate(node), [*number])
    taxonomy = names.placed.taxonomy
    ids = [key for segment in segments for key in segment.id]
    digest = np.concatenate([segment.digest for segment in segments])[:, 0]
    entry = np.concatenate([segment.record_entry for segment in segments])
    found = _clashes(PICTURES if pictures else KINDS[0], digest[entry], ids, records, taxonomy)
    # Versions of an accession are of one thing.
    accessions = [_VERSION.sub("", text) for segment in segments for text in segment.accession]
    texts_of = {KINDS[1]: ids} if pictures else {KINDS[1]: ids, KINDS[2]: accessions}
    for kind, texts in texts_of.items():
        key = hash_strings(Strings.of(texts))
        found += _clashes(kind, key, texts, records, taxonomy)
    return [*found, *(_places(segments, records.sources, source) if lineages else ())]


def write_conflicts(path: Path, conflicts: Iterable[Conflict]) -> None:
    """Write a table of conflicts: a row for each statement."""
    rows = (
        (number, conflict.kind, conflict.of, *said)
        for number, conflict in enumerate(conflicts, 1)
        for said in conflict.says
    )
    write_delimited(path, _COLUMNS, rows, "\t", lambda cell: " ".join(str(cell).split()))


def _clashes(
    kind: str,
    key: NDArray[np.uint64],
    called: Sequence[str],
    records: _Records,
    taxonomy: Taxonomy,
) -> list[Conflict]:
    """Return which keys two sources have under names that exclude each other.

    Args:
        kind: Of the conflicts.
        key: By record.
        called: By record, what the key is called; those without a name are passed over.
        records: All records.
        taxonomy: The tree.
    """
    order = np.lexsort((records.node, records.source, key))
    bounds = np.flatnonzero(np.diff(key[order], prepend=key[order[:1]] + np.uint64(1)))
    found = []
    for rows in np.split(order, bounds)[1:]:
        if len(rows) < 2 or not called[rows[0]]:
            continue
        own, nodes = records.source[rows], records.node[rows]
        if own[0] == own[-1] or (nodes == nodes[0]).all():
            continue
        of = defaultdict(set)
        for a, b in zip(own.tolist(), nodes.tolist(), strict=True):
            of[a].add(b)
        if not _disagree([*of.values()], taxonomy):
            continue
        counts = Counter(zip(nodes.tolist(), own.tolist(), strict=True))
        said = [
            (taxonomy.name_of(n) if n != NONE else "", records.sources[s], count)
            for (n, s), count in sorted(counts.items(), key=lambda item: (item[0][1], item[0][0]))
        ]
        found.append((int(rows.min()), Conflict(kind, called[int(rows.min())], said)))
    return [conflict for _, conflict in sorted(found, key=lambda item: item[0])]


def _disagree(told: Sequence[set[int]], taxonomy: Taxonomy) -> bool:
    """Return whether of two sources none says what the other says, or a part of it."""
    return any(
        all(not _related(a, b, taxonomy) for a in one for b in other)
        for place, one in enumerate(told)
        for other in told[:place]
    )


def _related(one: int, other: int, taxonomy: Taxonomy) -> bool:
    """Return whether a taxon is another, or stands above or below it."""
    low, high = min(one, other), max(one, other)
    return low == NONE or high < int(taxonomy.end[low])


# -- one taxon in several places ----------------------------------------------------------------

_Taxon = tuple[int, str]


def _places(
    segments: Sequence[Segment], sources: Sequence[str], source: Sequence[NDArray[np.int64]]
) -> list[Conflict]:
    """Return the taxa that sources put under different ones of a rank."""
    # taxon -> rank above -> name there -> references by source
    above: dict[_Taxon, dict[int, dict[str, Counter[int]]]] = {}
    for segment, own in zip(segments, source, strict=True):
        lineages = [lineage_of(naming)[: len(LINEAGE)] for naming in segment.namings]
        pairs = np.stack([segment.naming.astype(np.int64), own], axis=1)
        distinct, counts = np.unique(pairs, axis=0, return_counts=True)
        for (naming, place), count in zip(distinct.tolist(), counts.tolist(), strict=True):
            _add(above, lineages[naming], place, count)
    found: list[Conflict] = []
    wrong: set[tuple[_Taxon, int]] = set()
    for taxon in sorted(above):
        for rank, names in sorted(above[taxon].items(), reverse=True):
            if not _apart(names):
                continue
            wrong.add((taxon, rank))
            between = above[taxon].items()
            if any(
                ((k, name), rank) in wrong for k, told in between if k > rank for name in told
            ) or any((taxon, k) in wrong for k in range(rank + 1, taxon[0])):
                continue  # the taxon between is what stands elsewhere
            said = [
                (f"{LINEAGE[rank]} {name}", sources[s], count)
                for name, by_source in sorted(names.items())
                for s, count in sorted(by_source.items())
            ]
            found.append(Conflict(KINDS[3], f"{LINEAGE[taxon[0]]} {taxon[1]}", said))
    return found


def _add(
    above: dict[_Taxon, dict[int, dict[str, Counter[int]]]],
    lineage: Sequence[str],
    source: int,
    count: int,
) -> None:
    """Take down what a source says of every taxon of a lineage."""
    given = [(rank, name) for rank, name in enumerate(lineage) if name]
    for place, taxon in enumerate(given):
        told = above.setdefault(taxon, {})
        for rank, name in given[:place]:
            told.setdefault(rank, {}).setdefault(name, Counter())[source] += count


def _apart(names: Mapping[str, Mapping[int, int]]) -> bool:
    """Return whether two sources have no name in common."""
    if len(names) < 2:
        return False
    of: dict[int, set[str]] = defaultdict(set)
    for name, sources in names.items():
        for source in sources:
            of[source].add(name)
    told = [*of.values()]
    return any(not one & other for place, one in enumerate(told) for other in told[:place])
