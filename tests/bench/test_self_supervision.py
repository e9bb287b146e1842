"""`merian bench self-supervision`: packs, trains, and scores before and after."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from tests.learn.packs import pictures  # noqa: E402

from merian.bench import find_bench, measure  # noqa: E402
from merian.bench.self_supervision import _curves, _right  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402

NAMED = "picture-dino-small-16"
CHANGES = (
    "data.size=16", "encoder.image_size=16", "encoder.patch=4", "encoder.width=16",
    "encoder.layers=1", "encoder.heads=2", "encoder.hidden=32", "objective.small_size=8",
    "objective.small_looks=2", "objective.prototypes=12", "objective.projection=16",
    "objective.narrow=8", "training.batch=8", "training.pieces=1", "training.workers=0",
    "training.precision=float32",
)  # fmt: skip


def test_a_neighbour_is_the_nearest_other_picture():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 5)).astype(np.float32)
    vectors[7] = vectors[3]  # two that are the same are each other's nearest
    classes = random.integers(0, 3, 40)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = []
    for row in range(40):
        others = [other for other in range(40) if other != row]
        best = max(others, key=lambda other: float(unit[row] @ unit[other]))
        wanted.append(float(classes[best] == classes[row]))
    assert _right(vectors, classes).tolist() == wanted


def test_curves_tell_where_they_began_ended_and_turned():
    told = ((4, 6.0, 0.4), (8, 7.0, 0.3), (12, 5.0, 0.35), (13, 9.0, 0.9))  # the last of one step
    log = [{"step": step, "loss": loss, "likeness": like} for step, loss, like in told]
    log.insert(1, {"step": 4, "valid": {}})
    found = _curves("x", log)
    assert found["x: loss, first"]["value"] == 6
    assert found["x: loss, last"] == {"value": 5, "unit": "highest 7.000, lowest 5.000"}
    assert "x: entropy, last" not in found


def test_a_recipe_is_trained_and_scored_once(tmp_path):
    assert find_bench("self-supervision").measures.startswith("What pictures without names teach")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(read_recipe(NAMED, CHANGES).text())
    settings = {"folder": str(pictures(tmp_path / "photos", 40)), "recipes": str(recipe),
                "minutes": "0.02", "work": str(tmp_path / "work")}  # fmt: skip
    first, second = measure("self-supervision", settings), measure("self-supervision", settings)
    told = first.figures
    held, learned = told[f"{NAMED}: gain, held out"], told[f"{NAMED}: gain, learned from"]
    before, after = (told[f"{NAMED}: 1-NN {when}, held out"] for when in ("before", "after"))
    assert held["n"] + learned["n"] == 40 == told["pictures"]["value"]
    assert held["value"] == pytest.approx(after["value"] - before["value"], abs=1e-3)
    assert held["low"] <= held["value"] <= held["high"]
    assert told[f"{NAMED}: entropy, last"]["value"] > 0
    assert told[f"{NAMED}: steps"]["value"] >= 1
    assert f"{NAMED}: time" not in second.figures  # what is there is not trained again
    assert second.figures == {k: v for k, v in told.items() if k != f"{NAMED}: time"}
    with pytest.raises(InputError, match="-1 steps; above 0 and 0 or more expected"):
        measure("self-supervision", {**settings, "steps": "-1"})
