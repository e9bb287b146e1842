"""A second aim beside guessing words: its losses against loops, and where it counts."""

from __future__ import annotations

import json
import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.barcode.mamba import BarcodeMamba, MambaConfig  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.autoencoder import MaskedAutoencoder  # noqa: E402
from merian.learn.auxiliary import Auxiliary, pair_loss, triplet_loss  # noqa: E402
from merian.learn.objectives import MaskedTokens, build_objective  # noqa: E402
from merian.learn.rank_labels import RankLabels  # noqa: E402
from merian.learn.recipe_keys import AUXILIARY, VARIANTS  # noqa: E402

NAMES = RankLabels.of_lineages(["genus"], [["Aus"], ["Bus"], ["Cus"]])
CONFIG = {"vocabulary": 19, "positions": 12, "width": 16, "layers": 2, "heads": 2}
LABELS = torch.tensor([[0], [1], [0], [-1], [1], [2], [0], [-1]])


def batch(n=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(2, 19, (n, 12), generator=generator)
    keep = torch.arange(12) < torch.randint(3, 13, (n, 1), generator=generator)
    masked = torch.rand(n, 12, generator=generator) < 0.5
    return {"tokens": torch.where(keep, tokens, 0), "keep": keep, "masked": masked,
            "labels": LABELS[:n]}  # fmt: skip


def made(kind=MaskedAutoencoder, aim="genus", cls=True, **options):
    torch.manual_seed(1)
    encoder = BarcodeBert(BertConfig(**CONFIG, cls=cls, pool_cls=cls))
    auxiliary = None if aim is None else Auxiliary(aim, 16, NAMES, weight=0.3, begins=0.2)
    return kind(encoder, 19, auxiliary=auxiliary, **options).eval()


def vectors(seed=0):
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))


def cosine(one, other):
    return float(one @ other / one.norm() / other.norm())


