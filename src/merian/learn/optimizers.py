"""The optimizer of a recipe: matrices by its kind, and AdamW for the rest.

Every kind gets the same division of the parameters, so that kinds can be compared with each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from merian.errors import InputError
from merian.learn.kl_shampoo import KLShampoo
from merian.learn.parameters import parameter_groups
from merian.learn.recipe import OptimizerPart
from merian.learn.shampoo import Shampoo
from merian.learn.soap import SOAP

__all__ = ["build_optimizers"]

_ADAMW_BETAS = (0.9, 0.95)  # what transformers are trained with; torch's 0.999 is slow to follow


def build_optimizers(part: OptimizerPart, module: nn.Module) -> list[Optimizer]:
    """Return what steps a module: one optimizer, or two where torch needs two."""
    groups = []
    for group in parameter_groups(module):
        pairs = [(name, p) for name, p in group["params"] if p.requires_grad]
        if pairs:
            groups.append({**group, "params": pairs})
    if not groups:
        raise InputError("nothing is left to train: every weight is frozen")
    if part.kind in ("adamw", "muon"):
        return _of_torch(part, groups)
    options: dict[str, Any] = {"lr": part.learning_rate, "weight_decay": part.weight_decay}
    if part.betas is not None:
        options["betas"] = part.betas
    if part.refresh is not None:
        options["refresh"] = part.refresh
    if part.other_learning_rate is not None:
        options["adam_lr"] = part.other_learning_rate
    if part.kind == "soap":
        return [SOAP(groups, **options)]
    if part.kind == "shampoo":
        return [Shampoo(groups, **options)]
    if part.block is not None:
        options["block"] = part.block
    return [KLShampoo(groups, kl_soap=part.kind == "kl-soap", **options)]


def _of_torch(part: OptimizerPart, groups: list[dict[str, Any]]) -> list[Optimizer]:
    """Return AdamW, beside torch's Muon where that is asked for."""
    matrices: list[Any] = []
    rest: list[dict[str, Any]] = []
    for group in groups:
        if group["kind"] == "adamw":
            rest.append({**group, "lr": part.other_learning_rate or part.learning_rate})
        elif part.kind == "adamw":
            rest.append(group)
        else:  # Muon takes matrices alone; a convolution has four sides
            matrices += [(name, p) for name, p in group["params"] if p.ndim == 2]
            if others := [(name, p) for name, p in group["params"] if p.ndim != 2]:
                rest.append({**group, "params": others})
    found: list[Optimizer] = []
    if matrices:
        found.append(
            torch.optim.Muon(
                matrices,
                lr=part.learning_rate,
                weight_decay=part.weight_decay,
                adjust_lr_fn="match_rms_adamw",  # so that its rates are on AdamW's scale
            )
        )
    if rest:
        found.append(
            torch.optim.AdamW(
                rest,
                lr=part.learning_rate,
                betas=part.betas or _ADAMW_BETAS,
                weight_decay=part.weight_decay,
            )
        )
    return found
