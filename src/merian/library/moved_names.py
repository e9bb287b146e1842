"""What a reference is named to, in a newer version of its checklist.

A naming is a lineage. It was matched from its lowest name upwards, and so is named to the taxon of
the first name that the checklist has; what stood below that is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merian.library.naming import LINEAGE, lineage_of, provisional_of
from merian.library.placing import matched
from merian.taxonomy import NONE, Taxonomy, TaxonomyLock
from merian.taxonomy.migration import Move, Use
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["Naming", "moved_naming", "naming_uses"]

_SPECIES = LINEAGE.index("species")


@dataclass(frozen=True)
class Naming:
    """How a naming stands in the older version.

    Attributes:
        node: The taxon that it was matched to, or -1.
        below: Names of the lineage that the checklist does not have, by their place in it.
        key: Id, name and rank of its use.
    """

    node: int
    below: tuple[int, ...]
    key: tuple[str, str, str]


def naming_uses(counts: Mapping[str, int], old: Taxonomy) -> tuple[list[Use], dict[str, Naming]]:
    """Return the uses of a checklist that namings make of it, and what each naming is.

    Args:
        counts: How many records have each naming.
        old: The checklist.
    """
    texts = [*counts]
    nodes = matched([lineage_of(text) for text in texts], old)
    found: dict[str, Naming] = {}
    records: dict[tuple[str, str, str], int] = {}
    for text, node in zip(texts, nodes.tolist(), strict=True):
        names = lineage_of(text)
        told = [place for place, name in enumerate(names) if name]
        if node == NONE:
            lowest = names[told[-1]] if told else ""
            key = ("", lowest, "")
            found[text] = Naming(node, (), key)
        else:
            at = _place_of(old, node, names)
            below = tuple(place for place in told if at < place < len(LINEAGE))
            name = names[at] if 0 <= at < len(names) else old.name_of(node)
            key = (old.ids[node], name, old.rank_of(node))
            found[text] = Naming(node, below, key)
        records[key] = records.get(key, 0) + counts[text]
    return [Use("references", *key, n) for key, n in sorted(records.items())], found


def _place_of(old: Taxonomy, node: int, names: list[str]) -> int:
    """Return which of the names of a lineage led to a node."""
    for place in range(len(names) - 1, -1, -1):
        name = names[place]
        if name and any(int(old.accepted[n]) == node for n in old.find(name)):
            return place
    rank = old.rank_of(node)
    if rank in LINEAGE:
        return LINEAGE.index(rank)
    ranks = [RANK_NUMBER[one] for one in LINEAGE]
    return int(np.searchsorted(ranks, int(old.rank[node]), side="right")) - 1


def moved_naming(text: str, naming: Naming, move: Move, old: TaxonomyLock, new: Taxonomy) -> str:
    """Return a naming in the newer version.

    Args:
        text: As it is.
        naming: How it stands in the older version.
        move: What becomes of its use.
        old: The lock of the older version.
        new: The newer version.
    """
    if naming.node == NONE:
        return text
    provisional = provisional_of(text)
    names = lineage_of(text)
    if move.node != NONE:
        made, unranked = _lineage(new, move.node)
        for place in naming.below:
            made[place] = names[place]
        return "\t".join((*made, unranked, "" if made[_SPECIES] else provisional))
    made, unranked = _lineage(new, move.above)
    # No name of the newer version, as that may mean something else by it.
    called = move.sensu(old)
    return "\t".join((*made, unranked, " ".join(filter(None, [called, provisional]))))


def _lineage(new: Taxonomy, node: int) -> tuple[list[str], str]:
    """Return the names above a taxon by rank, and its own where its rank is none of these."""
    if node == NONE:
        return [""] * len(LINEAGE), ""
    made = []
    for rank in LINEAGE:
        at = int(new.at_rank(np.array([node]), rank)[0])
        made.append(new.name_of(at) if at != NONE else "")
    lowest = new.rank_of(node)
    if lowest in LINEAGE or made[_SPECIES]:
        return made, ""
    return made, new.name_of(node)
