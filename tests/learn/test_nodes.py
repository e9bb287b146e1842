"""Labels that are several nodes of a tree, against the published formulas in loops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError  # noqa: E402
from merian.learn.nodes import NodeTree  # noqa: E402

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


def test_what_cannot_be_is_refused():
    for parents in ([1, 0], [7]):
        with pytest.raises(InputError, match="leads to no root"):
            NodeTree(parents)
    with pytest.raises(InputError, match="the same shape"):
        NodeTree([-1]).loss(torch.zeros(1, 1), torch.zeros(1, 1) > 0, torch.zeros(2, 1) > 0)
