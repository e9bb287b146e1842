"""Pictures that look the same though their pixels differ, in pairs.

Looks are compared only where they
meet in a bundle of planes (`merian.image.likeness`), and two of them are one picture if their
direction, their mean grey and its spread agree, and their sides have the same ratio. They stay
pairs: of small round things one leads to the next, and a group of all would say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from merian.image.likeness import TURNS, candidates, cosines, turned

__all__ = ["ALIKE", "Pairs", "alike_pairs"]

ALIKE = 0.96
"""The cosine of two looks from which on they are one picture."""

_MEAN, _SPREAD = 3.0, 0.1  # grey levels, and a share: what saving anew may change
_RATIO = 0.05  # of the sides, as a logarithm; a crop of 20 pixels loses half a one
_BLOCK = 65_536

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures of which one look was found in another.

    Attributes:
        one: int64; the number of a picture.
        other: int64; that of the other.
        cosine: float32; how alike they look.
        turn: int64; how the other is turned, a place in `TURNS`.
    """

    one: Numbers
    other: Numbers
    cosine: npt.NDArray[np.float32]
    turn: Numbers


def alike_pairs(
    con: duckdb.DuckDBPyConnection, looks: npt.NDArray[np.int8], least: float, turns: bool
) -> Pairs:
    """Return the pairs of pictures that look alike; of those with equal pixels the first stands.

    Args:
        con: Holds ``seen``.
        looks: Of the pictures.
        least: The cosine from which on two are one.
        turns: Whether pictures that were turned or mirrored count too.
    """
    told = con.execute(
        "SELECT min(n) AS n, arg_min(look, n), any_value(mean), any_value(spread), "
        "any_value(ln(width / height)) FROM seen WHERE look IS NOT NULL GROUP BY pixels ORDER BY n"
    ).fetchnumpy()
    number, place, mean, spread, ratio = (np.asarray(column) for column in told.values())
    own = looks[place] if len(place) < len(looks) else looks
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for one, other, turn in candidates(own, len(TURNS) if turns else 1):
        close = np.abs(mean[one] - mean[other]) <= _MEAN
        close &= np.abs(np.log(spread[one] / spread[other])) <= _SPREAD
        swapped = -ratio[other] if turn >= 4 else ratio[other]
        close &= np.abs(ratio[one] - swapped) <= _RATIO
        for a, b, cosine in _near(own, one[close], other[close], turn, least):
            key = (min(a, b), max(a, b))
            if key not in best or best[key][0] < cosine:
                best[key] = (cosine, turn)
    order = sorted(best)
    return Pairs(
        number[[a for a, _ in order]].astype(np.int64),
        number[[b for _, b in order]].astype(np.int64),
        np.array([best[key][0] for key in order], np.float32),
        np.array([best[key][1] for key in order], np.int64),
    )


def _near(
    looks: npt.NDArray[np.int8], one: Numbers, other: Numbers, turn: int, least: float
) -> list[tuple[int, int, float]]:
    """Return those of some pairs that look alike."""
    found: list[tuple[int, int, float]] = []
    for low in range(0, len(one), _BLOCK):
        a, b = one[low : low + _BLOCK], other[low : low + _BLOCK]
        cosine = cosines(looks[a], turned(looks[b], turn))
        near = cosine >= least
        found += zip(a[near].tolist(), b[near].tolist(), cosine[near].tolist(), strict=True)
    return found
