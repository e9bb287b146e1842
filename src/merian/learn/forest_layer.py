"""A forest on the device where a network is: outputs of nodes, depth by depth.

Work goes from level to level, so that each node is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.forest import Forest
from merian.learn.full_precision import full

__all__ = ["ForestLayer"]


class ForestLayer(nn.Module):
    """What layers over the nodes of a forest have.

    Args:
        forest: The nodes.
    """

    order: Tensor  # int64[nodes]; the nodes, those of one depth side by side
    place: Tensor  # int64[nodes]; where each stands there

    def __init__(self, forest: Forest) -> None:
        super().__init__()
        self.forest = forest
        order = np.concatenate([np.zeros(0, np.int64), *forest.levels])
        place = np.argsort(order)
        self._sizes = [len(nodes) for nodes in forest.levels]
        starts = np.cumsum([0, *self._sizes])
        # Known from the forest, so not stored with the weights.
        self.register_buffer("order", torch.from_numpy(order), persistent=False)
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        for depth, nodes in enumerate(forest.levels[1:], 1):
            above = place[forest.parent[nodes]] - starts[depth - 1]
            self.register_buffer(f"above_{depth}", torch.from_numpy(above), persistent=False)

    def above(self, depth: int) -> Tensor:
        """Return int64[nodes of a depth]; the place of the one above each, among its own depth."""
        found: Tensor = getattr(self, f"above_{depth}")
        return found

    def checked(self, values: Tensor) -> Tensor:
        """Return float[b, nodes] of 32 bits or more."""
        size = self.forest.size
        if values.ndim != 2 or values.shape[1] != size:
            raise InputError(f"outputs {list(values.shape)}; [b, {size}] expected, one a node")
        return full(values)

    def apart(self, values: Tensor) -> list[Tensor]:
        """Return values [b, nodes] as [nodes, b] of each depth, from the roots down."""
        # Nodes first: what goes to one parent is then added up in rows, which is quick.
        return list(torch.split(values.t().index_select(0, self.order), self._sizes))

    def together(self, levels: Sequence[Tensor]) -> Tensor:
        """Return [b, nodes] of what `apart` took apart."""
        return torch.cat(list(levels)).index_select(0, self.place).t()
