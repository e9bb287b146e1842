"""Reading what a user gives as a barcode: the nucleotides, or why it is none.

Whatever can be read is: capital or small letters, RNA, gaps of an alignment, a few letters that
mean nothing. What is left is set aside with its reason and never stops a batch.
"""

from __future__ import annotations

from collections import Counter

from merian.barcode.words import clean

__all__ = ["MINIMUM_BASES", "read_query"]

MINIMUM_BASES = 50  # called ones; fewer are in too many sequences, or in none but by an error

_PROTEIN = "EFILPQJOXZ*"  # letters that amino acids have and nucleotides have not
_AMBIGUITY = "RYSWKMBDHV"  # N is none of them: a base that was not called says nothing wrong
_NOTHING = "-.? \t\r\n"  # gaps, and what some write for a base that was not called
_SHARE = 0.1  # of the letters; a proof-reader's slip is less, a protein has a third of them


def read_query(text: str) -> tuple[str, str]:
    """Return the clean sequence and "", or "" and the reason why there is none."""
    if len(text) >= MINIMUM_BASES and not text.strip("ACGT"):  # nearly all of them, seen at once
        return text, ""
    letters = Counter(text.upper())
    for nothing in _NOTHING:
        letters.pop(nothing, None)
    size = letters.total()
    if not size:
        return "", "The sequence is empty."
    protein = sum(letters[x] for x in _PROTEIN)
    ambiguous = sum(letters[x] for x in _AMBIGUITY)
    if protein > _SHARE * size and all(x.isalpha() or x == "*" for x in letters):
        return "", f"This is a protein: {protein:,} of {size:,} letters are amino acids' alone."
    meaningless = size - ambiguous - sum(letters[x] for x in "ACGTUN")
    if meaningless > _SHARE * size:
        return (
            "",
            f"This is no sequence: {meaningless:,} of {size:,} characters mean no nucleotide.",
        )
    if ambiguous > size / 2:
        return "", f"This is hardly a sequence: {ambiguous:,} of {size:,} letters are ambiguous."
    called = sum(letters[x] for x in "ACGTU")
    if called < MINIMUM_BASES:
        return (
            "",
            f"The sequence is too short: {called} bases called of the {MINIMUM_BASES} needed.",
        )
    return clean(text), ""
