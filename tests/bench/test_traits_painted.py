"""Painted parts as what is learned from, and folds that are trained and measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.bench.painted_specimens import (
    COLOURS,
    has_learned_painted,
    painted_landmarks,
    painted_names,
    part_of_painting,
    whole_body,
    write_painted,
)
from merian.bench.shipped_landmarks import run as ship
from merian.bench.shipped_landmarks import ship_landmarks
from merian.bench.traits_masks import CHOSEN_PICTURES, parts_figures
from merian.bench.traits_painted import folds_of, painted_figures
from merian.errors import InputError, NotFoundError
from merian.measure.placing import placer

TALL, WIDE = 160, 100
HEAD, PRONOTUM, ELYTRA = np.s_[14:24, 42:58], np.s_[26:48, 35:65], np.s_[50:130, 30:70]


def beetle(without=(), slip=False):
    """A beetle of boxes, its head above, with lines between the parts and the hole of a pin."""
    painted = np.zeros((TALL, WIDE, 3), np.uint8)
    for part, at in (("head", HEAD), ("pronotum", PRONOTUM), ("elytra", ELYTRA)):
        if part not in without:
            painted[at] = COLOURS[part]
    painted[80:84, 50:54] = 0
    painted[60:62, 5:30] = COLOURS["legs"]
    painted[5:14, 44:46] = COLOURS["antennae"]
    if slip:  # a part of a leg, painted as if it were of the elytra
        painted[30:50, 30:33] = COLOURS["elytra"]
    return painted


def folder_of(folder, names):
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    random = np.random.default_rng(0)
    for name in names:
        painted = beetle()
        picture = np.full(painted.shape, 225, np.uint8)
        picture[whole_body(painted)] = (60, 40, 30)
        picture[48:50, 36:64] = 10
        picture = np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / "images" / name)
        Image.fromarray(painted).save(folder / "masks" / name)
    return folder


def tiny(folder):
    """A network that has learned nothing, and takes every landmark for there."""
    import torch

    from merian.bench.drawn_specimens import NAMES
    from merian.learn.landmark_network import LandmarkConfig, LandmarkNetwork
    from merian.learn.landmark_objective import Landmarks
    from merian.learn.saved import save_model

    torch.manual_seed(0)
    network = LandmarkNetwork(LandmarkConfig(4, 1, len(NAMES)))
    torch.nn.init.constant_(network.present.bias, 9.0)
    told = {"name": "tiny", "preprocessing": {"size": 64, "landmarks": [*NAMES]}}
    save_model(folder, Landmarks(network, NAMES), told)
    return folder


def test_landmarks_are_where_the_parts_end():
    found = painted_landmarks(beetle())
    assert found["elytra_base"] == pytest.approx((50, 50))
    assert found["elytra_tip"] == found["abdomen_tip"] == pytest.approx((50, 130))
    assert found["head_tip"] == pytest.approx((50, 14), abs=1)
    # Right is where the x of a beetle with its head above is larger, as in drawn worlds.
    assert found["width_left"][0] == pytest.approx(30, abs=0.1)
    assert found["width_right"][0] == pytest.approx(70, abs=0.1)
    turned = painted_landmarks(np.ascontiguousarray(beetle()[::-1]))
    assert turned["elytra_base"] == pytest.approx((50, TALL - 50))
    assert turned["width_left"][0] == pytest.approx(70, abs=0.1)


def test_what_cannot_be_told_is_not_told():
    assert painted_landmarks(beetle(("elytra",))) == {}
    assert painted_landmarks(beetle(("pronotum", "head"))) == {}
    assert "head_tip" not in painted_landmarks(beetle(("head",)))
    assert "elytra_base" not in painted_landmarks(beetle(slip=True))
    assert not part_of_painting(beetle(("head",)), "head").any()


def test_lines_and_the_pin_are_body_and_legs_stay():
    painted = beetle()
    body = whole_body(painted)
    assert body[48:50, 40:60].all()
    assert body[80:84, 50:54].all()
    assert body[61, 10]
    assert not body[64, 10]
    assert not body[2, 2]
    assert (body >= painted.any(axis=2)).all()


def test_a_file_asks_nothing_that_nobody_has_painted(tmp_path):
    folder = folder_of(tmp_path / "data", ["a.png", "b.png"])
    Image.fromarray(beetle(("head",))).save(folder / "masks" / "b.png")
    file = write_painted(folder, painted_names(folder), tmp_path / "out", times=3)
    content = json.loads(file.read_text())
    assert len(content["annotations"]) == 6
    assert len({one["id"] for one in content["annotations"]}) == 6
    assert {image["split"] for image in content["images"]} == {"train"}
    names = [one["keypoints"] for one in content["categories"]]
    assert "head_tip" in names[0]
    assert "head_tip" not in names[1]
    for one in content["annotations"]:
        assert len(one["keypoints"]) == 3 * len(names[one["category_id"] - 1])
    with pytest.raises(NotFoundError, match="no picture; name the folder above"):
        painted_names(tmp_path)


def test_folds_hold_every_picture_once_and_those_chosen_on_first():
    names = [f"{number:04d}.png" for number in range(8, 300, 10)]
    dealt = folds_of(names, 4)
    assert [name[:-4] for name in dealt[0]] == [*CHOSEN_PICTURES]
    assert sorted(name for fold in dealt for name in fold) == names
    assert max(map(len, dealt[1:])) - min(map(len, dealt[1:])) <= 1
    assert folds_of(names[::-1], 4)[1:] == dealt[1:]
    assert len(folds_of(["a", "b", "c"], 3)) == 3
    for wrong in (0, 1, 40):
        with pytest.raises(InputError, match=f"{wrong} folds of"):
            folds_of(names, wrong)


def test_folds_are_trained_without_their_pictures_and_measured_with_them(tmp_path):
    pytest.importorskip("torch")
    from merian.learn.landmark_finding import load_landmark_finder

    folder = folder_of(tmp_path / "data", ["a.png", "b.png", "c.png"])
    changes = ("training.steps=2", "training.validate=2", "training.batch=2", "data.size=64")
    told = {"folds": 2, "rounds": (changes, (*changes, "training.seed=1")), "drawn": (1, 1)}
    start = tiny(tmp_path / "start")
    found = painted_figures(folder, 0, tmp_path / "out", str(start), **told)
    assert found["overlap of all parts, learned, outlines too"]["n"] == 3
    assert found["overlap of all parts, learned"]["value"] > 0.8
    for number, held in enumerate(folds_of(painted_names(folder), 2)):
        pack = json.loads((tmp_path / "out" / f"fold-{number}/pack/pack.json").read_text())
        learned = {one["name"] for one in pack["pictures"]}
        assert not learned & {*held}
        assert learned >= {"a.png", "b.png", "c.png"} - {*held}
    # A network that has learned from them tells nothing of them.
    run = str(tmp_path / "out" / "fold-0" / "run-2")
    card = json.loads((Path(run) / "model" / "card.json").read_text())
    assert card["recipe"]["encoder"]["from"].endswith("fold-0/run")
    assert card["recipe"]["training"]["seed"] == 1
    figures = parts_figures(folder, 0, placer(run))
    assert figures["learned from, so not measured with the network"]["value"] == 3
    assert not any("learned, outlines too" in name for name in figures)
    with pytest.raises(InputError, match="has learned from painted specimens"):
        painted_figures(folder, 0, start=run)
    ship_landmarks(run, tmp_path / "shipped", painted=["b.png"])
    card = json.loads((tmp_path / "shipped" / "card.json").read_text())
    assert has_learned_painted(card)
    assert card["sources"][1]["licence"] == "CC BY 4.0"
    assert "1 pinned ground beetles alone" in card["limits"][1]
    assert "those on drawn insects" in card["limits"][1]
    # Its errors are those of networks that had not seen the pictures, where they are given.
    told = {f"{way} head_tip": {"value": 0.01, "n": 3} for way in ("along", "across")}
    figures = tmp_path / "painted.json"
    figures.write_text(json.dumps({"figures": found | told}), encoding="utf-8")
    with pytest.raises(InputError, match="--painted"):
        ship(out=tmp_path / "work", trained=start, unseen=figures)
    ship_landmarks(run, tmp_path / "again", painted=["b.png"], errors=told, photographs=True)
    card = json.loads((tmp_path / "again" / "card.json").read_text())
    held_out = card["training"]["held_out_figures"]
    assert {name: held_out[name] for name in told} == told
    assert not [name for name in held_out if name.startswith("off ")]
    assert load_landmark_finder(tmp_path / "again").errors == {"head_tip": (0.01, 0.01)}
    assert "photographs that they had not seen" in card["limits"][1]
    figures.write_text('{"figures": {"area": {}}}', encoding="utf-8")
    for file, said in ((figures, "no errors of landmarks"), (tmp_path / "none", "no figures of")):
        with pytest.raises(InputError, match=said):
            ship(out=tmp_path / "work", trained=start, painted=folder, unseen=file)
