"""Six optimizers on hidden words of real barcodes and on text, byte by byte.

AdamW, Muon, SOAP, Shampoo, KL-SOAP and KL-Shampoo train the same small transformer. Each gets its
own learning rate from a search that is the same for all: the same rates, half the steps, one seed;
where the best is the last of its row, the row goes on. Then it is trained with other seeds. Matrix
optimizers leave embeddings, heads, norms and biases to AdamW at AdamW's own rate.

Told of are the loss on held-out data, the share of AdamW's steps and of its time after which its
last loss is reached (on the way, and by a training that was planned to be that short), what a step
costs, and what is kept in memory for each number of a matrix. `--page FILE` draws the curves.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merian.bench.yardstick import PLACE
from merian.errors import InputError
from merian.files import write_text
from merian.processes import in_order
from merian.report import Lines, Section, Table, Text, page

__all__ = ["run"]

WORKING = ("processes", "page")

_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
_FURTHER = 3.0  # how far the row goes on at a time
_MOST_RATES = 6
_SHORT = 0.6  # of the steps
_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided, by how many are averaged

Figures = dict[str, dict[str, object]]
Run = Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """What one optimizer did on one task."""

    arm: str
    rate: float
    runs: Sequence[Run]
    short: Sequence[Run]


def run(
    *,
    yardstick: Path = PLACE,
    tasks: str = "barcodes,text",
    arms: str = "AdamW,Muon,SOAP,Shampoo,KL-SOAP,KL-Shampoo",
    steps: int = 400,
    seeds: int = 3,
    processes: int = 2,
    page: Path | None = None,
) -> Figures:
    """Search a learning rate for every optimizer, and train it.

    Args:
        yardstick: The script; the real barcodes lie where it looks for them.
        tasks: Of barcodes and text, with commas between.
        arms: The optimizers, with commas between; AdamW is always among them.
        steps: Of a training; of a search, half.
        seeds: How many trainings are averaged.
        processes: How many train at once, one thread each.
        page: A page with the curves is written to this file.
    """
    from merian.bench.arms import ARMS  # noqa: PLC0415 torch is an extra
    from merian.bench.training_tasks import TASKS, write_barcodes, write_source  # noqa: PLC0415

    chosen = ["AdamW", *(arm for arm in _listed(arms, ARMS, "optimizer") if arm != "AdamW")]
    figures: Figures = {}
    sections = []
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        folder = Path(made)
        for task in _listed(tasks, TASKS, "task"):
            if task == "barcodes":
                write_barcodes(folder, yardstick)
            else:
                write_source(folder)
            trained = _trained(folder, task, chosen, steps, seeds, processes)
            for one in trained:
                figures |= _figures(task, one, trained[0], steps)
            sections.append(_section(task, trained))
    if page is not None:
        _write_page(page, sections, steps, seeds)
    return figures


def _listed(text: str, known: Mapping[str, object], what: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise InputError(f"no {what} is called {name!r}; there are {', '.join(known)}")
    return names


def _trained(
    folder: Path, task: str, arms: Sequence[str], steps: int, seeds: int, processes: int
) -> list[Trained]:
    """Search AdamW's rate, then the others', then train all of them."""

    def train(jobs: Sequence[Run]) -> list[Any]:
        return _train(folder, [{"task": task, **job} for job in jobs], processes)

    rates = _search(train, arms[:1], steps // 2, None)
    rest = rates["AdamW"]
    rates |= _search(train, arms[1:], steps // 2, rest)
    plans = [(arm, length) for arm in arms for length in (steps, round(_SHORT * steps))]
    jobs: list[Run] = [
        {"arm": arm, "rate": rates[arm], "rest": rest, "steps": length, "seed": seed}
        for arm, length in plans
        for seed in range(1, seeds + 1)
    ]
    done = iter(train(jobs))
    found = {plan: [next(done) for _ in range(seeds)] for plan in plans}
    short = round(_SHORT * steps)
    return [Trained(arm, rates[arm], found[arm, steps], found[arm, short]) for arm in arms]


def _search(train: Any, arms: Sequence[str], steps: int, rest: float | None) -> dict[str, float]:
    """Return the best rate of each; the row of rates goes on where its end is the best."""
    losses: dict[str, dict[float, float]] = {arm: {} for arm in arms}
    wanted = [(arm, rate) for arm in arms for rate in _RATES]
    while wanted:
        jobs = [
            {"arm": arm, "rate": rate, "rest": rest or rate, "steps": steps, "seed": 0}
            for arm, rate in wanted
        ]
        for (arm, rate), result in zip(wanted, train(jobs), strict=True):
            losses[arm][rate] = result["loss"]
        wanted = [(arm, rate) for arm in arms for rate in _beyond(losses[arm])]
    return {arm: min(tried, key=tried.__getitem__) for arm, tried in losses.items()}


def _beyond(tried: Mapping[float, float]) -> Iterator[float]:
    """Yield the next rate of a row whose best is its first or its last."""
    best = min(tried, key=tried.__getitem__)
    if len(tried) < _MOST_RATES and best == max(tried):
        yield best * _FURTHER
    elif len(tried) < _MOST_RATES and best == min(tried):
        yield best / _FURTHER


def _train(folder: Path, jobs: Sequence[Run], processes: int) -> list[Any]:
    """Train all jobs, one after the other in each process; the results in their order."""
    from merian.bench.arms import opened  # noqa: PLC0415 torch is an extra

    batches = ((None, [dict(job)]) for job in jobs)
    here = opened(str(folder))
    opener = "merian.bench.arms:opened"
    with closing(in_order(here, opener, [str(folder)], batches, processes)) as answered:
        return [answer for _, answers in answered for answer in answers]


def _figures(task: str, one: Trained, adamw: Trained, steps: int) -> Figures:
    name = f"{task}: {one.arm}"
    # As the curves see it, which look at fewer held-out batches than the last loss does.
    target = _mean_curve(adamw.runs, 0)[1][-1]
    places, values = _mean_curve(one.runs, 0)
    times, _ = _mean_curve(one.runs, 1)
    adamw_time = float(np.mean([r["ms"] for r in adamw.runs])) * steps / 1000
    figures: Figures = {
        f"{name}, rate": {"value": one.rate},
        f"{name}, loss": _mean([r["loss"] for r in one.runs], "nats"),
        f"{name}, loss in {_SHORT:.0%} of the steps": _mean([r["loss"] for r in one.short], "nats"),
        f"{name}, ms a step": _mean([r["ms"] for r in one.runs], "ms"),
        f"{name}, ms of the optimizer": _mean([r["optimizer_ms"] for r in one.runs], "ms"),
        f"{name}, state": {"value": one.runs[0]["state"], "unit": "floats a parameter"},
    }
    at = _reached(places, values, target)
    if one.arm != "AdamW" and at is not None:
        spent = float(np.interp(at, places, times))
        figures[f"{name}, AdamW's loss after"] = {"value": 100 * at / steps, "unit": "% of steps"}
        figures[f"{name}, AdamW's loss after time"] = {
            "value": 100 * spent / adamw_time, "unit": "% of AdamW's"
        }  # fmt: skip
    return figures


def _mean_curve(runs: Sequence[Run], place: int) -> tuple[list[float], list[float]]:
    """Return the mean places (0 steps, 1 seconds) and losses of some trainings."""
    curves = np.array([r["curve"] for r in runs], np.float64)  # runs, points, 3
    return curves[:, :, place].mean(0).tolist(), curves[:, :, 2].mean(0).tolist()


def _reached(places: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """Return where a curve first comes down to a loss; None if it never does."""
    before: tuple[float, float] | None = None
    for at, value in zip(places, values, strict=True):
        if value <= target:
            if before is None:
                return at
            share = (before[1] - target) / (before[1] - value)
            return before[0] + share * (at - before[0])
        before = at, value
    return None


def _mean(values: Sequence[float], unit: str) -> dict[str, object]:
    """Return a mean with its 95 % interval over seeds."""
    mean = float(np.mean(values))
    figure: dict[str, object] = {"value": mean, "n": len(values), "unit": unit}
    if len(values) in _T_95:
        half = _T_95[len(values)] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
        figure |= {"low": mean - half, "high": mean + half}
    return figure


def _section(task: str, trained: Sequence[Trained]) -> Section:
    rows = [
        (
            one.arm,
            f"{one.rate:g}",
            f"{np.mean([r['loss'] for r in one.runs]):.3f}",
            f"{np.mean([r['loss'] for r in one.short]):.3f}",
            f"{np.mean([r['ms'] for r in one.runs]):.0f}",
            f"{np.mean([r['optimizer_ms'] for r in one.runs]):.1f}",
            f"{one.runs[0]['state']:.2f}",
        )
        for one in trained
    ]
    head = (
        "optimizer", "rate", "loss", f"loss in {_SHORT:.0%} of the steps", "ms a step",
        "of the optimizer", "floats a parameter",
    )  # fmt: skip
    steps, seconds = (
        [(one.arm, *_mean_curve(one.runs, place)) for one in trained] for place in (0, 1)
    )
    return Section(
        {"barcodes": "Hidden words of barcodes", "text": "Text, byte by byte"}[task],
        [
            Table(head, rows),
            Lines("Loss on held-out data, by steps", steps, "steps", "nats"),
            Lines("Loss on held-out data, by time of one core", seconds, "seconds", "nats"),
        ],
    )


def _write_page(path: Path, sections: Sequence[Section], steps: int, seeds: int) -> None:
    said = (
        f"Means of {seeds} seeds, {steps:,} steps each. Every optimizer has a learning rate of "
        "its own, from the same search."
    )
    head = Section("What was done", [Text(said)])
    write_text(path, page("Optimizers", [head, *sections]))
