"""BarcodeMAE: hidden words leave the encoder, kept ones keep their places."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.barcode.bert import BarcodeBert, BertConfig, looking  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.autoencoder import MaskedAutoencoder  # noqa: E402

CONFIG = BertConfig(vocabulary=19, positions=12, width=16, layers=2, heads=2)


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(2, 19, (n, 12), generator=generator)
    keep = torch.arange(12) < torch.randint(1, 13, (n, 1), generator=generator)
    masked = torch.rand(n, 12, generator=generator) < 0.5
    return {"tokens": torch.where(keep, tokens, 0), "keep": keep, "masked": masked}


def autoencoder(**options):
    torch.manual_seed(1)
    return MaskedAutoencoder(BarcodeBert(CONFIG), 19, **options).eval()


def row_by_row(objective, one):
    """One barcode at a time, without padding: the loss of its hidden words."""
    encoder, decoder = objective.encoder, objective.heads["decoder"]
    losses = []
    for tokens, keep, masked in zip(one["tokens"], one["keep"], one["masked"], strict=True):
        words = tokens[keep]
        hidden = masked[keep] & (words > 2)
        sight = (~hidden).nonzero()[:, 0]
        x = decoder.mask.repeat(len(words), 1)
        if len(sight):
            states = encoder.words.weight[words[sight]] + encoder.positions.weight[sight]
            for block in encoder.blocks:
                states = block(states[None], None)[0]
            x[sight] = encoder.norm_out(states)
        x = x + decoder.positions.weight[: len(words)]
        for block in decoder.blocks:
            x = block(x[None], None)[0]
        logits = objective.heads["words"](decoder.norm_out(x)).log_softmax(-1)
        losses += [-logits[i, words[i]] for i in hidden.nonzero()[:, 0]]
    return torch.stack(losses)


@pytest.mark.parametrize("layers", [0, 1])
def test_the_loss_is_that_of_one_barcode_after_the_other(layers):
    objective, one = autoencoder(layers=layers), batch()
    outcome = objective(one)
    expected = row_by_row(objective, one)
    assert outcome.weight == len(expected)
    assert outcome.loss.item() == pytest.approx(expected.mean().item(), abs=1e-5)


def test_a_hidden_word_is_not_seen_and_a_kept_one_is():
    objective, one = autoencoder(), batch()
    hidden = one["masked"] & one["keep"] & (one["tokens"] > 2)
    other = dict(one)
    other["tokens"] = torch.where(hidden, 21 - one["tokens"], one["tokens"])
    seen = []
    objective.heads["words"].register_forward_hook(lambda _, given, out: seen.append(given[0]))
    objective(one)
    objective(other)
    assert torch.equal(seen[0], seen[1])
    kept = one["keep"] & ~hidden & (one["tokens"] > 3)
    objective({**one, "tokens": torch.where(kept, one["tokens"] - 1, one["tokens"])})
    assert not torch.allclose(seen[0], seen[2])


def test_barcodes_that_are_all_hidden_or_all_in_sight_have_a_loss():
    objective, one = autoencoder(), batch()
    for masked in (torch.ones_like(one["keep"]), torch.zeros_like(one["keep"])):
        outcome = objective({**one, "masked": masked})
        outcome.loss.backward()
        assert torch.isfinite(outcome.loss)
        grads = [p.grad for p in objective.parameters() if p.grad is not None]
        assert all(torch.isfinite(g).all() for g in grads)
    assert outcome.weight == 0


def test_it_learns_and_its_card_builds_it_again():
    objective = autoencoder()
    one = batch()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    first = objective(one).loss.item()
    for _ in range(30):
        optimizer.zero_grad()
        objective(one).loss.backward()
        optimizer.step()
    assert objective(one).loss.item() < 0.5 * first
    card = json.loads(json.dumps(objective.card()))
    again = MaskedAutoencoder.of_card(card, BarcodeBert(CONFIG)).eval()
    again.load_state_dict(objective.state_dict())
    assert again(one).loss.item() == objective(one).loss.item()
    assert again.card() == objective.card()


def test_an_encoder_that_cannot_leave_words_out_is_refused():
    with pytest.raises(InputError, match="barcode-bert"):
        MaskedAutoencoder(torch.nn.Linear(2, 2), 19)


def test_nobody_looks_at_padding():
    keep = torch.tensor([[True, False], [False, False]])
    assert looking(keep, torch.float32)[:, 0, 0].tolist() == [[0.0, float("-inf")], [0.0, 0.0]]
