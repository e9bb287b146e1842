"""Large batches on small memory: the gradient of a loss over a whole batch, a part at a time.

A contrast needs all rows at once, but not all that it took to make them. So the parts first go
through the network without a gradient, and only their rows are kept; the loss of all rows tells the
gradient of each; then the parts go through again, with the same chance as before, and take it back
to the weights. It is the gradient of the undivided batch, for one more pass forward.

Reference: Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup,
2021, arXiv:2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from merian.errors import InputError
from merian.learn.devices import Place
from merian.learn.task import Batch, Outcome, WholeObjective

__all__ = ["Surrogate", "cut", "learn_whole", "outcome_of", "refuse_statistics"]


def refuse_statistics(objective: WholeObjective) -> None:
    """Refuse batch normalisation by the statistics of a part; it is asked in training mode."""
    for name, module in objective.named_modules():
        if isinstance(module, _BatchNorm) and module.training:
            raise InputError(
                f"{name} normalises by the statistics of a piece of the batch, so that the "
                "gradient would not be that of the whole. Keep the statistics that it came with, "
                "freeze its encoder, or give training.pieces=1 and one process"
            )


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Return a batch in so many parts, or in single examples where they are fewer."""
    size = len(next(iter(batch.values())))
    split = {name: tensor.tensor_split(max(1, min(parts, size))) for name, tensor in batch.items()}
    return [dict(zip(split, part, strict=True)) for part in zip(*split.values(), strict=True)]


def outcome_of(objective: WholeObjective, parts: Sequence[Batch], here: Place) -> Outcome:
    """Return what an objective says of a batch in parts, without a gradient or any chance."""
    with torch.no_grad():
        rows, facts, _ = _rows(objective, parts, here, lambda _: None)
        with here.autocast():
            return objective.outcome(rows, facts)


class Surrogate(nn.Module):
    """Stands for the loss: it has its gradient, as far as that comes through some of the examples.

    Args:
        objective: Whose loss it is.
    """

    def __init__(self, objective: WholeObjective) -> None:
        super().__init__()
        self.objective = objective

    def forward(
        self, batch: Batch, rows: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
    ) -> Tensor:
        """Return a number; it means nothing but its gradient.

        Args:
            batch: Examples.
            rows: The gradient of the loss in their rows.
            parameters: Its gradient in parameters that do not work through rows, by name.
        """
        found = self.objective.rows(batch)
        terms = [(found[name] * gradient).sum() for name, gradient in rows.items()]
        named = dict(self.objective.named_parameters())
        terms += [(named[name] * gradient).sum() for name, gradient in parameters.items()]
        return torch.stack(terms).sum()


def learn_whole(
    objective: WholeObjective,
    surrogate: Any,
    parts: Sequence[Batch],
    here: Place,
    chance: Callable[[int], None],
) -> tuple[Outcome, list[int]]:
    """Add the gradient of a batch, times its weight, to that of the parameters.

    Args:
        objective: What learns.
        surrogate: Its `Surrogate`; where there are other processes, with what tells them of
            gradients around it.
        parts: The batch, as far as this process has it.
        here: The device, and the other processes.
        chance: Seeds the chance of a part, each time before it goes through.

    Returns:
        What the objective says of the batch; and, where its loss is not finite, which parts have
        rows that are not.
    """
    rows, facts, sizes = _rows(objective, parts, here, chance)
    odd = []
    for each in rows.values():
        each.requires_grad_()
    with here.autocast():
        outcome = objective.outcome(rows, facts)
    if not torch.isfinite(outcome.loss):
        split = zip(*(torch.split(each.detach(), sizes) for each in rows.values()), strict=True)
        odd = [i for i, some in enumerate(split) if not all(r.isfinite().all() for r in some)]
    trained = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    # Not into the parameters: other processes are to hear of all of it at once, with the last part.
    of_rows, of_rest = _gradients(outcome, rows, trained)
    cached = {name: torch.split(gradient, sizes) for name, gradient in of_rows.items()}
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        chance(number)
        with surrogate.no_sync() if here.world > 1 and not last else nullcontext():
            with here.autocast():
                gradients = {name: each[number] for name, each in cached.items()}
                stands = surrogate(here.put(part), gradients, of_rest if last else {})
            torch.autograd.backward(stands)
    return outcome, odd


def _rows(
    objective: WholeObjective, parts: Sequence[Batch], here: Place, chance: Callable[[int], None]
) -> tuple[dict[str, Tensor], Batch, list[int]]:
    """Return the rows and facts of all parts, without a gradient, and how many rows each has."""
    found: list[dict[str, Tensor]] = []
    facts: list[Batch] = []
    for number, part in enumerate(parts):
        chance(number)
        batch = here.put(part)
        with torch.no_grad(), here.autocast():
            found.append(objective.rows(batch))
        facts.append(objective.facts(batch))
    sizes = [len(next(iter(rows.values()))) for rows in found]
    return _joined(found), _joined(facts), sizes


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return tables of the same columns under each other."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _gradients(
    outcome: Outcome, rows: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the gradients of a loss, times its weight: in rows, and in parameters that it has."""
    loss = outcome.loss.float() * outcome.weight
    sought = [*rows.values(), *parameters.values()]
    found = torch.autograd.grad(loss, sought, allow_unused=True)
    of_rows = {
        name: torch.zeros_like(each) if gradient is None else gradient
        for (name, each), gradient in zip(rows.items(), found, strict=False)
    }
    rest = zip(parameters, found[len(rows) :], strict=True)
    return of_rows, {name: gradient for name, gradient in rest if gradient is not None}
