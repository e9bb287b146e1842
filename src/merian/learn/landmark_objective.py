"""The loss of a network that places landmarks: body or not, where each is, and whether it is there.

Each map of places is a softmax over all cells, told to be a small bell around the landmark; the
loss is how far it is from that (Kullback and Leibler), so that a map that is right has none. The
error of each landmark is a figure, as a share of the largest distance between landmarks of the
body; one farther off than a tenth of that is missed, and counts as such.

Reference: Nibali et al. 2018, arXiv:1801.07372.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import ModuleDict, functional

from merian.learn.encoding import described, pixels_of
from merian.learn.instance_objective import mask_loss
from merian.learn.landmark_errors import FAR
from merian.learn.landmark_network import LandmarkNetwork
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["Landmarks", "read_places"]

_SPREAD = 1.0  # cells: of the bell
_NEAR = 2.0  # cells: how far around its peak a map is read


class Landmarks(Objective):
    """Place landmarks. The batch is that of `merian.learn.landmark_examples.PackedLandmarks`.

    Args:
        encoder: The network.
        names: Of the landmarks.
        place_weight: What places weigh beside the body.
        present_weight: What presence weighs.
    """

    kind = "landmarks"
    encoder: LandmarkNetwork

    def __init__(
        self, encoder: LandmarkNetwork, names: Sequence[str], *, place_weight: float = 1.0,
        present_weight: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.names = encoder, tuple(names)
        self.heads = ModuleDict()
        self.place_weight, self.present_weight = place_weight, present_weight

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch, and what it is made of."""
        body, maps, present = self.encoder(pixels_of(batch))
        body_loss, overlap = mask_loss(body, batch["body"])
        there, asked = batch["present"] == 1, batch["present"] != 2
        apart = _apart(maps, batch["points"])
        place_loss = (apart * there).sum() / there.sum().clamp(min=1)
        entropy = functional.binary_cross_entropy_with_logits(
            present, there.float(), reduction="none"
        )
        present_loss = (entropy * asked).sum() / asked.sum().clamp(min=1)
        loss = body_loss + self.place_weight * place_loss + self.present_weight * present_loss
        examples = float(len(batch["pixels"]))
        figures = {"body": body_loss, "place": place_loss, "present": present_loss,
                   "overlap": overlap}  # fmt: skip
        told = {name: value.detach() for name, value in figures.items()}
        weights: dict[str, float] = {}
        with torch.no_grad():
            self._placed(maps.detach(), batch, there, told, weights)
            right = ((present.detach() > 0) == there) & asked
            told["presence right"] = right.sum() / asked.sum().clamp(min=1)
        return Outcome(loss, told, examples, weights)

    def _placed(
        self, maps: Tensor, batch: Batch, there: Tensor, told: dict[str, Tensor],
        weights: dict[str, float],
    ) -> None:  # fmt: skip
        """Enter how far off landmarks are, and how many are missed."""
        places, _ = read_places(maps)
        off = (places - batch["points"]).norm(dim=-1) / batch["reach"][:, None].clamp(min=1)
        near = there & (off < FAR)
        told["missed"] = (there & ~near).sum() / there.sum().clamp(min=1)
        weights["missed"] = float(there.sum())
        for number, name in enumerate(self.names):
            here = near[:, number]
            told[f"off {name}"] = (off[:, number] * here).sum() / here.sum().clamp(min=1)
            weights[f"off {name}"] = float(here.sum())

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        told = {"names": [*self.names], "place_weight": self.place_weight,
                "present_weight": self.present_weight}  # fmt: skip
        return {"kind": self.kind, "encoder": described(self.encoder), "heads": told}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: LandmarkNetwork) -> Self:
        """Build it around a network, without the weights."""
        return cls(encoder, **card["heads"])


def _apart(maps: Tensor, points: Tensor) -> Tensor:
    """Return float[b, k]: how far each map is from the bell around its landmark."""
    count, marks, height, width = maps.shape
    rows, columns = (2 * torch.arange(n, device=maps.device) + 1.0 for n in (height, width))
    across = (columns[None, None] - points[..., :1]) / (2 * _SPREAD)
    down = (rows[None, None] - points[..., 1:]) / (2 * _SPREAD)
    wanted = torch.softmax(
        -0.5 * (down[..., :, None] ** 2 + across[..., None, :] ** 2).flatten(2), dim=-1
    )
    said = functional.log_softmax(maps.reshape(count, marks, height * width), dim=-1)
    return (torch.special.xlogy(wanted, wanted) - wanted * said).sum(-1)


def read_places(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the peak of each map is, in pixels of the window, and how much of it is there.

    Args:
        maps: float[b, k, h / 2, w / 2], as logits.

    Returns:
        float[b, k, 2], x and y; float[b, k], the share of the map near its peak.
    """
    count, marks, height, width = maps.shape
    chance = torch.softmax(maps.reshape(count, marks, height * width), dim=-1)
    peak = chance.argmax(dim=-1)
    row, column = (peak // width).float(), (peak % width).float()
    rows, columns = (torch.arange(n, device=maps.device).float() for n in (height, width))
    # Twice: the middle of the bell is first its highest cell, and then where it was read.
    for _ in range(2):
        down = torch.exp(-0.5 * ((rows - row[..., None]) / _NEAR) ** 2)
        across = torch.exp(-0.5 * ((columns - column[..., None]) / _NEAR) ** 2)
        near = chance.reshape(count, marks, height, width) * (
            down[..., :, None] * across[..., None, :]
        )
        total = near.sum((2, 3)).clamp(min=1e-12)
        row = (near.sum(3) * rows).sum(2) / total
        column = (near.sum(2) * columns).sum(2) / total
    # A bell as it is told has this share of itself within a bell of the reading.
    whole = _NEAR**2 / (_NEAR**2 + _SPREAD**2)
    return torch.stack([2 * column + 1, 2 * row + 1], -1), (total / whole).clamp(max=1)
