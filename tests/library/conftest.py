"""A handful of references whose library can be worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

Write = Callable[..., Path]


def bases(seed: int, length: int = 120) -> str:
    """A sequence of its own for each number."""
    return "".join(random.Random(seed).choices("ACGT", k=length))


def lineage(species: str, genus: str = "Aus", family: str = "Aidae", more: str = "") -> str:
    """A header of SINTAX from the family down."""
    names = {"k": "Animalia", "p": "Arthropoda", "f": family, "g": genus, "s": species}
    return ",".join(f"{k}:{v.replace(' ', '_')}" for k, v in names.items() if v) + more


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a FASTA file of (id, lineage, sequence)."""

    def written(rows: Iterable[tuple[str, str, str]], name: str = "reference.fasta") -> Path:
        path = tmp_path / name
        path.write_text("".join(f">{key};tax={names};\n{s}\n" for key, names, s in rows))
        return path

    return written


@pytest.fixture
def small(write: Write) -> Path:
    """Two species, one of them twice; unnamed ones of every kind."""
    return write([
        ("a1", lineage("Aus bus"), bases(1)),
        ("a2", lineage("Aus bus"), bases(1).lower() + "nn"),  # the same, written otherwise
        ("a3", lineage("Aus bus"), bases(2)),
        ("a4", lineage("Aus cus"), bases(1)),  # the barcode of another species
        ("a5", lineage("Aus cf. bus"), bases(3)),
        ("a6", lineage("Aus sp. 3"), bases(4)),
        ("a7", lineage("Aus sp. 3"), bases(5)),
        ("a8", lineage("Aus sp."), bases(6)),
        ("a9", lineage("Aus sp."), bases(6)),
        ("b1", lineage("Aus sp.", more=",t:BOLD:AAA0001"), bases(7)),
        ("b2", lineage("", more=",t:BOLD:AAA0001"), bases(8)),
        ("b3", lineage("", genus="unidentified", family="Bidae"), bases(9)),
        ("b4", lineage("unk", genus="Incertae_sedis", family="Bidae"), bases(10)),
    ])  # fmt: skip
