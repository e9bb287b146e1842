"""Trees joined by names, and what several libraries say of one record, put together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from merian.identify import strata
from merian.identify.consensus import Consensus
from merian.identify.fusion import Witness, fuse, prior_of
from merian.identify.joint import join
from merian.identify.ladder import ROOT, Ladder
from merian.identify.posterior import chains_of, posterior_of
from merian.identify.promise import Choice, promise_of, stands
from merian.identify.simulations import Simulations

RANKS = ("kingdom", "order", "family", "genus", "species")


def tree(paths):
    """A ladder and a library of lineages; "" is a missing rank, "~name" an unnamed group."""
    names, groups = [], []
    rank, parent, node, group, seen = [], [], [], [], {}
    found = np.full((len(paths), len(RANKS)), -1, np.int32)
    for place in range(len(RANKS)):
        for row, path in enumerate(paths):
            name = path[place]
            key = (place, name or path[place:], tuple(path[:place]))
            if key not in seen:
                seen[key] = len(rank)
                rank.append(place)
                parent.append(found[row, place - 1] if place else ROOT)
                grouped = name.startswith("~")
                node.append(len(names) if name and not grouped else -1)
                group.append(len(groups) if grouped else -1)
                if grouped:
                    groups.append(name[1:])
                elif name:
                    names.append(name)
            found[row, place] = seen[key]
    parents = np.array(parent, np.int32)
    children = np.bincount(np.where(parents < 0, len(rank), parents), minlength=len(rank) + 1)
    ladder = Ladder(
        RANKS, found, np.array(rank, np.int8), parents, np.array(node, np.int32),
        np.array(group, np.int32), children.astype(np.int32),
    )  # fmt: skip
    taxonomy = SimpleNamespace(name_of=names.__getitem__)
    return SimpleNamespace(taxonomy=taxonomy, group_name=groups), ladder


def lineage(species, family="Aidae", order="Diptera", kingdom="Animalia"):
    return (kingdom, order, family, species.split()[0], species)


def joined(*trees):
    libraries, ladders = zip(*trees, strict=True)
    return join(libraries, ladders)


def rung_called(joint, name, rank=None):
    """The one rung of a name."""
    ladder = joint.ladder
    found = [
        r
        for r in range(len(ladder))
        if (ladder.node[r] >= 0 and joint.names[ladder.node[r]] == name)
        or (ladder.group[r] >= 0 and joint.groups[ladder.group[r]] == name)
    ]
    found = [r for r in found if rank is None or ladder.ranks[ladder.rank[r]] == rank]
    assert len(found) == 1, (name, found)
    return found[0]


# -- one tree -----------------------------------------------------------------------------------


def test_one_name_is_one_taxon_and_every_path_is_whole():
    one = tree([lineage("Aus bus"), lineage("Aus cus")])
    other = tree([lineage("Aus bus"), lineage("Dus eus")])
    joint = joined(one, other)
    ladder = joint.ladder
    bus = rung_called(joint, "Aus bus")
    assert joint.to[0][one[1].path[0, -1]] == joint.to[1][other[1].path[0, -1]] == bus
    for name in ("Aus bus", "Aus cus", "Dus eus"):
        path = ladder.paths(np.array([rung_called(joint, name)]))[0]
        assert (path >= 0).all()
        assert [joint.names[ladder.node[r]] for r in path] == list(lineage(name))
    # To the second library Aus cus is something under Aus, to the first Dus eus under Aidae.
    assert joint.base[1][rung_called(joint, "Aus cus")] == rung_called(joint, "Aus")
    assert joint.base[0][rung_called(joint, "Dus eus")] == rung_called(joint, "Aidae")
    assert joint.base[0][-1] == ROOT == joint.to[0][-1]


def test_a_missing_rank_is_filled_by_the_library_that_has_it():
    one = tree([("Animalia", "Diptera", "", "Aus", "Aus bus")])
    other = tree([lineage("Aus bus")])
    joint = joined(one, other)
    path = joint.ladder.paths(np.array([rung_called(joint, "Aus bus")]))[0]
    assert [joint.names[joint.ladder.node[r]] for r in path] == list(lineage("Aus bus"))
    # The stand-in of the first library is what it stands under.
    assert joint.to[0][one[1].path[0, 2]] == rung_called(joint, "Diptera")


def test_a_homonym_is_another_taxon():
    animal = tree([lineage("Aus bus")])
    plant = tree([("Plantae", "Rosales", "Rosaceae", "Aus", "Aus xus")])
    joint = joined(animal, plant)
    named = [r for r in range(len(joint.ladder)) if joint.ladder.node[r] >= 0
             and joint.names[joint.ladder.node[r]] == "Aus"]  # fmt: skip
    assert len(named) == 2
    assert joint.to[0][animal[1].path[0, 3]] != joint.to[1][plant[1].path[0, 3]]


def test_where_libraries_place_a_taxon_differently_the_first_counts():
    one = tree([lineage("Aus bus", family="Aidae")])
    other = tree([lineage("Aus bus", family="Bidae")])
    joint = joined(one, other)
    path = joint.ladder.paths(np.array([rung_called(joint, "Aus bus")]))[0]
    assert joint.names[joint.ladder.node[path[2]]] == "Aidae"


def test_groups_are_the_same_under_the_same_taxon_alone():
    one = tree([("Animalia", "Diptera", "", "", "~BOLD:AAA0001")])
    other = tree([("Animalia", "Diptera", "", "", "~BOLD:AAA0001"),
                  ("Animalia", "Coleoptera", "", "", "~BOLD:AAA0001")])  # fmt: skip
    joint = joined(one, other)
    assert len(joint.groups) == 2
    assert joint.to[0][one[1].path[0, -1]] == joint.to[1][other[1].path[0, -1]]


# -- together -----------------------------------------------------------------------------------


def two():
    """Barcodes know Aus bus and Aus cus, pictures Aus bus and Dus eus."""
    return (
        tree([lineage("Aus bus"), lineage("Aus cus")]),
        tree([lineage("Aus bus"), lineage("Dus eus")]),
    )


def priors(joint):
    taxa = (joint.ladder.node >= 0) | (joint.ladder.group >= 0)
    every = np.arange(len(joint.ladder))
    return [prior_of(joint.ladder, taxa & (b[:-1] == every), strata.USUAL) for b in joint.base]


def test_a_prior_sums_to_one_over_what_a_library_has():
    joint = joined(*two())
    for base, prior in zip(joint.base, priors(joint), strict=True):
        own = np.flatnonzero(base[:-1] == np.arange(len(joint.ladder)))
        assert np.exp(prior[own]).sum() + np.exp(prior[-1]) == pytest.approx(1)


def test_what_a_library_lacks_is_something_new_to_it():
    joint = joined(*two())
    name = lambda text: rung_called(joint, text)  # noqa: E731
    # The picture says: something under Aus that I lack. That speaks for Aus cus, not Aus bus.
    said = fuse(
        joint,
        [Witness.of(joint, 0, two()[0][1].path[:, -1], np.array([0.5, 0.5])),
         Witness(1, np.array([name("Aus")], np.int32), np.array([1.0]))],
        priors(joint),
    )  # fmt: skip
    told = dict(zip(said.rung.tolist(), said.told.tolist(), strict=True))
    assert told[name("Aus bus")][0] == told[name("Aus cus")][0]
    assert told[name("Aus cus")][1] > 0 > told[name("Aus bus")][1]
    assert told[name("Aus cus")][1] == told[name("Aus")][1]
    assert said.rung[-1] == ROOT


def test_the_mean_of_several_pictures_counts():
    joint = joined(*two())
    own = two()[1][1]
    sure = Witness.of(joint, 1, own.path[:, -1], np.array([0.9, 0.1]))
    unsure = Witness.of(joint, 1, own.path[:, -1], np.array([0.4, 0.6]))
    both = fuse(joint, [sure, unsure], priors(joint)).told[:, 1]
    mean = (fuse(joint, [sure], priors(joint)).told + fuse(joint, [unsure], priors(joint)).told) / 2
    assert both == pytest.approx(mean[:, 1])


def test_what_is_absent_of_a_simulated_record_is_new_to_its_library():
    joint = joined(*two())
    bus, aus = rung_called(joint, "Aus bus"), rung_called(joint, "Aus")
    new = Witness(0, np.array([aus], np.int32), np.array([1.0]), absent=bus)
    other = Witness.of(joint, 1, two()[1][1].path[:1, -1], np.array([1.0]))
    said = fuse(joint, [new, other], priors(joint))
    told = dict(zip(said.rung.tolist(), said.told[:, 0].tolist(), strict=True))
    assert told[bus] == told[aus] > 0


# -- the consensus ------------------------------------------------------------------------------

FAMILIES, GENERA, SPECIES = 12, 8, 3


class Biota:
    """Species in a tree, and two kinds of evidence that err in a known way."""

    def __init__(self, seed):
        names = [
            lineage(f"G{f}x{g} s{s}", family=f"F{f}", order=f"O{f % 3}")
            for f in range(FAMILIES) for g in range(GENERA) for s in range(SPECIES)
        ]  # fmt: skip
        self.library, self.ladder = tree(names)
        self.random = np.random.default_rng(seed)

    def scores(self, entry, level, sharp):
        """Scores of the outcomes of one query whose taxon below a level is absent."""
        ladder = self.ladder
        last = len(RANKS) - 1
        path = ladder.path[entry]
        absent = path[level + 1] if level < last else -2
        near = [entry, *self.random.choice(len(ladder.path), 6, replace=False)]
        kin = ladder.path[:, 3] == path[3]
        near += np.flatnonzero(kin).tolist()
        rungs = {int(r) for e in near if absent < 0 or ladder.path[e, level + 1] != absent
                 for r in ladder.path[e]}  # fmt: skip
        rungs |= {int(r) for r in path[: level + 1]}
        rungs = np.array([*sorted(rungs), -1], np.int32)
        true = path[level]
        rank = np.where(rungs >= 0, ladder.rank[rungs], -1)
        stratum = strata.of_outcomes(RANKS)[rank]
        prior = np.log(strata.USUAL[stratum] / np.bincount(stratum, minlength=5)[stratum])
        # The exact score: the prior, and evidence that is drawn given what is true.
        drawn = self.random.normal(0, 1, len(rungs)) + sharp * (rungs == true)
        return rungs, prior + sharp * drawn

    def evidence(self, kind, sharp, records=3, piece=None):
        """Evidence of a kind; that of pieces, where there are any, is less sharp."""
        rows, sharpness = [], [sharp] + [piece] * (piece is not None)
        for entry in range(len(self.ladder.path)):
            for _ in range(records):
                rows += [
                    (entry, level, *self.scores(entry, level, one), number)
                    for level in (4, 3, 2, 1) for number, one in enumerate(sharpness)
                ]  # fmt: skip
        offset = np.cumsum([0, *(len(r[2]) for r in rows)])
        own = np.array([r[0] for r in rows])
        level = np.array([r[1] for r in rows])
        path = self.ladder.path[own]
        true = np.where(np.arange(5)[None, :] <= level[:, None], path, -2).astype(np.int32)
        simulated = Simulations(
            offset, np.concatenate([r[2] for r in rows]),
            np.concatenate([r[3] for r in rows]).astype(np.float32),
            strata.of_outcomes(RANKS)[level], path[:, 3], np.ones(len(rows), np.float32), true,
            np.array([r[4] for r in rows], np.int8), path[:, 4],
        )  # fmt: skip
        promises = lambda choice: (promise_of(simulated, self.ladder, choice),)  # noqa: E731
        return SimpleNamespace(
            kind=kind, library=SimpleNamespace(**vars(self.library), hash=kind),
            ladder=self.ladder, simulated=simulated, promises=promises,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    biota = Biota(1)
    evidence = {"b": biota.evidence("barcode", 3.0), "p": biota.evidence("picture", 2.0)}
    return biota, Consensus(evidence, Choice(0.1))


def answers(biota, consensus, level_of, count=1500, piece=None):
    """Draw fresh records, and return how many are wrong, by genus, and how many name a species.

    Their barcodes are pieces if it is told how sharp these are.
    """
    wrong, named = {}, 0
    for n in range(count):
        entry = int(biota.random.integers(len(biota.ladder.path)))
        witnesses, deepest = [], 0
        for library, sharp in enumerate((piece or 3.0, 2.0)):
            level = level_of(library, n)
            deepest = max(deepest, level)
            rungs, scores = biota.scores(entry, level, sharp)
            own = posterior_of(scores, np.array([0, len(rungs)]), rungs, biota.ladder)
            absent = biota.ladder.path[entry, level + 1] if level < 4 else ROOT
            absent = ROOT if absent == ROOT else int(consensus.joint.to[library][absent])
            short = piece is not None and library == 0
            witnesses.append(
                Witness.of(consensus.joint, library, rungs, own.probability, absent, piece=short)
            )
        thresholds = consensus.decided([0, 1]).thresholds(witnesses)
        posterior = consensus.posterior(witnesses)
        chains = chains_of(posterior, consensus.joint.ladder)
        depth = int(stands(chains, consensus.joint.ladder, thresholds)[0])
        true = consensus.joint.to[0][biota.ladder.path[entry]]
        bad = depth > 0 and (depth - 1 > deepest or chains.rung[0, depth - 1] != true[depth - 1])
        wrong.setdefault(int(true[3]), []).append(bad)
        named += depth == 5
    return float(np.mean([np.mean(own) for own in wrong.values()])), named / count


@pytest.mark.parametrize(
    "level_of",
    [
        lambda _library, _n: 4,
        lambda _library, _n: 3,
        lambda library, _n: 4 if library else 2,
        lambda library, _n: 2 if library else 4,
    ],
    ids=["all have it", "none has it", "pictures alone", "barcodes alone"],
)
def test_the_promise_of_a_consensus_is_kept_whoever_has_the_species(world, level_of):
    error, _ = answers(*world, level_of)
    assert error <= 0.1 + 0.03


def test_a_promise_is_kept_with_pieces_and_costs_whole_barcodes_nothing(world):
    biota, without = world
    evidence = {
        "b": biota.evidence("barcode", 3.0, piece=1.2), "p": biota.evidence("picture", 2.0),
    }  # fmt: skip
    consensus = Consensus(evidence, Choice(0.1))
    for level in (4, 3):
        error, _ = answers(biota, consensus, lambda _library, _n, level=level: level, piece=1.2)
        assert error <= 0.1 + 0.03
    decided = consensus.decided([0, 1])
    assert decided.pieces[-1] >= decided.whole[-1]
    whole, piece = (
        answers(biota, consensus, lambda _library, _n: 4, piece=sharp)[1] for sharp in (None, 1.2)
    )
    before = answers(biota, without, lambda _library, _n: 4)[1]
    assert whole > before - 0.05
    assert whole > piece + 0.1


def test_two_say_more_than_one(world):
    biota, consensus = world
    _, named = answers(biota, consensus, lambda _library, _n: 4)
    single = []
    for library in (0, 1):
        own = consensus.together([library]).promise()
        evidence = [*consensus._evidence][library]
        simulated = evidence.simulated.taken(evidence.simulated.stratum == 0)
        posterior = posterior_of(
            simulated.score.astype(float), simulated.offset, simulated.rung, biota.ladder
        )
        depth = stands(
            chains_of(posterior, biota.ladder), biota.ladder,
            np.array([[*own.thresholds.values()]]),
        )  # fmt: skip
        single.append(float((depth == 5).mean()))
    assert named > max(single) + 0.05


def test_one_alone_says_what_its_library_says(world):
    biota, consensus = world
    rungs, scores = biota.scores(5, 4, 3.0)
    own = posterior_of(scores, np.array([0, len(rungs)]), rungs, biota.ladder)
    witness = Witness.of(consensus.joint, 0, rungs, own.probability)
    found = consensus.posterior([witness])
    told = dict(zip(found.rung.tolist(), found.probability.tolist(), strict=True))
    for rung, share in zip(rungs.tolist(), own.probability.tolist(), strict=True):
        here = int(consensus.joint.to[0][rung]) if rung >= 0 else ROOT
        assert told[here] == pytest.approx(share, abs=2e-3)


def test_libraries_of_earlier_versions_promise_nothing_together(world):
    biota, _ = world
    old = biota.evidence("barcode", 3.0, records=1)
    kept = {k: v for k, v in vars(old.simulated).items() if k != "own"}
    old.simulated = Simulations(**kept)
    consensus = Consensus({"b": old, "p": biota.evidence("picture", 2.0, records=1)}, Choice())
    assert not consensus.together([0, 1]).promise().holds


def test_two_kinds_by_one_library_have_a_species_or_lack_it_together(world):
    biota, consensus = world
    evidence = {"b": biota.evidence("barcode", 3.0), "p": biota.evidence("picture", 2.0)}
    evidence["p"].library = evidence["b"].library
    one = Consensus(evidence, Choice(0.1))
    for told, cases in ((one, 1), (consensus, 3)):  # or one of both alone has the species
        together = told.together([0, 1])
        assert len(together.whole) == len(together.pieces) == cases
    for level in (4, 3):
        error, _ = answers(biota, one, lambda _library, _n, level=level: level, 500)
        assert error <= 0.1 + 0.03
