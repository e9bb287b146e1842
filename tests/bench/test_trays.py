"""The bench of trays: boxes that tiles cut, marks of animals, and what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from merian.bench import trays
from merian.errors import NotFoundError
from merian.tray.instances import Instance


def test_boxes_of_traps_come_out_as_they_went_in(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 1_400, (60, 2))
    told = {
        "images": [{"id": 0, "width": 1_500, "height": 1_500}],
        "annotations": [
            {"image_id": 0, "bbox": [*corner.tolist(), *rng.uniform(5, 90, 2).tolist()]}
            for corner in corners
        ],
    }
    (tmp_path / "yellow_trap_coco").mkdir()
    (tmp_path / "neon2018_cvat").mkdir()
    for name in trays._TRAPS:
        path = tmp_path / "yellow_trap_coco" / name.removesuffix(".gz")
        path.write_text(json.dumps(told))
    monkeypatch.setattr(trays, "_TRAPS", tuple(n.removesuffix(".gz") for n in trays._TRAPS))
    monkeypatch.setattr(trays, "_MANY", 500)
    (tmp_path / "neon2018_cvat" / "2018_neon_beetles_bbox.xml").write_text(
        '<annotations><image id="0" name="a" width="900" height="700">'
        '<box xtl="1.5" ytl="2" xbr="890" ybr="650.2"/><box xtl="5" ytl="5" xbr="50" ybr="60"/>'
        "</image></annotations>"
    )
    figures = trays.run(part="boxes", data=tmp_path)
    assert figures["traps: boxes"]["value"] == 180
    assert figures["traps: pieces"]["value"] > 180
    assert figures["traps: recovered exactly"]["value"] == 1
    assert figures["vials: recovered exactly"]["value"] == 1
    assert figures["drawn: put together"]["value"] == trays._MANY


def test_a_body_that_holds_two_animals_is_neither():
    wide = Instance(np.ones((40, 200), np.bool_), 0, 0)
    left = Instance(np.ones((40, 40), np.bool_), 0, 0)
    marks = ((20, 20), (180, 20))
    assert trays._pointed_at([wide], marks) == 0
    assert trays._pointed_at([left], marks) == 1
    assert trays._pointed_at([left, left], marks) == 1  # the same animal twice
    assert trays._pointed_at([], marks) == 0


def test_what_is_not_at_hand_is_told(tmp_path):
    for part in ("real", "boxes"):
        with pytest.raises(NotFoundError):
            trays.run(part=part, data=tmp_path)
    with pytest.raises(NotFoundError, match="there are world"):
        trays.run(part="nothing")
