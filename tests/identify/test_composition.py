"""Counts of what samples hold: intervals that keep what they say, whoever was validated."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from merian.errors import InputError
from merian.identify import composition
from merian.identify.composition import Counts, Recall, compose, more_to_validate

KINDS = ["copepod", "diatom", "detritus", "krill"]
CONFUSION = np.array(
    [[0.9, 0.02, 0.03, 0.0, 0.05], [0.03, 0.85, 0.1, 0.0, 0.02],
     [0.02, 0.06, 0.82, 0.0, 0.1], [0.25, 0.0, 0.05, 0.65, 0.05]]
)  # fmt: skip


def drawn(random, samples=6, things=400, validated=40, by="answer"):
    """Samples of known content: counts, and how many of each kind there really are."""
    shares = random.dirichlet([3.0, 2.0, 4.0, 0.3], samples)
    unseen = np.zeros((samples, 5), np.int64)
    seen = np.zeros((samples, 4, 5), np.int64)
    true = np.zeros((samples, 4))
    for sample in range(samples):
        kind = random.choice(4, things, p=shares[sample])
        answer = np.array([random.choice(5, p=CONFUSION[one]) for one in kind])
        true[sample] = np.bincount(kind, minlength=4)
        order = random.permutation(things)
        if by == "answer":  # the rare answers first: as many of each
            rank = np.empty(things, np.int64)
            for one in range(5):
                of = order[answer[order] == one]
                rank[of] = np.arange(len(of))
            order = np.argsort(rank, kind="stable")
        for thing in order[:validated]:
            seen[sample, kind[thing], answer[thing]] += 1
        unseen[sample] = np.bincount(answer[order[validated:]], minlength=5)
    names = [f"s{n}" for n in range(samples)]
    return Counts(names, KINDS, [*KINDS, ""], unseen, seen), true


@pytest.mark.parametrize("by", ["answer", "chance"])
def test_intervals_hold_what_is_true(by):
    random = np.random.default_rng(5)
    inside, naive, corrected = [], [], []
    for turn in range(8):
        counts, true = drawn(random, by=by)
        found = compose(counts, seed=turn)
        inside.append((found.low <= true) & (true <= found.high))
        answered = counts.unseen[:, :4] + counts.seen.sum(axis=1)[:, :4]
        naive.append(answered - true)
        corrected.append(found.mean - true)
        assert found.agree < 1.1
        assert np.allclose(found.mean.sum(axis=1), 400)
    assert 0.9 <= np.mean(inside) <= 0.99  # of 192 counts
    bias, left = np.abs(np.mean(naive, axis=(0, 1))), np.abs(np.mean(corrected, axis=(0, 1)))
    assert left.max() < bias.max() / 3
    assert np.sqrt(np.square(corrected).mean()) < np.sqrt(np.square(naive).mean()) / 2


def test_what_all_were_validated_is_known():
    random = np.random.default_rng(1)
    counts, true = drawn(random, samples=2, things=60, validated=60)
    found = compose(counts)
    assert (found.mean == true).all()
    assert (found.low == true).all()
    assert not more_to_validate(found, 0.1).any()


def test_what_a_detector_missed_is_added():
    counts, true = drawn(np.random.default_rng(2), samples=3, things=300, validated=300)
    found = compose(counts, Recall(np.array([80, 40, 90, 50]), np.array([20, 0, 10, 50])))
    ratio = found.mean.sum(axis=0) / true.sum(axis=0)
    assert ratio == pytest.approx([1.25, 1.0, 1.11, 2.0], rel=0.15)
    assert (found.high[:, 0] > found.mean[:, 0]).all()
    assert (found.low >= true).all()


def test_more_to_validate_reaches_the_precision():
    random = np.random.default_rng(3)
    counts, _ = drawn(random, samples=1, things=2000, validated=60)
    found = compose(counts)
    plan = more_to_validate(found, 0.05)
    assert 0 < plan.sum() < 2000
    assert (plan <= counts.unseen).all()
    assert (more_to_validate(found, 0.02).sum(), 0) > (plan.sum(), 0)
    # They are validated as planned, and then it is as precise as was asked, about.
    seen, unseen = counts.seen.copy(), counts.unseen.copy()
    for answer, many in enumerate(plan[0]):
        kinds = random.multinomial(many, found.truth[0, :, answer])
        seen[0, :, answer] += kinds
        unseen[0, answer] -= many
    after = compose(Counts(counts.samples, KINDS, counts.answers, unseen, seen))
    half = (after.high - after.low) / 2
    assert (half <= 1.4 * np.maximum(1, 0.05 * after.mean)).all()


def test_doubts_count_where_nobody_has_validated():
    unseen = np.array([[100, 20]])
    nothing = np.zeros((1, 2, 2), np.int64)
    with pytest.raises(InputError, match="nothing tells how often"):
        compose(Counts(["s"], ["a", "b"], ["a", "b"], unseen, nothing))
    doubts = np.array([[90.0, 10.0], [10.0, 10.0]])
    found = compose(Counts(["s"], ["a", "b"], ["a", "b"], unseen, nothing, doubts))
    assert found.low[0, 0] < 100 < found.high[0, 0]
    assert found.high[0, 0] - found.low[0, 0] > 10


def test_the_same_comes_out_again():
    counts, _ = drawn(np.random.default_rng(4), samples=2, things=100)
    one, other = compose(counts, seed=3), compose(counts, seed=3)
    assert (one.mean == other.mean).all()


def test_draws_are_kept_once(monkeypatch):
    monkeypatch.setattr(composition, "_DRAWS", 400)
    monkeypatch.setattr(composition, "_BURN", 1)
    seen = np.zeros((40, 40, 2), np.int64)
    seen[0, 0, 0] = 3
    counts = Counts([str(n) for n in range(40)], [f"k{n}" for n in range(40)], ["k0", "k1"],
                    np.ones((40, 2), np.int64), seen)  # fmt: skip
    tracemalloc.start()
    try:
        compose(counts)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    draws = composition._CHAINS * 400 * 40 * 40
    assert most < 15 * draws  # bytes: a number of 8, a sign of 1, and what is made of signs
