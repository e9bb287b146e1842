"""Proposing a map of labels: each label taken apart, its name looked up, each answer with a reason.

A name is looked up as a whole and to the letter: never by its beginning, and never in another
spelling, for *Cladoceramus* is no water flea. Whatever does not decide is left open, with what it
could be:

- A name that several taxa carry is decided by the parent that the label gives, else by the other
  labels of its source, if nine in ten of those that are decided lie with one candidate.
- A name that stands there only in another spelling is told, and not taken.
- A word written small that is a genus is a word in a source that writes its genera large
  (*helix*), and a genus in one that does not.
- Where a species is missing, its genus is proposed, and the epithet kept as a doubt.

English words of groups ("copepod", "siphonophore_calycophoran") are read by their endings, for
taxa above the genus alone, and say so.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from merian.taxonomy.beside import take_beside
from merian.taxonomy.candidates import Hints
from merian.taxonomy.label_kinds import MULTIPLE, dead_kind, words_of
from merian.taxonomy.label_map import LabelTarget
from merian.taxonomy.match import Match, match_label
from merian.taxonomy.names import Label, read_labels
from merian.taxonomy.ranks import MAIN_RANKS, RANK_NUMBER
from merian.taxonomy.tree import NONE, Node, Taxonomy
from merian.taxonomy.vocabulary import LIFE_STAGES, PARTS

__all__ = ["RawLabel", "propose"]

_GENUS, _SPECIES = RANK_NUMBER["genus"], RANK_NUMBER["species"]
_DECIDES = 0.9  # the share of a source's other labels that decides between homonyms
_ENOUGH = 10  # of them, at least
_PREFIX_SHARE = 0.8  # of a source's labels that begin alike: a prefix of the software
_CODES = re.compile(r"^(?:[A-Z][a-z]{0,2}\.(?=\S))?(?:\d+[._])?(?=[^\W\d])|(?<=[^\W\d])_\d+$")
_SHOWN = 5  # candidates listed


@dataclass(frozen=True)
class RawLabel:
    """A label as a source writes it, and how many records carry it."""

    source: str
    label: str
    count: int | None = None


@dataclass
class _Asked:
    """A label on its way.

    Attributes:
        raw: As it came.
        text: Without the prefix of its source.
        label: What was read in it.
        match: What the checklist says.
        why: What was done to find it, in words.
        remark: What a person should look at.
    """

    raw: RawLabel
    text: str
    label: Label
    match: Match
    why: str = ""
    remark: str = ""

    @property
    def node(self) -> Node:
        """The accepted taxon, or -1; a spelling that is only near is none."""
        return self.match.accepted if self.match.match_type in ("EXACT", "HIGHERRANK") else NONE


def propose(taxonomy: Taxonomy, labels: Iterable[RawLabel]) -> list[LabelTarget]:
    """Return a proposal for each label, in the order of sources and labels."""
    raws = sorted({(raw.source, raw.label): raw for raw in labels}.values(), key=_key)
    prefix = _prefixes(raws)
    texts = [_text(raw, prefix[raw.source]) for raw in raws]
    asked = [
        _ask(taxonomy, raw, text, label)
        for raw, text, label in zip(raws, texts, read_labels(texts), strict=True)
    ]
    by_source: dict[str, list[_Asked]] = defaultdict(list)
    for one in asked:
        by_source[one.raw.source].append(one)
    for ones in by_source.values():
        _doubt_small_words(taxonomy, ones)
        _settle_homonyms(taxonomy, ones)
        _mark_strangers(taxonomy, ones)
    return [_target(taxonomy, one, line) for line, one in enumerate(asked, start=2)]


def _key(raw: RawLabel) -> tuple[str, str]:
    return raw.source, raw.label


def _prefixes(raws: Sequence[RawLabel]) -> dict[str, str]:
    """Return by source what nearly all its labels begin with, up to an underscore or a dot."""
    found = {}
    by_source: dict[str, list[str]] = defaultdict(list)
    for raw in raws:
        by_source[raw.source].append(raw.label)
    for source, labels in by_source.items():
        heads = Counter(head for label in labels if (head := _head(label)))
        head, times = heads.most_common(1)[0] if heads else ("", 0)
        common = len(labels) >= _ENOUGH and times >= _PREFIX_SHARE * len(labels)
        found[source] = head if common else ""
    return found


def _head(label: str) -> str:
    found = re.match(r"[^\W\d_]+[_.]", label)
    return found.group() if found else ""


def _text(raw: RawLabel, prefix: str) -> str:
    """Return a label without its prefix, and without the codes that stand before a word."""
    text = raw.label.removeprefix(prefix) if prefix else raw.label
    return _CODES.sub("", text) if prefix else text


def _ask(taxonomy: Taxonomy, raw: RawLabel, text: str, label: Label) -> _Asked:
    """Look a label up as it is read; if it is nowhere, word by word."""
    found = match_label(taxonomy, label, Hints())
    node = found.node
    if node != NONE and taxonomy.rank[node] == _SPECIES and " " not in taxonomy.name_of(node):
        # A species of one word is a remark of a checklist, and no name: NCBI has "Copepod".
        found = replace(found, match_type="NONE", node=NONE, cause="not in the checklist", note="")
    one = _Asked(raw, text, label, found)
    if found.match_type == "EXACT" or found.cause == "homonym":
        return one
    if found.match_type == "HIGHERRANK" and " " in (label.name or ""):
        return one
    return _by_words(taxonomy, one) or one


def _by_words(taxonomy: Taxonomy, one: _Asked) -> _Asked | None:
    """Look up the single words of a label; they must lie on one line of the tree."""
    nodes: dict[str, Node] = {}
    words = [
        word for word in words_of(one.text)
        if not (word in LIFE_STAGES or word in PARTS or word in MULTIPLE or dead_kind(word))
    ]  # fmt: skip
    for word in words:
        for spelling in _spellings(word):
            taxa = {int(n) for n in taxonomy.accepted[taxonomy.find(spelling)]}
            above = {n for n in taxa if 0 < taxonomy.rank[n] < _GENUS}
            if len(taxa) == 1 and above:
                nodes[word] = above.pop()
                break
    if not nodes:
        return None
    for word in words:
        # A genus is believed where another word names a taxon that it is in.
        genera = {int(n) for n in taxonomy.accepted[taxonomy.find(word.capitalize())]}
        genera = {n for n in genera if any(taxonomy.is_ancestor(up, n) for up in nodes.values())}
        if word not in nodes and len(genera) == 1:
            nodes[word] = genera.pop()
    lowest = max(nodes.values(), key=lambda node: int(taxonomy.depth[node]))
    if not all(taxonomy.is_ancestor(node, lowest) for node in nodes.values()):
        told = ", ".join(f"{word} as {taxonomy.name_of(node)}" for word, node in nodes.items())
        note = f"its words name taxa that exclude each other: {told}"
        match = replace(
            one.match, match_type="NONE", node=NONE, cause="low confidence", note=note,
            alternatives=tuple(nodes.values()),
        )  # fmt: skip
        return replace(one, match=match)
    word = next(word for word, node in nodes.items() if node == lowest)
    name = taxonomy.name_of(lowest)
    exact = word == name.lower()
    why = f"the word {word!r}" if exact else f"the word {word!r} is English for {name}"
    match = replace(
        one.match, match_type="EXACT", node=lowest, cause=None, note="", alternatives=()
    )
    return replace(one, match=match, why=why, label=_beside(one.text))


def _spellings(word: str) -> list[str]:
    """Return a word as a taxon may be called, the sure spelling first."""
    stem = word.removesuffix("s")
    ends = [word, *(f"{stem}{end}" for end in ("a", "ae", "ea"))]
    if stem.endswith(("e", "an")):
        ends += [f"{stem.removesuffix('e').removesuffix('an')}{end}" for end in ("a", "ae", "ida")]
    return [end.capitalize() for end in ends]


def _beside(text: str) -> Label:
    """Return age and part of a label whose name was found by its words."""
    words = words_of(text)
    stage = next((LIFE_STAGES[word] for word in words if word in LIFE_STAGES), None)
    part = next((PARTS[word] for word in words if word in PARTS), None)
    rest = " ".join(take_beside(text).remarks) or None
    return Label(text, life_stage=stage, part=part, qualifier=rest)


def _doubt_small_words(taxonomy: Taxonomy, ones: Sequence[_Asked]) -> None:
    """Leave words open that are genera only if a small letter is read as a large one."""
    genera = [one for one in ones if _is_low(taxonomy, one.node)]
    # One found by its words has another taxon in its label that bears it out.
    small = [one for one in genera if one.text == one.text.lower() and not one.why]
    if 2 * len(small) >= len(genera) and len(small) > 1:
        return  # this source writes its genera small
    for one in small:
        name = taxonomy.name_of(one.match.node)
        note = f"{name} is a taxon, but {one.text!r} may be a mere word: names of its source "
        note += "are written large"
        one.match = replace(
            one.match, match_type="NONE", node=NONE, cause="low confidence", note=note,
            alternatives=(one.match.node,),
        )  # fmt: skip


def _is_low(taxonomy: Taxonomy, node: Node) -> bool:
    """Return whether a taxon is a genus or below; a clade stands anywhere."""
    return node != NONE and _GENUS <= taxonomy.rank[node] < RANK_NUMBER["clade"]


def _settle_homonyms(taxonomy: Taxonomy, ones: Sequence[_Asked]) -> None:
    """Decide between taxa of the same name by the other labels of the source."""
    decided = [one.node for one in ones if one.node != NONE]
    for one in ones:
        if one.match.cause != "homonym":
            continue
        taxa = sorted({int(taxonomy.accepted[node]) for node in one.match.alternatives})
        lines = [taxonomy.path(taxon) for taxon in taxa]
        # Where they part: the highest taxa that are above one of them and not above the others.
        shared = next(
            (i for i, level in enumerate(zip(*lines, strict=False)) if len(set(level)) > 1),
            min(map(len, lines)),
        )
        tops = [line[min(shared, len(line) - 1)] for line in lines]
        if len(set(tops)) < len(taxa):
            continue
        votes = [sum(bool(taxonomy.is_ancestor(top, node)) for node in decided) for top in tops]
        best = max(range(len(taxa)), key=votes.__getitem__)
        if votes[best] < _ENOUGH or votes[best] < _DECIDES * sum(votes):
            continue
        one.why = (
            f"of {len(taxa)} taxa of this name the one of {taxonomy.name_of(tops[best])}, as "
            f"{votes[best]} of {sum(votes)} other labels of its source"
        )
        others = tuple(taxon for taxon in taxa if taxon != taxa[best])
        one.match = replace(
            one.match, match_type="EXACT", node=taxa[best], cause=None, note="",
            alternatives=others,
        )  # fmt: skip


def _mark_strangers(taxonomy: Taxonomy, ones: Sequence[_Asked]) -> None:
    """Remark on a genus or species that is the only label of its source in its phylum.

    *Ciliata* is a genus of fishes, and among microscopic algae it means the ciliates.
    """
    decided = [one for one in ones if one.node != NONE]
    phyla = taxonomy.at_rank([one.node for one in decided], "phylum").tolist() if decided else []
    times = Counter(phyla)
    for one, phylum in zip(decided, phyla, strict=True):
        low = _is_low(taxonomy, one.node)
        if low and phylum != NONE and times[phylum] == 1 and len(decided) >= 2 * _ENOUGH:
            one.remark = f"the only label of its source in {taxonomy.name_of(phylum)}: look at it"


def _target(taxonomy: Taxonomy, one: _Asked, line: int) -> LabelTarget:
    """Return the row of a label."""
    raw, label, node = one.raw, one.label, one.node
    remarks = take_beside(one.text).remarks
    words = {*words_of(one.text)}
    doubt = (label.qualifier or "").removesuffix(" ".join(remarks)).rstrip("; ")
    flags = {"multiple", "like"}
    left = [word for word in remarks if word not in MULTIPLE | flags] if node != NONE else []
    kind = "living" if node != NONE else dead_kind(one.text) or "unsure"
    if (
        kind == "unsure"
        and one.match.cause == "placeholder"
        and not (label.life_stage or label.part or "like" in words or one.match.alternatives)
    ):
        kind = "unsure" if label.name else _wordless(one)
    decided = kind != "unsure"
    reason = _reason(taxonomy, one, kind)
    if one.match.match_type == "HIGHERRANK" and node != NONE and not doubt:
        name = taxonomy.name_of(one.match.node)
        doubt = (label.name or "").removeprefix(name).strip()
    return LabelTarget(
        raw.source, raw.label, _lineage(taxonomy, node), taxonomy.name_of(node) if node != NONE
        else kind, kind, "", None, {"checklist": (taxonomy.ids[node],)} if node != NONE else {},
        line,
        count=raw.count,
        authorship=(taxonomy.authorship[node] or "") if node != NONE else "",
        taxon_id=taxonomy.ids[node] if node != NONE else "",
        life_stage=label.life_stage or "",
        part=label.part or "",
        multiple=bool(words & MULTIPLE),
        like="like" in words,
        doubt=doubt if node != NONE else "",
        status="proposed",
        reason=reason,
        candidates="" if decided and not one.match.alternatives else _candidates(taxonomy, one),
        remarks="; ".join(filter(None, [" ".join(left), one.remark])),
    )  # fmt: skip


def _wordless(one: _Asked) -> str:
    """Return placeholder for a label of which nothing is left; else nobody can tell yet."""
    return "unsure" if re.search(r"[^\W\d_]{3}", one.text) else "placeholder"


def _reason(taxonomy: Taxonomy, one: _Asked, kind: str) -> str:
    """Return why a label is put where it is, in words."""
    match, node = one.match, one.match.node
    if one.node == NONE:
        if kind not in ("unsure", "living"):
            return (
                f"its words say {kind}" if kind != "placeholder" else "no word of it says a taxon"
            )
        if one.label.life_stage or one.label.part:
            told = one.label.life_stage or one.label.part
            if match.cause == "placeholder":
                return f"{told} of no taxon that it names"
        if match.match_type == "VARIANT":
            return f"only {taxonomy.name_of(node)} is like it, in another spelling"
        return "; ".join(filter(None, [match.cause, match.note]))
    parts = [one.why or "the name, to the letter"]
    if match.match_type == "HIGHERRANK":
        parts = [match.note.partition(";")[0] + f"; {taxonomy.name_of(node)} is"]
    if taxonomy.is_synonym(node):
        parts.append(f"{taxonomy.name_of(node)} is a synonym of it")
    if one.label.above and one.match.match_type == "EXACT":
        parts.append(f"within {one.label.above}")
    if "homonym" in match.note or "wider" in match.note:
        parts.append(match.note.partition("; '")[0])
    return "; ".join(parts)


def _lineage(taxonomy: Taxonomy, node: Node) -> dict[str, str]:
    """Return the names of the main ranks down to a taxon, and its own."""
    if node == NONE:
        return {}
    line = {taxonomy.rank_of(n): taxonomy.name_of(n) for n in taxonomy.path(node)}
    own = taxonomy.rank_of(node)
    found = {rank: name for rank, name in line.items() if rank in MAIN_RANKS and rank != own}
    return found | {own: taxonomy.name_of(node)}


def _candidates(taxonomy: Taxonomy, one: _Asked) -> str:
    """Return what a label could mean: id, name, rank and where it stands."""
    near = (one.match.node,) if one.match.match_type == "VARIANT" else ()
    taxa = dict.fromkeys(int(taxonomy.accepted[n]) for n in (*near, *one.match.alternatives))
    told = []
    for taxon in [*taxa][:_SHOWN]:
        above = [taxonomy.name_of(n) for n in taxonomy.path(taxon)[:-1]]
        where = " > ".join([*above[:1], *above[-1:]] if len(above) > 1 else above)
        told.append(
            f"{taxonomy.ids[taxon]} {taxonomy.name_of(taxon)} ({taxonomy.rank_of(taxon)}"
            f"{' of ' if where else ''}{where})"
        )
    more = len(taxa) - len(told)
    return " | ".join(told) + (f" | {more} more" if more > 0 else "")
