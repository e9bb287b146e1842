"""Errors of landmarks, measured in drawn pictures as people measure them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from merian.bench import placed_errors
from merian.bench.placed_errors import drawn_errors
from merian.learn.landmark_errors import Off
from merian.measure.placing import is_taken


def test_sides_tell_where_a_body_is_widest_before_they_are_taken():
    for sure, name, taken in ((0.3, "width_left", True), (0.3, "head_tip", False),
                              (0.2, "elytra_left", False), (0.5, "head_tip", True)):  # fmt: skip
        assert is_taken(name, SimpleNamespace(sure=sure)) is taken


def test_errors_in_drawn_pictures_are_those_of_the_network(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from merian.learn.landmark_pack import open_landmark_pack

    looked = []

    def look(body):
        """One that is off by a hundredth of the body to the right of it."""
        pack = open_landmark_pack(tmp_path / "pack")
        true = {
            name: np.array([x, y])
            for name, (x, y, there) in zip(
                pack.names, pack.points[len(looked)].tolist(), strict=True
            )
            if there == 1
        }
        looked.append(body)
        line = true["abdomen_tip"] - true["head_tip"]
        reach = float(np.hypot(*line))
        x, y = (line / reach).tolist()
        right = np.array([-y, x]) * reach / 100
        marks = {name: SimpleNamespace(point=tuple(at + right), looks=Off(0, 0, 0), sure=0.9)
                 for name, at in true.items()}  # fmt: skip
        return SimpleNamespace(marks=marks, reach=reach, way=(x, y))

    monkeypatch.setattr(placed_errors, "placer", lambda _model: SimpleNamespace(look=look))
    told = drawn_errors("some", tmp_path, worlds=1, count=4)
    assert len(looked) == 4
    assert told["across head_tip"]["value"] == pytest.approx(0.01, rel=0.01)
    assert told["along head_tip"]["value"] == pytest.approx(0, abs=2e-4)
    # The specimen was looked for as in any picture, and found.
    assert all(body.mask.any() for body in looked)
