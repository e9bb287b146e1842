"""Which words an encoder may be given; said in one line where it may not."""

from __future__ import annotations

from merian.barcode.tokens import LETTERS
from merian.errors import InputError

__all__ = ["check_letters"]


def check_letters(kind: str, vocabulary: int) -> None:
    """Refuse any words but single bases.

    Args:
        kind: Of the encoder.
        vocabulary: How many words it was given.
    """
    if vocabulary != LETTERS:
        raise InputError(f"{kind} reads letters: data.k is 1; {vocabulary} words given")
