"""Learned landmarks and outlines beside the classical ones: what is taken, and what is told."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from merian.bench.traits_pictures import drawn
from merian.bench.traits_world import run as run_world
from merian.cli import main
from merian.errors import InputError, MissingExtraError
from merian.formats.outlines import polygon_outline
from merian.learn.landmark_errors import Off
from merian.measure import placing
from merian.measure.asked import Asked, Given
from merian.measure.body import Body
from merian.measure.calibration import declared
from merian.measure.definitions import Definition, chosen, definitions
from merian.measure.landmarks import Told, find_landmarks
from merian.measure.outline import outlines
from merian.measure.placing import Placer, outlined, placer, with_learned
from merian.measure.quantities import quantity
from merian.measure.specimens import Settings, measure_pixels

LENGTH = Definition("length", "1.0", "a length", "chord", landmarks=("a", "b"), unit="mm")


@pytest.fixture(scope="module")
def beetle():
    return next(iter(drawn(2, 1, 14, kinds=("beetle",), level=1)))


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cut, int(columns[0]), int(rows[0])


def body_of(mask, picture=None, codes=()):
    cut, left, top = box_of(mask)
    if picture is None:
        picture = np.full((*mask.shape, 3), 200, np.uint8)
    return Body(cut, left, top, picture, codes=codes)


def placed_of(chance, marks=(), absent=(), reach=100.0, off=2.0, sure=0.9):
    """What a network says that sees all of the picture alike."""
    height, width = chance.shape

    def body(left, top, w, h):
        return chance[top : top + h, left : left + w]

    around = Off.of(off, off, (1.0, 0.0))
    found = {name: SimpleNamespace(point=point, present=sure, clear=1.0, sure=sure, off=around)
             for name, point in dict(marks).items()}  # fmt: skip
    window = SimpleNamespace(middle=(width / 2, height / 2), scale=1.0, side=2 * max(width, height))
    return SimpleNamespace(marks=found, absent=dict(absent), reach=reach, windows=(window,),
                           body=body)  # fmt: skip


def oval(side=160, wide=22.0, high=55.0):
    y, x = np.mgrid[:side, :side] + 0.5
    return ((x - side / 2) / wide) ** 2 + ((y - side / 2) / high) ** 2 < 1


# -- landmarks ------------------------------------------------------------------------------------


def test_what_was_told_is_taken_and_the_rest_follows_from_it():
    mask = oval()
    plain = find_landmarks(mask, None)
    ends = {"head_tip": (80.0, 134.0), "abdomen_tip": (80.5, 26.0), "elytra_base": (80.0, 100.0)}
    found = find_landmarks(mask, None, Told({**ends, "width_left": (0.0, 0.0), "pronotum": (1, 2)}))
    assert {name: found.points[name] for name in ends} == ends
    assert found.points["pronotum"] == (1, 2)
    assert found.taken == {*ends, "pronotum"}
    # An outline tells better how wide a body is; and left is right when the other end is the head.
    wide = [[one.points[name][0] for name in ("width_left", "width_right")]
            for one in (found, plain)]  # fmt: skip
    assert abs(wide[0][0] - wide[0][1]) == abs(wide[1][0] - wide[1][1])
    assert wide[0] == (wide[1][::-1] if plain.points["head_tip"][1] < 80 else wide[1])
    assert found.points["elytra_tip"] == ends["abdomen_tip"]
    rows = np.flatnonzero(found.parts["elytra"].any(axis=1))
    assert (rows.min(), rows.max()) == (pytest.approx(25, abs=2), pytest.approx(100, abs=2))
    across = found.points["elytra_left"], found.points["elytra_right"]
    assert abs(across[0][0] - across[1][0]) == pytest.approx(44, abs=2)
    # The other end was the head before, or this one: the farther of both is told.
    assert found.apart == pytest.approx(
        max(np.hypot(*np.subtract(ends[k], plain.points[k])) for k in ("head_tip", "abdomen_tip"))
    )
    assert plain.taken == frozenset()


def test_an_outline_tells_how_wide_a_body_is_and_a_network_where():
    mask = oval()  # widest in the middle, from 58 to 102
    sides = ((64.0, 38.0), (95.5, 42.0))
    found = find_landmarks(mask, None, Told({}, sides=sides))
    ends = sorted((found.points["width_left"], found.points["width_right"]))
    # Its sides are those of the outline at the place that was told, and nothing of it is doubtful.
    half = 22 * np.sqrt(1 - (40 / 55) ** 2)
    assert ends[0] == pytest.approx((80 - half, 40), abs=0.8)
    assert ends[1] == pytest.approx((80 + half, 40), abs=0.8)
    assert found.taken == {"width_left", "width_right"}
    assert not found.mended
    assert "legs-kept" not in found.codes
    # What lies beyond the body is no place of it.
    beyond = find_landmarks(mask, None, Told({}, sides=((59.0, 5.0), (101.0, 5.0))))
    assert beyond.points["width_left"] == find_landmarks(mask, None).points["width_left"]


def test_a_leg_in_the_outline_makes_no_body_wider():
    legged = oval()
    legged[62:96, 96:125] = True  # a thick one, folded, beside the right half
    plain = find_landmarks(*box_of(legged)[:1], None)
    wide = [plain.points[name][0] for name in ("width_left", "width_right")]
    assert abs(wide[0] - wide[1]) > 60
    body, chance = body_of(legged), oval().astype(np.float32)
    marks = {"abdomen_tip": (80.0, 134.0), "head_tip": (80.0, 26.0), "elytra_base": (80.0, 50.0),
             "width_left": (59.0, 80.0), "width_right": (101.0, 80.0)}  # fmt: skip
    found = with_learned(body, placed_of(chance, marks, off=4.0), "net 1")
    told = {name: quantity(found, one) for name, one in
            zip(("body", "elytra"), chosen(definitions(), ["body_width", "elytra_width"]),
                strict=True)}  # fmt: skip
    assert told["body"].value == pytest.approx(43, abs=1.5)
    assert told["elytra"].value == told["body"].value
    # One side is the network's, with its error; the other is the outline's.
    taken = {name for name in found.off if name.startswith("width")}
    assert len(taken) == 1
    assert found.points[taken.pop()][0] == pytest.approx(101, abs=0.5)
    assert "legs-kept" in found.codes
    assert told["body"].uncertainty > 4
    # One that is hardly sure is not taken.
    vague = placed_of(chance, marks)
    vague.marks["width_left"].sure = 0.2
    assert quantity(with_learned(body, vague, ""),
                    chosen(definitions(), ["body_width"])[0]).value > 60  # fmt: skip


def test_elytra_end_where_the_end_of_the_body_is_told(beetle):
    cut, left, top = box_of(beetle.mask)
    picture = beetle.picture[top : top + cut.shape[0], left : left + cut.shape[1]]
    plain = find_landmarks(cut, picture)
    assert plain.points["elytra_tip"] == plain.points["abdomen_tip"]
    x, y = plain.points["abdomen_tip"]
    told = {"abdomen_tip": (x + 9, y - 4)}
    assert find_landmarks(cut, picture, Told(told)).points["elytra_tip"] == (x + 9, y - 4)
    both = {**told, "elytra_tip": (x + 3, y)}
    assert find_landmarks(cut, picture, Told(both)).points["elytra_tip"] == (x + 3, y)


def test_elytra_are_off_by_as_much_as_the_end_that_they_were_taken_from(beetle):
    body = body_of(beetle.mask, beetle.picture)
    end = body.in_picture(find_landmarks(body.mask, body.pixels).points["abdomen_tip"])
    chance = beetle.mask.astype(np.float32)
    found = with_learned(body, placed_of(chance, {"abdomen_tip": end}, off=4.0), "net 1")
    assert found.off == dict.fromkeys(("abdomen_tip", "elytra_tip"), Off.of(4.0, 4.0, (1.0, 0.0)))


def test_elytra_that_are_told_absent_are_not_told(beetle):
    cut, left, top = box_of(beetle.mask)
    picture = beetle.picture[top : top + cut.shape[0], left : left + cut.shape[1]]
    assert "elytra_base" in find_landmarks(cut, picture).points
    found = find_landmarks(cut, picture, Told({}, frozenset({"elytra_base"})))
    assert not [name for name in found.points if name.startswith("elytra")]
    assert "elytra" not in found.parts
    assert "head_tip" in found.points


def test_landmarks_that_are_not_sure_are_not_taken_and_their_error_counts():
    body = body_of(oval())
    marks = {"head_tip": (80.0, 26.0), "abdomen_tip": (80.0, 134.0)}
    chance = oval().astype(np.float32)
    found = with_learned(body, placed_of(chance, marks, off=4.0), "net 1")
    assert found.off == dict.fromkeys(marks, Off.of(4.0, 4.0, (1.0, 0.0)))
    assert found.placed_by == "net 1"
    assert found.points["head_tip"] == (80.0, 26.0)
    vague = with_learned(body, placed_of(chance, marks, sure=0.1), "net 1")
    assert not vague.off
    assert not vague.placed_by
    length = chosen(definitions(), ["body_length"])[0]
    told, plain = (quantity(one, length).uncertainty for one in (found, vague))
    assert told == pytest.approx(np.hypot(4, 4))
    assert told > plain
    hand = quantity(found, length, by_hand=frozenset({"head_tip"}))
    assert hand.uncertainty == pytest.approx(np.hypot(1.5, 4))


def test_landmarks_of_both_ways_that_are_far_apart_are_told():
    body, chance = body_of(oval()), oval().astype(np.float32)
    near = {"head_tip": (80.0, 26.0), "abdomen_tip": (80.0, 134.0)}
    head = find_landmarks(body.mask, body.pixels).points["head_tip"]
    if body.in_picture(head)[1] > 80:
        near = {"head_tip": (80.0, 134.0), "abdomen_tip": (80.0, 26.0)}
    assert "landmarks-differ" not in with_learned(body, placed_of(chance, near), "").codes
    far = {"head_tip": near["abdomen_tip"], "abdomen_tip": near["head_tip"]}
    assert "landmarks-differ" in with_learned(body, placed_of(chance, far), "").codes


# -- outlines -------------------------------------------------------------------------------------


def test_dirt_goes_what_was_lost_comes_and_the_edge_stays():
    true = oval()
    dirty = true.copy()
    dirty[75:85, 100:125] = True  # hangs on it
    dirty[40:60, 70:78] = False  # a glint
    chance = np.where(true, 0.95, 0.05).astype(np.float32)
    rim = oval(wide=24, high=57) & ~oval(wide=20, high=53)
    chance[rim] = 0.5  # where its edge is the network does not know
    found = outlined(body_of(dirty, codes=("two-or-more", "touches-border")), placed_of(chance))
    assert found.codes == ("two-or-more",)
    whole = np.zeros_like(true)
    height, width = found.mask.shape
    whole[found.top : found.top + height, found.left : found.left + width] = found.mask
    assert ((whole != true) <= rim).all()


def test_outlines_that_hardly_agree_are_told_and_none_is_lost():
    body = body_of(oval())
    other = np.zeros((160, 160), np.float32)
    other[:, :40] = 1
    found = outlined(body, placed_of(other))
    assert "outlines-differ" in found.codes
    assert found.left == 0
    empty = outlined(body, placed_of(np.zeros((160, 160), np.float32)))
    assert (empty.mask == body.mask).all()
    assert "outlines-differ" in empty.codes


def test_only_what_lies_along_a_line_makes_it_longer():
    body = body_of(oval())
    ends = {"a": (30.0, 30.0), "b": (90.0, 110.0)}
    way = (0.6, 0.8)
    off = {"a": Off.of(2.0, 30.0, way), "b": Off.of(1.5, 30.0, way)}
    told = quantity(replace(body, points=ends, off=off), LENGTH)
    assert told.value == 100
    assert told.uncertainty == pytest.approx(2.5)
    across = {name: Off.of(30.0, 2.0, way) for name in off}
    told = quantity(replace(body, points=ends, off=across), LENGTH)
    assert told.uncertainty == pytest.approx(30 * math.sqrt(2))


# -- measuring ------------------------------------------------------------------------------------


def test_a_picture_is_measured_with_what_the_network_says(beetle, monkeypatch):
    chance = beetle.mask.astype(np.float32)
    monkeypatch.setattr(placing, "_loaded", lambda _: SimpleNamespace(
        find=lambda _picture, _box: placed_of(chance, beetle.landmarks, off=1.5)))  # fmt: skip
    traits = chosen(definitions(), ["body_length", "area"])
    asked = Asked("a", "a", calibration=declared(beetle.px_per_mm, 0.0, "told"))
    plain = measure_pixels(beetle.picture, asked, Settings(traits, single=True))
    learned = measure_pixels(
        beetle.picture,
        asked,
        Settings(traits, single=True, placer=Placer("x", "net", "1f", outlines=True)),
    )
    assert plain.specimens[0].placed_by == ""
    assert learned.specimens[0].placed_by == "net 1f"
    length = learned.specimens[0].measurements[0]
    assert length.value == pytest.approx(beetle.lengths["body_length_mm"], rel=0.002)
    given = np.linalg.norm(np.subtract(*(beetle.landmarks[k] for k in ("head_tip", "abdomen_tip"))))
    assert length.pixels == pytest.approx(given)
    assert length.low < beetle.lengths["body_length_mm"] < length.high
    area = learned.specimens[0].measurements[1]
    assert area.pixels == beetle.mask.sum()
    only = measure_pixels(
        beetle.picture, asked, Settings(traits, single=True, placer=Placer("x", "net", "1f"))
    )
    assert only.specimens[0].measurements[0].pixels == length.pixels
    assert only.specimens[0].measurements[1].pixels == plain.specimens[0].measurements[1].pixels
    assert only.specimens[0].measurements[1].pixels != area.pixels


def test_what_a_network_needs_is_told(monkeypatch, tmp_path):
    assert placer() is None
    assert placer("classical") is None
    with pytest.raises(InputError, match="needs a network"):
        placer("classical", "learned")
    with pytest.raises(InputError, match="expected classical or learned"):
        placer("learned", "finer")
    monkeypatch.setitem(sys.modules, "torch", None)
    for asked in ("learned", str(tmp_path)):
        with pytest.raises(MissingExtraError):
            placer(asked)


@pytest.mark.parametrize(
    ("asked", "name"),
    [("learned", "landmarks-pinned"), ("landmarks-small", "landmarks-small")],
)
def test_the_networks_that_ship_find_elytra_where_they_begin(asked, name):
    pytest.importorskip("torch")
    network = placer(asked)
    assert network is not None
    assert network.told.startswith(f"{name} ")
    traits = chosen(definitions(), ["elytra_length"])
    settings = Settings(traits, single=True, placer=network)
    for one in drawn(2, 3, 14, kinds=("beetle",), level=2):
        rings = [ring.ravel().tolist() for ring in outlines(one.mask)]
        asked = Asked(one.name, one.name, outlines=(Given(polygon_outline(rings)),))
        (specimen,) = measure_pixels(one.picture, asked, settings).specimens
        assert specimen.placed_by == network.told
        (length,) = specimen.measurements
        # The pronotum lies over the first three hundredths of the body's length.
        seen = one.lengths["elytra_length_mm"] - 0.03 * one.lengths["body_length_mm"]
        assert length.pixels == pytest.approx(seen * one.px_per_mm, rel=0.04)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network of chance weights: what it says is worth nothing, and it says so."""
    torch = pytest.importorskip("torch")
    from merian.learn.landmark_network import LandmarkConfig, LandmarkNetwork
    from merian.learn.landmark_objective import Landmarks
    from merian.learn.saved import save_model

    torch.manual_seed(0)
    names = ["head_tip", "abdomen_tip", "elytra_base"]
    network = LandmarkNetwork(LandmarkConfig(6, 1, 3))
    folder = tmp_path_factory.mktemp("model") / "model"
    told = {"name": "small", "preprocessing": {"size": 64}}
    save_model(folder, Landmarks(network, names), told)
    return folder


