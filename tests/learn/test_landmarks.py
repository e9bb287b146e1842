"""Landmarks: packs of COCO keypoints, windows around bodies, maps that are read, and a network."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from merian.bench.drawn_specimens import NAMES, write_specimens, write_worlds  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError  # noqa: E402
from merian.learn.busy_grounds import busy_ground, darkened, pinned  # noqa: E402
from merian.learn.landmark_building import load_landmark_network  # noqa: E402
from merian.learn.landmark_examples import PackedLandmarks  # noqa: E402
from merian.learn.landmark_finding import LandmarkFinder, load_landmark_finder  # noqa: E402
from merian.learn.landmark_network import LandmarkConfig, LandmarkNetwork  # noqa: E402
from merian.learn.landmark_objective import Landmarks, read_places  # noqa: E402
from merian.learn.landmark_pack import (  # noqa: E402
    UNASKED,
    make_landmark_pack,
    open_landmark_pack,
)
from merian.learn.landmark_windows import (  # noqa: E402
    Window,
    box_window,
    close_window,
    pairs_of,
    reach_of,
)
from merian.world.masks import pack, runs_of  # noqa: E402

NAMED = ["head", "eye_left", "eye_right", "tail"]


def oval(side: int = 80, middle: tuple[float, float] = (40, 40)) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return ((x + 0.5 - middle[0]) / 12) ** 2 + ((y + 0.5 - middle[1]) / 24) ** 2 < 1


def coco(folder: Path, count: int, names=NAMED) -> Path:
    """Ovals with a head above, a tail below and an eye on each side; every third has no tail."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        mask = oval()
        picture = np.full((80, 80, 3), 220, np.uint8)
        picture[mask] = (90, 60, 40)
        picture[18:26, 36:44] = (250, 20, 20)
        picture[26:30, 30:34] = picture[26:30, 46:50] = 0
        Image.fromarray(picture).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 80})
        tail = (40, 64, 2) if number % 3 else (0, 0, 0)
        annotations.append({
            "id": number, "image_id": number, "category_id": 1,
            "segmentation": {"size": [80, 80], "counts": pack(runs_of(mask))},
            "bbox": [28, 16, 24, 48],
            "keypoints": [40, 16, 2, 32, 28, 2, 48, 28, 1, *tail],
        })  # fmt: skip
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "bug", "keypoints": names}]}  # fmt: skip
    (folder / "bugs.coco.json").write_text(json.dumps(content))
    return folder / "bugs.coco.json"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return make_landmark_pack([coco(folder / "bugs", 8)], folder / "pack", valid=0)


# -- packs ----------------------------------------------------------------------------------------


def test_a_pack_has_the_landmarks_of_the_file_in_its_crops(packed):
    assert packed.names == NAMED
    assert len(packed.part("train")) == 8
    head, left = packed.points[0][:2]
    crop = packed.crop(0)
    assert crop.shape[2] == 4
    assert crop[int(head[1]) + 4, int(head[0]), :3].tolist() == [250, 20, 20]
    assert crop[int(left[1]), int(left[0]), :3].tolist() == [0, 0, 0]
    assert crop[..., 3].sum() == 255 * oval().sum()
    assert packed.points[:, 3, 2].tolist() == [1, 1, 0, 1, 1, 0, 1, 1]
    again = make_landmark_pack(
        [packed.folder.parent / "bugs"], packed.folder, valid=0
    )  # nothing to do
    assert again.header == packed.header


