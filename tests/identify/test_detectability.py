"""What DNA lists tell of taxa, against drawn samples whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import InputError
from merian.identify.composition import Counts, compose
from merian.identify.detectability import (
    Listings,
    Steps,
    choose_steps,
    learn_detectability,
    weighed,
)

KINDS = ["spider", "mite", "beetle", "fly", "snail", "slug"]
PATHS = [("Arachnida",)] * 2 + [("Insecta",)] * 2 + [("Mollusca",)] * 2
PREVALENCE = np.array([0.9, 0.5, 0.8, 0.95, 0.3, 0.3])
FOUND = np.array([0.85, 0.5, 0.75, 0.9, 0.6, 0.6])
FALSE = np.array([0.3, 0.2, 0.25, 0.4, 0.05, 0.05])


def drawn(samples: int, seed: int = 0) -> Listings:
    random = np.random.default_rng(seed)
    present = (random.random((samples, 6)) < PREVALENCE).astype(float)
    chance = np.where(present > 0, FOUND, FALSE)
    listed = (random.random(chance.shape) < chance).astype(float)
    return Listings([f"s{n}" for n in range(samples)], KINDS, PATHS, present, listed)


def test_with_many_samples_the_law_comes_out():
    told = learn_detectability(drawn(4000), Steps(2, 1))
    assert told.found == pytest.approx(FOUND, abs=0.04)
    assert told.false == pytest.approx(FALSE, abs=0.06)
    assert told.prevalence == pytest.approx(PREVALENCE, abs=0.03)


def test_lists_alone_tell_how_common_listing_is():
    known = drawn(300)
    present = known.present.copy()
    present[6:] = np.nan  # somebody looked at six samples, and the others have a list
    few = Listings(known.samples, KINDS, PATHS, present, known.listed)
    some = few.only(np.arange(300) < 6)
    told, alone = (learn_detectability(one, Steps(1, 0.5)) for one in (few, some))
    usual = PREVALENCE * FOUND + (1 - PREVALENCE) * FALSE
    assert np.abs(told.usual - usual).max() < 0.08
    assert np.abs(told.usual - usual).mean() < np.abs(alone.usual - usual).mean() / 2


def test_a_taxon_that_nothing_tells_of_has_its_parents():
    known = drawn(200)
    present, listed = known.present.copy(), known.listed.copy()
    present[:, 5] = np.nan
    listed[:, 5] = np.nan  # no sample tells anything of slugs
    told = learn_detectability(Listings(known.samples, KINDS, PATHS, present, listed), Steps(2, 1))
    assert told.samples[5].tolist() == [0, 0]
    # Snails are all that is known of molluscs: what they have, slugs have, nearer to the others.
    assert told.found[4] < told.found[5] < told.found[3]
    assert told.false[4] < told.false[5] < told.false[3]


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0, np.nan]), min_size=6, max_size=6), min_size=2,
             max_size=5),
    st.integers(0, 63),
)  # fmt: skip
def test_evidence_is_a_ratio_of_probabilities_of_the_same_list(rows, listing):
    present = np.array(rows)
    present[0] = 1.0
    lists = np.array([[float(listing >> n & 1) for n in range(6)]] * len(rows))
    known = Listings(["s"] * len(rows), KINDS, PATHS, present, lists)
    told = learn_detectability(known, Steps(1.0, 0.5))
    assert ((told.false <= told.found) & (told.found < 1) & (told.false > 0)).all()
    has, lacks = told.evidence(np.ones((1, 6))), told.evidence(np.zeros((1, 6)))
    # Over both lists that there could be, the likelihoods of one that is there add up to 1.
    total = np.exp(has) * told.usual + np.exp(lacks) * (1 - told.usual)
    assert total == pytest.approx(np.ones((1, 6)))
    assert (has >= -1e-12).all()
    assert (lacks <= 1e-12).all()
    assert (told.evidence(np.full((1, 6), np.nan)) == 0).all()
    # Presence by a list is Bayes' rule.
    by = told.prevalence * told.found / told.usual
    assert told.presence(np.ones((1, 6)))[0] == pytest.approx(np.clip(by, 0.001, 0.999))


def test_steps_follow_what_taxa_have_in_common():
    random = np.random.default_rng(3)
    kinds = [f"k{n}" for n in range(24)]
    paths = [(f"o{n // 8}",) for n in range(24)]
    present = (random.random((40, 24)) < 0.5).astype(float)

    def listings(found, false):
        listed = (random.random((40, 24)) < np.where(present > 0, found, false)).astype(float)
        return Listings([str(n) for n in range(40)], kinds, paths, present, listed)

    same = choose_steps(listings(0.7, 0.2))
    own = choose_steps(listings(random.choice([0.05, 0.95], 24), random.choice([0.02, 0.05], 24)))
    assert same.likelier < own.likelier
    assert same.common <= own.common


@pytest.mark.parametrize("every", [2, 5, 10])
def test_lists_of_every_so_manyth_sample_do_not_fall_into_one_part(every):
    known = drawn(40)
    lacks = np.arange(40) % every != 0
    known.listed[lacks] = np.nan
    for many in (5, 10):
        fold = known.folds(many)
        assert np.bincount(fold[~lacks], minlength=many).max() <= -(-int((~lacks).sum()) // many)
        assert np.ptp(np.bincount(fold)) == 0
    assert choose_steps(known) in [Steps(a, b) for a in (0.5, 1, 2, 4) for b in (0.25, 0.5, 1, 2)]
    known.listed[1:] = np.nan  # one list, which cannot be left out
    assert choose_steps(known) == choose_steps(known.only(np.arange(40) < 1))
    # Where all tell both, samples are dealt out as they stand.
    assert (drawn(12).folds(5) == np.arange(12) % 5).all()


def test_nothing_is_learnt_from_nothing():
    known = drawn(3)
    nobody = Listings(known.samples, KINDS, PATHS, np.full((3, 6), np.nan), known.listed)
    with pytest.raises(InputError, match="no sample tells both"):
        learn_detectability(nobody)


def test_a_list_shifts_what_pictures_say_and_forbids_nothing():
    told = learn_detectability(drawn(400), Steps(2, 1))
    listed = np.array([[1.0, 1, 1, 1, 0, 1]])
    chances = np.array([[0, 0, 0, 0, 0.5, 0.5], [0, 0, 0, 0, 0.999, 0.001]])
    found = weighed(chances, told.evidence(listed)[[0, 0]])
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert found[0, 5] > 0.8
    assert found[1, 4] > 0.9  # sure pictures stand against the list
    even = weighed(chances, np.zeros((2, 6)))
    assert even == pytest.approx(chances)


def test_counts_take_the_list_once_for_a_sample_and_not_for_each_thing():
    # Answers cannot tell a from b at all; both are answered "a".
    seen = np.zeros((1, 2, 1), np.int64)
    doubts = np.array([[10.0], [10.0]])
    for things in (5, 5000):
        counts = Counts(["s"], ["a", "b"], ["a"], np.array([[things]]), seen, doubts)
        found = compose(counts, chance=np.array([[0.5, 0.2]]))
        # However many there are, a list that doubts b leaves it possible.
        assert 0.1 < found.present[0, 1] < 0.6
        assert found.high[0, 1] > 0


def test_richness_counts_what_only_the_list_has():
    seen = np.zeros((1, 3, 2), np.int64)
    seen[0, 0, 0], seen[0, 1, 1] = 40, 30
    counts = Counts(["s"], ["a", "b", "c"], ["a", "b"], np.zeros((1, 2), np.int64), seen)
    alone = compose(counts)
    assert alone.richness[0].tolist() == [2, 2, 2]
    both = compose(counts, chance=np.array([[0.5, 0.5, 0.99]]))
    assert both.present[0, :2].tolist() == [1, 1]
    assert 0.5 < both.present[0, 2] < 0.99  # seventy things are not of it, and that counts too
    assert both.overlooked[0].tolist() == [0, 0, both.present[0, 2]]
    assert both.mean[0].tolist() == [40, 30, 0]
    assert both.richness[0, 0] == pytest.approx(2 + both.present[0, 2])
    assert both.richness[0, 1:].tolist() == [2, 3]
