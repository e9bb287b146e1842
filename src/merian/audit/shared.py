"""Sequences that stand under several species: the same one, or one within another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merian.audit.contain import within
from merian.audit.findings import Finding
from merian.audit.records import PLACE, Records, place_of
from merian.taxonomy import NONE

__all__ = ["shared"]


def shared(records: Records) -> tuple[Finding, Finding]:
    """Return the sequences that several species have, and those that lie within another's."""
    columns = ("group", "species", "of_species", "bases", *PLACE)
    rows, groups = _exact(records)
    exact = Finding(
        name="shared",
        title="Sequences of several species",
        advice=(
            "The same sequence under several names. No barcode tells these records apart: look at "
            "the mislabels first; if none of them is one, the species share it, or are one."
        ),
        noun="sequence",
        count=groups,
        columns=columns,
        rows=rows,
        shown=("group", "species", "of_species", "bases", "record", "line", "bin"),
    )
    rows, count = _contained(records)
    contained = Finding(
        name="contained",
        title="Sequences within another species' sequence",
        advice=(
            "A shorter sequence that a longer one of another species holds, letter by letter. As "
            "with equal sequences, or the short one is too short to tell the two apart: sequence "
            "more of it."
        ),
        noun="sequence",
        count=count,
        columns=(
            "species",
            "bases",
            *PLACE,
            "in_species",
            "in_bases",
            *(f"in_{column}" for column in PLACE),
        ),
        rows=rows,
        shown=("species", "bases", "record", "line", "in_species", "in_bases", "in_record"),
    )
    return exact, contained


def _exact(records: Records) -> tuple[list[Sequence[object]], int]:
    """Return the records of equal sequences with several species, and how many sequences."""
    species, digest = records.species, records.digest
    named = np.flatnonzero(species != NONE)
    pairs = np.unique(np.stack([digest[named], species[named]]), axis=1)
    numbers, count = np.unique(pairs[0], return_counts=True)
    wanted = numbers[count > 1]
    entries = named[np.isin(digest[named], wanted)]
    first: dict[int, int] = {}
    for entry in entries.tolist():
        first.setdefault(int(digest[entry]), len(first) + 1)
    rows: list[Sequence[object]] = []
    order = sorted(entries.tolist(), key=lambda e: (first[int(digest[e])], e))
    for entry in order:
        found = records.of_entry(entry)
        group, name = first[int(digest[entry])], records.name(int(species[entry]))
        size = records.sequences.size(entry)
        rows += [(group, name, len(found), size, *place_of(record)) for record in found]
    return rows, len(wanted)


def _contained(records: Records) -> tuple[list[Sequence[object]], int]:
    """Return the records of sequences that lie within a longer one of another species."""
    species = records.species
    named = np.flatnonzero(species != NONE)
    if not len(named):
        return [], 0
    few = records.sequences.chosen(named)
    found = within(few, few, species[named], species[named]).of_pattern
    rows: list[Sequence[object]] = []
    short = np.flatnonzero(found >= 0)
    for number in short.tolist():
        entry, other = int(named[number]), int(named[found[number]])
        holder = records.of_entry(other)[0]
        rows += [
            (
                records.name(int(species[entry])), records.sequences.size(entry), *place_of(record),
                records.name(int(species[other])), records.sequences.size(other), *place_of(holder),
            )
            for record in records.of_entry(entry)
        ]  # fmt: skip
    return rows, len(short)
