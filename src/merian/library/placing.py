"""From the names of references to a taxonomy, and to a node of it for each naming.

Without a checklist the lineages themselves imply the tree; where they contradict each other the
majority decides (see `merian.taxonomy.implied`). With one, each lineage is matched from its lowest
name upwards until a name is found; what the checklist has beyond is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.database import connect
from merian.library.naming import LINEAGE, lineage_of
from merian.taxonomy import NONE, RANKS, BuildReport, Taxonomy, build, match_names
from merian.taxonomy.implied import implied_usages
from merian.taxonomy.restrict import restrict_upward

__all__ = ["IMPLIED", "Placed", "is_species", "matched", "place"]

IMPLIED = "names of the references"
"""The title of a taxonomy that no checklist stands behind."""

_SPECIES = RANKS.index("species")
_MEMORY = "500MB"

Nodes = NDArray[np.int32]


@dataclass(frozen=True)
class Placed:
    """Where namings stand.

    Attributes:
        taxonomy: What they need of the tree, and no more.
        node: int32; by naming, -1 where none of its names has a place.
        report: What did not fit into an implied taxonomy.
    """

    taxonomy: Taxonomy
    node: Nodes
    report: BuildReport | None


def is_species(taxonomy: Taxonomy, nodes: Nodes) -> NDArray[np.bool_]:
    """Return which nodes are species; none is where the node is -1."""
    return np.asarray((nodes != NONE) & (taxonomy.rank[nodes] == _SPECIES))


def place(
    namings: Sequence[str], counts: NDArray[np.int64], checklist: Taxonomy | None = None
) -> Placed:
    """Place namings in a tree.

    Args:
        namings: What references are named to.
        counts: How many references each stands for.
        checklist: The tree; without it they imply their own.
    """
    lineages = [lineage_of(naming) for naming in namings]
    if checklist is None:
        return _imply(lineages, counts)
    node = matched(lineages, checklist)
    placed = np.flatnonzero(node != NONE)
    taxonomy, new_row = restrict_upward(checklist, node[placed])
    node[placed] = new_row[node[placed]]
    return Placed(taxonomy, node, None)


def matched(lineages: list[list[str]], checklist: Taxonomy) -> Nodes:
    """Return the taxon of a checklist that each lineage is named to, -1 where it has none.

    The library answers with species and what is above them.
    """
    node = _match(lineages, checklist)
    placed = np.flatnonzero(node != NONE)
    species = checklist.at_rank(node[placed], "species")
    node[placed] = np.where(species != NONE, species, node[placed])
    return node


def _imply(lineages: list[list[str]], counts: NDArray[np.int64]) -> Placed:
    """Build the tree that the lineages imply."""
    con = connect(memory=_MEMORY)
    try:
        columns = {
            rank: np.array([line[i] for line in lineages], dtype=object)
            for i, rank in enumerate(LINEAGE)
        }
        con.register("given", {**columns, "row": np.arange(len(lineages)), "count": counts})
        con.execute("CREATE TABLE lineage AS SELECT * FROM given").fetchall()
        implied_usages(con, "lineage")
        taxonomy, report = build(con, IMPLIED)
        rows = con.execute(
            'SELECT r."row", n.id FROM implied_row r JOIN implied_node n USING (node) ORDER BY 1'
        ).fetchall()
    finally:
        con.close()
    row_of = {identifier: row for row, identifier in enumerate(taxonomy.ids)}
    node = np.full(len(lineages), NONE, dtype=np.int32)
    for row, identifier in rows:
        node[row] = row_of.get(identifier, NONE)
    return Placed(taxonomy, node, report)


def _match(lineages: list[list[str]], checklist: Taxonomy) -> Nodes:
    """Match each lineage by its lowest name; where that is not found, by the next above it."""
    node = np.full(len(lineages), NONE, dtype=np.int32)
    # Lowest first: rank and name of each step, the name without a rank before all others.
    ranks = ("", *reversed(LINEAGE))
    ladders = [
        [(rank, name) for rank, name in zip(ranks, line[::-1], strict=True) if name]
        for line in lineages
    ]
    waiting = [i for i, ladder in enumerate(ladders) if ladder]
    while waiting:
        asked: dict[str, int] = {}
        which = [asked.setdefault(json.dumps(ladders[i]), len(asked)) for i in waiting]
        steps = [json.loads(ladder) for ladder in asked]
        hints: dict[str, list[str | None]] = {
            rank: [dict(ladder[1:]).get(rank) for ladder in steps]
            for rank in LINEAGE
            if rank != "species"
        }
        hints["rank"] = [ladder[0][0] or None for ladder in steps]
        answers = match_names(checklist, [ladder[0][1] for ladder in steps], hints)
        found = np.asarray(answers.node)[which]
        rows = np.array(waiting)
        hit = found != NONE
        node[rows[hit]] = checklist.accepted[found[hit]]
        missed = rows[~hit].tolist()
        for i in missed:
            ladders[i].pop(0)
        waiting = [i for i in missed if ladders[i]]
    return node
