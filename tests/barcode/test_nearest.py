"""The nearest references: what must hold whatever the sequences are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.barcode.makers import FAMILY, mutate

from merian.barcode import nearest
from merian.nucleotides import reverse_complement

COUNT = 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 39), st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**32))
def test_trimmed_ends_do_not_change_what_is_near(which, left, right, seed):
    query = mutate(FAMILY[which], 0.01, np.random.default_rng(seed))
    whole = nearest([query], FAMILY, count=5)
    trimmed = nearest([query[left : len(query) - right]], FAMILY, count=5)
    assert (
        set(trimmed.index[0])
        == set(whole.index[0])
        == set(range(which // 5 * 5, which // 5 * 5 + 5))
    )
    # Two gaps may be as cheap as two differences, and are a column more than one of these.
    further = trimmed.overlap[0] - (658 - left - right)
    assert (further >= 0).all()
    assert (further <= trimmed.mismatches[0]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 39), st.integers(0, 60), st.integers(0, 2**32))
def test_the_other_strand_has_the_same_neighbours(which, left, seed):
    query = mutate(FAMILY[which], 0.02, np.random.default_rng(seed))[left:]
    forward = nearest([query], FAMILY, COUNT)
    backward = nearest([reverse_complement(query)], FAMILY, COUNT)
    assert np.array_equal(forward.index, backward.index)
    assert np.array_equal(forward.mismatches, backward.mismatches)
    assert np.array_equal(forward.overlap, backward.overlap)
    assert not forward.reverse.any()
    assert backward.reverse.all()


def test_copies_have_identity_one_and_their_number():
    found = nearest(FAMILY, FAMILY, COUNT)
    assert np.array_equal(found.index[:, 0], np.arange(40))
    assert (found.identity[:, 0] == 1).all()
    assert (found.mismatches[:, 0] == 0).all()
    assert (found.overlap[:, 0] == 658).all()


def test_identity_counts_the_differences():
    query = FAMILY[7]
    changed = query[:100] + reverse_complement(query[100]) + query[101:]
    gone = query[:300] + query[303:]
    found = nearest([changed, gone], FAMILY, COUNT)
    assert found.index[:, 0].tolist() == [7, 7]
    assert found.mismatches[:, 0].tolist() == [1, 3]
    assert found.overlap[:, 0].tolist() == [658, 658]
    assert found.identity[1, 0] == pytest.approx(655 / 658)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 39), st.lists(st.integers(1, 656), max_size=40), st.sampled_from("NRYW"))
def test_an_ambiguous_base_costs_nothing_if_it_may_be_the_same(which, places, code):
    may_be = {"N": "ACGT", "R": "AG", "Y": "CT", "W": "AT"}[code]
    letters = list(FAMILY[which])
    for place in places:
        letters[place] = code if letters[place] in may_be else letters[place]
    found = nearest(["".join(letters)], FAMILY, COUNT)
    assert which in found.index[0][found.identity[0] == 1]
    assert found.overlap[0, 0] == 658


def test_an_ambiguous_base_costs_if_it_cannot_be_the_same():
    place = FAMILY[0].index("A", 300)
    query = FAMILY[0][:place] + "Y" + FAMILY[0][place + 1 :]
    assert nearest([query], [FAMILY[0]], 1).mismatches[0, 0] == 1


def test_overhangs_on_both_sides_cost_nothing():
    rng = np.random.default_rng(1)
    flank = ["".join(rng.choice(list("ACGT"), 80)) for _ in range(2)]
    core = FAMILY[0]
    found = nearest([flank[0] + core[:500]], [core[100:] + flank[1]], 1)
    assert (found.overlap[0, 0], found.mismatches[0, 0]) == (400, 0)
    found = nearest([core[200:400]], [flank[0] + core + flank[1]], 1)
    assert (found.overlap[0, 0], found.mismatches[0, 0]) == (200, 0)


def test_an_insertion_does_not_shift_the_far_end():
    core = FAMILY[0]
    longer = core[:400] + "GATTACAGA" + core[400:]
    found = nearest([core], [longer], 1)
    assert (found.overlap[0, 0], found.mismatches[0, 0]) == (667, 9)


def test_too_short_an_overlap_is_none_and_a_short_query_needs_its_length():
    core = FAMILY[0]
    assert nearest([core[:360]], [core[270:]], 1).index[0, 0] == -1
    assert nearest([core[:360]], [core[250:]], 1).overlap[0, 0] == 110
    found = nearest([core[300:360]], [core, core[330:]], 2)
    assert found.index[0].tolist() == [0, -1]
    assert found.overlap[0].tolist() == [60, 0]


def test_nothing_is_asked_or_nothing_known():
    assert nearest([], ["ACGT" * 50], 2).index.shape == (0, 2)
    found = nearest(["ACGT" * 50, "", "NNNN", "-"], [], 2)
    assert (found.index == -1).all()
    found = nearest(["", "NNN", "ACG", "?!"], ["ACGTTGCA" * 30, ""], 2)
    assert (found.index == -1).all()


def test_answers_do_not_depend_on_what_else_is_asked():
    rng = np.random.default_rng(2)
    queries = [mutate(f, 0.03, rng) for f in FAMILY]
    together = nearest(queries, FAMILY, COUNT)
    for number in (0, 17, 39):
        alone = nearest([queries[number]], FAMILY, COUNT)
        assert np.array_equal(alone.index[0], together.index[number])
        assert np.array_equal(alone.identity[0], together.identity[number])


def test_candidates_agree_with_all_alignments():
    rng = np.random.default_rng(3)
    queries = [mutate(f, 0.05, rng) for f in FAMILY]
    assert np.array_equal(
        nearest(queries, FAMILY, 1).index, nearest(queries, FAMILY, 1, candidates=40).index
    )
