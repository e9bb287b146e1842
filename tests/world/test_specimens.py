"""Records: what is withheld, what went wrong, what the labels say."""

from __future__ import annotations

import numpy as np
import pytest

from merian.taxonomy import Taxonomy, read_checklist, save_taxonomy
from merian.world.biota import RANKS, Biota, biota_of_lineages, make_biota
from merian.world.checklist import write_checklist
from merian.world.labels import PRESETS, Label, draw_synonyms, write_labels
from merian.world.specimens import WITHHELD, Specimens, draw_specimens, withhold

NONE, SPECIES, GENUS, FAMILY = range(4)


def made(
    level: int = 2, preset: str = "museum", count: int = 6000, seed: int = 0
) -> tuple[Biota, np.ndarray, Specimens, list[Label]]:
    rng = np.random.default_rng(seed)
    biota = make_biota(400, rng)
    unknown = withhold(biota, rng)
    specimens = draw_specimens(biota, count, level, unknown, rng)
    labels = write_labels(biota, specimens, draw_synonyms(biota, unknown, rng), preset, level, rng)
    return biota, unknown, specimens, labels


def test_what_is_above_a_withheld_taxon_is_known() -> None:
    biota, unknown, _, _ = made()
    assert set(np.unique(unknown)) == {NONE, SPECIES, GENUS, FAMILY}
    for kind, rank in ((SPECIES, 5), (GENUS, 4), (FAMILY, 3)):
        for species in np.flatnonzero(unknown == kind).tolist():
            same = biota.taxon[:, rank] == biota.taxon[species, rank]
            assert np.all(unknown[same] == kind), "the whole taxon is withheld"
            above = biota.taxon[:, rank - 1] == biota.taxon[species, rank - 1]
            assert np.any(unknown[above] == NONE), "a known relative is left"


def test_a_family_that_is_most_of_a_reference_stays_known() -> None:
    lineages = [
        ("Arthropoda", "Insecta", "Diptera", family, f"{family[:3]}{i // 3}", f"{family} {i}")
        for family, count in (("Aidae", 40), ("Bidae", 4), ("Cidae", 4))
        for i in range(count)
    ]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        biota = biota_of_lineages(lineages, [0] * len(lineages), rng)
        unknown = withhold(biota, rng, 0.2)
        assert np.sum(unknown == FAMILY) == 4
        assert np.mean(unknown == NONE) > 0.5


def test_no_label_names_what_nobody_has_described() -> None:
    biota, _, specimens, labels = made()
    deepest = {SPECIES: 4, GENUS: 3, FAMILY: 2}
    for record, label in enumerate(labels):
        kind = int(specimens.withheld[record])
        if kind == NONE or specimens.called[record] != specimens.species[record]:
            continue
        true = biota.lineage(int(specimens.species[record]))
        last = deepest[kind]
        assert all(name in ("", true[rank]) for rank, name in enumerate(label.names[: last + 1]))
        assert all(name == "" or label.dirty == "number" for name in label.names[last + 1 :]), label


@pytest.mark.parametrize("preset", ["museum", "full"])
def test_a_preset_has_its_shares(preset: str) -> None:
    _, _, specimens, labels = made(preset=preset)
    known = [label for i, label in enumerate(labels) if specimens.withheld[i] == NONE]
    for rank, share in enumerate(PRESETS[preset]):
        assert np.mean([bool(label.names[rank]) for label in known]) == pytest.approx(
            share, abs=0.03
        )
    for label in known:
        given = [bool(name) for name in label.names]
        assert given == sorted(given, reverse=True), "a name has all names above it"


def test_bioscan_has_the_published_shares_over_all_records() -> None:
    _, _, _, labels = made(preset="bioscan", count=20_000)
    shares = [np.mean([bool(label.names[r]) for label in labels]) for r in range(len(RANKS))]
    assert shares[5] == pytest.approx(0.09, abs=0.01)
    assert shares[4] == pytest.approx(0.24, abs=0.03)
    assert shares[3] == pytest.approx(0.96, abs=0.05)


