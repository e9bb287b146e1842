"""What became of each taxon of a checklist in a newer version of it.

A taxon stays the same, moves under another one, changes its rank, is renamed, lumped with others,
split, or is gone; or it cannot be said which one it is now. A split is where a name goes on in a
narrower sense: one of its synonyms, or something that stood under it, now stands beside it as a
taxon of the same rank that the older version did not have. Of a record that says no more than the
name, it cannot be known which of them it is.

The comparison is of whole arrays; `outcome` tells of one usage what is to be done and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.taxonomy.counterparts import EVIDENCE, Counterparts, counterparts, rank_above
from merian.taxonomy.ranks import MAIN_RANKS, RANKS
from merian.taxonomy.tree import NONE, STATUSES, Node, Taxonomy

__all__ = ["KINDS", "Comparison", "Outcome", "compare", "outcome"]

KINDS = (
    "same", "moved", "rank changed", "renamed", "lumped", "split", "ambiguous", "gone",
)  # fmt: skip
"""What may become of a taxon; where several hold, the last of them is told."""

_SAME, _MOVED, _RANK, _RENAMED, _LUMPED, _SPLIT, _AMBIGUOUS, _GONE = range(len(KINDS))
_WEAK = np.array([status in ("ambiguous synonym", "misapplied") for status in STATUSES])

Nodes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two versions of a checklist beside each other.

    Attributes:
        old: The older one.
        new: The newer one.
        target: int32[old rows]; the taxon of the newer one that each usage means, or -1.
        kind: uint8[old taxa]; what became of each taxon, a place in `KINDS`.
        moved: bool[old taxa]; stands under another taxon, whatever else became of it.
        candidates: Of what is split, ambiguous or gone: the taxa that may be meant.
        links: How usages found their counterparts.
    """

    old: Taxonomy
    new: Taxonomy
    target: Nodes
    kind: NDArray[np.uint8]
    moved: NDArray[np.bool_]
    candidates: Mapping[int, tuple[int, ...]]
    links: Counterparts

    def counts(self) -> dict[str, int]:
        """Return how many taxa there are of each kind."""
        found = np.bincount(self.kind, minlength=len(KINDS)).tolist()
        return dict(zip(KINDS, found, strict=True))


@dataclass(frozen=True)
class Outcome:
    """What became of one usage.

    Attributes:
        kind: One of `KINDS`.
        node: The taxon that it is now; -1 where that cannot be decided.
        candidates: Then: those that it may be.
        why: In words.
    """

    kind: str
    node: Node
    candidates: tuple[Node, ...]
    why: str


def compare(old: Taxonomy, new: Taxonomy) -> Comparison:
    """Compare two versions of a checklist."""
    links = counterparts(old, new)
    target = np.where(links.usage >= 0, new.accepted[links.usage], NONE).astype(np.int32)
    own = target[: old.taxa]
    there = own >= 0
    at = np.maximum(own, 0)
    rank, name = old.rank[: old.taxa], links.name[old.canonical[: old.taxa]]
    of_rank = there & (rank == new.rank[at])
    # How many taxa of its own rank each new taxon was before.
    before = np.bincount(own[of_rank], minlength=new.taxa)
    lumped = there & (before[at] - of_rank > 0)
    renamed = there & (new.canonical[at] != name)
    ranked = there & (rank != new.rank[at]) & (rank > 0) & (new.rank[at] > 0)
    moved = _moved(old, new, target)
    parts = _parts(old, new, target, links, before)
    kind = np.full(old.taxa, _SAME, dtype=np.uint8)
    for number, holds in (
        (_MOVED, moved), (_RANK, ranked), (_RENAMED, renamed), (_LUMPED, lumped),
    ):  # fmt: skip
        kind[holds] = number
    kind[~there] = _GONE
    candidates = {}
    for row, usages in links.candidates.items():
        taxa = sorted({int(new.accepted[usage]) for usage in usages})
        candidates[row] = tuple(taxa)
        # The same name, or the same id: which one cannot be said. Else merely one like it.
        if row < old.taxa and any(new.canonical[u] == name[row] for u in usages):
            kind[row] = _AMBIGUOUS
    for row, others in parts.items():
        if there[row]:
            kind[row] = _SPLIT
            candidates[row] = tuple(sorted({int(own[row]), *others}))
        else:
            candidates[row] = tuple(sorted({*candidates.get(row, ()), *others}))
    return Comparison(old, new, target, kind, moved, candidates, links)


