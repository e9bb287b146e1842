"""Numbers wide enough for exponentials and sums."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["full"]


def full(tensor: Tensor) -> Tensor:
    """Return numbers of 32 bits at least: halves become 32 bits, and 64 stay as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
