"""Which process steps which parameter, where many train one model together.

Under data parallelism every process has the same weights and gradients. The costly part of a step
is shared out: each parameter has one owner, which keeps its state and steps it, and then sends its
new weights to all. So n processes hold an n-th of the state each, and do an n-th of the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["gather_state", "rank", "send_weights", "share_out", "size"]


def size() -> int:
    """How many processes train together; 1 where nobody has set them up."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process."""
    return dist.get_rank() if size() > 1 else 0


def share_out(costs: Sequence[Sequence[int]], processes: int) -> list[list[int]]:
    """Give each parameter to the process that has least to do so far, the costly ones first.

    A group that is added later changes nothing of what was given before.

    Args:
        costs: What a step of each parameter costs, group by group.
        processes: How many processes there are.

    Returns:
        The owner of each parameter, group by group.
    """
    loads = [0] * processes
    owners: list[list[int]] = []
    for group in costs:
        mine = [0] * len(group)
        for number in sorted(range(len(group)), key=lambda n: (-group[n], n)):
            owner = loads.index(min(loads))
            loads[owner] += group[number]
            mine[number] = owner
        owners.append(mine)
    return owners


def send_weights(parameters: Sequence[Tensor], owners: Mapping[Tensor, int]) -> None:
    """Let every process have the weights of each parameter's owner; all processes call this."""
    parcels: dict[tuple[int, torch.dtype, torch.device], list[Tensor]] = {}
    for parameter in parameters:
        key = (owners[parameter], parameter.dtype, parameter.device)
        parcels.setdefault(key, []).append(parameter)
    sent = []
    for (owner, _, _), members in parcels.items():
        flat = torch.cat([member.detach().reshape(-1) for member in members])
        sent.append((flat, members, dist.broadcast(flat, src=owner, async_op=True)))
    for flat, members, work in sent:
        work.wait()
        parts = torch.split(flat, [member.numel() for member in members])
        for member, part in zip(members, parts, strict=True):
            if owners[member] != rank():
                member.detach().copy_(part.view_as(member))


def gather_state(
    states: Mapping[int, Mapping[str, Tensor]],
    devices: Mapping[int, torch.device],
    *,
    everywhere: bool,
) -> dict[int, dict[str, Tensor]]:
    """Bring the state of all parameters together on the CPU; all processes call this.

    Args:
        states: The state of the parameters that this process owns, by number.
        devices: Where each parameter lies: tensors travel from there.
        everywhere: Whether every process gets it all, or the first alone.
    """
    mine = {n: {k: (v.shape, v.dtype) for k, v in state.items()} for n, state in states.items()}
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, mine)
    whole: dict[int, dict[str, Tensor]] = {}
    owners = {number: owner for owner, plan in enumerate(found) for number in plan}
    for number, owner in sorted(owners.items()):
        values: dict[str, Tensor] = {}
        for key, (shape, kind) in found[owner][number].items():
            if owner == rank():
                tensor = states[number][key].to(devices[number]).contiguous()
            else:
                tensor = torch.empty(shape, dtype=kind, device=devices[number])
            carried = tensor.view(-1).view(torch.uint8) if kind == torch.int16 else tensor
            dist.broadcast(carried, src=owner)  # gloo and NCCL know no 16-bit integers
            values[key] = tensor.to("cpu", copy=True)
        if everywhere or rank() == 0:
            whole[number] = values
    return whole
