"""Labels at any nodes of several trees: the coherent loss on probabilities against other forms.

Quadrats of an invented sea floor are drawn, with labels that stop anywhere in up to three trees, or
those of a world that is there are taken. A small network learns from vectors of a general network
(EfficientNet-Lite0, which never saw them) by each loss, from the same start; what it says of other
quadrats is held against the truth, of which everything is known. Beside it stands what the
frequency of a node alone tells. How long the constraint takes is measured by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.seafloor_data import Quadrats, draw, read_quadrats
from merian.errors import InputError, MissingExtraError
from merian.learn.bootstrap import Interval, Metric, difference, interval_of
from merian.learn.forest import Forest
from merian.learn.node_decoding import least_cost_nodes
from merian.learn.node_scores import (
    count_nodes,
    deepest_right,
    macro_average_precision,
    micro_average_precision,
    to_nearest_ancestor,
)

__all__ = ["WORKING", "run"]

WORKING = ("work", "processes")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Figure = Callable[[Floats], Metric]


def run(
    *,
    photographs: int = 150,
    species: int = 200,
    size: int = 640,
    level: int = 2,
    share: float = 0.6,
    least: int = 3,
    epochs: int = 40,
    seeds: int = 3,
    seed: int = 0,
    largest: int = 12_000,
    times: int = 15,
    draws: int = 200,
    processes: int = 2,
    folder: Path | None = None,
    work: Path | None = None,
) -> dict[str, dict[str, object]]:
    """Draw, learn by each loss, and measure.

    Args:
        photographs: How many are drawn; each is cut into nine pictures.
        species: Of their world.
        size: Height and width of a photograph.
        level: Of the water and the annotators' doubts, 1 to 3.
        share: Of the pictures that are learned from.
        least: Pictures on which a label must stand to be learned.
        epochs: How often each picture is learned from.
        seeds: Networks of each loss; figures are their means.
        seed: Of the world, of which pictures are learned from, and of the first network.
        largest: Nodes of the largest forest whose constraint is timed.
        times: How often each is timed; the shortest counts.
        draws: Of photographs, for the intervals.
        processes: How many draw.
        folder: A world with quadrats that is there already, in place of those drawn.
        work: Where to draw; what is there is not drawn again. A temporary folder if not given.
    """
    try:  # torch takes seconds to import, and not everybody has it
        import torch  # noqa: F401, PLC0415

        from merian.bench.node_speed import speed_figures  # noqa: PLC0415
        from merian.bench.seafloor_arms import ARMS, learn  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("learning from quadrats", "models") from None
    if seeds < 1 or not 0 < share < 1:
        raise InputError(
            f"{seeds} networks and a share of {share:g}; 1 or more, and 0 to 1 expected"
        )
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    with place as made:
        worlds = [folder] if folder else draw(
            Path(str(made)), photographs, species=species, size=size, level=level, seed=seed,
            processes=processes,
        )  # fmt: skip
        found = read_quadrats(worlds, share=share, least=least, seed=seed)
        arms = {arm: [learn(found, arm, seed + k, epochs) for k in range(seeds)] for arm in ARMS}
    told = {arm: np.stack([one.probabilities for one in some]) for arm, some in arms.items()}
    rows = _about(found) | _scores(found, told, draws)
    for arm, some in arms.items():
        step = float(np.median([one.seconds for one in some]))
        rows[f"step, {arm}"] = {"value": round(1000 * step, 2), "unit": "ms of one processor"}
    return rows | speed_figures(largest, times)


def _about(found: Quadrats) -> dict[str, dict[str, object]]:
    """Return what the data are."""
    there, known = found.labels.marks(np.flatnonzero(found.learn))
    share = float(known.mean())
    return {
        "nodes": {"value": found.forest.size, "unit": f"in {len(found.forest.trees)} trees"},
        "known of the labels": {
            "value": round(share, 3), "n": int(known.size), "unit": "share of records by nodes",
        },
        "there of the known": {
            "value": round(float(there.sum() / known.sum()), 3), "n": int(known.sum()),
            "unit": "share",
        },
    }  # fmt: skip


def _scores(found: Quadrats, told: dict[str, Floats], draws: int) -> dict[str, dict[str, object]]:
    """Return the figures of every arm, and how much better the coherent one is."""
    forest, truth = found.forest, found.truth[~found.learn]
    groups = found.photograph[~found.learn]
    there, known = found.labels.marks(np.flatnonzero(found.learn))
    often = (there.sum(axis=0) + 1) / (known.sum(axis=0) + 2)
    told = told | {"frequency alone": np.tile(often, (1, len(truth), 1))}
    rows: dict[str, dict[str, object]] = {}
    for name, (figure, unit) in _figures(forest, truth).items():
        of = {arm: _mean_over_seeds([figure(p) for p in ps]) for arm, ps in told.items()}
        for arm in told:
            rows[f"{name}, {arm}"] = _row(
                interval_of(of[arm], len(truth), groups, rounds=draws), unit
            )
        for arm in ("plain", "dense", "released"):
            less = difference(of["coherent"], of[arm], len(truth), groups, rounds=draws)
            rows[f"{name}, coherent less {arm}"] = _row(less, unit)
    for arm, some in told.items():
        rows[f"F1 at its best, {arm}"] = best_f1(some, truth)
    for arm in ("coherent", "plain", "released"):
        rows[f"contradictions, {arm}"] = _contradictions(forest, told[arm])
    return rows


def _figures(forest: Forest, truth: Bools) -> dict[str, tuple[Figure, str]]:
    """Return the figures of some pictures by their probabilities; of the truth all is known."""
    every = np.ones_like(truth)

    def f1(p: Floats) -> Metric:
        answers = least_cost_nodes(forest, p)
        return lambda at: count_nodes(answers[at], truth[at], every[at]).f1

    def depth(p: Floats) -> Metric:
        return _mean(deepest_right(forest, least_cost_nodes(forest, p), truth, every))

    def way(p: Floats) -> Metric:
        return _mean(to_nearest_ancestor(forest, least_cost_nodes(forest, p), truth, every))

    return {
        "micro-AP": (
            lambda p: lambda at: micro_average_precision(p[at], truth[at], every[at]), "",
        ),
        "macro-AP": (
            lambda p: lambda at: macro_average_precision(p[at], truth[at], every[at])[0], "",
        ),
        "F1": (f1, "hierarchical"),
        "depth": (depth, "levels down that are right"),
        "way up": (way, "levels from an answer to the truth"),
    }  # fmt: skip


def _mean(values: Floats) -> Metric:
    """Return the mean over some records and all their trees; NaN does not count."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0).sum(axis=1), there.sum(axis=1)
    return lambda at: float(total[at].sum() / max(count[at].sum(), 1))


