"""The trainer: a thin loop over plain torch, for every encoder and every objective.

A run is a folder. Killed at any moment and started again with the same command, it goes on from
its last checkpoint, and on one device ends with the weights of an unbroken run: the examples of a
step and all chance in it follow from the step, and the checkpoint holds the rest.

Under `torchrun` the pieces of a batch are shared out among the processes. The loss of a step is
the mean over the whole batch, whoever had which piece.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch

from merian.errors import InputError
from merian.files import only_writer
from merian.learn.averaging import Average
from merian.learn.checkpoint import (
    flat_state,
    load_checkpoint,
    load_flat_state,
    newest_checkpoint,
    save_checkpoint,
)
from merian.learn.devices import Place, place
from merian.learn.faults import fault, told_plainly, write_fault
from merian.learn.feeding import Reader, Row
from merian.learn.looks import Looks
from merian.learn.optimizers import build_optimizers
from merian.learn.progress import Progress, State, Trained, Watch
from merian.learn.recipe import Recipe
from merian.learn.run_folder import RunFolder, make_folder, open_run
from merian.learn.run_log import RunLog
from merian.learn.saved import save_model
from merian.learn.schedule import share_of_highest
from merian.learn.stepping import Stepper, highest_rates
from merian.learn.stopping import Wish, hear_stops
from merian.learn.task import Task, WholeObjective

__all__ = ["train"]


def train(recipe: Recipe, task: Task, run: Path | str, *, watch: Watch | None = None) -> Trained:
    """Train, or go on with a run that was broken off.

    Args:
        recipe: How.
        task: What, on which examples.
        run: The folder of the run.
        watch: Is told how far it is, after every step.
    """
    path = Path(run)
    steps = _steps(recipe, task)
    with ExitStack() as stack:
        here = stack.enter_context(place(recipe.training.device, recipe.training.precision))
        # What "auto" means here decides the weights, so the run is known by it.
        recipe = replace(recipe, training=replace(recipe.training, precision=here.precision))
        here.first(lambda: make_folder(path))
        here.first(lambda: stack.enter_context(only_writer(path)) is None)
        folder = here.first(lambda: open_run(path, recipe, task, steps))
        done = folder.result()
        if done is not None:
            return Trained(path, done["step"], done["ended"], done["figures"], before=True)
        wish = stack.enter_context(hear_stops())
        stack.enter_context(told_plainly(recipe.training))
        return _Run(recipe, task, folder, steps, here, wish, watch).go()


def _steps(recipe: Recipe, task: Task) -> int:
    """Return how many steps there are."""
    size = sum(task.train.shards)
    if size == 0:
        raise InputError("there are no examples to learn from")
    if task.valid is None and recipe.training.patience is not None:
        raise InputError("training.patience stops by examples held out, and there are none")
    if recipe.training.steps is not None:
        return recipe.training.steps
    assert recipe.training.epochs is not None
    return max(1, math.ceil(recipe.training.epochs * size / recipe.training.batch))


def _fail(
    path: Path, task: Task, row: Row, here: Place, number: int, what: str, bad: Sequence[int]
) -> NoReturn:
    """Stop at a number that is none."""
    cut = row.of_step(number)
    ids = [name for piece in bad for name in task.train.names(cut[piece].indices)]
    here.first(lambda: write_fault(path, number, what, ids))
    raise fault(path, number, what, ids)


class _Run:
    """A run while it goes on."""

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        folder: RunFolder,
        steps: int,
        here: Place,
        wish: Wish,
        watch: Watch | None,
    ) -> None:
        self.recipe, self.training, self.task, self.folder = recipe, recipe.training, task, folder
        self.steps, self.here, self.wish, self.watch = steps, here, wish, watch
        self.objective = task.objective.to(here.device)
        self.optimizers = build_optimizers(recipe.optimizer, self.objective)
        highest = highest_rates(self.optimizers)  # before a checkpoint brings those of its step
        decay = self.training.average
        self.average = Average(self.objective, decay) if decay is not None else None
        self.best: dict[str, torch.Tensor] = {}
        self.state = State()
        self._resume()
        self.log = here.first(lambda: RunLog(folder.path / "log.jsonl", self.state.log))
        pieces = math.lcm(self.training.pieces, here.world)
        self.row = Row(
            tuple(task.train.shards),
            self.training.seed,
            recipe.data.window,
            self.training.batch,
            min(pieces, self.training.batch),
            task.sampler,
        )
        if self.row.pieces % here.world:
            raise InputError(
                f"a batch of {self.training.batch} cannot be shared out among {here.world} "
                "processes; give training.batch a multiple of them"
            )
        self.looks = None
        if task.valid is not None:
            whole = isinstance(self.objective, WholeObjective)
            self.looks = Looks(task.valid, recipe, here, whole)
        # It knows nothing of this run: in a circle, the group of the processes would outlive both.
        self.stepper = Stepper(
            recipe,
            self.objective,
            self.optimizers,
            highest,
            row=self.row,
            steps=steps,
            here=here,
            wish=wish,
            fail=partial(_fail, folder.path, task, self.row, here),
        )
        self.began, self.first, self.before = time.monotonic(), self.state.step, self.state.seconds

    # -- the loop -------------------------------------------------------------------------------

    def go(self) -> Trained:
        """Train to the end, or until somebody wants it to stop."""
        reader = Reader(
            self.task.train,
            self.training.seed,
            self.here,
            row=self.row,
            steps=range(self.state.step, self.steps),
            workers=self.training.workers,
        )
        batches = iter(reader)
        if self.looks is not None and self.training.metric != "loss" and not self.state.step:
            self._check_metric(self.looks.look(self.objective))  # now, and not after hours
        while self.state.step < self.steps and not self.state.ended:
            step = self.stepper.take(self.state.step, batches)
            for means, weights in step.told:
                self._note(means, weights)
            self.state.step += 1
            if self.average is not None:
                self.average.follow(self.objective, self.state.step)
            self._after(step.loss)
            if step.stop and not self.state.ended and self.state.step < self.steps:
                self._save()
                return Trained(self.folder.path, self.state.step, "stopped", self.state.figures)
        return self._finish()

    # -- what is told and kept --------------------------------------------------------------------

    def _note(self, means: Mapping[str, float], weights: Mapping[str, float]) -> None:
        """Add to the sums of the next line of the log."""
        for name, mean in means.items():
            sums = self.state.since.setdefault(name, [0.0, 0.0])
            if weights[name]:
                sums[0] += mean * weights[name]
                sums[1] += weights[name]

    def _gather(self) -> None:
        """Bring the sums of all processes to the one that writes."""
        if self.here.world == 1:
            return
        parts = self.here.gathered([self.state.since])
        self.state.since = {}
        if self.here.writes:
            for part in parts:
                means = {name: s / w if w else 0.0 for name, (s, w) in part.items()}
                self._note(means, {name: w for name, (_, w) in part.items()})

    def _after(self, loss: float) -> None:
        """Do what is due after a step."""
        state, training = self.state, self.training
        done = state.step == self.steps
        now = time.monotonic() - self.began
        state.seconds = self.before + now
        if state.step % training.log == 0 or done:
            self._line()
        if self.looks is not None and (state.step % training.validate == 0 or done):
            self._look()
        if state.step % training.checkpoint == 0 or done or state.ended:
            self._save()
        if self.watch is not None and self.here.writes:
            steps = state.step - self.first
            left = (self.steps - state.step) * now / steps
            rate = steps * training.batch / max(now, 1e-9)
            self.watch(Progress(state.step, self.steps, loss, rate, left))

    def _line(self) -> None:
        """Write a line of the log."""
        self._gather()
        if self.here.writes:
            sums = self.state.since.items()
            means = {n: s / w if w and math.isfinite(s) else None for n, (s, w) in sums}
            share = share_of_highest(self.recipe.schedule, self.state.step - 1, self.steps)
            self.log.write(
                {
                    "step": self.state.step,
                    "epoch": round(self.row.epoch(self.state.step), 6),
                    **means,
                    "learning_rate": self.recipe.optimizer.learning_rate * share,
                    "seconds": round(self.state.seconds, 3),
                }
            )
        self.state.since = {}

    def _look(self) -> None:
        """Look at the examples held out, and see whether patience is at its end."""
        assert self.looks is not None
        state, training = self.state, self.training
        with self._shown():
            state.figures = self.looks.look(self.objective)
        if self.here.writes:
            self.log.write({"step": state.step, "valid": state.figures})
        self._check_metric(state.figures)
        value = state.figures[training.metric]["value"]
        sign = 1 if training.better == "lower" else -1
        now, last = self._stage(state.step), self._stage(self.steps)
        if training.metric == "loss" and now != self._stage(state.best_step):
            state.best = None  # that of another loss
        if value is not None and (state.best is None or sign * value < sign * state.best):
            state.best, state.best_step, state.worse = value, state.step, 0
            state.best_figures = state.figures
            if training.patience is not None:
                with self._shown():
                    tensors = self.objective.state_dict().items()
                    self.best = {k: t.detach().cpu().clone() for k, t in tensors}
        else:
            state.worse += now == last  # what has yet to count may still change it
            if training.patience is not None and state.worse >= training.patience:
                state.ended = "patience"

    def _stage(self, step: int) -> int:
        """Return the stage of the objective in the last of so many steps."""
        return self.objective.stage(max(step - 1, 0) / self.steps)

    def _check_metric(self, figures: Mapping[str, Any]) -> None:
        if self.training.metric not in figures:
            raise InputError(
                f"training.metric is {self.training.metric!r}; the figures are {', '.join(figures)}"
            )

    def _shown(self) -> Any:
        """Return the context in which the model is the one that is looked at and saved."""
        return self.average.put_into(self.objective) if self.average else nullcontext()

    def _save(self) -> None:
        """Write a checkpoint."""
        self._gather()
        tensors, rest = flat_state(self.optimizers)  # all processes take part

        def write() -> None:
            parts: dict[str, Mapping[str, torch.Tensor]] = {
                "model": self.objective.state_dict(),
                "optimizer": tensors,
            }
            if self.average is not None:
                parts["average"] = self.average.tensors
            if self.best:
                parts["best"] = self.best
            self.state.log = self.log.length()
            save_checkpoint(
                self.folder.checkpoints,
                self.state.step,
                parts,
                {**asdict(self.state), "optimizers": rest},
                run=self.folder.id,
                keep=self.training.keep,
            )

        self.here.first(write)

    def _resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        newest = self.here.first(lambda: newest_checkpoint(self.folder.checkpoints))
        if newest is None:
            return
        saved = load_checkpoint(newest)
        state = dict(saved.state)
        load_flat_state(self.optimizers, saved.parts["optimizer"], state.pop("optimizers"))
        self.state = State(**state)
        if not self.here.writes:
            self.state.since = {}
        self.objective.load_state_dict(saved.parts["model"])
        if self.average is not None:
            self.average.load(saved.parts["average"])
        self.best = saved.parts.get("best", {})

    def _finish(self) -> Trained:
        """Save the model, and say what came out."""
        state, early = self.state, bool(self.best)
        figures = state.best_figures if early else state.figures
        ended = state.ended or "steps"
        if early:
            self.objective.load_state_dict(self.best)
        with self._shown() if not early else nullcontext():
            result = {
                "step": state.step,
                "ended": ended,
                "weights_of_step": state.best_step if early else state.step,
                "averaged": self.average is not None,
                "epochs": round(self.row.epoch(state.step), 6),
                "figures": figures,
            }
            data = dict(self.task.card)
            card = {
                "name": self.recipe.name,
                "preprocessing": data.pop("preprocessing", None),
                "taxonomy": data.get("taxonomy"),
                "data": data,
                "recipe": self.recipe.tables(),
                "training": {"run": self.folder.id, **result},
            }

            def write() -> None:
                save_model(self.folder.model, self.objective, card)
                self.folder.finish(result)

            self.here.first(write)
        return Trained(self.folder.path, state.step, ended, figures)
