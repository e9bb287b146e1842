"""Sums of probabilities that are given as logarithms, column by column."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["log_sums"]


def log_sums(logs: Tensor, place: Tensor, size: int) -> Tensor:
    """Return log(sum(exp)) of the columns that go to each place [b, size]; -inf of none."""
    index = place.expand(len(logs), -1)
    highest = logs.new_full((len(logs), size), float("-inf"))
    highest = highest.scatter_reduce(1, index, logs.detach(), "amax")
    highest = torch.where(highest.isinf(), torch.zeros_like(highest), highest)
    summed = torch.zeros_like(highest).index_add(1, place, (logs - highest[:, place]).exp())
    filled = torch.zeros(size, dtype=torch.bool, device=logs.device).index_fill(0, place, True)
    # The logarithm of an empty place would have no gradient to give.
    return torch.where(
        filled, summed.where(filled, torch.ones_like(summed)).log() + highest, float("-inf")
    )
