"""A query beside a reference, column by column, and references laid over one sequence.

`merian.barcode.align` says how alike two sequences are, and where in the query; here stands which
letter lies beside which. An ambiguous letter matches what it may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import edlib
import numpy as np
from numpy.typing import NDArray

from merian.barcode import align
from merian.nucleotides import MATCHING, MAY_BE, reverse_complement

__all__ = ["GAP", "Layout", "bits_of", "laid_over", "lay", "letters"]

WIDTH = 60  # columns of a block, as GenBank prints them

Bits = NDArray[np.uint8]

_SHIFT = 24  # places by which gaps may shift an end
GAP = 16  # beside a bit for each of A, C, G, T
_BASES = "ACGT"
_BITS = {letter: sum(1 << _BASES.index(base) for base in may) for letter, may in MAY_BE.items()}
_BITS["-"] = GAP
_LETTER = {bits: letter for letter, bits in _BITS.items()}


@dataclass(frozen=True, slots=True)
class Layout:
    """A query beside a reference.

    Attributes:
        query: Its part of the alignment, with a dash for a gap.
        reference: That of the reference, on the strand on which it lies beside the query.
        query_start: Where the first column is in the query, from 0.
        reference_start: Where it is in the reference, on that strand.
        reference_length: Bases of the whole reference.
        reverse: Whether that is the reference's other strand.
    """

    query: str
    reference: str
    query_start: int
    reference_start: int
    reference_length: int
    reverse: bool

    @property
    def marks(self) -> str:
        """Under each column: a star for a mismatch, a colon for an ambiguous letter that fits."""
        return "".join(
            " " if one == other else ":" if _BITS[one] & _BITS[other] else "*"
            for one, other in zip(self.query, self.reference, strict=True)
        )

    @property
    def mismatches(self) -> int:
        """Columns that do not match, gaps among them."""
        return self.marks.count("*")

    def blocks(self, width: int = WIDTH) -> Iterator[tuple[int, str, int, str, int, str, int]]:
        """Return the columns in pieces for the eye.

        Yields:
            The query from, its letters, to; the marks; the reference from, its letters, to:
            places from 1 in the direction in which each is written in its file.
        """
        marks = self.marks
        one, other = self.query_start, self.reference_start
        for first in range(0, len(self.query), width):
            part = slice(first, first + width)
            mine, theirs = self.query[part], self.reference[part]
            one_next = one + len(mine) - mine.count("-")
            other_next = other + len(theirs) - theirs.count("-")
            begin, end = other + 1, other_next
            if self.reverse:
                begin, end = self.reference_length - other, self.reference_length - other_next + 1
            yield one + 1, mine, one_next, marks[part], begin, theirs, end
            one, other = one_next, other_next


def lay(query: str, reference: str) -> Layout | None:
    """Lay a reference beside a query; None where the two do not align.

    Args:
        query: Clean, as is the reference.
        reference: On either strand.
    """
    found = align(query, [reference])
    if not found.overlap[0]:
        return None
    reverse = bool(found.reverse[0])
    start, stop = int(found.query_start[0]), int(found.query_stop[0])
    if reverse:  # these count on the query's other strand
        start, stop = len(query) - stop, len(query) - start
        reference = reverse_complement(reference)
    mine = query[start:stop]
    path = edlib.align(mine, reference, mode="HW", task="path", additionalEqualities=MATCHING)
    first = path["locations"][0][0]
    plain = _without_gaps(mine, reference, first, path["editDistance"])
    if plain is not None:
        return Layout(
            mine, reference[plain : plain + len(mine)], start, plain, len(reference), reverse
        )
    rows = edlib.getNiceAlignment(path, mine, reference)
    return Layout(
        rows["query_aligned"], rows["target_aligned"], start, first, len(reference), reverse
    )


def _without_gaps(query: str, reference: str, near: int, most: int) -> int | None:
    """Return where the query lies beside a reference without gaps, if that costs no more.

    Args:
        query: All of it has to lie beside the reference.
        reference: On the strand on which it lies.
        near: Where it lies with gaps.
        most: What that costs.
    """
    mine, theirs = bits_of(query), bits_of(reference)
    first, last = max(0, near - _SHIFT), min(near + _SHIFT, len(theirs) - len(mine))
    costs = [
        int(np.count_nonzero((mine & theirs[at : at + len(mine)]) == 0))
        for at in range(first, last + 1)
    ]
    return first + costs.index(most) if most in costs else None


def bits_of(sequence: str) -> Bits:
    """Return what each letter may be: a bit for each base."""
    return np.array([_BITS[letter] for letter in sequence], np.uint8)


def laid_over(anchor: str, others: Sequence[str]) -> Bits:
    """Return what each of several sequences has at each place of one.

    Args:
        anchor: The one whose places count.
        others: What is laid over it; bases that it has not fall out.

    Returns:
        uint8[others, places]: a bit for each base that it may be, `GAP` for none, 0 beyond its
        ends.
    """
    found = np.zeros((len(others), len(anchor)), np.uint8)
    for row, other in zip(found, others, strict=True):
        layout = lay(anchor, other)
        if layout is None:
            continue
        theirs = [
            _BITS[letter]
            for mine, letter in zip(layout.query, layout.reference, strict=True)
            if mine != "-"
        ]
        row[layout.query_start : layout.query_start + len(theirs)] = theirs
    return found


def letters(bits: int) -> str:
    """Return what several sequences have at a place: one letter of the code, and "/-" for a gap."""
    base = _LETTER.get(bits & 15, "")
    return "/".join(part for part in (base, "-" if bits & GAP else "") if part)
