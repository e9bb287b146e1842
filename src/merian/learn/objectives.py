"""What can be trained: guess hidden words, name at every rank.

`autoencoder`, `next_words` and `modalities` have more. Each objective holds an encoder and its
heads, takes a batch and returns a loss with figures, as `merian.learn.task` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from merian.errors import InputError, NotFoundError, did_you_mean
from merian.learn.autoencoder import MaskedAutoencoder
from merian.learn.distillation import SelfDistillation
from merian.learn.encoding import described, features
from merian.learn.guessing import HiddenWords
from merian.learn.heads import RankHeads, build_heads
from merian.learn.hierarchy import (
    SmoothedTargets,
    curriculum,
    inverse_root_weights,
    mean_over_ranks,
    rank_loss,
)
from merian.learn.modalities import Contrastive
from merian.learn.moved_heads import moved_heads
from merian.learn.next_words import NextWords
from merian.learn.node_objective import Nodes
from merian.learn.picture_autoencoder import PictureAutoencoder
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["MaskedTokens", "Ranks", "build_objective"]


class MaskedTokens(HiddenWords):
    """Guess the words of barcodes that were hidden.

    Args:
        encoder: (tokens, keep) -> float[b, t, width].
        vocabulary: How many words there are.
        options: As `HiddenWords` takes them, which also says what a batch has.
    """

    kind = "masked-tokens"

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean loss over the hidden words of a batch, and how many are guessed."""
        shown, keep, hidden = self.given(batch)
        return self.told_of(*self.read(shown, keep), batch, keep, hidden)


class Ranks(Objective):
    """Name at every rank; labels that are not known do not count.

    The loss is sum(a L) / sum(a) over the ranks, L the cross-entropy at a rank over the records
    of the batch whose label is known there, weighted by class. The batch has what `features`
    takes, and "labels" int64[b, ranks], -1 where not known.

    Args:
        encoder: As `features` takes it.
        heads: One of `merian.learn.heads`.
        rank_weights: The a; all 1 if not given.
        starts: Of each rank, from what share of the training on it counts; all from the start if
            not given.
        power: Of the counts of the classes in their weights; 0 weighs all alike.
        smoothing: Of each rank but the lowest, what share of lower targets it spreads; a number
            is for each.
        even: Share of the targets that is spread over all other classes.
        frozen: Whether only the heads learn.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    kind = "ranks"
    heads: RankHeads
    rank_weights: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        heads: RankHeads,
        *,
        rank_weights: Sequence[float] | None = None,
        starts: Sequence[float] | None = None,
        power: float = 0.5,
        smoothing: float | Sequence[float] = 0.0,
        even: float = 0.0,
        frozen: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.heads, self.frozen, self.power = encoder, heads, frozen, power
        self.about = dict(described(encoder) if about is None else about)
        labels = heads.labels
        ranks = len(labels.ranks)
        self.given = [1.0] * ranks if rank_weights is None else [float(a) for a in rank_weights]
        self.starts = [0.0] * ranks if starts is None else [float(start) for start in starts]
        for what, values in (("rank weights", self.given), ("starts", self.starts)):
            if len(values) != ranks:
                raise InputError(f"{len(values)} {what}; {ranks} expected")
        if not any(self.given):
            raise InputError("all ranks weigh 0, so nothing would be learnt; give one of them more")
        spread = [smoothing] * (ranks - 1) if isinstance(smoothing, int | float) else smoothing
        self.smoothing, self.even = [float(share) for share in spread], float(even)
        self.smoothed = (
            SmoothedTargets(labels, self.smoothing, even) if any([*self.smoothing, even]) else None
        )
        self.register_buffer("rank_weights", torch.tensor(self.given), persistent=False)
        for rank, counts in enumerate(labels.counts):
            # As in the formula but for a factor that falls out; so numbers stay near 1.
            weights = torch.tensor(inverse_root_weights(counts, power) * len(counts)).float()
            self.register_buffer(f"weights_{rank}", weights, persistent=False)
        if frozen:
            encoder.requires_grad_(False)
            encoder.eval()

    def advance(self, progress: float) -> None:
        """Let the ranks count whose time has come."""
        counts = curriculum(progress, self.starts)
        weights = [a * on for a, on in zip(self.given, counts, strict=True)]
        self.rank_weights.copy_(torch.tensor(weights))

    def stage(self, progress: float, /) -> int:
        """Return how many ranks count by then."""
        return int(sum(curriculum(progress, self.starts)))

    def train(self, mode: bool = True) -> Ranks:
        """Set whether it learns; a frozen encoder never does."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch; of each rank, the loss and the share named rightly."""
        labels, names = batch["labels"], self.heads.labels.ranks
        if labels.ndim != 2 or labels.shape[1] != len(names):
            raise InputError(
                f"labels {list(labels.shape)}; a column for each of {', '.join(names)}"
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            vectors = features(self.encoder, batch)
        logs = self.heads(vectors)
        smooth = self.smoothed
        targets = [None] * len(names) if smooth is None else smooth(labels)
        losses: list[Tensor] = []
        figures: dict[str, Tensor] = {}
        weights: dict[str, float] = {}
        for rank, (name, log) in enumerate(zip(names, logs, strict=True)):
            at = labels[:, rank]
            loss, weight = rank_loss(log, at, getattr(self, f"weights_{rank}"), targets[rank])
            losses.append(loss)
            known = (at >= 0).sum()
            right = (log.detach().argmax(1) == at).sum() / known.clamp(min=1)
            figures |= {f"loss {name}": loss.detach(), f"accuracy {name}": right}
            weights |= {f"loss {name}": float(weight), f"accuracy {name}": float(known)}
        total = mean_over_ranks(torch.stack(losses), self.rank_weights)
        told = float((labels >= 0).any(1).sum())
        return Outcome(total, figures, weight=told, weights=weights)

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again, with the names of the classes."""
        options = {
            "rank_weights": self.given,
            "starts": self.starts,
            "power": self.power,
            "smoothing": self.smoothing,
            "even": self.even,
            "frozen": self.frozen,
        }
        heads = {**self.heads.card(), "options": options}
        return {"kind": self.kind, "encoder": self.about, "heads": heads}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Ranks:
        """Build it around an encoder, without the weights."""
        told = card["heads"]
        heads = build_heads(told["kind"], told["width"], told["labels"])
        heads = moved_heads(heads, told.get("moved"))
        return cls(encoder, heads, about=card["encoder"], **told["options"])


_BUILDERS: dict[str, Callable[[Mapping[str, Any], nn.Module], Objective]] = {
    MaskedTokens.kind: MaskedTokens.of_card,
    MaskedAutoencoder.kind: MaskedAutoencoder.of_card,
    NextWords.kind: NextWords.of_card,
    PictureAutoencoder.kind: PictureAutoencoder.of_card,
    SelfDistillation.kind: SelfDistillation.of_card,
    Ranks.kind: Ranks.of_card,
    Nodes.kind: Nodes.of_card,
    Contrastive.kind: Contrastive.of_card,
}


def build_objective(card: Mapping[str, Any], encoder: nn.Module) -> Objective:
    """Build an objective from its card, around an encoder, without the weights."""
    kind = str(card.get("kind"))
    if kind not in _BUILDERS:
        raise NotFoundError(
            f"no objective is called {kind!r}; there are {', '.join(_BUILDERS)}."
            + did_you_mean(kind, _BUILDERS)
        )
    return _BUILDERS[kind](card, encoder)
