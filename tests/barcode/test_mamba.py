"""BarcodeMamba: the chunked scan against the recurrence, and what padding must not do."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from merian.barcode.mamba import BarcodeMamba, Mamba2, MambaConfig, scan  # noqa: E402
from merian.errors import InputError  # noqa: E402


def one_after_the_other(x, fading, write, read):
    """The recurrence as it is defined, a word at a time, in float64."""
    x, fading, write, read = (v.double() for v in (x, fading, write, read))
    state = torch.zeros(x.shape[0], x.shape[2], x.shape[3], write.shape[2], dtype=torch.float64)
    out = []
    for t in range(x.shape[1]):
        state = fading[:, t].exp()[:, :, None, None] * state
        state = state + x[:, t, :, :, None] * write[:, t, None, None, :]
        out.append((state * read[:, t, None, None, :]).sum(-1))
    return torch.stack(out, 1)


def drawn(length, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(2, length, 3, 4)
    fading = -torch.rand(2, length, 3) * torch.tensor([0.01, 1.0, 5.0])
    return x, fading, torch.randn(2, length, 5), torch.randn(2, length, 5)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("chunk", [1, 8, 64])
def test_the_scan_is_the_recurrence(length, chunk):
    given = drawn(length)
    found = scan(*given, chunk)
    assert found.double() == pytest.approx(one_after_the_other(*given), abs=2e-5)


def test_the_scan_has_the_gradient_of_the_recurrence():
    for length, chunk in ((9, 4), (30, 8)):
        given = [v.requires_grad_() for v in drawn(length)]
        weight = torch.randn(2, length, 3, 4)
        (scan(*given, chunk) * weight).sum().backward()
        found = [v.grad for v in given]
        again = [v.detach().requires_grad_() for v in given]
        (one_after_the_other(*again) * weight).sum().backward()
        for gradient, other in zip(found, again, strict=True):
            assert torch.isfinite(gradient).all()
            assert gradient == pytest.approx(other.grad, abs=1e-4)


def small(**changes) -> BarcodeMamba:
    torch.manual_seed(5)
    settings = {"width": 12, "layers": 2, "state": 6, "head": 8, "chunk": 4}
    return BarcodeMamba(MambaConfig(vocabulary=67, **(settings | changes))).eval()


def mixer_by_hand(mixer: Mamba2, x):
    """The published mixer on one barcode: one step of time after the other."""
    config = mixer.config
    inner, heads = config.expand * config.width, len(mixer.D)
    z, xbc, dt = (x @ mixer.in_proj.weight.T).split([inner, inner + 2 * config.state, heads], -1)
    seen = torch.cat([torch.zeros(config.window - 1, xbc.shape[1]), xbc])
    kernel = mixer.conv1d.weight[:, 0]
    xbc = torch.stack(
        [(seen[t : t + config.window].T * kernel).sum(1) + mixer.conv1d.bias for t in range(len(x))]
    )
    xbc = xbc * torch.sigmoid(xbc)
    dt = torch.log1p((dt + mixer.dt_bias).exp())
    taken = xbc[:, :inner].view(len(x), heads, config.head)
    write, read = xbc[:, inner : inner + config.state], xbc[:, inner + config.state :]
    fading = -dt * mixer.A_log.exp()
    y = one_after_the_other(*(v[None] for v in (taken * dt[..., None], fading, write, read)))[0]
    y = (y.float() + mixer.D[:, None] * taken).reshape(len(x), inner) * z * torch.sigmoid(z)
    y = y / (y.square().mean(1, keepdim=True) + 1e-5).sqrt() * mixer.norm.weight
    return y @ mixer.out_proj.weight.T


def test_the_mixer_is_the_published_one():
    mixer = small().blocks[0].mixer
    torch.nn.init.normal_(mixer.in_proj.weight)
    torch.nn.init.uniform_(mixer.D)
    x = torch.randn(11, 12)
    with torch.no_grad():
        assert mixer(x[None])[0].numpy() == pytest.approx(mixer_by_hand(mixer, x).numpy(), abs=1e-4)


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(side, both_ways):
    model = small(both_ways=both_ways)
    for name, weight in model.named_parameters():  # so that a trace would be seen
        if "bias" in name:
            torch.nn.init.normal_(weight)
    tokens = torch.randint(3, 67, (3, 9))
    padding = torch.zeros(3, 6, dtype=torch.int64)
    parts = [padding, tokens] if side == "left" else [tokens, padding]
    longer = torch.cat(parts, 1)
    with torch.no_grad():
        found = model.pooled(longer, longer != 0)
        assert found.numpy() == pytest.approx(model.pooled(tokens).numpy(), abs=1e-5)


def test_a_word_knows_what_stands_before_it_and_with_both_ways_all():
    tokens = torch.randint(3, 67, (1, 10))
    other = tokens.clone()
    other[0, 6] = 3 if tokens[0, 6] != 3 else 4
    for both_ways in (False, True):
        model = small(both_ways=both_ways)
        with torch.no_grad():
            differs = (model(tokens) - model(other)).abs().amax(2)[0] > 1e-7
        assert differs[6:].all()
        assert bool(differs[:6].all()) is both_ways
        assert bool(differs[:6].any()) is both_ways


def test_parameters_are_called_as_in_mamba_ssm():
    config = MambaConfig(vocabulary=9, width=384, layers=1, state=64, head=48)
    shapes = {name: tuple(p.shape) for name, p in Mamba2(config).named_parameters()}
    assert shapes == {
        "in_proj.weight": (2 * 768 + 2 * 64 + 16, 384),
        "conv1d.weight": (768 + 128, 1, 4),
        "conv1d.bias": (768 + 128,),
        "dt_bias": (16,),
        "A_log": (16,),
        "D": (16,),
        "norm.weight": (768,),
        "out_proj.weight": (384, 768),
    }


def test_first_steps_of_time_are_those_that_are_asked_for():
    mixer = small(width=384, head=8).blocks[0].mixer
    steps = torch.nn.functional.softplus(mixer.dt_bias)
    assert steps.min() >= 9e-4
    assert steps.max() <= 0.101
    assert 1 <= mixer.A_log.exp().min() < mixer.A_log.exp().max() <= 16


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="heads of 48"):
        MambaConfig(vocabulary=9, width=100)
