"""Matching a name to a checklist, and saying why when there is no match.

The answer has the shape of GBIF's match API, version 2: EXACT, VARIANT (another spelling),
HIGHERRANK (the name is missing; a taxon above it is there) or NONE, with a confidence and the
alternatives. A NONE says its cause, because "no match" hides four different things to do about
it. A name that several taxa carry is a homonym: without context that decides, no rank is
answered and the candidates are listed. A prefix is never a match.

Reference: https://techdocs.gbif.org/en/openapi/v1/species (match v2)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from merian.taxonomy.beside import take_beside
from merian.taxonomy.candidates import Choice, Hints, choose, same_author
from merian.taxonomy.names import Label, read_label
from merian.taxonomy.ranks import RANK_NUMBER, RANKS
from merian.taxonomy.spelling import variants
from merian.taxonomy.tree import CODES, NONE, STATUSES, Node, Taxonomy
from merian.taxonomy.vocabulary import ALSO_GENERA, PLACEHOLDERS

__all__ = ["CAUSES", "Hints", "Match", "match_label", "match_name"]

EXACT, VARIANT, HIGHERRANK, NO_MATCH = "EXACT", "VARIANT", "HIGHERRANK", "NONE"

# Why there is no match, and what a person can do about it.
CAUSES = {
    "homonym": "several taxa carry this name; give a higher rank, an author or a code",
    "low confidence": "only names that are too different, or that contradict the context",
    "placeholder": "this is no name of a taxon",
    "not in the checklist": "the checklist holds neither this name nor one like it",
    "no name": "nothing was given",
}

_ORDER = RANK_NUMBER["order"]
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d")
_NOT_ON_ITS_OWN = ("placeholder", "none", "identifier", "virus", "hybrid")


@dataclass(frozen=True)
class Match:
    """An answer.

    Attributes:
        verbatim: What was asked.
        match_type: EXACT, VARIANT, HIGHERRANK or NONE.
        node: The usage that matched (it may be a synonym), or -1.
        confidence: 0 to 100; of the spelling and the context, not of an identification.
        cause: Why there is none; a key of `CAUSES`.
        note: What decided, in words.
        alternatives: Other usages that were considered.
        label: What was read in the name.
    """

    verbatim: str
    match_type: str
    node: Node
    confidence: int
    taxonomy: Taxonomy = field(repr=False, compare=False)
    cause: str | None = None
    note: str = ""
    alternatives: tuple[Node, ...] = ()
    label: Label = field(default_factory=lambda: Label(""))

    @property
    def accepted(self) -> Node:
        """The accepted taxon of the match, or -1."""
        return NONE if self.node == NONE else int(self.taxonomy.accepted[self.node])

    def as_dict(self) -> dict[str, Any]:
        """Return the answer in the shape of GBIF's match API, version 2."""
        matched = self.node != NONE
        synonym = matched and self.taxonomy.is_synonym(self.node)
        answer: dict[str, Any] = {}
        if matched:
            answer["usage"] = _usage(self.taxonomy, self.node)
            if synonym:
                answer["acceptedUsage"] = _usage(self.taxonomy, self.accepted)
            answer["classification"] = [
                {
                    "key": self.taxonomy.ids[node],
                    "name": self.taxonomy.name_of(node),
                    "rank": self.taxonomy.rank_of(node).upper(),
                }
                for node in self.taxonomy.path(self.node)
            ]
        answer["synonym"] = synonym
        answer["diagnostics"] = {
            "matchType": self.match_type,
            "confidence": self.confidence,
            "issues": [self.cause] if self.cause else [],
            "note": self.note,
            "alternatives": [_usage(self.taxonomy, node) for node in self.alternatives],
        }
        answer["verbatim"] = self.verbatim
        answer["qualifier"] = self.label.qualifier
        answer["taxonomy"] = self.taxonomy.lock.as_dict()
        return answer


def _usage(taxonomy: Taxonomy, node: Node) -> dict[str, Any]:
    author = taxonomy.authorship[node]
    name = taxonomy.name_of(node)
    return {
        "key": taxonomy.ids[node],
        "name": f"{name} {author}".strip(),
        "canonicalName": taxonomy.names[int(taxonomy.canonical[node])],
        "authorship": author or None,
        "rank": taxonomy.rank_of(node).upper(),
        "code": CODES[taxonomy.code[node]].upper() or None,
        "status": STATUSES[taxonomy.status[node]].upper().replace(" ", "_"),
    }


