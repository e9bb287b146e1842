from __future__ import annotations

import numpy as np
import pytest

from merian.errors import InputError
from merian.identify import Choice, strata
from merian.identify.ladder import Ladder
from merian.identify.posterior import Chains, chains_of, mix_of, posterior_of
from merian.identify.promise import ENOUGH, promise_of, stands
from merian.identify.simulations import Simulations

RANKS = ("family", "genus", "species")


def ladder_with(genera: int, species: int = 2) -> Ladder:
    """One family; genera and species below it, rungs in this order."""
    first_genus, first_species = 1, 1 + genera
    count = 1 + genera + genera * species
    rank = np.array([0] + [1] * genera + [2] * (genera * species), np.int8)
    parent = np.full(count, -1, np.int32)
    parent[first_genus:first_species] = 0
    parent[first_species:] = first_genus + np.arange(genera * species) // species
    paths = np.stack(
        [
            np.zeros(genera * species, np.int32),
            parent[first_species:],
            np.arange(first_species, count, dtype=np.int32),
        ],
        axis=1,
    )
    children = np.bincount(np.where(parent < 0, count, parent), minlength=count + 1)
    return Ladder(
        RANKS,
        paths.astype(np.int32),
        rank,
        parent,
        np.arange(count, dtype=np.int32),
        np.full(count, -1, np.int32),
        children.astype(np.int32),
    )


def simulated(ladder: Ladder, seed: int, each: int = 12, wild: float = 1.0) -> Simulations:
    """Queries of all strata whose scores are honest but for an error of each genus.

    Each query may be its species, its sister, something new under the genus or the family, or
    nothing here. Which of these it is was drawn from the scores before genera erred.
    """
    chance = np.random.default_rng(seed)
    of_outcome = strata.of_outcomes(RANKS)
    rungs, scores, offset, stratum, genus, true = [], [], [0], [], [], []
    for own in np.flatnonzero(ladder.rank == 1):
        shift = chance.normal(0, wild, 5)
        below = np.flatnonzero(ladder.parent == own)
        for _ in range(each):
            outcomes = np.array([below[0], below[1], own, 0, -1])
            score = chance.normal(0, 3, 5)
            share = np.exp(score - score.max())
            it = int(chance.choice(5, p=share / share.sum()))
            rungs.append(outcomes)
            scores.append(score + shift)
            offset.append(offset[-1] + 5)
            rank = ladder.rank[outcomes[it]] if outcomes[it] >= 0 else -1
            stratum.append(of_outcome[rank])
            genus.append(own)
            path = np.full(3, -2)
            for place in range(rank + 1):
                path[place] = (0, own, outcomes[it])[place]
            true.append(path)
    return Simulations(
        np.array(offset),
        np.concatenate(rungs).astype(np.int32),
        np.concatenate(scores).astype(np.float32),
        np.array(stratum, np.int8),
        np.array(genus, np.int32),
        np.ones(len(stratum), np.float32),
        np.array(true, np.int32),
        np.zeros(len(stratum), np.int8),
    )


def error_by_stratum(made: Simulations, ladder: Ladder, thresholds, mix=strata.USUAL):
    posterior = posterior_of(made.score.astype(float), made.offset, made.rung, ladder, mix)
    chains = chains_of(posterior, ladder)
    depth = stands(chains, ladder, np.array([*thresholds.values()]))
    wrong = np.array(
        [d > 0 and chains.rung[i, d - 1] != made.true[i, d - 1] for i, d in enumerate(depth)]
    )
    told = strata.grouped(made.stratum)
    found = {}
    for number in np.unique(told):
        here = told == number
        genera = np.unique(made.genus[here])
        found[int(number)] = np.mean([wrong[here & (made.genus == g)].mean() for g in genera])
    return found, depth


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
def test_the_promise_is_kept_on_genera_that_it_was_not_chosen_on(alpha):
    ladder = ladder_with(120)
    errors = {}
    for seed in range(12):
        promise = promise_of(simulated(ladder, seed), ladder, Choice(alpha))
        found, _ = error_by_stratum(simulated(ladder, 1000 + seed), ladder, promise.thresholds)
        for number, error in found.items():
            errors.setdefault(number, []).append(error)
    for found in errors.values():
        assert np.mean(found) <= alpha + 2 * np.std(found, ddof=1) / np.sqrt(len(found))


def test_it_would_not_be_kept_without_it():
    ladder = ladder_with(120)
    found, _ = error_by_stratum(simulated(ladder, 7), ladder, dict.fromkeys(RANKS, 0.5))
    assert max(found.values()) > 0.1


def test_more_room_for_error_means_deeper_answers():
    ladder = ladder_with(120)
    made = simulated(ladder, 3)
    depths = []
    for alpha in (0.02, 0.05, 0.1, 0.3):
        promise = promise_of(made, ladder, Choice(alpha))
        depths.append(error_by_stratum(made, ladder, promise.thresholds)[1].mean())
    assert depths == sorted(depths)
    assert depths[0] < depths[-1]


def test_an_answer_never_goes_down_when_the_threshold_rises():
    ladder = ladder_with(60)
    made = simulated(ladder, 4)
    posterior = posterior_of(made.score.astype(float), made.offset, made.rung, ladder)
    chains = chains_of(posterior, ladder)
    before = np.full(len(made.stratum), 9)
    for threshold in np.linspace(0.1, 1, 30):
        depth = stands(chains, ladder, np.full(3, threshold))
        assert (depth <= before).all()
        before = depth


