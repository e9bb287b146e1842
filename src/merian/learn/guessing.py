"""What objectives that guess words of barcodes share: a head over the vocabulary, and a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from merian.barcode.tokens import UNKNOWN
from merian.learn.encoding import described, width_of
from merian.learn.masked import word_cross_entropy
from merian.learn.task import Objective, Outcome

__all__ = ["GuessedWords"]


class GuessedWords(Objective):
    """An encoder and a head that spells words out of its states.

    Args:
        encoder: (tokens, keep) -> float[b, t, width].
        vocabulary: How many words there are.
        special: Words below this number are no words to guess.
        smoothing: Share of a target that is spread over the whole vocabulary.
        about: The encoder's part of the card, where `described` cannot tell it.
        more: What else a kind is told; it goes into the card as well.
    """

    kind: str

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: int,
        *,
        special: int = UNKNOWN + 1,
        smoothing: float = 0.0,
        about: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        words = nn.Linear(width_of(encoder), vocabulary)
        nn.init.normal_(words.weight, std=0.02)
        nn.init.zeros_(words.bias)
        self.heads = nn.ModuleDict({"words": words})
        self.special, self.smoothing = special, smoothing
        self.told = {"vocabulary": vocabulary, "special": special, "smoothing": smoothing}
        self.told |= more or {}
        self.about = dict(described(encoder) if about is None else about)

    def outcome(self, states: Tensor, wanted: Tensor) -> Outcome:
        """Return the mean loss over some words, and the share that is guessed.

        Args:
            states: float[n, width]; the vocabulary is wide, so only these are spelt out.
            wanted: int64[n], the right words.
        """
        logits = self.heads["words"](states)
        loss = word_cross_entropy(logits, wanted, self.smoothing)
        n = len(wanted)
        right = (logits.detach().argmax(-1) == wanted).float().sum() / max(n, 1)
        return Outcome(loss, {"accuracy": right}, weight=float(n))

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        return {"kind": self.kind, "encoder": self.about, "heads": self.told}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Self:
        """Build it around an encoder, without the weights."""
        return cls(encoder, about=card["encoder"], **card["heads"])
