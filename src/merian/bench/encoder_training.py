"""Trainings for `merian bench dna-encoders`: through the product, each in a process of its own.

A training packs nothing but the references of its split, follows a recipe, and leaves the vectors
of references and queries beside its model; where it learned names, also those that it gives to the
queries. What is done stays in the folder of the run, and a run that was killed goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian import __version__
from merian.bench.child import end_with_parent
from merian.bench.encoder_arms import ARMS, Arm, steps_of
from merian.bench.encoder_scores import linear
from merian.bench.encoder_splits import REFERENCES, Split, open_split
from merian.errors import InputError
from merian.files import new_folder, write_json
from merian.learn import Asked, make_pack, read_recipe
from merian.learn.recipe import Recipe
from merian.tensors import map_tensors, write_tensors

__all__ = ["Learned", "Training", "pack_split", "read_learned", "train_here"]

VECTORS, TOLD = "vectors.safetensors", "told.json"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Training:
    """One training of one arm on one split.

    Attributes:
        split: What is learned from.
        arm: Of `ARMS`.
        seed: Of all chance.
        steps: Instead of those of the table, if given.
        changes: In every recipe, behind those of the arm.
    """

    split: Split
    arm: str
    seed: int = 0
    steps: int | None = None
    changes: tuple[str, ...] = ()

    @property
    def start(self) -> Training | None:
        """The training whose weights this one begins with."""
        name = ARMS[self.arm].start
        return dataclasses.replace(self, arm=name) if name else None

    @property
    def length(self) -> int:
        """How many steps it has."""
        return steps_of(self.split.name, ARMS[self.arm], self.steps)

    def recipe(self, start: Path | None = None) -> Recipe:
        """Return the recipe; nothing is held out of it, as the queries judge what comes of it."""
        arm: Arm = ARMS[self.arm]
        changes = [*arm.changed(self.changes), f"training.seed={self.seed}"]
        changes.append(f"training.steps={max(1, self.length)}")
        if start is not None:
            changes.append(f"encoder.from={start}")
        recipe = read_recipe(arm.recipe, changes)
        whole = dataclasses.replace(recipe.training, patience=None)
        return dataclasses.replace(recipe, training=whole)

    @property
    def name(self) -> str:
        """What its folder is called: it tells all that decides the result."""
        before = self.start.name if self.start else ""
        decided = [__version__, self.recipe().text(), self.length, self.split.hash, before]
        text = json.dumps(decided).encode()
        digest = hashlib.blake2b(text, digest_size=4).hexdigest()
        arm = self.arm.replace(" ", "-").replace("+", "-plus")
        return f"{self.split.name}-{arm}-{self.seed}-{digest}"


@dataclass(frozen=True, eq=False)
class Learned:
    """What a training came to.

    Attributes:
        references: float32[n, dim]; NaN where a sequence cannot be read.
        queries: The same of the queries.
        names: rank -> what each query is called, as the split names it; empty if no names were
            learned.
        probed: The species of each query by a linear classifier on the vectors; empty where these
            were bent to the names, or no species is known.
        parameters: Of the encoder.
        seconds: Of training.
    """

    references: Floats
    queries: Floats
    names: Mapping[str, Sequence[str]]
    probed: Sequence[str]
    parameters: int
    seconds: float


def pack_split(split: Split) -> Path:
    """Pack the references of a split, and nothing else, if that is not done."""
    folder = split.folder / "pack"
    make_pack([split.folder / REFERENCES], folder, Asked("barcodes", valid=0.0))
    return folder


def read_learned(run: Path) -> Learned:
    """Return what a training has left."""
    folder = run / "bench"
    arrays = map_tensors(folder / VECTORS)
    told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
    return Learned(
        np.array(arrays["references"]), np.array(arrays["queries"]), told["names"], told["probed"],
        told["parameters"], told["seconds"],
    )  # fmt: skip


def is_done(run: Path) -> bool:
    """Return whether a training has left what it should."""
    return (run / "bench" / TOLD).is_file()


def train_here(training: Training, runs: Path) -> Path:
    """Train in this process, look at references and queries, and return the folder of the run."""
    run = runs / training.name
    if is_done(run):
        return run
    start = training.start
    recipe = training.recipe(runs / start.name if start else None)
    _train(recipe, training.length, pack_split(training.split), run)
    _look(training.split, run, recipe)
    return run


def _train(recipe: Recipe, steps: int, pack: Path, run: Path) -> None:
    from merian.learn import build_task, save_model, train  # noqa: PLC0415 - torch is an extra

    task = build_task(recipe, pack)
    if steps:
        if train(recipe, task, run).ended == "stopped":
            raise InputError(f"{run}: stopped; the same command goes on")
    elif not (run / "model").exists():
        save_model(run / "model", task.objective, {**task.card, "name": "untrained"})


def _look(split: Split, run: Path, recipe: Recipe) -> None:
    """Write the vectors of a split, and the names that its queries get."""
    from merian.bench.encoder_names import name_queries  # noqa: PLC0415 - torch is an extra
    from merian.learn import load_model  # noqa: PLC0415

    encoder = load_model(run)
    vectors = {
        "references": encoder.encode([sequence for sequence, _ in split.references]),
        "queries": encoder.encode([sequence for sequence, _ in split.queries]),
    }
    names = name_queries(split, run)
    probed = bool(split.asked("species").any()) and (recipe.encoder.frozen or not names)
    told: dict[str, Any] = {
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "seconds": _seconds(run / "log.jsonl"),
        "names": names,
        "probed": linear(split, **vectors, rank="species") if probed else [],
    }
    with new_folder(run / "bench") as part:
        write_tensors(part / VECTORS, vectors, "merian-bench-vectors 1.0")
        write_json(part / TOLD, told)


def _seconds(log: Path) -> float:
    """Return how long a training took, over all its starts."""
    if not log.exists():
        return 0.0
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return round(max((float(line.get("seconds", 0)) for line in lines), default=0.0), 1)


def main(arguments: Sequence[str]) -> None:
    """Train what is asked as JSON: split, arm, seed, steps, changes, and the folder of the runs."""
    import torch  # noqa: PLC0415 - an extra

    torch.set_num_threads(1)
    end_with_parent()
    asked = json.loads(arguments[0])
    split = open_split(Path(asked["split"]))
    training = Training(split, asked["arm"], asked["seed"], asked["steps"], tuple(asked["changes"]))
    train_here(training, Path(asked["runs"]))


if __name__ == "__main__":
    main(sys.argv[1:])
