"""How well barcodes are named, and how honestly: Merian beside its peers on splits of real data.

The tasks, the way peers are run and the scorer are those of the yardstick that lies beside the real
data. Each figure is the mean over the seeds of a split, with the interval of a bootstrap over
genera; the two figures that are chosen with the truth in hand (``depth_at_5``,
``species_named_at_5``) have none. The folder keeps the answers of all tools and the table.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from merian.bench.answers import Translation, answer_task, library_of, queries_of
from merian.bench.scoring import Draws, Floats, drawn_figures, read_answered
from merian.bench.yardstick import (
    PLACE,
    Task,
    chosen,
    load_yardstick,
    novelty_of,
    quietly,
    tasks_of,
    write_tasks,
)
from merian.files import write_json
from merian.identify import Choice, Identifier
from merian.learn.bootstrap import draw, middle
from merian.processes import in_processes

__all__ = ["WORKING", "answer", "compared", "run"]

WORKING = ("out", "processes", "keep")  # settings that do not decide the data

OURS, OURS_WITH_MIX, OURS_OF_BATCH = "merian", "merian_mix", "merian_batch"
TOOLS = {
    OURS: "Merian",
    OURS_WITH_MIX: "Merian, mix given",
    OURS_OF_BATCH: "Merian, mix of batch",
    "vsearch_sintax": "SINTAX",
    "vsearch_global": "usearch_global",
    "blast": "megablast",
    "blastn_task_blastn": "blastn",
}
_RIVALS = ("vsearch_sintax", "vsearch_global", "blast")
# Where the best guesses are compared with the best peer's.
_BEST_GUESS = {
    "closed": "species_of_known",
    "specimens": "species_of_known",
    "open": "genus_of_known_genus",
}
_PER_SEED = "stood_by_wrong"
_KEPT = ("libraries", "answers")
_SAMPLE = 10_000  # queries that a mix is estimated from, as `merian identify` does


@dataclass(frozen=True)
class Row:
    """One figure of one tool; ``low`` and ``high`` are None where there is no interval."""

    split: str
    figure: str
    tool: str
    value: float
    low: float | None
    high: float | None
    n: int

    def as_figure(self) -> dict[str, object]:
        """Return it as a bench returns it."""
        unit = "ranks" if "depth" in self.figure else "%"
        low, high = (None if x is None else round(x, 3) for x in (self.low, self.high))
        return {"value": round(self.value, 3), "low": low, "high": high, "n": self.n, "unit": unit}


def run(
    *,
    yardstick: Path = PLACE,
    out: Path | None = None,
    sources: str = "",
    kinds: str = "",
    seeds: str = "",
    peers: bool = True,
    keep: str = "",
    processes: int = 1,
    rounds: int = 1000,
) -> dict[str, dict[str, object]]:
    """Write the tasks, answer them, let the peers answer them, and compare.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        out: A folder for tasks, libraries, answers and the table. What peers have answered there is
            not asked again. A temporary one if not given.
        sources: Of the data, with commas between; all if empty.
        kinds: Of splits; all if empty.
        seeds: Of splits; all if empty.
        peers: Whether to ask the peers that are installed.
        keep: What lies in the folder and is not made anew: "libraries", or these and the "answers"
            of Merian.
        processes: How many tasks are worked on at a time.
        rounds: Of the bootstrap.
    """
    ruler = load_yardstick(yardstick)
    tasks = tasks_of(sources, kinds, seeds)
    if keep:
        chosen(keep, _KEPT, "thing to keep called")
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        folder = out or Path(made)
        write_tasks(ruler, folder, tasks)
        words = [word for word in (keep, "peers" if peers else "") if word]
        scores = in_processes(
            "merian.bench.barcodes:answer", [dataclasses.asdict(task) for task in tasks],
            str(yardstick), str(folder), *words, processes=processes, worth=2,
        )  # fmt: skip
        rows = compared(ruler, folder, tasks, scores, rounds)
        (folder / "table.md").write_text(_table(rows), encoding="utf-8")
    return {f"{row.split}: {row.figure}, {row.tool}": row.as_figure() for row in rows}


def answer(
    tasks: Sequence[Mapping[str, object]], yardstick: str, out: str, *words: str
) -> list[dict[str, dict[str, float]]]:
    """Answer tasks, ask the peers, and return the scores by tool; called in each process."""
    ruler = load_yardstick(Path(yardstick))
    found = []
    for fields in tasks:
        task = Task(str(fields["source"]), str(fields["kind"]), int(str(fields["seed"])))
        folder = Path(out) / task.name
        if "answers" not in words or not (folder / f"{OURS_OF_BATCH}.tsv").is_file():
            _answer_one(ruler, folder, not set(_KEPT).isdisjoint(words))
        if "peers" in words:
            with quietly():
                ruler.peers(out, [task.name])
        scores = {
            tool: ruler.score(folder, folder / f"{tool}.tsv")
            for tool in TOOLS
            if (folder / f"{tool}.tsv").is_file()
        }
        write_json(folder / "scores.json", scores)
        found.append(scores)
    return found


def _answer_one(ruler: ModuleType, folder: Path, keep: bool) -> None:
    """Build the library of a task and answer it: for any mix, with it given, with it estimated."""
    start = time.perf_counter()
    library = library_of(folder, folder / "library", keep)
    built = time.perf_counter()

    def answer_as(choice: Choice, tool: str) -> Identifier:
        return answer_task(ruler, folder, library, choice, folder / f"{tool}.tsv")

    identifier = answer_as(Choice(), OURS)
    answered = time.perf_counter()
    mix = novelty_of(folder)
    answer_as(Choice(novelty=mix), OURS_WITH_MIX)
    estimated = identifier.estimate_novelty(queries_of(ruler, folder)[1][:_SAMPLE])
    answer_as(Choice(novelty=estimated), OURS_OF_BATCH)
    told = {
        "seconds_to_build": round(built - start, 1),
        "seconds_to_answer": round(answered - built, 1),
        "mix": mix,
        "estimated": estimated,
        "promise": identifier.promised(),
        "references_named_otherwise": Translation(ruler, library, folder).changed,
    }
    write_json(folder / "merian.json", told)


def compared(
    ruler: ModuleType,
    folder: Path,
    tasks: Sequence[Task],
    scores: Sequence[Mapping[str, Mapping[str, float]]],
    rounds: int = 1000,
) -> list[Row]:
    """Return the figures of all splits, tool beside tool."""
    splits: dict[str, list[tuple[Task, Mapping[str, Mapping[str, float]]]]] = defaultdict(list)
    for task, score in zip(tasks, scores, strict=True):
        splits[f"{task.source} {task.kind}"].append((task, score))
    rows: list[Row] = []
    for split, members in splits.items():
        rows += _Split(ruler, folder, split, members, rounds).rows()
    return rows


class _Split:
    """The tasks of one source and kind, one for each seed."""

    def __init__(
        self,
        ruler: ModuleType,
        folder: Path,
        name: str,
        members: Sequence[tuple[Task, Mapping[str, Mapping[str, float]]]],
        rounds: int,
    ) -> None:
        self.name, self.kind = name, members[0][0].kind
        self.tasks = [task for task, _ in members]
        self.scores = [score for _, score in members]
        # A tool counts that has answered all seeds.
        self.tools = [tool for tool in TOOLS if all(tool in score for score in self.scores)]
        answered = {
            tool: [
                read_answered(ruler, folder / task.name, folder / task.name / f"{tool}.tsv")
                for task in self.tasks
            ]
            for tool in self.tools
        }
        one = answered[self.tools[0]]
        self.sizes = [len(each.genus) for each in one]
        genera = np.unique(np.concatenate([each.genus for each in one]))
        draws: Draws = draw(len(genera), rounds)
        whole: Draws = np.ones((1, len(genera)))
        self.drawn = {
            tool: [drawn_figures(each, genera, draws) for each in of_tool]
            for tool, of_tool in answered.items()
        }
        self.own = {
            tool: [drawn_figures(each, genera, whole) for each in of_tool]
            for tool, of_tool in answered.items()
        }

    def rows(self) -> list[Row]:
        names = dict.fromkeys(
            name
            for tool in self.tools
            for score, own in zip(self.scores, self.own[tool], strict=True)
            for name in (*score[tool], *own)
            if name != "n"
        )
        rows = [
            row
            for name in names
            for tool in self.tools
            if (row := self._row(name, tool)) is not None
        ]
        return [*rows, *self._against_best(), *self._by_seed()]

    def _values(self, name: str, tool: str) -> list[float]:
        """Return a figure for each seed: the yardstick's, or ours where it has none."""
        return [
            value
            for score, own in zip(self.scores, self.own[tool], strict=True)
            if (value := score[tool].get(name, _only(own.get(name)))) is not None
        ]

    def _row(self, name: str, tool: str) -> Row | None:
        values = self._values(name, tool)
        if not values or not np.isfinite(values).all():
            return None
        low, high = None, None
        if any(name in drawn for drawn in self.drawn[tool]):
            low, high = middle(self._mean_drawn(name, tool))
        return Row(self.name, name, TOOLS[tool], float(np.mean(values)), low, high, sum(self.sizes))

    def _mean_drawn(self, name: str, tool: str) -> Floats:
        """Return the mean over the seeds in each draw; the draws are the same for all."""
        drawn = [each[name] for each in self.drawn[tool] if name in each]
        mean: Floats = np.mean(drawn, axis=0)
        return mean

    def _against_best(self) -> list[Row]:
        """Compare our best guesses with those of the best peer."""
        rivals = [tool for tool in _RIVALS if tool in self.tools]
        name = _BEST_GUESS.get(self.kind)
        if name is None or not rivals or OURS not in self.tools:
            return []
        best = max(rivals, key=lambda tool: float(np.mean(self._values(name, tool))))
        apart = np.mean(self._values(name, OURS)) - np.mean(self._values(name, best))
        low, high = middle(self._mean_drawn(name, OURS) - self._mean_drawn(name, best))
        tool = f"Merian less {TOOLS[best]}, the best peer"
        return [Row(self.name, name, tool, float(apart), low, high, sum(self.sizes))]

    def _by_seed(self) -> list[Row]:
        """Return how often each seed's answers are wrong: a promise is kept on each."""
        if OURS not in self.tools:
            return []
        return [
            Row(
                f"{self.name} {task.seed}", _PER_SEED, TOOLS[OURS], score[OURS][_PER_SEED],
                *middle(drawn[_PER_SEED]), size,
            )
            for task, score, drawn, size in zip(
                self.tasks, self.scores, self.drawn[OURS], self.sizes, strict=True
            )
            if _PER_SEED in score[OURS]
        ]  # fmt: skip


def _only(values: Floats | None) -> float | None:
    return None if values is None else float(values[0])


def _table(rows: Sequence[Row]) -> str:
    """Return the figures as a table, tool beside tool."""
    tools = [tool for tool in TOOLS.values() if any(row.tool == tool for row in rows)]
    lines: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        said = "" if row.low is None else f" ({row.low:.1f} to {row.high:.1f})"
        column = row.tool if row.tool in tools else "apart"
        lines[row.split, row.figure][column] = f"{row.value:.2f}{said}"
    columns = [*tools, "apart"]
    text = [
        "| " + " | ".join(["split", "figure", *tools, "Merian less the best peer"]) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    text += [
        "| " + " | ".join([split, figure, *(cells.get(c, "") for c in columns)]) + " |"
        for (split, figure), cells in lines.items()
    ]
    return "\n".join(text) + "\n"
