"""Smoothed targets, class weights and losses of several ranks, against loops and matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.learn.makers import some_codes, tree  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.learn.hierarchy import (  # noqa: E402
    SmoothedTargets,
    consistency,
    curriculum,
    inverse_root_weights,
    mean_over_ranks,
    rank_loss,
    shares_below,
)
from merian.learn.rank_labels import RankLabels  # noqa: E402

FULL = [  # every rank known, as the published formulas take it
    ("P", "A", "a", "s1"),
    ("P", "A", "a", "s2"),
    ("P", "A", "a", "s3"),
    ("P", "A", "b", "s4"),
    ("P", "B", "c", "s5"),
    ("Q", "C", "d", "s6"),
    ("Q", "C", "d", "s7"),
    ("Q", "C", "e", "s8"),
]


def full() -> RankLabels:
    return RankLabels.of_lineages(("phylum", "class", "genus", "species"), FULL)


def matrices(labels):
    """Children by parents, 0 or 1, of each pair of ranks that follow each other."""
    found = []
    for rank in range(1, len(labels.ranks)):
        matrix = np.zeros((labels.sizes[rank], labels.sizes[rank - 1]))
        for child, node in enumerate(labels.parents[rank]):
            matrix[child, node - labels.starts[rank - 1]] = 1
        found.append(matrix / matrix.sum(0))
    return found


def published(labels, row, upper, even):
    """The targets of one record, by the formula, with products of matrices."""
    down, targets = matrices(labels), []
    for rank, size in enumerate(labels.sizes):
        t = np.full(size, even / (size - 1))
        if row[rank] >= 0:
            t[row[rank]] = 1 - even - sum(upper[:rank])
        for i in range(rank):
            if row[i] >= 0:
                p = np.eye(labels.sizes[i])[row[i]]
                for step in range(i, rank):
                    p = down[step] @ p
            else:
                p = np.full(size, 1 / size)
            t += upper[i] * p
        targets.append(t)
    return targets


@pytest.mark.parametrize("even", [0.0, 0.1])
def test_smoothed_targets_are_the_published_formula(even):
    labels, upper = full(), (0.02, 0.03, 0.05)
    rng = np.random.default_rng(0)
    codes = labels.codes(FULL)[rng.integers(len(FULL), size=40)]
    codes[rng.random(codes.shape) < 0.25] = -1
    got = SmoothedTargets(labels, upper, even)(torch.tensor(codes))
    for number, row in enumerate(codes):
        for rank, expected in enumerate(published(labels, row, upper, even)):
            assert np.allclose(got[rank][number], expected, atol=1e-6)
            if row[rank] >= 0:
                assert got[rank][number].sum() == pytest.approx(1, abs=1e-5)


def test_targets_of_a_tree_with_gaps_sum_to_one():
    labels = tree()
    codes = torch.tensor(some_codes(labels, 100))
    # A record that contradicts itself: nothing of the rank stands under its genus.
    codes[0] = torch.tensor(labels.codes([("Diptera", "", "Aedes", "Culex pipiens")])[0])
    for rank, target in enumerate(SmoothedTargets(labels, (0.1, 0.1, 0.2), 0.05)(codes)):
        known = codes[:, rank] >= 0
        assert torch.isfinite(target).all()
        assert (target >= 0).all()
        assert torch.allclose(target[known].sum(1), torch.ones(int(known.sum())), atol=1e-5)


def test_shares_go_by_the_branches_that_lead_to_the_rank():
    labels = tree()
    shares = dict(zip(labels.names[3], shares_below(labels, 0, 3), strict=True))
    # Under Diptera stand two families and a genus without one; Aedes leads to no species.
    assert shares["Culex pipiens"] == pytest.approx(1 / 3)
    assert shares["Orphana sola"] == pytest.approx(1 / 3)
    assert shares["Nephrotoma crocata"] == pytest.approx(1 / 6)
    assert shares["Tipula oleracea"] == pytest.approx(1 / 12)
    assert shares["Aeshna mixta"] == pytest.approx(1 / 2)
    assert shares["Incerta incerta"] == 0


def test_weights_are_the_inverse_root_of_the_counts():
    got = inverse_root_weights([4, 1, 0, 16])
    assert got == pytest.approx(np.array([0.5, 1, 0, 0.25]) / 1.75)
    assert inverse_root_weights([3, 9], power=0) == pytest.approx([0.5, 0.5])
    assert inverse_root_weights([0, 0]).tolist() == [0, 0]
    with pytest.raises(InputError, match="-1 records"):
        inverse_root_weights([-1])


@pytest.mark.parametrize("soft", [False, True])
def test_the_loss_of_a_rank_is_the_published_one(soft):
    rng = np.random.default_rng(1)
    scores = torch.tensor(rng.normal(size=(9, 4)), requires_grad=True)
    logs = scores.log_softmax(1)
    p = logs.detach().exp().numpy()
    labels = np.array([0, -1, 3, 2, -1, 1, 1, 0, 2])
    weights = inverse_root_weights([5, 1, 8, 2])
    targets = rng.dirichlet(np.ones(4), size=9) if soft else np.eye(4)[labels]
    above = below = 0.0
    for b in range(9):
        if labels[b] >= 0:
            w = weights[labels[b]]
            above -= w * sum(targets[b, c] * math.log(p[b, c]) for c in range(4))
            below += w
    given = torch.tensor(targets) if soft else None
    loss, total = rank_loss(logs, torch.tensor(labels), torch.tensor(weights), given)
    assert loss.item() == pytest.approx(above / below, rel=1e-12)
    assert total.item() == pytest.approx(below, rel=1e-12)
    loss.backward()
    assert (scores.grad[[1, 4]] == 0).all()  # what is not known teaches nothing
    assert (scores.grad[[0, 2]] != 0).any()


def test_no_known_label_costs_nothing_though_logarithms_be_infinite():
    logs = torch.full((3, 2), float("-inf"), requires_grad=True)
    loss, total = rank_loss(logs, torch.full((3,), -1))
    assert loss.item() == total.item() == 0
    loss.backward()
    assert (logs.grad == 0).all()


def test_ranks_are_averaged_by_their_weights():
    losses = torch.tensor([1.0, 2.0, 4.0])
    assert float(mean_over_ranks(losses, torch.tensor([1.0, 1.0, 2.0]))) == pytest.approx(11 / 4)
    assert float(mean_over_ranks(losses, torch.zeros(3))) == 0
    with pytest.raises(InputError, match="2 weights for 3 ranks"):
        mean_over_ranks(losses, torch.ones(2))
    assert curriculum(0.5, [0, 0.25, 0.5, 0.75], low=0.1) == [1, 1, 1, 0.1]


def test_consistency_counts_what_lies_under_what_is_predicted_above():
    labels = full()
    codes = labels.codes([("P", "A", "a", "s1"), ("Q", "A", "a", "s6"), ("Q", "", "d", "s1")])
    shares = consistency(codes, labels)
    assert shares == [(0.5, 2), (1.0, 2), (1 / 3, 3)]
    assert consistency(np.full((2, 4), -1), labels) == [(1.0, 0)] * 3
    assert math.isfinite(sum(share for share, _ in consistency(some_codes(tree(), 50), tree())))


def test_smoothing_that_cannot_be_is_refused():
    for upper, even in (((0.5, 0.5, 0.1), 0.0), ((-0.1, 0, 0), 0.0), ((0.1, 0.1), 0.0)):
        with pytest.raises(InputError, match="smoothing"):
            SmoothedTargets(full(), upper, even)
    with pytest.raises(InputError, match="expected"):
        SmoothedTargets(full(), (0, 0, 0))(torch.zeros(3, dtype=torch.int64))
