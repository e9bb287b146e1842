"""A small U of separable convolutions: what the networks that look at every pixel have in common.

Most of the work is done at half of the picture's size and below; what comes out are channels at
half of its size, of which each network makes its own answers.

References: Ronneberger et al. 2015, arXiv:1505.04597, for the U; Liu et al. 2022, arXiv:2201.03545,
for the blocks.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from merian.errors import InputError

__all__ = ["STEP", "SmallUnet", "channels_last", "fused"]

STEP = 16
"""Height and width of what it is given are multiples of it."""

Network = TypeVar("Network", bound=nn.Module)

_SIDES = (3, 3, 5)  # of what a block looks at, at half, a quarter and an eighth of the size


class _Block(nn.Module):
    """Look around in each channel, then mix the channels, beside what is there."""

    def __init__(self, width: int, side: int = 5, dilation: int = 1) -> None:
        super().__init__()
        self.around = nn.Conv2d(
            width, width, side, padding=side // 2 * dilation, dilation=dilation, groups=width,
            bias=False,
        )  # fmt: skip
        self.norm = nn.BatchNorm2d(width)
        self.wide = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1, bias=False)
        self.norm_out = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm_out.weight, 0.1)  # begins nearly as nothing

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.narrow(functional.relu(self.wide(self.norm(self.around(x)))))
        found: Tensor = x + self.norm_out(mixed)
        return found


class _Down(nn.Sequential):
    """To half of the size."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__(
            nn.Conv2d(width, wider, 2, stride=2, bias=False), nn.BatchNorm2d(wider), nn.ReLU()
        )


class _Up(nn.Module):
    """To twice the size, beside what was seen there on the way down."""

    def __init__(self, width: int, beside: int, side: int) -> None:
        super().__init__()
        self.join = nn.Sequential(
            nn.Conv2d(width + beside, beside, 1, bias=False), nn.BatchNorm2d(beside), nn.ReLU()
        )
        self.block = _Block(beside, side)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        larger = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        found: Tensor = self.block(self.join(torch.cat([larger, beside], 1)))
        return found


class SmallUnet(nn.Module):
    """Pictures in, channels at half of their size out.

    Args:
        width: Channels at half of the picture's size; below there are 2, 4 and 4 times more.
        depth: Blocks at a quarter and an eighth of the size on the way down.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        widths = [factor * width for factor in (1, 2, 4, 4)]
        depths = (1, depth, depth)
        self.stem = nn.Sequential(
            nn.Conv2d(12, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.levels = nn.ModuleList(
            nn.Sequential(*(_Block(width, side) for _ in range(depth)))
            for width, side, depth in zip(widths, _SIDES, depths, strict=False)
        )
        self.downs = nn.ModuleList(_Down(width, wider) for width, wider in pairwise(widths))
        # The lowest sees the farthest: bodies are larger than tiles are.
        self.lowest = nn.Sequential(
            *(_Block(widths[-1], dilation=1 + number % 2) for number in range(depth + 1))
        )
        self.ups = nn.ModuleList(
            _Up(wider, width, side)
            for width, wider, side in [*zip(widths, widths[1:], _SIDES, strict=False)][::-1]
        )

    def looked_at(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is seen at half of the size, and at a sixteenth.

        Args:
            pictures: float[b, 3, h, w], as (value - 127) / 128.
        """
        if pictures.shape[-1] % STEP or pictures.shape[-2] % STEP:
            raise InputError(
                f"pictures of {pictures.shape[-2]} x {pictures.shape[-1]} pixels; multiples of "
                f"{STEP} expected"
            )
        x = functional.pixel_unshuffle(pictures, 2)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        seen = []
        for level, down in zip(self.levels, self.downs, strict=True):
            x = level(x)
            seen.append(x)
            x = down(x)
        x = lowest = self.lowest(x)
        for up, beside in zip(self.ups, reversed(seen), strict=True):
            x = up(x, beside)
        return x, lowest


def channels_last(network: nn.Module) -> None:
    """Lay out weights as convolutions of pictures are fastest with."""
    for weights in network.parameters():
        if weights.dim() == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)


def fused(network: Network) -> Network:
    """Make one of each convolution and the norm behind it: no answer changes, and it is quicker."""
    for module in [*network.modules()]:
        if isinstance(module, nn.Sequential):
            for number, (one, two) in enumerate(zip(module, list(module)[1:], strict=False)):
                if isinstance(one, nn.Conv2d) and isinstance(two, nn.BatchNorm2d):
                    module[number] = fuse_conv_bn_eval(one, two)
                    module[number + 1] = nn.Identity()
        for first, norm in (("around", "norm"), ("narrow", "norm_out")):
            if hasattr(module, first) and hasattr(module, norm):
                setattr(module, first, fuse_conv_bn_eval(getattr(module, first),
                                                         getattr(module, norm)))  # fmt: skip
                setattr(module, norm, nn.Identity())
    return network
