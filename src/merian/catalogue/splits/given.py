"""Splits that are given: the parts that records came with, and parts before and after a date."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.placing import Placing, Reasons
from merian.catalogue.splits.plan import Part, Plan, parts_of
from merian.errors import InputError

__all__ = ["by_dates", "published"]

_NONE = "not said"
_NAMES = {1: ("train", "test"), 2: ("train", "val", "test")}


def published(con: duckdb.DuckDBPyConnection, count: int) -> Placing:
    """Return the parts that the records came with, so that their leaks can be looked at."""
    rows = con.execute(
        "SELECT DISTINCT split FROM occurrence WHERE split IS NOT NULL ORDER BY 1"
    ).fetchall()
    names = [str(name) for (name,) in rows]
    if not names:
        raise InputError("--preset published: no record of the catalogue came with a part")
    kinds = [parts_of(f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}=1,other=1")[0] for name in names]
    parts = tuple(Part(n, 0.0, kind.role) for n, kind in zip(names, kinds, strict=True))
    found = con.execute(
        "SELECT r.n, CAST(dense_rank() OVER (ORDER BY o.split) - 1 AS INTEGER) AS p FROM rec r "
        "JOIN occurrence o ON o.occurrenceID = r.recordID WHERE o.split IS NOT NULL"
    ).fetchnumpy()
    part = np.full(count, len(parts), np.int8)
    part[found["n"]] = found["p"]
    reason = (part == len(parts)).astype(np.int32)
    if reason.any():
        parts = (*parts, Part(_NONE, 0.0, "aside"))
    return Placing(
        parts, part, np.arange(count, dtype=np.int32), reason,
        ["it came with this part", "it came with no part"],
    )  # fmt: skip


def by_dates(con: duckdb.DuckDBPyConnection, plan: Plan, piece: npt.NDArray[np.int32]) -> Placing:
    """Divide by dates: before the first cut to learn from, after the last to test with.

    What hangs together over a cut is set aside, as it would be in the past and in the future;
    records without a day are learned from, as nothing is known of them, unless they hang
    together with what is later.
    """
    cuts = sorted(plan.cuts)
    if len(cuts) not in _NAMES or not all(re.fullmatch(r"\d{4}-\d\d-\d\d", cut) for cut in cuts):
        raise InputError(
            f"--cut {' '.join(plan.cuts)}: expected one or two days in ISO 8601, as in 2020-01-01"
        )
    names = _NAMES[len(cuts)]
    roles = {"train": "learn", "val": "tune", "test": "test"}
    parts = (*(Part(name, 0.0, roles[name]) for name in names), Part("aside", 0.0, "aside"))
    found = con.execute(
        "SELECT n, eventDate AS date FROM own_event WHERE eventDate IS NOT NULL ORDER BY n"
    ).fetchnumpy()
    n = found["n"]
    first, last = (_periods(found["date"], cuts, end) for end in (0, -1))
    pieces = int(piece.max()) + 1
    low, high = np.full(pieces, len(cuts) + 1, np.int64), np.full(pieces, -1, np.int64)
    np.minimum.at(low, piece[n], first)
    np.maximum.at(high, piece[n], last)
    reasons = Reasons()
    part, why = np.zeros(pieces, np.int8), np.zeros(pieces, np.int32)
    known = high >= 0
    straddling = known & (low != high)
    part[known] = low[known]
    part[straddling] = len(names)
    why[:] = reasons.number("it has no date: to train")
    why[known] = reasons.number(f"by its date, cut at {', '.join(cuts)}")
    why[straddling] = reasons.number("it hangs together over a cut, or its date does: set aside")
    return Placing(parts, part[piece], piece, why[piece], list(reasons.texts))


def _periods(dates: npt.NDArray[Any], cuts: list[str], end: int) -> npt.NDArray[np.int64]:
    """Return in which period each date begins or ends: as many cuts as lie at or before it.

    A year or a month reaches from its first to its last day.
    """
    kinds, which = np.unique(np.asarray(dates, dtype=str), return_inverse=True)
    fill = "-01-01" if end == 0 else "-12-31"
    days = []
    for kind in kinds.tolist():
        day = kind.split("/")[end][:10]
        days.append(day + fill[len(day) - 4 :] if len(day) in (4, 7) else day)
    return np.searchsorted(np.array(cuts), np.array(days, dtype=str), side="right")[
        which.reshape(-1)
    ].astype(np.int64)
