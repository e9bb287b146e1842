"""SOAP: Adam in the eigenbasis of Shampoo's factors; a sibling of KL-Shampoo, for comparison.

Vyas and others 2024 (arXiv 2409.11321). The factors are averages of plain Gram matrices, kept whole
and uncut as published. Two things are done more cheaply than there, with the same result: the
momentum is kept in the basis, and turned only when the basis turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from merian.learn.blocks import Cut
from merian.learn.kl_factors import bases_of, eigenvectors, rotate, unfold
from merian.learn.matrix_optimizer import MatrixOptimizer, Options, State, chosen

__all__ = ["SOAP"]


class SOAP(MatrixOptimizer):
    """SOAP for hidden matrices, AdamW for all else; the options are those of `KLShampoo`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        refresh: int = 10,
        block: int = 0,
        largest: int = 10_000,
        stacked: bool = False,
        flat: bool = False,
        kind: str = "auto",
        adam_lr: float | None = None,
        adam_betas: tuple[float, float] = (0.9, 0.95),
        adam_eps: float = 1e-8,
        maximize: bool = False,
        owners: bool = True,
    ) -> None:
        super().__init__(params, chosen(locals()))

    def _layout(self, plan: Cut, _: Options) -> dict[str, tuple[int, ...]]:
        shapes = {"momentum": plan.block, "square": plan.block}
        for i, (side, has) in enumerate(zip(plan.block, plan.factored, strict=True)):
            if has:
                shapes[f"basis_{i}"] = shapes[f"factor_{i}"] = (side, side)
        return shapes

    def _begin(self, state: State, gradient: Tensor, group: Options) -> bool:
        _enter(state, gradient, group["betas"][1])
        for i, basis in enumerate(bases_of(state)):
            if basis is not None:
                basis.copy_(eigenvectors(state[f"factor_{i}"])[1])
        return False  # as published, the first gradient only sets the basis

    def _advance(self, state: State, gradient: Tensor, step: int, group: Options) -> Tensor:
        first, second = group["betas"]
        bases = bases_of(state)
        rotated = rotate(gradient, bases)
        momentum = state["momentum"].lerp_(rotated, 1 - first)
        square = state["square"].mul_(second).addcmul_(rotated, rotated, value=1 - second)
        move = momentum / square.sqrt().add_(group["eps"])
        move *= (1 - second**step) ** 0.5 / (1 - first**step)
        direction = rotate(move, [None if basis is None else basis.mT for basis in bases])
        _enter(state, gradient, second)
        if step % group["refresh"] == 0:
            _refresh(state)
        return direction


def _enter(state: State, gradient: Tensor, keep: float) -> None:
    """Let the Gram matrices of a gradient enter the factors."""
    for i in range(gradient.dim() - 1):
        if f"factor_{i}" in state:
            w = unfold(gradient, i)
            state[f"factor_{i}"].baddbmm_(w, w.mT, beta=keep, alpha=1 - keep)


def _refresh(state: State) -> None:
    """Sort every basis by its eigenvalues, and the squares; turn it one iteration further."""
    turns: list[Tensor | None] = []
    for i, basis in enumerate(bases_of(state)):
        if basis is None:
            turns.append(None)
            continue
        product = torch.bmm(state[f"factor_{i}"], basis)
        order = (basis * product).sum(1).argsort(dim=1, descending=True, stable=True)
        fresh = torch.linalg.qr(product.gather(2, order[:, None].expand_as(product))).Q
        turns.append(torch.bmm(basis.mT, fresh))
        basis.copy_(fresh)
        square = state["square"]
        along = order.view(*(n if j in {0, i + 1} else 1 for j, n in enumerate(square.shape)))
        square.copy_(square.gather(i + 1, along.expand_as(square)))
    state["momentum"].copy_(rotate(state["momentum"], turns))
