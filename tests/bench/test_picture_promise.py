"""The bench of the promise for pictures: how answers are judged, and a small run of it."""

from __future__ import annotations

import csv
import json
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from merian.bench.asked_records import Judged, depths, errors, figures
from merian.bench.picture_promise import run
from merian.identify.picture import FEATURES

TRUE = {"id": "a", "kingdom": "Animalia", "order": "Diptera", "genus": "Aus", "species": "Aus bus",
        "family": "Aidae", "label": "x"}  # fmt: skip


def judged(rank, name, truth=TRUE, stratum="species present"):
    return Judged({"id": "a", "rank": rank, "name": name}, truth, stratum)


@pytest.mark.parametrize(
    ("rank", "name", "wrong"),
    [("", "", False), ("species", "Aus bus", False), ("genus", "Aus", False),
     ("genus", "Dus", True), ("species", "Aus cus", True), ("class", "Insecta", True)],
)  # fmt: skip
def test_an_answer_is_wrong_if_it_is_neither_the_taxon_nor_one_above(rank, name, wrong):
    assert judged(rank, name).wrong is wrong


def test_a_genus_counts_as_one():
    wrong = np.array([1.0] * 9 + [0.0])
    found = errors(wrong, np.array(["Aus"] * 9 + ["Dus"]))
    assert found["value"] == 50 and (found["low"], found["high"]) == (0, 100)


def test_only_right_names_count_as_deep():
    some = [judged("species", "Aus bus"), judged("species", "Aus cus"), judged("order", "Diptera"),
            judged("", "")]  # fmt: skip
    found = {k: v["value"] for k, v in depths("x", some).items()}
    assert found["x: named rightly to species"] == 25
    assert found["x: named rightly to order"] == 50
    assert "x: wrong, species present" in figures("x", some, "genus")


def test_a_small_run_on_classes_of_plankton(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    folder, lineages = tmp_path / "isiis", tmp_path / "lineages.csv"
    names = ("Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species")
    with lineages.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("Dataset", "Raw_Labels", *names))
        for n in range(8):
            label = f"copepod_kind{n}"
            row = ("animalia", "arthropoda", "copepoda", f"order{'abcd'[n // 2]}", "", "", "")
            table.writerow(("planktonset1.0", label, *row))
            (folder / label).mkdir(parents=True)
            for k in range(3):
                pixels = np.random.default_rng((n, k)).integers(0, 256, (20, 30), np.uint8)
                Image.fromarray(pixels).save(folder / label / f"{k}.jpg")
    found = run(isiis=folder, lineages=lineages, parts="isiis", out=tmp_path / "out", processes=1)
    assert 0 <= found["ISIIS, picture: wrong, all"]["value"] <= 100
    asked = found["ISIIS, picture: wrong, class absent"]["n"]
    assert asked == 6  # two of the classes, with all of their pictures


def test_the_usual_weights_are_for_the_numbers_that_there_are():
    path = resources.files("merian.identify") / "usual_picture_weights.json"
    kept = json.loads(path.read_text("utf-8"))
    assert kept["features"] == {kind: [*names] for kind, names in FEATURES.items()} | {
        "above": [*FEATURES["above"]]
    }
    for kind, weights in kept["weights"].items():
        assert len(weights) == len(FEATURES[kind]) and np.isfinite(weights).all()
