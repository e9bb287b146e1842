"""Other genes, strands and broken frames, among made-up genes and among real barcodes."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest
from tests.audit.makers import bases, changed, library_of, lineage, write

from merian.audit import audit_reference
from merian.audit.misread import TURNED, misread
from merian.audit.near import near_all
from merian.audit.records import Records
from merian.library import build_library
from merian.library.index import write_index
from merian.library.screening import FAR, INDEL, SHIFT, STOPS
from merian.nucleotides import reverse_complement

DNA = Path(__file__).resolve().parents[3] / "shared/data/dna"
CODONS = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
CODING = [codon for codon in CODONS if codon not in ("TAA", "TAG")]


def evolved(text, share, chance):
    """Other codons, so many of them, and none a stop."""
    codons = [text[i : i + 3] for i in range(0, len(text), 3)]
    return "".join(chance.choice(CODING) if chance.random() < share else c for c in codons)


@pytest.fixture(scope="module")
def gene():
    """A gene that makes a protein: five families of four species, five records each."""
    chance, rows = random.Random(5), []
    root = "".join(chance.choices(CODING, k=130))
    for f in "bcdfg":
        family = evolved(root, 0.15, chance)
        for s in "bcdf":
            species = evolved(family, 0.1, chance)
            name = lineage(f"{f.upper()}us {s}us", f"{f.upper()}idae")
            rows += [(f"{f}{s}{i}", name, evolved(species, 0.02, chance)) for i in range(5)]
    return rows


def told(library):
    """Record and reason, and how many entries are of other genes."""
    finding, other = misread(Records(library), near_all(library, lambda _what, _count: None))
    found = {row[finding.columns.index("record")]: row[0] for row in finding.rows}
    assert finding.count == len(finding.rows)
    return found, len(other)


def test_what_was_planted_is_told_with_its_reason_and_once(gene, tmp_path):
    chance = random.Random(6)
    of = {key: (name, text) for key, name, text in gene}
    broken = list(of["bb0"][1])
    for place in range(60, 330, 20):
        broken[place : place + 3] = "TAA"
    lost, late, codon = (of[key][1] for key in ("bc0", "cb0", "cf0"))
    ribosomal = bases(77, 380)
    rows = [
        *gene,
        ("stops", of["bb0"][0], "".join(broken)),
        ("lost", of["bc0"][0], lost[:200] + lost[201:]),
        ("late", of["cb0"][0], late[:-32] + late[-31:]),
        ("codon", of["cf0"][0], codon[:200] + codon[203:]),
        ("turned", of["cc1"][0], reverse_complement(evolved(of["cc1"][1], 0.01, chance))),
        *((f"rrna{i}", of[f"d{s}0"][0], changed(ribosomal, 20, i)) for i, s in enumerate("bcd")),
        ("lonely", lineage("Zus zus", "Zidae"), evolved(of["bb0"][1], 0.4, chance)),
    ]
    file = write(tmp_path / "r.fasta", rows)
    findings = {finding.name: finding for finding in audit_reference([file]).findings}
    misread_ones = findings["misread"]
    found = {row[misread_ones.columns.index("record")]: row[0] for row in misread_ones.rows}
    assert found.pop("late") in (SHIFT, INDEL)
    assert found == {
        "stops": STOPS, "lost": SHIFT, "turned": TURNED, "rrna0": FAR, "rrna1": FAR, "rrna2": FAR,
    }  # fmt: skip
    assert misread_ones.fault
    assert misread_ones.count == 7
    # What is of another gene is not told as something else once more.
    of_foreign = findings["foreign"].columns.index("record")
    assert not {row[of_foreign] for row in findings["foreign"].rows} & set(found)


def test_half_of_each_strand_is_held_against_none(gene, tmp_path):
    rows = [(k, n, reverse_complement(s) if i % 2 else s) for i, (k, n, s) in enumerate(gene[:40])]
    assert told(library_of(tmp_path, rows)) == ({}, 0)


def test_a_spacer_has_no_frame_and_its_families_are_no_other_genes(tmp_path):
    rows = [
        (f"{f}{i}", lineage(f"A{f} bus", f"A{f}idae"), changed(bases(100 + g, 300), 6, i))
        for g, f in enumerate("bcdfghklmnprst")
        for i in range(8)
    ]
    assert told(library_of(tmp_path, rows)) == ({}, 0)


def test_of_two_markers_one_among_the_other_is_told(gene, tmp_path):
    ribosomal = bases(79, 380)
    rows = [(key, "COI-5P" if i % 2 else "COI", text) for i, (key, _, text) in enumerate(gene[:50])]
    rows += [(f"r{i}", "16S", changed(ribosomal, 25, i)) for i in range(22)]
    rows += [("swapped", "16S", evolved(gene[7][2], 0.01, random.Random(8)))]
    rows += [("swopped", "COI-5P", changed(ribosomal, 20, 99))]
    path = tmp_path / "r.csv"
    with path.open("w") as stream:
        stream.write("processid,species,marker,sequence\n")
        stream.writelines(f"{key},Aus bus,{marker},{text}\n" for key, marker, text in rows)
    found, others = told(build_library([path], tmp_path / "library", parts=[write_index]).library)
    assert found["swopped"] == "among sequences of 16S"
    assert found["swapped"] in {"among sequences of COI-5P", "among sequences of COI"}
    assert (len(found), others) == (2, 2)


def test_planted_among_real_barcodes_all_other_genes_and_strands_are_told(tmp_path):
    real, spacers = (
        DNA / "coi_reference/coi_reference.tsv.gz",
        DNA / "its1_filamentous_cbs_dnabarcoder/CBSITS1.fasta.gz",
    )
    if not (real.is_file() and spacers.is_file()):
        pytest.skip("the real barcodes are not here")
    with gzip.open(real, "rt") as stream:
        good = [r for r in csv.DictReader(stream, delimiter="\t") if r["species_ok"] == "True"]
    good = good[::40]
    with gzip.open(spacers, "rt") as stream:
        spacer = [line.strip() for line in stream if not line.startswith(">") and len(line) > 170]
    chance, rows = random.Random(4), []
    for row in good:
        above = ",".join(
            f"{rank[0]}:{row[rank]}" for rank in ("phylum", "class", "order", "family")
        )
        name = f"{above},g:{row['genus']},s:{row['species'].replace(' ', '_')}"
        rows.append((row["processid"], name, row["nucleotides"]))
    planted = []
    for i in range(4):
        _, name, text = chance.choice(rows)
        planted += [
            (f"turned{i}", name, reverse_complement(text)),
            (f"its{i}", name, spacer[40 * i]),
        ]
    found, _ = told(library_of(tmp_path, [*rows, *planted]))
    assert {found.get(f"its{i}") for i in range(4)} == {FAR}
    assert {found.get(f"turned{i}") for i in range(4)} == {TURNED}
    others = {key for key in found if not key.startswith(("turned", "its"))}
    assert len(others) <= 0.02 * len(rows)  # real ones, with stops or shifts
    assert {found[key] for key in others} <= {STOPS, SHIFT, INDEL}
