"""The bench of optimizers, on a few steps over text."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from merian.bench.arms import ARMS, train_arm  # noqa: E402
from merian.bench.optimizers import _beyond, _reached, run  # noqa: E402
from merian.bench.training_tasks import open_task, write_source  # noqa: E402
from merian.errors import InputError  # noqa: E402


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    write_source(folder)
    return open_task("text", folder)


@pytest.mark.parametrize("arm", ARMS)
def test_every_optimizer_learns_and_its_state_is_counted(text, arm):
    done = train_arm(text, arm=arm, rate=3e-3, rest=3e-3, steps=8, seed=1)
    losses = [loss for _, _, loss in done["curve"]]
    assert losses[-1] < losses[0]
    assert losses[-1] < math.log(256)
    assert (done["loss"], losses[-1]) == pytest.approx((losses[-1], done["loss"]), rel=0.1)
    assert [step for step, _, _ in done["curve"]] == list(range(1, 9))
    low, high = {"AdamW": (2, 2), "Muon": (1, 1), "KL-Shampoo": (3, 5)}.get(arm, (3, 12))
    assert low <= done["state"] <= high


def test_the_same_arm_does_the_same_twice(text):
    first, second = (
        train_arm(text, arm="AdamW", rate=3e-3, rest=3e-3, steps=2, seed=4) for _ in range(2)
    )
    assert [x[2] for x in first["curve"]] == [x[2] for x in second["curve"]]
    other = train_arm(text, arm="AdamW", rate=3e-3, rest=3e-3, steps=2, seed=5)
    assert other["loss"] != first["loss"]


def test_a_page_and_figures_come_of_a_small_comparison(tmp_path):
    page = tmp_path / "page.html"
    figures = run(tasks="text", arms="Muon", steps=2, seeds=2, processes=1, page=page)
    assert {name.partition(",")[0] for name in figures} == {"text: AdamW", "text: Muon"}
    loss = figures["text: Muon, loss"]
    assert loss["low"] < loss["value"] < loss["high"]
    assert loss["n"] == 2
    assert page.read_text(encoding="utf-8").count("<polyline") == 4


def test_a_row_of_rates_goes_on_where_its_end_is_the_best():
    assert list(_beyond({1.0: 5, 3.0: 4, 9.0: 3})) == [27.0]
    assert list(_beyond({1.0: 2, 3.0: 4, 9.0: 3})) == [1 / 3]
    assert list(_beyond({1.0: 5, 3.0: 2, 9.0: 3})) == []


def test_a_loss_is_reached_between_two_looks():
    assert _reached([10, 20, 30], [5, 3, 1], 2) == 25
    assert _reached([10, 20], [5, 3], 2) is None
    assert _reached([10, 20], [1, 3], 2) == 10


@pytest.mark.parametrize("wrong", [{"arms": "Adam"}, {"tasks": "poems"}])
def test_what_is_not_there_is_told(wrong):
    with pytest.raises(InputError, match="there are"):
        run(**wrong)
