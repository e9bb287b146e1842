"""AdamW for the parameters that are no hidden matrices; state in float32 whatever their type."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from merian.learn.precision import narrow_, new_rest, widen

__all__ = ["adamw_step"]


def adamw_step(parameters: list[Tensor], state: Any, group: dict[str, Any]) -> None:
    """Take one step of AdamW on parameters that all have a gradient.

    Args:
        parameters: What to step.
        state: The optimizer's state, a dict for each parameter; new ones are filled.
        group: The options: lr, adam_scale, adam_betas, adam_eps, weight_decay, maximize.
    """
    for parameter in parameters:
        if not state[parameter]:
            _start(parameter, state[parameter])
    for device in {p.device: None for p in parameters}:
        here = [p for p in parameters if p.device == device]
        states = [state[p] for p in here]
        gradients = [p.grad for p in here if p.grad is not None]
        weights = [widen(p, s.get("rest")) for p, s in zip(here, states, strict=True)]
        adamw(
            weights,
            [g.to(w.dtype) for g, w in zip(gradients, weights, strict=True)],
            [s["average"] for s in states],
            [s["square"] for s in states],
            [],
            [s["step"] for s in states],
            amsgrad=False,
            beta1=group["adam_betas"][0],
            beta2=group["adam_betas"][1],
            lr=float(group["lr"]) * group["adam_scale"],
            weight_decay=group["weight_decay"],
            eps=group["adam_eps"],
            maximize=group["maximize"],
        )
        for parameter, values, weight in zip(here, states, weights, strict=True):
            narrow_(parameter, values.get("rest"), weight)


def _start(parameter: Tensor, values: dict[str, Tensor]) -> None:
    kind = torch.promote_types(parameter.dtype, torch.float32)
    values["step"] = torch.zeros((), dtype=torch.float32)
    values["average"] = torch.zeros_like(parameter, dtype=kind)
    values["square"] = torch.zeros_like(parameter, dtype=kind)
    rest = new_rest(parameter)
    if rest is not None:
        values["rest"] = rest
