"""What has no name yet: groups of the unnamed, and the tree that they make."""

from merian.discover.cells import micro_ward
from merian.discover.clustering import METHODS, Clustering, group
from merian.discover.exact_ward import ward
from merian.discover.graph import NeighbourGraph, neighbour_graph, open_graph, unit_rows
from merian.discover.number import Tried, levels
from merian.discover.ranks import RankCut, at_ranks
from merian.discover.tree import Dendrogram, by_average, numbered

__all__ = [
    "METHODS", "Clustering", "Dendrogram", "NeighbourGraph", "RankCut", "Tried", "at_ranks",
    "by_average", "group", "levels", "micro_ward", "neighbour_graph", "numbered", "open_graph",
    "unit_rows", "ward",
]  # fmt: skip
