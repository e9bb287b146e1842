"""A small network that finds each body in a picture: what is body, its middle, and the way there.

A small U (`merian.learn.unet`) has three answers: for every pixel whether it is body; for every
second pixel whether it is near the middle of its body, and where that middle is. Pixels that point
to one middle are one body: that holds bodies apart that touch, keeps a body whole that another lies
across, and asks nothing of its shape (see `merian.learn.instance_decoding`).

Reference: Cheng et al. 2020, arXiv:1911.10194, for middles and ways.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.unet import STEP, SmallUnet, channels_last

__all__ = ["KIND", "STEP", "UNIT", "InstanceConfig", "InstanceNetwork", "Maps"]

KIND = "instance-unet"
UNIT = 32.0  # pixels of a way of length 1, as the network says it

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


class InstanceNetwork(SmallUnet):
    """Pictures in, `Maps` out.

    Args:
        config: How large it is.
    """

    kind = KIND

    def __init__(self, config: InstanceConfig | None = None) -> None:
        config = config or InstanceConfig()
        super().__init__(config.width, config.depth)
        self.config = config
        self.answer = nn.Conv2d(config.width, 4 + 1 + 2, 3, padding=1)
        assert self.answer.bias is not None
        nn.init.zeros_(self.answer.bias)
        channels_last(self)

    def forward(self, pictures: Tensor) -> Maps:
        """Return what is seen in pictures float[b, 3, h, w], as (value - 127) / 128."""
        told = self.answer(self.looked_at(pictures)[0]).float()
        body = functional.pixel_shuffle(told[:, :4], 2)[:, 0]
        return body, told[:, 4], told[:, 5:7]
