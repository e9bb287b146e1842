"""What several verbs are told in the same words: what is promised, and how files are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.formats import Options
    from merian.identify import Choice

__all__ = ["BATCH", "choice_of", "options_of"]

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


def options_of(
    format: str | None,
    map: tuple[str, ...],
    extra: tuple[str, ...],
    images: Path | None = None,
) -> Options:
    """Read what is said about files; a wrong format is told before anything is read.

    Args:
        format: Of all files, or None.
        map: Pairs of a column and a term.
        extra: Pairs of a setting and its value.
        images: The folder with the pictures that a table names.
    """
    from merian.formats import Options, find_format

    if format is not None:
        find_format(format)
    return Options(screen.pairs("--map", map), images, extra=screen.pairs("--set", extra))
