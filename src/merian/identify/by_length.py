"""Promises by how much of a barcode a query is: what holds for the whole need not for a piece.

Thresholds are chosen at each length on the simulated queries of that length, and are never lower
for a piece than for what is longer. So the promise holds at each length by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merian.identify.ladder import Ladder
from merian.identify.lengths import LONGEST, NAMES, SHORT, SHORTEST
from merian.identify.promise import ENOUGH, Choice, Promise, promise_of
from merian.identify.simulations import Simulations

__all__ = ["lines_of", "promises_of"]


def promises_of(simulated: Simulations, ladder: Ladder, choice: Choice) -> tuple[Promise, ...]:
    """Return the promise at each of `lengths.NAMES`."""
    found: list[Promise] = []
    for length in range(len(NAMES)):
        least = np.array([*found[-1].thresholds.values()]) if found else None
        part = simulated.taken(simulated.length == length)
        found.append(promise_of(part, ladder, choice, least))
    return tuple(found)


def lines_of(promises: Sequence[Promise]) -> list[str]:
    """Say in plain words what is promised for whole barcodes, and what for pieces."""
    whole, *pieces = promises
    lines = whole.lines()
    if not whole.holds:
        return lines
    few = [_few(name, piece, whole) for name, piece in zip(NAMES[1:], pieces, strict=True)]
    lines += [line for line in few if line]
    if any(piece.holds for piece in pieces):
        held = " and ".join(
            _plural(name) for name, piece in zip(NAMES[1:], pieces, strict=True) if piece.holds
        )
        lines.append(f"it holds for {held} by themselves too; below {SHORTEST} bases not")
    return lines


def _few(name: str, piece: Promise, whole: Promise) -> str:
    """Return what is promised for whole barcodes but not for a piece; "" if nothing."""
    if not piece.holds:
        return f"no promise for {_plural(name)}: too few genera to learn from"
    lacking = [
        f"the {own.name.replace(' ', ' is ', 1)} ({own.genera} genera)"
        for own, other in zip(piece.strata, whole.strata, strict=True)
        if other.promised and not own.promised
    ]
    if not lacking:
        return ""
    return f"none of its own for {_plural(name)} where {', or '.join(lacking)}; {ENOUGH} are needed"


def _plural(name: str) -> str:
    return {
        "piece": f"pieces of {SHORT} to {LONGEST} bases",
        "short piece": f"pieces of {SHORTEST} to {SHORT}",
    }[name]
