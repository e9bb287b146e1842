"""Suspects among references: planted ones are found, good ones are kept."""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from merian.errors import InputError
from merian.library import Screening, Settings, add_to_library, build_library
from merian.library.frames import CODES, read_groups
from merian.library.screening import CHIMERA, FAR, INDEL, SHIFT, STOPS
from merian.nucleotides import reverse_complement

from .conftest import lineage
from .test_build import names

REAL = Path(__file__).resolve().parents[3] / "shared/data/dna/coi_reference/coi_reference.tsv.gz"
CODONS = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
CODING = [c for c in CODONS if c not in ("TAA", "TAG")]


def evolved(text: str, share: float, chance: random.Random, codons: list[str] = CODING) -> str:
    """Change codons, so that so many of them differ and none is a stop."""
    codon = [text[i : i + 3] for i in range(0, len(text), 3)]
    return "".join(chance.choice(codons) if chance.random() < share else c for c in codon)


def a_biota(codons: list[str] = CODING) -> list[tuple[str, str, str]]:
    """Six families of four species with eight records each, all in frame.

    The first record of a species is whole, the others are trimmed, the last is turned.
    """
    chance = random.Random(5)
    root = "".join(chance.choices(codons, k=210))
    rows = []
    for f in range(6):
        family = evolved(root, 0.35, chance, codons)
        for s in range(4):
            species = evolved(family, 0.12, chance, codons)
            for r in range(8):
                text = evolved(species, 0.005, chance, codons)
                cut, short = (chance.randrange(25), chance.randrange(25)) if r else (0, 0)
                name = lineage(
                    f"G{'abcdef'[f]} s{'abcd'[s]}s", f"G{'abcdef'[f]}", f"F{'abcdef'[f]}idae"
                )
                text = reverse_complement(text) if r == 7 else text
                rows.append((f"r{f}{s}{r}", name, text[cut : len(text) - short]))
    return rows


