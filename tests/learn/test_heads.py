"""Heads over the tree, against probabilities that loops compute in 64 bits."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.learn.makers import tree  # noqa: E402

from merian.errors import InputError, NotFoundError  # noqa: E402
from merian.learn.heads import HEADS, build_heads, lineage  # noqa: E402
from merian.learn.hierarchy import consistency  # noqa: E402


def made(kind, scale=1.0):
    torch.manual_seed(0)
    labels = tree()
    heads = build_heads(kind, 8, labels)
    torch.nn.init.normal_(heads.linear.weight)
    torch.nn.init.normal_(heads.linear.bias)
    return labels, heads, scale * torch.randn(5, 8)


def scores_of(heads, vectors):
    weight, bias = (x.detach().double().numpy() for x in (heads.linear.weight, heads.linear.bias))
    return vectors.double().numpy() @ weight.T + bias


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def test_ranks_by_themselves():
    labels, heads, vectors = made("multi-head")
    for b, scores in enumerate(scores_of(heads, vectors)):
        for rank, log in enumerate(heads(vectors)):
            part = scores[labels.starts[rank] : labels.starts[rank + 1]]
            assert np.allclose(log[b].detach().exp(), softmax(part), atol=1e-6)


def test_tips_are_summed():
    labels, heads, vectors = made("infer-sum")
    parents = set(labels.above.tolist())
    tips = [node for node in range(labels.starts[-1]) if node not in parents]
    assert len(tips) == heads.linear.out_features
    for b, scores in enumerate(scores_of(heads, vectors)):
        for rank, log in enumerate(heads(vectors)):
            expected = np.zeros(labels.sizes[rank])
            for tip, p in zip(tips, softmax(scores), strict=True):
                node = tip
                while node >= 0 and not labels.starts[rank] <= node < labels.starts[rank + 1]:
                    node = labels.above[node]
                if node >= 0:
                    expected[node - labels.starts[rank]] += p
            assert np.allclose(log[b].detach().exp(), expected, atol=1e-6)


def test_each_taxon_shares_among_those_under_it():
    labels, heads, vectors = made("softmax-tree")
    for b, scores in enumerate(scores_of(heads, vectors)):
        p = np.zeros(labels.starts[-1])
        for node in range(len(p)):
            siblings = np.flatnonzero(labels.above == labels.above[node])
            share = softmax(scores[siblings])[list(siblings).index(node)]
            p[node] = share * (p[labels.above[node]] if labels.above[node] >= 0 else 1)
        got = torch.cat(heads(vectors), dim=1)[b].detach().exp()
        assert np.allclose(got, p, atol=1e-6)


@pytest.mark.parametrize("kind", ["infer-sum", "softmax-tree"])
@pytest.mark.parametrize("scale", [1.0, 300.0])  # the second drives probabilities below 1e-38
def test_a_taxon_is_as_probable_as_all_under_it(kind, scale):
    labels, heads, vectors = made(kind, scale)
    vectors.requires_grad_()
    logs = torch.cat(heads(vectors), dim=1)
    assert torch.isfinite(logs).all()
    for node in range(labels.starts[-1]):
        under = np.flatnonzero(labels.above == node)
        if len(under):
            whole = torch.logsumexp(logs[:, torch.tensor(under)].double(), 1)
            assert torch.allclose(logs[:, node].double(), whole, rtol=1e-5, atol=1e-4)
    logs.sum().backward()
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("kind", HEADS)
def test_gradients_are_those_of_differences(kind):
    _, heads, vectors = made(kind)
    heads.double()  # 32 bits are too few for differences

    def probabilities(x):
        return torch.cat(heads(x), dim=1)

    assert torch.autograd.gradcheck(probabilities, vectors.double().requires_grad_())


@pytest.mark.parametrize("kind", HEADS)
def test_autocast_does_not_reach_the_logarithms(kind):
    _, heads, vectors = made(kind)
    with torch.autocast("cpu", torch.bfloat16):
        logs = heads(vectors)
    assert {log.dtype for log in logs} == {torch.float32}
    for half, whole in zip(logs, heads(vectors), strict=True):
        assert torch.allclose(half, whole, atol=0.2)


@pytest.mark.parametrize("kind", HEADS)
def test_a_lineage_never_contradicts_itself(kind):
    labels, heads, _ = made(kind)
    logs = heads(3 * torch.randn(200, 8))
    chosen = lineage(logs, labels).numpy()
    assert all(share == 1 for share, _ in consistency(chosen, labels))
    assert (chosen[:, 0] == logs[0].argmax(1).numpy()).all()
    # Aedes has no species; the one that could lie anywhere is all that is left.
    aedes = labels.names[2].index("Aedes")
    only = labels.names[3].index("Incerta incerta")
    assert (chosen[chosen[:, 2] == aedes, 3] == only).all()
    if kind == "multi-head":
        alone = np.stack([log.argmax(1).numpy() for log in logs], axis=1)
        assert min(share for share, _ in consistency(alone, labels)) < 1


def test_a_card_builds_the_same_heads():
    _, heads, vectors = made("softmax-tree")
    card = heads.card()
    again = build_heads(card["kind"], card["width"], card["labels"])
    again.load_state_dict(heads.state_dict())
    assert set(heads.state_dict()) == {"linear.weight", "linear.bias"}
    for one, other in zip(heads(vectors), again(vectors), strict=True):
        assert torch.equal(one, other)


def test_what_cannot_be_is_refused():
    with pytest.raises(NotFoundError, match="Did you mean infer-sum"):
        build_heads("infersum", 8, tree())
    with pytest.raises(InputError, match="classes"):
        lineage([torch.zeros(1, 2)], tree())
