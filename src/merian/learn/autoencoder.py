"""BarcodeMAE: the encoder reads the words in sight alone, and a decoder restores the hidden ones.

Hidden words leave the encoder altogether, and those kept keep their places. So the encoder never
sees a mask, which it will not meet when it is used, and works on half of the words. In the decoder
a mask stands where a word was hidden; it is thrown away after training.

The paper compares three variants. With "leave" it is as told. With "blank" hidden words keep their
places in the encoder, and nobody looks at them: the same numbers for twice the work (published,
it also adds the positions twice, which is left out here). With "through" a mask goes through both
stacks, which is a BERT of twice the depth.

Reference: Safari and others, BarcodeMAE, 2025, arXiv:2502.18405.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from merian.barcode.bert import BarcodeBert, Block, looking, with_whole
from merian.errors import InputError, did_you_mean
from merian.learn.guessing import HiddenWords
from merian.learn.recipe_keys import VARIANTS
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
        self.norm_out = config.norm() if config.norm_first else nn.Identity()
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(
        self, states: Tensor, there: Tensor, keep: Tensor, whole: Tensor | None = None
    ) -> Tensor:
        """Return float[b, t, width].

        Args:
            states: float[b, t, width], what the encoder made of words.
            there: bool[b, t], where it made something; elsewhere stands a mask.
            keep: bool[b, t], False where there is only padding.
            whole: float[b, width], the state of the whole barcode, if it has one.
        """
        x = torch.where(there[:, :, None], states, self.mask.to(states.dtype))
        x = x + self.positions(torch.arange(keep.shape[1], device=keep.device))
        kept: Tensor | None = keep
        if whole is not None:
            x, kept = with_whole(whole, x, keep)
        assert kept is not None
        bias = looking(kept, x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm_out(x)
        return x if whole is None else x[:, 1:]


class MaskedAutoencoder(HiddenWords):
    """Guess the words of barcodes that the encoder did not see.

    Where another word was put in the place of a hidden one, the encoder reads that.

    Args:
        encoder: A BarcodeBert; it is told where the words stand that it sees.
        vocabulary: How many words there are.
        layers: Blocks of the decoder; 0 for as many as the encoder has, which the paper found best.
        variant: What becomes of hidden words in the encoder: leave, blank or through.
        options: As `HiddenWords` takes them, which also says what a batch has.
    """

    kind = "masked-autoencoder"
    encoder: BarcodeBert

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: int,
        *,
        layers: int = 0,
        variant: str = "leave",
        **options: Any,
    ) -> None:
        if not isinstance(encoder, BarcodeBert):
            raise InputError(
                f"{self.kind} needs a barcode-bert; other encoders cannot leave words out"
            )
        if variant not in VARIANTS:
            raise InputError(
                f"no variant of {self.kind} is called {variant!r}; there are "
                f"{', '.join(VARIANTS)}.{did_you_mean(variant, VARIANTS)}"
            )
        layers = layers or encoder.config.layers
        more = {"layers": layers, "variant": variant}
        super().__init__(encoder, vocabulary, more=more, **options)
        self.variant = variant
        self.heads["decoder"] = Decoder(encoder, layers)

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean loss over the hidden words of a batch, and how many are guessed."""
        shown, keep, hidden = self.given(batch)
        there = keep & ~(hidden & (shown == self.mask))
        if self.variant == "leave":
            whole, states = self._without(shown, there)
        elif self.variant == "blank":
            whole, states = self.read(shown, there)
        else:
            there = keep
            whole, states = self.read(shown, keep)
        first = whole if self.encoder.config.cls else None
        restored = self.heads["decoder"](states, there, keep, first)
        return self.told_of(whole, restored, batch, keep, hidden)

    def _without(self, words: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `read` does of the words that are there; each is at its place again."""
        longest = max(int(there.sum(1).max()), 1)
        places = there.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
        whole, states = self.read(words.gather(1, places), there.gather(1, places), places)
        empty = states.new_zeros(*words.shape, states.shape[-1])
        return whole, empty.scatter(1, places[:, :, None].expand_as(states), states)
