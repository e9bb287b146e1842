"""What is to be promised, as `identify` and `explain` are told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merian.errors import InputError

if TYPE_CHECKING:
    from merian.identify import Choice

__all__ = ["BATCH", "choice_of"]

BATCH = "batch"  # the mix of novelty is estimated from what is asked


def choice_of(alpha: float, novelty: str | None, promise: str) -> Choice:
    """Read what is to be promised.

    Args:
        alpha: The share of wrong answers.
        novelty: Four shares with commas between, or `BATCH`, or None for any mix.
        promise: Whether it is for "all" answers or for those at each "rank".
    """
    from merian.identify import Choice, strata

    if not 0 < alpha < 1:
        raise InputError(f"--alpha {alpha:g}: expected a share between 0 and 1, such as 0.05")
    if novelty is None or novelty == BATCH:
        return Choice(alpha, None, promise == "rank")
    try:
        known, species, genus, family = (float(part) for part in novelty.split(","))
    except ValueError:
        raise InputError(
            f"--novelty {novelty}: expected four shares such as 0.7,0.2,0.08,0.02 (of records whose"
            f" species is in the library, and whose species, genus, family is not), or {BATCH}"
        ) from None
    shares = (known, species, genus, family)
    strata.expanded(shares)  # says what is wrong with them
    return Choice(alpha, shares, promise == "rank")
