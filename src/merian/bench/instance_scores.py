"""How good found bodies are: COCO's average precision and recall, and the best F1, on masks.

A found body is true if its mask overlaps a true one's by so much, and each true one is found once:
the surest first. Precision is averaged over recall and over overlaps of 0.5 to 0.95, or told at
one. Sizes are told apart at 144 and 1,024 square pixels, as in MassID45; a true body of another
size is passed over, and so is what is found of another size and matches none. Masks are compared
within their boxes, so that no mask of a photograph is ever held.

References: Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48 (COCO's protocol, 101 points of
recall); MassID45, arXiv:2507.06972 (1,000 detections, areas).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["AREAS", "MOST", "OVERLAPS", "Compared", "Matched", "Placed", "Scored", "compare",
           "figures", "match", "overlaps", "shares_within"]  # fmt: skip

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

OVERLAPS = tuple((0.5 + 0.05 * np.arange(10)).round(2).tolist())
AREAS = {"": (0.0, math.inf), " small": (0.0, 144.0), " medium": (144.0, 1024.0),
         " large": (1024.0, math.inf)}  # fmt: skip
MOST = 1_000  # bodies of a picture that are asked, the surest

_RECALLS = np.linspace(0, 1, 101)


class Placed(Protocol):
    """A body: a mask in its box, and where that is. What is found also has a `score`."""

    @property
    def mask(self) -> Mask:
        """Pixels of the body in its box."""
        ...

    @property
    def left(self) -> int:
        """Where the box is in the picture."""
        ...

    @property
    def top(self) -> int:
        """Where the box is in the picture."""
        ...


class Scored(Placed, Protocol):
    """A body that was found."""

    @property
    def score(self) -> float:
        """How sure it is."""
        ...


@dataclass(frozen=True)
class Matched:
    """What became of the bodies of a picture, for bodies of some areas.

    Attributes:
        scores: float64[found], the surest first.
        true: bool[overlaps, found], whether each matches a true body.
        passed: bool[overlaps, found], whether it does not count.
        count: How many true bodies count.
    """

    scores: Doubles
    true: Mask
    passed: Mask
    count: int


def overlaps(found: Sequence[Placed], true: Sequence[Placed]) -> Doubles:
    """Return float64[found, true], intersection over union."""
    both = _common(found, true)
    areas = np.add.outer(_sizes(found), _sizes(true))
    return both / np.maximum(areas - both, 1)


def shares_within(found: Sequence[Placed], ignored: Sequence[Placed]) -> Doubles:
    """Return float64[found], the share of each that lies where nothing is asked."""
    within = _common(found, ignored).sum(axis=1)
    return np.minimum(within / np.maximum(_sizes(found), 1), 1.0)


def _common(found: Sequence[Placed], true: Sequence[Placed]) -> Doubles:
    """Return float64[found, true], how many pixels two bodies have in common."""
    table = np.zeros((len(found), len(true)))
    if not len(found) or not len(true):
        return table
    a, b = _boxes(found), _boxes(true)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    for i, j in np.argwhere((high > low).all(axis=2)).tolist():
        top, left = low[i, j]
        below, right = high[i, j]
        one, other = (
            body.mask[top - body.top : below - body.top, left - body.left : right - body.left]
            for body in (found[i], true[j])
        )
        table[i, j] = np.count_nonzero(one & other)
    return table


def match(
    found: Sequence[Scored],
    true: Sequence[Placed],
    *,
    area: tuple[float, float] = AREAS[""],
    most: int = MOST,
    table: Doubles | None = None,
    unasked: Doubles | None = None,
) -> Matched:
    """Match what was found in a picture with what is there.

    Args:
        found: What was found.
        true: What is there.
        area: Square pixels of the bodies that count, from and to.
        most: How many of what was found are asked, the surest.
        table: `overlaps` of both, where it is known.
        unasked: `shares_within` of what was found, where something is not asked.
    """
    table = overlaps(found, true) if table is None else table
    unasked = np.zeros(len(found)) if unasked is None else unasked
    order = np.argsort([-one.score for one in found], kind="stable")[:most]
    table, unasked = table[order], unasked[order]
    sizes, own = _sizes(found)[order], _sizes(true)
    outside = (own < area[0]) | (own > area[1])
    # Those that count are asked first: a match with another is worth nothing.
    columns = np.argsort(outside, kind="stable")
    hits = np.zeros((len(OVERLAPS), len(order)), np.bool_)
    passed = np.zeros_like(hits)
    for level, least in enumerate(OVERLAPS):
        taken = np.zeros(len(true), np.bool_)
        for row in range(len(order)):
            best = _best(table[row], columns, outside, taken, least)
            if best is None:
                passed[level, row] = not area[0] <= sizes[row] <= area[1] or unasked[row] >= least
                continue
            taken[best] = True
            hits[level, row], passed[level, row] = True, outside[best]
    scores = np.array([found[at].score for at in order.tolist()], np.float64)
    return Matched(scores, hits, passed, int((~outside).sum()))


def _best(
    row: Doubles, columns: NDArray[np.int64], outside: Mask, taken: Mask, least: float
) -> int | None:
    """Return the true body that overlaps most, of those that count if one of them does enough."""
    for group in (columns[~outside[columns]], columns[outside[columns]]):
        free = group[~taken[group]]
        if len(free):
            # The last of equals, as COCO's own code takes it.
            best = int(free[len(free) - 1 - int(row[free][::-1].argmax())])
            if row[best] >= min(least, 1 - 1e-10):
                return best
    return None


@dataclass(frozen=True)
class Compared:
    """What was found in a picture beside what is there.

    Attributes:
        by_area: For each of `AREAS`, what became of the bodies.
        found: How many were found.
        there: How many there are.
    """

    by_area: Mapping[str, Matched]
    found: int
    there: int


def compare(
    found: Sequence[Scored],
    true: Sequence[Placed],
    most: int = MOST,
    ignored: Sequence[Placed] = (),
) -> Compared:
    """Compare what was found in a picture with what is there, of all areas.

    Args:
        found: What was found.
        true: What is there.
        most: How many of what was found are asked, the surest.
        ignored: Where nothing is asked: what was found there and is none of the true ones does not
            count, as with COCO's crowds.
    """
    table, unasked = overlaps(found, true), shares_within(found, ignored)
    by_area = {
        name: match(found, true, area=area, most=most, table=table, unasked=unasked)
        for name, area in AREAS.items()
    }
    nowhere = (unasked >= OVERLAPS[0]) & ~(table >= OVERLAPS[0]).any(axis=1)
    return Compared(by_area, len(found) - int(nowhere.sum()), len(true))


def figures(pictures: Sequence[Compared]) -> dict[str, float]:
    """Return AP, AP50, AP75, AP and AR by area, the best F1 and its score, and counts.

    Where no true body is of an area the figure is NaN.
    """
    told: dict[str, float] = {}
    for name in AREAS:
        precision, recall = _averaged([one.by_area[name] for one in pictures])
        told[f"AP{name}"] = _mean(precision)
        if not name:
            told["AP50"], told["AP75"] = float(precision[0]), float(precision[5])
        told[f"AR{name}"] = _mean(recall)
    told |= _best_f1([one.by_area[""] for one in pictures])
    there = sum(one.there for one in pictures)
    told["found"], told["there"] = float(sum(one.found for one in pictures)), float(there)
    wrong = sum(abs(one.found - one.there) for one in pictures)
    told["count error"] = wrong / there if there else math.nan
    return told


def _averaged(matched: Sequence[Matched]) -> tuple[Doubles, Doubles]:
    """Return average precision and the highest recall at each overlap."""
    count = sum(one.count for one in matched)
    if not count:
        return np.full(len(OVERLAPS), math.nan), np.full(len(OVERLAPS), math.nan)
    precisions, recalls = np.zeros(len(OVERLAPS)), np.zeros(len(OVERLAPS))
    for level in range(len(OVERLAPS)):
        _, hits = _in_order(matched, level)
        if not len(hits):
            continue
        right, wrong = np.cumsum(hits), np.cumsum(~hits)
        recall = right / count
        precision = right / (right + wrong)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, _RECALLS)
        precisions[level] = np.append(precision, 0)[at].mean()
        recalls[level] = recall[-1]
    return precisions, recalls


def _in_order(matched: Sequence[Matched], level: int) -> tuple[Doubles, Mask]:
    """Return the scores of all that counts, the surest first, and whether it is true."""
    keep = [~one.passed[level] for one in matched]
    scores = np.concatenate([one.scores[k] for one, k in zip(matched, keep, strict=True)])
    hits = np.concatenate([one.true[level][k] for one, k in zip(matched, keep, strict=True)])
    order = np.argsort(-scores, kind="stable")
    return scores[order], hits[order]


def _best_f1(matched: Sequence[Matched]) -> dict[str, float]:
    """Return the best F1 at an overlap of 0.5, with precision, recall and the score it takes."""
    count = sum(one.count for one in matched)
    if not matched or not count:
        return dict.fromkeys(("F1", "precision", "recall", "score at best F1"), math.nan)
    scores, hits = _in_order(matched, 0)
    if not len(hits):
        return {"F1": 0.0, "precision": 0.0, "recall": 0.0, "score at best F1": math.nan}
    right = np.cumsum(hits)
    number = np.arange(1, len(hits) + 1)
    f1 = 2 * right / (number + count)
    # A level takes all of one score or none.
    f1[:-1][scores[1:] == scores[:-1]] = -1
    best = int(f1.argmax())
    return {
        "F1": float(f1[best]), "precision": float(right[best] / number[best]),
        "recall": float(right[best] / count), "score at best F1": float(scores[best]),
    }  # fmt: skip


def _boxes(bodies: Sequence[Placed]) -> NDArray[np.int64]:
    return np.array(
        [(b.top, b.left, b.top + b.mask.shape[0], b.left + b.mask.shape[1]) for b in bodies],
        np.int64,
    )


def _sizes(bodies: Sequence[Placed]) -> Doubles:
    return np.array([int(one.mask.sum()) for one in bodies], np.float64)


def _mean(values: Doubles) -> float:
    return float(values.mean())
