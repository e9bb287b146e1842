"""Whether the promise is kept: wrong answers in many held-out sets of real data, by stratum.

A set is drawn as the yardstick draws its own, from seeds that it does not use, and has all four
strata at once: the families that its kind `far` withholds are asked, and what is left is split as
its kind `mixed`. The promise is about genera: in each stratum, each genus counts once. It counts as
kept where the mean error over the sets exceeds alpha by no more than two standard errors.

A set takes half a minute to two. Its errors are kept in the folder, so that a bench that was
stopped goes on where it was; after a change of the program name a new folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import numpy as np

from merian.bench.answers import answer_task, library_of
from merian.bench.scoring import STRATA, read_answered
from merian.bench.yardstick import (
    PLACE,
    SOURCES,
    Row,
    chosen,
    load_yardstick,
    rows_of,
    write_task,
)
from merian.files import write_json
from merian.identify import Choice
from merian.processes import in_processes

__all__ = ["WORKING", "draw_sets", "held_out", "kept", "run"]

WORKING = ("out", "processes")  # settings that do not decide the data

_FIRST_SEED = 100  # the yardstick's own seeds are below
_FAMILY = 3  # its place among the yardstick's ranks


def run(
    *,
    yardstick: Path = PLACE,
    out: Path | None = None,
    sources: str = "",
    draws: int = 30,
    alpha: float = 0.05,
    processes: int = 2,
) -> dict[str, dict[str, object]]:
    """Draw the sets, build a library of each, and count wrong answers.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        out: Where the errors of finished sets are kept. A temporary folder if not given.
        sources: Of the data, with commas between; all if empty.
        draws: Sets of each source.
        alpha: What is promised.
        processes: How many sets are worked on at a time.
    """
    load_yardstick(yardstick)
    names = chosen(sources, SOURCES, "source")
    sets = [[source, _FIRST_SEED + number] for number in range(draws) for source in names]
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        folder = Path(out or made).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        errors = in_processes(
            "merian.bench.promise:draw_sets", sets, str(yardstick.absolute()), str(folder),
            str(alpha), processes=processes, worth=2,
        )  # fmt: skip
    figures: dict[str, dict[str, object]] = {}
    for source in names:
        of_source = [found for (name, _), found in zip(sets, errors, strict=True) if name == source]
        figures |= {f"{source}: {name}": row for name, row in kept(of_source, alpha).items()}
    return figures


def draw_sets(
    sets: Sequence[Sequence[object]], yardstick: str, out: str, alpha: str
) -> list[dict[str, list[float]]]:
    """Return the errors of each set by stratum; called in each process."""
    ruler = load_yardstick(Path(yardstick))
    rows: dict[str, list[Row]] = {}
    found = []
    for name, number in sets:
        source, seed = str(name), int(str(number))
        place = Path(out) / f"{source}_{seed}_{alpha}.json"
        if not place.is_file():
            if source not in rows:
                rows[source] = rows_of(ruler, source)
            write_json(place, _errors(ruler, rows[source], seed, float(alpha)))
        found.append(json.loads(place.read_text(encoding="utf-8")))
    return found


def held_out(yardstick: ModuleType, rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """Return references and queries of a set that has all strata."""
    reference, _ = yardstick.make(rows, "far", seed)
    families = {names[_FAMILY] for *_, names in reference}
    far = [row for row in rows if row[2][_FAMILY] not in families]
    rest = [row for row in rows if row[2][_FAMILY] in families]
    reference, query = yardstick.make(rest, "mixed", seed)
    return reference, [*query, *far]


def _errors(
    yardstick: ModuleType, rows: Sequence[Row], seed: int, alpha: float
) -> Mapping[str, Sequence[float]]:
    """Return the errors in one set by stratum: over genera, over queries; counts of both."""
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        folder = Path(made)
        write_task(yardstick, folder, *held_out(yardstick, rows, seed))
        library = library_of(folder, folder / "library")
        answers = folder / "answers.tsv"
        answer_task(yardstick, folder, library, Choice(alpha=alpha), answers)
        answered = read_answered(yardstick, folder, answers)
        return {**answered.errors(), "mean depth": (float(answered.depth.mean()),)}


def kept(
    errors: Sequence[Mapping[str, Sequence[float]]], alpha: float
) -> dict[str, dict[str, object]]:
    """Return the mean error of each stratum over the sets, and whether the promise is kept.

    Args:
        errors: Of each set, by stratum: over genera, over queries.
        alpha: What is promised.
    """
    figures: dict[str, dict[str, object]] = {}
    for stratum in STRATA:
        met = np.array([found[stratum][:2] for found in errors if stratum in found])
        if not len(met):
            continue
        for column, unit in enumerate(("genera", "queries")):
            mean = 100 * float(met[:, column].mean())
            spread = float(met[:, column].std(ddof=1)) if len(met) > 1 else 0.0
            error = 100 * spread / np.sqrt(len(met))
            figures[f"{stratum}, wrong of {unit}"] = {
                "value": round(mean, 3), "low": round(mean - 2 * error, 3),
                "high": round(mean + 2 * error, 3), "n": len(met),
                "unit": "%, mean of sets and two standard errors",
            }  # fmt: skip
            if unit == "genera":
                figures[f"{stratum}, kept"] = {
                    "value": int(mean <= 100 * alpha + 2 * error), "n": len(met),
                    "unit": "1 is yes",
                }  # fmt: skip
    depth = [found["mean depth"][0] for found in errors if "mean depth" in found]
    if depth:
        figures["mean depth"] = {
            "value": round(float(np.mean(depth)), 3), "n": len(depth), "unit": "ranks",
        }  # fmt: skip
    return figures
