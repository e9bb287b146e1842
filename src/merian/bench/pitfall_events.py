"""Pitfall traps with pictures and DNA lists: the tables of CV-DNA-Hybrid as a bench asks them.

Specimens of five events have crops, at exactly 27 pixels a millimetre, and DNA lists are there of
150 events over 17 taxa. What the pictures of all events show is in a file of the same repository
(`image_multilab_order.json`), and is read where it lies beside the tables.

Reference: Blair et al. 2024, github.com/Jarrett-Blair/CV-DNA-Hybrid.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, NotFoundError
from merian.identify.detectability import Listings

__all__ = ["UNTOLD", "PitfallEvents", "refine"]

Floats = NDArray[np.float64]

UNTOLD = frozenset(("", "NULL", "NA", "indet."))
"""What stands where no name is told."""
_RANKS = (
    "Species", "Genus", "Subfamily", "Family", "Superfamily", "Infraorder", "Suborder", "Order",
    "Superorder", "Subclass", "Class", "Subphylum", "Phylum",
)  # fmt: skip
_PHYLA = frozenset(("Annelida", "Arthropoda", "Mollusca"))


class PitfallEvents:
    """What the tables tell.

    Attributes:
        rows: The specimens.
        files: Their crops.
        events: Of the specimens.
        truth: int64[specimens]; the taxon of each.
        taxa: Their names.
        lists: All events; what the pictured ones hold is known.
        shown: The same, with what the pictures of all events show; None where that is not at hand.
        detected: Event -> the rows of what its list has.
    """

    def __init__(self, data: Path) -> None:
        """Read the tables."""
        for name in ("specimens.csv", "assemblages.csv", "dna_df.csv", "crops"):
            if not (data / name).exists():
                raise NotFoundError(f"{data / name}: not there; name the folder with --data")
        self.rows = _table(data / "specimens.csv")
        self.files = [data / "crops" / row["Label"] for row in self.rows]
        self.events = np.array([row["Event"] for row in self.rows])
        columns = [name for name in self.rows[0] if name.count("_") == 2 and name[0].isupper()]
        columns = [name for name in columns if name.split("_")[0] in _PHYLA]
        self.taxa = [name.rpartition("_")[2] for name in columns]
        self.truth = np.array([columns.index(row["longlab"]) for row in self.rows], np.int64)
        lists = _table(data / "assemblages.csv")
        names = [row["event"] for row in lists]
        listed = np.array(
            [[float(row[str(n)]) for n in range(1, len(columns) + 1)] for row in lists]
        )
        self._agree(data, names, listed, columns)
        paths = [tuple(dict.fromkeys(name.split("_")[:2])) for name in columns]
        paths = [tuple(x for x in path if x != taxon)
                 for path, taxon in zip(paths, self.taxa, strict=True)]  # fmt: skip
        present = np.full(listed.shape, np.nan)
        for event in np.unique(self.events):
            mine = np.isin(np.arange(len(columns)), self.truth[self.events == event])
            present[names.index(event)] = mine
        self.lists = Listings(names, self.taxa, paths, present, listed)
        self.shown: Listings | None = None
        if (data / "image_multilab_order.json").is_file():
            told = json.loads((data / "image_multilab_order.json").read_text(encoding="utf-8"))
            every = np.array([[float(c in told[name]) for c in columns] for name in names])
            self.shown = Listings(names, self.taxa, paths, every, listed)
        self.detected: dict[str, list[Mapping[str, str]]] = {}
        for row in _table(data / "dna_df.csv"):
            self.detected.setdefault(row["Event"], []).append(row)

    def _agree(
        self, data: Path, names: Sequence[str], listed: Floats, columns: Sequence[str]
    ) -> None:
        """Make sure that the numbered columns of the lists are the named ones of the specimens."""
        for row in self.rows:
            own = [float(row[name]) for name in columns]
            if own != listed[names.index(row["Event"])].tolist():
                raise FormatError(
                    f"the list of {row['Event']} is not the same as in assemblages.csv; the two "
                    "belong to other versions", path=data / "specimens.csv",
                )  # fmt: skip


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def refine(detected: Sequence[Mapping[str, str]], taxon: str) -> tuple[str, str] | None:
    """Return the finest rank and name that all that is listed under a taxon agree on.

    Args:
        detected: What a list has: rank -> name.
        taxon: What a picture was named as.
    """
    mine = [row for row in detected if taxon in (row[rank] for rank in _RANKS)]
    for rank in _RANKS:
        names = {row[rank] for row in mine}
        if len(names) == 1 and not names & UNTOLD:
            return rank, names.pop()
    return None
