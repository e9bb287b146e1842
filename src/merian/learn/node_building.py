"""From a recipe and a pack to the labels and the objective of a forest of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from merian.learn.forest import Forest, ForestLabels
from merian.learn.label_table import forest_labels, forest_of, read_label_table
from merian.learn.node_objective import Nodes
from merian.learn.pack import Pack
from merian.learn.rank_labels import RankLabels
from merian.learn.recipe import Recipe

__all__ = ["known_nodes", "of_nodes"]


def known_nodes(
    recipe: Recipe, classes: RankLabels | None, train: Pack, valid: Pack | None
) -> tuple[list[ForestLabels], dict[str, Any]]:
    """Return the labels of each part, and what the card tells of where they come from.

    The nodes are those of the examples to learn from.

    Args:
        recipe: Tells the table of labels, if there is one.
        classes: Of the ranks of the pack, if there is none.
        train: The examples to learn from.
        valid: Those that are held out.
    """
    parts = [part for part in (train, valid) if part is not None]
    if classes is not None:
        return [_of_ranks(classes, part) for part in parts], {}
    table = read_label_table(str(recipe.data.labels))
    every = [np.arange(len(part)) for part in parts]
    known_as = [
        list(zip(part.records(rows), part.ids(rows), strict=True))
        for part, rows in zip(parts, every, strict=True)
    ]
    # Asked for all at once: a name is clear only if no other part has it.
    rows = table.rows([names for part in known_as for names in part])
    first, rest = rows[: len(train)], rows[len(train) :]
    forest = forest_of(first, recipe.objective.least)
    found = [forest_labels(forest, some) for some in (first, rest)[: len(parts)]]
    told = {
        "path": str(table.path),
        "hash": table.hash,
        "examples": {"train": sum(map(bool, first)), "valid": sum(map(bool, rest))},
        "nodes": {
            tree: int((forest.tree == number).sum()) for number, tree in enumerate(forest.trees)
        },
    }
    return found, {"labels": told}


def _of_ranks(classes: RankLabels, part: Pack) -> ForestLabels:
    codes = np.stack([part.labels(rank) for rank in classes.ranks], axis=1).astype(np.int64)
    names = [part.names(rank) for rank in classes.ranks]
    return ForestLabels.of_codes(Forest.of_ranks(classes), classes, classes.recode(names, codes))


def of_nodes(recipe: Recipe, encoder: nn.Module, labels: ForestLabels) -> Nodes:
    """Return the objective that learns the nodes of some labels."""
    part = recipe.objective
    return Nodes(
        encoder,
        labels.forest,
        labels.counts().tolist(),
        form=part.form,
        power=part.power,
        frozen=recipe.encoder.frozen,
    )
