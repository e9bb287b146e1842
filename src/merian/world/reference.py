"""Real barcodes and lineages for a world with invented bodies.

The file is read as `merian import` reads it, so any format with sequences and lineages will do.
Only records with a name at all six ranks count, and "Aus cf. bus" or "Aus sp. 3" is no name of a
species. What body a taxon gets is told by its class, else its phylum: drifters get a plankter's,
corals and sponges a colony's, all others an insect's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.catalogue import Catalogue
from merian.errors import InputError
from merian.files import content_hash
from merian.formats import read_path
from merian.world.biota import PLANS, Biota, biota_of_lineages

__all__ = ["Reference", "read_reference"]

_SQL = """
SELECT d.phylum, d.class, d."order", d.family, d.genus, d.species, s.sequence
FROM sequence s JOIN determination d USING (occurrenceID)
WHERE d.phylum IS NOT NULL AND d.class IS NOT NULL AND d."order" IS NOT NULL
    AND d.family IS NOT NULL AND d.genus IS NOT NULL
    AND d.taxonRank IN ('species', 'subspecies')
    AND regexp_full_match(d.species, '[A-Z][a-z-]+ [a-z-]{2,}')
    AND length(s.sequence) >= 100
ORDER BY ALL
"""
_PLANKTON = frozenset(
    "Copepoda Hexanauplia Maxillopoda Branchiopoda Ostracoda Hydrozoa Scyphozoa Cubozoa "
    "Sagittoidea Appendicularia Thaliacea Tentaculata Bacillariophyceae Dinophyceae".split()
)
_COLONY_CLASSES = frozenset("Anthozoa Hexacorallia Octocorallia".split())
_COLONY_PHYLA = frozenset("Porifera Bryozoa Cnidaria Rhodophyta Phaeophyta".split())


@dataclass(frozen=True)
class Reference:
    """Sequences with lineages.

    Attributes:
        lineages: Six names for each species.
        sequences: All sequences, those of a species together.
        first: Where the sequences of each species begin; one more than there are species.
        hash: Of the file.
    """

    lineages: Sequence[tuple[str, ...]]
    sequences: Sequence[str]
    first: NDArray[np.int64]
    hash: str

    def biota(self, rng: np.random.Generator) -> Biota:
        """Return the tree of these species."""
        plans = [_plan(lineage) for lineage in self.lineages]
        return biota_of_lineages(self.lineages, plans, rng)

    def pick(
        self, biota: Biota, species: NDArray[np.int32], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return for each specimen the number of one of its species' sequences."""
        place = {lineage: number for number, lineage in enumerate(self.lineages)}
        own = np.array([place[biota.lineage(number)] for number in range(len(biota))])[species]
        count = self.first[own + 1] - self.first[own]
        picked: NDArray[np.int64] = self.first[own] + (rng.random(len(species)) * count).astype(int)
        return picked


def _plan(lineage: tuple[str, ...]) -> int:
    phylum, class_ = lineage[:2]
    if class_ in _PLANKTON:
        return PLANS.index("plankton")
    if class_ in _COLONY_CLASSES or phylum in _COLONY_PHYLA:
        return PLANS.index("colony")
    return PLANS.index("insect")


def read_reference(path: Path | str, species: int) -> Reference:
    """Read a file of sequences with lineages.

    Args:
        path: In any format that `merian import` reads.
        species: How many are wanted: those with the most sequences, or all if there are fewer.
    """
    path = Path(path)
    found: dict[tuple[str, ...], list[str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="merian-world-") as folder,
        Catalogue.create(Path(folder) / "reference") as catalogue,
    ):
        catalogue.ingest(read_path(path))
        for *names, sequence in catalogue.query(_SQL):
            found.setdefault(tuple(map(str, names)), []).append(str(sequence).upper())
    if len(found) < 6:
        raise InputError(
            f"{path}: {len(found)} species with a sequence and a name at every rank from phylum to "
            "species; a world needs 6. `merian formats fasta` says which headers are read"
        )
    # A species under two lineages has its place where most of its sequences are.
    kept: dict[str, tuple[str, ...]] = {}
    for lineage in sorted(found, key=lambda lineage: (-len(found[lineage]), lineage)):
        kept.setdefault(lineage[-1], lineage)
    chosen = sorted([*kept.values()][:species])
    counts = [len(found[lineage]) for lineage in chosen]
    return Reference(
        chosen,
        [sequence for lineage in chosen for sequence in found[lineage]],
        np.concatenate([[0], np.cumsum(counts)]),
        content_hash(path),
    )
