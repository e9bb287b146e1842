"""Nucleotides as letters, by the code of the IUPAC (doi:10.1093/nar/13.9.3021)."""

from __future__ import annotations

__all__ = ["reverse_complement"]

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read in its own direction; capital letters only."""
    return sequence.translate(_COMPLEMENT)[::-1]
