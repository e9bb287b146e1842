"""Logistic regression on frozen vectors, whose classes may be kin, or the tips of a tree.

Three ways to name the tips of a tree, which differ in nothing else:

- each tip by itself (`fit_logistic`): what stands above is the sum of the tips under it;
- each tip has the sum of the vectors of all nodes on its path, every one of them held back by
  itself (`fit_logistic` with the `kinship` of the tips). A tip with few records leans on its
  relatives; where nothing is shared it is the first way;
- a softmax among the siblings under each node, down the path (`fit_siblings`).

A prior on the vectors of all nodes is one on those of the tips alone, whose covariance is what two
paths have in common: so the second way costs no more than the first. The minimum is unique, and is
found by L-BFGS with steps that are scaled to each number.

References: Nocedal & Wright, Numerical optimization, 2006, ch. 7 (L-BFGS); Shahbaba & Neal,
Bayesian Analysis 2007 (sums of vectors down a tree); Redmon & Farhadi 2017, arXiv:1612.08242.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError
from merian.learn.forest import Forest

__all__ = ["Logistic", "Siblings", "fit_logistic", "fit_siblings", "kinship"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Slope = Callable[[Floats], tuple[float, Floats]]

_KEPT = 10  # steps that the curvature is told from
_ENOUGH = 1e-5  # of the loss: a step that gains less, three times running, was the last


@dataclass(frozen=True)
class Logistic:
    """Weights of classes.

    Attributes:
        weights: float64[d, c].
        bias: float64[c].
    """

    weights: Floats
    bias: Floats

    def logs(self, vectors: ArrayLike) -> Floats:
        """Return float64[n, c]: the logarithm of the probability of each class."""
        return _log_softmax(np.asarray(vectors, np.float64) @ self.weights + self.bias)


@dataclass(frozen=True)
class Siblings:
    """A regression among the children of each node, and of the roots.

    Attributes:
        forest: The nodes.
        of: Parent (-1 above the roots) -> its children, and how they are told apart; None where
            there is one alone, or none of them is on any record.
    """

    forest: Forest
    of: dict[int, tuple[Numbers, Logistic | None]]

    def logs(self, vectors: ArrayLike) -> Floats:
        """Return float64[n, nodes]: the logarithm of the probability of each node."""
        x = np.asarray(vectors, np.float64)
        found = np.zeros((len(x), self.forest.size))
        for children, told in self.of.values():
            even = -np.log(len(children))
            found[:, children] = even if told is None else told.logs(x)
        return self.forest.added_down(found)


def kinship(forest: Forest, tips: ArrayLike, share: float) -> Floats:
    """Return float64[c, c]: how much the vectors of tips have in common, 1 on the diagonal.

    Args:
        forest: The nodes.
        tips: Those that are classes.
        share: How much of a tip's variance comes from what stands above it: 0 makes all strangers.
            Of two tips it is in common by the share of their paths that is.
    """
    if not 0 <= share < 1:
        raise InputError(f"tips have a share of {share:g} in common; 0 to less than 1 expected")
    lines = forest.lineages[np.asarray(tips, np.int64)]
    there = np.zeros((len(lines), forest.size))
    rows, depths = np.nonzero(lines >= 0)
    there[rows, lines[rows, depths]] = 1
    common = there @ there.T
    length = np.sqrt(np.diag(common))
    found: Floats = share * common / np.outer(length, length) + (1 - share) * np.eye(len(lines))
    return found


def fit_logistic(
    vectors: ArrayLike,
    classes: ArrayLike,
    number: int,
    l2: float,
    kin: ArrayLike | None = None,
    most: int = 300,
) -> Logistic:
    """Fit classes by the mean of -log p and l2 / 2 times the squares of the weights.

    Args:
        vectors: float[n, d].
        classes: int[n]; from 0 on.
        number: How many classes there are.
        l2: What holds the weights back; the bias is free.
        kin: float[c, c]; the covariance of the classes, as `kinship` has it. Strangers if not
            given.
        most: Steps.
    """
    x, y = np.asarray(vectors, np.float32), np.asarray(classes, np.int64)
    if x.ndim != 2 or y.shape != (len(x),) or not len(x) or not np.isfinite(x).all():
        raise InputError(
            f"vectors {list(x.shape)} and classes {list(y.shape)}; finite numbers [n, d] and a "
            "class of each expected"
        )
    if y.min() < 0 or y.max() >= number or l2 <= 0:
        raise InputError(f"classes {y.min()} to {y.max()} of {number}, held back by {l2:g}; "
                         "0 to less than their number, and more than 0 expected")  # fmt: skip
    mixed = None if kin is None else np.linalg.cholesky(np.asarray(kin, np.float64))
    x = np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1)
    held = np.full((x.shape[1], 1), l2)
    held[-1] = 1e-8  # a class that is on no record would have no end
    rows = np.arange(len(x))
    # The curvature along each number, were all classes alike.
    scale = 1 / np.sqrt((x.astype(np.float64) ** 2).mean(0)[:, None] / number + held)

    def slope(z: Floats) -> tuple[float, Floats]:
        w = scale * z
        told = w if mixed is None else w @ mixed.T
        rest = x @ told.astype(np.float32)  # scores, of which probabilities are made in place
        rest -= rest.max(axis=1, keepdims=True)
        true = rest[rows, y].astype(np.float64)
        np.exp(rest, out=rest)
        whole = rest.sum(axis=1, keepdims=True)
        loss = float((np.log(whole[:, 0].astype(np.float64)) - true).mean())
        rest /= whole
        rest[rows, y] -= 1
        down = (x.T @ rest).astype(np.float64) / len(x)
        down = (down if mixed is None else down @ mixed) + held * w
        return loss + 0.5 * float((held * w * w).sum()), scale * down

    w = scale * _least(slope, np.zeros((x.shape[1], number)), most)
    w = w if mixed is None else w @ mixed.T
    return Logistic(w[:-1], w[-1])


def fit_siblings(vectors: ArrayLike, nodes: ArrayLike, forest: Forest, l2: float) -> Siblings:
    """Fit a softmax among the children of each node, on the records that are under it.

    Args:
        vectors: float[n, d].
        nodes: int[n]; the lowest known node of each record. Nothing below it is asked.
        forest: The nodes, of one tree.
        l2: What holds all weights back, beside the mean over all records.
    """
    x, at = np.asarray(vectors, np.float32), np.asarray(nodes, np.int64)
    if len(forest.trees) != 1:
        raise InputError(f"{len(forest.trees)} trees; one expected")
    lines, found = forest.lineages[at], {}
    for parent in [-1, *np.flatnonzero(forest.inner).tolist()]:
        children = np.flatnonzero(forest.parent == parent)
        depth = int(forest.depth[children[0]])
        rows = np.flatnonzero(np.isin(lines[:, depth], children))
        told = None
        if len(rows) and len(children) > 1:
            place = np.searchsorted(children, lines[rows, depth])
            # As if all families were one sum over all records.
            own = l2 * len(x) / len(rows)
            told = fit_logistic(x[rows], place, len(children), own)
        found[parent] = (children, told)
    return Siblings(forest, found)


def _log_softmax(scores: Floats) -> Floats:
    found: Floats = scores - scores.max(axis=1, keepdims=True)
    found -= np.log(np.exp(found).sum(axis=1, keepdims=True))
    return found


def _least(slope: Slope, start: Floats, most: int) -> Floats:
    """Return where a smooth convex function is least."""
    at, (value, down) = start, slope(start)
    moves: list[tuple[Floats, Floats, float]] = []
    idle = 0
    for _ in range(most):
        way = -_by_curvature(down, moves)
        fall = float((way * down).sum())
        step = 1.0 if moves else min(1.0, 1 / max(float(np.abs(down).max()), 1e-12))
        for _ in range(30):
            there = at + step * way
            new, slant = slope(there)
            if new <= value + 1e-4 * step * fall:
                break
            step /= 2
        else:
            return at  # as exact as the numbers are
        moved, bent = there - at, slant - down
        curve = float((moved * bent).sum())
        if curve > 1e-12 * float((bent * bent).sum()):
            moves = [*moves[1 - _KEPT :], (moved, bent, curve)]
        idle = idle + 1 if value - new < _ENOUGH * abs(value) else 0
        at, value, down = there, new, slant
        if idle == 3:
            break
    return at


def _by_curvature(down: Floats, moves: list[tuple[Floats, Floats, float]]) -> Floats:
    """Return the slope over the curvature that the last moves met (two loops)."""
    way, shares = down.copy(), []
    for moved, bent, curve in reversed(moves):
        share = float((moved * way).sum()) / curve
        way -= share * bent
        shares.append(share)
    if moves:
        _, bent, curve = moves[-1]
        way *= curve / float((bent * bent).sum())
    for (moved, bent, curve), share in zip(moves, reversed(shares), strict=True):
        way += moved * (share - float((bent * way).sum()) / curve)
    return way
