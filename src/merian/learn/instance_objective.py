"""The loss of a network that finds bodies: body or not, middle or not, and the way to the middle.

Body and middle are cross-entropy with the soft overlap of Dice, which does not fade where bodies
are small. An error on the way counts as a share of the body's size. Every body counts as the root
of its area there, so that one beetle does not outweigh twenty springtails.

References: Milletari et al. 2016, arXiv:1606.04797 (Dice); Cheng et al. 2020, arXiv:1911.10194.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import ModuleDict, functional

from merian.learn.encoding import described, pixels_of
from merian.learn.instance_network import UNIT, InstanceNetwork
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["Instances", "mask_loss"]

_IGNORED = 2  # of a pixel of which nothing is asked
_LEAST = 6.0  # pixels: an error on a small body does not count as on a smaller one


class Instances(Objective):
    """Find the bodies. The batch is that of `merian.learn.instance_examples.PackedInstances`.

    Args:
        encoder: The network.
        core_weight: What the middles weigh beside the bodies.
        way_weight: What the ways weigh.
    """

    kind = "instances"
    encoder: InstanceNetwork

    def __init__(
        self, encoder: InstanceNetwork, *, core_weight: float = 1.0, way_weight: float = 2.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = ModuleDict()
        self.core_weight, self.way_weight = core_weight, way_weight

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch, and what it is made of."""
        body, core, way = self.encoder(pixels_of(batch))
        body_loss, overlap = mask_loss(body, batch["body"])
        core_loss, _ = mask_loss(core, batch["core"])
        off = _off(way, batch["way"], batch["reach"])
        loss = body_loss + self.core_weight * core_loss + self.way_weight * off
        figures = {"body": body_loss, "core": core_loss, "way": off, "overlap": overlap}
        told = {name: value.detach() for name, value in figures.items()}
        return Outcome(loss, told, float(len(batch["pixels"])))

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        told = {"core_weight": self.core_weight, "way_weight": self.way_weight}
        return {"kind": self.kind, "encoder": described(self.encoder), "heads": told}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: InstanceNetwork) -> Self:
        """Build it around a network, without the weights."""
        return cls(encoder, **card["heads"])


def mask_loss(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and Dice together, and the share of overlap of what is found.

    Args:
        logits: float[b, h, w].
        wanted: uint8[b, h, w]: 0, 1, or 2 where nothing is asked.
    """
    asked = (wanted != _IGNORED).float()
    true = (wanted == 1).float()
    entropy = functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
    mean = (entropy * asked).sum() / asked.sum().clamp(min=1)
    chance = torch.sigmoid(logits) * asked
    both = (chance * true).sum((1, 2))
    dice = 1 - (2 * both + 1) / (chance.sum((1, 2)) + true.sum((1, 2)) + 1)
    found = (logits > 0).float() * asked
    joint, either = (found * true).sum(), torch.maximum(found, true * asked).sum()
    return mean + dice.mean(), joint / either.clamp(min=1)


def _off(way: Tensor, wanted: Tensor, reach: Tensor) -> Tensor:
    """Return how far off the ways are, in sizes of the bodies."""
    known = reach > 0
    size = reach.clamp(min=_LEAST)
    off = functional.smooth_l1_loss(
        way * UNIT / size[:, None], wanted / size[:, None], beta=0.1, reduction="none"
    ).sum(1)
    weight = known / size
    return (off * weight).sum() / weight.sum().clamp(min=1e-3)
