"""Placeholders: labels that stand for no taxon, and those of them that pass for names.

A library knows most of them and takes such records as unnamed ones. What it takes for a name, and
what does not look like one (digits, a cluster's number, "sp", a sample, a strain), is posing: every
answer that names it is wrong in a way that looks right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from merian.audit.findings import Finding
from merian.audit.records import PLACE, Records, place_of
from merian.taxonomy import NONE, RANKS, read_labels

__all__ = ["placeholders", "why_posing"]

_WORDS = re.compile(
    r"(?i)\b(uncultured|unidentified|unclassified|unknown|undetermined|unassigned|unnamed|"
    r"environmental|metagenome|incertae|sample|clone|isolate|strain|voucher|bacterium|eukaryote|"
    r"symbiont|morphotype|otu|asv|gen|indet|spp?|cf|aff|nr|complex|group|agg)\b"
)
_CLUSTER = re.compile(r"(?i)bold[: -]?[a-z]{3}\d|\bsh\d+\.\d+fu|\bbin\b")
_OPEN_EPITHET = re.compile(r"^[A-Z][a-z-]+ (?:species\w*|[A-Z]\w*|[a-z])$")
_TOLD = {
    "placeholder": "a word for what is not known",
    "none": "no name",
    "identifier": "the number of a cluster",
    "informal": "a name with a reserve (sp., cf., a number)",
}


def why_posing(name: str) -> str:
    """Return why a name that a library has is none, or "" if it looks like one."""
    if _CLUSTER.search(name):
        return "the number of a cluster"
    if found := _WORDS.search(name):
        return f"the word {found[0]!r}"
    if any(letter.isdigit() for letter in name):
        return "digits"
    return "an epithet that is none" if _OPEN_EPITHET.match(name) else ""


def placeholders(records: Records) -> tuple[Finding, Finding]:
    """Return what poses as a name, and the labels that are taken as unnamed."""
    posing, rows = _posing(records)
    unnamed = _unnamed(records)
    return (
        Finding(
            name="posing",
            title="Placeholders posing as names",
            advice=(
                "The library takes these for names and would answer with them. Give the records "
                "their names, or a label that says that they have none (Aus sp.)."
            ),
            noun="name",
            count=posing,
            columns=("name", "rank", "why", *PLACE),
            rows=rows,
            shown=("name", "rank", "why", "record", "line", "label"),
        ),
        Finding(
            name="unnamed",
            title="Labels that are taken as unnamed",
            advice=(
                "Nothing is wrong: the library knows that these are no names of species, and "
                "answers with the taxon above them. The first record of each label is listed."
            ),
            noun="label",
            count=len(unnamed),
            columns=("why", "records", "named_to", *PLACE),
            rows=unnamed,
            fault=False,
            shown=("why", "records", "named_to", "record", "line", "label"),
        ),
    )


def _posing(records: Records) -> tuple[int, list[Sequence[object]]]:
    """Return how many names pose, and their records."""
    taxonomy = records.library.taxonomy
    node = np.asarray(records.library.node)
    order = np.argsort(node, kind="stable")
    sorted_nodes = node[order]
    rows: list[Sequence[object]] = []
    count = 0
    for taxon in range(taxonomy.taxa):
        name, rank = taxonomy.name_of(taxon), taxonomy.rank_of(taxon)
        why = why_posing(name)
        if not why:
            continue
        # A species of a genus that poses says nothing more.
        parent = int(taxonomy.parent[taxon])
        if parent != NONE and why_posing(taxonomy.name_of(parent)):
            continue
        if taxonomy.rank[taxon] == RANKS.index("species") and _is_virus(name):
            continue
        count += 1
        low, high = np.searchsorted(sorted_nodes, (taxon, int(taxonomy.end[taxon])))
        for entry in order[low:high].tolist():
            rows += [(name, rank, why, *place_of(record)) for record in records.of_entry(entry)]
    return count, rows


def _is_virus(name: str) -> bool:
    """Return whether a name is that of a virus, in which digits are no sign of anything."""
    return read_labels([name])[0].kind in {"virus", "hybrid"}


def _unnamed(records: Records) -> list[Sequence[object]]:
    """Return the labels that the library takes as unnamed, with how often and where first."""
    library = records.library
    entries = np.flatnonzero(np.asarray(library.unnamed) >= 0)
    found: dict[tuple[str, str], list[object]] = {}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries.tolist():
        named_to = records.name(int(library.node[entry]))
        for record in records.of_entry(entry):
            key = (record.label, named_to)
            counts[key] += 1
            found.setdefault(key, list(place_of(record)))
    labels = sorted({label for label, _ in found if label})
    read = read_labels([label.replace("_", " ") for label in labels])
    kinds = {label.verbatim: label.kind for label in read}
    rows: list[Sequence[object]] = []
    for (label, named_to), place in sorted(found.items()):
        why = _why_unnamed(label.replace("_", " "), named_to, kinds)
        rows.append((why, counts[label, named_to], named_to, *place))
    return rows


def _why_unnamed(label: str, named_to: str, kinds: Mapping[str, str]) -> str:
    """Return why a label is taken as unnamed."""
    kind = kinds.get(label, "none")
    if kind != "scientific":
        return _TOLD.get(kind, kind)
    if label == named_to:
        return "named no farther than this"
    return why_posing(label) or "a name that the tree lacks"
