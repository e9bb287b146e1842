"""BarcodeMAE: hidden words leave the encoder, kept ones keep their places."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.barcode.bert import BarcodeBert, BertConfig, looking  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.autoencoder import MaskedAutoencoder  # noqa: E402
from merian.learn.masked import masked_cross_entropy  # noqa: E402
from merian.learn.recipe_keys import VARIANTS  # noqa: E402

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
    instead = one.get("shown", torch.ones_like(one["tokens"]))
    for tokens, keep, masked, other in zip(
        one["tokens"], one["keep"], one["masked"], instead, strict=True
    ):
        words = tokens[keep]
        hidden = masked[keep] & (words > 2)
        read = torch.where(hidden, other[keep], words)
        sight = (read != 1).nonzero()[:, 0]
        if objective.variant == "through":
            sight = torch.arange(len(words))
        x = decoder.mask.repeat(len(words), 1)
        if len(sight):
            states = encoder.words.weight[read[sight]] + encoder.positions.weight[sight]
            for block in encoder.blocks:
                states = block(states[None], None)[0]
            x[sight] = encoder.norm_out(states)
        x = x + decoder.positions.weight[: len(words)]
        for block in decoder.blocks:
            x = block(x[None], None)[0]
        logits = objective.heads["words"](decoder.norm_out(x)).log_softmax(-1)
        losses += [-logits[i, words[i]] for i in hidden.nonzero()[:, 0]]
    return torch.stack(losses)


def words_read(objective):
    read = []
    objective.encoder.register_forward_hook(lambda _, given, out: read.append(given))
    return read


def with_random_words(one):
    shown = torch.where(torch.arange(12) % 3 == 0, 20 - one["tokens"].clamp(3, 17), 1)
    return {**one, "shown": shown}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("layers", "random"), [(0, False), (1, False), (1, True)])
def test_the_loss_is_that_of_one_barcode_after_the_other(layers, variant, random):
    objective, one = autoencoder(layers=layers, variant=variant), batch()
    one = with_random_words(one) if random else one
    outcome = objective(one)
    expected = row_by_row(objective, one)
    assert outcome.weight == len(expected)
    assert outcome.loss.item() == pytest.approx(expected.mean().item(), abs=1e-5)


def test_hidden_words_that_are_blank_cost_work_and_change_nothing():
    one, found = batch(), {}
    for variant in VARIANTS:
        objective = autoencoder(variant=variant)
        read = words_read(objective)
        outcome = objective(one)
        outcome.loss.backward()
        found[variant] = outcome.loss.item(), objective.encoder.words.weight.grad, *read[0]
    assert found["blank"][0] == pytest.approx(found["leave"][0], abs=1e-6)
    assert torch.allclose(found["blank"][1], found["leave"][1], atol=1e-6)
    assert abs(found["through"][0] - found["leave"][0]) > 1e-4
    most = int((one["keep"] & ~(one["masked"] & (one["tokens"] > 2))).sum(1).max())
    assert [found[v][2].shape[1] for v in VARIANTS] == [most, 12, 12]
    masks = [(found[v][2] == 1)[found[v][3]].any().item() for v in VARIANTS]
    assert masks == [False, False, True]  # read by a word that somebody looks at


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("random", [False, True])
def test_a_hidden_word_is_not_seen_and_a_kept_one_is(variant, random):
    objective, one = autoencoder(variant=variant), batch()
    one = with_random_words(one) if random else one
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


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_the_loss_weighs_what_is_hidden_and_what_is_in_sight(share):
    objective, one = autoencoder(masked_share=share), batch()
    spelt = []
    objective.heads["decoder"].register_forward_hook(lambda _, given, out: spelt.append(out))
    outcome = objective(one)
    logits = objective.heads["words"](spelt[0])
    words, known = one["tokens"], one["keep"] & (one["tokens"] > 2)
    expected = masked_cross_entropy(logits, words, one["masked"] & known, known, share)
    assert outcome.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    seen = known & ~one["masked"]
    right = (logits.argmax(-1) == words)[seen].float().mean()
    assert outcome.figures["accuracy in sight"].item() == pytest.approx(right.item())
    assert outcome.weights["accuracy in sight"] == seen.sum()
    assert outcome.weight == (known & one["masked"]).sum()


def test_barcodes_that_are_all_hidden_or_all_in_sight_have_a_loss():
    objective, one = autoencoder(), batch()
    for masked in (torch.ones_like(one["keep"]), torch.zeros_like(one["keep"])):
        outcome = objective({**one, "masked": masked})
        outcome.loss.backward()
        assert torch.isfinite(outcome.loss)
        grads = [p.grad for p in objective.parameters() if p.grad is not None]
        assert all(torch.isfinite(g).all() for g in grads)
    assert outcome.weight == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_learns_and_its_card_builds_it_again(variant):
    objective = autoencoder(variant=variant, masked_share=0.9)
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


def test_what_is_no_variant_and_no_share_is_refused():
    with pytest.raises(InputError, match="Did you mean leave"):
        autoencoder(variant="leaves")
    with pytest.raises(InputError, match="hidden words weigh 2; a share"):
        autoencoder(masked_share=2)


def test_nobody_looks_at_padding():
    keep = torch.tensor([[True, False], [False, False]])
    assert looking(keep, torch.float32)[:, 0, 0].tolist() == [[0.0, float("-inf")], [0.0, 0.0]]
