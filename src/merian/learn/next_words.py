"""Guess each word of a barcode from those before it, as BarcodeMamba is pretrained.

Reference: Gao and others, BarcodeMamba, 2024, arXiv:2412.11084.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.guessing import GuessedWords
from merian.learn.task import Batch, Outcome

__all__ = ["NextWords"]

_PROBE = 8  # words on which it is tried whether an encoder looks ahead


class NextWords(GuessedWords):
    """Guess the next word; words that mean nothing are never asked for.

    The batch has "tokens" int64[b, t], and "keep" bool[b, t] where there is padding.

    Args:
        encoder: (tokens, keep) -> float[b, t, width]; no state may know a later word.
        vocabulary: How many words there are.
        options: As `GuessedWords` takes them.
    """

    kind = "next-words"

    def __init__(self, encoder: nn.Module, vocabulary: int, **options: Any) -> None:
        if _looks_ahead(encoder, vocabulary):
            raise InputError(
                f"{self.kind}: the encoder sees the words it is to guess; take barcode-mamba "
                "without both_ways, or masked-tokens"
            )
        super().__init__(encoder, vocabulary, **options)

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean loss over the words that have one before them, and how many are right."""
        words, keep = batch["tokens"], batch.get("keep")
        asked = words[:, 1:] >= self.special
        if keep is not None:
            asked = asked & keep[:, 1:] & keep[:, :-1]
        states: Tensor = self.encoder(words, keep)
        return self.outcome(states[:, :-1][asked], words[:, 1:][asked])


@torch.no_grad()
def _looks_ahead(encoder: nn.Module, vocabulary: int) -> bool:
    """Return whether the first state changes with the last word."""
    learns, device = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    words = torch.arange(_PROBE, device=device)[None] % vocabulary
    other = words.clone()
    other[0, -1] = (words[0, -1] + 1) % vocabulary
    differs = not torch.equal(encoder(words, None)[:, 0], encoder(other, None)[:, 0])
    encoder.train(learns)
    return differs
