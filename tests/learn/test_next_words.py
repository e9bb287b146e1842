"""The next word: guessed from those before it alone."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.barcode.mamba import BarcodeMamba, MambaConfig  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.next_words import NextWords  # noqa: E402
from merian.learn.objectives import build_objective  # noqa: E402

CONFIG = MambaConfig(vocabulary=19, width=12, layers=1, state=4, head=8)


def reader(**options):
    torch.manual_seed(1)
    return NextWords(BarcodeMamba(CONFIG), 19, **options)


def batch(n=5):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(2, 19, (n, 10), generator=generator)
    keep = torch.arange(10) < torch.randint(0, 11, (n, 1), generator=generator)
    return {"tokens": torch.where(keep, tokens, 0), "keep": keep}


def test_the_loss_is_that_of_every_word_given_those_before_it():
    objective, one = reader(), batch()
    losses = []
    for words, keep in zip(one["tokens"], one["keep"], strict=True):
        alone = words[keep]
        for place in range(1, len(alone)):
            if alone[place] > 2:
                states = objective.encoder(alone[None, :place])
                logits = objective.heads["words"](states[0, -1])
                losses.append(-logits.log_softmax(-1)[alone[place]])
    outcome = objective(one)
    assert outcome.weight == len(losses) > 0
    assert outcome.loss.item() == pytest.approx(torch.stack(losses).mean().item(), abs=1e-5)


def test_nothing_to_guess_is_a_loss_of_nothing():
    objective = reader()
    outcome = objective({"tokens": torch.zeros(3, 10, dtype=torch.int64)})
    outcome.loss.backward()
    assert (outcome.loss.item(), outcome.weight) == (0, 0)


def test_it_learns_and_its_card_builds_it_again():
    objective, one = reader(), batch()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    first = objective(one).loss.item()
    for _ in range(60):
        optimizer.zero_grad()
        objective(one).loss.backward()
        optimizer.step()
    assert objective(one).loss.item() < 0.5 * first
    card = json.loads(json.dumps(objective.card()))
    again = build_objective(card, BarcodeMamba(CONFIG))
    again.load_state_dict(objective.state_dict())
    assert again(one).loss.item() == objective(one).loss.item()


def test_an_encoder_that_looks_ahead_is_refused():
    both = MambaConfig(vocabulary=19, width=12, layers=1, state=4, head=8, both_ways=True)
    bert = BertConfig(vocabulary=19, positions=12, width=16, layers=1, heads=2)
    for encoder in (BarcodeMamba(both), BarcodeBert(bert)):
        with pytest.raises(InputError, match="barcode-mamba without"):
            NextWords(encoder, 19)
