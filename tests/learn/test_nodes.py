"""Labels that are several nodes of a tree, against the published formulas in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.bench.node_losses import (  # noqa: E402
    dense_highest,
    dense_loss,
    reach,
    released_highest,
    released_loss,
)
from merian.errors import InputError  # noqa: E402
from merian.learn.forest import Forest  # noqa: E402
from merian.learn.nodes import NodeTree, rare_node_weights  # noqa: E402

# Two trees, whose nodes stand in no order: 4 over 0 and 1, 0 over 2 and 3; 5 over 6.
PARENTS = [4, 4, 0, 0, -1, -1, 5]


def under(node):
    found = [node]
    for at in range(7):
        up = at
        while PARENTS[up] >= 0:
            up = PARENTS[up]
            if up == node:
                found.append(at)
                break
    return found


def made(n=40):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(n, 7, generator=generator, dtype=torch.float64)
    there = torch.rand(n, 7, generator=generator) < 0.3
    for row in there:
        for node in range(7):
            row[node] = any(row[under(node)])
    known = torch.rand(n, 7, generator=generator) < 0.7
    known[0] = False
    return logits, there, known


def published(logits, there, known):
    """By probabilities: o = (1 - y) MCM(p) + y MCM(y p), averaged over what is known."""
    means = []
    for z, y, m in zip(logits.tolist(), there.tolist(), known.tolist(), strict=True):
        p = [1 / (1 + math.exp(-x)) for x in z]
        losses = []
        for node in range(7):
            if m[node]:
                if y[node]:
                    o = max(p[j] * (y[j] and m[j]) for j in under(node))
                    losses.append(-math.log(o))
                else:
                    losses.append(-math.log(1 - max(p[j] for j in under(node))))
        if losses:
            means.append(sum(losses) / len(losses))
    return sum(means) / len(means), len(means)


def test_a_node_is_as_probable_as_the_most_probable_under_it():
    logits, _, _ = made()
    got = NodeTree(PARENTS).highest(logits)
    for node in range(7):
        assert torch.equal(got[:, node], logits[:, under(node)].max(1).values)


def test_the_loss_is_the_published_one():
    logits, there, known = made()
    got, records = NodeTree(PARENTS).loss(logits, there, known)
    expected, n = published(logits, there, known)
    assert got.item() == pytest.approx(expected, rel=1e-6)
    assert records.item() == n == 39


def test_what_is_not_known_is_not_asked():
    logits, there, known = made()
    tree = NodeTree(PARENTS)
    other = torch.where(known, there, ~there)
    assert tree.loss(logits, other, known)[0] == tree.loss(logits, there, known)[0]
    logits.requires_grad_()
    tree.loss(logits, there, known)[0].backward()
    assert (logits.grad[0] == 0).all()


def test_low_logits_still_learn_and_a_perfect_answer_costs_nothing():
    tree, (_, there, _) = NodeTree(PARENTS), made()
    known = torch.ones_like(there)
    low = torch.full(there.shape, -3.0, requires_grad=True)
    tree.loss(low, there, known)[0].backward()
    assert (low.grad[there].abs().sum() > 0).item()
    assert (low.grad[~there].abs().sum() > 0).item()
    perfect = torch.where(there, 20.0, -20.0)
    assert tree.loss(perfect, there, known)[0].item() < 1e-6


def test_gradients_are_those_of_differences_and_nothing_known_costs_nothing():
    logits, there, known = made(6)
    logits.requires_grad_()
    tree = NodeTree(PARENTS)
    assert torch.autograd.gradcheck(lambda z: tree.loss(z, there, known)[0], logits)
    loss, records = tree.loss(logits, there, torch.zeros_like(known))
    loss.backward()
    assert loss.item() == records.item() == 0
    assert (logits.grad == 0).all()


def test_the_dense_form_has_the_same_values_and_gradients():
    logits, there, known = made()
    table = reach(Forest.of_parents(PARENTS)).double()
    assert [set(torch.nonzero(row)[:, 0].tolist()) for row in table] == [
        set(under(node)) for node in range(7)
    ]
    ours, dense = (logits.clone().requires_grad_() for _ in range(2))
    tree = NodeTree(PARENTS)
    loss = tree.loss(ours, there, known)[0]
    other = dense_loss(dense, there, known, table)
    assert loss.item() == pytest.approx(other.item(), rel=1e-6)
    loss.backward()
    other.backward()
    assert torch.allclose(ours.grad, dense.grad, atol=1e-9)
    assert torch.allclose(tree.probabilities(logits), dense_highest(logits.sigmoid(), table))


def test_the_released_form_on_logits_has_no_gradient_below_0_and_ours_has():
    _, there, _ = made()
    known, table = torch.ones_like(there), reach(Forest.of_parents(PARENTS))
    low, same = (torch.full(there.shape, -3.0, requires_grad=True) for _ in range(2))
    assert (released_highest(low, table) == 0).all()  # a probability of exactly one half
    loss = released_loss(low, there, known, table)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)
    assert (low.grad == 0).all()
    NodeTree(PARENTS).loss(same, there, known)[0].backward()
    assert (same.grad[there].sum() < 0).item()
    assert (same.grad[~there].sum() > 0).item()
    perfect = torch.where(there, 20.0, -20.0)
    assert released_loss(perfect, there, known, table).item() > 0.3
    assert NodeTree(PARENTS).loss(perfect, there, known)[0].item() < 1e-6


def test_several_trees_count_alike_and_one_that_no_record_has_does_not_count():
    of_tree = [0, 0, 0, 0, 0, 1, 1]
    forest = Forest(("",) * 7, np.array(PARENTS), np.array(of_tree), ("one", "other"))
    logits, there, known = made()
    first, second = (known & (torch.tensor(of_tree) == tree) for tree in (0, 1))
    tree = NodeTree(forest)
    whole = tree.loss(logits, there, known)[0]
    parts = [published(logits, there, some)[0] for some in (first, second)]
    assert whole.item() == pytest.approx(sum(parts) / 2, rel=1e-6)
    assert tree.loss(logits, there, first)[0].item() == pytest.approx(parts[0], rel=1e-6)


def test_weights_count_where_a_node_is_there_and_each_node_by_itself_is_plain():
    logits, there, known = made(12)
    weights = rare_node_weights([9, 1, 4, 4, 9, 16, 0], 0.5).double()
    assert weights[0] == weights[4] < weights[2] < weights[1] == weights[6]
    n = torch.tensor([9, 1, 4, 4, 9, 16, 0])
    assert ((weights * n).sum() / n.sum()).item() == pytest.approx(1)
    got = NodeTree(PARENTS).loss(logits, there, known, weights, coherent=False)[0]
    means = []
    for z, y, m in zip(logits.tolist(), there.tolist(), known.tolist(), strict=True):
        w = [(weights[i].item() if y[i] else 1) * m[i] for i in range(7)]
        if sum(w):
            cost = [math.log1p(math.exp(-x if yes else x)) for x, yes in zip(z, y, strict=True)]
            means.append(sum(a * b for a, b in zip(w, cost, strict=True)) / sum(w))
    assert got.item() == pytest.approx(sum(means) / len(means), rel=1e-6)


def test_a_large_forest_costs_no_table_of_nodes_by_nodes():
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    parents = [-1, *rng.integers(0, np.arange(1, 12_000)).tolist()]
    logits = torch.randn(2, 12_000, generator=generator, requires_grad=True)
    got = NodeTree(parents).highest(logits)  # 0.6 GB a record as a table
    assert torch.equal(got[:, 0], logits.max(1).values)
    got.sum().backward()
    assert logits.grad.sum().item() == pytest.approx(2 * 12_000)


def test_what_cannot_be_is_refused():
    for parents, word in (([1, 0], "leads to no root"), ([7], "there are 1 nodes")):
        with pytest.raises(InputError, match=word):
            NodeTree(parents)
    with pytest.raises(InputError, match="one a node"):
        NodeTree([-1]).highest(torch.zeros(1, 2))
    with pytest.raises(InputError, match="a node on -1 records"):
        rare_node_weights([-1], 0.5)
    with pytest.raises(InputError, match="the same shape"):
        NodeTree([-1]).loss(torch.zeros(1, 1), torch.zeros(1, 1) > 0, torch.zeros(2, 1) > 0)
