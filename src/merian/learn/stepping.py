"""One step of a training: the pieces of a batch through the network, and the optimizers after them.

The gradient of a step is that of the mean over the whole batch, whoever had which piece. A loss or
a gradient that is no finite number ends the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from merian.learn.devices import Place, seed_all
from merian.learn.feeding import Piece, Row
from merian.learn.recipe import Recipe
from merian.learn.schedule import share_of_highest
from merian.learn.stopping import Wish
from merian.learn.task import Batch, Objective, Outcome, WholeObjective
from merian.learn.whole_batch import Surrogate, learn_whole, refuse_statistics

__all__ = ["Step", "Stepper", "highest_rates"]

_CHANCE = 1  # the stream of the objective's own chance: dropout

Means = tuple[dict[str, float], dict[str, float]]  # figures by name, and what they weigh


@dataclass(frozen=True)
class Step:
    """What came of a step.

    Attributes:
        loss: The mean over the batch.
        stop: Whether one of the processes wishes to stop.
        told: What this process has to tell of it.
    """

    loss: float
    stop: bool
    told: Sequence[Means]


class Stepper:
    """Takes the steps of a run.

    Args:
        recipe: How.
        objective: What is trained; it lies on the device, with the weights to go on from.
        optimizers: Of its parameters.
        highest: Their highest learning rates, as `highest_rates` tells them.
        row: Which examples go into which step.
        steps: How many steps there are in all.
        here: The device, and the other processes.
        wish: Whether this process wishes to stop.
        fail: Ends the run; it hears the step, what was no number, and the pieces.
    """

    def __init__(
        self,
        recipe: Recipe,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        highest: Sequence[Sequence[float]],
        *,
        row: Row,
        steps: int,
        here: Place,
        wish: Wish,
        fail: Callable[[int, str, Sequence[int]], NoReturn],
    ) -> None:
        self.recipe, self.training, self.objective = recipe, recipe.training, objective
        self.optimizers, self.highest = optimizers, highest
        self.row, self.steps, self.here, self.wish, self.fail = row, steps, here, wish, fail
        self.own = row.pieces // here.world  # pieces of a step that are ours
        # A loss over several pieces together takes a way of its own.
        self.joined: WholeObjective | None = None
        if isinstance(objective, WholeObjective) and row.pieces > 1:
            objective.train()
            refuse_statistics(objective)
            self.joined = objective if self.own > 1 else None
        self.model: Any = objective if self.joined is None else Surrogate(self.joined)
        if here.world > 1:
            self.model = DistributedDataParallel(self.model, find_unused_parameters=True)

    def take(self, step: int, batches: Iterator[tuple[Piece, Batch]]) -> Step:
        """Take one step.

        Args:
            step: Its number, from 0.
            batches: The pieces of this process, of this step and of those after it.
        """
        self._begin(step)
        ours = islice(batches, self.own)
        told, bad = (
            self._learn_each(ours) if self.joined is None else self._learn_joined(self.joined, ours)
        )
        sums = [sum(w["loss"] for _, w in told), sum(m["loss"] * w["loss"] for m, w in told)]
        weight, loss, wished, faults = self.here.summed(
            torch.tensor([*sums, float(self.wish.stop), float(len(bad))], dtype=torch.float64)
        ).tolist()
        if faults or not math.isfinite(loss):
            self.fail(step, "the loss", sorted(self.here.gathered(bad)) or range(self.row.pieces))
        norm = self._scale(self.here.world / weight if weight else 0.0)
        if not math.isfinite(norm):
            self.fail(step, "the gradient", range(self.row.pieces))
        for optimizer in self.optimizers:
            optimizer.step()
        self.objective.stepped((step + 1) / self.steps)
        if self.here.writes:
            told.append(({"gradient": norm}, {"gradient": 1.0}))
        return Step(loss / weight if weight else math.nan, wished > 0, told)

    def _begin(self, step: int) -> None:
        """Set the learning rates, and make the objective ready."""
        share = share_of_highest(self.recipe.schedule, step, self.steps)
        for optimizer, highest in zip(self.optimizers, self.highest, strict=True):
            for group, rate in zip(optimizer.param_groups, highest, strict=True):
                group["lr"] = rate * share
            optimizer.zero_grad(set_to_none=True)
        self.objective.advance(step / self.steps)
        self.objective.train()

    def _learn_each(self, pieces: Iterator[tuple[Piece, Batch]]) -> tuple[list[Means], list[int]]:
        """Add the gradients of the losses of pieces, and say which of them have none."""
        told: list[Means] = []
        bad: list[int] = []
        for number, (piece, batch) in enumerate(pieces, 1):
            self._seed(piece)
            # The other processes hear of the sum.
            waits = self.here.world > 1 and number < self.own
            with self.model.no_sync() if waits else nullcontext():
                with self.here.autocast():
                    outcome: Outcome = self.model(self.here.put(batch))
                torch.autograd.backward(outcome.loss.float() * outcome.weight)
            told.append(_means(outcome))
            if not math.isfinite(told[-1][0]["loss"]):
                bad.append(piece.number)
        return told, bad

    def _learn_joined(
        self, objective: WholeObjective, given: Iterator[tuple[Piece, Batch]]
    ) -> tuple[list[Means], list[int]]:
        """Add the gradient of the loss over all pieces, and say which of them spoil it."""
        pieces, batches = zip(*given, strict=True)
        outcome, odd = learn_whole(
            objective, self.model, batches, self.here, lambda i: self._seed(pieces[i])
        )
        return [_means(outcome)], [pieces[number].number for number in odd]

    def _seed(self, piece: Piece) -> None:
        """Begin the chance of a piece."""
        seed_all(self.training.seed, _CHANCE, piece.step, piece.number)

    def _scale(self, factor: float) -> float:
        """Make the gradient that of the mean, no longer than it may be; return its length."""
        gradients = [p.grad for p in self.objective.parameters() if p.grad is not None]
        if not gradients:
            return 0.0
        torch._foreach_mul_(gradients, factor)
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.training.clip:
            parameters = [p for p in self.objective.parameters() if p.grad is not None]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.training.clip, norm)
        return float(norm)


def highest_rates(optimizers: Sequence[Optimizer]) -> list[list[float]]:
    """Return the learning rates that optimizers begin with, which a schedule makes smaller."""
    return [[float(group["lr"]) for group in one.param_groups] for one in optimizers]


def _means(outcome: Outcome) -> Means:
    """Return the loss and the figures as numbers, and what each weighs."""
    means: Mapping[str, torch.Tensor] = {"loss": outcome.loss, **outcome.figures}
    values = torch.stack([v.detach().double().reshape(()) for v in means.values()]).tolist()
    weights = {name: outcome.weights.get(name, outcome.weight) for name in means}
    return dict(zip(means, values, strict=True)), weights
