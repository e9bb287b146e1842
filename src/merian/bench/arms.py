"""One training of one optimizer on one small task, and what it costs; the arms of a comparison.

Every arm gets the same network, batches, warm-up and decay. What is no matrix (embeddings, heads,
norms, biases) is stepped by AdamW in every arm. Time is the processor's, of one thread, so that
what else the machine does is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from merian.bench.training_tasks import TrainingTask, open_task
from merian.learn import SOAP, KLShampoo, Shampoo, parameter_groups
from merian.learn.recipe import SchedulePart
from merian.learn.schedule import share_of_highest

__all__ = ["ARMS", "opened", "train_arm"]

_COURSE = SchedulePart("warm-up-stable-decay", warm_up=0.1, decay=0.6, floor=0.0)
_CURVE, _LOOKS = 25, 6  # points of a curve, and batches for each of them
_LAST_LOOKS = 40
_WEIGHT_DECAY = 0.01

Groups = list[dict[str, Any]]


def _adamw(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    del rest
    return [torch.optim.AdamW(groups, lr=rate, weight_decay=_WEIGHT_DECAY)]


def _muon(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    matrices = [group for group in groups if group["kind"] == "matrix"]
    others = [group for group in groups if group["kind"] != "matrix"]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=_WEIGHT_DECAY),
        torch.optim.AdamW(others, lr=rest, weight_decay=_WEIGHT_DECAY),
    ]


def _soap(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    return [SOAP(groups, lr=rate, adam_lr=rest, weight_decay=_WEIGHT_DECAY)]


def _shampoo(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    return [Shampoo(groups, lr=rate, adam_lr=rest, weight_decay=_WEIGHT_DECAY)]


def _kl_soap(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    return [KLShampoo(groups, lr=rate, adam_lr=rest, weight_decay=_WEIGHT_DECAY, kl_soap=True)]


def _kl_shampoo(groups: Groups, rate: float, rest: float) -> list[Optimizer]:
    return [KLShampoo(groups, lr=rate, adam_lr=rest, weight_decay=_WEIGHT_DECAY)]


ARMS: dict[str, Callable[[Groups, float, float], list[Optimizer]]] = {
    "AdamW": _adamw,
    "Muon": _muon,
    "SOAP": _soap,
    "Shampoo": _shampoo,
    "KL-SOAP": _kl_soap,
    "KL-Shampoo": _kl_shampoo,
}


def opened(folder: str) -> Callable[[list[Any]], list[Any]]:
    """Return what trains a list of arms in this process; their tasks lie in a folder."""
    torch.set_num_threads(1)

    def train(asked: list[Any]) -> list[Any]:
        return [train_arm(_task(folder, job.pop("task")), **job) for job in asked]

    return train


@lru_cache
def _task(folder: str, name: str) -> TrainingTask:
    return open_task(name, Path(folder))


def train_arm(
    task: TrainingTask, *, arm: str, rate: float, rest: float, steps: int, seed: int
) -> dict[str, Any]:
    """Train once and return the curve of the loss on held-out data, and what it cost.

    Args:
        task: What is learnt.
        arm: The optimizer, of `ARMS`.
        rate: Its learning rate.
        rest: AdamW's, for what is no matrix.
        steps: Of training.
        seed: Of the first weights and of the batches.
    """
    torch.manual_seed(seed)
    network = task.network()
    groups = parameter_groups(network)
    matrices = [p for g in groups if g["kind"] == "matrix" for _, p in g["params"]]
    optimizers = ARMS[arm](groups, rate, rest)
    course = partial(share_of_highest, _COURSE, steps=steps)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, course) for each in optimizers]
    random = np.random.default_rng(seed)
    seen = _held_out(task, _LOOKS)
    curve, seconds, stepping = [], 0.0, 0.0
    for step in range(1, steps + 1):
        start = time.process_time()
        loss = task.loss(network, task.batch(random))
        torch.autograd.backward(loss)
        middle = time.process_time()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for schedule in schedules:
            schedule.step()
        end = time.process_time()
        seconds, stepping = seconds + end - start, stepping + end - middle
        if step * _CURVE // steps > (step - 1) * _CURVE // steps:
            curve.append((step, seconds, _look(task, network, seen)))
    return {
        "loss": _look(task, network, _held_out(task, _LAST_LOOKS)),
        "curve": curve,
        "ms": 1000 * seconds / steps,
        "optimizer_ms": 1000 * stepping / steps,
        "state": _state_floats(matrices, optimizers),
    }


def _held_out(task: TrainingTask, count: int) -> list[Sequence[Tensor]]:
    """Return the same batches for everybody."""
    random = np.random.default_rng(0)
    return [task.batch(random, held_out=True) for _ in range(count)]


@torch.no_grad()
def _look(task: TrainingTask, network: nn.Module, batches: Sequence[Sequence[Tensor]]) -> float:
    network.eval()
    losses = [task.loss(network, batch).item() for batch in batches]
    network.train()
    mean = float(np.mean(losses))
    return mean if np.isfinite(mean) else 99.0  # JSON has no infinity; whatever blew up is last


def _state_floats(matrices: Sequence[Tensor], optimizers: Sequence[Optimizer]) -> float:
    """Return how many numbers are kept for each number of a matrix."""
    kept = 0
    for optimizer in optimizers:
        for matrix in matrices:
            state = optimizer.state.get(matrix, {})
            kept += sum(s.numel() for s in state.values() if isinstance(s, Tensor) and s.ndim)
    return kept / sum(matrix.numel() for matrix in matrices)
