"""The outcomes of queries, and the numbers that describe them, whatever the evidence is.

An outcome is a species (or unnamed group) of the library, or "something that the library lacks,
under here" for a taxon, and for the root. What kind of evidence there is decides the numbers (see
`barcode` and `picture`); how they are weighed does not hang on it (see `fitting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Described", "in_order", "joined_described"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Described:
    """The outcomes of queries and the numbers that describe them.

    Attributes:
        offset: int64[queries + 1]; where the outcomes of each query begin.
        rung: int32; the rung that an outcome is, or has something new under it; -1 the root.
        length: int8[queries]; how much of a barcode each query is (see `lengths`); 0 of a picture.
        places: By rank, from the highest, then for the root: where its outcomes are.
        features: By rank, then for the root: one row for each of these.
    """

    offset: NDArray[np.int64]
    rung: NDArray[np.int32]
    length: NDArray[np.int8]
    places: tuple[NDArray[np.int64], ...]
    features: tuple[Floats, ...]

    @property
    def query(self) -> NDArray[np.int64]:
        """The query of each outcome."""
        return np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))


def in_order(
    asked: Sequence[tuple[Integers, Integers]],
    features: Sequence[Floats],
    length: NDArray[np.int8],
) -> Described:
    """Put the outcomes of each query side by side.

    Args:
        asked: By rank, from the highest, the query and the rung of each outcome.
        features: By rank, and last of the root, which every query may be.
        length: Of each query (see `Described`).
    """
    count = len(length)
    query = np.concatenate([*(query for query, _ in asked), np.arange(count)])
    rung = np.concatenate([*(rung for _, rung in asked), np.full(count, -1)])
    order = np.argsort(query, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    bounds = np.cumsum([0, *(len(rows) for rows in features)])
    return Described(
        np.searchsorted(query[order], np.arange(count + 1)).astype(np.int64),
        rung[order].astype(np.int32),
        length,
        tuple(place[a:b] for a, b in pairwise(bounds)),
        tuple(features),
    )


def joined_described(parts: Sequence[Described], ranks: int) -> Described:
    """Return the queries of several as one.

    Args:
        parts: In order.
        ranks: How many the ladder has, for when there are no parts.
    """
    if not parts:
        none = np.empty(0, np.int64)
        rows = tuple(np.empty((0, 1)) for _ in range(ranks + 1))
        return Described(
            np.zeros(1, np.int64), none.astype(np.int32), none.astype(np.int8),
            (none,) * (ranks + 1), rows,
        )  # fmt: skip
    begin = np.cumsum([0, *(len(part.rung) for part in parts)])
    offsets = [part.offset[:-1] + first for part, first in zip(parts, begin, strict=False)]
    places = zip(*(part.places for part in parts), strict=True)
    return Described(
        np.concatenate([*offsets, begin[-1:]]).astype(np.int64),
        np.concatenate([part.rung for part in parts]),
        np.concatenate([part.length for part in parts]),
        tuple(
            np.concatenate([own + first for own, first in zip(of_rank, begin, strict=False)])
            for of_rank in places
        ),
        tuple(np.concatenate(rows) for rows in zip(*(p.features for p in parts), strict=True)),
    )
