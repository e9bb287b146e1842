"""Figures of encoders with their intervals, and what is made of a difference.

Queries of a genus stand or fall together, so genera are drawn. Two methods are compared on the
same queries. Where several seeds were trained, a query counts with the mean over them, and the
difference has a second interval: that of the mean over seeds, by Student.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.encoder_splits import Split
from merian.learn.bootstrap import mean_difference, mean_interval
from merian.learn.linear_probe import fit_by_steps
from merian.learn.probes import nearest, vote, weighted_vote

__all__ = ["T_95", "Figures", "difference", "k_nearest", "linear", "rightly", "share", "verdict"]

NEIGHBOURS, TEMPERATURE = 10, 0.02
_EPOCHS, _LEAST_EPOCHS, _PROBE_WORK = 200, 30, 2e9  # records times classes times epochs
_Z = 1.96
# Student's t, two-sided, by how many seeds are averaged.
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}

Figures = dict[str, dict[str, object]]
Floats = NDArray[np.float32]
Names = NDArray[np.str_]
Marks = NDArray[np.float64]
"""float64[n]: 1 where a query is named rightly; NaN where it is not asked."""


def rightly(split: Split, rank: str, given: Sequence[str], at: NDArray[np.bool_]) -> Marks:
    """Return how a method did.

    Args:
        split: What was asked.
        rank: Whose names count.
        given: Of each query the name; "" is never right.
        at: Which queries count.
    """
    names = np.asarray(given, np.str_)
    right = (names == split.truth(rank)) & (names != "")
    return np.where(at, right.astype(np.float64), np.nan)


def k_nearest(
    split: Split, references: Floats, queries: Floats, rank: str, weighted: bool = False
) -> list[str]:
    """Return the name of each query by its nearest reference, or by a vote of ten.

    Args:
        split: Whose references have the names.
        references: Vectors; those with NaN and those without a name do not answer.
        queries: Vectors; "" for one with NaN.
        rank: Whose names are asked.
        weighted: Ten vote by the softmax of the cosine over 0.02.
    """
    names, codes, rows = _told(split, references, rank)
    asked = np.flatnonzero(np.isfinite(queries).all(axis=1))
    found = np.full(len(queries), len(names), np.int64)
    if len(rows) and len(asked):
        k = min(NEIGHBOURS, len(rows)) if weighted else 1
        near = nearest(queries[asked], references[rows], k)
        if weighted:
            found[asked] = weighted_vote(near, codes, k, TEMPERATURE)
        else:
            found[asked] = vote(near, codes, 1)
    return [*np.append(names, "")[found].tolist()]


def linear(split: Split, references: Floats, queries: Floats, rank: str) -> list[str]:
    """Return the name of each query by a linear classifier on frozen vectors.

    Logistic regression with BarcodeMamba's published rate and momentum; BarcodeBERT's are too slow
    to get anywhere with few references, and the closed form is worse with many classes. Where there
    are many it is given fewer rounds, so that it takes about a minute.
    """
    names, codes, rows = _told(split, references, rank)
    asked = np.flatnonzero(np.isfinite(queries).all(axis=1))
    epochs = min(_EPOCHS, max(_LEAST_EPOCHS, round(_PROBE_WORK / (len(rows) * len(names)))))
    probe = fit_by_steps(
        references[rows], codes, epochs=epochs, rate=1.0, momentum=0.95, decay=1e-10
    )
    found = np.full(len(queries), len(names), np.int64)
    found[asked] = probe.predict(queries[asked])
    return [*np.append(names, "")[found].tolist()]


def _told(
    split: Split, references: Floats, rank: str
) -> tuple[Names, NDArray[np.int64], NDArray[np.int64]]:
    """Return the names of a rank, and code and row of each reference that can answer."""
    labels = split.labels(rank)
    rows = np.flatnonzero(np.isfinite(references).all(axis=1) & (labels != ""))
    names, codes = np.unique(labels[rows], return_inverse=True)
    return names, codes.astype(np.int64), rows


def share(marks: Marks | Sequence[Marks], groups: Names, unit: str) -> dict[str, object]:
    """Return a share in percent with its interval over genera; of several seeds their mean.

    Where nothing was asked there is no figure.
    """
    several = np.atleast_2d(np.asarray(marks, np.float64))
    found = mean_interval(100 * several.mean(axis=0), groups)
    if not found.n:
        return {}
    if found.value in (0, 100):  # drawn again it is always the same, which would look certain
        edge = round(100 * _Z**2 / (found.groups + _Z**2), 3)  # Wilson's, of so many genera
        found = replace(
            found, low=max(0.0, found.value - edge), high=min(100.0, found.value + edge)
        )
    return {
        "value": round(found.value, 3), "low": _end(found.low), "high": _end(found.high),
        "n": found.n, "unit": unit,
    }  # fmt: skip


def difference(
    one: Marks | Sequence[Marks], other: Marks | Sequence[Marks], groups: Names, claim: str = ""
) -> Figures:
    """Return the difference of two methods on the same queries, in points.

    Args:
        one: Marks of the first, of each seed.
        other: Of the second, as many seeds.
        groups: The genus of each query.
        claim: If given, whether the first is better is said to be confirmed or not.

    Returns:
        Under "" the interval over queries; under ", over seeds" that over seeds, if there are any.
    """
    first, second = (np.atleast_2d(np.asarray(marks, np.float64)) for marks in (one, other))
    found = mean_difference(100 * first.mean(axis=0), 100 * second.mean(axis=0), groups)
    if not found.n:
        return {}
    ends = [(found.low, found.high)]
    figures: Figures = {}
    if len(first) > 1:
        apart = 100 * np.nanmean(first - second, axis=1)
        wide = T_95[len(apart)]
        half = wide * float(apart.std(ddof=1)) / math.sqrt(len(apart))
        middle = float(apart.mean())
        ends.append((middle - half, middle + half))
        figures[", over seeds"] = {
            "value": round(middle, 3), "low": round(middle - half, 3),
            "high": round(middle + half, 3), "n": len(apart), "unit": "points",
        }  # fmt: skip
    unit = f"points; {claim} {verdict(ends)}" if claim else "points"
    whole: dict[str, object] = {
        "value": round(found.value, 3), "low": _end(found.low), "high": _end(found.high),
        "n": found.n, "unit": unit,
    }  # fmt: skip
    return {"": whole, **figures}


def verdict(ends: Sequence[tuple[float, float]]) -> str:
    """Return whether all intervals of a difference lie above 0, below it, or neither."""
    if all(low > 0 for low, _ in ends):
        return "confirmed"
    if all(high < 0 for _, high in ends):
        return "refuted"
    return "cannot be told"


def _end(value: Any) -> float | None:
    return None if math.isnan(value) else round(float(value), 3)
