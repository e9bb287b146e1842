"""A small tree of names, and records with gaps, that tests of learning share."""

from __future__ import annotations

import numpy as np

from merian.learn.rank_labels import RankLabels

RANKS = ("order", "family", "genus", "species")
LINEAGES = [
    ("Diptera", "Tipulidae", "Tipula", "Tipula oleracea"),
    ("Diptera", "Tipulidae", "Tipula", "Tipula paludosa"),
    ("Diptera", "Tipulidae", "Nephrotoma", "Nephrotoma crocata"),
    ("Diptera", "Culicidae", "Culex", "Culex pipiens"),
    ("Diptera", "Culicidae", "Culex", "Culex pipiens"),
    ("Diptera", "Culicidae", "Aedes", ""),  # a genus without a species
    ("Diptera", "", "Orphana", "Orphana sola"),  # a genus without a family
    ("Odonata", "Aeshnidae", "Aeshna", "Aeshna mixta"),
    ("Odonata", "Aeshnidae", "Aeshna", "Aeshna cyanea"),
    ("Odonata", "", "", ""),
    ("", "", "", "Incerta incerta"),  # a species without anything above it
]


def tree() -> RankLabels:
    return RankLabels.of_lineages(RANKS, LINEAGES)


def some_codes(labels: RankLabels, n: int, seed: int = 0) -> np.ndarray:
    """Labels of records of the tree, of which some ranks are lost."""
    rng = np.random.default_rng(seed)
    codes = labels.codes(LINEAGES)[rng.integers(len(LINEAGES), size=n)]
    return np.where(rng.random(codes.shape) < 0.3, -1, codes)
