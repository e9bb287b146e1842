"""The tree of life as arrays, its names, and how names are matched to it.

The door of the room: everything a caller needs is imported from here.
"""

from merian.taxonomy.build import BuildReport, Problem, build
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.match import CAUSES, Match, match_name
from merian.taxonomy.match_table import MatchSummary, match_names, match_table
from merian.taxonomy.names import Label, read_label, read_labels
from merian.taxonomy.ranks import MAIN_RANKS, RANKS, read_rank
from merian.taxonomy.reading import read_checklist
from merian.taxonomy.store import open_taxonomy, save_taxonomy
from merian.taxonomy.tree import CODES, NONE, STATUSES, Node, Taxonomy

__all__ = [
    "CAUSES",
    "CODES",
    "MAIN_RANKS",
    "NONE",
    "RANKS",
    "STATUSES",
    "BuildReport",
    "Label",
    "Match",
    "MatchSummary",
    "Node",
    "Problem",
    "Taxonomy",
    "TaxonomyLock",
    "build",
    "match_name",
    "match_names",
    "match_table",
    "open_taxonomy",
    "read_checklist",
    "read_label",
    "read_labels",
    "read_rank",
    "save_taxonomy",
]
