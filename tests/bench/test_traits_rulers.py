"""The bench of scales: what counts as wrong, told and silent."""

from __future__ import annotations

from pathlib import Path

from merian.bench.traits_rulers import _judged, run
from merian.measure.calibration import Calibration, declared


def test_a_wrong_scale_is_silent_only_where_the_right_one_is_not_told():
    right = _judged(declared(10.01, 0.001), "plain", 10.0)
    assert right["silently wrong"] == right["refused"] == right["ambiguous"] == 0
    assert right["within its interval (k = 2)"] == 1
    assert 0.09 < right["off"] < 0.11
    told = _judged(Calibration(20, 0.001, "ruler", others=((10, "x"),)), "plain", 10.0)
    assert (told["silently wrong"], told["right one not told"], told["ambiguous"]) == (0, 0, 1)
    silent = _judged(declared(20, 0.001), "plain", 10.0)
    assert (silent["silently wrong"], silent["right one not told"]) == (1, 1)
    lost = _judged(Calibration(20, 0.001, "ruler", others=((5, "x"),)), "plain", 10.0)
    assert (lost["silently wrong"], lost["right one not told"]) == (0, 1)
    assert _judged(None, "plain", 10.0)["refused"] == 1
    assert _judged(declared(3), "none", 10.0)["a scale in silence"] == 1


def test_it_runs_without_real_data(tmp_path: Path):
    figures = run(data=tmp_path, drawn=0, bars=4)
    assert figures["bars: refused"]["n"] == 4
    assert any(name.startswith("boards") for name in figures)
    assert all(set(figure) == {"value", "n", "unit"} for figure in figures.values())
