"""One node a tree by sums of scores: against every tip by hand, and against the other forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.learn.forest import Forest  # noqa: E402
from merian.learn.node_softmax import NodeSoftmax  # noqa: E402
from merian.learn.node_sums import NodeSums  # noqa: E402

# Two trees, whose nodes stand in no order: 4 over 0 and 1, 0 over 2 and 3; 5 over 6, and 7 beside.
PARENT = [4, 4, 0, 0, -1, -1, 5, -1]
TREE = [0, 0, 0, 0, 0, 1, 1, 1]
TIPS = {0: [1, 2, 3], 1: [6, 7]}
UNDER = {0: [2, 3], 1: [1], 2: [2], 3: [3], 4: [1, 2, 3], 5: [6], 6: [6], 7: [7]}
PATH = {1: [1, 4], 2: [2, 0, 4], 3: [3, 0, 4], 6: [6, 5], 7: [7]}


def forest() -> Forest:
    return Forest(("",) * 8, np.array(PARENT), np.array(TREE), ("one", "other"))


def some_scores(n: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(n, 8, generator=generator, dtype=torch.float64)


def test_tips_share_one_softmax_of_the_sums_down_their_paths():
    scores = some_scores()
    p = NodeSums(forest())(scores).exp().tolist()
    for row, z in zip(p, scores.tolist(), strict=True):
        for tree, tips in TIPS.items():
            whole = {tip: math.exp(sum(z[node] for node in PATH[tip])) for tip in tips}
            for node in (n for n in range(8) if TREE[n] == tree):
                share = sum(whole[tip] for tip in UNDER[node]) / sum(whole.values())
                assert row[node] == pytest.approx(share)


def test_without_inner_nodes_it_is_a_flat_softmax_and_not_that_of_siblings():
    scores = some_scores()
    scores[:, [0, 4, 5]] = 0
    logs = NodeSums(forest())(scores)
    for tips in TIPS.values():
        assert torch.allclose(logs[:, tips], torch.log_softmax(scores[:, tips], 1))
    assert not torch.allclose(logs, NodeSoftmax(forest())(scores))


def test_gradients_are_those_of_differences_and_reach_all_that_have_a_say():
    labels = torch.tensor([[2, 6], [0, -1], [-1, -1]])
    model = NodeSums(forest())
    scores = some_scores(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: model.loss(z, labels)[0], scores)
    model.loss(scores, labels)[0].backward()
    assert (scores.grad[2] == 0).all()
    # A label at an inner node asks for its tips as they are, but against all others.
    assert (scores.grad[1, [0, 1, 2, 3]] != 0).all()
    assert scores.grad[1, 4].abs() < 1e-12  # all tips are under it


def test_scores_without_bounds_stay_finite():
    scores = 1e4 * some_scores(5)
    logs = NodeSums(forest())(scores)
    assert torch.isfinite(logs).all()
    loss, _ = NodeSums(forest()).loss(scores.requires_grad_(), torch.tensor([[2, 6]] * 5))
    loss.backward()
    assert torch.isfinite(scores.grad).all()
    deep = NodeSums(Forest.of_parents([-1]))(torch.zeros(2, 1))
    assert (deep == 0).all()