def test_the_command_tells_which_network_it_took_and_repeats_itself(
    model, beetle, tmp_path, capsys
):
    Image.fromarray(beetle.picture).save(tmp_path / "b.png")
    words = ["measure", str(tmp_path / "b.png"), "--single", "--scale", "14", "-q", "--traits",
             "body_length,area", "--landmarks"]  # fmt: skip
    for name in ("one", "two"):
        assert main([*words, str(model), "-o", str(tmp_path / name)]) == 0
    run = json.loads((tmp_path / "one" / "run.json").read_text())
    assert run["landmarks"].startswith("small ")
    assert f"The network {run['landmarks']}" in (tmp_path / "one" / "measured.html").read_text()
    for name in ("measurements.tsv", "points.csv", "outlines.coco.json", "run.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert main([*words, "classical", "-o", str(tmp_path / "plain")]) == 0
    plain = (tmp_path / "plain" / "measurements.tsv").read_text().splitlines()
    assert plain[0].endswith("\tplaced_by")
    assert json.loads((tmp_path / "plain" / "run.json").read_text())["landmarks"] == "classical"
    capsys.readouterr()
    assert main([*words, str(tmp_path / "nowhere"), "-o", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "no folder of a model" in said
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError):
        placer(str(tmp_path))


def test_the_bench_tells_figures_with_and_without_from_one_run(model):
    network = placer(str(model))
    found = run_world(seeds=(3,), scales=(10.0,), count=1, level=1, network=network)
    for way in ("", ", learned", ", learned, outlines too"):
        assert found[f"lost{way}"]["value"] == 0
        assert found[f"within k=2: body_length{way}"]["n"] == 1
    # Of a network that is sure of nothing, nothing is taken.
    name = "RMSE: body_length at 10 px/mm"
    assert found[name]["value"] == found[f"{name}, learned"]["value"]
