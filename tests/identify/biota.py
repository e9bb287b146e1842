"""A small biota for the tests: families, genera and species whose barcodes drift apart."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from merian.identify import PARTS
from merian.library import Library, build_library

LENGTH = 500


@dataclass(frozen=True)
class Record:
    id: str
    family: str
    genus: str
    species: str
    sequence: str

    def as_fasta(self) -> str:
        names = f"k:Animalia,f:{self.family},g:{self.genus},s:{self.species.replace(' ', '_')}"
        return f">{self.id};tax={names};\n{self.sequence}\n"


def drifted(chance: random.Random, parent: str, share: float) -> str:
    return "".join(chance.choice("ACGT") if chance.random() < share else c for c in parent)


def biota(
    families: int = 4, genera: int = 3, species: int = 3, records: int = 3, seed: int = 5
) -> list[Record]:
    """Records of a biota, all of one length."""
    chance = random.Random(seed)
    root = "".join(chance.choices("ACGT", k=LENGTH))
    found = []
    for f in range(families):
        of_family = drifted(chance, root, 0.3)
        for g in range(genera):
            of_genus = drifted(chance, of_family, 0.15)
            for s in range(species):
                of_species = drifted(chance, of_genus, 0.08)
                letters = "abcdefghijklmnop"
                genus = f"G{letters[f]}{letters[g]}us"
                found += [
                    Record(
                        f"{letters[f]}{letters[g]}{letters[s]}{n}",
                        f"F{letters[f]}idae",
                        genus,
                        f"{genus} s{letters[s]}us",
                        drifted(chance, of_species, 0.004),
                    )
                    for n in range(records)
                ]
    return found


def library_of(folder: Path, records: list[Record]) -> Library:
    """A library with all that answers need."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reference.fasta"
    path.write_text("".join(record.as_fasta() for record in records))
    return build_library([path], folder / "library", parts=PARTS).library
