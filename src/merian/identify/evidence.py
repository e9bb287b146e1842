"""Evidence: what a library says of each thing that a query may be, whatever kind the library is.

A kind of evidence finds references that are near, describes the outcomes, and scores them by
weights that were learnt on simulated novelty. What follows is the same for all kinds: the
posterior, the promise and the answer (see `identifier`), and putting several together (see
`fusion`). One that is missing says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merian.identify.determination import Match
from merian.identify.ladder import Ladder
from merian.identify.promise import Choice, Promise
from merian.identify.simulations import Simulations
from merian.library import Library

__all__ = ["Asked", "Evidence"]


@dataclass(frozen=True)
class Asked:
    """What was found for queries: the scores of all outcomes, and what they stand on.

    Attributes:
        offset: int64[queries + 1]; where the outcomes of each begin.
        rung: int32; the rung that each is, or has something new under it; -1 the root.
        length: int8[queries]; which of the promises is meant (see `Evidence.promises`).
        scores: float64; of each outcome.
        near: The references, as this kind of evidence holds them.
    """

    offset: NDArray[np.int64]
    rung: NDArray[np.int32]
    length: NDArray[np.int8]
    scores: NDArray[np.float64]
    near: Any


class Evidence(Protocol):
    """One kind of evidence, by one library.

    Attributes:
        kind: barcode or picture.
        library: What answers.
        ladder: Its tree.
        simulated: What promises are chosen on.
        usual_length: Bases of a usual reference; 0 where none has any.
    """

    kind: str
    library: Library
    ladder: Ladder
    simulated: Simulations
    usual_length: float

    def ask(self, queries: Sequence[Any]) -> Asked:
        """Find what is near to queries, and score what each may be."""
        ...

    def matches(self, asked: Asked, number: int, count: int | None) -> list[Match]:
        """Return the references near to a query, the nearest first."""
        ...

    def nearest_species(self, asked: Asked, number: int) -> Sequence[tuple[str, str, int]]:
        """Return the species that are nearest, all equally: name, genus, and how many records."""
        ...

    def promises(self, choice: Choice) -> tuple[Promise, ...]:
        """Return what is promised; `Asked.length` says which of these is for a query."""
        ...

    def lines(self, promises: Sequence[Promise]) -> list[str]:
        """Say in plain words what is promised."""
        ...
