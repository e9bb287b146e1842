"""The order of the tree: from parents in any order to pre-order, level by level.

Pure arrays, so that five million names take seconds. Circles are cut, synonyms of synonyms are
followed, and every row that could not be placed is named with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.taxonomy.tree import FIRST_SYNONYM_STATUS, NONE, STATUSES

__all__ = ["Arranged", "arrange"]

_ABSENT = -2  # a link that was given and leads nowhere
_DEEPEST = 32_767  # what int16 can count
_LONGEST_CHAIN = 32  # synonyms of synonyms of synonyms ...

Rows = NDArray[np.int64]


@dataclass
class Arranged:
    """Rows in their final order.

    Attributes:
        rows: The input row of each output row.
        parent: int32, in output rows, -1 for roots.
        accepted: int32, in output rows.
        end: int32, for taxa.
        depth: int16, for taxa.
        status: uint8, after what the links say.
        problems: Input row and reason.
    """

    rows: Rows
    parent: NDArray[np.int32]
    accepted: NDArray[np.int32]
    end: NDArray[np.int32]
    depth: NDArray[np.int16]
    status: NDArray[np.uint8]
    problems: list[tuple[int, str]] = field(default_factory=list)


def arrange(parent: Rows, accepted: Rows, name: Rows, status: Rows, rank: Rows) -> Arranged:
    """Put taxa into pre-order and synonyms behind them.

    Args:
        parent: Input row of the parent, -1 for none, -2 for one that is missing.
        accepted: Input row of the accepted usage, likewise; -1 for accepted rows.
        name: Number of the name in byte order, -1 for no name.
        status: Number in `STATUSES` by the source's word.
        rank: Number of the rank, which orders siblings of the same name.
    """
    problems: list[tuple[int, str]] = []
    accepted, is_taxon, is_synonym = _roles(accepted, name, status, problems)
    parent = _parents(parent, accepted, is_taxon, problems)
    levels = _levels(parent, is_taxon, problems)
    place, size = _pre_order(parent, levels, name, rank)

    taxa = np.flatnonzero(is_taxon)
    taxa = taxa[np.argsort(place[taxa], kind="stable")]
    synonyms = np.flatnonzero(is_synonym)
    synonyms = synonyms[np.lexsort((synonyms, name[synonyms], place[accepted[synonyms]]))]
    rows = np.concatenate([taxa, synonyms])

    if len(levels) > _DEEPEST:
        raise InputError(f"the tree has {len(levels)} levels; at most {_DEEPEST} are possible")
    depth = np.zeros(len(parent), dtype=np.int16)
    for level, nodes in enumerate(levels):
        depth[nodes] = level
    above = np.where(parent[taxa] == NONE, NONE, place[parent[taxa]]).astype(np.int32)
    target = place[accepted[synonyms]].astype(np.int32)
    final = status[rows].copy()
    # The link decides what a row is; the word only says of which kind.
    final[: len(taxa)][final[: len(taxa)] >= FIRST_SYNONYM_STATUS] = STATUSES.index("doubtful")
    final[len(taxa) :][final[len(taxa) :] < FIRST_SYNONYM_STATUS] = FIRST_SYNONYM_STATUS
    return Arranged(
        rows=rows,
        parent=np.concatenate([above, above[target]]),
        accepted=np.concatenate([np.arange(len(taxa), dtype=np.int32), target]),
        end=(np.arange(len(taxa)) + size[taxa]).astype(np.int32),
        depth=depth[taxa],
        status=final.astype(np.uint8),
        problems=sorted(problems),
    )


def _roles(
    accepted: Rows, name: Rows, status: Rows, problems: list[tuple[int, str]]
) -> tuple[Rows, NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell taxa from synonyms, and follow synonyms to a taxon."""
    nameless = name < 0
    _note(problems, nameless, "no name; set aside")
    missing = (accepted == _ABSENT) & ~nameless
    _note(problems, missing, "synonym of a name that is not in the checklist; set aside")
    bare = (accepted == NONE) & (status >= FIRST_SYNONYM_STATUS) & ~nameless
    _note(problems, bare, "not accepted, and no accepted name is given; set aside")
    is_synonym = (accepted >= 0) & ~nameless
    is_taxon = (accepted == NONE) & ~nameless & ~bare

    accepted = accepted.copy()
    rows = np.flatnonzero(is_synonym)
    for _ in range(_LONGEST_CHAIN):
        chained = rows[is_synonym[accepted[rows]]]
        if not len(chained):
            break
        accepted[chained] = accepted[accepted[chained]]
    lost = np.zeros(len(name), dtype=bool)
    lost[rows] = ~is_taxon[accepted[rows]]
    _note(problems, lost, "synonym that leads to no accepted name; set aside")
    return accepted, is_taxon, is_synonym & ~lost


