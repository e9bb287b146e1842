"""Pictures as evidence: what is told of taxa, what is simulated, and that nothing sees itself."""

from __future__ import annotations

import numpy as np
import pytest

from merian.identify.gallery import ABSENT, gallery_of
from merian.identify.likeness import likeness_of, unit
from merian.identify.picture import FEATURES, describe_pictures
from merian.identify.picture_novelty import fold_of, simulate_pictures

from .test_fusion import lineage, tree

SPECIES = [
    lineage(f"G{f}x{g} s{s}", family=f"F{f}", order=f"O{f % 2}")
    for f in range(4) for g in range(2) for s in range(2)
]  # fmt: skip
DIM = 24


def pictures(seed=0, each=5, noise=0.5):
    """Entries of every species, in a mixed order: the ladder, and vectors that show the tree."""
    random = np.random.default_rng(seed)
    order = random.permutation(np.repeat(np.arange(len(SPECIES)), each))
    _, ladder = tree([SPECIES[n] for n in order])
    centres: dict[str, np.ndarray] = {}
    for path in SPECIES:
        for name in path[1:]:
            centres.setdefault(name, random.normal(size=DIM))
    rows = [sum(centres[name] for name in SPECIES[n][1:]) for n in order]
    vectors = np.array(rows) + noise * 3 * random.normal(size=(len(order), DIM))
    whole = np.rint(4000 * unit(vectors)).astype(np.int16)
    return ladder, whole, order


# -- likeness -----------------------------------------------------------------------------------


def test_likeness_shortens_the_directions_in_which_pictures_of_one_taxon_differ():
    random = np.random.default_rng(0)
    taxon = np.repeat(np.arange(40), 12)
    kinds = random.normal(size=(40, DIM))
    spread = np.ones(DIM)
    spread[:4] = 8  # light and pose: four loud directions that say nothing
    vectors = kinds[taxon] + spread * random.normal(size=(len(taxon), DIM))

    def hits(rows, of):
        cosines = rows @ rows.T
        np.fill_diagonal(cosines, -2)
        return float((of[cosines.argmax(axis=1)] == of).mean())

    half = taxon < 20
    found = likeness_of(vectors[half], taxon[half])
    others = found(vectors[~half])
    assert hits(others, taxon[~half]) > hits(unit(vectors[~half]), taxon[~half]) + 0.2
    assert np.linalg.norm(others, axis=1) == pytest.approx(1, abs=1e-5)


def test_likeness_of_singles_changes_no_angle():
    vectors = np.random.default_rng(0).normal(size=(6, DIM))
    found = likeness_of(vectors, np.arange(6))
    assert found.map == pytest.approx(np.eye(DIM))


@pytest.mark.parametrize("vectors", [np.ones((1, 600)), np.ones((4, 600)), np.ones((0, 600))],
                         ids=["one", "copies", "none"])  # fmt: skip
