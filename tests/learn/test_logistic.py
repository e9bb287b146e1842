"""Logistic regression: the minimum it finds, what kinship does, and siblings one by one."""

from __future__ import annotations

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn import Forest, fit_logistic, fit_siblings, kinship

PATHS = [("a", "b", "1"), ("a", "b", "2"), ("a", "c", "3"), ("d", "4")]


def wood():
    forest = Forest.of_paths([("life", path) for path in PATHS])
    return forest, np.array([forest.node("life", path) for path in PATHS])


def clouds(n=120, classes=4, seed=0):
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    middle = random.normal(0, 1, (classes, 6))
    return middle[y] + random.normal(0, 1, (n, 6)), y


def objective(x, y, weights, bias, l2, inverse):
    scores = x @ weights + bias
    scores -= scores.max(1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return -logs[np.arange(len(x)), y].mean() + l2 / 2 * np.sum(weights @ inverse * weights)


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_no_other_weights_are_better(share):
    x, y = clouds()
    forest, tips = wood()
    kin = kinship(forest, tips, share)
    found = fit_logistic(x, y, 4, 0.01, kin, most=1000)
    inverse = np.linalg.inv(kin)
    least = objective(x, y, found.weights, found.bias, 0.01, inverse)
    random = np.random.default_rng(1)
    for _ in range(50):
        moved = random.normal(0, 0.03, found.weights.shape)
        other = objective(x, y, found.weights + moved, found.bias, 0.01, inverse)
        assert other > least
    at = 0.01 * (found.weights @ inverse)  # the slope of what holds back, against that of the data
    rest = np.exp(found.logs(x))
    rest[np.arange(len(x)), y] -= 1
    assert np.abs(x.T @ rest / len(x) + at).max() < 2e-3
    assert np.allclose(np.exp(found.logs(x)).sum(1), 1)


def test_kinship_is_what_paths_have_in_common():
    forest, tips = wood()
    kin = kinship(forest, tips, 0.6)
    assert np.allclose(np.diag(kin), 1)
    assert kin[0, 1] == pytest.approx(0.6 * 2 / 3)  # two of three nodes
    assert kin[0, 2] == pytest.approx(0.6 * 1 / 3)
    assert kin[0, 3] == 0
    assert np.allclose(kinship(forest, tips, 0), np.eye(4))
    with pytest.raises(InputError, match="0 to less than 1"):
        kinship(forest, tips, 1)


def test_few_records_of_a_class_lean_on_its_relatives():
    """Where relatives are alike, what they share is found from less."""
    forest, tips = wood()
    kin, gains = kinship(forest, tips, 0.7), []
    for seed in range(5):
        random = np.random.default_rng(seed)
        middle = np.linalg.cholesky(kin) @ random.normal(0, 1, (4, 20))
        y, asked = np.arange(12) % 4, np.arange(400) % 4
        x = middle[y] + random.normal(0, 1.5, (12, 20))
        new = middle[asked] + random.normal(0, 1.5, (400, 20))
        alone, with_kin = (fit_logistic(x, y, 4, 0.05, k).logs(new) for k in (None, kin))
        family = asked < 2  # whether it is 1 or 2
        lost = [np.log(np.exp(logs[:, :2]).sum(1))[family].mean() for logs in (with_kin, alone)]
        gains.append(lost[0] - lost[1])
    assert np.mean(gains) > 0


def test_siblings_are_told_apart_family_by_family():
    x, y = clouds()
    forest, tips = wood()
    logs = fit_siblings(x, tips[y], forest, 0.01).logs(x)
    p = np.exp(logs)
    assert np.allclose(p[:, tips].sum(1), 1)
    for node in np.flatnonzero(forest.inner):
        assert np.allclose(p[:, node], p[:, forest.parent == node].sum(1))
    root = fit_logistic(x, (y == 3).astype(int), 2, 0.01)
    assert np.allclose(logs[:, forest.node("life", ("d",))], root.logs(x)[:, 1], atol=1e-3)
    stopped = tips[y]
    stopped[y < 2] = forest.node("life", ("a", "b"))  # nothing below is known of these
    told = fit_siblings(x, stopped, forest, 0.01).logs(x)
    assert np.allclose(told[:, tips[0]], told[:, tips[1]])


def test_nonsense_is_refused():
    x, y = clouds()
    for wrong in (x[:5], np.full_like(x, np.nan), x[:0]):
        with pytest.raises(InputError, match="a class of each"):
            fit_logistic(wrong, y[: len(wrong)] if not len(wrong) else y, 4, 0.1)
    with pytest.raises(InputError, match="held back"):
        fit_logistic(x, y, 3, 0.1)
    with pytest.raises(InputError, match="held back"):
        fit_logistic(x, y, 4, 0)
