"""The checklist of a world: a Catalogue of Life Data Package of what has been described.

Withheld taxa are not in it. Synonyms and homonyms are, with authors.

Reference: https://github.com/CatalogueOfLife/coldp
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.files import write_text
from merian.world.biota import RANKS, Biota
from merian.world.labels import Synonym
from merian.world.latin import AUTHORS

__all__ = ["write_checklist"]

_COLUMNS = "ID\tparentID\tstatus\trank\tscientificName\tauthorship"


def write_checklist(
    folder: Path,
    biota: Biota,
    unknown: NDArray[np.int8],
    synonyms: list[Synonym],
    rng: np.random.Generator,
) -> None:
    """Write NameUsage.tsv and metadata.yaml."""
    lines = [_COLUMNS]
    described = np.flatnonzero(unknown == 0)
    # Numbered at random: the tree's own numbers would tell where something is withheld.
    numbers = []
    for rank in range(len(RANKS)):
        taxa = np.unique(biota.taxon[described, rank])
        numbers.append(dict(zip(taxa.tolist(), rng.permutation(len(taxa)).tolist(), strict=True)))
    written: set[str] = set()
    for species in described.tolist():
        above = ""
        for rank, name in enumerate(biota.lineage(species)):
            identifier = f"{rank}-{numbers[rank][int(biota.taxon[species, rank])]}"
            if identifier not in written:
                written.add(identifier)
                author = _author(rng)
                if rank == len(RANKS) - 1 and rng.random() < 0.3:
                    author = f"({author})"  # described in another genus
                lines.append("\t".join((identifier, above, "accepted", RANKS[rank], name, author)))
            above = identifier
    for number, synonym in enumerate(synonyms):
        accepted = f"{len(RANKS) - 1}-{numbers[-1][int(biota.taxon[synonym.species, -1])]}"
        fields = (f"s-{number}", accepted, "synonym", "species", synonym.name, _author(rng))
        lines.append("\t".join(fields))
    write_text(folder / "NameUsage.tsv", "\n".join(lines) + "\n")
    write_text(
        folder / "metadata.yaml",
        'title: Checklist of an invented world\nversion: "1"\nlicense: cc0\n',
    )


def _author(rng: np.random.Generator) -> str:
    return f"{rng.choice(AUTHORS)}, {int(rng.integers(1705, 1990))}"
