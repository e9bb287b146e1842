"""A part of a taxonomy, as a taxonomy of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from merian.taxonomy.store import content_lock
from merian.taxonomy.strings import NamePool
from merian.taxonomy.tree import NONE, Taxonomy

__all__ = ["restrict", "restrict_upward"]


def restrict(taxonomy: Taxonomy, nodes: NDArray[np.integer]) -> Taxonomy:
    """Return the taxa given, all above and below them, and all their synonyms."""
    nodes = np.unique(taxonomy.accepted[nodes])
    return _part(taxonomy, nodes, taxonomy.end[nodes])[0]


def restrict_upward(
    taxonomy: Taxonomy, nodes: NDArray[np.integer]
) -> tuple[Taxonomy, NDArray[np.int32]]:
    """Return the taxa given and all above them, with their synonyms; and the new row of each row.

    What was left out has the new row -1.
    """
    nodes = np.unique(taxonomy.accepted[nodes])
    return _part(taxonomy, nodes, nodes + 1)


def _part(
    taxonomy: Taxonomy, nodes: NDArray[np.integer], stops: NDArray[np.integer]
) -> tuple[Taxonomy, NDArray[np.int32]]:
    """Return the rows from each node up to its stop and all above, and the new row of each row.

    Pre-order is kept by leaving rows out, so that nothing has to be sorted again.
    """
    marked = np.zeros(taxonomy.taxa + 1, dtype=np.int32)
    np.add.at(marked, nodes, 1)
    np.add.at(marked, stops, -1)
    keep = np.cumsum(marked)[:-1] > 0
    above = taxonomy.parent[nodes]
    while len(above := np.unique(above[above != NONE])):
        keep[above] = True
        above = taxonomy.parent[above]
    rows = np.flatnonzero(np.concatenate([keep, keep[taxonomy.accepted[taxonomy.taxa :]]]))
    taxa = int(keep.sum())

    new_row = np.full(len(taxonomy) + 1, NONE, dtype=np.int32)
    new_row[rows] = np.arange(len(rows))
    kept_before = np.concatenate([np.zeros(1, np.int32), np.cumsum(keep, dtype=np.int32)])
    used = np.unique(np.concatenate([taxonomy.name[rows], taxonomy.canonical[rows]]))
    used = used[used >= 0]
    canonical = np.searchsorted(used, taxonomy.canonical[rows]).astype(np.int32)
    order = np.argsort(canonical, kind="stable").astype(np.int32)
    retired = new_row[taxonomy.retired_row]
    kept_ids = np.flatnonzero(retired != NONE)
    part = content_lock(
        replace(
            taxonomy,
            parent=new_row[taxonomy.parent[rows]],
            rank=taxonomy.rank[rows],
            name=np.searchsorted(used, taxonomy.name[rows]).astype(np.int32),
            canonical=canonical,
            accepted=new_row[taxonomy.accepted[rows]],
            end=kept_before[taxonomy.end[rows[:taxa]]],
            depth=taxonomy.depth[rows[:taxa]],
            status=taxonomy.status[rows],
            code=taxonomy.code[rows],
            rows_by_name=order,
            first_of_name=np.searchsorted(canonical[order], np.arange(len(used) + 1)).astype(
                np.int32
            ),
            names=NamePool.index(taxonomy.names.strings.select(used)),
            ids=taxonomy.ids.select(rows),
            authorship=taxonomy.authorship.select(rows),
            retired_ids=taxonomy.retired_ids.select(kept_ids),
            retired_row=retired[kept_ids],
            folder=None,
        )
    )
    return part, new_row[:-1]
