"""The part of the bench that asks what an encoder is worth in `merian identify`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.bench.encoder_rows import halves

from merian.bench.encoder_evidence import EVIDENCE, compared
from merian.bench.encoder_splits import write_split
from merian.bench.encoder_study import Study, answer
from merian.bench.scoring import Answered


def test_both_libraries_are_asked_and_kept(tmp_path):
    assert len(EVIDENCE.tasks) == 8
    tasks = EVIDENCE.tasks[-1:]
    for task in tasks:
        write_split(tmp_path / "splits" / task.name, *halves(task.kind))
    part = replace(EVIDENCE, tasks=tasks)
    figures = answer(Study(tmp_path, tmp_path), {"evidence": part})
    species = "evidence yeast: mixed, species, with"
    assert figures[species]["value"] > 90
    assert abs(figures[f"{species} less without"]["value"]) < 10
    assert {name.split(", ")[1] for name in figures} == {"AUROC", "species", "wrong", "depth"}
    kept = {file.name.split("-0")[0] for file in (tmp_path / "splits").glob("*/answers/*.tsv")}
    assert kept == {"evidence-with", "evidence-without"}
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.tsv")}
    assert answer(Study(tmp_path, tmp_path), {"evidence": part}) == figures
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.tsv")} == before


def test_a_difference_is_of_the_same_queries():
    """By hand: six queries of three genera; the second way has one more right."""
    right = np.zeros((6, 6), bool)
    right[:4, 4] = True
    better = right.copy()
    better[4, 4] = True
    one = Answered(
        genus=np.array([*"aabbcc"]), known=np.ones(6, np.int8), right=right,
        fine=np.ones((6, 6), bool), depth=np.ones(6, np.int8), p_species=np.full(6, 0.5),
        of_family=np.ones(6, bool),
    )  # fmt: skip
    found = compared({"without": one, "with": replace(one, right=better)})
    assert found["open, genus, without"]["value"] == pytest.approx(66.667)
    apart = found["open, genus, with less without"]
    assert apart["value"] == pytest.approx(16.667)
    assert apart["low"] == 0
    assert apart["high"] == pytest.approx(50, abs=17)
    assert apart["n"] == 6