def test_what_a_category_does_not_name_is_not_asked(tmp_path):
    all_of, some = coco(tmp_path / "all", 3), coco(tmp_path / "some", 3)
    told = json.loads(some.read_text())
    told["categories"][0]["keypoints"] = ["tail", "head"]
    for one in told["annotations"]:
        one["keypoints"] = [40, 64, 2, 0, 0, 0]
    some.write_text(json.dumps(told))
    made = make_landmark_pack([all_of, some], tmp_path / "pack", valid=0)
    assert made.points[:3, 3, 2].tolist() == [1, 1, 0]
    assert made.points[3:, :, 2].tolist() == [[0, UNASKED, UNASKED, 1]] * 3
    batch = PackedLandmarks(made, "train", 64).batch(np.arange(3, 6), np.random.default_rng(0))
    assert batch["present"][:, 1:3].eq(UNASKED).all()
    # Whatever a network says of them costs nothing.
    objective = Landmarks(LandmarkNetwork(LandmarkConfig(4, 1, 4)), made.names)
    before = objective(batch).loss.item()
    with torch.no_grad():
        objective.encoder.present.bias[1:3] += 9
    assert objective(batch).loss.item() == pytest.approx(before, rel=1e-6)
    told["annotations"] = [one | {"keypoints": [0] * 6} for one in told["annotations"]]
    some.write_text(json.dumps(told))
    with pytest.raises(InputError, match="no body with landmarks"):
        make_landmark_pack([some], tmp_path / "none", valid=0)


def test_a_body_that_is_large_is_kept_smaller_with_its_landmarks(tmp_path):
    file = coco(tmp_path, 1)
    told = json.loads(file.read_text())
    large = Image.open(tmp_path / "1.png").resize((1600, 1600), Image.Resampling.NEAREST)
    large.save(tmp_path / "1.png")
    told["images"][0] |= {"width": 1600, "height": 1600}
    one = told["annotations"][0]
    one["segmentation"] = [[560, 320, 1040, 320, 1040, 1280, 560, 1280]]
    one["keypoints"] = [20 * v if at % 3 != 2 else v for at, v in enumerate(one["keypoints"])]
    file.write_text(json.dumps(told))
    made = make_landmark_pack([file], tmp_path / "pack", valid=0)
    assert max(made.crop(0).shape[:2]) < 800
    x, y, _ = made.points[0][0]
    assert made.crop(0)[int(y) + 20, int(x), :3].tolist() == [250, 20, 20]


def test_what_is_wrong_is_set_aside_or_told(tmp_path):
    file = coco(tmp_path / "bugs", 6)
    told = json.loads(file.read_text())
    told["images"][0]["file_name"] = "nowhere.png"
    (tmp_path / "bugs" / "2.png").write_bytes(b"no picture")
    told["images"][2]["width"] = 7
    told["annotations"][3]["keypoints"] = [1, 2]
    told["annotations"][4]["segmentation"] = [[1, 2, 3]]
    told["annotations"].append({**told["annotations"][5], "keypoints": [900, 1, 2] + [0] * 9})
    told["annotations"].append({**told["annotations"][5], "keypoints": [float("nan"), 1, 2] * 4})
    told["annotations"].append({**told["annotations"][5], "segmentation": None, "bbox": None})
    file.write_text(json.dumps(told).replace("NaN", '"NaN"'))
    made = make_landmark_pack([file], tmp_path / "pack", valid=0)
    assert made.header["set_aside"] == {
        "pictures that are not there": 1, "bodies of pictures that are not there": 1,
        "pictures that cannot be read": 1, "pictures of another size than the file says": 1,
        "bodies without landmarks that can be read": 3,
        "outlines that cannot be read, of bodies with landmarks": 1,
    }  # fmt: skip
    assert made.bodies["outlined"].tolist() == [False, True, False]
    whole = json.loads(file.read_text())
    for change, said in (
        ({"categories": [{"id": 1, "name": "bug"}]}, "no category with keypoints"),
        ({"annotations": []}, "no body with landmarks on a picture that is there"),
    ):
        file.write_text(json.dumps({**whole, **change}))
        with pytest.raises(InputError, match=said):
            make_landmark_pack([file], tmp_path / "none")
        assert not (tmp_path / "none").exists()
    coco(tmp_path / "bugs", 1)
    with pytest.raises(InputError, match="no category is called 'bee'; there are bug"):
        make_landmark_pack([file], tmp_path / "none", categories=["bee"])
    (made.folder / "crop-0.npy").unlink()
    with pytest.raises(FormatError, match="make the pack again"):
        open_landmark_pack(made.folder).crop(0)


# -- windows --------------------------------------------------------------------------------------

angles = st.floats(-4, 4)


