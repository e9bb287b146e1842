"""Barcodes: evolved as COI evolves, and read with the faults of real reads."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from merian.nucleotides import reverse_complement
from merian.world.barcodes import LENGTH, as_text, evolve
from merian.world.biota import RANKS, Biota, make_biota
from merian.world.genealogy import Genealogy, bins, draw_genealogy
from merian.world.reads import read_barcode, read_given

STOPS = {"TAA", "TAG"}


@cache
def world(seed: int = 0) -> tuple[Biota, np.ndarray, Genealogy, np.ndarray]:
    rng = np.random.default_rng(seed)
    biota = make_biota(300, rng)
    species = rng.choice(len(biota), size=1500, p=biota.abundance).astype(np.int32)
    genealogy = draw_genealogy(biota, species, rng)
    return biota, species, genealogy, evolve(genealogy, biota.plan_of_nodes(), rng)


def distances(rank: int) -> np.ndarray:
    """Distances between random specimens whose nearest common taxon has this rank."""
    biota, species, _, bases = world()
    one, two = np.random.default_rng(1).integers(len(species), size=(2, 60_000))
    same = (biota.taxon[species[one], rank] == biota.taxon[species[two], rank]) & (one != two)
    if rank + 1 < len(RANKS):
        same &= biota.taxon[species[one], rank + 1] != biota.taxon[species[two], rank + 1]
    return (bases[one[same]] != bases[two[same]]).mean(axis=1)


def test_the_genealogy_is_a_tree_of_all_specimens() -> None:
    _, species, genealogy, _ = world()
    m = len(species)
    assert len(genealogy.parent) == 2 * m - 1
    assert np.all(genealogy.parent[:-1] > np.arange(2 * m - 2))
    assert np.all(genealogy.height[genealogy.parent[:-1]] >= genealogy.height[:-1])


def test_no_barcode_has_a_stop_in_its_frame() -> None:
    _, _, _, bases = world()
    for row in bases[::25]:
        text = as_text(row)
        assert len(text) == LENGTH
        assert not STOPS & {text[i : i + 3] for i in range(1, LENGTH - 2, 3)}


def test_positions_of_codons_differ_as_in_nature() -> None:
    """Insect COI: third positions mostly A and T and variable, second positions hardly change."""
    biota, species, _, bases = world()
    insects = bases[biota.plan[species] == 0]
    at = [np.isin(insects[:, 1 + k :: 3], (0, 3)).mean() for k in range(3)]
    assert 0.75 < at[2] < 0.95
    assert at[0] < 0.65
    variable = [
        np.mean([len(np.unique(insects[:, site])) > 1 for site in range(1 + k, LENGTH, 3)])
        for k in range(3)
    ]
    assert variable[2] > 0.95
    assert variable[1] < variable[0] < variable[2]
    other = bases[biota.plan[species] == 2]
    assert np.isin(other[:, 3::3], (0, 3)).mean() < at[2] - 0.05


def test_distances_grow_with_rank_and_saturate() -> None:
    middle = {rank: float(np.median(distances(rank))) for rank in range(len(RANKS))}
    assert middle[5] < 0.01
    assert 0.05 < middle[4] < 0.14
    assert 0.10 < middle[3] < 0.20
    assert 0.16 < middle[2] < 0.24
    assert 0.18 < middle[0] < 0.32
    steps = [middle[rank] - middle[rank + 1] for rank in range(4, -1, -1)]
    assert steps[0] > steps[2] > 0, "the tree is twice as deep, the distance is not"


def test_variation_within_species_overlaps_that_between() -> None:
    within, between = distances(5), distances(4)
    assert np.quantile(within, 0.98) > np.quantile(between, 0.02)
    assert np.mean(within == 0) > 0.1, "haplotypes are shared"


def test_close_species_share_haplotypes() -> None:
    _, species, _, bases = world()
    owners: dict[bytes, set[int]] = {}
    for row, number in zip(bases, species, strict=True):
        owners.setdefault(row.tobytes(), set()).add(int(number))
    assert any(len(found) > 1 for found in owners.values())


def test_bins_are_like_species_and_not_species() -> None:
    _, species, genealogy, bases = world()
    found = bins(genealogy)
    assert 0.75 < len(np.unique(found)) / len(np.unique(species)) < 1.3
    pairs = {(int(b), int(s)) for b, s in zip(found, species, strict=True)}
    assert len(pairs) > len(np.unique(found)), "some hold two species"
    assert len(pairs) > len(np.unique(species)), "some species have two"
    largest = bases[found == np.argmax(np.bincount(found))]
    assert (largest != largest[0]).mean(axis=1).max() < 0.06


def test_the_same_seed_evolves_the_same_bases() -> None:
    biota, _, genealogy, _ = world()
    plan = biota.plan_of_nodes()
    one = evolve(genealogy, plan, np.random.default_rng(7))
    two = evolve(genealogy, plan, np.random.default_rng(7))
    assert np.array_equal(one, two)


def test_reads_have_the_faults_of_their_level() -> None:
    bases = world()[3]
    often = {}
    for level in (1, 3):
        rng = np.random.default_rng(3)
        reads = [read_barcode(bases[i % len(bases)], level, rng) for i in range(4000)]
        often[level] = [
            np.mean([not r.sequence for r in reads]), np.mean([r.reverse for r in reads]),
            np.mean([r.numt for r in reads]), np.mean(["N" in r.sequence for r in reads]),
            np.mean([0 < len(r.sequence) < 480 for r in reads]),
            np.mean([r.slipped != 0 for r in reads]),
        ]  # fmt: skip
    assert all(0 < few < many for few, many in zip(*often.values(), strict=True))


def test_a_read_is_a_part_of_what_it_reads() -> None:
    bases = world()[3]
    rng = np.random.default_rng(0)
    checked = 0
    for i in range(300):
        read = read_barcode(bases[i], 2, rng)
        if not read.sequence or read.numt or read.slipped:
            continue
        text = reverse_complement(read.sequence) if read.reverse else read.sequence
        truth = as_text(bases[i])[read.start : read.stop]
        assert len(text) == len(truth)
        assert all(a in (b, "N") for a, b in zip(text, truth, strict=True))
        assert len(text) >= 100
        checked += 1
    assert checked > 250


def test_a_given_sequence_is_kept() -> None:
    rng = np.random.default_rng(0)
    reads = [read_given("ACGTTGCA" * 20, 3, rng) for _ in range(500)]
    told = {"": "", "ACGTTGCA" * 20: "", reverse_complement("ACGTTGCA" * 20): "r"}
    assert {r.sequence for r in reads} == set(told)


def test_the_other_strand_of_the_other_strand() -> None:
    assert reverse_complement("ACGTNRY") == "RYNACGT"
    assert reverse_complement(reverse_complement("GATTACA")) == "GATTACA"


@pytest.mark.parametrize("species", [6, 7])
def test_a_tiny_world(species: int) -> None:
    rng = np.random.default_rng(0)
    biota = make_biota(species, rng)
    genealogy = draw_genealogy(biota, np.zeros(1, dtype=np.int32), rng)
    assert evolve(genealogy, biota.plan_of_nodes(), rng).shape == (1, LENGTH)