def test_few_genera_get_no_promise_and_it_is_said():
    ladder = ladder_with(ENOUGH - 1)
    promise = promise_of(simulated(ladder, 1), ladder, Choice())
    assert not promise.holds
    assert not any(stratum.promised for stratum in promise.strata)
    assert "no promise" in promise.lines()[0]
    enough = ladder_with(ENOUGH + 20)
    assert promise_of(simulated(enough, 1), enough, Choice()).holds


def test_with_nothing_to_learn_from_there_is_no_promise_but_an_answer():
    ladder = ladder_with(3)
    nothing = Simulations(
        np.array([0]),
        np.empty(0, np.int32),
        np.empty(0, np.float32),
        np.empty(0, np.int8),
        np.empty(0, np.int32),
        np.empty(0, np.float32),
        np.empty((0, 3), np.int32),
        np.empty(0, np.int8),
    )
    promise = promise_of(nothing, ladder, Choice())
    assert not promise.holds
    assert all(threshold >= 0.95 - 0.03 for threshold in promise.thresholds.values())


def test_a_mix_may_be_promised_where_what_it_hardly_has_could_not_be():
    ladder = ladder_with(70)
    made = simulated(ladder, 2)
    thin = (strata.grouped(made.stratum) == 3) & (made.genus > 12)
    part = made.taken(~thin)
    any_mix = promise_of(part, ladder, Choice())
    assert [stratum.promised for stratum in any_mix.strata] == [True, True, True, False]
    assert any_mix.holds
    assert "but for what is told below" in any_mix.lines()[0]
    assert "family is absent" in any_mix.lines()[1]
    hardly = promise_of(part, ladder, Choice(0.05, (0.8, 0.1, 0.09, 0.01)))
    assert hardly.holds
    mostly = promise_of(part, ladder, Choice(0.05, (0.0, 0.0, 0.1, 0.9)))
    assert not mostly.holds
    assert "no promise" in mostly.lines()[0]


def test_a_mix_that_is_given_bounds_the_error_in_that_mix():
    ladder = ladder_with(150)
    shares = (0.9, 0.06, 0.03, 0.01)
    mix = strata.expanded(shares)
    promise = promise_of(simulated(ladder, 5), ladder, Choice(0.05, shares))
    found, depth = error_by_stratum(simulated(ladder, 55), ladder, promise.thresholds, mix)
    told = [found.get(number, 0.0) for number in range(4)]
    assert float(np.dot(shares, told)) <= 0.07
    any_mix = promise_of(simulated(ladder, 5), ladder, Choice(0.05))
    _, strict = error_by_stratum(simulated(ladder, 55), ladder, any_mix.thresholds)
    present = simulated(ladder, 55).stratum == 0
    assert depth[present].mean() > strict[present].mean()


def test_the_errors_at_each_rank_are_bounded_when_asked():
    ladder = ladder_with(150)
    made = simulated(ladder, 7)
    plain = promise_of(made, ladder, Choice(0.05))
    bounded = promise_of(made, ladder, Choice(0.05, by_rank=True))
    assert max(e for e in plain.errors_at.values() if e is not None) > 0.05
    assert max((e for e in bounded.errors_at.values() if e is not None), default=0) <= 0.05
    for rank in RANKS:
        assert bounded.thresholds[rank] >= plain.thresholds[rank]


def test_what_matches_an_unnamed_group_stands_above_it():
    ladder = ladder_with(2)
    ladder.group[-1] = 0
    last = len(ladder) - 1
    path = ladder.paths(np.array([last]))
    chains = Chains(path, np.full((1, 3), 0.99))
    assert stands(chains, ladder, np.full(3, 0.9)).tolist() == [2]


@pytest.mark.parametrize("true", [(0.8, 0.1, 0.05, 0.05, 0.0), (0.1, 0.2, 0.4, 0.2, 0.1)])
def test_the_mix_of_a_batch_is_found(true):
    ladder = ladder_with(200)
    made = simulated(ladder, 8, wild=0.0)
    chance = np.random.default_rng(0)
    # Draw queries of the strata in the given shares; the scores hold where strata are as usual.
    usual = np.bincount(made.stratum, minlength=5) / len(made.stratum)
    wanted = np.array(true) * (usual > 0)
    wanted /= wanted.sum()
    chosen = np.concatenate(
        [
            chance.choice(np.flatnonzero(made.stratum == s), int(2000 * share))
            for s, share in enumerate(wanted)
            if share
        ]
    )
    rows = np.concatenate([np.arange(made.offset[i], made.offset[i + 1]) for i in chosen])
    offset = np.arange(len(chosen) + 1) * 5
    rung = made.rung[rows]
    rank = np.where(rung >= 0, ladder.rank[rung], -1)
    of_outcome = strata.of_outcomes(RANKS)[rank]
    shift = np.where(usual > 0, np.log(strata.USUAL) - np.log(np.maximum(usual, 1e-9)), 0)
    found = mix_of(made.score[rows] + shift[of_outcome], offset, rung, ladder)
    assert found == pytest.approx(wanted, abs=0.06)


def test_a_wrong_mix_is_told():
    with pytest.raises(InputError, match="sum to 1"):
        strata.expanded((0.5, 0.2, 0.1, 0.1))
    with pytest.raises(InputError, match="four shares"):
        strata.expanded((0.5, 0.5))
    with pytest.raises(InputError, match="four shares"):
        strata.expanded((1.5, -0.5, 0, 0))
    assert strata.expanded((1, 0, 0, 0)).sum() == pytest.approx(1)
