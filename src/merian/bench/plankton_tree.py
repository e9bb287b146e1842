"""The classes of ISIIS pictures as the tips of a tree, by the lineages of Planktonzilla's map.

`read_tree`: every label is a tip, so that all 121 stay apart: under its lineage (kingdom to genus),
since several labels share one (eight are calanoid copepods) and some stand at a node above others
(copepod_other). A body part of a taxon stands under it. What has no lineage stands under what it is
said to be: detritus, artefact > unknown, invertebrate larvae.

`read_taxa`: as Planktonzilla itself has it, a class is a lineage: labels that share one are one
class, and what the map does not call plankton is left out.

At a rank the answer is the name there, or the lowest above it where a lineage ends earlier: so
every picture counts at every rank.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, NotFoundError
from merian.learn.forest import Forest

__all__ = ["RANKS", "PlanktonTree", "Taxa", "read_taxa", "read_tree", "tree_of"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
_TREE = "plankton"
_SOURCE = "planktonset1.0"


@dataclass(frozen=True)
class PlanktonTree:
    """Classes as tips.

    Attributes:
        forest: The nodes.
        tips: int64[classes]; the node of each class.
        at: Rank -> int64[classes]; the node that names a class at the rank. "label" has the tips.
    """

    forest: Forest
    tips: Numbers
    at: dict[str, Numbers]

    def summed(self, tips: Floats) -> Floats:
        """Return [n, nodes] for probabilities of classes [n, classes]."""
        lines = self.forest.lineages[self.tips]
        found = np.zeros((len(tips), self.forest.size))
        for place, line in enumerate(lines):
            found[:, line[line >= 0]] += tips[:, [place]]
        return found

    def of_rank(self, tips: Floats, rank: str) -> tuple[Floats, Numbers]:
        """Return [n, names at a rank] for [n, classes], and the place of each class there."""
        names, place = np.unique(self.at[rank], return_inverse=True)
        found = np.zeros((len(tips), len(names)))
        np.add.at(found.T, place, tips.T)
        return found, place.astype(np.int64)


@dataclass(frozen=True)
class Taxa:
    """Lineages as classes.

    Attributes:
        lineages: Of each class its names, from the kingdom down.
        tree: The same as tips of a tree; a class that stands above others has a tip of its own.
        place: int64[labels]; the class of each label, -1 for what is no plankton.
    """

    lineages: tuple[tuple[str, ...], ...]
    tree: PlanktonTree
    place: Numbers


def read_tree(table: Path, labels: tuple[str, ...]) -> PlanktonTree:
    """Read the lineages of some labels.

    Args:
        table: Planktonzilla's planktonzilla_taxonomy.csv.
        labels: Of pictures of planktonset1.0.
    """
    above = [_lineage(row) for row in _rows(table, labels)]
    return tree_of(above, labels)


def read_taxa(table: Path, labels: tuple[str, ...]) -> Taxa:
    """Read the lineages of some labels as classes.

    Args:
        table: Planktonzilla's planktonzilla_taxonomy.csv.
        labels: Of pictures of planktonset1.0.
    """
    lines = [
        _lineage(row) if row["plankton"] == "True" and row["Kingdom"] else ()
        for row in _rows(table, labels)
    ]
    lineages = tuple(sorted(set(lines) - {()}))
    place = np.array([lineages.index(line) if line else -1 for line in lines], np.int64)
    return Taxa(lineages, tree_of(lineages, [line[-1] for line in lineages]), place)


def _rows(table: Path, labels: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of the map for some labels."""
    if not table.is_file():
        raise NotFoundError(f"{table}: no such file; the lineages of the labels are expected there")
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get("Dataset") == _SOURCE]
    told = {row["Raw_Labels"]: row for row in rows}
    if missing := [label for label in labels if label not in told]:
        raise FormatError(
            f"has no row of {_SOURCE} for the label {missing[0]!r} and {len(missing) - 1} others",
            path=table,
        )
    return [told[label] for label in labels]


def tree_of(above: Sequence[tuple[str, ...]], tips: Sequence[str]) -> PlanktonTree:
    """Return the tree of some tips, each under a lineage."""
    paths = [(*line, f"[{tip}]") for line, tip in zip(above, tips, strict=True)]
    forest = Forest.of_paths([(_TREE, path) for path in paths])
    nodes = np.array([forest.node(_TREE, path) for path in paths], np.int64)
    at = {
        rank: np.array([forest.node(_TREE, line[: depth + 1]) for line in above], np.int64)
        for depth, rank in enumerate(RANKS)
    }
    return PlanktonTree(forest, nodes, {**at, "label": nodes})


def _lineage(row: dict[str, str]) -> tuple[str, ...]:
    line = tuple(row[rank.capitalize()] for rank in RANKS)
    named = tuple(name for name in line if name)
    if named:
        return named
    kind, name = row["root_class"], row["proposed_label"]
    return (name,) if kind in {"living", name} else (kind, name)