def test_pairs_are_told_apart_as_a_loop_does():
    x, labels = vectors(), LABELS[:, 0]
    loss, right, of = pair_loss(x, labels, torch.tensor(3.0), torch.tensor(-0.5))
    losses, hits = {True: [], False: []}, 0
    known = [i for i in range(8) if labels[i] >= 0]
    for place, i in enumerate(known):
        for j in known[place + 1 :]:
            same = bool(labels[i] == labels[j])
            chance = 1 / (1 + math.exp(-(3 * cosine(x[i], x[j]) - 0.5)))
            losses[same].append(-math.log(chance if same else 1 - chance))
            hits += (chance > 0.5) == same
    expected = sum(sum(each) / len(each) for each in losses.values()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert (int(right), int(of)) == (hits, len(known) * (len(known) - 1) // 2)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_hardest_of_a_batch_are_those_of_a_loop(margin):
    x, labels = vectors(), LABELS[:, 0]
    loss, right, of = triplet_loss(x, labels, margin)
    losses, hits = [], 0
    for i in range(8):
        others = [j for j in range(8) if j != i and labels[i] >= 0 and labels[j] >= 0]
        own = [1 - cosine(x[i], x[j]) for j in others if labels[j] == labels[i]]
        rest = [1 - cosine(x[i], x[j]) for j in others if labels[j] != labels[i]]
        if own and rest:
            gap = max(own) - min(rest)
            losses.append(math.log1p(math.exp(gap + margin)))
            hits += gap < 0
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert (int(right), int(of)) == (hits, len(losses)) == (hits, 5)  # one is alone


@pytest.mark.parametrize("kind", AUXILIARY)
def test_records_without_a_name_have_no_part_and_a_batch_may_have_none(kind):
    torch.manual_seed(0)
    aim = Auxiliary(kind, 5, NAMES)
    x = vectors()
    other = torch.where(LABELS < 0, x + 1, x)
    assert aim(x, LABELS)[0].item() == aim(other, LABELS)[0].item()
    for labels in (torch.full_like(LABELS, -1), torch.tensor([[0], *[[-1]] * 7])):
        y = x.clone().requires_grad_()
        loss, right, _ = aim(y, labels)
        loss.backward()
        assert torch.isfinite(loss + right)
        assert torch.isfinite(y.grad).all()
        if kind != "genus" or (labels < 0).all():
            assert (loss.item(), right.item()) == (0, 0)


@pytest.mark.parametrize("kind", AUXILIARY)
def test_learning_it_brings_those_of_a_genus_together(kind):
    torch.manual_seed(0)
    x = torch.nn.Parameter(vectors())
    aim = Auxiliary(kind, 5, NAMES)
    optimizer = torch.optim.AdamW([x, *aim.parameters()], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        aim(x, LABELS)[0].backward()
        optimizer.step()
    assert aim(x, LABELS)[1].item() == 1
    assert int(triplet_loss(x, LABELS[:, 0])[1]) == 5


@pytest.mark.parametrize("kind", AUXILIARY)
@pytest.mark.parametrize("objective", [MaskedAutoencoder, MaskedTokens])
def test_it_weighs_what_it_should_from_its_time_on(kind, objective):
    made_one, one = made(objective, kind), batch()
    plain = made(objective, None)
    plain.load_state_dict(made_one.state_dict(), strict=False)
    words = plain(one).loss.item()
    early = made_one(one)
    assert early.loss.item() == early.figures["loss words"].item() == words
    made_one.advance(0.2)
    late = made_one(one)
    second = late.figures[f"loss {kind}"].item()
    assert second == early.figures[f"loss {kind}"].item() > 0
    assert late.loss.item() == pytest.approx(words + 0.3 * second, rel=1e-6)
    assert late.weights[f"accuracy {kind}"] == {"same-genus": 15, "triplet": 5, "genus": 6}[kind]
    late.loss.backward()
    assert made_one.encoder.whole.grad.abs().sum() > 0
    card = json.loads(json.dumps(made_one.card()))
    again = build_objective(card, made(objective, None).encoder).eval()
    again.load_state_dict(made_one.state_dict())
    again.advance(0.5)
    assert again(one).loss.item() == late.loss.item()
    assert again.card() == made_one.card()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_vector_of_the_barcode_does_not_know_what_is_hidden(variant):
    objective, one = made(variant=variant), batch()
    hidden = one["masked"] & one["keep"] & (one["tokens"] > 2)
    seen = []
    objective.heads["auxiliary"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    objective(one)
    objective({**one, "tokens": torch.where(hidden, 21 - one["tokens"], one["tokens"])})
    kept = one["keep"] & ~hidden & (one["tokens"] > 3)
    objective({**one, "tokens": torch.where(kept, one["tokens"] - 1, one["tokens"])})
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])


def test_the_decoder_reads_the_vector_of_the_barcode():
    objective, one = made(aim=None), batch()
    before = objective(one).loss.item()
    blank = {**one, "masked": one["keep"]}  # nothing is left but the whole
    objective(blank).loss.backward()
    assert objective.encoder.whole.grad.abs().sum() > 0
    assert made(aim=None, variant="blank")(one).loss.item() == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_whole_stands_before_the_words_and_leaves_them_their_places(norm_first):
    torch.manual_seed(0)
    encoder = BarcodeBert(BertConfig(**CONFIG, cls=True, norm_first=norm_first)).eval()
    tokens, keep = batch()["tokens"], batch()["keep"]
    whole, words = encoder.both(tokens, keep)
    assert (whole.shape, words.shape) == ((8, 16), (8, 12, 16))
    assert torch.equal(encoder(tokens, keep), words)
    x = encoder.words.weight[tokens[0][keep[0]]] + encoder.positions.weight[: keep[0].sum()]
    x = encoder.norm_in(torch.cat([encoder.whole[None], x]))
    for block in encoder.blocks:
        x = block(x[None], None)[0]
    x = encoder.norm_out(x)
    assert torch.allclose(whole[0], x[0], atol=1e-5)
    assert torch.allclose(words[0][keep[0]], x[1:], atol=1e-5)
    mean = (words[0] * keep[0, :, None]).sum(0) / keep[0].sum()
    assert torch.allclose(encoder.pooled(tokens, keep)[0], mean, atol=1e-5)
    pooled = BarcodeBert(BertConfig(**CONFIG, cls=True, pool_cls=True, norm_first=norm_first))
    pooled.load_state_dict(encoder.state_dict())
    assert torch.equal(pooled.eval().pooled(tokens, keep), whole)
    with pytest.raises(InputError, match="which cls brings"):
        BertConfig(**CONFIG, pool_cls=True)


def test_an_encoder_without_such_a_vector_gives_the_mean_over_its_words():
    torch.manual_seed(0)
    encoder = BarcodeMamba(MambaConfig(19, 16, 1, 4, head=8, both_ways=True))
    objective = MaskedTokens(encoder, 19, auxiliary=Auxiliary("triplet", 16, NAMES)).eval()
    one, seen = batch(), []
    objective.heads["auxiliary"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert torch.isfinite(objective(one).loss)
    hidden = one["masked"] & one["keep"] & (one["tokens"] > 2)
    wanted = encoder.pooled(one["tokens"].masked_fill(hidden, 1), one["keep"])
    assert torch.allclose(seen[0], wanted, atol=1e-6)
    with pytest.raises(InputError, match="needs labels"):
        objective({k: v for k, v in one.items() if k != "labels"})
    with pytest.raises(InputError, match="one of same-genus, triplet, genus expected"):
        Auxiliary("pairs", 16, NAMES)
