"""Nucleotides as letters, by the code of the IUPAC (doi:10.1093/nar/13.9.3021)."""

from __future__ import annotations

__all__ = ["MATCHING", "MAY_BE", "reverse_complement"]

MAY_BE = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT",
    "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip

# Pairs of different letters that may be the same base.
MATCHING = [
    (one, other)
    for one, bases in MAY_BE.items()
    for other, others in MAY_BE.items()
    if one < other and set(bases) & set(others)
]

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read in its own direction; capital letters only."""
    return sequence.translate(_COMPLEMENT)[::-1]
