"""How degraded barcodes are named: pieces, sequencing errors, the other strand.

The queries of the yardstick's splits are cut to a length, from anywhere in them, some given errors
or turned round, and asked of the same library. Each figure is the mean over the seeds of a split,
with the interval of a bootstrap over genera; ``error, STRATUM`` is the share of wrong answers where
each genus counts as one, which is what a promise bounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.bench.answers import answer_task, library_of
from merian.bench.scoring import drawn_figures, read_answered
from merian.bench.yardstick import PLACE, load_yardstick, tasks_of, write_tasks
from merian.identify import Choice
from merian.learn.bootstrap import draw, middle
from merian.nucleotides import reverse_complement
from merian.processes import in_processes

__all__ = ["CONDITIONS", "WORKING", "Condition", "answer", "run"]

WORKING = ("out", "processes")  # settings that do not decide the data

_INSERTIONS = 0.1  # of the errors; as many are deletions, the rest another base
_FIGURES = (
    "species_of_known",
    "genus_of_known_genus",
    "mean_depth",
    "species_named_of_known",
    "stood_by_wrong",
    "error, species present",
    "error, species absent",
    "error, genus absent",
    "error, family absent",
)


@dataclass(frozen=True)
class Condition:
    """What is done to queries.

    Attributes:
        name: What it is called.
        length: Bases that are left; all if 0.
        errors: The share of bases that are misread.
        reverse: Whether the other strand is asked.
    """

    name: str
    length: int = 0
    errors: float = 0.0
    reverse: bool = False

    def __call__(self, sequence: str, chance: np.random.Generator) -> str:
        """Return a sequence as it is asked."""
        if self.length:
            start = int(chance.integers(max(1, len(sequence) - self.length + 1)))
            sequence = sequence[start : start + self.length]
        if self.errors:
            sequence = _misread(sequence, self.errors, chance)
        return reverse_complement(sequence) if self.reverse else sequence


def _misread(sequence: str, errors: float, chance: np.random.Generator) -> str:
    """Return a sequence with errors: other bases, bases too many and too few."""
    letters = [*sequence]
    for place in np.flatnonzero(chance.random(len(letters)) < errors).tolist():
        kind, base = chance.random(), str(chance.choice([*"ACGT"]))
        if kind < _INSERTIONS:
            letters[place] += base
        elif kind < 2 * _INSERTIONS:
            letters[place] = ""
        else:
            letters[place] = str(chance.choice([b for b in "ACGT" if b != letters[place]]))
    return "".join(letters)


CONDITIONS = (
    Condition("whole"),
    Condition("whole, other strand", reverse=True),
    Condition("whole, 1 % errors", errors=0.01),
    *(Condition(f"{length} bases", length) for length in (400, 300, 250, 200, 150, 100)),
    Condition("250 bases, 1 % errors", 250, 0.01),
    Condition("150 bases, 1 % errors", 150, 0.01),
)


def run(
    *,
    yardstick: Path = PLACE,
    out: Path | None = None,
    sources: str = "insects,its1",
    seeds: str = "",
    alpha: float = 0.05,
    processes: int = 1,
    rounds: int = 1000,
) -> dict[str, dict[str, object]]:
    """Write the tasks, build their libraries, ask them degraded queries, and score the answers.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        out: A folder for tasks, libraries and answers. A temporary one if not given.
        sources: Of the data, with commas between; all if empty.
        seeds: Of splits; all if empty.
        alpha: What is promised.
        processes: How many tasks are worked on at a time.
        rounds: Of the bootstrap.
    """
    ruler = load_yardstick(yardstick)
    tasks = tasks_of(sources, "mixed", seeds)
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        folder = out or Path(made)
        write_tasks(ruler, folder, tasks)
        in_processes(
            "merian.bench.degraded:answer", [task.name for task in tasks],
            str(yardstick), str(folder), str(alpha), processes=processes, worth=2,
        )  # fmt: skip
        figures: dict[str, dict[str, object]] = {}
        for source in dict.fromkeys(task.source for task in tasks):
            of_source = [folder / task.name for task in tasks if task.source == source]
            for condition in CONDITIONS:
                found = _figures(yardstick, of_source, condition, rounds)
                figures |= {f"{source}, {condition.name}: {k}": row for k, row in found.items()}
    return figures


def answer(names: Sequence[str], yardstick: str, out: str, alpha: str) -> list[None]:
    """Answer tasks under all conditions; called in each process."""
    ruler = load_yardstick(Path(yardstick))
    for name in names:
        folder = Path(out) / name
        library = library_of(folder, folder / "library")
        for condition in CONDITIONS:
            answers = folder / _file(condition)
            answer_task(ruler, folder, library, Choice(alpha=float(alpha)), answers, condition)
    return [None] * len(names)


def _file(condition: Condition) -> str:
    return f"degraded {condition.name}.tsv".replace(" % ", "_percent_").replace(" ", "_")


def _figures(
    yardstick: Path, folders: Sequence[Path], condition: Condition, rounds: int
) -> Mapping[str, dict[str, object]]:
    """Return the figures of one source under one condition: the mean over its splits."""
    ruler = load_yardstick(yardstick)
    answered = [read_answered(ruler, folder, folder / _file(condition)) for folder in folders]
    genera = np.unique(np.concatenate([each.genus for each in answered]))
    draws, whole = draw(len(genera), rounds), np.ones((1, len(genera)))
    drawn = [drawn_figures(each, genera, draws) for each in answered]
    own = [drawn_figures(each, genera, whole) for each in answered]
    found: dict[str, dict[str, object]] = {}
    for name in _FIGURES:
        values = [float(each[name][0]) for each in own if name in each]
        if not values:
            continue
        low, high = middle(np.mean([each[name] for each in drawn if name in each], axis=0))
        found[name] = {
            "value": round(float(np.mean(values)), 3), "low": round(low, 3),
            "high": round(high, 3), "n": sum(len(each.genus) for each in answered),
            "unit": "ranks" if "depth" in name else "%",
        }  # fmt: skip
    return found
