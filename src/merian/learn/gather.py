"""Rows of all processes in one, and their gradients back to the process that each came from.

With the rows of all as rivals, two processes with half a batch each learn what one learns from
the whole.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed

__all__ = ["Share", "gathered", "processes", "total"]


def processes() -> int:
    """Return how many processes learn together."""
    alone = not (distributed.is_available() and distributed.is_initialized())
    return 1 if alone else int(distributed.get_world_size())


def total(tensor: Tensor) -> Tensor:
    """Return the sum over all processes; it has no gradient."""
    found = tensor.detach().clone()
    if processes() > 1:
        distributed.all_reduce(found)
    return found


class Share:
    """Which rows of the whole are ours; batches may differ in size.

    Args:
        rows: How many rows this process has.
        device: Where they lie.
        alone: Whether to pass the other processes over, as where only one of them looks.
    """

    def __init__(self, rows: int, device: torch.device, alone: bool = False) -> None:
        self.world = 1 if alone else processes()
        self.rank = 0 if self.world == 1 else int(distributed.get_rank())
        self.sizes = [rows]
        if self.world > 1:
            sizes = torch.zeros(self.world, dtype=torch.int64, device=device)
            sizes[self.rank] = rows
            self.sizes = total(sizes).tolist()
        self.start = sum(self.sizes[: self.rank])
        self.rows = rows

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over the processes that take part; it has no gradient."""
        return total(tensor) if self.world > 1 else tensor.detach()


def gathered(rows: Tensor, share: Share) -> Tensor:
    """Return the rows [b, ...] of all processes, in their order; gradients flow back."""
    if share.world == 1:
        return rows
    gather: Any = _Gather.apply
    found: Tensor = gather(rows, share)
    return found


class _Gather(torch.autograd.Function):
    """All rows in; the sum of what all processes say of them back, of which each takes its own."""

    @staticmethod
    def forward(context: Any, rows: Tensor, share: Share) -> Tensor:
        context.share = share
        longest = max(share.sizes)
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(share.world)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, share.sizes, strict=True)])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        share = context.share
        summed = gradients[0].contiguous().clone()
        distributed.all_reduce(summed)
        return summed[share.start : share.start + share.rows], None
