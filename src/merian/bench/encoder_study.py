"""One study of encoders: its splits, its trainings and its controls, found in a working folder.

splits/SPLIT/     references, queries, truth, the pack, Merian's library, answers of controls
runs/RUN/         runs of `merian train`, and under bench/ the vectors of their split
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.bench.bioscan import bioscan_split
from merian.bench.encoder_controls import controls_there, read_names
from merian.bench.encoder_jobs import Control, do_all
from merian.bench.encoder_scores import Figures, Marks, rightly
from merian.bench.encoder_splits import Split, yardstick_split
from merian.bench.encoder_training import Learned, Training, read_learned
from merian.bench.yardstick import Task
from merian.errors import InputError

__all__ = ["Part", "Study", "answer"]


@dataclass(frozen=True)
class Study:
    """Where everything lies, and what was asked for.

    Attributes:
        work: The folder.
        yardstick: The script beside the real data.
        data: BIOSCAN-5M's table, or its folder; None for none.
        seeds: How many trainings are averaged where seeds are run.
        steps: Of each training, instead of those of the table.
        changes: In every recipe, as table.key=value.
        peers: Whether other programs are asked.
        processes: How many at a time.
    """

    work: Path
    yardstick: Path
    data: Path | None = None
    seeds: int = 3
    steps: int | None = None
    changes: tuple[str, ...] = ()
    peers: bool = True
    processes: int = 2

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.work / "runs"

    @property
    def controls(self) -> list[str]:
        """The controls that are asked."""
        ours = ("6-mer 1-NN", "centred 6-mer 1-NN", "merian identify")
        return [name for name in controls_there() if self.peers or name in ours]

    def split(self, task: Task) -> Split:
        """Return a split; it is written when it is first asked for."""
        from merian.bench.encoder_bins import bins_split  # noqa: PLC0415 - it scores studies

        folder = self.work / "splits"
        if task.source == "bioscan":
            if self.data is None:
                raise InputError("say where BIOSCAN-5M's table lies: --data FOLDER")
            return bioscan_split(self.data, folder / task.name)
        if task.kind == "bins":
            return bins_split(self.yardstick, folder / task.name, task.seed)
        return yardstick_split(self.yardstick, folder, task)

    def training(self, split: Split, arm: str, seed: int = 0) -> Training:
        """Return a training of this study."""
        return Training(split, arm, seed, self.steps, self.changes)

    def learned(self, split: Split, arm: str, seed: int = 0) -> Learned:
        """Return what came of a training that is done."""
        return read_learned(self.runs / self.training(split, arm, seed).name)

    def control_names(self, split: Split) -> dict[str, dict[str, list[str]]]:
        """Return what each control calls the queries, by rank."""
        return {name: read_names(split, name) for name in self.controls}

    def control_marks(self, split: Split, rank: str) -> dict[str, Marks]:
        """Return how each control did on the queries that are asked at a rank."""
        return {
            name: rightly(split, rank, names[rank], split.asked(rank))
            for name, names in self.control_names(split).items()
        }


@dataclass(frozen=True)
class Part:
    """One question of the bench.

    Attributes:
        tasks: The splits that it asks.
        arms: What is trained on each.
        figures: What comes of a split whose trainings and controls are done.
        seeds: Whether the arms are trained with several seeds, from 1 on; once with 0 else.
        controls: Whether the controls are asked.
    """

    tasks: Sequence[Task]
    arms: Sequence[str]
    figures: Callable[[Study, Split], Figures]
    seeds: bool = False
    controls: bool = True


def answer(study: Study, parts: Mapping[str, Part]) -> Figures:
    """Train and ask what some parts need, and return their figures.

    Args:
        study: Where, and how.
        parts: By name; what several need is done once.
    """
    splits = {task: study.split(task) for part in parts.values() for task in part.tasks}
    trainings = [
        study.training(splits[task], arm, seed)
        for part in parts.values()
        for task in part.tasks
        for arm in part.arms
        for seed in (range(1, study.seeds + 1) if part.seeds else (0,))
    ]
    controls = [
        Control(splits[task], name)
        for part in parts.values()
        if part.controls
        for task in part.tasks
        for name in study.controls
    ]
    do_all(trainings, controls, study.runs, study.processes)
    figures: Figures = {}
    for name, part in parts.items():
        for task in part.tasks:
            found = part.figures(study, splits[task])
            figures |= {f"{name} {task.source}: {key}": value for key, value in found.items()}
    return figures