def match_name(
    taxonomy: Taxonomy,
    name: str,
    *,
    rank: str | None = None,
    authorship: str | None = None,
    code: str | None = None,
    higher: Mapping[str, str] | None = None,
) -> Match:
    """Match one name.

    Args:
        taxonomy: The checklist.
        name: The name as it is written.
        rank: Its rank, where known.
        authorship: Its author, where it is not in the name.
        code: Its nomenclatural code.
        higher: Names above it by rank, ``{"kingdom": "Animalia", "family": "Apidae"}``.
    """
    hints = Hints.read(taxonomy, rank=rank, authorship=authorship, code=code, higher=higher)
    return match_label(taxonomy, read_label(name), hints)


def match_label(taxonomy: Taxonomy, label: Label, hints: Hints) -> Match:
    """Match what was read in a label."""
    label = _as_the_checklist_reads_it(taxonomy, label)
    none = Match(label.verbatim, NO_MATCH, NONE, 0, taxonomy, label=label)
    if label.kind in _NOT_ON_ITS_OWN or label.name is None:
        return _no_scientific_name(none, label, hints)
    hints = hints.with_label(taxonomy, label)
    choice = choose(taxonomy, taxonomy.find(label.name), hints)
    if choice.node != NONE:
        return _found(none, EXACT, choice, choice.score)
    if choice.homonym:
        return _homonym(none, choice)
    refused = choice.refused
    near = _match_variant(none, label, hints)
    if near is not None and near.node != NONE:
        return near
    above = _match_above(none, label, hints)
    if above is not None:
        return replace(above, alternatives=(*above.alternatives, *refused))
    if near is not None:
        return near
    if refused:
        return replace(
            none,
            cause="low confidence",
            note=f"{label.name} is in the checklist, but {choice.why}",
            alternatives=refused,
        )
    return replace(none, cause="not in the checklist", note=f"no {label.name} and none like it")


def _as_the_checklist_reads_it(taxonomy: Taxonomy, label: Label) -> Label:
    """Read what a label leaves open as the checklist has it.

    *Morpho cypris* is a butterfly, *Cirripedia cypris* an age of a barnacle: the name that is in
    the checklist is meant. The same holds for an epithet that is written large.
    """
    spelled = None
    if label.life_stage or label.part:
        spelled = " ".join(label.verbatim.replace("_", " ").split())
        if spelled.count(" ") and len(taxonomy.find(spelled)):
            return Label(label.verbatim, name=spelled, kind="scientific")
    author = label.authorship or ""
    if label.name and " " not in label.name and author.isalpha():
        spelled = f"{label.name} {author.lower()}"
        if len(taxonomy.find(spelled)):
            return replace(label, name=spelled, rank="species", authorship=None)
    return label


def _found(none: Match, kind: str, choice: Choice, confidence: int, note: str = "") -> Match:
    notes = [n for n in (note, choice.why) if n]
    if none.label.qualifier:
        notes.append(f"{none.label.qualifier!r} is kept as a qualifier")
    return replace(
        none,
        match_type=kind,
        node=choice.node,
        confidence=max(0, min(100, confidence)),
        note="; ".join(notes),
        alternatives=choice.others,
    )


def _homonym(none: Match, choice: Choice) -> Match:
    return replace(
        none,
        cause="homonym",
        note=f"{len(choice.others)} taxa carry this name and nothing decides between them",
        alternatives=choice.others,
    )


def _no_scientific_name(none: Match, label: Label, hints: Hints) -> Match:
    """Answer what is no scientific name: an identifier, a virus, a placeholder."""
    taxonomy = none.taxonomy
    text = " ".join((label.concept or label.verbatim).split())
    node = taxonomy.find_id(text) if label.kind == "identifier" else NONE
    if node != NONE:
        return _found(none, EXACT, Choice(node, 100), 100, "matched by its identifier")
    # Checklists also hold what no code governs; its own spelling must fit to the letter.
    # A lower-case taxon ("copepoda") looks like a placeholder until the checklist knows it; but
    # "nauplius" is an age, and no daisy of the genus *Nauplius*.
    core = take_beside(label.verbatim).rest
    other: tuple[Node, ...] = ()
    for spelling in dict.fromkeys([text, text.capitalize(), core, core.capitalize()]):
        found = taxonomy.find(spelling) if spelling else ()
        if spelling != text and (spelling.lower() in ALSO_GENERA | PLACEHOLDERS):
            other = tuple(int(node) for node in found)
            continue
        choice = choose(taxonomy, found, hints)
        if choice.node != NONE:
            return _found(none, EXACT, choice, choice.score - (spelling != text))
        if choice.homonym:
            return _homonym(none, choice)
    none = replace(none, alternatives=other)
    above = _match_hints(none, hints)
    if above is not None:
        return above
    if label.kind == "none":
        return replace(none, cause="no name", note="nothing was given")
    if label.kind == "placeholder":
        return replace(none, cause="placeholder", note=f"{text!r} names no taxon")
    return replace(none, cause="not in the checklist", note=f"{label.kind} {text!r}")


