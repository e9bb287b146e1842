"""Reading frames: which references of a gene that makes a protein have stop codons in all of them.

A copy of a mitochondrial gene that was moved into the nucleus (a NUMT) is free to drift: stops
arise in it, and bases are lost. So is a gene read badly. Which codons are stops hangs on the
genetic code. Without one, each marker and phylum tells by itself: all mitochondrial codes of
animals stop at TAA and TAG; where the sequences are as open with TGA as a third stop (chloroplasts,
nuclei), or with AGA and AGG (vertebrates), these count too. Where fewer than nine in ten can be
read in any frame, as in ribosomal genes and spacers, the gene makes no protein, and nothing is
said of its frame. With a code, that is so where fewer than half can: a library of several markers
has a code for those that make a protein.

Reference: the genetic codes, https://www.ncbi.nlm.nih.gov/Taxonomy/Utils/wprintgc.cgi
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.barcode.words import CODE
from merian.errors import InputError

__all__ = ["Frames", "check_code", "read_groups"]

# The stops of each code of the NCBI; those that hang on the context (27, 28, 31) are left out.
_TWO, _THREE = "TAA TAG", "TAA TAG TGA"
CODES = {
    1: _THREE, 2: "TAA TAG AGA AGG", 3: _TWO, 4: _TWO, 5: _TWO, 6: "TGA", 9: _TWO, 10: _TWO,
    11: _THREE, 12: _THREE, 13: _TWO, 14: "TAG", 15: "TAA TGA", 16: "TAA TGA", 21: _TWO,
    22: "TAA TGA TCA", 23: "TAA TAG TGA TTA", 24: _TWO, 25: _TWO, 26: _THREE, 29: "TGA",
    30: "TGA", 33: "TAG",
}  # fmt: skip

_RICHER = ("TAA TAG AGA AGG", _THREE)  # than the two that nearly all codes have
_AS_OPEN = 0.01  # that the share of open ones may fall by, where these are stops too
_CODING = 0.9  # of the sequences of a gene that makes a protein can be read
_AT_LEAST = 0.5  # of them, where the genetic code is given: else it is no protein, or another code
_ENOUGH = 20  # sequences, for a marker and phylum to tell by themselves
_LONG = 150  # bases; shorter ones are open in some frame by chance

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frames:
    """How sequences can be read.

    Attributes:
        state: uint8[sequences]; `frames_loops.OPEN`, SHIFTED or STOPPED; OPEN where nothing is
            said.
        coding: bool[sequences]; whether its marker and phylum make a protein.
        notes: What was found of each group that is judged, or why it is not.
    """

    state: Bytes
    coding: npt.NDArray[np.bool_]
    notes: Sequence[str]


def check_code(code: int) -> int:
    """Return the number of a genetic code, or say which there are."""
    if code not in CODES:
        raise InputError(
            f"--genetic-code {code}: expected a number of the NCBI: {', '.join(map(str, CODES))}; "
            "5 is that of the mitochondria of most invertebrates, 2 of vertebrates, 11 of plastids"
        )
    return code


def read_groups(
    text: Bytes, start: npt.NDArray[np.int64], groups: Sequence[str], code: int | None = None
) -> Frames:
    """Read sequences in all frames, group by group.

    Args:
        text: The letters of all sequences.
        start: Where each begins, and where the last ends.
        groups: Of each sequence, its marker and phylum.
        code: The genetic code; found for each group if None.
    """
    number = np.unique(np.array(groups, dtype=object), return_inverse=True)
    names, of = [str(name) for name in number[0]], number[1].reshape(-1)
    judged = np.diff(start) >= _LONG
    few = np.bincount(of[judged], minlength=len(names)) < _ENOUGH
    pooled = few[of]  # small groups are judged together
    state = np.zeros(len(groups), np.uint8)
    coding = np.zeros(len(groups), bool)
    given = [CODES[code]] if code is not None else []
    known = {stops: _read(text, start, stops) for stops in (given or (_TWO, *_RICHER))}
    notes = []
    for place, name in [*enumerate(names), (-1, "the rest")]:
        group = pooled if place < 0 else (of == place) & ~pooled
        rows = np.flatnonzero(judged & group)
        if not len(rows) or (place < 0 and len(rows) < _ENOUGH and code is None):
            continue
        stops = given[0] if given else _stops(known, rows)
        share = _open(known[stops], rows)
        least = _CODING if code is None else _AT_LEAST
        if share < least and len(rows) >= _ENOUGH:
            other = "" if code is None else f", or none by the genetic code {code}"
            notes.append(
                f"{name}: {100 * share:.0f} % of {len(rows):,} sequences can be read in some "
                f"frame, so it makes no protein{other}; no stop codons were looked for"
            )
            continue
        state[rows] = known[stops][rows]
        coding |= group
        notes.append(f"{name}: stop codons {stops}; {100 * share:.1f} % of {len(rows):,} are open")
    return Frames(state, coding, notes)


def _read(text: Bytes, start: npt.NDArray[np.int64], stops: str) -> Bytes:
    from merian.library.frames_loops import read_frames  # noqa: PLC0415 - loads numba

    is_stop = np.zeros(64, bool)
    for codon in stops.split():
        one, two, three = ("ACGT".index(base) for base in codon)
        is_stop[16 * one + 4 * two + three] = True
    found: Bytes = read_frames(text, start, CODE, is_stop)
    return found


def _open(state: Bytes, rows: npt.NDArray[np.int64]) -> float:
    return float((state[rows] == 0).mean())


def _stops(known: dict[str, Bytes], rows: npt.NDArray[np.int64]) -> str:
    """Return the most stops with which nearly as many sequences are open as with two."""
    least = _open(known[_TWO], rows) - _AS_OPEN
    return next((stops for stops in _RICHER if _open(known[stops], rows) >= least), _TWO)
