"""All trainings and controls of `merian bench dna-encoders`, several at a time.

Each is a process of its own with one thread, since torch is fastest so. What is done already is
not done again, so a bench that was killed goes on. A training that starts from another waits for
it; those are begun first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from merian.bench.encoder_controls import answered, is_answered
from merian.bench.encoder_splits import Split
from merian.bench.encoder_training import Training, is_done, pack_split, train_here
from merian.errors import MerianError

__all__ = ["Control", "do_all"]

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, eq=False)
class Control:
    """A control that is to answer a split."""

    split: Split
    name: str


def do_all(
    trainings: Iterable[Training], controls: Iterable[Control], runs: Path, processes: int
) -> None:
    """Do what is not done yet.

    Args:
        trainings: With those that they start from, which need not be named.
        controls: What else is asked.
        runs: The folder of all runs.
        processes: How many at a time; 0 for all in this one.
    """
    wanted: dict[str, Training] = {}
    for training in trainings:
        for one in (training.start, training):
            if one is not None and not is_done(runs / one.name):
                wanted.setdefault(one.name, one)
    asked = {(c.split.name, c.name): c for c in controls if not is_answered(c.split, c.name)}
    for split in {one.split.folder: one.split for one in wanted.values()}.values():
        pack_split(split)  # here, as two processes may want it at once
    runs.mkdir(parents=True, exist_ok=True)
    first = [one for one in wanted.values() if one.start is None]
    later = [one for one in wanted.values() if one.start is not None]
    if processes < 1:
        for one in (*first, *later):
            train_here(one, runs)
        for control in asked.values():
            answered(control.split, control.name)
        return
    with ThreadPoolExecutor(processes) as pool:
        done: dict[str, Future[None]] = {}
        for one in first:
            done[one.name] = pool.submit(_train, one, runs, None)
        for control in asked.values():
            done[f"{control.split.name}, {control.name}"] = pool.submit(_ask, control)
        for one in later:
            before = done.get(one.start.name) if one.start else None
            done[one.name] = pool.submit(_train, one, runs, before)
        try:
            for future in done.values():
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ask(control: Control) -> None:
    words = [str(control.split.folder), control.name]
    _run("merian.bench.encoder_controls", words, f"{control.split.name}, {control.name}")


def _train(training: Training, runs: Path, before: Future[None] | None) -> None:
    if before is not None:
        before.result()
    asked = {
        "split": str(training.split.folder), "arm": training.arm, "seed": training.seed,
        "steps": training.steps, "changes": list(training.changes), "runs": str(runs),
    }  # fmt: skip
    _run("merian.bench.encoder_training", [json.dumps(asked)], training.name)


def _run(module: str, words: list[str], what: str) -> None:
    """Run a module with one thread; its last words are the error where it fails.

    A child ends when its standard input does, so that none outlives a bench that was killed.
    """
    ours, held = os.pipe()
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *words], stdin=ours,
            env={**os.environ, **_ONE_THREAD}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(held)
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"ended with {child.returncode}"])[-1]
        raise MerianError(f"{what}: {last}")
