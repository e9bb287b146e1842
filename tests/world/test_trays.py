"""Bulk photographs: masks that are exact, a scale that can be read, COCO that others can read."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from merian.world.biota import Biota, make_biota
from merian.world.drawing.scenery import add_ruler
from merian.world.masks import bounds, mask_of, pack, runs_of, unpack
from merian.world.traits import ENDS, Traits, evolve_traits
from merian.world.trays import Tray, draw_tray, write_trays

World = tuple[Biota, Traits]
SIZE = {"width": 800, "height": 600}


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(5)
    biota = make_biota(90, rng)
    return biota, evolve_traits(biota, rng)


@pytest.fixture(scope="module")
def tray(world: World) -> Tray:
    rng = np.random.default_rng(6)
    species = rng.choice(np.flatnonzero(world[0].plan == 0), size=35).astype(np.int32)
    return draw_tray(species, *world, rng, level=3, **SIZE)


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    _write(folder, world)
    return folder


def _write(folder: Path, world: World) -> None:
    biota, traits = world
    names = [biota.name(i, 3) for i in range(len(biota))]
    rng = np.random.default_rng(9)
    write_trays(folder / "trays", folder / "truth", biota, traits, names, 2, 2, rng, **SIZE)


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_packing_a_mask_loses_nothing(height: int, width: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    runs = runs_of(mask)
    assert sum(runs) == mask.size
    assert unpack(pack(runs)) == runs
    assert np.array_equal(mask_of(runs, height, width), mask)
    left, top, wide, high = bounds(mask)
    inside = np.zeros_like(mask)
    inside[top : top + high, left : left + wide] = True
    assert not np.any(mask & ~inside)


def test_runs_go_down_the_columns() -> None:
    """Worked by hand after the definition in COCO's toolkit."""
    mask = np.array([[0, 1], [1, 1], [0, 0]], dtype=bool)
    assert runs_of(mask) == [1, 1, 1, 2, 1]
    assert runs_of(~mask) == [0, 1, 1, 1, 2, 1]
    assert pack([6, 1, 40, 4, 5, 4, 5, 4, 21]) == "61X13mN000`0"


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # theirs, with numpy 2
def test_others_read_our_masks() -> None:
    oracle = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    rng = np.random.default_rng(1)
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = rng.random((211, 97)) < share
        runs = {"size": [211, 97], "counts": pack(runs_of(mask))}
        assert np.array_equal(oracle.decode(runs).astype(bool), mask)


def test_what_can_be_seen_never_overlaps(tray: Tray) -> None:
    seen = np.zeros(tray.image.shape[:2], dtype=int)
    for body in tray.bodies:
        height, width = body.mask.shape
        seen[body.top : body.top + height, body.left : body.left + width] += body.mask
        assert bounds(body.mask) == (0, 0, width, height)
        assert 0.5 <= body.visible <= 1
    assert seen.max() == 1


def test_bodies_touch_and_overlap(tray: Tray) -> None:
    assert 20 <= len(tray.bodies) <= 35
    assert sum(body.visible < 0.99 for body in tray.bodies) >= 3


def test_a_mask_shows_what_differs_from_the_floor(tray: Tray) -> None:
    floor = np.median(tray.image.reshape(-1, 3), axis=0)
    apart = np.abs(tray.image.astype(float) - floor).max(axis=2)
    inside = np.concatenate(
        [
            apart[b.top : b.top + b.mask.shape[0], b.left : b.left + b.mask.shape[1]][b.mask]
            for b in tray.bodies
        ]
    )
    assert np.median(inside) > 40
    assert np.mean(inside > 15) > 0.8


def test_landmarks_stand_as_far_apart_as_the_body_is_long(tray: Tray) -> None:
    """A tilted body looks shorter, never longer."""
    ratios = []
    for body in tray.bodies:
        first, second = (np.array(body.landmarks[name]) for name in ENDS["body_length_mm"])
        pixels = np.hypot(*(first - second))
        ratios.append(pixels / tray.px_per_mm / body.measures["body_length_mm"])
    assert np.max(ratios) < 1.03
    assert np.min(ratios) > 0.85
    assert np.median(ratios) > 0.95


@pytest.mark.parametrize("px_per_mm", [0.8, 9.37, 71.3])
def test_the_ticks_of_the_ruler_tell_the_scale(px_per_mm: float) -> None:
    image = np.ones((100, 900, 3), np.float32)
    add_ruler(image, (20, 30, 850, 50), px_per_mm)
    row = image[33, 20:870, 1]
    dark = 1 - row
    starts = np.flatnonzero((dark[1:] > 0.2) & (dark[:-1] <= 0.2))
    step = next(s for s in (0.1, 0.5, 1.0, 5.0, 10.0, 50.0) if s * px_per_mm >= 6)
    assert len(starts) > 10
    assert np.isclose(np.mean(np.diff(starts[2:-1])), step * px_per_mm, rtol=0.02)


def test_the_annotations_are_cocos(written: Path) -> None:
    coco: dict[str, Any] = json.loads((written / "trays" / "trays.coco.json").read_text())
    assert set(coco) == {"info", "licenses", "images", "annotations", "categories"}
    images = {image["id"]: image for image in coco["images"]}
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    assert len(images) == 2
    assert len(set(categories.values())) == len(categories)
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    for image in images.values():
        with Image.open(written / "trays" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
        assert image["px_per_mm"] > 0
    for annotation in coco["annotations"]:
        assert set(annotation) == {
            "id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd",
        }  # fmt: skip
        height, width = annotation["segmentation"]["size"]
        mask = mask_of(unpack(annotation["segmentation"]["counts"]), height, width)
        assert list(bounds(mask)) == annotation["bbox"]
        assert mask.sum() == annotation["area"] > 0
        assert annotation["category_id"] in categories
        assert annotation["iscrowd"] == 0


def test_the_truth_stands_elsewhere(written: Path, world: World) -> None:
    coco = json.loads((written / "trays" / "trays.coco.json").read_text())
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    with (written / "truth" / "trays.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(coco["annotations"])
    for row, annotation in zip(rows, coco["annotations"], strict=True):
        species = int(row["species_number"])
        assert row["annotation"] == str(annotation["id"])
        assert row["species"] == world[0].name(species, 5)
        assert categories[annotation["category_id"]] == world[0].name(species, 3)
        assert float(row["body_length_mm"]) > 0
    for image in coco["images"]:
        assert set(image) == {"id", "file_name", "width", "height", "px_per_mm"}


def test_the_same_seed_gives_the_same_bytes(written: Path, world: World, tmp_path: Path) -> None:
    _write(tmp_path, world)
    first = {p.relative_to(written): p.read_bytes() for p in written.rglob("*") if p.is_file()}
    again = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert len(first) == 4
    assert first == again
