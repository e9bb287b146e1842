"""Accounts: what authors write of species, true to their traits, with their look-alikes."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from merian.world.accounts import look_alikes, write_accounts
from merian.world.biota import Biota, make_biota
from merian.world.environment import make_environment
from merian.world.ranges import Ranges, make_ranges
from merian.world.traits import Traits, evolve_traits
from merian.world.wording import characters, colour_name

World = tuple[Biota, Traits, Ranges]


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(3)
    biota = make_biota(240, rng)
    environment = make_environment(rng)
    return biota, evolve_traits(biota, rng), make_ranges(biota, environment, rng)


@pytest.fixture(scope="module")
def described(world: World) -> np.ndarray:
    return np.flatnonzero(np.arange(len(world[0])) % 5 > 0)


@pytest.fixture(scope="module")
def rows(
    world: World, described: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, str]]:
    return _write(tmp_path_factory.mktemp("accounts"), world, described)


def _write(folder: Path, world: World, described: np.ndarray) -> list[dict[str, str]]:
    write_accounts(*world, folder, np.random.default_rng(1), described)
    with (folder / "accounts.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_most_species_genera_and_families_have_one(
    world: World, described: np.ndarray, rows: list[dict[str, str]]
) -> None:
    assert list(rows[0]) == ["scientificName", "rank", "text", "similar"]
    for rank, number in (("family", 3), ("genus", 4), ("species", 5)):
        have = {row["scientificName"] for row in rows if row["rank"] == rank}
        could = {world[0].name(int(i), number) for i in described}
        assert have <= could
        assert 0.6 < len(have) / len(could) <= 1
    assert all(len(row["text"]) > 20 for row in rows)


def test_nothing_is_said_of_what_nobody_described(
    world: World, described: np.ndarray, rows: list[dict[str, str]]
) -> None:
    secret = {world[0].name(i, 5) for i in range(len(world[0])) if i not in set(described)}
    for row in rows:
        assert not secret & set(row["similar"].split("|"))
        assert not any(name in row["text"] for name in secret)


def test_look_alikes_are_relatives_that_are_named(world: World, rows: list[dict[str, str]]) -> None:
    biota = world[0]
    family = {biota.name(i, 5): biota.name(i, 3) for i in range(len(biota))}
    species = [row for row in rows if row["rank"] == "species"]
    assert np.mean([bool(row["similar"]) for row in species]) > 0.4
    for row in species:
        for name in filter(None, row["similar"].split("|")):
            assert name != row["scientificName"]
            assert family[name] == family[row["scientificName"]]
            assert name in row["text"]


def test_a_look_alike_is_nearer_than_others_of_its_family(
    world: World, described: np.ndarray
) -> None:
    biota, traits, _ = world
    alike = look_alikes(biota, traits, described)
    deviation = traits.mean.std(axis=0) + 1e-9
    near, far = [], []
    for species, others in alike.items():
        family = described[biota.taxon[described, 3] == biota.taxon[species, 3]]
        for other in family.tolist():
            if other != species:
                gap = (traits.mean[species] - traits.mean[other]) / deviation
                (near if other in others else far).append(float(np.sqrt(np.mean(gap**2))))
    assert np.mean(near) < 0.75 * np.mean(far)


def test_the_texts_are_true(world: World, rows: list[dict[str, str]]) -> None:
    """The lengths in a text are those of the species, as far as a few specimens show."""
    biota, traits, _ = world
    mean = np.exp(traits.mean[:, traits.names.index("log_length")])
    number = {biota.name(i, 5): i for i in range(len(biota))}
    for row in rows:
        if row["rank"] == "species":
            found = re.search(r"([\d.]+)–([\d.]+) (mm|cm)(?! \()", row["text"])
            assert found, row["text"]
            low, high = (
                float(text) * (10 if found[3] == "cm" else 1) for text in found.group(1, 2)
            )
            true = mean[number[row["scientificName"]]]
            assert 0.6 * true < low < high < 1.6 * true


def test_texts_differ_in_words_and_in_form(rows: list[dict[str, str]]) -> None:
    texts = [row["text"] for row in rows if row["rank"] == "species"]
    assert len(set(texts)) == len(texts)
    assert len({text.split(" ")[0] for text in texts}) > 8
    assert not any("  " in text or " ." in text or ".." in text for text in texts)


def test_words_need_only_the_traits_that_there_are() -> None:
    assert characters(0, {}) == []
    assert characters(1, {"clarity": 0.9})[0].phrase == "clear as glass"
    found = characters(2, {"hue": 0.0, "saturation": 0.9, "lightness": 0.45})
    assert [character.phrase for character in found] == ["red"]


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0.0, 0.9, 0.05), "black"),
        ((0.3, 0.05, 0.9), "whitish"),
        ((0.35, 0.7, 0.4), "green"),
        ((0.99, 0.8, 0.45), "red"),
        ((-0.01, 0.8, 0.45), "red"),
        ((0.08, 0.6, 0.3), "brown"),
        ((0.65, 0.8, 0.2), "dark blue"),
        ((0.17, 0.8, 0.7), "pale yellow"),
    ],
)
def test_colours_have_plain_names(colour: tuple[float, float, float], name: str) -> None:
    assert colour_name(*colour) == name


def test_the_same_seed_gives_the_same_bytes(
    world: World, described: np.ndarray, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    assert _write(tmp_path, world, described) == rows
