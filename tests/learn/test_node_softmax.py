"""One node a tree from scores: against sums over tips, and against every possible answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError  # noqa: E402
from merian.learn.forest import Forest  # noqa: E402
from merian.learn.node_decoding import least_cost_node, least_cost_nodes  # noqa: E402
from merian.learn.node_softmax import NodeSoftmax  # noqa: E402

# Two trees, whose nodes stand in no order: 4 over 0 and 1, 0 over 2 and 3; 5 over 6, and 7 beside.
PARENT = [4, 4, 0, 0, -1, -1, 5, -1]
TREE = [0, 0, 0, 0, 0, 1, 1, 1]
TIPS = {0: [1, 2, 3], 1: [6, 7]}
UNDER = {0: [2, 3], 1: [1], 2: [2], 3: [3], 4: [1, 2, 3], 5: [6], 6: [6], 7: [7]}
ABOVE = {0: [0, 4], 1: [1, 4], 2: [2, 0, 4], 3: [3, 0, 4], 4: [4], 5: [5], 6: [6, 5], 7: [7]}


def forest() -> Forest:
    return Forest(("",) * 8, np.array(PARENT), np.array(TREE), ("one", "other"))


def some_scores(n: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(n, 8, generator=generator, dtype=torch.float64)


def test_a_label_at_an_inner_node_is_the_sum_over_the_tips_under_it():
    logs = NodeSoftmax(forest())(some_scores())
    p = logs.exp()
    for tips in TIPS.values():
        assert torch.allclose(p[:, tips].sum(1), torch.ones(30, dtype=torch.float64))
    for node, tips in UNDER.items():
        assert torch.allclose(logs[:, node], torch.logsumexp(logs[:, tips], 1))


def test_a_node_is_its_parent_times_its_share_among_siblings():
    scores = some_scores(5)
    p = NodeSoftmax(forest())(scores).exp()
    for row, z in zip(p.tolist(), scores.tolist(), strict=True):
        for node, parent in enumerate(PARENT):
            siblings = [s for s in range(8) if PARENT[s] == parent and TREE[s] == TREE[node]]
            share = math.exp(z[node]) / sum(math.exp(z[s]) for s in siblings)
            assert row[node] == pytest.approx(share * (row[parent] if parent >= 0 else 1))


def test_the_loss_is_that_of_the_tips_and_nothing_below_a_label_is_asked():
    rng, scores = np.random.default_rng(0), some_scores().requires_grad_()
    labels = np.stack([rng.integers(-1, 5, 30), rng.choice([-1, 5, 6, 7], 30)], axis=1)
    weights = torch.from_numpy(rng.random(8) + 0.1)
    loss, count = NodeSoftmax(forest()).loss(scores, torch.from_numpy(labels), weights)
    p = NodeSoftmax(forest())(scores).exp().tolist()
    means = []
    for tree in (0, 1):
        rows = [(row, node) for row, node in enumerate(labels[:, tree]) if node >= 0]
        costs = [weights[n].item() * -math.log(sum(p[r][t] for t in UNDER[n])) for r, n in rows]
        means.append(sum(costs) / sum(weights[n].item() for _, n in rows))
    assert loss.item() == pytest.approx(sum(means) / 2)
    assert count.item() == (labels >= 0).sum()
    loss.backward()
    stopped = np.flatnonzero((labels[:, 0] == 0) | (labels[:, 0] == 1))
    assert (scores.grad[stopped][:, [2, 3]] == 0).all()
    assert (scores.grad[stopped][:, [0, 1]] != 0).all()
    none = NodeSoftmax(forest()).loss(scores, torch.full((30, 2), -1))
    assert none[0].item() == none[1].item() == 0


def test_gradients_are_those_of_differences():
    labels = torch.tensor([[2, 6], [0, -1], [-1, -1]])
    model = NodeSoftmax(forest())
    scores = some_scores(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: model.loss(z, labels)[0], scores)


@pytest.mark.parametrize(("wrong", "missed"), [(1, 1), (3, 1), (1, 4), (0, 1), (1, 0)])
def test_the_answer_costs_less_than_every_other(wrong, missed):
    """Every answer against every truth, with its names counted one by one."""
    p = NodeSoftmax(forest())(some_scores()).exp().numpy()
    found = least_cost_node(forest(), p, wrong, missed)
    for row, answers in zip(p, found.tolist(), strict=True):
        for tree, answer in enumerate(answers):
            costs = {}
            for node in [-1, *(n for n in range(8) if TREE[n] == tree)]:
                said = set(ABOVE.get(node, []))
                costs[node] = sum(
                    row[tip]
                    * (wrong * len(said - set(ABOVE[tip])) + missed * len(set(ABOVE[tip]) - said))
                    for tip in TIPS[tree]
                )
            assert costs[answer] == pytest.approx(min(costs.values()), abs=1e-9)


def test_of_answers_that_cost_alike_the_higher_is_taken_and_doubt_says_nothing():
    wood = Forest.of_parents([-1, 0, 0])
    assert least_cost_node(wood, [[0.9, 0.5, 0.4]]).tolist() == [[0]]
    assert least_cost_node(wood, [[0.5, 0.3, 0.2]]).tolist() == [[-1]]
    assert least_cost_node(wood, [[0.9, 0.5, 0.4]], wrong=1, missed=2).tolist() == [[1]]


def test_several_nodes_are_told_where_each_costs_less_told_than_left_out():
    rng = np.random.default_rng(0)
    p = rng.random((50, 8))
    for node in (2, 3, 0, 1, 6):  # none above the one over it
        p[:, node] = p[:, node] * p[:, PARENT[node]] if node > 1 else p[:, node]
    p[:, 0] = p[:, [0, 2, 3]].max(1)
    p[:, 4] = p[:, [4, 0, 1]].max(1)
    p[:, 5] = p[:, [5, 6]].max(1)
    for wrong, missed in ((1, 1), (3, 1), (1, 4)):
        told = least_cost_nodes(forest(), p, wrong, missed)
        assert (told == (missed * p > wrong * (1 - p))).all()
        for node, up in enumerate(PARENT):
            assert up < 0 or (told[:, up] >= told[:, node]).all()


def test_what_cannot_be_is_refused():
    wood = forest()
    with pytest.raises(InputError, match="one a node"):
        NodeSoftmax(wood)(torch.zeros(1, 3))
    with pytest.raises(InputError, match=r"\[2, 2\] expected"):
        NodeSoftmax(wood).loss(torch.zeros(2, 8), torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="one a node"):
        least_cost_node(wood, [[0.5]])
    with pytest.raises(InputError, match="not both 0"):
        least_cost_nodes(wood, np.zeros((1, 8)), 0, 0)
