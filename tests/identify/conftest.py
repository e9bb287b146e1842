"""Small libraries, and queries for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from tests.identify import fake

from merian.identify import PARTS, job, panel
from merian.library import build_library

ROOT = Path(__file__).resolve().parents[2]


def bases(seed: int, length: int = 120) -> str:
    """A sequence of its own for each number."""
    return "".join(random.Random(seed).choices("ACGT", k=length))


def fasta(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """Write a FASTA file of (id, sequence)."""
    path.write_text("".join(f">{key}\n{sequence}\n" for key, sequence in rows))
    return path


@pytest.fixture(scope="session")
def plain_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library without what real answers need; for the fake identifier."""
    folder = tmp_path_factory.mktemp("plain")
    rows = [(f"r{n};tax=k:Animalia,f:Aidae,g:Aus,s:Aus_bus;", bases(n)) for n in range(5)]
    build_library([fasta(folder / "reference.fasta", rows)], folder / "lib")
    return folder / "lib"


@dataclass(frozen=True)
class Small:
    """A library with real answers, queries of all kinds, and what these are."""

    library: Path
    queries: Path
    truth: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Six families; of each the last genus is lacking, of each genus the last species."""
    folder = tmp_path_factory.mktemp("small")
    chance = random.Random(11)

    def child(parent: str, share: float) -> str:
        return "".join(chance.choice("ACGT") if chance.random() < share else c for c in parent)

    references, queries, truth = [], [], ["id\tfamily\tgenus\tspecies\n"]
    root = bases(1, 500)
    for f, g, s in product("abcdef", "abcd", "abc"):
        if (g, s) == ("a", "a"):
            of_family = child(root, 0.25)
        if s == "a":
            of_genus = child(of_family, 0.15)
        of_species = child(of_genus, 0.08)
        family, genus = f"F{f}idae", f"G{f}{g}us"
        lineage = f"k:Animalia,p:Arthropoda,c:Insecta,o:Diptera,f:{family},g:{genus}"
        for n in range(3):
            key, sequence = f"{f}{g}{s}{n}", child(of_species, 0.004)
            if n == 2 or g == "d" or s == "c":
                queries.append((key, sequence))
                truth.append(f"{key}\t{family}\t{genus}\t{genus} s{s}us\n")
            else:
                references.append((f"{key};tax={lineage},s:{genus}_s{s}us;", sequence))
    build_library([fasta(folder / "reference.fasta", references)], folder / "lib", parts=PARTS)
    (folder / "truth.tsv").write_text("".join(truth))
    return Small(folder / "lib", fasta(folder / "q.fasta", queries), folder / "truth.tsv")


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[list[str]]]:
    """Let the fake answer, here and in other processes; returns what it was asked, and where."""
    monkeypatch.setattr(panel, "Identifier", fake.FakeIdentifier)
    monkeypatch.setattr(job, "OPENER", fake.OPENER)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    log = tmp_path / "asked.log"
    monkeypatch.setenv("FAKE_LOG", str(log))
    return lambda: [line.split() for line in log.read_text().splitlines()] if log.exists() else []
