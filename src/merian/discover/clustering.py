"""Groups of vectors: one door to all the ways of finding them.

Rows are brought to unit length, put into the space in which groups are sought, and grouped: by
Ward's tree (exact, or of cells where there are many), by density (HDBSCAN, which leaves alone what
it takes for noise), or around means. The number of groups is found if it is not given: by Ward's
tree, for means too. What has no vector, or is noise, has the label -1 and is counted with its
reason. Each group has its support: how well it is found again in a part of the items.

References: Ward 1963, as in `merian.discover.exact_ward`; Campello, Moulavi & Sander, Density-based
clustering based on hierarchical density estimates, PAKDD 2013; Arthur & Vassilvitskii 2007.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.discover.cells import CELLS, micro_ward
from merian.discover.exact_ward import ward
from merian.discover.graph import NeighbourGraph, neighbour_graph, unit_rows
from merian.discover.number import Tried, drawn, found_by
from merian.discover.spaces import NEIGHBOURS, graph_space, reduced
from merian.discover.support import Resampled, resampled
from merian.discover.tree import Dendrogram, Labels, numbered
from merian.errors import InputError
from merian.threads import one_thread_each

__all__ = ["EXACT", "METHODS", "Clustering", "group"]

Array = NDArray[Any]

METHODS = ("ward", "hdbscan", "k-means")
EXACT = 50_000  # rows; above, Ward's tree is one of cells
NO_VECTOR, NOISE, FEW = "no vector", "noise", "too few to tell"
DIRECTIONS = 20  # of the graph, in which the number of groups is judged
_TOO_FEW = 4  # items, of which no number of groups is found
_EQUAL = 1e-6  # what is all within this is one group


@dataclass(frozen=True, eq=False)
class Clustering:
    """Which items are of one group.

    Attributes:
        label: int32[n]; the groups by size, the largest 0; -1 is left alone.
        method: ward, hdbscan, k-means or identity.
        settings: What decides the result.
        chosen: The scores of every number of groups that was tried; empty where it was given.
        support: float32[groups]; how well each is found again when part of the items is drawn, 0
            to 1; NaN where that was not asked.
        left: Why how many items were left alone.
        tree: Of the items that have a vector, where the method makes one.
        rows: int64; which items those are.
        again: The parts of the items that were drawn to find the groups again.
    """

    label: Labels
    method: str
    settings: Mapping[str, Any]
    chosen: tuple[Tried, ...] = ()
    support: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    left: Mapping[str, int] = field(default_factory=dict)
    tree: Dendrogram | None = None
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    again: Resampled | None = None

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.label.max(initial=-1)) + 1

    def cut(self, count: int) -> Labels:
        """Return the group of each item in another number of groups, of the same tree."""
        if self.tree is None:
            raise InputError(f"{self.method} makes no tree that could be cut; ward does")
        found = np.full(len(self.label), -1, np.int32)
        found[self.rows] = self.tree.into(count)
        return found

    def support_of(self, label: Labels) -> NDArray[np.float32]:
        """Return the support of each group of a cut; NaN where it was not asked, or cannot be."""
        if self.again is None:
            return np.full(int(label.max(initial=-1)) + 1, np.nan, np.float32)
        return self.again.support(label)


def group(
    vectors: ArrayLike,
    method: str = "ward",
    clusters: int | None = None,
    reduce: str = "none",
    seed: int = 0,
    graph: NeighbourGraph | None = None,
    *,
    dim: int = 50,
    cells: int = CELLS,
    smallest: int = 5,
    support: bool = True,
) -> Clustering:
    """Group vectors.

    Args:
        vectors: float[n, d]; NaN in a row means that the item has none.
        method: ward, hdbscan or k-means.
        clusters: How many; found if not given. HDBSCAN finds its own, and takes none.
        reduce: The space: none, pca, graph or umap (the extra `map`).
        seed: Of all that is drawn.
        graph: The neighbours of these vectors, where they have been found before.
        dim: Dimensions of a reduced space.
        cells: Of Ward's tree where there are more than 50,000 items.
        smallest: Members of a group of HDBSCAN, at least.
        support: Whether the support of the groups is asked, which takes a few more trees.
    """
    if method not in METHODS:
        raise InputError(f"no method is called {method!r}; there are {', '.join(METHODS)}")
    if clusters is not None and method == "hdbscan":
        raise InputError("hdbscan finds its own number of groups; leave the number away")
    rows = np.asarray(vectors)
    unit, there = unit_rows(rows)
    if clusters is not None and not 1 <= clusters <= max(1, len(there)):
        raise InputError(f"{clusters} groups of {len(there)} items that have a vector")
    if graph is not None and len(graph) != len(rows):
        raise InputError(f"a graph of {len(graph)} items for {len(rows)} vectors")
    near = _of_those(graph, there)
    space = reduced(unit, reduce, dim=dim, graph=near, seed=seed)
    settings = {"method": method, "clusters": clusters, "reduce": reduce, "dim": dim,
                "seed": seed, "cells": cells, "smallest": smallest}  # fmt: skip
    tree: Dendrogram | None = None
    if len(there) and (method == "ward" or (method == "k-means" and clusters is None)):
        tree = ward(space) if len(space) <= EXACT else micro_ward(space, cells, seed)
    asked = drawn(len(there), seed)
    chosen: tuple[Tried, ...] = ()
    parts = None
    if clusters is None and tree is not None and len(there) >= _TOO_FEW:
        parts = resampled(space[asked], lambda some: ward(some).into, seed)
        clusters, chosen = _number(unit, space, tree, asked, reduce, near, parts)
    enough = len(there) >= _TOO_FEW or clusters is not None or method == "hdbscan"
    if enough or _equal(space):
        why = NOISE
        inside = _grouped(space, tree, method, clusters or 1, smallest, seed)
    else:
        why, inside = FEW, np.full(len(there), -1, np.int64)
    if not support or len(there) < 2 or why == FEW:
        parts = None
    elif parts is None or method != "ward":
        parts = resampled(space[asked], lambda some: _cut_of(some, method, smallest, seed), seed)
    if parts is not None:  # by the numbers of the items
        parts = Resampled(tuple(there[asked[some]] for some in parts.rows), parts.cuts)
    label = np.full(len(rows), -1, np.int64)
    label[there] = inside
    left = {NO_VECTOR: len(rows) - len(there), why: int((inside < 0).sum())}
    found = Clustering(
        numbered(label), method, settings, chosen, np.empty(0, np.float32),
        {reason: many for reason, many in left.items() if many},
        tree if method == "ward" else None, there, parts,
    )  # fmt: skip
    return replace(found, support=found.support_of(found.label))


def _of_those(graph: NeighbourGraph | None, there: Array) -> NeighbourGraph | None:
    """Return the graph of the items that have a vector, by their own numbers."""
    if graph is None or len(there) == len(graph):
        return graph
    number = np.full(len(graph) + 1, -1, np.int32)
    number[there] = np.arange(len(there), dtype=np.int32)
    return NeighbourGraph(number[graph.nearest[there]], graph.distance[there], graph.key)


def _number(
    unit: Array, space: Array, tree: Dendrogram, asked: Array, reduce: str,
    graph: NeighbourGraph | None, parts: Resampled,
) -> tuple[int, tuple[Tried, ...]]:  # fmt: skip
    """Find the number of groups: asked are the rows of a sample."""
    if tree.heights[-1] <= _EQUAL:
        return 1, ()
    if reduce == "umap":
        seen = space[asked]
    else:
        if graph is None or len(asked) < len(unit):
            graph = neighbour_graph(unit[asked], min(NEIGHBOURS, len(asked) - 1))
        seen = graph_space(graph, DIRECTIONS)
    most = min(len(asked) // 2, tree.finest)
    return found_by(seen, most, lambda count: tree.into(count)[asked], parts)


def _equal(space: Array) -> bool:
    """Return whether all rows are the same."""
    return bool(len(space)) and float(np.abs(space - space[:1]).max()) <= _EQUAL


def _grouped(
    space: Array, tree: Dendrogram | None, method: str, count: int, smallest: int, seed: int
) -> Array:
    """Return the group of each row; -1 is noise."""
    if not len(space):
        return np.empty(0, np.int64)
    if method == "ward" and tree is not None:
        return tree.into(count)
    return _cut_of(space, method, smallest, seed)(count)


def _cut_of(space: Array, method: str, smallest: int, seed: int) -> Callable[[int], Array]:
    """Return what cuts rows into a number of groups."""
    if method == "ward":
        return ward(space).into
    if method == "hdbscan":
        found = _by_density(space, smallest)
        return lambda _count: found
    return lambda count: _by_means(space, count, seed)


def _by_density(space: Array, smallest: int) -> Array:
    """Return the groups of HDBSCAN; -1 is noise."""
    if len(space) < max(smallest, 2):
        return np.full(len(space), -1, np.int64)
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415 - seconds

    found = HDBSCAN(min_cluster_size=max(2, smallest), copy=True).fit(space.astype(np.float64))
    return np.asarray(found.labels_, np.int64)


def _by_means(space: Array, count: int, seed: int) -> Array:
    """Return the groups of k-means, the best of three beginnings."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - seconds
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    with one_thread_each(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than groups
        found = KMeans(count, n_init=3, random_state=seed).fit(space)
    return np.asarray(found.labels_, np.int64)
