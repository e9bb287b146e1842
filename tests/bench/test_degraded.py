"""What the bench of degraded barcodes does to them, and that it scores what it asked."""

from __future__ import annotations

import numpy as np
import pytest
from tests.bench.test_yardstick import made_rows

from merian.bench.degraded import CONDITIONS, Condition, _figures, answer
from merian.bench.yardstick import load_yardstick, write_task
from merian.nucleotides import reverse_complement


@pytest.fixture
def chance():
    return np.random.default_rng(5)


def test_a_piece_is_from_anywhere(chance):
    sequence = "".join(chance.choice([*"ACGT"], 658))
    pieces = [Condition("", 150)(sequence, chance) for _ in range(200)]
    assert {len(piece) for piece in pieces} == {150}
    starts = [sequence.index(piece) for piece in pieces]
    assert min(starts) < 30
    assert max(starts) > 658 - 150 - 30
    assert Condition("", 900)(sequence, chance) == sequence


def test_errors_are_as_frequent_as_said_and_some_shift_what_follows(chance):
    sequence = "ACGT" * 25_000
    misread = Condition("", errors=0.02)(sequence, chance)
    assert misread != sequence
    assert abs(len(misread) - len(sequence)) < 200
    only = Condition("", errors=0.02)("A" * 100_000, chance)
    others = sum(base != "A" for base in only)
    # Eight of ten errors are other bases; of the bases that are inserted three of four.
    assert pytest.approx(others, rel=0.1) == 0.02 * 0.875 * 100_000


def test_the_other_strand_is_the_same_barcode(chance):
    assert Condition("", reverse=True)("AACGT", chance) == reverse_complement("AACGT")


def test_conditions_are_told_apart():
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS)
    assert CONDITIONS[0]("ACGT", np.random.default_rng(0)) == "ACGT"


def test_degraded_queries_are_answered_and_scored(shared, tmp_path, monkeypatch):
    place = shared.parent / "bench" / "barcodes.py"
    ruler = load_yardstick(place)
    folder = tmp_path / "made_mixed_0"
    rows = made_rows(np.random.default_rng(0))
    write_task(ruler, folder, *ruler.make(rows, "mixed", 0))
    few = (CONDITIONS[0], Condition("whole, other strand", reverse=True), Condition("tiny", 60))
    monkeypatch.setattr("merian.bench.degraded.CONDITIONS", few)
    answer([folder.name], str(place), str(tmp_path), "0.05")
    whole, reverse, tiny = (_figures(place, [folder], condition, 50) for condition in few)
    assert whole == reverse
    assert whole["mean_depth"]["value"] > tiny["mean_depth"]["value"]
    assert whole["species_of_known"]["value"] >= tiny["species_of_known"]["value"]
    for name, figure in whole.items():
        assert figure["low"] <= figure["value"] <= figure["high"], name