def _mean_over_seeds(metrics: list[Metric]) -> Metric:
    return lambda at: float(np.mean([metric(at) for metric in metrics]))


def best_f1(told: Floats, truth: Bools) -> dict[str, object]:
    """Return the highest F1 of any threshold, which only who knows the truth can choose."""
    every = np.ones_like(truth)
    found = [
        max(count_nodes(p > least, truth, every).f1 for least in np.linspace(0.02, 0.98, 49))
        for p in told
    ]
    unit = "hierarchical, at the threshold that is best for it"
    return {"value": round(float(np.mean(found)), 4), "n": len(truth), "unit": unit}


def _contradictions(forest: Forest, told: Floats) -> dict[str, object]:
    """Return how often a node is more probable than the one above it."""
    hung = forest.parent >= 0
    wrong = told[:, :, hung] > told[:, :, forest.parent[hung]] + 1e-6
    return {
        "value": round(float(wrong.mean()), 4), "n": int(wrong.size),
        "unit": "share of nodes above the one over them",
    }  # fmt: skip


def _row(told: Interval, unit: str) -> dict[str, Any]:
    low, high = (None if np.isnan(end) else round(end, 4) for end in (told.low, told.high))
    return {"value": round(told.value, 4), "low": low, "high": high, "n": told.n, "unit": unit}
