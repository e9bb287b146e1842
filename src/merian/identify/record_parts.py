"""What one library says of one picture or barcode of a record, and how that is told in a row."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify.determination import Determination
from merian.identify.ladder import Ladder
from merian.identify.posterior import Posterior
from merian.identify.wording import percent

__all__ = ["Part", "in_a_cell", "says", "unknown"]

_DECIMALS = 6

_Outcomes = tuple[NDArray[np.int32], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Part:
    """What one library says of one picture or barcode."""

    library: str
    item: str  # the id of the picture or the sequence
    picture: str  # its address with its region, or "" of a barcode
    answer: Determination
    posterior: Posterior
    usual: Posterior  # the same where novelty is as usual
    number: int  # of the query in these
    piece: bool  # whether a barcode is but a piece

    @property
    def outcomes(self) -> _Outcomes:
        """The rungs of all outcomes in the library's own ladder, and their probabilities."""
        return self._of(self.posterior)

    @property
    def usually(self) -> _Outcomes:
        """The same where novelty is as usual, which a consensus starts from."""
        return self._of(self.usual)

    def _of(self, posterior: Posterior) -> _Outcomes:
        first, stop = posterior.offset[self.number : self.number + 2]
        return posterior.rung[first:stop], posterior.probability[first:stop]


def in_a_cell(address: str) -> str | None:
    """Return an address as every table can hold it; two blanks in a name stay two."""
    return re.sub(r"[\t\r\n]", " ", address) or None


def says(part: Part) -> str:
    """Return what one answer says, in a few words."""
    answer = part.answer
    if not answer.name:
        return f"the {answer.evidence} alone names nothing"
    share = percent(answer.probability)
    return f"the {answer.evidence} alone says {answer.rank} {answer.name} ({share})"


def unknown(
    ladder: Ladder, rung: NDArray[np.int32], probability: NDArray[np.float64]
) -> dict[str, float]:
    """Return by rank how probable it is that the library has nothing that it is."""
    rank = np.where(rung >= 0, ladder.rank[rung], -1)
    return {
        name: round(float(probability[rank < place].sum()), _DECIMALS)
        for place, name in enumerate(ladder.ranks)
    }