def test_pictures_that_differ_in_nothing_teach_a_map_all_the_same(vectors):
    found = likeness_of(vectors, np.arange(len(vectors)) // 2)
    assert np.linalg.matrix_rank(found.map) == found.map.shape[1] == 512
    asked = np.random.default_rng(1).normal(size=(3, 600))
    assert np.allclose(np.linalg.norm(found(asked), axis=1), 1)


def test_few_pictures_teach_the_map_of_the_formula(monkeypatch):
    """Fewer than half as many as numbers: the map is made in their span, and is the same."""
    random = np.random.default_rng(3)
    taxon = np.arange(30) % 6
    vectors = random.normal(size=(30, 80)) + 2 * random.normal(size=(6, 80))[taxon]
    rows = unit(vectors).astype(np.float64)
    means = np.array([rows[taxon == kind].mean(axis=0) for kind in range(6)])
    away, whole, prior, free = rows - means[taxon], rows - means.mean(axis=0), 40, 24
    spread = (away**2).sum() / 80 / free
    within = (away.T @ away + prior * spread * np.eye(80)) / (free + prior) / spread
    values, axes = np.linalg.eigh(within)
    expected = (axes / np.sqrt(values)) @ axes.T
    assert likeness_of(vectors, taxon).map == pytest.approx(expected, abs=1e-5)

    monkeypatch.setattr("merian.identify.likeness._DIRECTIONS", 50)
    narrow = likeness_of(vectors, taxon).map.astype(np.float64)
    assert narrow.shape == (80, 50)
    products = (whole @ narrow) @ (whole @ narrow).T  # nothing that tells two pictures is lost
    assert products == pytest.approx((whole @ expected) @ (whole @ expected).T, abs=1e-5)
    kept = np.linalg.inv(expected) @ narrow
    assert kept.T @ kept == pytest.approx(np.eye(50), abs=1e-5)


# -- the gallery --------------------------------------------------------------------------------


def test_what_is_told_of_every_taxon_is_that_of_its_pictures():
    ladder, vectors, _ = pictures()
    gallery = gallery_of(ladder, np.arange(len(vectors)))
    rows = unit(vectors[gallery.entry])
    cosines = rows[:3] @ rows.T
    cosines[0, 5:20] = ABSENT
    lengths = gallery.lengths(gallery.sums(rows))
    for rank, told in enumerate(gallery.told(cosines, lengths)):
        for stretch, rung in enumerate(gallery.rungs[rank].tolist()):
            own = gallery.path(rank) == rung
            assert gallery.stretch[rung] == stretch
            mean = np.linalg.norm(rows[own].mean(axis=0))
            for query in range(3):
                there = cosines[query, own & (cosines[query] > ABSENT)]
                assert told.count[query, stretch] == len(there)
                if not len(there):
                    assert told.best[query, stretch] == ABSENT
                    continue
                assert told.best[query, stretch] == there.max()
                assert told.mean[query, stretch] == pytest.approx(there.mean() / mean, abs=1e-5)
                near = 1 + 0.1 * np.log(np.mean(np.exp((there.astype(float) - 1) / 0.1)))
                assert told.near[query, stretch] == pytest.approx(near, abs=1e-4)


def test_the_outcomes_are_the_species_and_all_that_stands_above_them():
    ladder, vectors, _ = pictures()
    gallery = gallery_of(ladder, np.arange(len(vectors)))
    rows = unit(vectors[gallery.entry])
    cosines = rows[:4] @ rows.T
    lengths = gallery.lengths(gallery.sums(rows))
    found = describe_pictures(gallery, cosines, cosines, lengths)
    for query in range(4):
        rungs = found.rung[found.offset[query] : found.offset[query + 1]].tolist()
        assert len(rungs) == len(set(rungs)) == len(ladder) + 1  # few species: all are near enough
        assert -1 in rungs
    at = FEATURES["species"].index("nearest")
    others = FEATURES["species"].index("ahead")
    species = found.features[-2]
    query, rung = found.query[found.places[-2]], found.rung[found.places[-2]]
    for row in range(0, len(species), 7):
        own = gallery.path(4) == rung[row]
        best = cosines[query[row], own].max()
        assert species[row, at] == pytest.approx(best)
        assert species[row, others] == pytest.approx(best - cosines[query[row], ~own].max())


# -- novelty ------------------------------------------------------------------------------------


def simulated(ladder, vectors, individual):
    return simulate_pictures(vectors, ladder, individual, None, lambda _done: None)


def test_every_taxon_is_left_out_in_turn():
    ladder, vectors, _ = pictures()
    found = simulated(ladder, vectors, np.arange(len(vectors)))
    last = len(ladder.ranks) - 1
    counts = np.bincount(found.level + 1, minlength=last + 2).tolist()
    assert counts == [0, *[len(vectors)] * (last + 1)]  # there is but one kingdom
    for number in range(len(found)):
        own, level = found.own[number], found.level[number]
        begin, stop = found.described.offset[number : number + 2]
        rungs = found.described.rung[begin:stop]
        path = ladder.path[own]
        assert (found.true[number, : level + 1] == path[: level + 1]).all()
        assert (found.true[number, level + 1 :] == -2).all()
        assert path[level] in rungs
        if level < last:
            assert path[level + 1] not in rungs


def test_another_picture_of_the_same_specimen_is_no_other_specimen():
    ladder, vectors, order = pictures(each=4)
    individual = np.arange(len(vectors))
    first = {}
    for entry, species in enumerate(order.tolist()):  # two pictures of each first specimen
        if species in first:
            if isinstance(first[species], int):
                individual[entry] = individual[first[species]]
                vectors[entry] = vectors[first[species]]
                first[species] = None
        else:
            first[species] = entry
    at = FEATURES["species"].index("nearest")
    for who, self_seen in ((individual, False), (np.arange(len(vectors)), True)):
        found = simulated(ladder, vectors, who)
        species = found.described.features[-2]
        query = found.described.query[found.described.places[-2]]
        whole = found.level[query] == len(ladder.ranks) - 1
        assert (species[whole, at].max() > 0.9999) == self_seen


def test_what_has_lost_something_is_not_told_by_that():
    """Nor may a genus be told by its having lost a species."""
    ladder, vectors, _ = pictures(each=5)
    noise = np.random.default_rng(3).normal(size=vectors.shape)
    same = np.rint(4000 * unit(noise)).astype(np.int16)
    found = simulated(ladder, same, np.arange(len(same)))
    described, last = found.described, len(ladder.ranks) - 1
    places = described.places[last]
    query = described.query[places]
    here = found.level[query] == last
    true = described.rung[places] == found.true[query, last]
    value = described.features[last][:, FEATURES["species"].index("pictures")]
    assert value[here & true].mean() == pytest.approx(value[here & ~true].mean())
    assert not {"pictures", "children"} & {*FEATURES["above"]}


def test_a_group_without_a_species_is_left_out_as_one_kind():
    rows = [("Animalia", "Diptera", "", "", f"~kind {n}") for n in range(4) for _ in range(6)]
    _, ladder = tree(rows)
    kinds = np.repeat(np.arange(4), 6)
    random = np.random.default_rng(1)
    vectors = random.normal(size=(4, DIM))[kinds] * 2 + random.normal(size=(24, DIM))
    whole = np.rint(4000 * unit(vectors)).astype(np.int16)
    found = simulated(ladder, whole, np.arange(24))
    assert set(found.level.tolist()) == {1, 4}  # the kind is known, or new under Diptera
    new = found.level == 1
    assert (found.true[new, 1] == ladder.path[found.own[new], 1]).all()
    assert (found.stratum[new] == 3).all()  # no family of it is there


def test_those_of_a_genus_are_asked_together():
    genus = np.repeat(np.arange(30), 3)
    fold = fold_of(genus, 8)
    assert all(len(set(fold[genus == one].tolist())) == 1 for one in range(30))
    assert len(set(fold.tolist())) == 8
