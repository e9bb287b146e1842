"""In what two label maps differ: by source and label, and by label alone where sources differ.

A difference in names is not yet one of meaning: a checklist knows synonyms and what is above what,
and two lineages that share names below the kingdom speak of one branch. What is done with a label
(kept, kind) is told apart from what it is: two maps may agree on the taxon and differ on
whether the tail of one is plankton.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.audit.label_case import lineage_text
from merian.audit.label_counts import Images, LabelCounts, find_counts, read_counts
from merian.audit.label_witness import (
    Witness,
    below_kingdom,
    kingdom_of,
    shared_names,
    transferred,
)
from merian.errors import InputError
from merian.files import existing
from merian.formats.delimited import write_delimited
from merian.stamp import run_id, stamp, stamp_beside
from merian.taxonomy.label_map import LabelMap, LabelTarget, read_label_map
from merian.taxonomy.label_words import key_of
from merian.taxonomy.tree import Taxonomy

__all__ = ["RELATIONS", "LabelDiff", "Pair", "compare_maps", "write_diff"]

# From the worst on.
RELATIONS = {
    "different branch": "the two taxa have no more than the kingdom in common",
    "same name, different branch": "one name for two taxa",
    "taxon or not": "a taxon in one map, and none in the other",
    "side by side": "different taxa of one group",
    "first finer": "the first map's taxon is below the second's",
    "second finer": "the second map's taxon is below the first's",
    "synonym": "two names of one taxon",
    "policy": "the same taxon or none, but kept or kind differ",
    "same": "the same taxon",
    "no lineage": "one of the maps gives no lineage, and the names differ",
    "only in first": "the second map has no such label",
    "only in second": "the first map has no such label",
}
_WORST = tuple(RELATIONS)[:6]
_CONTRADICTS = frozenset(tuple(RELATIONS)[:3])
_FORMAT, _VERSION = "merian-label-diff", "1.0"
COLUMNS = (
    "relation", "images", "at_most", "matched_by", "label", "source_first", "source_second",
    "first", "second", "policy", "line_first", "line_second",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A label in two maps.

    Attributes:
        relation: A key of `RELATIONS`.
        label: It.
        by: "source" or "label": how the two were found to be the same.
        sources: In the first and the second map.
        first: What the first map puts it under.
        second: What the second does.
        policy: How kept, kind and qualifier differ, in words.
        lines: In the first and the second map.
        images: By the counts of the first map.
    """

    relation: str
    label: str
    by: str
    sources: tuple[str, str]
    first: str
    second: str
    policy: str
    lines: tuple[str, str]
    images: Images


@dataclass(frozen=True)
class LabelDiff:
    """What differs between two maps; the worst first."""

    pairs: Sequence[Pair]
    counts: LabelCounts
    notes: Sequence[str]
    settings: Mapping[str, object]

    def table(self) -> list[tuple[str, int, int, str]]:
        """Return relation, labels, images, and what it means."""
        rows = []
        for relation, meaning in RELATIONS.items():
            pairs = [pair for pair in self.pairs if pair.relation == relation]
            if pairs:
                images = self.counts.of({(p.sources[0], p.label) for p in pairs}).number
                rows.append((relation, len(pairs), images, meaning))
        return rows

    def worst(self) -> list[Pair]:
        """Return the pairs of different taxa."""
        return [pair for pair in self.pairs if pair.relation in _WORST]

    @property
    def contradictions(self) -> int:
        """How many labels mean different things in the two maps."""
        return sum(pair.relation in _CONTRADICTS for pair in self.pairs)


def compare_maps(
    a: Path | str,
    b: Path | str,
    *,
    same: Mapping[str, str] | None = None,
    taxonomies: Sequence[Taxonomy] = (),
    counts: Path | None = None,
) -> LabelDiff:
    """Compare two maps.

    Args:
        a: The first.
        b: The second.
        same: Sources of the first -> what the second calls them.
        taxonomies: Checklists that know synonyms and lineages.
        counts: Images by label of the first; found beside it if not given.
    """
    first, second = read_label_map(a), read_label_map(b)
    called = dict(same or {})
    for mine, theirs in called.items():
        for name, known in ((mine, first.sources), (theirs, second.sources)):
            if name not in known:
                raise InputError(f"--same {mine}={theirs}: no source {name}; there are {known}")
    table = read_counts(first, counts or find_counts(existing(a)))
    witness = Witness(first, taxonomies)
    taken: set[tuple[str, str]] = set()
    by_both, by_label = _index(second)
    pairs: list[Pair] = []
    for key, target in first.targets.items():
        word = key_of(target.label)
        source = called.get(target.source, target.source)
        found = by_both.get((source, word))
        others = [found] if found else [] if source in second.sources else by_label.get(word, [])
        if not others:
            pairs.append(_alone("only in first", target, table.of([key])))
            continue
        taken |= {(other.source, other.label) for other in others}
        seen: dict[tuple[str, str], LabelTarget] = {}
        for other in others:  # where a label alone decides, one row for each different answer
            seen.setdefault((lineage_text(other), _policy(target, other)), other)
        pairs += [
            _pair(witness, target, other, "source" if found else "label", table, key)
            for other in seen.values()
        ]
    pairs += [
        _alone("only in second", target, Images(0))
        for key, target in second.targets.items() if key not in taken
    ]  # fmt: skip
    order = {relation: number for number, relation in enumerate(RELATIONS)}
    pairs.sort(key=lambda p: (order[p.relation], -p.images.number, p.label, p.sources))
    notes = _notes(first, second, called, taxonomies, table)
    settings = {
        "first": str(a), "second": str(b), "same": called, "counts": str(table.path or ""),
        "taxonomies": [t.lock.as_dict() for t in taxonomies],
    }  # fmt: skip
    return LabelDiff(pairs, table, notes, settings)


