"""The bench of speed: what it compares is the same work, and arms take turns."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from merian.barcode.mamba import scan  # noqa: E402
from merian.bench import encoder_speed, speed_arms  # noqa: E402
from merian.bench.encoder_speed import measure  # noqa: E402
from merian.errors import InputError  # noqa: E402


def test_both_scans_are_the_same():
    given = [v.detach()[:1, :90, :3] if v.ndim > 3 else v.detach()[:1, :90]
             for v in speed_arms._scan_input()]  # fmt: skip
    given[1] = given[1][:, :, :3]
    given[0].requires_grad_()
    weight = torch.randn(1, 90, 3, 48)
    found = []
    for way in (speed_arms.word_by_word, lambda *each: scan(*each, chunk=32)):
        y = way(*given)
        found.append((y.detach(), torch.autograd.grad((y * weight).sum(), given[0])[0]))
    for slow, fast in zip(*found, strict=True):
        assert fast == pytest.approx(slow, abs=1e-3 * float(slow.abs().max()))


def test_an_arm_runs_in_a_process_of_its_own():
    told = []
    figures = measure(told.append, rounds=2, cores=1, arms=["scan, in chunks"])
    assert told == ["round 1 of 2: scan, in chunks", "round 2 of 2: scan, in chunks"]
    [(name, figure)] = figures.items()
    assert (name, figure["n"]) == ("scan, in chunks", 2)
    assert 0 < figure["low"] <= figure["value"] <= figure["high"]


def test_arms_are_compared_round_by_round():
    figures = encoder_speed._compared({
        "scan, word by word": [1.0, 2.0, 1.0], "scan, in chunks": [10.0, 30.0, 12.0],
    })  # fmt: skip
    assert figures == {
        "the scan: times as fast as word by word": {
            "value": 12.0, "low": 10.0, "high": 15.0, "n": 3, "unit": "times",
        },
    }  # fmt: skip


def test_what_cannot_be_measured_is_said(monkeypatch):
    with pytest.raises(InputError, match="no arm begins with nothing"):
        measure(arms=["nothing"])
    with pytest.raises(InputError, match="1 round or more"):
        measure(rounds=0)
    monkeypatch.setattr(encoder_speed, "_PEER", "no_such_package")
    assert encoder_speed.not_measured() == {
        "the peer": "not measured: transformers is not installed"
    }  # fmt: skip
    with pytest.raises(InputError, match="no arm begins with"):
        measure(arms=["of nobody"])


def test_every_comparison_is_between_arms_that_there_are():
    for ours, other, _ in encoder_speed.NEEDED.values():
        assert {ours, other} <= set(speed_arms.ARMS)
