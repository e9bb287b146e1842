"""How fast and in how much memory groups are found, beside scikit-learn's agglomerative clustering.

Each arm is a process of its own; time is that of finding the groups alone, with what has to be
imported and compiled done before, and memory is the peak of the whole process, its rows included.
Processor seconds stand beside those of the clock, as other work may run on the same machine.

The rows are mixtures drawn by chance in two levels: kinds around what they belong to, with sizes
by 1 / rank, from the most common to the rare. In those that are `apart` kinds lie well away from
each other, so that a method that fails there is broken; in those that are `close` they overlap, as
those of real pictures do. Agreement is the adjusted mutual information (AMI) with the true kinds,
and each arm is told how many there are.

Exact Ward cannot be had of a million rows, so the tree of cells is compared with it on rows drawn
from them: AMI with the kinds of the same rows, both ways.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.child import run_child
from merian.errors import InputError

__all__ = ["measure", "mixture", "run"]

Array = NDArray[Any]
Figures = dict[str, dict[str, object]]

APART, CLOSE = "apart", "close"
_KIND = {APART: 0.6, CLOSE: 0.35}  # how far kinds are from what they belong to, in 50 dimensions
_WITHIN = 5  # kinds that belong together
_DRAWN = 20_000  # rows of which an exact tree is made, to compare
_BLOCK = 4096


def run(
    rows: int = 20_000, width: int = 768, large: int = 100_000, seed: int = 0, repeats: int = 1
) -> Figures:
    """Measure.

    Args:
        rows: For the comparison with scikit-learn, which holds all distances.
        width: Of a row.
        large: For the tree of cells; 0 leaves it away. 1,000,000 takes half an hour.
        seed: Of the rows.
        repeats: Runs of each arm; the least time counts.
    """
    figures: Figures = {}
    for kind in (APART, CLOSE):
        figures |= measure(rows, width, kind, seed, ("exact", "scikit-learn"), repeats)
    if large:
        for kind in (APART, CLOSE):
            figures |= measure(large, width, kind, seed, ("cells",), 1)
    return figures


def measure(
    rows: int, width: int, kind: str, seed: int, arms: tuple[str, ...], repeats: int = 1
) -> Figures:
    """Return the figures of some arms on the same rows."""
    from merian.learn.agreement import adjusted_mutual_information  # noqa: PLC0415

    if repeats < 1 or rows < 100 or kind not in _KIND:
        raise InputError("1 run or more, of 100 rows or more, that are apart or close")
    figures: Figures = {}
    found: dict[str, dict[str, float]] = {}
    _ready("exact")  # here, so that no arm's memory is that of compiling
    about = f"{rows} x {width}, {kind}"
    with tempfile.TemporaryDirectory(prefix="merian-clustering-") as folder:
        truth = _kinds(rows, seed)
        for arm in arms:
            told: list[dict[str, float]] = []
            for _ in range(repeats):
                out = Path(folder) / "labels.npy"
                child = run_child(
                    __spec__.name, arm, str(rows), str(width), kind, str(seed), str(out)
                )
                told.append({**json.loads(child.output), "peak": child.peak})
            best = {key: min(one[key] for one in told) for key in ("seconds", "cpu", "peak")}
            labels = np.load(out)
            best["ami"] = adjusted_mutual_information(truth, labels[: len(truth)])
            found[arm] = best
            for key, unit in (("seconds", "s"), ("cpu", "s of processors"), ("peak", "GB")):
                figures[f"{about}: {arm}, {key}"] = {"value": round(best[key], 2), "unit": unit}
            figures[f"{about}: {arm}, AMI"] = {"value": round(best["ami"], 4), "unit": "AMI"}
            if arm == "cells":
                figures |= _beside_exact(about, rows, width, kind, seed, labels)
    if {"exact", "scikit-learn"} <= found.keys():
        ours, other = found["exact"], found["scikit-learn"]
        for key, what in (("seconds", "times as fast, by the clock"),
                          ("cpu", "times as fast, by processors"),
                          ("peak", "times less memory")):  # fmt: skip
            figures[f"{about}: {what}"] = {"value": round(other[key] / ours[key], 2),
                                           "unit": "times"}  # fmt: skip
        figures[f"{about}: AMI, less that of scikit-learn"] = {
            "value": round(ours["ami"] - other["ami"], 4), "unit": "AMI",
        }  # fmt: skip
    return figures


def _beside_exact(
    about: str, rows: int, width: int, kind: str, seed: int, labels: Array
) -> Figures:
    """Compare the tree of cells with the exact one of rows drawn from the same."""
    from merian.discover import ward  # noqa: PLC0415
    from merian.learn.agreement import adjusted_mutual_information  # noqa: PLC0415

    chosen = np.sort(np.random.default_rng(seed).choice(rows, min(rows, _DRAWN), replace=False))
    truth = _kinds(rows, seed)[chosen]
    count = int(_kinds(rows, seed).max()) + 1
    exact = ward(mixture(rows, width, kind, seed, chosen)).into(min(count, len(chosen)))
    ours = adjusted_mutual_information(truth, labels[chosen])
    theirs = adjusted_mutual_information(truth, exact)
    both = adjusted_mutual_information(exact, labels[chosen])
    return {
        f"{about}: cells on {len(chosen)} drawn, AMI": {"value": round(ours, 4), "unit": "AMI"},
        f"{about}: exact on the same, AMI": {"value": round(theirs, 4), "unit": "AMI"},
        f"{about}: cells less exact": {"value": round(ours - theirs, 4), "unit": "AMI"},
        f"{about}: cells with exact": {"value": round(both, 4), "unit": "AMI"},
    }


def _kinds(rows: int, seed: int) -> NDArray[np.int64]:
    """Return the kind of each row, the most common first; all of a level of half their root."""
    count = max(4, round(math.sqrt(rows) / 2))
    share = 1 / np.arange(1, count + 1)
    rng = np.random.default_rng([seed, rows])
    found: NDArray[np.int64] = rng.choice(count, rows, p=share / share.sum())
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def mixture(
    rows: int, width: int, kind: str, seed: int, chosen: Array | None = None
) -> NDArray[np.float32]:
    """Return rows of a mixture, or some of them, made block by block."""
    which = _kinds(rows, seed)
    rng = np.random.default_rng([seed, width])
    count = int(which.max()) + 1
    far = _KIND[kind] * (50 / width) ** 0.25  # as hard to tell apart in any number of them
    above = rng.normal(size=(-(-count // _WITHIN), width)) * far
    middle = above[rng.integers(0, len(above), count)]
    middle = (middle + rng.normal(size=middle.shape) * far).astype(np.float32)
    # In few directions a row differs much, in most little, as those of an encoder.
    spread = (1.5 / np.sqrt(1 + np.arange(width) / (width / 8))).astype(np.float32)
    wanted = np.arange(rows) if chosen is None else chosen
    found = np.empty((len(wanted), width), np.float32)
    for start in range(0, rows, _BLOCK):
        first, last = np.searchsorted(wanted, (start, min(start + _BLOCK, rows)))
        if first == last:
            continue
        noise = np.random.default_rng([seed, width, start]).standard_normal(
            (min(_BLOCK, rows - start), width), np.float32
        )
        some = wanted[first:last]
        found[first:last] = middle[which[some]] + noise[some - start] * spread
    return found


def _exact(rows: Array, count: int) -> Array:
    from merian.discover import ward  # noqa: PLC0415

    return ward(rows).into(count)


def _cells(rows: Array, count: int) -> Array:
    from merian.discover import micro_ward  # noqa: PLC0415

    return micro_ward(rows).into(count)


def _scikit_learn(rows: Array, count: int) -> Array:
    from sklearn.cluster import AgglomerativeClustering  # noqa: PLC0415

    return np.asarray(AgglomerativeClustering(count, linkage="ward").fit_predict(rows))


_ARMS: dict[str, Callable[[Array, int], Array]] = {
    "exact": _exact, "cells": _cells, "scikit-learn": _scikit_learn,
}  # fmt: skip


def _ready(name: str) -> None:
    """Import and compile what an arm needs, before the clock; equal distances need all of it."""
    for kind in (np.float32, np.float64):
        (_scikit_learn if name == "scikit-learn" else _exact)(np.eye(40, dtype=kind), 2)


def _arm(name: str, rows: int, width: int, kind: str, seed: int, out: Path) -> None:
    """Do what one arm does, in a process of its own."""
    data = mixture(rows, width, kind, seed)
    count = int(_kinds(rows, seed).max()) + 1
    _ready(name)
    begun, used = time.perf_counter(), time.process_time()
    labels = _ARMS[name](data, count)
    told = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used}
    np.save(out, labels)
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    _name, _rows, _width, _kind_, _seed, _out = sys.argv[1:]
    _arm(_name, int(_rows), int(_width), _kind_, int(_seed), Path(_out))
