"""A second aim beside guessing words: vectors of barcodes of one genus shall be alike.

As BarcodeMAE+ has it: it looks at the one vector of a barcode, weighs little, and begins after a
part of the training. "same-genus" asks of each pair in a batch whether both are of one genus;
"triplet" wants the most distant of one's genus nearer than the nearest of another; "genus" asks
which it is. Records whose genus is not known have no part in it. Another rank than the genus is
as good.

References: the description of BarcodeMAE+ by its authors (Safari and others, in preparation);
Hermans, Beyer and Leibe, In defense of the triplet loss, 2017, arXiv:1703.07737.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.full_precision import full
from merian.learn.rank_labels import RankLabels
from merian.learn.recipe_keys import AUXILIARY

__all__ = ["Auxiliary", "pair_loss", "triplet_loss"]

_SCALE, _BIAS = 10.0, -5.0  # of the cosine, at the start: half is as good as none


def pair_loss(
    vectors: Tensor, labels: Tensor, scale: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cross-entropy of telling pairs apart, how many are right, and of how many.

    The probability that two are of one class is sigmoid(scale * cosine + bias). Pairs of one
    class weigh together as much as those of two.

    Args:
        vectors: float[b, width].
        labels: int64[b]; -1 where not known.
        scale: Of the cosine.
        bias: Added to it.
    """
    unit, _, alike = _known(vectors, labels)
    above = torch.ones_like(alike).triu(1)  # each pair once
    scores = (scale * (unit @ unit.T) + bias)[above]
    same = alike[above]
    each = functional.softplus(torch.where(same, -scores, scores))
    parts = [each[same], each[~same]]
    there = [part.mean() for part in parts if len(part)]
    loss = torch.stack(there).mean() if there else scores.sum()
    return loss, ((scores > 0) == same).sum(), same.new_tensor(len(same), dtype=torch.long)


def triplet_loss(
    vectors: Tensor, labels: Tensor, margin: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean of log(1 + exp(p - n + margin)), how many have p < n, and of how many.

    p is the distance (1 - cosine) to the most distant of one's own class, n that to the nearest of
    another. Those who are alone, or among their own, do not count. The logarithm keeps vectors
    that are all the same from being the best answer, as they are without a margin.

    Args:
        vectors: float[b, width].
        labels: int64[b]; -1 where not known.
        margin: By how much p should be smaller.
    """
    unit, codes, alike = _known(vectors, labels)
    distance = 1 - unit @ unit.T
    own = alike & ~torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    counts = own.any(1) & (~alike).any(1)
    furthest = distance.masked_fill(~own, -torch.inf)[counts]
    nearest = distance.masked_fill(alike, torch.inf)[counts]
    if not len(furthest):
        return unit.sum() * 0, counts.sum(), counts.sum()
    gap = furthest.amax(1) - nearest.amin(1)
    return functional.softplus(gap + margin).mean(), (gap < 0).sum(), counts.sum()


def _known(vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return unit vectors and labels where they are known, and bool[n, n]: who is alike."""
    if labels.shape != vectors.shape[:1]:
        raise InputError(f"vectors {list(vectors.shape)} and labels {list(labels.shape)}")
    known = labels >= 0
    unit, codes = functional.normalize(full(vectors[known]), dim=1), labels[known]
    return unit, codes, codes[:, None] == codes[None]


class Auxiliary(nn.Module):
    """The second aim; its loss is 0 where a batch has nothing to say.

    Args:
        kind: same-genus, triplet or genus.
        width: Of the vectors.
        labels: The classes, at one rank, or what their `card` wrote down.
        weight: Of its loss.
        begins: From what share of the training on it counts.
    """

    def __init__(
        self,
        kind: str,
        width: int,
        labels: RankLabels | Mapping[str, Any],
        *,
        weight: float = 0.1,
        begins: float = 0.0,
    ) -> None:
        super().__init__()
        self.labels = labels if isinstance(labels, RankLabels) else RankLabels.of_card(labels)
        if kind not in AUXILIARY or len(self.labels.ranks) != 1:
            raise InputError(
                f"an auxiliary objective {kind!r} at {len(self.labels.ranks)} ranks; one rank and "
                f"one of {', '.join(AUXILIARY)} expected"
            )
        self.kind, self.width, self.weight, self.begins = kind, width, weight, begins
        if kind == "same-genus":
            self.scale = nn.Parameter(torch.tensor(_SCALE).log())
            self.bias = nn.Parameter(torch.tensor(_BIAS))
        elif kind == "genus":
            self.linear = nn.Linear(width, self.labels.sizes[0])
            nn.init.normal_(self.linear.weight, std=0.02)
            nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return the loss, the share that is right, and of how many pairs or records.

        Args:
            vectors: float[b, width].
            labels: int64[b, 1]; -1 where not known.
        """
        if labels.ndim != 2 or labels.shape[1] != 1:
            raise InputError(f"labels {list(labels.shape)}; [b, 1] expected")
        codes = labels[:, 0]
        if self.kind == "same-genus":
            loss, right, of = pair_loss(vectors, codes, self.scale.exp(), self.bias)
        elif self.kind == "triplet":
            loss, right, of = triplet_loss(vectors, codes)
        else:
            known = codes >= 0
            logits, of = full(self.linear(vectors[known])), known.sum()
            loss = functional.cross_entropy(logits, codes[known], reduction="sum")
            loss = loss / of.clamp(min=1)
            right = (logits.argmax(1) == codes[known]).sum()
        return loss, right / of.clamp(min=1), float(of)

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build it again."""
        return {
            "kind": self.kind,
            "width": self.width,
            "labels": self.labels.card(),
            "weight": self.weight,
            "begins": self.begins,
        }
