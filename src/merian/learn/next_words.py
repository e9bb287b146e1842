"""Guess each word of a barcode from those before it, as BarcodeMamba is pretrained.

Reference: Gao and others, BarcodeMamba, 2024, arXiv:2412.11084.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from merian.barcode.tokens import UNKNOWN
from merian.errors import InputError
from merian.learn.encoding import described, width_of
from merian.learn.masked import word_cross_entropy
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["NextWords"]

_PROBE = 8  # words on which it is tried whether an encoder looks ahead


class NextWords(Objective):
    """Guess the next word; words that mean nothing are never asked for.

    The batch has "tokens" int64[b, t], and "keep" bool[b, t] where there is padding.

    Args:
        encoder: (tokens, keep) -> float[b, t, width]; no state may know a later word.
        vocabulary: How many words there are.
        special: Words below this number are no words to guess.
        smoothing: Share of a target that is spread over the whole vocabulary.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    kind = "next-words"

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: int,
        *,
        special: int = UNKNOWN + 1,
        smoothing: float = 0.0,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if _looks_ahead(encoder, vocabulary):
            raise InputError(
                f"{self.kind}: the encoder sees the words it is to guess; take barcode-mamba "
                "without both_ways, or masked-tokens"
            )
        self.encoder = encoder
        words = nn.Linear(width_of(encoder), vocabulary)
        nn.init.normal_(words.weight, std=0.02)
        nn.init.zeros_(words.bias)
        self.heads = nn.ModuleDict({"words": words})
        self.vocabulary, self.special, self.smoothing = vocabulary, special, smoothing
        self.about = dict(described(encoder) if about is None else about)

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean loss over the words that have one before them, and how many are right."""
        words, keep = batch["tokens"], batch.get("keep")
        asked = words[:, 1:] >= self.special
        if keep is not None:
            asked = asked & keep[:, 1:] & keep[:, :-1]
        states: Tensor = self.encoder(words, keep)
        logits, wanted = self.heads["words"](states[:, :-1][asked]), words[:, 1:][asked]
        loss = word_cross_entropy(logits, wanted, self.smoothing)
        n = len(wanted)
        right = (logits.detach().argmax(-1) == wanted).float().sum() / max(n, 1)
        return Outcome(loss, {"accuracy": right}, weight=float(n))

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        heads = {
            "vocabulary": self.vocabulary,
            "special": self.special,
            "smoothing": self.smoothing,
        }
        return {"kind": self.kind, "encoder": self.about, "heads": heads}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> NextWords:
        """Build it around an encoder, without the weights."""
        return cls(encoder, about=card["encoder"], **card["heads"])


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
