"""Objectives: what they ask for, that their means can be pooled, that cards build them again."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.learn.makers import some_codes, tree  # noqa: E402

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.errors import InputError, NotFoundError  # noqa: E402
from merian.learn.encoding import described  # noqa: E402
from merian.learn.heads import HEADS, build_heads  # noqa: E402
from merian.learn.hierarchy import inverse_root_weights  # noqa: E402
from merian.learn.masked import masked_cross_entropy  # noqa: E402
from merian.learn.objectives import MaskedTokens, Ranks, build_objective  # noqa: E402

CONFIG = BertConfig(vocabulary=19, positions=12, width=16, layers=1, heads=2)


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(2, 19, (n, 12), generator=generator)
    keep = torch.arange(12) < torch.randint(0, 13, (n, 1), generator=generator)
    return {
        "tokens": torch.where(keep, tokens, 0),
        "keep": keep,
        "masked": torch.rand(n, 12, generator=generator) < 0.5,
        "labels": torch.tensor(some_codes(tree(), n, seed)),
    }


def cut(whole, rows):
    return {name: tensor[rows] for name, tensor in whole.items()}


def descend(objective, loss, rate=0.02):
    """One step along the signs of the gradient."""
    objective.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in objective.parameters():
            if parameter.grad is not None:
                parameter.sub_(rate * parameter.grad.sign())


def masked_tokens():
    torch.manual_seed(0)
    return MaskedTokens(BarcodeBert(CONFIG), 19)


def ranks(kind="softmax-tree", **options):
    torch.manual_seed(0)
    return Ranks(BarcodeBert(CONFIG), build_heads(kind, 16, tree()), **options)


def test_all_words_weigh_alike_where_the_hidden_weigh_their_share():
    torch.manual_seed(0)
    one = batch()
    known = one["keep"] & (one["tokens"] > 2)
    share = ((known & one["masked"]).sum() / known.sum()).item()
    objective = MaskedTokens(BarcodeBert(CONFIG), 19, masked_share=share).eval()
    shown = one["tokens"].masked_fill(known & one["masked"], 1)
    logits = objective.heads["words"](objective.encoder(shown, one["keep"]))
    expected = torch.nn.functional.cross_entropy(logits[known], one["tokens"][known])
    assert objective(one).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_random_word_may_stand_for_a_hidden_one():
    one, objective = batch(), masked_tokens().eval()
    read = []
    objective.encoder.words.register_forward_hook(lambda _, given, out: read.append(given[0]))
    objective({**one, "shown": torch.full_like(one["tokens"], 7)})
    hidden = one["masked"] & one["keep"] & (one["tokens"] > 2)
    assert torch.equal(read[0], one["tokens"].masked_fill(hidden, 7))


def test_hidden_words_are_guessed_without_being_seen():
    objective, one = masked_tokens(), batch()
    outcome = objective(one)
    hidden = one["masked"] & one["keep"] & (one["tokens"] > 2)
    assert outcome.weight == float(hidden.sum()) > 0
    other = dict(one)
    seen = torch.where(hidden, (one["tokens"] + 1).clamp(max=18), one["tokens"])
    states = objective.encoder(one["tokens"].masked_fill(hidden, 1), one["keep"])
    logits = objective.heads["words"](states)
    expected = masked_cross_entropy(logits, one["tokens"], hidden)
    assert outcome.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    right = (logits.argmax(-1) == one["tokens"])[hidden].float().mean()
    assert float(outcome.figures["accuracy"]) == pytest.approx(float(right))
    # What the encoder sees does not depend on what is hidden.
    other["tokens"] = seen
    heard = []
    objective.encoder.register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    objective(one), objective(other)
    assert torch.equal(*heard)


def test_means_of_parts_pool_to_the_mean_of_the_whole():
    whole = batch(12)
    parts = [cut(whole, slice(0, 5)), cut(whole, slice(5, 6)), cut(whole, slice(6, 12))]
    for objective in (masked_tokens(), ranks(smoothing=0.05)):
        objective.eval()
        at_once, each = objective(whole), [objective(part) for part in parts]
        for name, value in at_once.figures.items():
            weights = [part.weights.get(name, part.weight) for part in each]
            total = sum(w * float(p.figures[name]) for w, p in zip(weights, each, strict=True))
            assert total / sum(weights) == pytest.approx(float(value), rel=1e-4)
    each = [masked_tokens()(part) for part in parts]
    total = sum(part.weight * part.loss.item() for part in each)
    assert total / sum(part.weight for part in each) == pytest.approx(
        masked_tokens()(whole).loss.item(), rel=1e-5
    )


@pytest.mark.parametrize("kind", HEADS)
def test_the_loss_of_ranks_is_the_mean_over_ranks_of_weighted_means(kind):
    objective, one, labels = ranks(kind, rank_weights=[1, 1, 2, 3]), batch(20), tree()
    outcome = objective(one)
    logs = objective.heads(objective.encoder.pooled(one["tokens"], one["keep"]))
    losses = []
    for rank in range(4):
        weights = inverse_root_weights(labels.counts[rank])
        at = one["labels"][:, rank].numpy()
        w = np.where(at >= 0, weights[at], 0)
        nll = -logs[rank].detach().numpy()[np.arange(20), at]
        losses.append((w * nll).sum() / w.sum())
        name = labels.ranks[rank]
        assert float(outcome.figures[f"loss {name}"]) == pytest.approx(losses[-1], rel=1e-4)
        right = (logs[rank].argmax(1).numpy() == at)[at >= 0].mean()
        assert float(outcome.figures[f"accuracy {name}"]) == pytest.approx(right, rel=1e-5)
        assert outcome.weights[f"accuracy {name}"] == (at >= 0).sum()
    assert outcome.loss.item() == pytest.approx(np.dot(losses, [1, 1, 2, 3]) / 7, rel=1e-4)


@pytest.mark.parametrize("make", [masked_tokens, ranks])
def test_a_batch_without_anything_to_learn_costs_nothing(make):
    objective, one = make(), batch()
    one["masked"][:] = False
    one["labels"][:] = -1
    outcome = objective(one)
    outcome.loss.backward()
    assert outcome.loss.item() == outcome.weight == 0
    assert all(float(figure) == 0 for figure in outcome.figures.values())
    grads = [p.grad for p in objective.parameters() if p.grad is not None]
    assert grads
    assert all((grad == 0).all() for grad in grads)


@pytest.mark.parametrize("make", [masked_tokens, lambda: ranks(smoothing=[0.1, 0, 0.2], even=0.1)])
def test_a_card_builds_the_same_objective(make):
    objective, one = make(), batch()
    card = json.loads(json.dumps(objective.card()))
    encoder = BarcodeBert(BertConfig(**{k: v for k, v in card["encoder"].items() if k != "kind"}))
    again = build_objective(card, encoder)
    again.load_state_dict(objective.state_dict())
    assert torch.equal(objective(one).loss, again(one).loss)
    assert again.card() == objective.card()
    names = {name.split(".")[0] for name, _ in objective.named_parameters()}
    assert names == {"encoder", "heads"}


@pytest.mark.parametrize("make", [masked_tokens, lambda: ranks("infer-sum", smoothing=0.05)])
def test_some_steps_lower_the_loss_in_half_precision(make):
    objective, one = make(), batch(16)
    losses = []
    for _ in range(10):
        with torch.autocast("cpu", torch.bfloat16):
            outcome = objective(one)
        descend(objective, outcome.loss)
        losses.append(outcome.loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_lower_ranks_count_when_their_time_has_come():
    objective, one = ranks(rank_weights=[1, 1, 2, 3], starts=[0, 0, 0.5, 0.75]), batch(20)
    for progress, weights in ((0, [1, 1, 0, 0]), (0.5, [1, 1, 2, 0]), (1, [1, 1, 2, 3])):
        objective.advance(progress)
        outcome = objective(one)
        losses = [outcome.figures[f"loss {rank}"].item() for rank in tree().ranks]
        mean = np.dot(losses, weights) / sum(weights)
        assert outcome.loss.item() == pytest.approx(mean, rel=1e-5)
    assert objective.card()["heads"]["options"]["rank_weights"] == [1, 1, 2, 3]


def test_the_trainer_tells_how_far_it_is(tmp_path):
    from tests.learn import tiny

    from merian.learn.trainer import train

    task, heard = tiny.task(), []
    task.objective.advance = heard.append
    train(tiny.recipe(tmp_path, "training.steps=4"), task, tmp_path / "run")
    assert heard == [0, 0.25, 0.5, 0.75]


def test_a_frozen_encoder_does_not_learn():
    objective = ranks(frozen=True).train()
    assert not objective.encoder.training
    assert objective.heads.training
    objective(batch()).loss.backward()
    assert all(p.grad is None for p in objective.encoder.parameters())
    assert all(p.grad is not None for p in objective.heads.parameters())


def test_pictures_are_named_too():
    from merian.image.efficientnet_lite import EfficientNetLite, LiteConfig

    torch.manual_seed(0)
    labels = tree()
    encoder = EfficientNetLite(LiteConfig(0.25, 0.25, 32, 0.0, 1))
    objective = Ranks(encoder, build_heads("multi-head", 1280, labels)).eval()
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    codes = torch.tensor(some_codes(labels, 3))
    outcome = objective({"pixels": pixels, "labels": codes})
    scaled = ((pixels.double().numpy() - 127) / 128).transpose(0, 3, 1, 2)
    logs = objective.heads(encoder.features(torch.tensor(scaled).float()))
    right = (logs[0].argmax(1) == codes[:, 0]).sum() / (codes[:, 0] >= 0).sum()
    assert float(outcome.figures["accuracy order"]) == pytest.approx(float(right))


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="2 rank weights; 4 expected"):
        ranks(rank_weights=[1, 1])
    with pytest.raises(InputError, match="does not suit BarcodeBert"):
        ranks()({"pixels": torch.zeros(1), "labels": torch.zeros(1, 4)})
    with pytest.raises(InputError, match="a column for each of order"):
        ranks()({**batch(2), "labels": torch.zeros(2, 3)})
    with pytest.raises(NotFoundError, match="Did you mean ranks"):
        build_objective({"kind": "rank"}, BarcodeBert(CONFIG))
    with pytest.raises(InputError, match="no config"):
        described(torch.nn.Linear(2, 2))