def _parents(
    parent: Rows, accepted: Rows, is_taxon: NDArray[np.bool_], problems: list[tuple[int, str]]
) -> Rows:
    """Return the parents of taxa as taxa or -1."""
    parent = np.where(is_taxon, parent, NONE)
    orphan = parent == _ABSENT
    _note(problems, orphan, "parent is not in the checklist; kept as a root")
    parent[orphan] = NONE
    under_other = np.flatnonzero(parent >= 0)
    under_other = under_other[~is_taxon[parent[under_other]]]
    resolved = accepted[parent[under_other]]
    good = resolved >= 0
    good[good] = is_taxon[resolved[good]] & (resolved[good] != under_other[good])
    mask = np.zeros(len(parent), dtype=bool)
    mask[under_other[good]] = True
    _note(problems, mask, "parent is a synonym; placed under its accepted name")
    mask[:] = False
    mask[under_other[~good]] = True
    _note(problems, mask, "parent was set aside; kept as a root")
    parent[under_other] = np.where(good, resolved, NONE)
    return parent


def _levels(
    parent: Rows, is_taxon: NDArray[np.bool_], problems: list[tuple[int, str]]
) -> list[Rows]:
    """Return the taxa level by level from the roots. Circles are cut at their first row."""
    children = np.flatnonzero(parent >= 0)
    children = children[np.argsort(parent[children], kind="stable")]
    first = np.searchsorted(parent[children], np.arange(len(parent) + 1))
    reached = ~is_taxon
    levels: list[Rows] = []

    def descend(nodes: Rows) -> None:
        level = 0
        while len(nodes):
            reached[nodes] = True
            if level == len(levels):
                levels.append(nodes)
            else:
                levels[level] = np.concatenate([levels[level], nodes])
            count = first[nodes + 1] - first[nodes]
            offset = np.cumsum(count) - count
            inside = np.arange(int(count.sum())) - np.repeat(offset, count)
            nodes = children[np.repeat(first[nodes], count) + inside]
            level += 1

    descend(np.flatnonzero(is_taxon & (parent == NONE)))
    while not reached.all():
        # What no root reaches hangs on a circle: walk up until a row comes back.
        node = int(np.argmin(reached))
        seen: set[int] = set()
        while node not in seen:
            seen.add(node)
            node = int(parent[node])
        circle = [node]
        while int(parent[circle[-1]]) != node:
            circle.append(int(parent[circle[-1]]))
        cut = min(circle)
        problems.append((cut, "is its own ancestor; the circle was cut here"))
        siblings = slice(first[parent[cut]], first[parent[cut] + 1])
        kept = children[siblings][children[siblings] != cut]
        # The cut row leaves its parent's list: the place left over repeats a reached row.
        _remove_child(children, first, int(parent[cut]), kept)
        parent[cut] = NONE
        descend(np.array([cut]))
    return levels


def _remove_child(children: Rows, first: Rows, parent: int, kept: Rows) -> None:
    """Take one child out of the flat lists."""
    begin = int(first[parent])
    children[begin : begin + len(kept)] = kept
    children[begin + len(kept) : -1] = children[begin + len(kept) + 1 :].copy()
    first[parent + 1 :] -= 1


def _pre_order(parent: Rows, levels: list[Rows], name: Rows, rank: Rows) -> tuple[Rows, Rows]:
    """Return the pre-order place of each taxon and the size of its subtree."""
    size = np.ones(len(parent), dtype=np.int64)
    for nodes in reversed(levels[1:]):
        size += np.bincount(parent[nodes], weights=size[nodes], minlength=len(parent)).astype(
            np.int64
        )
    place = np.full(len(parent), NONE, dtype=np.int64)
    for nodes in levels:
        above = parent[nodes]
        order = np.lexsort((nodes, rank[nodes], name[nodes], above))
        nodes, above = nodes[order], above[order]  # noqa: PLW2901
        before = np.cumsum(size[nodes]) - size[nodes]
        is_first = np.ones(len(nodes), dtype=bool)
        is_first[1:] = above[1:] != above[:-1]
        group = np.maximum.accumulate(np.where(is_first, np.arange(len(nodes)), 0))
        start = np.where(above == NONE, NONE, place[above])
        place[nodes] = start + 1 + before - before[group]
    return place, size


def _note(problems: list[tuple[int, str]], mask: NDArray[np.bool_], reason: str) -> None:
    problems.extend((int(row), reason) for row in np.flatnonzero(mask))