@given(
    st.tuples(st.floats(-50, 500), st.floats(-50, 500)), st.floats(0.05, 40), angles, st.booleans(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_places_go_into_a_window_and_back(middle, scale, angle, mirrored, seed):
    window = Window(middle, scale, 64, angle, mirrored)
    places = np.random.default_rng(seed).uniform(-100, 600, (5, 2))
    assert np.allclose(window.in_picture(window.in_window(places)), places, atol=1e-6)
    assert np.allclose(window.in_window(np.array(middle)), 32)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 3), angles, st.booleans())
def test_what_is_read_lies_where_places_say(scale, angle, mirrored):
    picture = np.zeros((120, 120, 1), np.uint8)
    picture[60:72, 30:42] = 250
    window = Window((50, 60), scale, 96, angle, mirrored)
    read = window.read(picture)[..., 0]
    x, y = window.in_window(np.array([36.0, 66.0]))
    if 6 < x < 90 and 6 < y < 90:
        rows, columns = np.indices(read.shape)
        found = [float((read * (at + 0.5)).sum() / read.sum()) for at in (columns, rows)]
        assert np.hypot(found[0] - x, found[1] - y) < 0.8


def test_a_window_around_a_box_shows_all_of_it_and_a_close_one_its_landmarks():
    window = box_window((10, 20, 100, 40), 64)
    corners = window.in_window(np.array([[10.0, 20], [110, 60]]))
    assert (corners > 5).all()
    assert (corners < 59).all()
    close = close_window(np.array([[10.0, 20], [10, 60]]), 64)
    assert close.scale == pytest.approx(40 / 0.7 / 64)
    assert close_window(np.zeros((2, 2)), 64) is None
    assert reach_of(np.zeros((1, 2))) == 0
    assert reach_of(np.array([[0, 0], [3, 4], [1, 1]])) == 5


def test_left_becomes_right_in_a_mirror_and_the_rest_stays():
    assert pairs_of(NAMED) == [0, 2, 1, 3]
    assert pairs_of(["wing_left", "head"]) == [0, 1]


