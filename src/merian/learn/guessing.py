"""What objectives that guess words of barcodes share: a head over the vocabulary, and a card.

Those that hide words share more: what stands in their place, and what each part of the loss weighs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from merian.barcode.pooling import mean_over_words
from merian.barcode.tokens import MASK, UNKNOWN
from merian.errors import InputError
from merian.learn.auxiliary import Auxiliary
from merian.learn.encoding import described, width_of
from merian.learn.masked import word_cross_entropy
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["GuessedWords", "HiddenWords"]


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


class HiddenWords(GuessedWords):
    """What is common to guessing words that were hidden.

    The batch has "tokens" int64[b, t] as they were, "masked" bool[b, t], and "keep" bool[b, t]
    where there is padding. "shown" int64[b, t] tells what stands in the place of hidden words, if
    not the mask everywhere. Words that mean nothing (padding, mask, unknown) are never asked for.
    With an auxiliary objective it has "labels" int64[b, 1] as well.

    Args:
        encoder: As `GuessedWords` takes it.
        vocabulary: How many words there are.
        mask: The word that stands for a hidden one.
        masked_share: What the hidden words weigh in the loss; the rest is that of guessing the
            words in sight. As large as the share that is hidden it makes all words weigh alike.
        auxiliary: A second aim, which looks at the barcode's one vector: the state of the whole
            barcode where the encoder has one, else the mean over the words that it sees.
        options: As `GuessedWords` takes them.
        more: What else a kind is told.
    """

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: int,
        *,
        mask: int = MASK,
        masked_share: float = 1.0,
        auxiliary: Auxiliary | Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if not 0 <= masked_share <= 1:
            raise InputError(f"hidden words weigh {masked_share:g}; a share from 0 to 1 expected")
        told = {"mask": mask, "masked_share": masked_share, **(more or {})}
        if auxiliary is not None and not isinstance(auxiliary, Auxiliary):
            auxiliary = Auxiliary(**auxiliary)
        if auxiliary is not None:
            told["auxiliary"] = auxiliary.card()
        super().__init__(encoder, vocabulary, more=told, **options)
        self.mask, self.masked_share = mask, masked_share
        if auxiliary is not None:
            self.heads["auxiliary"] = auxiliary
        self.advance(0.0)

    def advance(self, progress: float) -> None:
        """Let the second aim count when its time has come."""
        self.second = bool(self.stage(progress))

    def stage(self, progress: float, /) -> int:
        """Return whether the second aim counts by then."""
        return int(self.aim is not None and progress >= self.aim.begins)

    @property
    def aim(self) -> Auxiliary | None:
        """The second aim, if there is one."""
        if "auxiliary" not in self.heads:
            return None
        return cast(Auxiliary, self.heads["auxiliary"])

    def given(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the encoder is shown int64[b, t], and bool[b, t]: what is kept, and hidden.

        Whatever is hidden has no part in what is shown.
        """
        words = batch["tokens"]
        keep = batch.get("keep", torch.ones_like(words, dtype=torch.bool))
        hidden = batch["masked"] & (words >= self.special) & keep
        instead = batch.get("shown", torch.full_like(words, self.mask))
        return torch.where(hidden, instead, words), keep, hidden

    def read(
        self, words: Tensor, keep: Tensor, places: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return what the encoder makes of a barcode float[b, width], and of each of its words.

        Args:
            words: int64[b, t].
            keep: bool[b, t], the words that it sees.
            places: int64[b, t], where they stand, if not one behind the other.
        """
        encoder: Any = self.encoder
        more = () if places is None else (places,)
        if getattr(getattr(encoder, "config", None), "cls", False):
            whole, states = encoder.both(words, keep, *more)
            return whole, states
        states = encoder(words, keep, *more)
        return mean_over_words(states, keep), states

    def told_of(
        self, whole: Tensor, states: Tensor, batch: Batch, keep: Tensor, hidden: Tensor
    ) -> Outcome:
        """Return the loss of guessing words by their states, and of the second aim.

        Args:
            whole: float[b, width], of each barcode.
            states: float[b, t, width], of each of its words.
            batch: What the objective was given.
            keep: bool[b, t], as `given` returns it.
            hidden: bool[b, t], the same.
        """
        words = batch["tokens"]
        found = self.outcome(states[hidden], words[hidden])
        if self.masked_share < 1:
            seen = keep & ~hidden & (words >= self.special)
            other = self.outcome(states[seen], words[seen])
            loss = self.masked_share * found.loss + (1 - self.masked_share) * other.loss
            figures = {**found.figures, "accuracy in sight": other.figures["accuracy"]}
            found = Outcome(loss, figures, found.weight, {"accuracy in sight": other.weight})
        return found if self.aim is None else self._with_second(found, self.aim, whole, batch)

    def _with_second(self, found: Outcome, aim: Auxiliary, whole: Tensor, batch: Batch) -> Outcome:
        """Return an outcome with the loss and the figures of the second aim."""
        if "labels" not in batch:
            raise InputError(f"the auxiliary objective {aim.kind} needs labels, and there are none")
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.second):
            loss, right, of = aim(whole, batch["labels"])
        total = found.loss + aim.weight * loss if self.second else found.loss
        names = f"loss {aim.kind}", f"accuracy {aim.kind}"
        figures = {
            **found.figures,
            "loss words": found.loss.detach(),
            **dict(zip(names, (loss.detach(), right), strict=True)),
        }
        return Outcome(total, figures, found.weight, {**found.weights, **dict.fromkeys(names, of)})
