"""How large a picture is in life, as one more thing that a network is told.

A copepod and its larva may look alike once both fill the picture; size names them apart. Where the
pixels of a millimetre are known, the longer and the shorter side of the picture in millimetres are
turned into waves of their logarithm, and a linear map of those is added to the features. The map
starts as zero, so that a network that was trained without it is not changed, and a size that is
not known adds a vector of its own.

Reference for the waves: Vaswani and others, Attention is all you need, 2017, arXiv:1706.03762.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from merian.pictures import millimetres

__all__ = ["SizeInput", "millimetres"]

_WAVES = 8
_LONGEST = 32.0  # doublings: from a thousandth of a millimetre to a kilometre, and more


class SizeInput(nn.Module):
    """Adds what a size says to features."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        # One wave over all sizes, each next half as long: the finest is a quarter of a doubling.
        periods = _LONGEST / 2.0 ** torch.arange(_WAVES)
        self.register_buffer("frequencies", 2 * math.pi / periods, persistent=False)
        self.map = nn.Linear(4 * _WAVES + 1, width, bias=False)
        nn.init.zeros_(self.map.weight)

    def forward(self, features: Tensor, sides: Tensor | None) -> Tensor:
        """Return float[n, width] of features float[n, width] and sides in mm, float[n, 2]."""
        if sides is None:
            sides = torch.full((len(features), 2), math.nan, device=features.device)
        known = torch.isfinite(sides).all(1, keepdim=True) & (sides > 0).all(1, keepdim=True)
        doublings = torch.log2(torch.where(known, sides.float(), 1.0))  # [n, 2]
        angles = (doublings[:, :, None] * self.frequencies).flatten(1)  # [n, 2 * waves]
        waves = torch.cat([angles.sin(), angles.cos()], 1) * known
        added: Tensor = self.map(torch.cat([waves, (~known).float()], 1))
        return features + added
