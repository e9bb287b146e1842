"""A small network that finds each body in a picture: what is body, its middle, and the way there.

A U of separable convolutions. Most of the work is done at half of the picture's size and below.
Three answers come out: for every pixel whether it is body; for every second pixel whether it is
near the middle of its body, and where that middle is. Pixels that point to one middle are one body:
that holds bodies apart that touch, keeps a body whole that another lies across, and asks nothing
of its shape (see `merian.learn.instance_decoding`).

References: Ronneberger et al. 2015, arXiv:1505.04597, for the U; Liu et al. 2022, arXiv:2201.03545,
for the blocks; Cheng et al. 2020, arXiv:1911.10194, for middles and ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError

__all__ = ["KIND", "STEP", "UNIT", "InstanceConfig", "InstanceNetwork", "Maps"]

KIND = "instance-unet"
STEP = 16  # height and width of what it is given are multiples of it
UNIT = 32.0  # pixels of a way of length 1, as the network says it

_SIDES = (3, 3, 5)  # of what a block looks at, at half, a quarter and an eighth of the size

Maps = tuple[Tensor, Tensor, Tensor]
"""Body float[b, h, w], middle float[b, h / 2, w / 2], both as logits, and the way to the middle
float[b, 2, h / 2, w / 2], down and right, in `UNIT` pixels."""


@dataclass(frozen=True)
class InstanceConfig:
    """How large the network is.

    Attributes:
        width: Channels at half of the picture's size; below there are 2, 4 and 4 times more.
        depth: Blocks at a quarter and an eighth of the size on the way down; there is one at half
            of it, and one more below.
    """

    width: int = 24
    depth: int = 2

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise InputError(
                f"{KIND}: width {self.width} and depth {self.depth}; 1 or more expected"
            )


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


class InstanceNetwork(nn.Module):
    """Pictures in, `Maps` out.

    Args:
        config: How large it is.
    """

    kind = KIND

    def __init__(self, config: InstanceConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or InstanceConfig()
        widths = [factor * config.width for factor in (1, 2, 4, 4)]
        depths = (1, config.depth, config.depth)
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
            *(_Block(widths[-1], dilation=1 + number % 2) for number in range(config.depth + 1))
        )
        self.ups = nn.ModuleList(
            _Up(wider, width, side)
            for width, wider, side in [*zip(widths, widths[1:], _SIDES, strict=False)][::-1]
        )
        self.answer = nn.Conv2d(widths[0], 4 + 1 + 2, 3, padding=1)
        assert self.answer.bias is not None
        nn.init.zeros_(self.answer.bias)
        for weights in self.parameters():
            if weights.dim() == 4:
                weights.data = weights.data.contiguous(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Maps:
        """Return what is seen in pictures float[b, 3, h, w], as (value - 127) / 128."""
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
        x = self.lowest(x)
        for up, beside in zip(self.ups, reversed(seen), strict=True):
            x = up(x, beside)
        told = self.answer(x).float()
        body = functional.pixel_shuffle(told[:, :4], 2)[:, 0]
        return body, told[:, 4], told[:, 5:7]
