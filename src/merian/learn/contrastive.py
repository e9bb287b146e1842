"""Losses that bring what belongs together near, and set the rest apart.

Two records of one species are no contrast, so records that share a taxon or an id are never each
other's negatives: they are either all asked for (the target is even over them), or only the
record's own partner is and the others are passed over. A record that lacks a modality is in no
pair of it. Logits are computed in 32 bits.

References: Oord et al., InfoNCE, 2018, arXiv:1807.03748; Radford et al., CLIP, ICML 2021,
arXiv:2103.00020; Khosla et al., SupCon, NeurIPS 2020, arXiv:2004.11362; Zhai et al., SigLIP,
ICCV 2023, arXiv:2303.15343; Gong et al., CLIBD, ICLR 2025, arXiv:2405.17537.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.full_precision import full

__all__ = ["Pairs", "Temperature", "info_nce", "pairs_of", "sigmoid_loss"]

_HOTTEST = 100.0  # as in CLIP: above it a single pair decides a batch


@dataclass(frozen=True)
class Pairs:
    """What rows and columns are to each other.

    Attributes:
        wanted: float[n, m]; how much each column is asked for by a row: rows sum to 1, or to 0
            where a row asks for nothing.
        counts: bool[n, m]; pairs that are in the loss: those asked for, and true negatives.
    """

    wanted: Tensor
    counts: Tensor

    @property
    def asking(self) -> Tensor:
        """bool[n]; the rows that ask for something."""
        return self.wanted.any(1)


def pairs_of(own: Tensor, same: Tensor, here: Tensor, there: Tensor, share: bool = True) -> Pairs:
    """Return the pairs of some records in one modality with some in another.

    Args:
        own: bool[n, m]; the same record or id.
        same: bool[n, m]; the same taxon.
        here: bool[n]; the rows that have their modality.
        there: bool[m]; the columns that have theirs.
        share: Whether all of a taxon are asked for, or only the record's own.
    """
    if own.shape != same.shape or own.shape != (len(here), len(there)):
        raise InputError(
            f"pairs {list(own.shape)} and {list(same.shape)} of {len(here)} rows and {len(there)} "
            "columns; [rows, columns] expected"
        )
    possible = here[:, None] & there[None]
    asked = ((own | same) if share else own) & possible
    wanted = asked / asked.sum(1, keepdim=True).clamp(min=1)
    return Pairs(wanted, possible & (asked | ~(own | same)))


def info_nce(logits: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return the sum over the rows of -sum_j wanted_j log p_j, and how many rows ask.

    p is the softmax over the columns that count.

    Args:
        logits: float[n, m].
        pairs: What they are to each other.
    """
    logits, asking = full(logits), pairs.asking
    # A row that asks for nothing may have no column at all, whose softmax would be no number.
    logits = logits.masked_fill(~pairs.counts & asking[:, None], float("-inf"))
    logs = logits.log_softmax(1)
    return -logs.masked_fill(pairs.wanted == 0, 0).mul(pairs.wanted).sum(), asking.sum()


def sigmoid_loss(logits: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return the sum over the pairs of -log sigmoid(+-logit), and how many rows are in one.

    Plus for pairs that are asked for. Divided by the rows it is the published loss.

    Args:
        logits: float[n, m]; temperature and bias are in them.
        pairs: What they are to each other.
    """
    signed = torch.where(pairs.wanted > 0, full(logits), -full(logits))
    lost = -functional.logsigmoid(signed).masked_fill(~pairs.counts, 0)
    return lost.sum(), pairs.counts.any(1).sum()


class Temperature(nn.Module):
    """What cosines are multiplied by, and what is added: both learnt.

    Args:
        scale: At the start; never above 100.
        bias: At the start; None for none, as InfoNCE has no use for it.
    """

    def __init__(self, scale: float = 1 / 0.07, bias: float | None = None) -> None:
        super().__init__()
        if not 0 < scale <= _HOTTEST:
            raise InputError(f"a scale of {scale}; above 0 and up to {_HOTTEST:.0f} expected")
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    def scale(self) -> Tensor:
        """Return the factor."""
        # Held where it is used, so that no trainer has to hold it after a step.
        return self.log_scale.clamp(max=math.log(_HOTTEST)).exp()

    def forward(self, cosines: Tensor) -> Tensor:
        """Return logits."""
        logits = self.scale() * full(cosines)
        return logits if self.bias is None else logits + self.bias
