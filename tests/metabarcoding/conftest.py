"""A small library, and a table of what it knows and lacks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from merian.identify import PARTS
from merian.library import build_library


def child(parent: str, share: float, chance: random.Random) -> str:
    return "".join(chance.choice("ACGT") if chance.random() < share else c for c in parent)


@dataclass(frozen=True)
class Lab:
    """A library, features with their species ("" where it lacks them), and reads by sample."""

    library: Path
    sequences: dict[str, str]
    species: dict[str, str]
    reads: dict[str, dict[str, int]]

    @property
    def samples(self) -> list[str]:
        return [*self.reads]

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (key, *(str(self.reads[s].get(key, 0)) for s in self.samples)) for key in self.sequences
        ]


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Lab:
    """Of each genus the last species is lacking, of each family the last genus."""
    folder, chance = tmp_path_factory.mktemp("lab"), random.Random(5)
    root = "".join(chance.choices("ACGT", k=420))
    references, sequences, species = [], {}, {}
    for f, g, s in product("abcd", "abcd", "abc"):
        if (g, s) == ("a", "a"):
            of_family = child(root, 0.25, chance)
        if s == "a":
            of_genus = child(of_family, 0.15, chance)
        of_species = child(of_genus, 0.10, chance)
        name = f"G{f}{g}us s{s}us"
        line = f"k:Animalia,p:Arthropoda,c:Insecta,o:Diptera,f:F{f}idae,g:G{f}{g}us"
        lacking = g == "d" or s == "c"
        for n in range(2):
            key = f"{f}{g}{s}{n}"
            if not lacking:
                text = child(of_species, 0.004, chance)
                references.append(f">{key};tax={line},s:{name.replace(' ', '_')};\n{text}\n")
            text = child(of_species, 0.004, chance)
            while text in sequences.values():
                text = child(of_species, 0.004, chance)
            sequences[f"v{key}"] = text
            species[f"v{key}"] = "" if lacking else name
    (folder / "reference.fasta").write_text("".join(references))
    build_library([folder / "reference.fasta"], folder / "lib", parts=PARTS)
    reads = {
        f"S{n}": {key: chance.randrange(1, 900) for key in chance.sample(sorted(sequences), 20)}
        for n in range(1, 7)
    }
    reads["BLANK"] = {"vaaa0": 3}
    return Lab(folder / "lib", sequences, species, reads)


@pytest.fixture
def files(lab, tmp_path) -> dict[str, Path]:
    """The same table as DADA2, and as vsearch with a FASTA, and a sheet."""
    found = {
        "seqtab": tmp_path / "seqtab.tsv", "otutab": tmp_path / "otutab.tsv",
        "fasta": tmp_path / "otus.fasta", "sheet": tmp_path / "sheet.csv",
    }  # fmt: skip
    rows = [("", *lab.sequences.values())]
    rows += [(s, *(str(lab.reads[s].get(k, 0)) for k in lab.sequences)) for s in lab.samples]
    found["seqtab"].write_text("".join("\t".join(row) + "\n" for row in rows))
    rows = [("#OTU ID", *lab.samples), *lab.rows()]
    found["otutab"].write_text("".join("\t".join(row) + "\n" for row in rows))
    found["fasta"].write_text("".join(f">{k};size=9;\n{s}\n" for k, s in lab.sequences.items()))
    sheet = ["sample,Date,lat,lon,site,is_control,otherwise"]
    sheet += [f'{s},2025-06-0{n},52.{n},4.{n},"Pond {n}, east",,x' for n, s in
              enumerate(lab.samples[:5], 1)]  # fmt: skip
    sheet += ["BLANK,2025-06-09,,,,yes,x", "S77,2025-06-09,,,,,x"]
    found["sheet"].write_text("\n".join(sheet) + "\n")
    return found
