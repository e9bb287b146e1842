"""The one observation that would settle a determination best.

Doubt is the chance that two guesses drawn from the probabilities are not one and the same named
species. Each kind of observation tells one outcome from another with some chance (see `chances`),
so it is known how much of the doubt it would take away. That ranks what to do next, and is no part
of the promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from merian.identify.chances import kinds
from merian.identify.determination import Determination
from merian.identify.rivals import Barcode, Pair, Rival
from merian.taxonomy import MAIN_RANKS

__all__ = ["Observation", "doubt_of", "observations", "settle"]

_SURE = 0.95  # of a species: nothing more is needed
_LOWEST = MAIN_RANKS[-1]


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that one could look at next.

    Attributes:
        kind: In a word or two.
        settles: The share of the doubt that it would take away.
        what: What to do.
        why: One sentence with the numbers.
        assumes: What the figure stands on.
    """

    kind: str
    settles: float
    what: str
    why: str
    assumes: str


def doubt_of(rivals: Sequence[Rival]) -> float:
    """Return the chance that two guesses are not one and the same named species."""
    return 1.0 - sum(rival.probability**2 for rival in rivals if rival.named)


def settle(
    answer: Determination, rivals: Sequence[Rival], barcode: Barcode
) -> tuple[Observation, list[Observation]]:
    """Return the observation that would settle it best, and all that were reckoned.

    Args:
        answer: What is stood by.
        rivals: The most probable outcomes.
        barcode: How much of it was read.
    """
    reckoned = observations(rivals, barcode)
    if answer.rank == _LOWEST and answer.probability >= _SURE:
        why = f"It stands at the {_LOWEST} with {answer.probability:.2f}."
        return Observation("nothing", 0.0, "nothing more", why, ""), reckoned
    return reckoned[0], reckoned


def observations(rivals: Sequence[Rival], barcode: Barcode) -> list[Observation]:
    """Return what could be looked at, what settles most first; of equal ones the cheapest."""
    pairs = [Pair(a, b) for a, b in combinations_with_replacement(rivals, 2)]
    doubt = max(doubt_of(rivals), 1e-9)
    found: dict[str, Observation] = {}
    for kind in kinds(rivals):
        parts = [_weight(pair) * kind.chance(pair, barcode) for pair in pairs]
        settles = min(1.0, sum(parts) / doubt)
        if kind.name in found and settles <= found[kind.name].settles:
            continue
        why = "It would tell nothing."
        if settles:
            why = kind.tell(pairs[int(np.argmax(parts))], barcode)
        why = why[:1].upper() + why[1:]
        found[kind.name] = Observation(kind.name, settles, kind.what, why, kind.assumes)
    return sorted(found.values(), key=lambda one: -one.settles)


def _weight(pair: Pair) -> float:
    """Return the chance that two guesses are this pair; of a named species and itself, none."""
    if pair.same:
        return 0.0 if pair.one.named else pair.one.probability**2
    return 2 * pair.one.probability * pair.other.probability
