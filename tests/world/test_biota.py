"""The tree, its ranks and its names."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from merian.taxonomy.names import bare_names
from merian.world.biota import RANKS, Biota, biota_of_lineages, make_biota

SEEDS = (0, 1, 2)


def grown(species: int, seed: int) -> Biota:
    return make_biota(species, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tree_is_a_tree(seed: int) -> None:
    biota = grown(300, seed)
    n = len(biota)
    assert len(biota.parent) == 2 * n - 1
    assert biota.parent[-1] == -1
    assert np.all(biota.parent[:-1] > np.arange(2 * n - 2))
    assert np.all(np.bincount(biota.parent[:-1], minlength=2 * n - 1)[n:] == 2)
    assert np.all(biota.height[:n] == 0)
    assert np.all(biota.height[biota.parent[:-1]] >= biota.height[:-1])
    assert biota.height[-1] == 1
    assert biota.abundance.sum() == pytest.approx(1)


def test_ranks_are_nested_and_counted_from_left_to_right() -> None:
    biota = grown(500, 1)
    for rank in range(len(RANKS)):
        column = biota.taxon[:, rank]
        first = np.unique(column, return_index=True)[1]
        assert np.array_equal(np.argsort(first), np.arange(len(biota.names[rank])))
        if rank:
            pairs = np.unique(biota.taxon[:, [rank, rank - 1]], axis=0)
            assert len(pairs) == len(biota.names[rank]), "a taxon has one parent"


def test_a_family_is_younger_than_its_order() -> None:
    """The crown of a taxon is younger the lower its rank, but for misplaced species."""
    biota = grown(800, 0)
    parents = [np.unique(biota.taxon[:, r]).size for r in range(len(RANKS))]
    assert parents == sorted(parents)
    assert 2 <= 800 / parents[4] <= 5, "species in a genus"
    assert 5 <= 800 / parents[3] <= 20, "species in a family"


def test_abundance_has_a_long_tail() -> None:
    share = np.sort(grown(800, 0).abundance)[::-1]
    assert share[:80].sum() > 0.45
    assert share[400:].sum() < 0.12


def test_names_are_names() -> None:
    biota = grown(800, 0)
    species = biota.names[5]
    assert len(set(species)) == len(species)
    assert all(re.fullmatch(r"[A-Z][a-z]+ [a-z]+", name) for name in species)
    assert all(name.endswith("idae") for name in biota.names[3])
    assert len(set(biota.names[3])) == len(biota.names[3])
    for number in range(0, 800, 7):
        assert biota.name(number, 5).split()[0] == biota.name(number, 4)
    read = [row[0] for row in bare_names(list(species))]
    assert read == list(species), "the parser of real names reads them"


def test_some_genera_are_homonyms_in_two_phyla() -> None:
    found = 0
    for seed in SEEDS:
        biota = grown(800, seed)
        twice = [name for name, count in Counter(biota.names[4]).items() if count > 1]
        found += len(twice)
        for name in twice:
            numbers = [g for g, genus in enumerate(biota.names[4]) if genus == name]
            phyla = {int(biota.taxon[biota.taxon[:, 4] == g, 0][0]) for g in numbers}
            assert len(phyla) == 2
    assert found >= 2


def test_the_same_seed_grows_the_same_tree() -> None:
    one, two, other = grown(100, 5), grown(100, 5), grown(100, 6)
    assert one.names == two.names
    assert np.array_equal(one.parent, two.parent)
    assert one.names != other.names


def test_a_tree_of_real_names_keeps_them() -> None:
    lineages = [
        ("Arthropoda", "Insecta", "Diptera", "Culicidae", "Aedes", f"Aedes s{chr(97 + i)}")
        for i in range(4)
    ] + [
        ("Arthropoda", "Insecta", "Diptera", "Tipulidae", "Ctenophora", "Ctenophora pectinicornis"),
        ("Cnidaria", "Anthozoa", "Actiniaria", "Actiniidae", "Actinia", "Actinia equina"),
        ("Cnidaria", "Anthozoa", "Actiniaria", "Actiniidae", "Urticina", "Urticina felina"),
    ]
    plans = [0, 0, 0, 0, 0, 2, 2]
    biota = biota_of_lineages(lineages, plans, np.random.default_rng(0))
    assert {biota.lineage(i) for i in range(7)} == set(lineages)
    assert [len(names) for names in biota.names] == [2, 2, 2, 3, 4, 7]
    assert biota.height[-1] > biota.height[:-1].max() - 1e-9


def test_newick_holds_every_species_once() -> None:
    biota = grown(50, 0)
    text = biota.newick()
    assert text.endswith(";")
    assert text.count("(") == text.count(")") == 49
    assert all(text.count(name.replace(" ", "_") + ":") == 1 for name in biota.names[5])
