"""The archipelago, its rasters, and what a place and a date tell about a species."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.world.biota import Biota, make_biota
from merian.world.environment import (
    HIGH_SEAS,
    Environment,
    make_environment,
    read_environment,
    write_environment,
)
from merian.world.ranges import Ranges, collect, make_ranges

SPECIES = 800


@pytest.fixture(scope="module")
def world() -> tuple[Biota, Environment, Ranges]:
    rng = np.random.default_rng(11)
    biota, environment = make_biota(SPECIES, rng), make_environment(rng)
    return biota, environment, make_ranges(biota, environment, rng)


@pytest.mark.parametrize("seed", range(6))
def test_there_is_room_for_every_plan(seed: int) -> None:
    environment = make_environment(np.random.default_rng(seed))
    elevation = environment.layers["elevation"]
    land = environment.layers["land"] == 1
    assert 0.30 <= land.mean() <= 0.45
    assert np.array_equal(land, elevation > 0)
    assert np.mean(elevation < -100) > 0.15, "open sea"
    assert np.mean((elevation < 0) & (elevation > -60)) > 0.05, "shallow sea"
    for state in range(len(environment.countries) - 1):
        assert np.any(land & (environment.country == state))
    assert not np.any(land & (environment.country == environment.countries.index(HIGH_SEAS)))
    assert len(set(environment.provinces)) == len(environment.provinces)
    for name, layer in environment.layers.items():
        assert np.all(np.isfinite(layer)), name
        assert layer.dtype == np.float32


def test_it_is_warm_at_the_equator_and_cold_on_mountains() -> None:
    environment = make_environment(np.random.default_rng(1))
    temperature, elevation = environment.layers["temperature"], environment.layers["elevation"]
    assert temperature[180:220].mean() > temperature[:40].mean()
    assert temperature[elevation > 2000].mean() < temperature[elevation < 100].mean() - 8


def test_rasters_are_read_back_as_they_were(tmp_path: Path) -> None:
    environment = make_environment(np.random.default_rng(2))
    write_environment(environment, tmp_path)
    again = read_environment(tmp_path)
    assert again.countries == environment.countries
    assert again.provinces == environment.provinces
    assert (again.west, again.north, again.step) == (-160.0, 20.0, 0.1)
    assert np.array_equal(again.country, environment.country)
    assert np.array_equal(again.province, environment.province)
    for name, layer in environment.layers.items():
        assert np.array_equal(again.layers[name], layer)
    listed = json.loads((tmp_path / "environment.json").read_text())["layers"]
    assert {layer["file"] for layer in listed} == {p.name for p in tmp_path.glob("*.tif")}


def test_rasters_say_where_they_lie(tmp_path: Path) -> None:
    """The tags of GeoTIFF, read from the bytes by hand as TIFF 6.0 says."""
    write_environment(make_environment(np.random.default_rng(2)), tmp_path)
    for name in ("elevation", "country"):
        data = (tmp_path / f"{name}.tif").read_bytes()
        assert data[:4] == b"II*\0"
        tags = {}
        (start,) = struct.unpack_from("<I", data, 4)
        (entries,) = struct.unpack_from("<H", data, start)
        for i in range(entries):
            tag, kind, count, value = struct.unpack_from("<HHII", data, start + 2 + 12 * i)
            if kind == 12:
                tags[tag] = struct.unpack_from(f"<{count}d", data, value)
            elif tag == 34735:
                tags[tag] = struct.unpack_from(f"<{count}H", data, value)
        assert tags[33550] == (0.1, 0.1, 0.0)
        assert tags[33922] == (0.0, 0.0, 0.0, -160.0, 20.0, 0.0)
        keys = np.array(tags[34735]).reshape(-1, 4)
        assert keys[0].tolist() == [1, 1, 0, 4]
        assert [2048, 0, 1, 4326] in keys.tolist()
        with Image.open(tmp_path / f"{name}.tif") as image:
            assert image.mode == ("F" if name == "elevation" else "L")
            assert str(image.tag_v2[42113]).rstrip("\0") in ("-9999", "255")  # type: ignore[attr-defined]


def test_cells_and_coordinates_are_inverse() -> None:
    environment = make_environment(np.random.default_rng(0))
    rows, columns = np.indices(environment.country.shape)
    row, column = environment.cell(*environment.centre(rows, columns))
    assert np.array_equal(row, rows)
    assert np.array_equal(column, columns)


def test_plans_live_in_their_habitat(world: tuple[Biota, Environment, Ranges]) -> None:
    biota, environment, ranges = world
    assert ranges.weight.shape == (SPECIES, len(ranges.latitude))
    assert np.allclose(ranges.weight.sum(axis=1), 1, atol=1e-5)
    ground = environment.sample("elevation", ranges.latitude, ranges.longitude)
    for plan, fits in enumerate((ground > 0, ground < -100, (ground < 0) & (ground > -60))):
        assert np.all(ranges.weight[biota.plan == plan][:, ~fits] == 0)
    for species in (0, SPECIES - 1):
        assert np.isclose(ranges.chance(species).sum(), 1)


def test_effort_is_uneven(world: tuple[Biota, Environment, Ranges]) -> None:
    biota, _, ranges = world
    share = np.sort(biota.abundance @ ranges.weight)[::-1]
    assert 0.3 < share[: len(share) // 10].sum() < 0.75


def test_relatives_live_alike_but_not_always_together(
    world: tuple[Biota, Environment, Ranges],
) -> None:
    biota, _, ranges = world
    root = np.sqrt(ranges.weight)
    shared = root @ root.T  # Bhattacharyya's: 1 is the same places
    genus, family, plan = biota.taxon[:, 4], biota.taxon[:, 3], biota.plan
    pair = np.triu(np.ones((SPECIES, SPECIES), dtype=bool), 1)
    congeners = shared[pair & (genus[:, None] == genus)]
    strangers = shared[pair & (plan[:, None] == plan) & (family[:, None] != family)]
    assert congeners.mean() > strangers.mean() + 0.02
    assert np.mean(congeners < 0.6) > 0.03, "sisters that live apart"


def test_a_place_and_a_date_tell_something_and_not_everything(
    world: tuple[Biota, Environment, Ranges],
) -> None:
    """The best that anybody could do: the true chances, all species as likely beforehand."""
    biota, environment, ranges = world
    rng = np.random.default_rng(3)
    species = rng.integers(SPECIES, size=3000).astype(np.int32)
    collecting = collect(ranges, environment, species, rng)
    month = np.array([int(d[5:7]) - 1 if len(d) > 6 else -1 for d in collecting.date])
    joint = np.array([ranges.chance(i) for i in range(SPECIES)])
    known = joint[:, collecting.site, month]
    likelihood = np.where(month >= 0, known, joint.sum(axis=2)[:, collecting.site])
    rank = np.sum(likelihood > likelihood[species, np.arange(len(species))], axis=0)
    assert 0.40 <= np.mean(rank < SPECIES // 10) <= 0.75
    assert 0.01 <= np.mean(rank == 0) <= 0.15
    for plan in range(3):  # and not only because the habitat gives the plan away
        count = np.sum(biota.plan == plan)
        within = rank[biota.plan[species] == plan] < count // 10
        assert 0.2 <= within.mean() <= 0.6


def test_labels_have_the_faults_of_labels(world: tuple[Biota, Environment, Ranges]) -> None:
    _, environment, ranges = world
    species = np.arange(SPECIES, dtype=np.int32).repeat(4)
    collecting = collect(ranges, environment, species, np.random.default_rng(4))
    missing = np.isnan(collecting.latitude)
    assert 0.01 < missing.mean() < 0.06
    assert np.array_equal(missing, np.isnan(collecting.longitude))
    lengths = np.bincount([len(d) for d in collecting.date], minlength=11) / len(species)
    assert lengths[10] > 0.85
    assert 0 < lengths[4] < 0.04
    assert 0 < lengths[7] < 0.08
    assert lengths[[0, 4, 7, 10]].sum() == 1
    assert 0 < np.mean([not name for name in collecting.province]) < 0.1
    assert set(collecting.country) <= set(environment.countries)
    known = ~missing
    near = np.hypot(
        collecting.latitude - ranges.latitude[collecting.site],
        collecting.longitude - ranges.longitude[collecting.site],
    )[known]
    assert near.max() < 0.15
    assert np.median(near) < 0.02


def test_the_same_seed_gives_the_same_world() -> None:
    first, second = (_once(7) for _ in range(2))
    assert first == second


def _once(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    biota, environment = make_biota(60, rng), make_environment(rng)
    ranges = make_ranges(biota, environment, rng)
    collecting = collect(ranges, environment, np.arange(60, dtype=np.int32), rng)
    return ranges.weight.tobytes() + collecting.latitude.tobytes() + repr(collecting.date).encode()
