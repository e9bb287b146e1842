"""Losses of guessing what was hidden, against loops in 64 bits."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError  # noqa: E402
from merian.learn.masked import (  # noqa: E402
    masked_cross_entropy,
    next_word_loss,
    reconstruction_loss,
    word_cross_entropy,
)


@pytest.fixture
def made():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, 6, 5, generator=generator)
    words = torch.randint(0, 5, (4, 6), generator=generator)
    masked = torch.rand(4, 6, generator=generator) < 0.5
    keep = torch.arange(6) < torch.tensor([6, 3, 1, 0])[:, None]
    keep[0, 2] = False  # a gap
    return logits, words, masked, keep


def surprise(scores, word):
    whole = math.log(math.fsum(math.exp(s) for s in scores))
    return whole - scores[word]


def loop(logits, words, counts):
    found = [
        surprise(logits[b, t].tolist(), int(words[b, t]))
        for b in range(words.shape[0])
        for t in range(words.shape[1])
        if counts[b, t]
    ]
    return math.fsum(found) / len(found)


def test_only_masked_words_that_are_kept_count(made):
    logits, words, masked, keep = made
    assert float(masked_cross_entropy(logits, words, masked)) == pytest.approx(
        loop(logits, words, masked), rel=1e-6
    )
    kept = masked & keep
    assert float(masked_cross_entropy(logits, words, masked, keep)) == pytest.approx(
        loop(logits, words, kept), rel=1e-6
    )
    changed = torch.where(kept[..., None], logits, logits + torch.randn_like(logits))
    assert torch.equal(
        masked_cross_entropy(changed, words, masked, keep),
        masked_cross_entropy(logits, words, masked, keep),
    )


def test_words_in_sight_count_by_their_share(made):
    logits, words, masked, keep = made
    got = masked_cross_entropy(logits, words, masked, keep, masked_share=0.7)
    expected = 0.7 * loop(logits, words, masked & keep) + 0.3 * loop(logits, words, ~masked & keep)
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_the_next_word_counts_where_it_and_the_one_before_are_kept(made):
    logits, words, _, keep = made
    found = [
        surprise(logits[b, t].tolist(), int(words[b, t + 1]))
        for b in range(4)
        for t in range(5)
        if keep[b, t] and keep[b, t + 1]
    ]
    assert float(next_word_loss(logits, words, keep)) == pytest.approx(
        math.fsum(found) / len(found), rel=1e-6
    )
    assert float(next_word_loss(logits, words)) == pytest.approx(
        loop(logits[:, :-1], words[:, 1:], torch.ones(4, 5)), rel=1e-6
    )


def test_smoothing_spreads_over_the_whole_vocabulary():
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    each = [surprise(logits[0].tolist(), word) for word in range(3)]
    got = word_cross_entropy(logits, torch.tensor([1]), smoothing=0.3)
    assert float(got) == pytest.approx(0.7 * each[1] + 0.3 * sum(each) / 3, rel=1e-6)


@pytest.mark.parametrize("normalise", [False, True])
def test_only_dropped_patches_are_reconstructed(normalise):
    generator = torch.Generator().manual_seed(1)
    drawn, patches = torch.randn(2, 3, 4, 8, generator=generator)
    patches[0, 0] = 0.25  # of one colour
    dropped = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    errors = []
    for b in range(3):
        for t in range(4):
            if dropped[b, t]:
                wanted = patches[b, t].tolist()
                if normalise:
                    mean = sum(wanted) / 8
                    variance = sum((x - mean) ** 2 for x in wanted) / 7
                    wanted = [(x - mean) / math.sqrt(variance + 1e-6) for x in wanted]
                errors += [(a - w) ** 2 for a, w in zip(drawn[b, t].tolist(), wanted, strict=True)]
    got = reconstruction_loss(drawn, patches, dropped, normalise=normalise)
    assert float(got) == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_nothing_hidden_costs_nothing_and_has_a_gradient(made):
    logits, words, masked, _ = made
    for loss in (
        lambda x: masked_cross_entropy(x, words, torch.zeros_like(masked)),
        lambda x: next_word_loss(x, words, torch.zeros_like(masked)),
        lambda x: reconstruction_loss(x, torch.zeros_like(x), torch.zeros_like(masked)),
    ):
        x = logits.clone().requires_grad_()
        found = loss(x)
        found.backward()
        assert found.item() == 0
        assert torch.equal(x.grad, torch.zeros_like(x))


def test_half_precision_is_summed_in_full(made):
    logits, words, masked, _ = made
    with torch.autocast("cpu", torch.bfloat16):
        half = masked_cross_entropy(logits.bfloat16(), words, masked)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(loop(logits.bfloat16().double(), words, masked), rel=1e-6)


def test_gradients_are_those_of_differences(made):
    _, words, masked, _ = made
    logits = torch.randn(4, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: masked_cross_entropy(x, words, masked), logits)
    drawn = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
    patches = torch.randn(4, 6, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: reconstruction_loss(x, patches, masked), drawn)


def test_shapes_that_differ_are_refused(made):
    logits, words, masked, _ = made
    with pytest.raises(InputError, match="words and mask are"):
        masked_cross_entropy(logits, words, masked[:1])
    with pytest.raises(InputError, match="the same shape expected"):
        reconstruction_loss(logits, logits[:1], masked)
