"""Contrastive losses against loops in 64 bits, and two processes against one."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.learn.towers import ABOUT, batch, objective  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.learn.contrastive import (  # noqa: E402
    Temperature,
    info_nce,
    pairs_of,
    sigmoid_loss,
)
from merian.learn.modalities import SHARES, Contrastive  # noqa: E402
from merian.learn.objectives import build_objective  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
EYE = torch.eye(6, dtype=torch.bool)
TAXA = torch.tensor([0, 0, 1, 2, 1, 3])
SAME = TAXA[:, None] == TAXA[None]
ALL = torch.ones(6, dtype=torch.bool)


def some_logits(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 4 * torch.randn(6, 6, generator=generator, dtype=torch.float64)


def loop_info_nce(logits, own, same, here, there, share):
    """One number after the other, as the definition reads."""
    found = []
    for i in range(len(here)):
        rivals, asked = [], []
        for j in range(len(there)):
            if not (here[i] and there[j]):
                continue
            friend = own[i, j] or (share and same[i, j])
            if friend:
                asked.append(j)
            if friend or not (own[i, j] or same[i, j]):
                rivals.append(j)
        if asked:
            whole = math.log(math.fsum(math.exp(logits[i, j]) for j in rivals))
            found.append(math.fsum(whole - logits[i, j] for j in asked) / len(asked))
    return found


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_info_nce_is_its_definition(share, missing):
    logits = some_logits()
    here = torch.tensor([True, True, False, True, True, True]) if missing else ALL
    there = torch.tensor([True, False, True, False, True, True]) if missing else ALL
    pairs = pairs_of(EYE, SAME, here, there, share)
    summed, asking = info_nce(logits, pairs)
    given = (x.numpy() for x in (logits, EYE, SAME, here, there))
    expected = loop_info_nce(*given, share)
    assert asking.item() == len(expected) > 0
    assert summed.item() == pytest.approx(math.fsum(expected), rel=1e-12)


def test_without_shared_taxa_it_is_cross_entropy_with_the_diagonal():
    logits = some_logits()
    summed, asking = info_nce(logits, pairs_of(EYE, EYE, ALL, ALL))
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(6))
    assert (summed / asking).item() == pytest.approx(expected.item(), rel=1e-12)


def test_several_positives_are_targets_that_are_even_over_the_row():
    """Cross-entropy with soft targets, as torch has it; its gradient is p - t."""
    logits = some_logits().requires_grad_()
    summed, asking = info_nce(logits, pairs_of(EYE, SAME, ALL, ALL))
    summed.backward()
    targets = SAME.double() / SAME.double().sum(1, keepdim=True)
    assert (targets.sum(1) - 1).abs().max() < 1e-12 and targets.max() == 1
    given = logits.detach().clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(given, targets, reduction="sum")
    expected.backward()
    assert summed.item() == pytest.approx(expected.item(), rel=1e-12)
    assert asking.item() == 6
    torch.testing.assert_close(logits.grad, given.grad, rtol=1e-12, atol=1e-14)
    softmax = logits.detach().softmax(1)
    torch.testing.assert_close(logits.grad, softmax - targets, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("share", [True, False])
def test_the_sigmoid_loss_is_its_definition(share):
    logits = some_logits()
    here = torch.tensor([True, True, False, True, True, True])
    there = torch.tensor([True, False, True, False, True, True])
    summed, rows = sigmoid_loss(logits, pairs_of(EYE, SAME, here, there, share))
    expected = 0.0
    for i in range(6):
        for j in range(6):
            if here[i] and there[j]:
                if EYE[i, j] or (share and SAME[i, j]):
                    expected += math.log1p(math.exp(-logits[i, j].item()))
                elif not SAME[i, j]:
                    expected += math.log1p(math.exp(logits[i, j].item()))
    assert summed.item() == pytest.approx(expected, rel=1e-12)
    assert rows.item() == 5


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
@pytest.mark.parametrize("share", [True, False])
def test_what_is_passed_over_has_no_gradient(loss, share):
    logits = some_logits().requires_grad_()
    here = torch.tensor([True, True, False, True, True, True])
    pairs = pairs_of(EYE, SAME, here, ALL, share)
    assert torch.autograd.gradcheck(lambda x: loss(x, pairs)[0], logits)
    loss(logits, pairs)[0].backward()
    counts = here[:, None] & ((EYE | ~SAME) if not share else ALL[None])
    if loss is info_nce:
        counts = counts & pairs.asking[:, None]
    assert (logits.grad[~counts] == 0).all()
    assert (logits.grad[counts] != 0).all()


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
def test_nothing_there_costs_nothing(loss):
    logits = some_logits().requires_grad_()
    summed, rows = loss(logits, pairs_of(EYE, SAME, ~ALL, ALL))
    summed.backward()
    assert summed.item() == rows.item() == 0
    assert (logits.grad == 0).all()


def test_the_temperature_is_learnt_and_held():
    temperature = Temperature(10.0, bias=-10.0)
    assert torch.allclose(temperature(torch.tensor([0.5])), torch.tensor([-5.0]))
    with torch.no_grad():
        temperature.log_scale.fill_(20.0)
    assert temperature.scale().item() == pytest.approx(100)
    with pytest.raises(InputError, match="a scale of 0"):
        Temperature(0)


@pytest.mark.parametrize("loss", ["info-nce", "sigmoid"])
def test_three_modalities_meet_in_pairs(loss):
    one, made = batch(12), objective(loss)
    outcome = made(one)
    vectors = {name: made.vectors(one, name).detach().double().numpy() for name in "abc"}
    eye, taxa = np.eye(12, dtype=bool), one["labels"][:, -1].numpy()
    same = (taxa[:, None] == taxa) & (taxa >= 0)[:, None]
    here = one["present"].numpy()
    losses = []
    for i, j in combinations(range(3), 2):
        ways = []
        for a, b in ((i, j), (j, i)):
            logits = vectors["abc"[a]] @ vectors["abc"[b]].T
            if loss == "info-nce":
                found = loop_info_nce(logits / 0.07, eye, same, here[:, a], here[:, b], True)
                ways.append(math.fsum(found) / len(found))
            else:
                pairs = pairs_of(*map(torch.tensor, (eye, same, here[:, a], here[:, b])))
                summed, rows = sigmoid_loss(torch.tensor(10 * logits - 10), pairs)
                ways.append((summed / rows).item())
        losses.append(sum(ways) / 2)
    assert outcome.loss.item() == pytest.approx(sum(losses) / 3, rel=1e-4)
    assert outcome.figures["loss a-c"].item() == pytest.approx(losses[1], rel=1e-4)


def losses_of(one, made):
    """The loss of each pair of modalities by the definition, of what an objective makes of it."""
    n, names = len(one["labels"]), made.modalities
    vectors = {name: made.vectors(one, name).detach().double().numpy() for name in names}
    eye, taxa = np.eye(n, dtype=bool), one["labels"][:, -1].numpy()
    same = (taxa[:, None] == taxa) & (taxa >= 0)[:, None] & (made.share != "record")
    here = dict(zip(names, one["present"].numpy().T, strict=True))
    found = {}
    for pair in combinations(names, 2):
        ways = []
        for a, b in (pair, pair[::-1]):
            logits = vectors[a] @ vectors[b].T / 0.07
            way = loop_info_nce(logits, eye, same, here[a], here[b], made.share == "taxon")
            ways.append(math.fsum(way) / len(way))
        found["-".join(pair)] = sum(ways) / 2
    return found


@pytest.mark.parametrize("share", SHARES)
def test_records_of_a_taxon_are_asked_for_passed_over_or_rivals(share):
    one, made = batch(12), objective(share=share)
    expected = losses_of(one, made)
    figures = made(one).figures
    for pair, loss in expected.items():
        assert figures[f"loss {pair}"].item() == pytest.approx(loss, rel=1e-4)
    others = [losses_of(one, objective(share=other)) for other in SHARES if other != share]
    assert all(other["a-b"] != pytest.approx(expected["a-b"], rel=0.01) for other in others)


@pytest.mark.parametrize(("loss", "wordings", "alike"), [
    ("info-nce", 1, True), ("info-nce", 4, False), ("sigmoid", 1, False),
], ids=["same words", "wordings", "sigmoid"])  # fmt: skip
def test_the_same_words_are_even_targets_by_themselves(loss, wordings, alike):
    """Plain InfoNCE loses nothing by repeated captions until the captions of a taxon differ."""
    generator = torch.Generator().manual_seed(3)
    words = torch.randint(0, 16, (5, wordings, 5), generator=generator)
    taxa = torch.arange(24) % 5
    one = batch(24, "ab")
    one["present"][:], one["labels"][:, -1] = True, taxa
    one["b.tokens"] = words[taxa, torch.randint(0, wordings, (24,), generator=generator)]
    gradients = []
    for share in ("taxon", "record"):
        made = objective(loss, names="ab", share=share).double()
        made(one).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in made.parameters()]))
    assert torch.allclose(*gradients, rtol=1e-6, atol=1e-6) == alike


def test_plain_info_nce_cannot_tell_the_same_words_apart():
    """Six records of one taxon with the same words: nothing is left to tell them by."""
    one = batch(6, "ab")
    one["labels"][:], one["present"][:] = 2, True
    one["b.tokens"][:] = one["b.tokens"][0]
    made = objective(names="ab", share="record")
    assert made(one).figures["loss a-b"].item() > math.log(6) - 1e-4
    assert objective(names="ab", share="record", rank=None)(one).loss == made(one).loss
    alone = objective(names="ab", share="pass")(one)
    assert alone.loss.item() == pytest.approx(0, abs=1e-6)
    # Old cards said so in two words.
    for old, new in ((True, "taxon"), (False, "pass")):
        assert objective(names="ab", share=old).card()["heads"]["share"] == new


def test_all_may_be_bound_to_one():
    one, made = batch(12), objective(bound_to="b")
    outcome, every = made(one), objective()(one)
    pairs = ("loss a-b", "met a-b", "loss b-c", "met b-c")
    assert tuple(outcome.figures) == pairs
    assert all(outcome.figures[name] == every.figures[name] for name in pairs)
    assert outcome.loss.item() == pytest.approx(
        (outcome.figures["loss a-b"] + outcome.figures["loss b-c"]).item() / 2
    )
    assert outcome.weight == every.weights["loss a-b"] + every.weights["loss b-c"]
    outcome.loss.backward()
    assert all(made.heads[name].weight.grad.any() for name in "abc")


def test_a_modality_that_nobody_has_is_passed_over():
    one, made = batch(12), objective()
    one["present"][:, 2] = False
    outcome = made(one)
    assert outcome.loss.item() == pytest.approx(outcome.figures["loss a-b"].item())
    one["present"][:, 1] = False
    outcome = made(one)
    outcome.loss.backward()
    assert outcome.loss.item() == outcome.weight == 0


def test_learning_brings_modalities_together():
    one, made = batch(16), objective()
    for _ in range(40):
        outcome = made(one)
        made.zero_grad()
        outcome.loss.backward()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.sub_(0.02 * parameter.grad.sign())
    assert outcome.figures["met a-b"].item() > 0.9


@pytest.mark.parametrize(
    "options", [{}, {"bound_to": "a", "share": "pass"}], ids=["plain", "bound"]
)
def test_a_card_builds_the_same_objective(options):
    made, one = objective(**options), batch(8)
    card = json.loads(json.dumps(made.card()))
    again = build_objective(card, objective().encoder)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again(one).loss, made(one).loss)
    assert again.card() == made.card()
    del card["heads"]["bound_to"]  # as older cards are
    assert build_objective(card, objective().encoder).bound_to is None


TWO = """
import sys
import torch
import torch.distributed.nn.functional  # before the group is there: see `place`
from torch import distributed
from tests.learn.towers import batch, objective

