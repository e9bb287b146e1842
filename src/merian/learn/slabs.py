"""State of equal blocks in one piece of memory, so that one batched product serves them all.

The optimizer's own state, a dict of tensors for each parameter, is made of views of slabs: what is
saved is what is stepped, and nothing is gathered or scattered at a step. A slab never grows;
parameters that first have a gradient together get one together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from merian.learn.blocks import Cut

__all__ = ["Member", "Slab"]


@dataclass
class Member:
    """A parameter whose state lies in a slab: where it lies, and the views that show it."""

    parameter: Tensor
    cut: Cut
    start: int
    views: dict[str, Tensor] = field(default_factory=dict)

    @property
    def stop(self) -> int:
        """The block after its last."""
        return self.start + self.cut.count


class Slab:
    """The stacked state of parameters whose blocks have one shape.

    Args:
        parameters: The parameters with how each is cut.
        layout: The shape of each tensor of one block's state.
    """

    def __init__(
        self, parameters: Sequence[tuple[Tensor, Cut]], layout: dict[str, tuple[int, ...]]
    ) -> None:
        self.members: list[Member] = []
        place = 0
        for parameter, cut in parameters:
            self.members.append(Member(parameter, cut, place))
            place += cut.count
        device = parameters[0][0].device
        self.tensors = {
            key: torch.zeros((place, *shape), dtype=torch.float32, device=device)
            for key, shape in layout.items()
        }
        for member in self.members:
            member.views = {
                key: tensor[member.start : member.stop] for key, tensor in self.tensors.items()
            }

    def holds(self, state: Any) -> bool:
        """Whether the state of every member is still its views, and not something put in place."""
        return all(
            state[member.parameter].get(key) is view
            for member in self.members
            for key, view in member.views.items()
        )

    def part(self, members: Sequence[Member]) -> dict[str, Tensor]:
        """The stacked state of neighbours."""
        first, last = members[0].start, members[-1].stop
        return {key: tensor[first:last] for key, tensor in self.tensors.items()}

    def runs(self, marks: dict[Tensor, Any], most: int) -> Iterator[list[Member]]:
        """Neighbours that have the same mark, at most so many numbers together.

        Args:
            marks: What each parameter that is to be stepped has in common with some others.
            most: How many numbers of the parameters a run may have, so that what is computed on
                the way stays small. A single parameter may be larger.
        """
        run: list[Member] = []
        size = 0
        for member in self.members:
            mark = marks.get(member.parameter)
            numbers = member.parameter.numel()
            fits = run and mark == marks.get(run[-1].parameter) and size + numbers <= most
            if run and not (mark is not None and fits):
                yield run
                run, size = [], 0
            if mark is not None:
                run, size = [*run, member], size + numbers
        if run:
            yield run
