"""``merian library card``: what a library covers, and where a promise can be given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

__all__ = ["card"]

_ENDS = (".html", ".htm", ".md", ".json")


def card(
    library: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    rank: str | None = None,
    alpha: float = 0.05,
    json: bool = False,
) -> None:
    """Tell what a library covers, what it was made of, and where a promise can be given.

    Args:
        library: The folder of the library.
        out: The file to write: a page (.html), Markdown (.md) or JSON. Without it the Markdown is
            printed.
        rank: Of the clades that are told one by one, such as order; chosen if not given.
        alpha: The share of wrong answers that would be promised.
        json: Print JSON.
    """
    from merian.library import Library
    from merian.report.library_card import card_of
    from merian.report.library_card_page import markdown_of, write_card
    from merian.taxonomy import MAIN_RANKS

    if out is not None and out.suffix.lower() not in _ENDS:
        raise InputError(f"--out {out}: expected a name that ends with {', '.join(_ENDS)}")
    if rank is not None and rank not in MAIN_RANKS[:-1]:
        raise InputError(f"--rank {rank}: expected one of {', '.join(MAIN_RANKS[:-1])}")
    if not 0 < alpha < 1:
        raise InputError(f"--alpha {alpha:g}: expected a share between 0 and 1, such as 0.05")
    made = card_of(Library.open(library), rank, alpha)
    if out is not None:
        write_card(made, out)
        print(screen.printable(f"the card of {library}: {out}"))
    elif json:
        screen.print_json(made)
    else:
        print(screen.printable_lines(markdown_of(made)))
