"""Heads on frozen vectors of plankton, each with what holds it back chosen for itself.

Three heads (see `merian.learn.logistic`) have the same vectors, brought to variance 1 and then
along their main axes, and the same folds. What holds the weights back, and how much relatives
share, is chosen on inner folds of the part to learn from alone, by the mean over ranks of -log p.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.bench.near_pictures import spread_folds
from merian.bench.plankton_tree import PlanktonTree
from merian.learn.logistic import fit_logistic, fit_siblings, kinship
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "HEADS",
    "SHOWN",
    "Asked",
    "Chosen",
    "along_axes",
    "log_losses",
    "of_fold",
    "out_of_fold",
]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
SHOWN = ("kingdom", "phylum", "class", "order", "family", "label")  # no family has two genera
_INNER = 3
_SHARE = 0.5  # of relatives, while the other is chosen


@dataclass(frozen=True)
class Chosen:
    """What holds a head back in a fold, and what relatives share."""

    l2: float
    share: float


Head = Callable[[PlanktonTree, Floats, Numbers, Floats, Chosen], Floats]
"""(tree, vectors, classes, vectors asked, what holds back) -> float[n, classes]: probabilities."""


def _flat(tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, by: Chosen) -> Floats:
    return np.exp(fit_logistic(x, y, len(tree.tips), by.l2).logs(asked))


def _sums(tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, by: Chosen) -> Floats:
    kin = kinship(tree.forest, tree.tips, by.share)
    return np.exp(fit_logistic(x, y, len(tree.tips), by.l2, kin).logs(asked))


def _siblings(tree: PlanktonTree, x: Floats, y: Numbers, asked: Floats, by: Chosen) -> Floats:
    told = fit_siblings(x, tree.tips[y], tree.forest, by.l2)
    return np.exp(told.logs(asked)[:, tree.tips])


# A head, how much holds it back, and what relatives may share.
HEADS: dict[str, tuple[Head, tuple[float, ...], tuple[float, ...]]] = {
    "flat": (_flat, (0.03, 0.012, 0.005), ()),
    "path-sum": (_sums, (0.03, 0.012, 0.005), (0.3, 0.7)),
    "one-path": (_siblings, (0.06, 0.03, 0.015), ()),
}


def along_axes(x: NDArray[np.float32], learn: Numbers, axes: int) -> Floats:
    """Return vectors of mean 0 and variance 1 along their main axes, as some of them have it."""
    known = x[learn].astype(np.float64)
    middle, spread = known.mean(0), known.std(0)
    spread[spread == 0] = 1
    known = (known - middle) / spread
    if len(known) < known.shape[1]:  # then there are no more axes than records
        turned = np.linalg.svd(known, full_matrices=False)[2].T
    else:
        turned = np.linalg.eigh(known.T @ known)[1][:, ::-1]
    found: Floats = ((x - middle) / spread) @ turned[:, :axes]
    return found


def log_losses(tree: PlanktonTree, p: Floats, y: Numbers) -> dict[str, Floats]:
    """Return of each rank float64[n]: -log p of the true name."""
    found = {}
    for rank in SHOWN:
        named, place = tree.of_rank(p, rank)
        found[rank] = -np.log(np.maximum(named[np.arange(len(y)), place[y]], 1e-12))
    return found


@dataclass(frozen=True)
class Asked:
    """What the heads are asked, all alike.

    Attributes:
        tree: The classes.
        x: float32[n, d].
        y: int64[n]; the class of each.
        groups: int64[n]; records that stay together, in the inner folds too.
        folds: int64[n].
        axes: Main axes of the vectors that are kept.
        seed: Of the inner folds.
    """

    tree: PlanktonTree
    x: NDArray[np.float32]
    y: Numbers
    groups: Numbers
    folds: Numbers
    axes: int
    seed: int

    def key(self, name: str, fold: int) -> str:
        """Return a hash of all that decides what a head says of a fold."""
        found = hashlib.blake2b(digest_size=8)
        for part in (self.x, self.y, self.groups, self.folds, self.tree.forest.parent):
            found.update(np.ascontiguousarray(part).tobytes())
        found.update(repr([name, HEADS[name][1:], self.axes, self.seed, fold, _INNER]).encode())
        return found.hexdigest()


def out_of_fold(name: str, asked: Asked, work: Path) -> tuple[Floats, list[Chosen]]:
    """Return float64[n, classes], each by the head of all other folds; and what was chosen.

    Args:
        name: Of the head.
        asked: Of what.
        work: Where what is said of a fold is kept, so that it is not reckoned again.
    """
    found, chosen = np.zeros((len(asked.y), len(asked.tree.tips))), []
    for fold in np.unique(asked.folds).tolist():
        kept = work / f"head-{asked.key(name, fold)}.safetensors"
        if not kept.is_file():
            p, best = of_fold(name, asked, fold)
            told = {"p": p, "chosen": np.array([best.l2, best.share])}
            write_tensors(kept, told, "merian-bench-head 1")
        made = map_tensors(kept)
        found[asked.folds == fold] = made["p"]
        chosen.append(Chosen(*made["chosen"].tolist()))
    return found, chosen


def of_fold(name: str, asked: Asked, fold: int) -> tuple[Floats, Chosen]:
    """Return what a head says of a fold that it did not see, and what was chosen."""
    tree, y = asked.tree, asked.y
    learn, rest = np.flatnonzero(asked.folds != fold), np.flatnonzero(asked.folds == fold)
    own = np.unique(asked.groups[learn], return_inverse=True)[1].astype(np.int64)
    inner = spread_folds(y[learn], own, _INNER, asked.seed)
    best = _choose(name, tree, asked.x[learn], y[learn], inner, asked.axes)
    turned = along_axes(asked.x, learn, asked.axes)
    p = HEADS[name][0](tree, turned[learn], y[learn], turned[rest], best)
    return p, best


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
            p[asked] = head(tree, turned[learn], y[learn], turned[asked], one)
        return float(np.mean([each.mean() for each in log_losses(tree, p, y).values()]))

    def least(some: Sequence[Chosen], known: dict[Chosen, float]) -> Chosen:
        known |= {one: loss(one) for one in some if one not in known}
        return min(known, key=known.__getitem__)

    share = _SHARE if shares else 0.0
    known: dict[Chosen, float] = {}
    best = least([Chosen(l2, share) for l2 in l2s], known)
    return least([Chosen(best.l2, other) for other in shares], known)
