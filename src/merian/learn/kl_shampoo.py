"""KL-Shampoo: matrices preconditioned by the Kronecker factors nearest in divergence.

Lin and others 2025, "Understanding and improving Shampoo and SOAP via Kullback-Leibler
minimization" (arXiv 2509.03378). The mathematics is in `merian.learn.kl_factors`; this is the
optimizer that people hold in their hands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from merian.errors import InputError
from merian.learn import kl_factors
from merian.learn.blocks import Cut
from merian.learn.matrix_optimizer import MatrixOptimizer, Options, State, chosen

__all__ = ["KLShampoo"]

POLISH = 50  # refreshes, after which the bases are made orthogonal again to the last bit


class KLShampoo(MatrixOptimizer):
    """KL-Shampoo for hidden matrices, AdamW for all else, in one torch optimizer.

    Args:
        params: Parameters, groups of them, or (name, parameter) pairs. With names, embeddings,
            heads and the like are told apart and go to AdamW; without, only what has fewer than
            two sides does. See `merian.learn.parameter_groups`. Every option can be a group's own.
        lr: The learning rate; a float or a tensor. It lies on Adam's scale.
        betas: What is kept of the momentum and of the statistics at each step. The papers keep
            0.95 to 0.98 of the statistics; short runs gain by less, long noisy ones may want more.
        eps: Added to the root of the eigenvalues' product, as a share of its scale.
        weight_decay: Decoupled, after the step; for AdamW's parameters too.
        refresh: The bases turn every so many steps, and at each of the first so many, as those of
            one gradient are no good (but not in the paper, nor in KL-SOAP).
        kl_soap: Divide by Adam's second moment in the basis instead of by the eigenvalues; one more
            float a parameter.
        paper: The published constants and conventions, which depend on the gradient's scale: for
            comparison. Nothing is cut, and the first gradient takes no step.
        floor: An eigenvalue is at least this share of the mean of its side.
        damping: White noise added to the second moment, as a share of it.
        nesterov: Look ahead: this gradient counts once more in the momentum that is stepped along.
        cap: The largest root mean square of a block's update; 0 for no cap.
        block: Longer sides are cut evenly; 0 cuts nothing.
        square: Sides are cut to the length of the shortest too (but not below 64), so that the
            state of a long matrix takes no more floats a parameter than that of a square one.
        largest: Still longer sides are not cut and have no factor.
        stacked: The first side counts independent matrices, as in stacked experts.
        flat: All sides after the first are one, as some do with convolutions. It costs memory.
        kind: "matrix" or "adamw" for all parameters of a group; "auto" decides for each.
        adam_lr: AdamW's learning rate; it follows the schedule of lr. None for the same.
        adam_betas: AdamW's betas.
        adam_eps: AdamW's eps.
        maximize: Climb instead of descend.
        owners: Where several processes train together (torch.distributed), each steps a share of
            the parameters and sends the new weights; False lets every process step all of them.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.9, 0.9),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        refresh: int = 10,
        kl_soap: bool = False,
        paper: bool = False,
        floor: float = 1e-4,
        damping: float = 0.0,
        nesterov: bool = True,
        cap: float = 0.0,
        block: int = 1024,
        square: bool = True,
        largest: int = 8192,
        stacked: bool = False,
        flat: bool = False,
        kind: str = "auto",
        adam_lr: float | None = None,
        adam_betas: tuple[float, float] = (0.9, 0.95),
        adam_eps: float = 1e-8,
        maximize: bool = False,
        owners: bool = True,
    ) -> None:
        options = chosen(locals())
        if paper:
            options.update(block=0, nesterov=False)
        super().__init__(params, options)

    def _check(self, group: Options) -> None:
        super()._check(group)
        for name in ("floor", "damping", "cap"):
            if not group[name] >= 0:
                raise InputError(f"{name} is {group[name]}; it cannot be below 0")

    def _layout(self, plan: Cut, group: Options) -> dict[str, tuple[int, ...]]:
        return kl_factors.layout(plan.block, plan.factored, group["kl_soap"])

    def _begin(self, state: State, gradient: Tensor, group: Options) -> bool:
        kl_factors.start(state, gradient, _rule(group))
        return not group["paper"]

    def _advance(self, state: State, gradient: Tensor, step: int, group: Options) -> Tensor:
        direction = kl_factors.step(state, gradient, _rule(group))
        # Adam's second moment does not turn with the basis, so KL-SOAP does not turn it in haste.
        haste = step < group["refresh"] and not (group["paper"] or group["kl_soap"])
        if haste or step % group["refresh"] == 0:
            kl_factors.refresh(state, polish=step % (POLISH * group["refresh"]) == 0)
        return direction


def _rule(group: Options) -> kl_factors.Rule:
    first, second = group["betas"]
    return kl_factors.Rule(
        betas=(first, second),
        eps=group["eps"],
        paper=group["paper"],
        floor=group["floor"],
        damping=group["damping"],
        soap=group["kl_soap"],
        nesterov=group["nesterov"],
        cap=group["cap"],
    )