def _moved(old: Taxonomy, new: Taxonomy, target: Nodes) -> NDArray[np.bool_]:
    """Return which taxa stand under another one at the lowest main rank that both versions name.

    A rank that was put in between or left out moves nothing.
    """
    rows = np.flatnonzero(target[: old.taxa] >= 0)
    moved = np.zeros(old.taxa, dtype=bool)
    for rank in reversed(MAIN_RANKS[:-1]):
        ours, theirs = rank_above(old, rows, rank), rank_above(new, target[rows], rank)
        ours = np.where(ours >= 0, target[ours], NONE)
        both = (ours >= 0) & (theirs >= 0)
        moved[rows[both]] = ours[both] != theirs[both]
        rows = rows[~both]
    return moved


def _parts(
    old: Taxonomy, new: Taxonomy, target: Nodes, links: Counterparts, before: NDArray[np.int64]
) -> dict[int, tuple[int, ...]]:
    """Return the taxa that have left each taxon to stand beside it, none of which was before."""
    rows = np.flatnonzero(target >= 0)
    synonym = rows >= old.taxa
    # A synonym must have become a name in use, and have been one without reserve.
    rows = rows[~synonym | ((links.usage[rows] < new.taxa) & ~_WEAK[old.status[rows]])]
    whole = np.where(rows >= old.taxa, old.accepted[rows], old.parent[rows])
    rows, whole = rows[whole >= 0], whole[whole >= 0]
    stays = target[whole]
    level = np.where(stays >= 0, new.rank[np.maximum(stays, 0)], old.rank[whole])
    beside = np.full(len(rows), NONE, dtype=np.int32)
    for rank in np.unique(level).tolist():
        if rank:
            here = level == rank
            beside[here] = new.at_rank(target[rows[here]], rank)
    at = np.maximum(beside, 0)
    left = (beside >= 0) & (beside != stays) & (before[at] == 0)
    found: dict[int, set[int]] = {}
    for row, part in zip(whole[left].tolist(), beside[left].tolist(), strict=True):
        found.setdefault(row, set()).add(part)
    return {row: tuple(sorted(parts)) for row, parts in found.items()}


def outcome(compared: Comparison, row: int) -> Outcome:
    """Tell what became of one usage of the older version.

    A synonym is followed by its own name: what was called so is what the newer version calls so.
    """
    old, new = compared.old, compared.new
    taxon = int(old.accepted[row])
    if row < old.taxa:
        return _of_taxon(compared, row)
    now = int(compared.target[row])
    if now == NONE and row in compared.candidates:
        return Outcome(
            "ambiguous", NONE, compared.candidates[row],
            f"{old.name_of(row)} leads to several taxa, or to one elsewhere in the tree",
        )  # fmt: skip
    whole = _of_taxon(compared, taxon)
    if now == NONE:
        why = f"{old.name_of(row)} is not in it; it was a name of {old.name_of(taxon)}"
        return Outcome(whole.kind, whole.node, whole.candidates, f"{why}, which is: {whole.why}")
    if now == int(compared.target[taxon]):
        kind = "renamed" if whole.kind == "split" else whole.kind
        return Outcome(kind, now, (), f"{old.name_of(row)} is a name of {new.name_of(now)}")
    kind = "split" if whole.kind == "split" else "renamed"
    name, other = old.name_of(row), new.name_of(now)
    what = f"one of {other}" if other != name else "its own taxon"
    return Outcome(kind, now, (), f"{name} was a name of {old.name_of(taxon)} and is now {what}")


def _of_taxon(compared: Comparison, row: int) -> Outcome:
    old, new = compared.old, compared.new
    kind = KINDS[compared.kind[row]]
    now = int(compared.target[row])
    candidates = compared.candidates.get(row, ())
    by = EVIDENCE[compared.links.by[row]]
    if kind == "gone":
        why = "neither its name nor its id is there"
        if candidates:
            why += "; what is like it, or holds what stood under it, is listed"
        return Outcome(kind, NONE, candidates, why)
    if kind == "ambiguous":
        return Outcome(
            kind, NONE, candidates,
            "the name is there, but not surely for this taxon: several carry it, it is a synonym "
            "of a part only, it stands elsewhere in the tree, or its id says another one",
        )  # fmt: skip
    if kind == "split":
        others = ", ".join(new.name_of(node) for node in candidates if node != now)
        return Outcome(kind, NONE, candidates, f"what it was is now also {others} (found by {by})")
    why = f"found by {by}"
    if kind == "lumped":
        why = f"is now one with other taxa under {new.name_of(now)} ({why})"
    elif kind == "renamed":
        is_synonym = compared.links.usage[row] >= new.taxa
        why = ("its name is a synonym" if is_synonym else "its id has another name") + f" ({why})"
    elif kind == "rank changed":
        why = f"was a {old.rank_of(row)} and is a {RANKS[new.rank[now]]} ({why})"
    elif kind == "moved":
        why = f"stands under another taxon ({why})"
    if compared.moved[row] and kind != "moved":
        why += "; stands under another taxon"
    return Outcome(kind, now, (), why)
