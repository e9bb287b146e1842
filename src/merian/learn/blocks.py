"""How a parameter is cut into the blocks that a matrix optimizer works on.

A factor of a side of length d costs d^2 floats and d^3 operations, so long sides are cut evenly.
Sides of length 1 are left out, and a side that is too long even for cutting goes without a factor:
the block keeps it whole, and only the other sides are preconditioned. A side that does not divide
is padded with rows of zeros, less than one row a piece; they take no part in the update.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

__all__ = ["Cut", "cut"]

_SHORT = 64


@dataclass(frozen=True)
class Cut:
    """The blocks of one parameter.

    Attributes:
        shape: The parameter's own shape.
        stack: How many independent tensors lie in its first side; 1 where there are none.
        sides: The sides of one of them, without those of length 1.
        pieces: Into how many pieces each side is cut.
        block: The sides of a block.
        factored: Which sides of a block have a factor.
    """

    shape: tuple[int, ...]
    stack: int
    sides: tuple[int, ...]
    pieces: tuple[int, ...]
    block: tuple[int, ...]
    factored: tuple[bool, ...]

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self.stack * prod(self.pieces)

    @property
    def cost(self) -> int:
        """Multiplications a step needs, nearly: what the share of a process is measured in."""
        size = prod(self.block)
        turns = sum(
            3 * size * side for side, has in zip(self.block, self.factored, strict=True) if has
        )
        return self.count * (turns + size)

    def split(self, tensor: Tensor, out: Tensor) -> None:
        """Write the blocks of a tensor of the parameter's shape into out, [count, *block]."""
        parts = tensor.reshape(self.stack, *self.sides)
        padding = self._padding()
        if any(padding):
            parts = torch.nn.functional.pad(parts, padding)
        fine, order = self._fine()
        out.view(self.stack, *self.pieces, *self.block).copy_(parts.reshape(fine).permute(order))

    def join(self, blocks: Tensor) -> Tensor:
        """Return the tensor whose blocks these are."""
        n = len(self.sides)
        coarse = blocks.reshape(self.stack, *self.pieces, *self.block)
        back = [0] + [place for i in range(n) for place in (1 + i, 1 + n + i)]
        whole = [p * b for p, b in zip(self.pieces, self.block, strict=True)]
        joined = coarse.permute(back).reshape(self.stack, *whole)
        for i, side in enumerate(self.sides):
            joined = joined.narrow(i + 1, 0, side)
        return joined.reshape(self.shape)

    def _fine(self) -> tuple[list[int], list[int]]:
        """The shape with each side as pieces of a block's side, and the order pieces first."""
        n = len(self.sides)
        both = [x for pair in zip(self.pieces, self.block, strict=True) for x in pair]
        return [self.stack, *both], [0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2)]

    def _padding(self) -> list[int]:
        """How many zeros to add to each side, the last side first, as torch wants it."""
        missing = [p * b - s for p, b, s in zip(self.pieces, self.block, self.sides, strict=True)]
        return [x for m in reversed(missing) for x in (0, m)]


def cut(
    shape: tuple[int, ...],
    *,
    block: int,
    largest: int,
    stacked: bool = False,
    flat: bool = False,
    square: bool = False,
) -> Cut:
    """Plan the blocks of a parameter with at least two sides longer than 1, its stack apart.

    Args:
        shape: The parameter's shape.
        block: The longest side that a block with factors may have; 0 cuts nothing.
        largest: A longer side gets no factor, and is not cut.
        stacked: Whether the first side counts independent tensors.
        flat: Whether all sides after the first are one side.
        square: Whether a side is cut to the length of the shortest too, so that the factors of a
            block never have many more numbers than the block. Sides of 64 cost little, and stay.
    """
    stack, sides = (shape[0], shape[1:]) if stacked else (1, shape)
    sides = tuple(side for side in sides if side > 1) or (1,)
    if flat and len(sides) > 1:
        sides = (sides[0], prod(sides[1:]))
    factored = tuple(side <= largest for side in sides)
    if not any(factored):  # nothing would be left of the method: cut them all instead
        factored = (True,) * len(sides)
    if square and block:
        shortest = min(side for side, has in zip(sides, factored, strict=True) if has)
        block = min(block, max(shortest, _SHORT))
    pieces = tuple(
        -(-side // block) if has and block else 1 for side, has in zip(sides, factored, strict=True)
    )
    sizes = tuple(-(-side // count) for side, count in zip(sides, pieces, strict=True))
    return Cut(shape, stack, sides, pieces, sizes, factored)
