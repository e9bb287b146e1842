"""Clusters of records: their BINs or species hypotheses, or where they have none, own ones.

Own clusters are made by single linkage: two sequences that differ in no more than the stated
distance are of one cluster. BINs are refined from such clusters (Ratnasingham and Hebert 2013,
PLoS ONE 8:e66213), so they mostly agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.audit.near import Near
from merian.audit.records import Records
from merian.taxonomy import NONE

__all__ = ["DISTANCE", "Clusters", "clusters_of", "linked"]

DISTANCE = 0.025
"""Below which two sequences are of one cluster, as a share of differing bases."""

_MOSTLY = 0.5  # of the records named to a species that have a BIN: then BINs are taken


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of each record.

    Attributes:
        of_record: int64[records]; -1 for none.
        names: Of the clusters.
        kind: What they are, in a word.
    """

    of_record: npt.NDArray[np.int64]
    names: list[str]
    kind: str

    @property
    def many(self) -> str:
        """What several of them are."""
        return "species hypotheses" if self.kind.endswith("is") else f"{self.kind}s"


def clusters_of(records: Records, near: Near, distance: float = DISTANCE) -> Clusters:
    """Return the clusters of a library's records."""
    named = records.species[records.entry] != NONE
    if named.any() and (records.concept[named] >= 0).mean() >= _MOSTLY:
        hypotheses = bool(records.concepts) and records.concepts[0].startswith("SH")
        kind = "species hypothesis" if hypotheses else "BIN"
        return Clusters(records.concept.astype(np.int64), records.concepts, kind)
    label = linked(near, len(records.library), distance)
    names = [f"cluster {number + 1}" for number in range(int(label.max()) + 1)]
    return Clusters(label[records.entry], names, "cluster")


def linked(near: Near, count: int, distance: float) -> npt.NDArray[np.int64]:
    """Return the cluster of each entry; clusters are numbered by their first entries."""
    from merian.audit.link_loops import link  # noqa: PLC0415 - loads numba

    close = near.distance <= distance
    found: npt.NDArray[np.int64] = link(near.entry[close], near.other[close], count)
    return found