def learn(rank, folder):
    torch.set_num_threads(1)
    store = distributed.FileStore(folder + "/store", 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    made, one = objective(), batch(11)
    mine = {name: tensor[:4] if rank == 0 else tensor[4:] for name, tensor in one.items()}
    outcome = made(mine)
    outcome.loss.backward()
    found = {"loss": outcome.loss.detach(), "weight": torch.tensor(outcome.weight)}
    for name, parameter in made.named_parameters():
        found["gradient " + name] = parameter.grad
    for tensor in found.values():
        distributed.all_reduce(tensor)
        tensor /= 2
    made.eval()
    made(mine)  # where one process looks alone, it must not wait for others
    if rank == 0:
        made(mine)
        from safetensors.torch import save_file
        save_file(found, folder + "/found.safetensors")
    distributed.barrier()
    distributed.destroy_process_group()

learn(int(sys.argv[1]), sys.argv[2])
"""


def test_two_processes_learn_what_one_learns(tmp_path):
    from safetensors.torch import load_file

    both = [
        subprocess.Popen([sys.executable, "-c", TWO, str(rank), str(tmp_path)],
                         stderr=subprocess.PIPE, text=True, cwd=ROOT)
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    found = load_file(tmp_path / "found.safetensors")
    made = objective()
    outcome = made(batch(11))
    outcome.loss.backward()
    assert found["loss"].item() == pytest.approx(outcome.loss.item(), rel=1e-5)
    assert found["weight"].item() == outcome.weight
    for name, parameter in made.named_parameters():
        assert torch.allclose(found[f"gradient {name}"], parameter.grad, atol=1e-5), name


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="1 modalities"):
        Contrastive({"a": torch.nn.Identity()}, about=ABOUT)
    with pytest.raises(InputError, match=r"bound_to is 'd', and the modalities are a, b, c;"):
        objective(bound_to="d")
    with pytest.raises(InputError, match="share is 'genus'; expected one of taxon, pass, record"):
        objective(share="genus")
    with pytest.raises(InputError, match="nothing of b"):
        objective()({"a.tokens": batch(2)["a.tokens"]})
    with pytest.raises(InputError, match="a column for each of a, b, c"):
        objective()({**batch(2), "present": torch.ones(2, 2)})
    with pytest.raises(InputError, match="columns"):
        pairs_of(EYE, SAME, ALL, ALL[:3])
