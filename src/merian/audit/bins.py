"""BINs that the nearest sequences contradict: the record says one, what equals it another.

A BIN is made from the sequence alone, so a record whose sequence is nearly that of another BIN,
while all other records of the BIN it states are clearly farther, has a wrong BIN or a wrong
sequence: ids were swapped, or a table was joined by the wrong column. BINs that lie side by side,
and a BIN that one record alone has here, are held against no record. Species hypotheses are not
looked at: a spacer is read to other ends in each study, and their distances say less.

Reference: Ratnasingham and Hebert 2013, PLoS ONE 8:e66213.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.audit.findings import Finding
from merian.audit.near import Near
from merian.audit.records import PLACE, Records, place_of
from merian.barcode import align
from merian.taxonomy import NONE

__all__ = ["contradicted"]

_NEAR = 0.01  # from a sequence of the other BIN, at most
_LEAD = 0.02  # by which all others of the BIN that is stated are farther, at least
_OVERLAP = 200  # columns of an alignment; BINs are of 500 bases, and less tells fewer apart
_MOST = 50  # sequences of a BIN that are aligned

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Held:
    """Which entry has which BIN, one row each, in the order of the entries.

    Attributes:
        entry: int64; the entry.
        bin: int64; the BIN, in the ``concepts`` of the records.
        records: int64; how many.
    """

    entry: Numbers
    bin: Numbers
    records: Numbers

    def of(self, entry: int) -> slice:
        """Return the rows of an entry."""
        return slice(*np.searchsorted(self.entry, [entry, entry + 1]).tolist())


def contradicted(records: Records, near: Near) -> Finding:
    """Return the records whose BIN is not that of the sequences nearest to them."""
    held = _held(records)
    rows: list[tuple[object, ...]] = []
    for entry, own in zip(held.entry.tolist(), held.bin.tolist(), strict=True):
        rows += _judged(records, near, held, entry, own)
    # Those whose neighbours' BIN is at home there first, then by the place in the reference.
    rows.sort(key=lambda row: row[0] != "this record")
    return Finding(
        name="bins",
        title="BINs that the nearest sequences contradict",
        advice=(
            "The sequence is nearly that of another BIN, and all other records of the BIN that "
            "the record states are farther. 'this record': the other BIN has its records here. "
            "'this or its neighbours': one of two is wrong, and nothing tells which. Look the "
            "record up at BOLD: a BIN may have been merged or split since, else the sequence "
            "belongs to another specimen."
        ),
        noun="record",
        count=len(rows),
        columns=(
            "doubt", "label_name", *PLACE, "fits_better", "other_near", "other_nearest",
            "own_records", "own_nearest", "example",
        ),
        rows=rows,
        shown=(
            "doubt", "record", "label_name", "bin", "fits_better", "other_near", "other_nearest",
            "own_records", "own_nearest",
        ),
    )  # fmt: skip


def _held(records: Records) -> _Held:
    """Count the records of each entry with each BIN."""
    is_bin = np.array([name.startswith("BOLD:") for name in records.concepts] + [False])
    chosen = is_bin[records.concept]  # -1 for none takes the last
    pairs = np.stack([records.entry[chosen], records.concept[chosen]]).astype(np.int64)
    (entry, of), count = np.unique(pairs, axis=1, return_counts=True)
    return _Held(entry, of, count.astype(np.int64))


def _judged(
    records: Records, near: Near, held: _Held, entry: int, own: int
) -> list[tuple[object, ...]]:
    """Return the rows of an entry's records with one BIN, if what is near speaks against it."""
    pairs = near.of(entry)
    least = min(_OVERLAP, records.sequences.size(entry))
    close = (near.distance[pairs] <= _NEAR + _LEAD) & (near.overlap[pairs] >= least)
    others = [(entry, 0.0)]  # one sequence may stand there with two BINs
    others += zip(
        near.other[pairs][close].tolist(), near.distance[pairs][close].tolist(), strict=True
    )
    against: dict[int, list[tuple[float, int, int]]] = {}
    for other, distance in others:
        rows = held.of(other)
        for stated, count in zip(held.bin[rows].tolist(), held.records[rows].tolist(), strict=True):
            if stated != own:
                against.setdefault(stated, []).append((distance, other, count))
            elif other != entry or count > 1:
                return []
    against = {stated: those for stated, those in against.items() if min(those)[0] <= _NEAR}
    if not against:
        return []
    better = min(against, key=lambda stated: (min(against[stated])[0], stated))
    nearest, example, _ = min(against[better])
    mine, count = _nearest(records, held, entry, own)
    if not count or (mine is not None and mine < nearest + _LEAD):
        return []
    # Where the other BIN has records here that are near to the example too, it is at home.
    here = sum(count for distance, _, count in against[better] if distance <= _NEAR)
    theirs, elsewhere = _nearest(records, held, example, better)
    at_home = here > 1 or not elsewhere or (theirs is not None and theirs <= _NEAR + _LEAD)
    node = int(records.library.node[entry])
    told = (
        records.concepts[better], here, nearest, count, mine,
        f"{_record_of(records, example, better)} "
        f"({records.name(int(records.library.node[example]))})",
    )  # fmt: skip
    doubt = "this record" if at_home else "this or its neighbours"
    claimed = records.name(node) if node != NONE else ""
    stated_here = records.concepts[own]
    return [
        (doubt, claimed, *place_of(record), *told)
        for record in records.of_entry(entry)
        if record.concept == stated_here
    ]


def _nearest(records: Records, held: _Held, entry: int, stated: int) -> tuple[float | None, int]:
    """Return how near another entry of a BIN is, None if none aligns, and how many records."""
    rows = np.flatnonzero((held.bin == stated) & (held.entry != entry))
    if not len(rows):
        return None, 0
    library = records.library
    asked = held.entry[rows][:: max(1, -(-len(rows) // _MOST))]
    found = align(library.sequence(entry), [library.letters(other) for other in asked.tolist()])
    whole = found.overlap > 0
    distances = found.mismatches[whole] / found.overlap[whole]
    nearest = float(distances.min()) if whole.any() else None
    return nearest, int(held.records[rows].sum())


def _record_of(records: Records, entry: int, stated: int) -> str:
    """Return the id of the first record of an entry that states a BIN."""
    name = records.concepts[stated]
    return next(record.id for record in records.of_entry(entry) if record.concept == name)
