"""What place and date added to an answer, in words."""

from __future__ import annotations

from dataclasses import replace

from merian.identify.determination import Determination
from merian.identify.place_evidence import PlaceEvidence, Spot

__all__ = ["FAR", "with_place"]

FAR = "out_of_place"
_AGAINST = 1 / 5  # of the odds, from which a place speaks strongly against an answer
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def with_place(
    answer: Determination, place: PlaceEvidence, spot: Spot, rung: int, times: float
) -> Determination:
    """Return an answer that says what place and date added to it.

    Args:
        answer: What is said.
        place: What the place says.
        spot: Where and when it was found.
        rung: The taxon that is told about; -1 for none.
        times: By how much place and date multiplied the odds of that taxon.
    """
    if rung < 0:
        return answer
    apart = place.nearest(spot, rung)
    factor = f"x{times:.2g}" if times >= 1 else f"/{1 / times:.2g}"
    if not place.placed:
        said = f"by the list of the region {factor}"
    elif apart is None:
        said = f"the list has no record of it: {factor}"
    else:
        when = f" in {_MONTHS[spot[2] // 2]}" if spot[2] >= 0 else ""
        said = f"place and date{when}: {factor}; nearest record {apart:,.0f} km"
    flags = answer.flags
    if times <= _AGAINST:
        flags = tuple(sorted({*flags, FAR}))
    told = f"{answer.explanation.removesuffix('.')}; {said}."
    return replace(answer, explanation=told, flags=flags)
