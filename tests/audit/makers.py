"""References made by hand, so that what is wrong with them is known."""

from __future__ import annotations

import random
from pathlib import Path

from merian.library import Library, build_library
from merian.library.index import write_index

Row = tuple[str, str, str]  # id, lineage, sequence


def bases(seed: int, length: int = 300) -> str:
    """A sequence of its own for each number."""
    return "".join(random.Random(seed).choices("ACGT", k=length))


def changed(sequence: str, places: int, seed: int = 0) -> str:
    """The sequence with so many other bases."""
    rng, letters = random.Random(seed), list(sequence)
    for place in rng.sample(range(len(letters)), places):
        letters[place] = rng.choice("ACGT".replace(letters[place], ""))
    return "".join(letters)


def lineage(species: str, family: str = "Aidae", order: str = "Diptera") -> str:
    """A header of SINTAX."""
    genus = species.split(maxsplit=1)[0]
    names = {
        "k": "Animalia", "p": "Arthropoda", "c": "Insecta", "o": order, "f": family, "g": genus,
        "s": species,
    }  # fmt: skip
    return ",".join(f"{k}:{v.replace(' ', '_')}" for k, v in names.items())


def species_of(name: str, seed: int, count: int, **above: str) -> list[Row]:
    """So many records of a species, each some bases from its root."""
    root = bases(seed)
    return [
        (f"{name.replace(' ', '')[:6]}{i}", lineage(name, **above), changed(root, i % 4, i))
        for i in range(count)
    ]


def write(path: Path, rows: list[Row]) -> Path:
    """Write references as FASTA."""
    path.write_text("".join(f">{key};tax={names};\n{s}\n" for key, names, s in rows))
    return path


def library_of(folder: Path, rows: list[Row]) -> Library:
    """A library with an index of these references."""
    file = write(folder / "reference.fasta", rows)
    return build_library([file], folder / "library", parts=[write_index]).library
