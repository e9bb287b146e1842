"""Products of two thin matrices beside the maps of a trained encoder."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.image.vit import VisionTransformer, ViTConfig  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone, described  # noqa: E402
from merian.learn.low_rank import LowRank, add_low_rank, fold_low_rank, folded_state  # noqa: E402
from merian.learn.optimizers import build_optimizers  # noqa: E402
from merian.learn.recipe import OptimizerPart  # noqa: E402
from merian.learn.saved import load_weights, save_model  # noqa: E402

torch.set_num_threads(1)


def vit():
    torch.manual_seed(0)
    config = ViTConfig(image_size=16, patch=8, width=16, layers=2, heads=2, hidden=32)
    return VisionTransformer(config)


def bert():
    torch.manual_seed(0)
    return BarcodeBert(BertConfig(30, positions=12, width=16, layers=2, heads=2))


def seen(network):
    generator = torch.Generator().manual_seed(1)
    if isinstance(network, VisionTransformer):
        return network.features(torch.randn(5, 3, 16, 16, generator=generator))
    return network.pooled(torch.randint(3, 30, (5, 12), generator=generator))


def stirred(network):
    """As after training: B is no longer zero."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, LowRank):
            for matrix in module.b:
                nn.init.normal_(matrix, std=0.5)
    return network


def beside(network):
    return [module for module in network.modules() if isinstance(module, LowRank)]


@pytest.mark.parametrize("make", [vit, bert])
def test_the_first_outputs_are_those_of_the_encoder(make):
    network = make()
    asked = seen(network)
    names = add_low_rank(network, 2)
    assert torch.equal(seen(network), asked)
    assert len(names) == len(beside(network)) == (2 if make is vit else 4)
    assert not torch.equal(seen(stirred(network)), asked)


@pytest.mark.parametrize("make", [vit, bert])
def test_only_the_thin_matrices_learn(make):
    network = make()
    add_low_rank(network, 2)
    stirred(network)
    seen(network)[:, 0].sum().backward()
    learned = {name for name, p in network.named_parameters() if p.grad is not None}
    thin = {name for name, _ in network.named_parameters() if ".a." in name or ".b." in name}
    assert learned == thin == {n for n, p in network.named_parameters() if p.requires_grad}
    assert all(p.grad.abs().sum() > 0 for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("make", [vit, bert])
def test_folded_gives_the_same_and_is_a_plain_encoder(make):
    network = make()
    names = add_low_rank(network, 3, alpha=6)
    asked = seen(stirred(network))
    told = folded_state(network)
    assert fold_low_rank(network) == names
    torch.testing.assert_close(seen(network), asked, atol=1e-5, rtol=1e-5)
    assert list(network.state_dict()) == list(make().state_dict())
    assert set(told) == set(network.state_dict())
    assert all(torch.equal(told[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("alpha", [None, 1.0, 8.0])
def test_it_is_what_the_paper_says(alpha):
    torch.manual_seed(0)
    holder = nn.Module()
    holder.query = nn.Linear(6, 10)
    weight, bias = holder.query.weight.clone(), holder.query.bias.clone()
    add_low_rank(holder, 4, ["query"], alpha)
    (low,) = beside(stirred(holder))
    x = torch.randn(7, 6)
    scale = (4 if alpha is None else alpha) / 4
    asked = x @ weight.T + bias + scale * (x @ low.a[0].T) @ low.b[0].T
    torch.testing.assert_close(holder.query(x), asked)
    assert low.a[0].shape == (4, 6) and low.b[0].shape == (10, 4)
    assert torch.linalg.matrix_rank(low.weight() - weight) == 4


def test_of_queries_keys_and_values_in_one_only_those_named_change():
    network = vit()
    plain = network.blocks[0].qkv
    add_low_rank(network, 2)
    (low, _) = beside(stirred(network))
    x = torch.randn(3, 16)
    was, now = (found.chunk(3, -1) for found in (plain(x), low(x)))
    assert torch.equal(now[1], was[1])
    for part, number in ((0, 0), (2, 1)):
        added = (x @ low.a[number].T) @ low.b[number].T
        torch.testing.assert_close(now[part], was[part] + added)
    rows = (low.weight() != plain.weight).any(1).view(3, 16).all(1)
    assert rows.tolist() == [True, False, True]


def test_another_choice_of_maps():
    assert add_low_rank(bert(), 1, ["up", "down"]) == [
        "blocks.0.up", "blocks.0.down", "blocks.1.up", "blocks.1.down",
    ]  # fmt: skip
    network = vit()
    add_low_rank(network, 1, ["qkv"])
    assert [(low.of, low.parts) for low in beside(network)] == [(1, (0,))] * 2


def test_it_learns_and_is_written_as_a_plain_encoder(tmp_path):
    network = bert()
    add_low_rank(network, 2)
    objective = EncoderAlone(network, "encoder")
    (step,) = build_optimizers(OptimizerPart(kind="adamw", learning_rate=0.05), objective)
    losses = []
    for _ in range(15):
        step.zero_grad()
        loss = (seen(network)[:, :4] - torch.eye(5, 4)).square().sum()
        loss.backward()
        step.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
    save_model(tmp_path / "m", objective, {"preprocessing": {"k": 1}})
    again = build_encoder(described(network))
    again.load_state_dict(load_weights(tmp_path / "m", "encoder."))
    torch.testing.assert_close(seen(again), seen(network), atol=1e-5, rtol=1e-5)
    assert beside(network)  # what goes on learning is as it was


def test_what_cannot_be_is_said():
    with pytest.raises(InputError, match="rank 0; 1 or more"):
        add_low_rank(bert(), 0)
    with pytest.raises(InputError, match=r"no linear map called valu; there are .*query"):
        add_low_rank(bert(), 2, ["query", "valu"])
    network = bert()
    add_low_rank(network, 2)
    with pytest.raises(InputError, match="already"):
        add_low_rank(network, 2)
