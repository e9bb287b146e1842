"""BINs that the nearest sequences contradict: which are, which are not."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest
from tests.audit.makers import bases, changed

from merian.audit import audit_reference

REAL = Path(__file__).resolve().parents[3] / "shared/data/dna/coi_reference/coi_reference.tsv.gz"
COLUMNS = ("processid", "bin_uri", "species", "sequence", "order")
ONE, TWO, SIDE, LONE = (f"BOLD:AAA{n}" for n in (1111, 2222, 3333, 4444))


@pytest.fixture
def good():
    """Three BINs, of which the third lies beside the first, and one of a lone record."""
    return [
        *((f"o{i}", ONE, "Aus bus", changed(bases(1), i % 3, i)) for i in range(5)),
        *((f"t{i}", TWO, "Dus eus", changed(bases(2), i % 3, i)) for i in range(5)),
        *((f"s{i}", SIDE, "Aus cus", changed(changed(bases(1), 5, 9), i % 3, i)) for i in range(5)),
        ("l0", LONE, "Aus dus", changed(bases(1), 2, 99)),
        ("n0", "", "Aus bus", changed(bases(1), 1, 98)),
    ]


def found(folder, rows):
    """Record, BIN that fits better, and on which side the fault is seen."""
    path = folder / "r.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *((*row, "Diptera")[:5] for row in rows)])
    finding = {f.name: f for f in audit_reference([path]).findings}["bins"]
    cells = [dict(zip(finding.columns, row, strict=True)) for row in finding.rows]
    assert finding.count == len(cells)
    assert finding.fault
    return {row["record"]: row for row in cells}


def test_bins_side_by_side_and_lone_ones_are_held_against_none(good, tmp_path):
    assert found(tmp_path, good) == {}


def test_a_swapped_bin_is_told_with_the_one_that_fits(good, tmp_path):
    rows = [
        *good,
        ("wrong", ONE, "Dus eus", changed(bases(2), 2, 7)),
        ("equal", SIDE, "Dus eus", good[5][3]),  # one sequence with two BINs
        # Where nothing tells which is wrong, both are told.
        ("this", ONE, "Fus gus", bases(8)),
        ("that", TWO, "Fus gus", changed(bases(8), 1)),
        # As far from its own BIN as others are from the next one's.
        ("wide", ONE, "Aus bus", changed(changed(bases(1), 5, 9), 2, 50)),
    ]
    told = found(tmp_path, rows)
    assert {key: row["doubt"] for key, row in told.items()} == {
        "wrong": "this record",
        "equal": "this record",
        "this": "this or its neighbours",
        "that": "this or its neighbours",
    }
    wrong = told["wrong"]
    assert (wrong["bin"], wrong["fits_better"], wrong["label_name"]) == (ONE, TWO, "Dus eus")
    assert (wrong["other_near"], wrong["own_records"]) == (4, 7)
    assert 0 < wrong["other_nearest"] <= 0.01
    assert told["equal"]["other_nearest"] == 0
    assert wrong["example"].endswith("(Dus eus)")


def test_species_hypotheses_are_not_looked_at(good, tmp_path):
    names = {ONE: "SH1000001.08FU", TWO: "SH1000002.08FU"}
    rows = [(k, names.get(b, ""), s, t) for k, b, s, t in good]
    rows.append(("wrong", names[ONE], "Dus eus", bases(2)))
    assert found(tmp_path, rows) == {}


def test_bins_swapped_among_real_barcodes_are_told_and_few_others(tmp_path):
    if not REAL.is_file():
        pytest.skip("the real barcodes are not here")
    held: dict[str, list[dict[str, str]]] = {}
    with gzip.open(REAL, "rt") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["bin"]:
                held.setdefault(row["bin"], []).append(row)
    several = [name for name, rows in held.items() if len(rows) > 2][::7]
    real = [row for name in several for row in held[name][:4]]
    chance = random.Random(3)
    planted = {}
    for name in chance.sample(several, 10):
        row = chance.choice(held[name][:3])
        row["bin"] = chance.choice([other for other in several if other != name])
        planted[row["processid"]] = name
    rows = [(r["processid"], r["bin"], r["species"], r["nucleotides"], r["order"]) for r in real]
    told = found(tmp_path, rows)
    right = [key for key, name in planted.items() if told.get(key, {}).get("fits_better") == name]
    assert len(right) >= 8
    assert len(set(told) - set(planted)) <= 1