def test_a_window_is_the_same_for_the_same_chance_and_landmarks_stay_on_the_body(packed):
    examples = PackedLandmarks(packed, "train", 64, 1.3)
    one, two = (examples.batch(np.arange(8), np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["pixels"].shape == (8, 64, 64, 3)
    assert examples.names(np.array([2])) == ["3.png, body 1"]
    # Head and tail are the ends of the outline, the eyes on the body: wherever it is turned to.
    for number in range(8):
        body = one["body"][number].numpy()
        for mark in (1, 2):
            x, y = one["points"][number, mark].tolist()
            if 2 < x < 62 and 2 < y < 62:
                assert body[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].any()
    head, left, right = (one["points"][:, at].numpy().astype(np.float64) for at in (0, 1, 2))
    (a, b), (c, d) = (left - head).T, (right - head).T
    turn = a * d - b * c
    assert (turn[one["present"][:, :3].eq(1).all(1).numpy()] < 0).all()  # never a mirror image
    assert one["present"][:, 3].numpy()[[2, 5]].tolist() == [0, 0]
    still = PackedLandmarks(packed, "train", 64, augment=False)
    places = still.batch(np.arange(2), np.random.default_rng(0))["points"].numpy()
    assert np.allclose(places[0, [0, 3]].mean(0), 32, atol=0.5)
    with pytest.raises(InputError, match="a multiple of 16"):
        PackedLandmarks(packed, "train", 50)


def test_grounds_pins_and_dark_bodies_change_what_they_should():
    random = np.random.default_rng(0)
    share = oval()[..., None].astype(np.float32)
    colours = np.full((80, 80, 3), 200, np.float32)
    grounds = [busy_ground(80, random) for _ in range(6)]
    assert all(one.shape == (80, 80, 3) and 0 <= one.min() <= one.max() <= 255 for one in grounds)
    assert max(float(one.std()) for one in grounds) > 15
    dark = darkened(colours, share, random)
    assert (dark[share[..., 0] == 0] == 200).all()
    assert (dark[share[..., 0] == 1] < 140).all()
    assert (pinned(colours, share, random) != 200).any()
    assert (pinned(colours, 0 * share, random) == 200).all()


# -- the network ----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.floats(6, 58), st.floats(6, 58))
def test_the_place_of_a_bell_is_read_between_its_cells(x, y):
    cells = 2 * torch.arange(32) + 1.0
    bell = -0.5 * (((cells[:, None] - y) / 2) ** 2 + ((cells[None] - x) / 2) ** 2)
    places, clear = read_places(bell[None, None])
    assert places[0, 0].tolist() == pytest.approx([x, y], abs=0.06)
    assert float(clear) == pytest.approx(1, abs=0.03)


def test_of_two_bells_the_higher_is_read_and_it_is_less_clear():
    maps = torch.full((1, 1, 32, 32), -20.0)
    maps[0, 0, 5, 5], maps[0, 0, 25, 20] = 1.0, 0.5
    places, clear = read_places(maps)
    assert places[0, 0].tolist() == pytest.approx([11, 11], abs=0.1)
    assert 0.5 < float(clear) < 0.9


def test_the_loss_is_nothing_where_all_is_right_and_falls_on_one_batch(packed):
    batch = PackedLandmarks(packed, "train", 64, 1.2).batch(np.arange(4), np.random.default_rng(1))
    torch.manual_seed(0)
    network = LandmarkNetwork(LandmarkConfig(6, 1, 4))
    objective = Landmarks(network, NAMED)

    class Right(torch.nn.Module):
        def forward(self, _):
            cells = 2 * torch.arange(32) + 1.0
            x, y = batch["points"][..., :1], batch["points"][..., 1:]
            across, down = ((cells - x) / 2) ** 2, ((cells - y) / 2) ** 2
            maps = -0.5 * (down[..., :, None] + across[..., None, :])
            sure = [torch.where(batch[k] == 1, 40.0, -40.0) for k in ("body", "present")]
            return sure[0], maps, sure[1]

    objective.encoder = Right()
    right = objective(batch)
    assert right.loss.item() == pytest.approx(0, abs=0.01)
    assert right.figures["missed"].item() == 0
    assert right.figures["off head"].item() < 0.005
    objective.encoder = network
    step = torch.optim.Adam(objective.parameters(), 0.01)
    losses = []
    for _ in range(8):
        outcome = objective(batch)
        losses.append(outcome.loss.item())
        step.zero_grad()
        outcome.loss.backward()
        step.step()
    assert losses[-1] < 0.9 * losses[0]
    with pytest.raises(InputError, match="1 or more of each expected"):
        LandmarkConfig(landmarks=0)


def test_looks_that_are_turned_and_mirrored_come_back_to_one_place():
    """A network that finds colours: whatever it is shown, its landmarks lie on them."""

    class Colours(torch.nn.Module):
        def forward(self, pictures):
            small = torch.nn.functional.avg_pool2d(pictures * 128 + 127, 2)
            maps = torch.stack([small[:, 0] - small[:, 1], small[:, 1] - small[:, 0]], 1) * 8
            return pictures[:, 0] * 0 + 5, maps, torch.full((len(pictures), 2), 4.0)

    picture = np.zeros((90, 120, 3), np.uint8)
    picture[20:24, 60:64] = (255, 0, 0)
    picture[60:64, 40:44] = (0, 255, 0)
    finder = LandmarkFinder(Colours(), ("a", "b"), 64, {"a": (0.02, 0.1)}, "colours", "0")
    placed = finder.find(picture, (30, 10, 50, 60))
    assert placed.marks["a"].point == pytest.approx((62, 22), abs=1)
    assert placed.marks["b"].point == pytest.approx((42, 62), abs=1)
    (x, y), away = placed.way, 0.02 * placed.reach
    assert (abs(x), abs(y)) == pytest.approx(
        (20 / math.hypot(20, 40), 40 / math.hypot(20, 40)), abs=0.05
    )
    assert away - 1e-6 <= placed.marks["a"].off.along((x, y)) < away + 0.2
    assert 5 * away - 1e-6 <= placed.marks["a"].off.along((-y, x)) < 5 * away + 0.2
    assert placed.marks["a"].sure > 0.8
    assert placed.body(30, 10, 50, 60).min() > 0.9
    assert placed.body(-500, -500, 5, 5).max() == 0


def test_a_nearer_look_that_would_miss_most_of_the_body_is_not_taken():
    class Shades(torch.nn.Module):
        """Grey is body; landmarks lie on red and green."""

        def forward(self, pictures):
            shown = pictures * 128 + 127
            small = torch.nn.functional.avg_pool2d(shown, 2)
            maps = torch.stack([small[:, 0] - small[:, 1], small[:, 1] - small[:, 0]], 1) * 8
            return shown.amax(1) - 50, maps, torch.full((len(pictures), 2), 4.0)

    picture = np.zeros((120, 120, 3), np.uint8)
    picture[10:110, 40:80] = 100
    finder = LandmarkFinder(Shades(), ("a", "b"), 64, {}, "shades", "0")
    for far, looks in ((84, 2), (30, 1)):
        shown = picture.copy()
        shown[15:20, 58:63] = (255, 0, 0)
        shown[15 + far : 20 + far, 58:63] = (0, 255, 0)
        placed = finder.find(shown, (40, 10, 40, 100))
        assert len(placed.windows) == looks
        assert placed.marks["b"].point == pytest.approx((60.5, 17.5 + far), abs=2.5)


# -- commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a tiny network, and the folder of what it learned from."""
    folder = tmp_path_factory.mktemp("run")
    file = write_specimens(folder, 2000, 12)
    told = ("training.steps=4", "training.batch=2", "data.size=64", "encoder.width=6",
            "encoder.depth=1", "data.valid=0.3", "training.validate=4",
            "training.checkpoint=2")  # fmt: skip
    words = ["train", "landmarks", "--data", str(file), "--out", str(folder / "run"), "-q"]
    assert main([*words, *(word for one in told for word in ("--set", one))]) == 0
    return folder


def test_drawn_specimens_tell_what_is_absent_and_are_none_that_is_asked(run):
    told = json.loads((run / "specimens-2000" / "specimens.coco.json").read_text())
    seen = np.array([one["keypoints"] for one in told["annotations"]]).reshape(12, 6, 3)[..., 2]
    assert told["categories"][0]["keypoints"] == [*NAMES]
    assert (seen[:, :4] == 2).all()
    assert 0 < (seen[:, 4] == 2).sum() < 12
    with pytest.raises(InputError, match="begin later"):
        next(write_worlds(run, 3, 1, first=10))


def test_a_run_keeps_the_names_and_the_errors_and_another_begins_with_it(run, capsys):
    network, card = load_landmark_network(run / "run")
    assert network.config.landmarks == 6
    assert card["objective"]["heads"]["names"] == [*NAMES]
    finder = load_landmark_finder(run / "run")
    assert set(finder.errors) <= set(NAMES)
    assert all(0 <= one < 0.1 for one in finder.errors.values())
    page = (run / "run" / "report.html").read_text()
    assert "merian measure --landmarks" in page
    file = coco(run / "bugs", 4)
    words = ["train", "landmarks", "--data", str(file), "--out", str(run / "finer"), "-q",
             "--set", f'encoder.from="{run / "run"}"', "--set", "training.steps=1",
             "--set", "training.batch=2", "--set", "data.size=64", "--set",
             "data.valid=0"]  # fmt: skip
    assert main(words) == 0
    other, told = load_landmark_network(run / "finer")
    assert other.config.landmarks == 4
    assert told["data"]["starts_from"]["id"] == card["id"]
    capsys.readouterr()
    assert main([*words[:5], str(run / "no"), "-q", "--set", "objective.kind=instances"]) == 2
    assert "needs data.kind" in capsys.readouterr().err
    with pytest.raises(InputError, match="no folder of a model"):
        load_landmark_network(run / "nowhere")


def test_a_found_place_does_not_hang_on_what_lies_far_away(run):
    finder = load_landmark_finder(run / "run")
    picture = np.asarray(Image.open(run / "specimens-2000" / "specimen-2000-0001.png"))
    height, width = picture.shape[:2]
    alone = finder.find(picture, (0, 0, width, height))
    wide = np.pad(picture, ((0, 300), (0, 400), (0, 0)), "edge")
    again = finder.find(wide, (0, 0, width, height))
    assert alone.marks.keys() == again.marks.keys()
    for name, mark in alone.marks.items():
        assert math.dist(mark.point, again.marks[name].point) < 0.02 * width
