"""Splits: which records are learned from, which choose, and which test.

Records are divided by groups that stay whole, or by the rules of published splits; what is decided
is kept in the catalogue with its seed and the reason of every record. The door of the folder:
`make_split`, `splits_of`, `report_on`.
"""

from __future__ import annotations

from merian.catalogue.splits.groups import KINDS, Contained
from merian.catalogue.splits.leaks import Leak
from merian.catalogue.splits.near_leaks import NearBarcodes
from merian.catalogue.splits.plan import PARTS, PRESETS, Part, Plan, folds, parts_of
from merian.catalogue.splits.store import (
    Report,
    Stored,
    make_split,
    part_names,
    report_on,
    splits_of,
)

__all__ = [
    "KINDS",
    "PARTS",
    "PRESETS",
    "Contained",
    "Leak",
    "NearBarcodes",
    "Part",
    "Plan",
    "Report",
    "Stored",
    "folds",
    "make_split",
    "part_names",
    "parts_of",
    "report_on",
    "splits_of",
]
