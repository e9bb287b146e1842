"""Heads under other names: sums that an oracle does too, whatever became of the classes."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError  # noqa: E402
from merian.learn.heads import HEADS, build_heads  # noqa: E402
from merian.learn.moved_heads import MovedHeads, moved_heads  # noqa: E402
from merian.learn.rank_labels import RankLabels  # noqa: E402

RANKS = ("family", "genus", "species")
OLD = [("F", "A", "a1"), ("F", "A", "a2"), ("F", "B", "b1"), ("G", "C", "c1"), ("G", "C", "c2")]
NEW = [("F", "A", "x1"), ("F", "D", "x2"), ("H", "E", "x3")]


def heads_and_labels(kind: str):
    torch.manual_seed(3)
    heads = build_heads(kind, 4, RankLabels.of_lineages(RANKS, OLD))
    return heads, RankLabels.of_lineages(RANKS, NEW)


def any_place(heads, labels, seed: int) -> list[list[int]]:
    """Return places drawn at random: renamed, lumped and lost classes of every rank."""
    chance = random.Random(seed)
    nodes = heads.labels.starts[-1]
    return [[chance.randrange(-1, size) for _ in range(nodes)] for size in labels.sizes]


@pytest.mark.parametrize("kind", sorted(HEADS))
@pytest.mark.parametrize("seed", range(4))
def test_what_counts_for_a_class_is_added_up(kind, seed):
    heads, labels = heads_and_labels(kind)
    place = any_place(heads, labels, seed)
    moved = MovedHeads(heads, labels, place)
    vectors = torch.randn(5, 4)
    inner = torch.cat([part.exp() for part in heads(vectors)], dim=1)
    for row, size, found in zip(place, labels.sizes, moved(vectors), strict=True):
        expected = torch.zeros(5, size)
        for node, at in enumerate(row):
            if at >= 0:
                expected[:, at] += inner[:, node]
        assert found.shape == (5, size)
        assert torch.allclose(found.exp(), expected, atol=1e-6)
        # A class that nothing counts for has no probability, and spoils no gradient.
        assert not found.isnan().any()


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_where_nothing_moved_nothing_changes(kind):
    heads, _ = heads_and_labels(kind)
    starts, sizes = heads.labels.starts, heads.labels.sizes
    nodes = starts[-1]
    same = [
        [node - first if first <= node < first + size else -1 for node in range(nodes)]
        for first, size in zip(starts, sizes, strict=False)
    ]
    moved = MovedHeads(heads, heads.labels, same)
    vectors = torch.randn(5, 4)
    for mine, own in zip(moved(vectors), heads(vectors), strict=True):
        assert torch.allclose(mine, own, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_second_migration_follows_the_first(kind):
    """Moved twice is moved once by both, and gradients reach the weights."""
    heads, labels = heads_and_labels(kind)
    first = any_place(heads, labels, 7)
    once = MovedHeads(heads, labels, first)
    # By rank all classes become one: the nodes of a rank count for it, the others for nothing.
    starts = [*labels.starts[:-1], labels.starts[-1]]
    one = RankLabels.of_lineages(RANKS, [("all", "all", "all")])
    second = [
        [0 if start <= node < start + size else -1 for node in range(labels.starts[-1])]
        for start, size in zip(starts, labels.sizes, strict=False)
    ]
    twice = MovedHeads(once, one, second)
    vectors = torch.randn(5, 4)
    for rank, found in enumerate(twice(vectors)):
        whole = once(vectors)[rank].exp().sum(dim=1, keepdim=True)
        assert torch.allclose(found.exp(), whole, atol=1e-6)
    sum(part.exp().sum() for part in twice(vectors)).backward()
    grads = [weight.grad for weight in heads.parameters()]
    assert grads and all(grad is not None and torch.isfinite(grad).all() for grad in grads)


def test_a_card_builds_the_same_and_weights_are_those_of_the_heads():
    heads, labels = heads_and_labels("softmax-tree")
    moved = MovedHeads(heads, labels, any_place(heads, labels, 1))
    told = moved.card()
    other = moved_heads(build_heads("softmax-tree", 4, told["labels"]), told["moved"])
    other.load_state_dict(heads.state_dict())  # as they lie in a file that knows no migration
    vectors = torch.randn(3, 4)
    for mine, own in zip(other(vectors), moved(vectors), strict=True):
        assert torch.equal(mine, own)
    assert moved_heads(heads, None) is heads


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda place: place[:2], "places for 2 ranks; 3 expected"),
        (lambda place: [place[0][:-1], *place[1:]], "places at family; "),
        (lambda place: [*place[:2], [99, *place[2][1:]]], "places at species; "),
        (lambda place: [*place[:2], [-2, *place[2][1:]]], "places at species; "),
    ],
    ids=["a rank too few", "a class too few", "no such class", "less than none"],
)
def test_places_that_cannot_be_are_refused(change, why):
    heads, labels = heads_and_labels("multi-head")
    with pytest.raises(InputError, match=why):
        MovedHeads(heads, labels, change(any_place(heads, labels, 2)))
