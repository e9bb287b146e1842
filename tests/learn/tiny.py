"""A task that is trained in a second: points in space, and a small network that sorts them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import torch
from tests.learn.recipe_text import RECIPE
from torch import nn
from torch.nn import functional

from merian.files import write_text
from merian.learn.recipe import Recipe, read_recipe
from merian.learn.task import Objective, Outcome, Task


class Points:
    """Points with the eighth of the space in which they lie; with noise, which is chance."""

    def __init__(self, shards: Sequence[int] = (10, 11, 9), seed: int = 0, bad: int = -1) -> None:
        self.shards = shards
        self.points = np.random.default_rng(seed).normal(size=(sum(shards), 6))
        self.bad = bad

    def names(self, indices):
        return [f"P{i}" for i in indices]

    def batch(self, indices, random):
        points = self.points[indices] + 0.1 * random.normal(size=(len(indices), 6))
        if self.bad >= 0:
            points[indices == self.bad] = np.nan
        return {
            "points": torch.tensor(points, dtype=torch.float32),
            "eighth": torch.tensor((self.points[indices, :3] > 0) @ [1, 2, 4]),
        }


class Eighths(Objective):
    """Two layers with dropout between them."""

    def __init__(self, width: int = 16, dropout: float = 0.2, ballast: int = 0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(6, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.heads = nn.Linear(width, 8)
        self.idle = nn.Linear(3, 3)  # gets no gradient, as a modality that is missing
        self.register_buffer("ballast", torch.zeros(ballast))

    def forward(self, batch) -> Outcome:
        logits = self.heads(self.encoder(batch["points"]))
        loss = functional.cross_entropy(logits, batch["eighth"])
        right = (logits.argmax(1) == batch["eighth"]).float().mean()
        return Outcome(loss, {"right": right.detach()}, weight=float(len(logits)))

    def card(self) -> dict[str, Any]:
        return {"kind": "eighths", "encoder": {"kind": "tiny"}, "heads": {}}


def task(*, bad: int = -1, valid: bool = True, **options: Any) -> Task:
    torch.manual_seed(0)
    return Task(
        Eighths(**options),
        Points(bad=bad),
        Points((40,), seed=1) if valid else None,
        {"source": "points"},
    )


def recipe(folder: Path, *changes: str) -> Recipe:
    path = folder / "tiny.toml"
    write_text(path, RECIPE)  # whole: two processes may do this at once
    return read_recipe(path, changes)


def threads_of_the_group() -> int:
    """How many threads of the process group there are; one that lives on may abort at the exit."""
    tasks = Path("/proc/self/task")
    names = []
    for one in tasks.iterdir() if tasks.is_dir() else []:
        with suppress(OSError):  # it ended between the listing and the reading
            names.append((one / "comm").read_text())
    return sum("gloo" in name for name in names)


def main(make: Callable[..., Task] = task) -> None:
    """Train in a process of its own: RUN OPTIONS CHANGE..."""
    from merian.learn.trainer import train

    run, options, *changes = sys.argv[1:]
    folder = Path(run).parent
    done = train(recipe(folder, *changes), make(**json.loads(options)), run)
    left = threads_of_the_group()
    until = monotonic() + 10  # a thread that was joined stays listed for a moment
    while left and monotonic() < until:
        sleep(0.05)
        left = threads_of_the_group()
    sys.stdout.write(f"{done.step} {done.ended} {done.before} {left}\n")  # at once, beside another


if __name__ == "__main__":
    main()
