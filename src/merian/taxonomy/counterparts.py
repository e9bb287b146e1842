"""Which usage of a newer checklist is meant by each usage of an older one.

Two kinds of evidence: the checklists' own ids, where both are of one authority that keeps them
(measured, not believed: ids that lead to other names while the name itself is still in use are
mere numbers of lines), and the name with its author, rank, code and place in the tree. Where the
evidence leads to several taxa, or to a name that stands elsewhere in the tree, nothing is chosen
and the candidates are kept. All names are looked up at once; only what is left without a
counterpart is looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.taxonomy.candidates import same_author
from merian.taxonomy.ranks import MAIN_RANKS, RANK_NUMBER, UNRANKED
from merian.taxonomy.strings import NamePool
from merian.taxonomy.tree import NONE, STATUSES, Taxonomy

__all__ = ["EVIDENCE", "Counterparts", "counterparts", "rank_above"]

Nodes = NDArray[np.int32]
Bools = NDArray[np.bool_]

EVIDENCE = ("", "id and name", "id", "name and author", "name")
"""What a counterpart was found by."""

_WEAK = np.array([status in ("ambiguous synonym", "misapplied") for status in STATUSES])
_SPECIES, _LOW = RANK_NUMBER["species"], ("order", "family")
_ENDING = re.compile(r"(?:us|um|a|is|e|os|on|er|ii?|ae)$")
_OPEN = re.compile(r"\d|\b(?:cf|aff|nr|near|sp|spp)\b|['?]")
_HALF = 0.5


@dataclass(frozen=True)
class Counterparts:
    """What was found.

    Attributes:
        usage: int32[old rows]; the usage of the newer checklist, -1 where none is sure.
        by: uint8[old rows]; the evidence, a place in `EVIDENCE`.
        candidates: Of rows without one: the usages that might be meant.
        name: int32[old names]; the same name among those of the newer checklist, or -1.
        shared_ids: How many ids of the older one the newer has.
        ids_trusted: Whether they count as evidence.
    """

    usage: Nodes
    by: NDArray[np.uint8]
    candidates: Mapping[int, tuple[int, ...]]
    name: Nodes
    shared_ids: int
    ids_trusted: bool


def counterparts(old: Taxonomy, new: Taxonomy) -> Counterparts:
    """Find the counterpart of every usage of a checklist in another version of it."""
    name = new.names.find_all([*old.names.strings])
    wanted = np.where(old.canonical >= 0, name[old.canonical], NONE)
    by_id, shared, trusted = _by_id(old, new, wanted)
    row, usage = _pairs(old, new, name, wanted)
    count = np.bincount(row, minlength=len(old))
    key, doubtful = _worth(old, new, name, row, usage, by_id)
    best, tied = _best(row, key, new.accepted[usage], len(old))
    # What stands behind the last pair is meant where there is none.
    usage_at, doubt_at, key_at = (np.append(column, 0) for column in (usage, doubtful, key))
    found = np.where(best >= 0, usage_at[best], NONE).astype(np.int32)
    refused = (best >= 0) & ((doubt_at[best] > 0) | tied | _WEAK[new.status[usage_at[best]]])
    # Two witnesses that contradict each other decide nothing.
    told = by_id >= 0
    agree = told & (found >= 0) & (new.accepted[by_id] == new.accepted[found])
    against = told & (found >= 0) & ~refused & ~agree
    found = np.where(told & ((best < 0) | (refused & ~against)), by_id, found)
    refused &= ~told
    by = np.select([agree, told, key_at[best] % _SURE >= 2 * _AUTHOR], [1, 2, 3], 4).astype(
        np.uint8
    )
    lost = refused | against
    found[lost] = NONE
    candidates = _listed(np.flatnonzero(lost), count, usage, by_id)
    candidates |= _alike(old, new, np.flatnonzero(found[: old.taxa] == NONE), candidates)
    by[found == NONE] = 0
    return Counterparts(found.astype(np.int32), by, candidates, name, shared, trusted)


def rank_above(taxonomy: Taxonomy, rows: NDArray[np.integer], rank: str) -> Nodes:
    """Return the taxon of a rank that stands above each row, itself not counted; or -1."""
    above = taxonomy.parent[rows]
    return np.where(above == NONE, NONE, taxonomy.at_rank(np.maximum(above, 0), rank))


def _by_id(old: Taxonomy, new: Taxonomy, wanted: Nodes) -> tuple[Nodes, int, bool]:
    """Return the usage of the same id, how many there are, and whether ids can be trusted."""
    ids = [*old.ids]
    found = NamePool.index(new.ids).find_all(ids)
    if len(new.retired_ids):
        retired = NamePool.index(new.retired_ids).find_all(ids)
        found = np.where((found == NONE) & (retired >= 0), new.retired_row[retired], found)
    found[np.diff(old.ids.start) <= 1] = NONE  # no id is the same as no id
    shared = found >= 0
    total = int(shared.sum())
    other = shared & (new.canonical[found] != wanted)
    in_use = np.zeros(len(new.names) + 1, dtype=bool)
    in_use[new.canonical[: new.taxa]] = True
    in_use[-1] = False
    elsewhere = int((other & in_use[wanted]).sum())
    others = int(other.sum())
    trusted = bool(total) and others <= _HALF * total and elsewhere <= _HALF * others
    none = np.full(len(old), NONE, np.int32)
    return (found.astype(np.int32) if trusted else none), total, trusted


def _pairs(
    old: Taxonomy, new: Taxonomy, name: Nodes, wanted: Nodes
) -> tuple[NDArray[np.int64], Nodes]:
    """Return all pairs of an old row and a new one of the same name, by old row.

    *Beroe* aff. *abyssicola* is found under *Beroe abyssicola* and is not it: what leaves
    something open, or is told apart by a number, must be the same to the letter.
    """
    at = np.maximum(wanted, 0)
    count = np.where(wanted >= 0, new.first_of_name[at + 1] - new.first_of_name[at], 0)
    row = np.repeat(np.arange(len(wanted)), count)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    usage = new.rows_by_name[new.first_of_name[at[row]] + place]
    letters = name[old.name[row]] == new.name[usage]
    keep = letters | ~(_is_open(old)[row] | _is_open(new)[usage])
    return row[keep], usage[keep]


def _is_open(taxonomy: Taxonomy) -> Bools:
    """Return which usages have a name that is not wholly read as one."""
    found = np.zeros(len(taxonomy), dtype=bool)
    rows = np.flatnonzero((taxonomy.name != taxonomy.canonical) & (taxonomy.name >= 0))
    texts = taxonomy.names.strings.take(taxonomy.name[rows])
    found[rows] = [_OPEN.search(text) is not None for text in texts]
    return found


# What counts more comes first; each step is larger than all below it together.
_ID, _SURE, _AUTHOR, _PLACE, _RANK, _STRONG = 10**9, 10**8, 10**6, 10**3, 10, 2


def _worth(
    old: Taxonomy,
    new: Taxonomy,
    name: Nodes,
    row: NDArray[np.int64],
    usage: Nodes,
    by_id: Nodes,
) -> tuple[NDArray[np.int64], Bools]:
    """Return how much speaks for each pair, and which pairs are doubtful."""
    code = (old.code[row] > 0) & (new.code[usage] > 0) & (old.code[row] != new.code[usage])
    author = _authors(old, new, row, usage)
    agree, against, low = (np.zeros(len(row), dtype=np.int64) for _ in range(3))
    for rank in MAIN_RANKS[:-1]:
        ours, theirs = rank_above(old, row, rank), rank_above(new, usage, rank)
        ours = np.where(ours >= 0, name[old.canonical[ours]], NONE)
        theirs = np.where(theirs >= 0, new.canonical[theirs], NONE)
        both = (ours >= 0) & (theirs >= 0)
        agree += both & (ours == theirs)
        against += both & (ours != theirs)
        if rank in _LOW:
            low += both & (ours != theirs)
    same_id = by_id[row] == usage
    doubtful = code | ((agree == 0) & (against > 0) & (author < 2)) | ((author == 0) & (low > 0))
    doubtful &= ~same_id
    a, b = old.rank[row].astype(int), new.rank[usage].astype(int)
    near = (a == UNRANKED) | (b == UNRANKED) | ((a > _SPECIES) & (b > _SPECIES))
    level = np.where(a == b, 2, near)
    strong = ~_WEAK[new.status[usage]]
    key = same_id * _ID + ~doubtful * _SURE + author * _AUTHOR
    key += (agree - against + len(MAIN_RANKS)) * _PLACE
    key += level * _RANK + strong * _STRONG + (usage < new.taxa)
    return key.astype(np.int64), doubtful


def _authors(
    old: Taxonomy, new: Taxonomy, row: NDArray[np.int64], usage: Nodes
) -> NDArray[np.int64]:
    """Return 3 where authors are the same to the letter, 2 as read, 1 unknown, 0 others."""
    given = (np.diff(old.authorship.start)[row] > 1) & (np.diff(new.authorship.start)[usage] > 1)
    grade = np.ones(len(row), dtype=np.int64)
    asked = np.flatnonzero(given)
    ours, theirs = old.authorship.take(row[asked]), new.authorship.take(usage[asked])
    known: dict[tuple[str, str], int] = {}
    for place, pair in zip(asked.tolist(), zip(ours, theirs, strict=True), strict=True):
        found = known.get(pair)
        if found is None:
            found = 3 if pair[0] == pair[1] else 2 * same_author(*pair)
            known[pair] = found
        grade[place] = found
    return grade


def _best(
    row: NDArray[np.int64], key: NDArray[np.int64], taxon: Nodes, rows: int
) -> tuple[NDArray[np.int64], Bools]:
    """Return the best pair of each row (-1: none), and where others are as good for other taxa."""
    order = np.lexsort((-key, row))
    first = np.ones(len(order), dtype=bool)
    first[1:] = row[order[1:]] != row[order[:-1]]
    best = np.full(rows, NONE, dtype=np.int64)
    best[row[order[first]]] = order[first]
    rival = (key == key[best[row]]) & (taxon != taxon[best[row]])
    tied = np.zeros(rows, dtype=bool)
    tied[row[rival]] = True
    return best, tied


def _listed(
    rows: NDArray[np.int64], count: NDArray[np.int64], usage: Nodes, by_id: Nodes
) -> dict[int, tuple[int, ...]]:
    """Return all usages of the same name or id, of the rows that have no sure counterpart."""
    start = np.cumsum(count) - count
    found = {}
    for row in rows.tolist():
        listed = usage[start[row] : start[row] + count[row]].tolist()
        if by_id[row] >= 0:
            listed.append(int(by_id[row]))
        found[row] = tuple(sorted(set(listed)))
    return found


def _alike(
    old: Taxonomy,
    new: Taxonomy,
    rows: NDArray[np.int64],
    known: Mapping[int, tuple[int, ...]],
) -> dict[int, tuple[int, ...]]:
    """Return accepted species that a lost one may be: its epithet in another spelling or genus.

    In the same genus the stem is enough; in another the author must be the same as well.
    """
    wanted: dict[str, list[tuple[int, str]]] = {}
    for row in rows.tolist():
        words = old.name_of(row).split(" ") if old.name[row] >= 0 else []
        if row not in known and len(words) == 2:
            wanted.setdefault(_ENDING.sub("", words[1]), []).append((row, words[0]))
    found: dict[int, tuple[int, ...]] = {}
    if not wanted:
        return found
    for number, name in enumerate(new.names.strings):
        words = name.split(" ")
        if len(words) != 2 or (stem := _ENDING.sub("", words[1])) not in wanted:
            continue
        for node in new.rows_of_name(number).tolist():
            if new.status[node] > 1:
                continue
            for row, genus in wanted[stem]:
                if genus == words[0] or same_author(old.authorship[row], new.authorship[node]):
                    found[row] = (*found.get(row, ()), node)
    return found
