"""A frozen encoder with a small network behind it that learns.

The tower stays as it is: nothing of it is trained, and neither its dropout nor its norms change in
training. So its vectors need to be made only once; kept ones go through `mapped`, and give what the
items themselves give. What is behind is residual and begins as nothing: the first vectors are those
of the tower, of one length.

References: Houlsby and others, arXiv:1902.00751; Gao and others, CLIP-Adapter, arXiv:2110.04544.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.limits import check_sizes
from merian.errors import InputError
from merian.learn.encoding import width_of

__all__ = ["Adapted", "AdaptedConfig"]


@dataclass(frozen=True)
class AdaptedConfig:
    """What stands behind the tower.

    Attributes:
        hidden: Numbers between the two maps of a block; 0 is as many as the tower makes.
        layers: Blocks; with 0 the tower's vectors are brought to one length and no more.
        dropout: Share of values set to zero in training, between the two maps.
    """

    hidden: int = 0
    layers: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, {"hidden": 0, "layers": 0})


class _Block(nn.Module):
    """Two maps, normed before, and added to what came in."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return [b, width] of the same."""
        return x + self.down(self.dropout(functional.gelu(self.up(self.norm(x)))))


class Adapted(nn.Module):
    """A tower, which stays as it is, and an adapter, which learns.

    Args:
        tower: An encoder of any modality; it is frozen.
        config: What stands behind it.
    """

    kind = "adapted"

    def __init__(self, tower: nn.Module, config: AdaptedConfig) -> None:
        super().__init__()
        self.config = config
        self.width = width_of(tower)
        self.tower = tower.requires_grad_(False).eval()
        hidden = config.hidden or self.width
        self.adapter = nn.Sequential(
            *(_Block(self.width, hidden, config.dropout) for _ in range(config.layers))
        )

    @property
    def size(self) -> Any:
        """What the tower has for the size in life; AttributeError where it is not told that."""
        return self.tower.size

    def train(self, mode: bool = True) -> Adapted:
        """Set the adapter alone to training: what the tower makes of an item never changes."""
        super().train(mode)
        self.tower.eval()
        return self

    def mapped(self, vectors: Tensor) -> Tensor:
        """Return float[b, width] of vectors that the tower made, of whatever length they are."""
        if vectors.shape[-1] != self.width:
            raise InputError(
                f"vectors of {vectors.shape[-1]} numbers; the tower makes {self.width}, so they "
                "are of another encoder"
            )
        # A number is about 1, whatever the tower's scale and whether lengths were kept.
        even = functional.normalize(vectors.float(), dim=-1) * self.width**0.5
        adapted: Tensor = self.adapter(even)
        return adapted

    def features(self, images: Tensor, sides: Tensor | None = None) -> Tensor:
        """Return float[b, width] of pictures, as the tower takes them."""
        tower: Any = self.tower
        with torch.no_grad():
            seen = tower.features(images) if sides is None else tower.features(images, sides)
        return self.mapped(seen)

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width] of barcodes or texts, as the tower takes them."""
        tower: Any = self.tower
        with torch.no_grad():
            read = tower.pooled(tokens, keep)
        return self.mapped(read)

    def located(self, place: Tensor) -> Tensor:
        """Return float[b, width] of places, as the tower takes them."""
        tower: Any = self.tower
        with torch.no_grad():
            found = tower.located(place)
        return self.mapped(found)
