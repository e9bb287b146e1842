"""Quadrats: pictures of the sea floor, their labels in three trees, and what covers how much."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.world.biota import RANKS, Biota, make_biota
from merian.world.drawing.scenery import common
from merian.world.drawing.seafloor import ALGAE, GROUNDS
from merian.world.quadrats import Quadrat, draw_quadrat, write_quadrats
from merian.world.seafloor_labels import TREES
from merian.world.traits import Traits, evolve_traits

World = tuple[Biota, Traits]
SIZE = 320
COUNT = 8


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(5)
    biota = make_biota(120, rng)
    return biota, evolve_traits(biota, rng)


@pytest.fixture(scope="module")
def quadrat(world: World) -> Quadrat:
    species = np.flatnonzero(world[0].plan == 2)[:6].astype(np.int32)
    return draw_quadrat(species, *world, np.random.default_rng(2), size=400, level=2)


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    _write(folder, world, COUNT)
    return folder


def _write(folder: Path, world: World, count: int) -> None:
    biota, traits = world
    names = [biota.name(i, 4 if i % 3 == 0 else 5) for i in range(len(biota))]
    rng = np.random.default_rng(8)
    write_quadrats(
        folder / "quadrats", folder / "truth", biota, traits, names, count, 2, rng, size=SIZE
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_every_pixel_is_known(quadrat: Quadrat) -> None:
    shape = quadrat.image.shape[:2]
    assert quadrat.ground.shape == quadrat.living.shape == quadrat.inside.shape == shape
    assert quadrat.ground.max() < len(GROUNDS)
    assert quadrat.living.min() >= 0
    assert quadrat.living.max() <= len(ALGAE) + len(quadrat.species)
    assert quadrat.colony(0) == quadrat.colony(len(ALGAE)) == -1
    assert quadrat.colony(len(ALGAE) + 1) == quadrat.species[0]


def test_the_frame_is_half_a_metre_wide(quadrat: Quadrat) -> None:
    side = np.sqrt(quadrat.inside.sum()) / quadrat.px_per_mm
    assert abs(side - 500) < 5


def test_colonies_can_be_seen(quadrat: Quadrat) -> None:
    image = quadrat.image.astype(float)
    rest = image[quadrat.living == 0].mean(axis=0)
    apart = [
        np.abs(image[quadrat.living == number].mean(axis=0) - rest).max()
        for number in np.unique(quadrat.living[quadrat.living > len(ALGAE)])
    ]
    assert len(apart) >= 3
    assert np.median(apart) > 15


def test_what_lies_beside_a_picture_changes_nothing() -> None:
    image = np.zeros((5, 6), int)
    for top in range(-12, 12):
        for left in range(-12, 12):
            here, part = common(image.shape, top, left, (3, 4))
            patch = np.arange(12).reshape(3, 4)
            assert image[here].shape == patch[part].shape
            inside = [
                (row, column)
                for row in range(top, top + 3)
                for column in range(left, left + 4)
                if 0 <= row < 5 and 0 <= column < 6
            ]
            assert image[here].size == len(inside)


def test_water_takes_the_red(world: World) -> None:
    none = np.zeros(0, dtype=np.int32)
    shallow, deep = (
        draw_quadrat(none, *world, np.random.default_rng(4), size=300, level=level).image
        for level in (1, 3)
    )
    red = [image[..., 0].mean() / image[..., 1].mean() for image in (shallow, deep)]
    assert red[1] < red[0] - 0.1


def test_labels_are_paths_in_three_trees(written: Path, world: World) -> None:
    rows = _rows(written / "quadrats" / "quadrats.csv")
    assert list(rows[0]) == ["image", "x", "y", "tree", "label"]
    assert {row["tree"] for row in rows} == set(TREES)
    assert len({row["image"] for row in rows}) > COUNT / 2
    phyla = world[0].names[0]
    depths = set()
    for row in rows:
        path = row["label"].split(" > ")
        assert all(path)
        if row["tree"] == "taxonomy":
            assert path[0] in phyla
            depths.add(len(path))
            for rank, name in enumerate(path):
                assert name in world[0].names[rank]
        if row["x"]:
            assert 0 <= int(row["x"]) < SIZE
            assert 0 <= int(row["y"]) < SIZE
    assert {row["x"] == "" for row in rows} == {True, False}
    assert len(depths) > 2, "annotators stop at various ranks"
    for row in rows:
        with Image.open(written / "quadrats" / row["image"]) as picture:
            assert picture.size == (SIZE, SIZE)


def test_names_that_nobody_gave_are_not_told(written: Path, world: World) -> None:
    rows = _rows(written / "quadrats" / "quadrats.csv")
    secret = {world[0].name(i, 5) for i in range(len(world[0])) if i % 3 == 0}
    for row in rows:
        assert row["label"].split(" > ")[-1] not in secret


def test_most_labels_are_true_as_far_as_they_go(written: Path, world: World) -> None:
    biota = world[0]
    truth = {(r["image"], r["x"], r["y"]): r for r in _rows(written / "truth" / "points.csv")}
    counts = {image: 0 for image, _, _ in truth}
    for image, _, _ in truth:
        counts[image] += 1
    assert len(counts) == COUNT
    assert all(20 <= count <= 50 for count in counts.values())
    right = []
    for row in _rows(written / "quadrats" / "quadrats.csv"):
        if not row["x"]:
            continue
        true = truth[row["image"], row["x"], row["y"]]
        full = {
            "taxonomy": " > ".join(biota.lineage(int(true["species_number"] or 0))),
            "growth form": true["growth_form"],
            "substrate": true["substrate"],
        }[row["tree"]]
        right.append((full + " > ").startswith(row["label"] + " > "))
    assert len(right) > 50
    assert 0.93 < np.mean(right) <= 1


def test_cover_adds_up(written: Path) -> None:
    total: dict[tuple[str, str], float] = {}
    for row in _rows(written / "truth" / "cover.csv"):
        key = (row["image"], row["tree"])
        total[key] = total.get(key, 0.0) + float(row["percent"])
        if row["tree"] == "taxonomy":
            assert len(row["label"].split(" > ")) == len(RANKS)
    ground = [share for (_, tree), share in total.items() if tree == "substrate"]
    assert len(ground) == COUNT
    assert np.allclose(ground, 100, atol=0.01)
    assert max(total.values()) < 100.01


def test_the_same_seed_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    folders = (tmp_path / "first", tmp_path / "second")
    for folder in folders:
        _write(folder, world, 2)
    first, second = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in folders
    )
    assert len(first) == 5
    assert first == second
