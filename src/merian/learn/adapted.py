"""A frozen encoder with a small network behind it that learns.

The tower stays as it is: nothing of it is trained, and neither its dropout nor its norms change in
training. So its vectors need to be made only once; kept ones go through `mapped`, and give what the
items themselves give. What is behind is residual and begins as nothing: the first vectors are those
of the tower, of one length; or their main axes, evened out, as most of what a general network sees
tells no taxa apart. The axes are fitted to vectors before training, and learn no more.

References: Houlsby and others, arXiv:1902.00751; Gao and others, CLIP-Adapter, arXiv:2110.04544.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.encoding import width_of
from merian.sizes import check_sizes

__all__ = ["Adapted", "AdaptedConfig", "evened"]


@dataclass(frozen=True)
class AdaptedConfig:
    """What stands behind the tower.

    Attributes:
        hidden: Numbers between the two maps of a block; 0 is as many as the tower makes.
        layers: Blocks; with 0 the tower's vectors are brought to one length and no more.
        dropout: Share of values set to zero in training, between the two maps; and of the axes.
        axes: Main axes of the tower's vectors that are kept; 0 leaves all numbers as they are.
        power: Of an axis' spread by which it is divided: 1 makes all axes alike.
    """

    hidden: int = 0
    layers: int = 1
    dropout: float = 0.0
    axes: int = 0
    power: float = 0.5

    def __post_init__(self) -> None:
        check_sizes(self, {"hidden": 0, "layers": 0, "axes": 0})


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
    mean: Tensor
    turn: Tensor

    def __init__(self, tower: nn.Module, config: AdaptedConfig) -> None:
        super().__init__()
        self.config, self.given = config, width_of(tower)
        self.width = config.axes or self.given
        if config.axes:
            self.register_buffer("mean", torch.zeros(self.given))
            self.register_buffer("turn", torch.eye(self.given, config.axes))
        self.dropout = nn.Dropout(config.dropout)
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
        if vectors.shape[-1] != self.given:
            raise InputError(
                f"vectors of {vectors.shape[-1]} numbers; the tower makes {self.given}, so they "
                "are of another encoder"
            )
        unit = functional.normalize(vectors.float(), dim=-1)
        # A number is about 1, whatever the tower's scale and whether lengths were kept.
        if self.config.axes:
            even = self.dropout((unit - self.mean) @ self.turn)
        else:
            even = unit * self.width**0.5
        adapted: Tensor = self.adapter(even)
        return adapted

    @torch.no_grad()
    def fit(self, vectors: NDArray[np.floating[Any]]) -> None:
        """Take the mean, the main axes and their spread from vectors that the tower made."""
        rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        mean, turn = evened(rows.astype(np.float32), self.config.axes, self.config.power)
        self.mean.copy_(torch.from_numpy(mean))
        self.turn.copy_(torch.from_numpy(turn))

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


def evened(
    vectors: NDArray[np.float32], axes: int, power: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean, and the matrix to the main axes, each divided by a power of its spread.

    Where there are fewer axes than asked, the rest of the matrix is 0.
    """
    mean = vectors.mean(0)
    spread, turn = np.linalg.eigh(np.cov((vectors - mean).T, bias=True))
    best = np.argsort(-spread)[: min(axes, len(vectors) - 1)]
    kept = np.sqrt(np.maximum(spread[best], spread.max() * 1e-6))
    found = np.zeros((vectors.shape[1], axes), np.float32)
    found[:, : len(best)] = turn[:, best] * kept**-power
    # So that the numbers are about 1, as layers expect.
    found /= np.sqrt(np.mean(((vectors - mean) @ found) ** 2))
    return mean.astype(np.float32), found
