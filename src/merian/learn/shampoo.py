"""Plain Shampoo with the step size of Adam; a sibling of KL-Shampoo, for comparison.

Gupta and others 2018 (arXiv 1802.09568), with the exponent -1/2 a side that Morwani and others 2024
(arXiv 2406.17748) and the KL paper compare against. Without grafting its updates have the wrong
size: each block's is scaled to the norm of Adam's (Anil and others 2020, arXiv 2002.09018).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from merian.learn.blocks import Cut
from merian.learn.kl_factors import eigenvectors, rotate, unfold
from merian.learn.matrix_optimizer import MatrixOptimizer, Options, State, chosen

__all__ = ["Shampoo"]

FLOOR = 1e-6  # of the largest eigenvalue: what float32 can tell from zero


class Shampoo(MatrixOptimizer):
    """Shampoo for hidden matrices, AdamW for all else; the options are those of `KLShampoo`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.9, 0.95),
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
                shapes[f"root_{i}"] = shapes[f"factor_{i}"] = (side, side)
        return shapes

    def _begin(self, *_: Any) -> bool:
        return True  # the roots come at the first step

    def _advance(self, state: State, gradient: Tensor, step: int, group: Options) -> Tensor:
        first, second = group["betas"]
        momentum = state["momentum"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        modes = range(gradient.dim() - 1)
        for i in modes:
            if f"factor_{i}" in state:
                w = unfold(gradient, i)
                state[f"factor_{i}"].baddbmm_(w, w.mT, beta=second, alpha=1 - second)
                if step == 1 or step % group["refresh"] == 0:
                    state[f"root_{i}"].copy_(_inverse_root(state[f"factor_{i}"]))
        move = rotate(momentum, [state.get(f"root_{i}") for i in modes])
        adam = momentum / square.sqrt().add_(group["eps"])
        adam *= (1 - second**step) ** 0.5 / (1 - first**step)
        return move * (_norms(adam) / _norms(move).clamp_min(torch.finfo(move.dtype).tiny))


def _inverse_root(square: Tensor) -> Tensor:
    """The power -1/2 of symmetric matrices, up to a scale that grafting takes away."""
    values, vectors = eigenvectors(square)
    values = values / values.amax(1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return torch.bmm(vectors * values.clamp_min(FLOOR).rsqrt()[:, None], vectors.mT)


def _norms(x: Tensor) -> Tensor:
    """The norm of each block, shaped to spread over it."""
    norms: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return norms.view(-1, *(1 for _ in x.shape[1:]))
