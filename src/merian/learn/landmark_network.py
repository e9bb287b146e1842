"""A small network that says of a picture of one body what is body, and where its landmarks are.

A small U (`merian.learn.unet`) has three answers: for every pixel whether it belongs to the body in
the middle; for every landmark a map of where it is, at half of the picture's size; and whether the
body has it at all, as a fly has no elytra.

Reference: Tompson et al. 2014, arXiv:1406.2984, for maps of places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.unet import SmallUnet, channels_last

__all__ = ["KIND", "LandmarkConfig", "LandmarkNetwork", "Placing"]

KIND = "landmark-unet"

Placing = tuple[Tensor, Tensor, Tensor]
"""Body float[b, h, w], places float[b, k, h / 2, w / 2] and presence float[b, k], all as logits;
those of places are of a softmax over all cells."""


@dataclass(frozen=True)
class LandmarkConfig:
    """How large the network is.

    Attributes:
        width: Channels at half of the picture's size; below there are 2, 4 and 4 times more.
        depth: Blocks at a quarter and an eighth of the size on the way down.
        landmarks: How many it places.
    """

    width: int = 24
    depth: int = 2
    landmarks: int = 1

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.landmarks) < 1:
            raise InputError(
                f"{KIND}: width {self.width}, depth {self.depth} and {self.landmarks} landmarks; "
                "1 or more of each expected"
            )


class LandmarkNetwork(SmallUnet):
    """Pictures in, `Placing` out.

    Args:
        config: How large it is.
    """

    kind = KIND

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__(config.width, config.depth)
        self.config = config
        self.body = nn.Conv2d(config.width, 4, 3, padding=1)
        self.place = nn.Conv2d(config.width, config.landmarks, 3, padding=1)
        self.present = nn.Linear(2 * 4 * config.width, config.landmarks)
        for last in (self.body, self.place, self.present):
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        channels_last(self)

    def forward(self, pictures: Tensor) -> Placing:
        """Return what is seen in pictures float[b, 3, h, w], as (value - 127) / 128."""
        seen, lowest = self.looked_at(pictures)
        body = functional.pixel_shuffle(self.body(seen).float(), 2)[:, 0]
        whole = torch.cat([lowest.mean((2, 3)), lowest.amax((2, 3))], 1)
        return body, self.place(seen).float(), self.present(whole).float()
