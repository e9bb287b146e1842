"""What frozen ImageNet features tell of corals, FlowCam and ISIIS pictures, and what a tree adds.

Nothing is trained but the last layer. Corals (RSMAS, 14 classes): the nearest neighbour and a
logistic regression on our features and on those of the package's own model, from the same pixels,
on the same folds; pieces of one photograph stay together. FlowCam (6 classes): the nearest
neighbour, each picture left out in turn. ISIIS (121 classes): three heads on the same vectors:
logistic regression of the labels summed up the tree of their lineages, the same with vectors that
add up down the tree (`path-sum`), and a softmax among siblings (`one-path`).
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.frozen_heads import HEADS, SHOWN, Asked, log_losses, out_of_fold
from merian.bench.near_pictures import near_groups, spread_folds
from merian.bench.picture_folders import PictureSet, pixels_of, read_set
from merian.bench.plankton_tree import PlanktonTree, read_tree
from merian.errors import InputError, MissingExtraError
from merian.learn.bootstrap import (
    Interval,
    Metric,
    difference,
    interval_of,
    mean_difference,
    mean_interval,
)
from merian.learn.logistic import fit_logistic
from merian.learn.node_decoding import least_cost_node
from merian.learn.probes import nearest

__all__ = ["NAME", "WORKING", "run"]

NAME = "picture-probes"
WORKING = ("work", "data")

CORALS = "benthic/rsmas_corals/train"
FLOWCAM = "packages/pypi_planktonclass/demo-images"
ISIIS = "plankton/isiis_planktonset1"
LINEAGES = "plankton/planktonzilla/planktonzilla_taxonomy.csv"
SETS = ("corals", "flowcam", "isiis")

# Cosines from which on two pictures are near. Corals: pieces of one photograph overlap, and by eye
# pairs are such down to 0.8. Plankton: all have one pale ground and are alike without being kin.
_NEAR = {"corals": 0.85, "isiis": 0.95}
_L2 = 0.01  # of the probe of corals; the same for both networks, and not chosen

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Rows = dict[str, dict[str, Any]]


def run(
    *,
    data: Path = Path("../shared/data"),
    sets: str = "corals,flowcam,isiis",
    folds: int = 5,
    axes: int = 256,
    sizes: bool = False,
    draws: int = 1000,
    seed: int = 0,
    work: Path | None = None,
) -> Rows:
    """Return the figures of each set.

    Args:
        data: The folder that holds benthic/, packages/ and plankton/.
        sets: Which, with commas between: corals, flowcam, isiis.
        folds: Of corals and ISIIS.
        axes: Main axes of the vectors that the heads of ISIIS are given.
        sizes: Whether they are asked a second time with the size of a picture in pixels.
        draws: For the intervals; groups are drawn.
        seed: Of the folds.
        work: Where features, and what heads say, are kept. A temporary folder if not given.
    """
    asked = [name for name in sets.split(",") if name]
    if not asked or set(asked) - set(SETS):
        raise InputError(f"--sets {sets}: some of {', '.join(SETS)} expected, with commas between")
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench picture-probes", "models")
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    rows: Rows = {}
    with place as made:
        kept = Path(str(made))
        if "corals" in asked:
            rows |= _corals(read_set(data / CORALS, kept), folds, draws, seed)
        if "flowcam" in asked:
            rows |= _flowcam(read_set(data / FLOWCAM, kept), draws)
        if "isiis" in asked:
            found = read_set(data / ISIIS, kept)
            tree = read_tree(data / LINEAGES, found.names)
            rows |= _isiis(found, tree, folds, axes, sizes, draws, seed, kept)
    return rows


def _corals(found: PictureSet, folds: int, draws: int, seed: int) -> Rows:
    """Return the figures of two networks on the same folds, and of folds by chance."""
    from merian.bench.picture_arms import vectors_of_package  # noqa: PLC0415 - torch is an extra

    theirs = vectors_of_package(pixels_of(found.files))
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    groups = near_groups(found.features, found.hashes, _NEAR["corals"])
    rows = {"corals: pictures": _count(len(found), f"in {groups.max() + 1} groups")}
    apart = float(np.abs(found.features - theirs).max())
    rows["corals: largest difference of a number"] = {
        "value": float(f"{apart:.2g}"), "n": theirs.size, "unit": "of vectors of unit length",
    }  # fmt: skip
    by_group = spread_folds(found.labels, groups, folds, seed)
    by_chance = spread_folds(found.labels, np.arange(len(found)), folds, seed)
    for probe, ask in (("1-NN", _by_nearest), ("linear", _by_line)):
        told = {
            "Merian": _right(ask, found.features, found.labels, by_group),
            "the package's own model": _right(ask, theirs, found.labels, by_group),
        }
        for who, right in told.items():
            rows[f"corals: {probe}, {who}"] = _percent(right, groups, draws)
        ours, other = told.values()
        less = mean_difference(100 * ours, 100 * other, groups, rounds=draws)
        rows[f"corals: {probe}, Merian less the package"] = _row(less, "points", 2)
        naive = _right(ask, found.features, found.labels, by_chance)
        rows[f"corals: {probe}, Merian, folds by chance"] = _percent(naive, groups, draws)
        more = mean_difference(100 * naive, 100 * ours, groups, rounds=draws)
        rows[f"corals: {probe}, folds by chance flatter by"] = _row(more, "points", 2)
    return rows


def _right(
    ask: Callable[[NDArray[np.float32], Numbers, NDArray[np.float32]], Numbers],
    x: NDArray[np.float32],
    y: Numbers,
    folds: Numbers,
) -> Floats:
    """Return 1 where a picture is named rightly by those of all other folds, else 0."""
    found = np.zeros(len(y))
    for fold in np.unique(folds).tolist():
        learn, asked = folds != fold, folds == fold
        found[asked] = ask(x[learn], y[learn], x[asked]) == y[asked]
    return found


def _by_nearest(x: NDArray[np.float32], y: Numbers, asked: NDArray[np.float32]) -> Numbers:
    return y[nearest(asked, x, 1).references[:, 0]]


def _by_line(x: NDArray[np.float32], y: Numbers, asked: NDArray[np.float32]) -> Numbers:
    middle, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1
    told = fit_logistic((x - middle) / spread, y, int(y.max()) + 1, _L2)
    return told.logs((asked - middle) / spread).argmax(1)


def _flowcam(found: PictureSet, draws: int) -> Rows:
    """Return how often the nearest other picture is of the same class."""
    near = nearest(found.features, found.features, 2).references
    own = near[:, 0] == np.arange(len(found))
    right = (found.labels[np.where(own, near[:, 1], near[:, 0])] == found.labels).astype(float)
    rows = {"flowcam: 1-NN, each left out": _percent(right, None, draws)}

    def by_class(at: Numbers) -> float:
        classes = [right[at][found.labels[at] == one] for one in range(len(found.names))]
        return float(100 * np.mean([some.mean() for some in classes if len(some)]))

    mean = interval_of(by_class, len(found), rounds=draws)
    rows["flowcam: the same, mean over classes"] = _row(mean, "% right", 1)
    return rows


def _isiis(
    found: PictureSet,
    tree: PlanktonTree,
    folds: int,
    axes: int,
    sizes: bool,
    draws: int,
    seed: int,
    work: Path,
) -> Rows:
    """Return the figures of each head at each rank, and how much better a tree makes them."""
    y = found.labels
    groups = near_groups(found.features, found.hashes, _NEAR["isiis"])
    parts = spread_folds(y, groups, folds, seed)
    nodes = f"in {groups.max() + 1} groups; {tree.forest.size} nodes, {len(tree.tips)} of them tips"
    rows = {"isiis: pictures": _count(len(found), nodes)}
    given = {"": found.features}
    if sizes:
        given[" and size"] = np.concatenate([found.features, _sides(found)], axis=1)
    for more, x in given.items():
        told, asked = {}, Asked(tree, x, y, groups, parts, axes, seed)
        for name in HEADS:
            p, chosen = out_of_fold(name, asked, work)
            told[name] = _scores(tree, p, y)
            l2 = sorted({one.l2 for one in chosen})
            shares = sorted({one.share for one in chosen})
            rows[f"isiis{more}: {name}, held back by"] = {
                "value": float(np.median([one.l2 for one in chosen])), "low": l2[0], "high": l2[-1],
                "n": folds, "unit": f"L2, over folds; relatives share {shares[0]} to {shares[-1]}",
            }  # fmt: skip
        for figure, (unit, digits) in _units().items():
            for name, scores in told.items():
                value = interval_of(scores[figure], len(y), groups, rounds=draws)
                rows[f"isiis{more}: {figure}, {name}"] = _row(value, unit, digits)
            for name in ("path-sum", "one-path"):
                less = difference(
                    told[name][figure], told["flat"][figure], len(y), groups, rounds=draws
                )
                rows[f"isiis{more}: {figure}, {name} less flat"] = _row(less, unit, digits + 1)
    return rows


def _sides(found: PictureSet) -> NDArray[np.float32]:
    """Return the logarithms of the longer and of the shorter side, which tell how large it is."""
    return np.log(np.sort(found.sides, axis=1)[:, ::-1]).astype(np.float32)


def _units() -> dict[str, tuple[str, int]]:
    right = {f"right at {rank}": ("%", 1) for rank in SHOWN}
    loss = {f"-log p at {rank}": ("", 3) for rank in SHOWN}
    kinds = ("precision", "recall", "F1")
    return {**right, **loss, **{f"hierarchical {kind}": ("%", 1) for kind in kinds}}


def _scores(tree: PlanktonTree, p: Floats, y: Numbers) -> dict[str, Metric]:
    """Return the figures of one head by the pictures that are drawn."""
    found: dict[str, Metric] = {}
    for rank in SHOWN:
        named, place = tree.of_rank(p, rank)
        found[f"right at {rank}"] = _mean(100.0 * (named.argmax(1) == place[y]))
    for rank, losses in log_losses(tree, p, y).items():
        found[f"-log p at {rank}"] = _mean(losses)
    forest, answers = tree.forest, least_cost_node(tree.forest, tree.summed(p))[:, 0]
    told, there = (_marked(forest.lineages, at, forest.size) for at in (answers, tree.tips[y]))
    right, said, true = (marks.sum(1) for marks in (told & there, told, there))
    found["hierarchical precision"] = lambda at: 100 * float(right[at].sum() / said[at].sum())
    found["hierarchical recall"] = lambda at: 100 * float(right[at].sum() / true[at].sum())
    found["hierarchical F1"] = lambda at: (
        200 * float(right[at].sum() / (said[at].sum() + true[at].sum()))
    )
    return found


def _marked(lineages: Numbers, nodes: Numbers, size: int) -> NDArray[np.bool_]:
    """Return bool[n, nodes]: a node and all above it; nothing for -1."""
    found = np.zeros((len(nodes), size + 1), bool)
    lines = np.where((nodes >= 0)[:, None], lineages[nodes], -1)
    found[np.arange(len(nodes))[:, None], lines] = True
    return found[:, :size]


def _mean(values: Floats) -> Metric:
    return lambda at: float(values[at].mean())


def _percent(right: Floats, groups: Numbers | None, draws: int) -> dict[str, Any]:
    return _row(mean_interval(100 * right, groups, rounds=draws), "% right", 1)


def _count(value: int, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


def _row(told: Interval, unit: str, digits: int) -> dict[str, Any]:
    low, high = (None if np.isnan(end) else round(end, digits) for end in (told.low, told.high))
    return {
        "value": round(told.value, digits), "low": low, "high": high, "n": told.n, "unit": unit,
    }  # fmt: skip
