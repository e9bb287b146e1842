"""BarcodeMAE: the encoder reads the words in sight alone, and a decoder restores the hidden ones.

Hidden words leave the encoder altogether, and those kept keep their places. So the encoder never
sees a mask, which it will not meet when it is used, and works on half of the words. In the decoder
a mask stands where a word was hidden; it is thrown away after training.

Reference: Safari and others, BarcodeMAE, 2025, arXiv:2502.18405.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from merian.barcode.bert import BarcodeBert, Block, looking
from merian.errors import InputError
from merian.learn.guessing import GuessedWords
from merian.learn.task import Batch, Outcome

__all__ = ["MaskedAutoencoder"]


class Decoder(nn.Module):
    """What is left of a barcode in, a state for every word out.

    Args:
        encoder: Whose states are read; the decoder's blocks are like its own.
        layers: Blocks.
    """

    def __init__(self, encoder: BarcodeBert, layers: int) -> None:
        super().__init__()
        config = replace(encoder.config, layers=layers)
        self.mask = nn.Parameter(torch.zeros(config.width).normal_(std=0.02))
        self.positions = nn.Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(layers))
        self.norm_out = nn.LayerNorm(config.width) if config.norm_first else nn.Identity()
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, states: Tensor, places: Tensor, seen: Tensor, keep: Tensor) -> Tensor:
        """Return float[b, t, width].

        Args:
            states: float[b, s, width], of the words in sight.
            places: int64[b, s], where they stand; no place twice.
            seen: bool[b, s], False where there is only padding.
            keep: bool[b, t], False where there is only padding.
        """
        given = torch.where(seen[:, :, None], states, self.mask.to(states.dtype))
        x = self.mask.to(states.dtype).expand(*keep.shape, -1)
        x = x.scatter(1, places[:, :, None].expand_as(given), given)
        x = x + self.positions(torch.arange(keep.shape[1], device=keep.device))
        bias = looking(keep, x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        return self.norm_out(x)


class MaskedAutoencoder(GuessedWords):
    """Guess the words of barcodes that the encoder did not see.

    The batch is that of `MaskedTokens`: "tokens", "masked", and "keep" where there is padding.

    Args:
        encoder: A BarcodeBert; it is told where the words stand that it sees.
        vocabulary: How many words there are.
        layers: Blocks of the decoder; 0 for as many as the encoder has, which the paper found best.
        options: As `GuessedWords` takes them.
    """

    kind = "masked-autoencoder"

    def __init__(
        self, encoder: nn.Module, vocabulary: int, *, layers: int = 0, **options: Any
    ) -> None:
        if not isinstance(encoder, BarcodeBert):
            raise InputError(
                f"{self.kind} needs a barcode-bert; other encoders cannot leave words out"
            )
        layers = layers or encoder.config.layers
        super().__init__(encoder, vocabulary, more={"layers": layers}, **options)
        self.heads["decoder"] = Decoder(encoder, layers)

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean loss over the hidden words of a batch, and how many are guessed."""
        words = batch["tokens"]
        keep = batch.get("keep", torch.ones_like(words, dtype=torch.bool))
        hidden = batch["masked"] & (words >= self.special) & keep
        sight = keep & ~hidden
        longest = max(int(sight.sum(1).max()), 1)
        places = sight.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
        seen = sight.gather(1, places)
        states = self.encoder(words.gather(1, places), seen, places)
        restored = self.heads["decoder"](states, places, seen, keep)
        return self.outcome(restored[hidden], words[hidden])