def planted(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """One suspect of each kind, and what looks like one and is none."""
    chance = random.Random(6)
    good = {key: (name, text) for key, name, text in rows}
    name, text = good["r010"]
    drifted = [chance.choice("ACGT") if chance.random() < 0.06 else x for x in text]
    numt = "".join(drifted[:200] + drifted[202:])
    other = good["r330"][1]
    place = text.find("A", 300)
    while text[place + 1] != "A":
        place = text.find("A", place + 1)
    return [
        ("numt", name, numt), ("lost", name, text[:300] + text[301:]),
        ("doubled", name, text[:place] + "A" + text[place:]),
        ("near the end", name, text[:-32] + text[-31:]),
        ("chimera", name, text[:310] + other[310:]),
        ("junk", name, "".join(chance.choices("ACGT", k=600))),
        ("a codon less", name, text[:300] + text[303:]),
        ("with N", name, text[:200] + "NNNN" + text[204:]),
        ("lonely", lineage("Gz zzs", "Gz", "Fzidae"), evolved(text, 0.4, chance)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screened")
    rows = a_biota()
    path = folder / "reference.fasta"
    whole = [*rows, *planted(rows)]
    path.write_text("".join(f">{k.replace(' ', '_')};tax={n};\n{s}\n" for k, n, s in whole))
    settings = Settings(screening=Screening.of(None))
    return build_library([path], folder / "lib", settings=settings)


def aside(done) -> dict[str, str]:
    rows = [row.split("\t") for row in done.rejects.read_text().splitlines()[1:]]
    return {key: reason for _, _, key, reason in rows}


def test_what_was_planted_is_found_and_what_is_good_is_kept(screened):
    found = aside(screened)
    assert set(found) == {"numt", "lost", "doubled", "near_the_end", "chimera", "junk"}
    assert found["numt"] in (STOPS, SHIFT)
    assert found["lost"] == found["doubled"] == SHIFT
    assert found["near_the_end"] in (SHIFT, INDEL)
    assert found["junk"] in (STOPS, FAR)
    assert found["chimera"].startswith(f"{CHIMERA}: Faidae up to base ")
    assert "Fdidae from there" in found["chimera"]
    assert screened.set_aside[CHIMERA] == 1
    assert any("stop codons TAA TAG" in note for note in screened.notes)
    assert screened.library.header["segments"][0]["settings"]["screening"] == {"code": None}


def test_without_being_asked_nothing_is_screened(tmp_path, write):
    rows = a_biota()
    done = build_library([write([*rows, *planted(rows)])], tmp_path / "lib")
    assert done.set_aside == {}


def test_an_addition_is_screened_against_what_the_library_has(tmp_path, write):
    rows = a_biota()
    settings = Settings(screening=Screening.of(5))

    def index(library, segment, edition, progress):
        from merian.library.index import write_index

        write_index(library, segment, edition, progress)

    first = write(rows, "first.fasta")
    build_library([first], tmp_path / "lib", settings=settings, parts=[index])
    more = write(planted(rows), "more.fasta")
    done = add_to_library(tmp_path / "lib", [more], parts=[index])
    assert set(aside(done)) >= {"numt", "lost", "doubled", "chimera", "junk"}
    assert {"a", "with", "lonely"} <= {key.split()[0] for key in names(done.library)}
    with pytest.raises(InputError, match="screened"):
        add_to_library(tmp_path / "lib", [first], settings=Settings(screening=Screening.of(2)))


@pytest.mark.parametrize("code", [2, 5, 11])
def test_the_stops_are_found_from_the_sequences(code):
    stops = CODES[code].split()
    chance = random.Random(code)
    codons = [c for c in CODONS if c not in stops]
    texts = ["".join(chance.choices(codons, k=200)) for _ in range(60)]
    text, start = _packed(texts)
    found = read_groups(text, start, ["COI"] * 60)
    assert found.coding.all()
    assert not found.state.any()
    assert f"stop codons {CODES[code]};" in found.notes[0]
    broken = [t[:300] + stops[-1] + t[303:] for t in texts[:2]]
    shifted = [t[:300] + t[301:] for t in texts[2:4]]
    text, start = _packed([*broken, *shifted, *texts[4:]])
    state = read_groups(text, start, ["COI"] * 60, code).state
    assert state.astype(bool).tolist() == [True] * 4 + [False] * 56
    assert state[2:4].tolist() == [1, 1]


def test_a_gene_that_makes_no_protein_is_not_judged(tmp_path):
    chance = random.Random(3)
    texts = ["".join(chance.choices("ACGT", k=600)) for _ in range(60)]
    text, start = _packed(texts)
    found = read_groups(text, start, ["ITS Fungi"] * 60)
    assert not found.state.any()
    assert not found.coding.any()
    assert "makes no protein" in found.notes[0]


def test_a_genetic_code_is_not_asked_of_a_gene_that_makes_no_protein():
    chance = random.Random(3)
    coding = ["".join(chance.choices(CODING, k=200)) for _ in range(28)]
    coding += ["TAATAATTAATTTAACTAG" * 20] * 12
    other = ["".join(chance.choices("ACGT", k=600)) for _ in range(40)]
    found = read_groups(*_packed([*coding, *other]), ["COI"] * 40 + ["28S"] * 40, 5)
    assert found.state.astype(bool).tolist() == [False] * 28 + [True] * 12 + [False] * 40
    assert found.coding.tolist() == [True] * 40 + [False] * 40
    assert "makes no protein, or none by the genetic code 5" in found.notes[0]


def test_few_and_short_sequences_are_not_judged_by_themselves():
    chance = random.Random(3)
    texts = ["".join(chance.choices(CODING, k=200)) for _ in range(5)]
    text, start = _packed([*texts, "TAATAATTAATTTAACTAG" * 6])
    found = read_groups(text, start, ["COI"] * 6)
    assert not found.coding.any()
    assert not found.notes


@pytest.mark.parametrize("behind", ["", "C", "CC"])
@pytest.mark.parametrize("turned", [False, True])
def test_the_stop_at_the_end_of_a_complete_gene_is_none(behind, turned):
    chance = random.Random(3)
    texts = ["".join(chance.choices(CODING, k=200)) + "TAA" + behind for _ in range(40)]
    texts[0] = texts[0][:300] + "TAATAATTAATTTAACTAG" + texts[0][300:]
    texts = [reverse_complement(text) if turned else text for text in texts]
    found = read_groups(*_packed(texts), ["COI Arthropoda"] * 40, 5)
    assert found.state.astype(bool).tolist() == [True] + [False] * 39


def test_a_genetic_code_that_is_none_is_told():
    with pytest.raises(InputError, match="--genetic-code 7: expected a number of the NCBI"):
        Screening.of(7)


def _packed(texts):
    import numpy as np

    start = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer("".join(texts).encode(), np.uint8), start


@pytest.mark.skipif(not REAL.exists(), reason="the real COI references are not here")
def test_real_barcodes_with_planted_faults(tmp_path):
    chance = random.Random(7)
    with gzip.open(REAL, "rt") as stream:
        rows = [*csv.DictReader(stream, delimiter="\t")]
    full = [r for r in rows if len(r["nucleotides"]) == 658 and r["family"]]
    truth: dict[str, str] = {}
    whole = [(r["processid"], r, r["nucleotides"]) for r in rows[::3]]
    for number in range(20):
        one, other = chance.sample(full, 2)
        while one["family"] == other["family"]:
            one, other = chance.sample(full, 2)
        drifted = [chance.choice("ACGT") if chance.random() < 0.05 else x
                   for x in one["nucleotides"]]  # fmt: skip
        del drifted[chance.randrange(100, 500)]
        place = chance.randrange(200, 460)
        joined = one["nucleotides"][:place] + other["nucleotides"][place:]
        whole += [(f"numt{number}", one, "".join(drifted)), (f"chim{number}", one, joined)]
        # The templates of a chimera are in the library, or nobody could tell.
        whole += [(f"{r['processid']}t{number}", r, r["nucleotides"]) for r in (one, other)]
        truth |= {f"numt{number}": "numt", f"chim{number}": "chimera"}
    ranks = ("phylum", "class", "order", "family", "genus", "species")
    path = tmp_path / "real.tsv"
    lines = ["\t".join(("processid", *ranks, "nucleotides"))]
    lines += ["\t".join((key, *(r[x] for x in ranks), text)) for key, r, text in whole]
    path.write_text("\n".join(lines) + "\n")
    done = build_library([path], tmp_path / "lib", settings=Settings(screening=Screening.of(None)))
    found = aside(done)
    kinds = Counter(truth.get(key, "real") for key in found)
    assert kinds["numt"] >= 18
    assert kinds["chimera"] >= 14
    assert not [key for key, why in found.items() if key not in truth and why.startswith(CHIMERA)]
    assert kinds["real"] < 0.02 * len(whole)  # some of them are out of frame in truth


def test_the_kinds_of_reasons_are_told_apart():
    assert all(a != b for a, b in pairwise(sorted((STOPS, SHIFT, INDEL, CHIMERA, FAR))))
