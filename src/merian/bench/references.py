"""Synthetic references in any number, quickly: barcodes mutated down a tree of equal branches.

The synthetic world's genealogies are as nature's and take hours for a million specimens. To measure
speed it is enough that codon positions differ in rate, that species of a genus are some 5 % apart
and genera some 15 %, and that there are about five records a species.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tree", "draw_tree", "write_queries", "write_references"]

LENGTH = 658
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_BASES = np.array([0.33, 0.15, 0.16, 0.36])
_RATES = (0.25, 0.08, 1.0)  # of the codon positions

_RECORDS, _SPECIES, _GENERA, _FAMILIES = 5, 6, 10, 8  # of each species, genus, family, order
_ORDER, _FAMILY, _GENUS, _OF_SPECIES, _OF_RECORD = 0.35, 0.3, 0.2, 0.1, 0.006
_CHUNK = 5_000

# How far queries are from their species' root: of the library, of another species, another genus.
_ASKED, _SHARES = (_OF_RECORD, _OF_SPECIES, _GENUS + _OF_SPECIES), (0.8, 0.15, 0.05)

_SYLLABLES = [a + b for a in "bcdfglmnprtv" for b in "aeiou"]

Bases = NDArray[np.uint8]


@dataclass(frozen=True)
class Tree:
    """Species with their root sequences.

    Attributes:
        bases: uint8[species, LENGTH]; 0 to 3 for A, C, G, T.
        records: How many references there are in all.
    """

    bases: Bases
    records: int

    def lineage(self, species: int) -> str:
        """Return the names of a species as a SINTAX header has them."""
        genus = species // _SPECIES
        family = genus // _GENERA
        order = family // _FAMILIES
        ranks = (
            f"o:{_word(order)}ptera",
            f"f:{_word(family)}idae",
            f"g:{_word(genus)}us",
            f"s:{_word(genus)}us_{_word(species).lower()}ensis",
        )
        return "k:Animalia,p:Arthropoda,c:Insecta," + ",".join(ranks)


def draw_tree(records: int, seed: int = 0) -> Tree:
    """Draw the tree of so many references."""
    rng = np.random.default_rng(seed)
    species = max(1, records // _RECORDS)
    sizes = [species]
    for of_each in (_SPECIES, _GENERA, _FAMILIES):
        sizes.append(-(-sizes[-1] // of_each))
    bases = rng.choice(4, size=(1, LENGTH), p=_BASES).astype(np.uint8)
    per_parent = (sizes[3], _FAMILIES, _GENERA, _SPECIES)
    lengths = (_ORDER, _FAMILY, _GENUS, _OF_SPECIES)
    for size, of_each, length in zip(sizes[::-1], per_parent, lengths, strict=True):
        bases = np.concatenate([
            _mutated(bases[np.arange(first, min(first + _CHUNK, size)) // of_each], length, rng)
            for first in range(0, size, _CHUNK)
        ])  # fmt: skip
    return Tree(bases, records)


def write_references(tree: Tree, path: Path, seed: int = 0) -> None:
    """Write the references as FASTA with SINTAX headers."""
    rng = np.random.default_rng([seed, 1])
    with path.open("w", encoding="ascii") as stream:
        for numbers in _chunks(tree.records):
            species = numbers % len(tree.bases)
            heads = [f"R{n};tax={tree.lineage(s)};" for n, s in zip(numbers, species, strict=True)]
            _write(stream, heads, _mutated(tree.bases[species], _OF_RECORD, rng))


def write_queries(tree: Tree, path: Path, count: int, seed: int = 0) -> None:
    """Write queries: most of species of the library, some of others, few of other genera."""
    rng = np.random.default_rng([seed, 2])
    with path.open("w", encoding="ascii") as stream:
        for numbers in _chunks(count):
            species = rng.integers(len(tree.bases), size=len(numbers))
            far = rng.choice(len(_ASKED), size=len(numbers), p=_SHARES)
            bases = tree.bases[species]
            for kind, length in enumerate(_ASKED):
                bases[far == kind] = _mutated(bases[far == kind], length, rng)
            _write(stream, [f"Q{n}" for n in numbers], bases)


def _chunks(count: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, count, _CHUNK):
        yield np.arange(first, min(first + _CHUNK, count))


def _mutated(bases: Bases, length: float, rng: np.random.Generator) -> Bases:
    """Return sequences after a branch of a length, in changes of third positions a site."""
    rates = np.resize(_RATES, LENGTH)
    hit = rng.random(bases.shape, dtype=np.float32) < -np.expm1(-length * rates)
    found = bases.copy()
    found[hit] = rng.choice(4, size=int(hit.sum()), p=_BASES)
    return found


def _write(stream: TextIO, heads: list[str], bases: Bases) -> None:
    rows = _LETTERS[bases]
    stream.writelines(
        f">{head}\n{row.tobytes().decode('ascii')}\n" for head, row in zip(heads, rows, strict=True)
    )


def _word(number: int) -> str:
    """Write a number in syllables, at least three."""
    syllables: list[str] = []
    while number or len(syllables) < 3:
        number, digit = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[digit])
    return "".join(syllables).capitalize()


def _write_all(folder: Path, records: int, queries: int, seed: int) -> None:
    """Write references, queries and a tenth as many queries for the slow, in a child of its own.

    A child that is measured counts its parent's memory as its own until it has started.
    """
    tree = draw_tree(records, seed)
    write_references(tree, folder / "references.fasta", seed)
    write_queries(tree, folder / "few.fasta", queries // 10, seed + 1)
    write_queries(tree, folder / "queries.fasta", queries, seed)


if __name__ == "__main__":
    _write_all(Path(sys.argv[1]), *(int(text) for text in sys.argv[2:5]))