def _match_variant(none: Match, label: Label, hints: Hints) -> Match | None:
    """Match another spelling; None if there is none."""
    taxonomy = none.taxonomy
    assert label.name is not None
    near = variants(taxonomy.names, label.name)
    if not near:
        return None
    nodes = [int(n) for v in near for n in taxonomy.rows_of_name(v.row)]
    choice = choose(taxonomy, nodes, hints)
    if choice.node == NONE:
        others = choice.others or choice.refused
        why = choice.why
        note = f"names like {label.name} are in the checklist, but {why}"
        if choice.others:
            note = f"{len(others)} names are as near as each other"
        return replace(none, cause="low confidence", note=note, alternatives=others)
    found = taxonomy.names[int(taxonomy.canonical[choice.node])]
    if " " not in label.name and not _confirmed(taxonomy, choice.node, hints):
        note = f"{found} is spelled nearly so, but nothing else says that it is meant"
        others = (choice.node, *choice.others)
        return replace(none, cause="low confidence", note=note, alternatives=others)
    confidence = choice.score - 4 * near[0].distance - (0 if " " in label.name else 4)
    return _found(none, VARIANT, choice, confidence, f"read as {found}")


def _confirmed(taxonomy: Taxonomy, node: Node, hints: Hints) -> bool:
    """Return whether more than the spelling speaks for a single word.

    One genus in ten is one or two letters away from a genus of quite other animals
    (*Rhinoceros*, *Rhinolekos*), so that a family, an order or the author must agree.
    """
    theirs = taxonomy.authorship[node]
    if hints.authorship and _YEAR.search(hints.authorship) and _YEAR.search(theirs):
        return same_author(hints.authorship, theirs)
    taxon = int(taxonomy.accepted[node])
    return any(
        level >= _ORDER and any(bool(taxonomy.is_ancestor(n, taxon)) for n in meant)
        for level, meant in hints.higher.items()
    )


def _match_above(none: Match, label: Label, hints: Hints) -> Match | None:
    """Match the species of a subspecies, the genus of a species, or what the context names."""
    assert label.name is not None
    words = label.name.split(" ")
    for length in range(len(words) - 1, 0, -1):
        name = " ".join(words[:length])
        found = none.taxonomy.find(name)
        # The first word of a binomial is a genus, and no phylum that is called the same.
        rank = RANK_NUMBER["genus" if length == 1 else "species"]
        choice = choose(none.taxonomy, found, replace(hints, rank=rank, authorship=None))
        if choice.node != NONE:
            note = f"{label.name} is not in the checklist"
            return _found(none, HIGHERRANK, choice, choice.score - 5, note)
        if choice.homonym:
            return _homonym(none, choice)
    if len(hints.within) == 1:
        note = f"{label.name} is not in the checklist"
        return _found(none, HIGHERRANK, Choice(hints.within[0], 90), 90, note)
    return _match_hints(none, hints)


def _match_hints(none: Match, hints: Hints) -> Match | None:
    """Match the lowest taxon that the context names, if what it names lies on one line."""
    nodes = [node for nodes in hints.higher.values() for node in nodes if len(nodes) == 1]
    if not nodes:
        return None
    taxonomy = none.taxonomy
    lowest = max(nodes, key=lambda node: int(taxonomy.depth[node]))
    if not all(taxonomy.is_ancestor(node, lowest) for node in nodes):
        return None
    rank = RANKS[taxonomy.rank[lowest]]
    return _found(none, HIGHERRANK, Choice(lowest, 90), 90, f"only its {rank} is known")
