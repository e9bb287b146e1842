"""Planted faults: what is planted is what is said to be, and audits find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.audit import audit_leak
from merian.bench import audit as bench_audit
from merian.bench.audit import _mislabels
from merian.bench.plants import HOW, KINDS, plant_labels, write_leaks
from merian.bench.references import draw_tree, write_references

YARDSTICK = Path(__file__).resolve().parents[3] / "shared/bench/barcodes.py"

ROWS = [
    (f"{family}{genus}{species}{i}", "ACGT", [
        "P", "C", "O", family, f"{family}{genus}", f"{family}{genus} {species}",
    ])
    for family in "AB" for genus in "ab" for species in "xyz" for i in range(10)
]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_a_planted_label_is_that_of_another_species(how):
    planted = plant_labels(ROWS, 0.1, how, 3)
    assert len(planted.names) == 12
    for number, (before, now) in enumerate(zip(ROWS, planted.rows, strict=True)):
        assert before[:2] == now[:2]
        if number not in planted.names:
            assert before == now
            continue
        assert planted.names[number] == before[2][5] != now[2][5]
        assert now[2] in [row[2] for row in ROWS]  # a lineage that is there, from top to bottom
        if how == "near":
            assert now[2][4] == before[2][4]
    assert planted.names == plant_labels(ROWS, 0.1, how, 3).names
    assert planted.names != plant_labels(ROWS, 0.1, how, 4).names


def test_planted_leaks_are_found_each_in_its_table(tmp_path):
    train, test = tmp_path / "references.fasta", tmp_path / "test.fasta"
    write_references(draw_tree(3000, 0), train, 0)
    write_leaks(train, test, 3000, 200, 10, 0)
    assert test.read_text().count(">") == 200
    told = {f.name: {row[1] for row in f.rows} for f in audit_leak(train, test).findings}
    for kind, (name, tables) in enumerate(KINDS.items()):
        mark = "R" if name == "id" else f"k{kind}_"
        assert sum(key.startswith(mark) for table in tables for key in told[table]) == 10, name
    assert not [key for keys in told.values() for key in keys if key.startswith("u_")]


@pytest.mark.skipif(not YARDSTICK.exists(), reason="the real insects are not there")
def test_four_in_five_wrong_labels_of_real_insects_are_found(tmp_path, monkeypatch):
    """A third of the genera is enough to say so; `merian bench audit` asks all of them."""
    ruler = bench_audit.load_yardstick(YARDSTICK)
    named = ruler.named

    def some(rows):
        kept = named(rows)
        genera = sorted({row[2][4] for row in kept})
        chosen = set(genera[::3])
        return [row for row in kept if row[2][4] in chosen]

    monkeypatch.setattr(ruler, "named", some)
    monkeypatch.setattr(bench_audit, "load_yardstick", lambda _: ruler)
    figures = _mislabels(YARDSTICK, tmp_path, "insects", [0], 0.01)
    for how in HOW:
        assert figures[f"insects, swapped {how}: found"]["value"] >= 80
        assert figures[f"insects, swapped {how}: precision, planted ones alone"]["value"] >= 50
