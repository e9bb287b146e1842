"""The learned finder: its bodies lie where they are, whichever tile they are seen in."""

import sys

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("torch")

from merian.bench.coco_bodies import true_bodies
from merian.bench.drawn_trays import write_worlds
from merian.bench.instance_scores import compare, figures
from merian.errors import MissingExtraError
from merian.learn.instance_decoding import Found
from merian.learn.instance_network import STEP
from merian.learn.shelf import BODIES
from merian.measure.masks import mask_of
from merian.tray import learned
from merian.tray.finding import finder, look_at
from merian.tray.photograph import Whole
from merian.tray.search import Grid, bodies_in


class Dark:
    """Finds what is dark, and makes sure that it is given whole cells of the one grid."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def find(self, picture):
        self.seen.append(picture.shape)
        labels, _ = ndimage.label(picture[..., 0] < 100)
        return [
            Found(labels[box] == number, box[1].start, box[0].start, 0.9)
            for number, box in enumerate(ndimage.find_objects(labels), 1)
        ]


@pytest.fixture
def photograph() -> Whole:
    random = np.random.default_rng(4)
    picture = random.integers(200, 206, (310, 430, 3)).astype(np.uint8)
    y, x = np.mgrid[:310, :430]
    for row in range(30, 300, 60):
        for column in range(25, 420, 55):
            inside = (y - row) ** 2 + ((x - column) * random.uniform(0.7, 1.3)) ** 2 < 14**2
            picture[inside] = (60, 40, 30)
    return Whole(picture)


@pytest.mark.parametrize("grid", [Grid(), Grid(150, 60), Grid(130, 60, (37, 5))], ids=str)
def test_bodies_are_the_same_in_any_grid(photograph, grid, monkeypatch, tmp_path):
    dark = Dark()
    monkeypatch.setattr(learned, "load_body_finder", lambda _model: dark)
    found = bodies_in(photograph, finder(str(tmp_path))[1], grid=grid, workers=1)
    assert len(found) == 5 * 8
    shape = photograph.height, photograph.width
    union = np.zeros(shape, np.int64)
    for one in found:
        union += mask_of(one, shape)
    true = photograph.window(0, 0, *shape[::-1])[..., 0] < 100
    assert (union == true).all()
    assert all(one.score == 0.9 for one in found)
    assert len(dark.seen) == 1 or all(s[0] < 310 or s[1] < 430 for s in dark.seen)


def test_what_is_found_in_a_ruler_is_left_out(photograph, monkeypatch, tmp_path):
    pixels = photograph.pixels.copy()
    pixels[294:308, 20:400] = (20, 20, 20)  # wide, and a rectangle
    monkeypatch.setattr(learned, "load_body_finder", lambda _model: Dark())
    found = bodies_in(Whole(pixels), finder(str(tmp_path))[1], workers=1)
    assert len(found) == 5 * 8


def test_a_network_is_called_by_its_weights_wherever_it_lies(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name / "model").mkdir(parents=True)
        card = tmp_path / name / "model" / "card.json"
        card.write_text('{"name": "instances", "id": "0123"}', encoding="utf-8")
        assert finder(str(tmp_path / name))[0] == "instances 0123"


def test_the_network_that_ships_holds_bodies_apart_that_touch(tmp_path):
    name, find = finder("learned")
    assert name.startswith(BODIES)
    (coco,) = write_worlds(tmp_path, [31], level=2, size=(800, 600))
    (truth,) = true_bodies(coco)
    told = {
        which: figures([compare(bodies_in(truth.photograph, one), truth.bodies)])
        for which, one in (("learned", find), ("classical", finder("classical")[1]))
    }
    assert told["learned"]["F1"] > max(0.75, told["classical"]["F1"])


def test_tiles_begin_on_the_grid_of_cells(photograph, monkeypatch):
    dark = Dark()
    monkeypatch.setattr(learned, "load_body_finder", lambda _model: dark)
    search = learned.settle(look_at(photograph), "run")
    assert (search.factor, search.shape) == (1, (310, 430))
    picture = photograph.window(37, 21, 200, 180)
    inner = search(picture, 37, 21)
    assert dark.seen[-1] == (picture.shape[0] + 21 % STEP, picture.shape[1] + 37 % STEP, 3)
    for one in inner:  # what is at the left and the top is cut, and never beyond
        assert one.region.left >= 0
        assert one.region.top >= 0
        height, width = one.region.mask.shape
        assert one.region.left + width <= picture.shape[1]
        assert one.region.top + height <= picture.shape[0]


def test_without_torch_the_extra_is_named(photograph, monkeypatch, tmp_path):
    for name in [m for m in sys.modules if m.startswith("merian.learn.instance")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "merian.tray.learned", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"merian\[models\]"):
        bodies_in(photograph, finder(str(tmp_path))[1])
