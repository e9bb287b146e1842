"""Simulated queries, as a library keeps them: what promises are chosen on.

Each is scored by a model that has not seen its genus. Beside the scores stands what is true of it,
so that a threshold can be judged, and two kinds of evidence be put together (see `fusion`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Simulations"]

_OF_OUTCOMES = ("rung", "score")
_OF_QUERIES = ("stratum", "genus", "weight", "true", "length")


def _nothing() -> NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(frozen=True)
class Simulations:
    """Simulated queries, as a model that has not seen their genera scores them.

    Attributes:
        offset: int64[queries + 1]; where the outcomes of each begin.
        rung: int32; of each outcome.
        score: float32; of each outcome.
        stratum: int8[queries].
        genus: int32[queries]; the rung of the genus.
        weight: float32[queries]; species of a genus count alike in each stratum.
        true: int32[queries, ranks]; the true rungs, -2 where the library is to lack them.
        length: int8[queries]; how much of a barcode each is (see `lengths`).
        own: int32[queries]; the lowest rung of each, also where that is left out. Nothing in
            libraries of earlier versions.
    """

    offset: NDArray[np.int64]
    rung: NDArray[np.int32]
    score: NDArray[np.float32]
    stratum: NDArray[np.int8]
    genus: NDArray[np.int32]
    weight: NDArray[np.float32]
    true: NDArray[np.int32]
    length: NDArray[np.int8]
    own: NDArray[np.int32] = field(default_factory=_nothing)

    @staticmethod
    def among(arrays: Mapping[str, NDArray[Any]]) -> Simulations:
        """Return those that are kept among the arrays of a library."""
        told = {name: arrays[name] for name in ("offset", *_OF_OUTCOMES, *_OF_QUERIES)}
        return Simulations(**told, own=arrays.get("own", _nothing()))

    def taken(self, chosen: NDArray[np.bool_]) -> Simulations:
        """Return the queries that are chosen."""
        size = np.diff(self.offset)
        keep = np.repeat(chosen, size)
        told = {name: getattr(self, name)[keep] for name in _OF_OUTCOMES}
        told |= {name: getattr(self, name)[chosen] for name in _OF_QUERIES}
        return Simulations(
            offset=np.concatenate([[0], np.cumsum(size[chosen])]).astype(np.int64),
            own=self.own[chosen] if len(self.own) else self.own,
            **told,
        )
