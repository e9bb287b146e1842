"""Heads on frozen vectors of pictures of plankton, each with what holds it back chosen for itself.

Three heads (see `merian.learn.logistic`) have the same vectors, brought to variance 1 and then along
their main axes, and the same folds. What holds the weights back, and how much relatives share, is
chosen on inner folds of the part to learn from alone, by the mean over ranks of -log p.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.bench.near_pictures import spread_folds
from merian.bench.plankton_tree import PlanktonTree
from merian.learn.logistic import fit_logistic, fit_siblings, kinship

__all__ = ["HEADS", "SHOWN", "Chosen", "along_axes", "log_losses", "out_of_fold"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Head = Callable[[PlanktonTree, Floats, Numbers, Floats, float, float], Floats]
"""(tree, vectors, classes, vectors asked, l2, share) -> float[n, classes]: probabilities."""

SHOWN = ("kingdom", "phylum", "class", "order", "family", "label")  # no family has two genera
_INNER = 3
_SHARE = 0.5  # of relatives, while the other is chosen


def _flat(
    tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, l2: float, share: float
) -> Floats:
    return np.exp(fit_logistic(x, y, len(tree.tips), l2).logs(asked))


def _sums(
    tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, l2: float, share: float
) -> Floats:
    kin = kinship(tree.forest, tree.tips, share)
    return np.exp(fit_logistic(x, y, len(tree.tips), l2, kin).logs(asked))


def _siblings(
    tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, l2: float, share: float
) -> Floats:
    told = fit_siblings(x, tree.tips[y], tree.forest, l2)
    return np.exp(told.logs(asked)[:, tree.tips])


# A head, how much holds it back, and what relatives may share.
HEADS: dict[str, tuple[Head, tuple[float, ...], tuple[float, ...]]] = {
    "flat": (_flat, (0.03, 0.012, 0.005), ()),
    "path-sum": (_sums, (0.03, 0.012, 0.005), (0.3, 0.7)),
    "one-path": (_siblings, (0.06, 0.03, 0.015), ()),
}


@dataclass(frozen=True)
class Chosen:
    """What holds a head back in a fold, and what relatives share."""

    l2: float
    share: float


def along_axes(x: NDArray[np.float32], learn: Numbers, axes: int) -> Floats:
    """Return vectors of mean 0 and variance 1 along their main axes, as some of them have it."""
    known = x[learn].astype(np.float64)
    middle, spread = known.mean(0), known.std(0)
    spread[spread == 0] = 1
    known = (known - middle) / spread
    _, turned = np.linalg.eigh(known.T @ known)
    found: Floats = ((x - middle) / spread) @ turned[:, ::-1][:, :axes]
    return found


def log_losses(tree: PlanktonTree, p: Floats, y: Numbers) -> dict[str, Floats]:
    """Return of each rank float64[n]: -log p of the true name."""
    found = {}
    for rank in SHOWN:
        named, place = tree.of_rank(p, rank)
        found[rank] = -np.log(np.maximum(named[np.arange(len(y)), place[y]], 1e-12))
    return found


def out_of_fold(
    name: str,
    tree: PlanktonTree,
    x: NDArray[np.float32],
    y: Numbers,
    groups: Numbers,
    folds: Numbers,
    axes: int,
    seed: int,
) -> tuple[Floats, list[Chosen]]:
    """Return float64[n, classes], each record's by the head of all other folds; and what was chosen.

    Args:
        name: Of the head.
        tree: The classes.
        x: float32[n, d].
        y: The class of each.
        groups: Records that stay together, in the inner folds too.
        folds: The fold of each.
        axes: Main axes of the vectors that are kept.
        seed: Of the inner folds.
    """
    found, chosen = np.zeros((len(y), len(tree.tips))), []
    for fold in np.unique(folds).tolist():
        learn, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        own = np.unique(groups[learn], return_inverse=True)[1].astype(np.int64)
        inner = spread_folds(y[learn], own, _INNER, seed)
        best = _choose(name, tree, x[learn], y[learn], inner, axes)
        turned = along_axes(x, learn, axes)
        head = HEADS[name][0]
        found[asked] = head(tree, turned[learn], y[learn], turned[asked], best.l2, best.share)
        chosen.append(best)
    return found, chosen


def _choose(
    name: str, tree: PlanktonTree, x: NDArray[np.float32], y: Numbers, inner: Numbers, axes: int
) -> Chosen:
    """Return what has the least loss on the inner folds: first how much holds back, then shares."""
    head, l2s, shares = HEADS[name]
    parts = []
    for fold in range(_INNER):
        learn, asked = np.flatnonzero(inner != fold), np.flatnonzero(inner == fold)
        parts.append((learn, asked, along_axes(x, learn, axes)))

    def loss(one: Chosen) -> float:
        p = np.zeros((len(y), len(tree.tips)))
        for learn, asked, turned in parts:
            p[asked] = head(tree, turned[learn], y[learn], turned[asked], one.l2, one.share)
        return float(np.mean([each.mean() for each in log_losses(tree, p, y).values()]))

    def least(some: Sequence[Chosen], known: dict[Chosen, float]) -> Chosen:
        known |= {one: loss(one) for one in some if one not in known}
        return min(known, key=known.__getitem__)

    share = _SHARE if shares else 0.0
    known: dict[Chosen, float] = {}
    best = least([Chosen(l2, share) for l2 in l2s], known)
    return least([Chosen(best.l2, other) for other in shares], known)
