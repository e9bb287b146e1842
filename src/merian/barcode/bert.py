"""BarcodeBERT: a transformer that reads the words of a barcode in both directions.

As published it is BERT: learned positions, and a norm behind each half of a block. With
`norm_first` the norms stand before the halves, which trains more steadily where there are few
steps. Keys, queries and values are matrices of their own, so that a matrix optimizer sees each.

References: Devlin et al., BERT, NAACL 2019, arXiv:1810.04805; Millan Arias et al., BarcodeBERT,
Bioinformatics Advances 2026, vbag054.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.pooling import mean_over_words
from merian.errors import InputError
from merian.sizes import check_sizes

__all__ = ["BarcodeBert", "BertConfig", "Block", "looking"]

_LEAST = {"vocabulary": 1, "positions": 1, "width": 1, "layers": 1, "heads": 1, "hidden": 0}


@dataclass(frozen=True)
class BertConfig:
    """What makes one of the family.

    Attributes:
        vocabulary: Words, as `KmerTokens.size` counts them.
        positions: The most words of a barcode.
        width: Of the hidden states.
        layers: Blocks.
        heads: Of the attention; they share the width.
        hidden: The width inside the feed-forward half of a block; 0 is four times the width.
        dropout: Share of values set to zero in training.
        norm_first: Norms before the halves of a block; False is as published.
        cls: Whether a learned vector for the whole barcode stands before its words, without a
            place; it reads the words, and they read it.
        pool_cls: Whether its state is the barcode's vector, and not the mean over the words.
        epsilon: What the norms add to a variance; the published weights were trained with 1e-12.
    """

    vocabulary: int
    positions: int = 110
    width: int = 192
    layers: int = 2
    heads: int = 4
    hidden: int = 0
    dropout: float = 0.0
    norm_first: bool = True
    cls: bool = False
    pool_cls: bool = False
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self, _LEAST)
        if not 0 < self.epsilon < math.inf:
            raise InputError(
                f"epsilon of the encoder is {self.epsilon:g}; expected above 0, and finite"
            )
        if self.width % self.heads:
            raise InputError(f"a width of {self.width} cannot be shared by {self.heads} heads")
        if self.pool_cls and not self.cls:
            raise InputError("pool_cls asks for the state of the whole barcode, which cls brings")

    def norm(self) -> nn.LayerNorm:
        """Return one of its norms."""
        return nn.LayerNorm(self.width, eps=self.epsilon)


class Attention(nn.Module):
    """Every word looks at every word that is kept."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(config.width, config.width) for _ in range(4)
        )

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return float[b, t, width]; bias is 0 or minus infinity, [b, 1, 1, t]."""
        b, t, width = x.shape
        query, key, value = (
            linear(x).view(b, t, self.heads, -1).transpose(1, 2)  # b, heads, t, width / heads
            for linear in (self.query, self.key, self.value)
        )
        if x.is_cuda:
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        else:  # on a CPU the fused kernel is slower in 16 bits, and no faster in 32
            scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
            if bias is not None:
                scores = scores + bias
            mixed = scores.softmax(-1).to(value.dtype) @ value
        return self.out(mixed.transpose(1, 2).reshape(b, t, width))


class Block(nn.Module):
    """Attention, then each word by itself."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        hidden = config.hidden or 4 * config.width
        self.norm_first = config.norm_first
        self.attention = Attention(config)
        self.up = nn.Linear(config.width, hidden)
        self.down = nn.Linear(hidden, config.width)
        self.norm_attention = config.norm()
        self.norm_words = config.norm()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return float[b, t, width]."""
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm_attention(x), bias))
            return x + self.words(self.norm_words(x))
        x = self.norm_attention(x + self.dropout(self.attention(x, bias)))
        return self.norm_words(x + self.words(x))

    def words(self, x: Tensor) -> Tensor:
        """Return the feed-forward half."""
        return self.dropout(self.down(functional.gelu(self.up(x))))


class BarcodeBert(nn.Module):
    """Words in, a vector for every word out."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.norm_in = nn.Identity() if config.norm_first else config.norm()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm_out = config.norm() if config.norm_first else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.whole = nn.Parameter(torch.randn(config.width) * 0.02) if config.cls else None
        self.apply(_start)
        for name, weight in self.named_parameters():
            if name.endswith(("out.weight", "down.weight")) and weight.ndim == 2:
                # so that the sum of all blocks starts as wide as one
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * config.layers))

    def forward(
        self, tokens: Tensor, keep: Tensor | None = None, places: Tensor | None = None
    ) -> Tensor:
        """Return float[b, t, width].

        Args:
            tokens: int64[b, t].
            keep: bool[b, t], False where there is only padding; None if there is none.
            places: int64[b, t], where each word stands, if not one behind the other.
        """
        return self.both(tokens, keep, places)[1]

    def both(
        self, tokens: Tensor, keep: Tensor | None = None, places: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor]:
        """Return the state of the whole barcode float[b, width], if it has one, and of its words.

        The arguments are those of `forward`.
        """
        if places is None:
            places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.positions(places)
        if self.whole is not None:
            x, keep = with_whole(self.whole.expand(len(x), -1), x, keep)
        x = self.dropout(self.norm_in(x))
        bias = None if keep is None else looking(keep, x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm_out(x)
        return (None, x) if self.whole is None else (x[:, 0], x[:, 1:])

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width]: the mean over the words that are kept, or as `pool_cls` says."""
        whole, words = self.both(tokens, keep)
        if whole is not None and self.config.pool_cls:
            return whole
        return mean_over_words(words, keep)


def with_whole(whole: Tensor, words: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return a vector for each barcode [b, width] before those of its words, and what is kept."""
    kept = None if keep is None else functional.pad(keep, (1, 0), value=True)
    return torch.cat([whole[:, None].to(words.dtype), words], dim=1), kept


def looking(keep: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores so that nobody looks at padding, [b, 1, 1, t]."""
    bias = torch.zeros(keep.shape, dtype=dtype, device=keep.device)
    bias = bias.masked_fill(~keep, float("-inf"))[:, None, None, :]
    # A barcode of nothing but padding has no word to look at; it looks at the padding.
    return bias.masked_fill(~keep.any(1)[:, None, None, None], 0.0)


def _start(module: nn.Module) -> None:
    """Draw the first weights, as BERT does."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