def _index(
    labels: LabelMap,
) -> tuple[dict[tuple[str, str], LabelTarget], dict[str, list[LabelTarget]]]:
    """Return the targets by source and label, and by label alone."""
    both: dict[tuple[str, str], LabelTarget] = {}
    alone: dict[str, list[LabelTarget]] = defaultdict(list)
    for target in labels.targets.values():
        word = key_of(target.label)
        both.setdefault((target.source, word), target)
        alone[word].append(target)
    return both, alone


def _pair(
    witness: Witness, a: LabelTarget, b: LabelTarget, by: str, table: LabelCounts,
    key: tuple[str, str],
) -> Pair:  # fmt: skip
    """Return how two targets of one label stand to each other."""
    relation, policy = _relation(witness, a, b), _policy(a, b)
    if relation == "same" and policy:
        relation = "policy"
    return Pair(
        relation, a.label, by, (a.source, b.source), lineage_text(a), lineage_text(b), policy,
        (str(a.line), str(b.line)), table.of([key]),
    )  # fmt: skip


def _alone(relation: str, target: LabelTarget, images: Images) -> Pair:
    """Return a label that one map has alone."""
    there = relation == "only in first"
    sides = (target.source, lineage_text(target), str(target.line))
    source, text, line = sides
    return Pair(
        relation, target.label, "", (source, "") if there else ("", source),
        text if there else "", "" if there else text, "", (line, "") if there else ("", line),
        images,
    )  # fmt: skip


def _relation(witness: Witness, a: LabelTarget, b: LabelTarget) -> str:
    """Return how the taxa of two targets stand to each other."""
    if not a.lineage and not b.lineage:
        return "same" if a.kind == b.kind else "policy"
    if not a.lineage or not b.lineage:
        bare = b if a.lineage else a
        named = a if a.lineage else b
        if bare.kind == "living":
            return "same" if bare.called.casefold() == named.name.casefold() else "no lineage"
        return "taxon or not" if named.kind == "living" else "policy"
    mine, theirs = kingdom_of(a.lineage.values()), kingdom_of(b.lineage.values())
    common = below_kingdom(a.lineage.values()) & below_kingdom(b.lineage.values())
    if a.name.casefold() == b.name.casefold():
        apart = mine and theirs and mine != theirs and common <= {a.name.casefold()}
        return "same name, different branch" if apart else "same"
    if b.name.casefold() in _folded(a):
        return "first finer"
    if a.name.casefold() in _folded(b):
        return "second finer"
    for upper, lower, word in ((b, a, "first finer"), (a, b, "second finer")):
        for place in witness.places(lower.name):
            if witness.fits(lower, place) < 0:
                continue
            taxonomy = witness.taxonomies[place.number]
            nodes = taxonomy.find(upper.name).tolist()
            if any(taxonomy.accepted[n] == taxonomy.accepted[place.node] for n in nodes):
                return "synonym"
            if any(bool(taxonomy.is_ancestor(n, place.node)) for n in nodes):
                return word
    if transferred(a.name.casefold(), b.name.casefold()):
        return "synonym"
    places = (*witness.places(a.name), *witness.places(b.name))
    known = any(
        shared_names(a.lineage.values(), p) and shared_names(b.lineage.values(), p) for p in places
    )
    beside = common or known or (mine == theirs and mine != "Animalia")
    return "side by side" if beside and not (mine and theirs and mine != theirs) else (
        "different branch"
    )  # fmt: skip


def _folded(target: LabelTarget) -> frozenset[str]:
    """Return the names of a lineage, folded."""
    return frozenset(name.casefold() for name in target.lineage.values())


def _policy(a: LabelTarget, b: LabelTarget) -> str:
    """Return how the two maps treat a label differently, in words."""
    told = []
    if a.kept is not None and b.kept is not None and a.kept != b.kept:
        told.append(f"{'kept' if a.kept else 'left out'} and {'kept' if b.kept else 'left out'}")
    if a.kind != b.kind:
        told.append(f"{a.kind} and {b.kind}")
    return ", ".join(told)


def _notes(
    first: LabelMap, second: LabelMap, same: Mapping[str, str], taxonomies: Sequence[Taxonomy],
    table: LabelCounts,
) -> list[str]:  # fmt: skip
    """Return what the reader should know."""
    notes = []
    for name, labels in (("first", first), ("second", second)):
        if labels.faults:
            notes.append(f"{len(labels.faults):,} rows of the {name} map were set aside")
    both = {same.get(s, s) for s in first.sources} & set(second.sources)
    if len(both) < len(second.sources):
        notes.append(
            f"{len(both)} sources are in both maps; labels of the others are compared by label "
            "alone (--same NAME=NAME says that two sources are one)"
        )
    if not taxonomies:
        notes.append("no checklist was given (--taxonomy): synonyms are not known")
    if table.path is None:
        notes.append("no counts of images were given or found beside the first map: --counts TABLE")
    return notes


def write_diff(done: LabelDiff, path: Path) -> None:
    """Write the table of all labels, and its stamp beside it."""
    rows = [
        (
            p.relation, p.images.number, "at most" if p.images.at_most else "", p.by, p.label,
            *p.sources, p.first, p.second, p.policy, *p.lines,
        )
        for p in done.pairs
    ]  # fmt: skip
    write_delimited(path, COLUMNS, rows, "\t")
    what = stamp(_FORMAT, _VERSION, run_id("labels-diff", dict(done.settings)))
    stamp_beside(path, what, {"found": {row[0]: row[1] for row in done.table()}})