@pytest.mark.parametrize("seed", range(1, 5))
def test_bioscan_names_as_many_families_as_can_be_named(seed: int) -> None:
    _, _, specimens, labels = made(preset="bioscan", count=5000, seed=seed)
    able = np.mean(specimens.withheld != FAMILY)
    named = np.mean([bool(label.names[3]) for label in labels])
    assert named == pytest.approx(min(0.96, able), abs=0.01)


def test_errors_are_as_frequent_as_their_level() -> None:
    often = {}
    for level in (1, 2, 3):
        biota, _, specimens, labels = made(level=level, count=20_000)
        wrong = specimens.called != specimens.species
        swapped = (specimens.tube != np.arange(20_000)) & (specimens.copy_of < 0)
        often[level] = [
            wrong.mean(), swapped.mean(), (specimens.copy_of >= 0).mean(),
            (specimens.state == 1).mean(), (specimens.state == 2).mean(),
            np.mean([label.dirty == "slip" for label in labels]),
            np.mean([label.dirty == "cf." for label in labels]),
        ]  # fmt: skip
        assert np.mean([label.dirty == "synonym" for label in labels]) > 0.001
        true, called = biota.taxon[specimens.species[wrong]], biota.taxon[specimens.called[wrong]]
        assert np.all(true[:, 3] == called[:, 3]), "a look-alike is of the family"
        assert np.mean(true[:, 4] == called[:, 4]) > 0.3, "and often of the genus"
    for one, two, three in zip(*often.values(), strict=True):
        assert 0 < one < two < three


def test_a_second_entry_is_a_second_entry() -> None:
    _, _, specimens, labels = made(level=3)
    second = np.flatnonzero(specimens.copy_of >= 0)
    assert second.size > 50
    for record in second.tolist():
        first = int(specimens.copy_of[record])
        assert first < record
        assert specimens.copy_of[first] < 0
        assert labels[first] == labels[record]
        assert specimens.tube[first] == specimens.tube[record]
        assert specimens.species[first] == specimens.species[record]


def test_swaps_are_swaps() -> None:
    _, _, specimens, _ = made(level=3, count=20_000)
    alone = specimens.copy_of < 0
    there = specimens.tube[specimens.tube[alone]]
    moved = specimens.tube != np.arange(len(specimens))
    assert moved.sum() > 40
    assert np.mean(there == np.flatnonzero(alone)) > 0.99


def test_the_checklist_is_read_and_lacks_the_undescribed(tmp_path) -> None:
    rng = np.random.default_rng(2)
    biota = make_biota(800, rng)
    unknown = withhold(biota, rng)
    synonyms = draw_synonyms(biota, unknown, rng)
    assert len(synonyms) > 20
    genera = {biota.names[4][genus] for genus in biota.taxon[unknown == 0, 4]}
    assert {synonym.name.partition(" ")[0] for synonym in synonyms} <= genera
    write_checklist(tmp_path / "checklist", biota, unknown, synonyms, rng)
    taxonomy, report = read_checklist(tmp_path / "checklist")
    save_taxonomy(taxonomy, tmp_path / "taxonomy", report)
    taxonomy = Taxonomy.open(tmp_path / "taxonomy")
    described = [biota.names[5][s] for s in np.flatnonzero(unknown == 0)]
    assert all(taxonomy.find(name).size == 1 for name in described)
    hidden = [biota.names[5][s] for s in np.flatnonzero(unknown > 0)]
    assert not any(taxonomy.find(name).size for name in hidden)
    for synonym in synonyms:
        node = int(taxonomy.find(synonym.name)[0])
        accepted = int(taxonomy.accepted[node])
        assert taxonomy.name_of(accepted) == biota.names[5][synonym.species]


def test_the_words_are_in_order() -> None:
    assert WITHHELD == ("none", "species", "genus", "family")
