"""BarcodeBERT in plain torch."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.errors import InputError  # noqa: E402


def small(**changes) -> BarcodeBert:
    torch.manual_seed(3)
    config = BertConfig(vocabulary=67, positions=12, width=16, layers=2, heads=2, **changes)
    return BarcodeBert(config).eval()


def by_hand(model: BarcodeBert, tokens, keep):
    """The published equations, one word and one head at a time."""

    def norm(layer, x):
        if isinstance(layer, torch.nn.Identity):
            return x
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return x * layer.weight + layer.bias

    def attend(layer, x):
        out = torch.zeros_like(x)
        size = x.shape[1] // layer.heads
        query, key, value = layer.query(x), layer.key(x), layer.value(x)
        for head in range(layer.heads):
            part = slice(head * size, (head + 1) * size)
            for i in range(len(x)):
                at = [j for j in range(len(x)) if keep[j]]
                scores = torch.stack([query[i, part] @ key[j, part] for j in at])
                share = (scores / math.sqrt(size)).exp()
                share = share / share.sum()
                out[i, part] = sum(s * value[j, part] for s, j in zip(share, at, strict=True))
        return layer.out(out)

    def words(block, x):
        up = block.up(x)
        return block.down(up * 0.5 * (1 + torch.erf(up / math.sqrt(2))))

    x = model.words.weight[tokens] + model.positions.weight[: len(tokens)]
    x = norm(model.norm_in, x)
    for block in model.blocks:
        if block.norm_first:
            x = x + attend(block.attention, norm(block.norm_attention, x))
            x = x + words(block, norm(block.norm_words, x))
        else:
            x = norm(block.norm_attention, x + attend(block.attention, x))
            x = norm(block.norm_words, x + words(block, x))
    return norm(model.norm_out, x)


@pytest.mark.parametrize("norm_first", [True, False])
def test_hidden_states_are_those_of_the_equations(norm_first):
    model = small(norm_first=norm_first)
    tokens = torch.tensor([[5, 9, 2, 66, 3, 0, 0], [3, 4, 5, 6, 7, 8, 9]])
    keep = tokens != 0
    with torch.no_grad():
        found = model(tokens, keep)
        for row in range(2):
            expected = by_hand(model, tokens[row], keep[row])
            assert torch.allclose(found[row], expected, atol=1e-5)


def test_padding_changes_nothing():
    model = small()
    tokens = torch.randint(3, 67, (3, 7))
    longer = torch.cat([tokens, torch.zeros(3, 5, dtype=torch.int64)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model.pooled(tokens), model.pooled(longer, longer != 0), atol=1e-6)
        nothing = model.pooled(torch.zeros_like(tokens), tokens < 0)
    assert nothing.isfinite().all()


def test_in_16_bits_it_says_nearly_the_same():
    model = small()
    tokens = torch.randint(3, 67, (4, 12))
    keep = torch.ones_like(tokens, dtype=torch.bool)
    with torch.no_grad():
        full = model.pooled(tokens, keep)
        with torch.autocast("cpu", torch.bfloat16):
            half = model.pooled(tokens, keep)
    assert torch.cosine_similarity(full, half.float()).min() > 0.999


def test_heads_that_cannot_share_the_width_are_refused():
    with pytest.raises(InputError, match="3 heads"):
        BertConfig(vocabulary=67, width=16, heads=3)
