"""The tables of labels in doubt and of sequences that are of something else, with the evidence."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from merian.audit.clusters import linked
from merian.audit.findings import Finding
from merian.audit.mislabels import SCALES, Doubts
from merian.audit.near import Near
from merian.audit.records import PLACE, Records, place_of
from merian.audit.strangers import strangers
from merian.library import Reference
from merian.taxonomy import NONE

__all__ = ["doubted", "foreign", "lone_rows", "source_of"]

_FAR = 0.25  # nearest relatives are never so far in a marker that an index finds
_CONNECTED = 0.9  # of all sequences: only where so many hang together, does one apart say anything
_APART = 0.01  # of all sequences, at most, in a group that stands apart
_FOREIGN = ("class", "phylum", "kingdom")  # a doubt at these ranks is no slip between species
_LEAD = 0.03  # within which records count as near, in the evidence

_COLUMNS = (
    "score", "doubt", "label_name", "fits_better", "rank", *PLACE, "own_near", "own_records",
    "own_nearest", "other_near", "other_nearest", "own_sources",
    "other_sources", "example",
)  # fmt: skip


def source_of(reference: Reference) -> str:
    """Return whose record it is, as far as that shows: its file, and the project of its id.

    The ids of BOLD begin with the letters of a project; records of two projects were mostly named
    by different people.
    """
    project = re.match(r"[A-Za-z]{2,}", reference.id)
    return f"{reference.file}:{project[0] if project else ''}"


def doubted(records: Records, near: Near, doubts: Doubts) -> Finding:
    """Return the labels that are probably wrong, but for those of quite another group."""
    chosen = [i for i, rank in enumerate(doubts.rank) if rank not in _FOREIGN]
    rows = [row for i in chosen for row in _evidence(records, near, doubts, i)]
    return Finding(
        name="mislabels",
        title="Probable mislabels",
        advice=(
            "Each record was taken out and judged by all others. The score goes from 0.5 to 1. "
            "'this record': its name is at home elsewhere, and what lies here is another species "
            "or, at a higher rank, another genus or family. 'this or its neighbours': one of two "
            "is wrong, and nothing tells which. Look at the specimen or its photograph; else "
            "leave the record out."
        ),
        noun="record",
        count=len(rows),
        columns=_COLUMNS,
        rows=rows,
        shown=(
            "score",
            "doubt",
            "record",
            "label_name",
            "fits_better",
            "own_near",
            "other_near",
            "other_nearest",
        ),
    )


def foreign(
    records: Records, near: Near, doubts: Doubts, of_other_genes: Collection[int] = ()
) -> tuple[Finding, str]:
    """Return the sequences that are of another group than claimed, or near nothing at all.

    The second is a remark where the library does not let the latter be said. Entries of other genes
    are told as such elsewhere, and are not told here once more.
    """
    rows: list[Sequence[object]] = []
    for i, rank in enumerate(doubts.rank):
        if rank in _FOREIGN:
            for row in _evidence(records, near, doubts, i):
                cells = dict(zip(_COLUMNS, row, strict=True))
                kept = ("label_name", "fits_better", *PLACE, "other_nearest", "example")
                rows += [(f"of another {rank}", *(cells[column] for column in kept))]
    told = {int(entry) for entry in doubts.entry} | {*of_other_genes}
    among = strangers(records, near)
    for entry in sorted(among.keys() - told):
        rank, taxon = among[entry]
        why = f"its ten nearest species are of another {rank}"
        rows += lone_rows(records, near, entry, why, records.name(taxon))
    apart, remark = _apart(records, near)
    for entry in apart:
        if entry not in told and entry not in among:
            rows += lone_rows(records, near, entry, "near nothing of its claimed group", "")
    finding = Finding(
        name="foreign",
        title="Sequences of something else",
        advice=(
            "Near another class, phylum or kingdom than the label claims, among species of another "
            "order, or far from all other records: a wrong label, a bacterium, a fungus, a human, "
            "another gene, a pseudogene, or nonsense. Search for it in a public archive; leave it "
            "out unless it is the first of its kind."
        ),
        noun="record",
        count=len(rows),
        columns=("why", "label_name", "fits_better", *PLACE, "nearest", "example"),
        rows=rows,
        shown=("why", "record", "line", "label_name", "fits_better", "nearest", "example"),
    )
    return finding, remark


def lone_rows(
    records: Records, near: Near, entry: int, why: str, told: str
) -> list[tuple[object, ...]]:
    """Return a row for each record of an entry: why, its name, what is told, and the nearest."""
    pairs = near.of(entry)
    nearest, example = None, ""
    if pairs.stop > pairs.start:
        at = pairs.start + int(np.argmin(near.distance[pairs]))
        nearest = float(near.distance[at])
        example = _called(records, int(near.other[at]))
    claimed = records.name(int(records.library.node[entry]))
    return [
        (why, claimed, told, *place_of(record), nearest, example)
        for record in records.of_entry(entry)
    ]


def _evidence(
    records: Records, near: Near, doubts: Doubts, number: int
) -> list[tuple[object, ...]]:
    """Return a row for each record of an entry in doubt."""
    library = records.library
    entry, better = int(doubts.entry[number]), int(doubts.name[number])
    rank = doubts.rank[number]
    pairs = near.of(entry)
    other, distance = near.other[pairs], near.distance[pairs]
    # The label is held against its own taxon at the lowest rank that both have.
    lowest = library.taxonomy.rank_of(better)
    taxon = records.at_rank(lowest)
    own, those = taxon[other] == taxon[entry], taxon[other] == better
    if taxon[entry] == NONE:
        own = np.zeros(len(other), bool)
    within = distance <= max(_LEAD, 1.2 * SCALES.get(lowest, _LEAD))
    multiplicity = np.asarray(library.multiplicity)
    mine = records.of_entry(entry)
    of_label = int(multiplicity[taxon == taxon[entry]].sum()) if taxon[entry] != NONE else len(mine)
    example = other[those][np.argmin(distance[those])] if those.any() else -1
    evidence = (
        int(multiplicity[other[own & within]].sum()) + len(mine) - 1,
        of_label,
        _least(distance[own]) if len(mine) == 1 else 0.0,
        int(multiplicity[other[those & within]].sum()),
        _least(distance[those]),
        _sources(records, other[own & within]),
        _sources(records, other[those & within]),
        _called(records, int(example)) if example >= 0 else "",
    )
    told = "this record" if doubts.sure[number] else "this or its neighbours"
    name, fits = records.name(int(library.node[entry])), records.name(better)
    score = float(doubts.score[number])
    return [(score, told, name, fits, rank, *place_of(record), *evidence) for record in mine]


def _least(distances: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float | None:
    return float(distances.min()) if len(distances) else None


def _sources(records: Records, entries: np.ndarray[tuple[int], np.dtype[np.int32]]) -> int:
    """Return how many sources have records among some entries."""
    return len({source_of(r) for entry in entries.tolist() for r in records.of_entry(entry)})


def _called(records: Records, entry: int) -> str:
    """Return the id of the first record of an entry with its name."""
    return f"{records.of_entry(entry)[0].id} ({records.name(int(records.library.node[entry]))})"


def _apart(records: Records, near: Near) -> tuple[list[int], str]:
    """Return entries of small groups far from all others, whose claimed group is elsewhere."""
    count = len(records.library)
    label = linked(near, count, _FAR)
    sizes = np.bincount(label)
    largest = int(sizes.argmax())
    if sizes[largest] < _CONNECTED * count or count < 1 / _APART:
        return [], (
            "whether a sequence is far from everything cannot be said of a library that is small, "
            "or whose sequences differ in more than a quarter of their bases"
        )
    rest = np.flatnonzero((label != largest) & (sizes[label] <= max(1, _APART * count)))
    claimed = [records.at_rank(rank) for rank in ("family", "order", "class", "phylum")]
    at_home = [set(taxon[label == largest].tolist()) - {NONE} for taxon in claimed]
    return [
        entry
        for entry in rest.tolist()
        if any(int(taxon[entry]) in home for taxon, home in zip(claimed, at_home, strict=True))
    ], ""
