"""Scores of answers, few-shot and zero-shot naming: each against what the definition says."""

from __future__ import annotations

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn import (
    SCORES,
    class_vectors,
    draw_supports,
    few_shot_answers,
    score_difference,
    score_interval,
    zero_shot_probabilities,
)
from merian.learn.few_shot import Items


def by_hand(truth, told):
    """Every pair of record and class looked at in turn."""
    classes = sorted(set(truth))
    recalls, f1s = [], []
    for one in classes:
        hit = sum(t == one and s == one for t, s in zip(truth, told, strict=True))
        missed = sum(t == one and s != one for t, s in zip(truth, told, strict=True))
        false = sum(t != one and s == one for t, s in zip(truth, told, strict=True))
        recalls.append(hit / (hit + missed))
        f1s.append(2 * hit / (2 * hit + missed + false))
    right = [t == s for t, s in zip(truth, told, strict=True)]
    return {
        "macro-F1": np.mean(f1s), "balanced accuracy": np.mean(recalls), "accuracy": np.mean(right),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_what_counting_by_hand_gives(seed):
    random = np.random.default_rng(seed)
    truth = random.choice([0, 1, 2, 5, 6], 60)  # 3 and 4 are on no record
    told = np.where(random.random(60) < 0.5, truth, random.integers(-1, 9, 60))
    told[told == 7] = -1
    expected = by_hand(truth.tolist(), told.tolist())
    for name, score in SCORES.items():
        assert score(truth, told) == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize("seed", range(3))
def test_scores_agree_with_another_program(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    truth, told = random.integers(0, 7, 200), random.integers(0, 7, 200)
    assert SCORES["macro-F1"](truth, told) == pytest.approx(
        metrics.f1_score(truth, told, average="macro")
    )
    assert SCORES["balanced accuracy"](truth, told) == pytest.approx(
        metrics.balanced_accuracy_score(truth, told)
    )


def test_scores_of_nothing_are_no_numbers_and_bad_classes_are_refused():
    assert all(np.isnan(score([], [])) for score in SCORES.values())
    with pytest.raises(InputError, match="a true class is -1"):
        SCORES["accuracy"]([0, -1], [0, 0])
    with pytest.raises(InputError, match="one of each"):
        SCORES["accuracy"]([0, 1], [0])
    with pytest.raises(InputError, match=r"answers \[2, 3\] to \[2\] records"):
        score_interval(SCORES["accuracy"], [0, 1], [[0, 1, 1], [0, 1, 1]])


def test_an_interval_is_of_the_mean_over_runs_and_widens_with_groups():
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    group = np.arange(200) // 10
    right = np.repeat(random.random((3, 20)) < 0.7, 10, axis=1)  # a group stands or falls together
    told = np.where(right, truth, (truth + 1) % 4)
    score = SCORES["macro-F1"]
    alone = score_interval(score, truth, told, rounds=300)
    together = score_interval(score, truth, told, group, rounds=300)
    assert alone.value == pytest.approx(np.mean([score(truth, run) for run in told]))
    assert alone.value == together.value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert together.groups == 20


def test_a_difference_is_drawn_together():
    truth = np.random.default_rng(0).integers(0, 3, 300)
    told = np.where(np.arange(300) % 3 == 0, truth, (truth + 1) % 3)
    same = score_difference(SCORES["accuracy"], truth, told, np.stack([told, told]), rounds=100)
    assert (same.value, same.low, same.high) == (0, 0, 0)


# -- a few examples --------------------------------------------------------------------------


def clouds(n, seed, offset=50.0):
    """Three classes round three points, far from the origin: uncentred all look alike."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    points = np.eye(3, 8)[labels] * 4 + offset + random.normal(size=(n, 8)) * 0.5
    return Items([f"{seed}-{i}" for i in range(n)], points, labels)


def test_few_shot_finds_classes_and_centres_by_what_it_learns_from():
    known, asked = clouds(90, 1), clouds(60, 2)
    told = few_shot_answers(known, asked, 1, draws=4)
    assert told.shape == (4, 60)
    assert SCORES["accuracy"](np.tile(asked.labels, 4), told.ravel()) > 0.95
    fewer = Items(asked.ids[:10], asked.vectors[:10], asked.labels[:10])
    # What is asked beside a record does not change what is said of it.
    assert (few_shot_answers(known, fewer, 1, draws=4) == told[:, :10]).all()


def test_few_shot_is_the_nearest_mean_of_centred_unit_vectors():
    known, asked = clouds(30, 1), clouds(12, 2)
    rows = draw_supports(known.labels, 3, np.random.default_rng(7))
    assert np.bincount(known.labels[rows]).tolist() == [3, 3, 3]
    middle = known.vectors.mean(0)
    unit = lambda x: (x - middle) / np.linalg.norm(x - middle)  # noqa: E731
    expected = []
    for vector in asked.vectors:
        apart = [
            np.linalg.norm(
                unit(vector)
                - np.mean([unit(known.vectors[i]) for i in rows if known.labels[i] == c], axis=0)
            )
            for c in range(3)
        ]
        expected.append(int(np.argmin(apart)))
    assert few_shot_answers(known, asked, 3, draws=1, seed=7)[0].tolist() == expected


def test_supports_are_of_each_class_and_a_small_class_gives_all_it_has():
    labels = np.array([4, 4, 4, 4, 9, 2, 2])
    rows = draw_supports(labels, 3, np.random.default_rng(0))
    assert np.bincount(labels[rows], minlength=10).tolist() == [0, 0, 2, 0, 3, 0, 0, 0, 0, 1]
    assert len(set(rows.tolist())) == len(rows)


def test_supports_that_are_asked_for_are_refused():
    known, asked = clouds(30, 1), clouds(12, 2)
    leaky = Items([*known.ids[:-2], *asked.ids[3:5]], known.vectors, known.labels)
    with pytest.raises(InputError, match=r"2 of the 30 records .* the 12 asked for, first '2-3'"):
        few_shot_answers(leaky, asked, 1)


# -- by text ---------------------------------------------------------------------------------


def encode(texts):
    """A letter a number: what the length is does not matter."""
    found = np.array([[text.count(letter) for letter in "abc"] for text in texts], float)
    return found * np.arange(1, len(texts) + 1)[:, None]


def test_the_vector_of_a_class_is_the_mean_of_unit_vectors():
    found = class_vectors(encode, [["a", "b", "b"], ["c"]])
    assert found == pytest.approx(np.array([[np.sqrt(0.5), np.sqrt(0.5), 0], [0, 0, 1]]))
    with pytest.raises(InputError, match="1 of 2 classes have no text, first class 1"):
        class_vectors(encode, [["a"], []])


def test_zero_shot_is_the_softmax_of_scaled_cosines_among_those_allowed():
    random = np.random.default_rng(0)
    x, classes = random.normal(size=(5, 4)), random.normal(size=(6, 4))
    cosines = (x @ classes.T) / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(classes, axis=1))
    raised = np.exp(7 * cosines)
    assert zero_shot_probabilities(x, classes, scale=7) == pytest.approx(
        raised / raised.sum(1, keepdims=True)
    )
    held = zero_shot_probabilities(x, classes, scale=7, allowed=[1, 4])
    assert (held[:, [0, 2, 3, 5]] == 0).all()
    assert held[:, [1, 4]] == pytest.approx(
        raised[:, [1, 4]] / raised[:, [1, 4]].sum(1, keepdims=True)
    )
    with pytest.raises(InputError, match="some of 0 to 5"):
        zero_shot_probabilities(x, classes, allowed=[6])
