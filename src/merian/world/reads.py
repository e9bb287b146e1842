"""What comes off the sequencer: a specimen's bases with the faults that real records have.

Ends are trimmed, some reads are short, some hold N, a base is lost or doubled in a run of equal
ones, a record lies on the other strand, a tube failed. A nuclear copy of the gene (a NUMT) is read
in place of it: it has drifted without selection, so its frame is shifted and has stops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.nucleotides import reverse_complement
from merian.world.barcodes import LENGTH, as_text

__all__ = ["Read", "read_barcode", "read_given"]

# How often a fault occurs at level 2. Level 1 has half of it, level 3 twice.
_MISSING, _REVERSED, _NUMT, _PARTIAL, _SLIPPED, _WITH_N = 0.02, 0.012, 0.004, 0.05, 0.012, 0.08
_TRIMMED = 0.35
_SHORTEST = 110
_N = 4


@dataclass(frozen=True)
class Read:
    """A sequence as it was read.

    Attributes:
        sequence: Empty if the tube failed.
        start: The first base of the region that was read.
        stop: The base after the last.
        reverse: Whether it lies on the other strand.
        numt: Whether it is a nuclear copy.
        slipped: Bases lost (below 0) or doubled.
    """

    sequence: str
    start: int
    stop: int
    reverse: bool = False
    numt: bool = False
    slipped: int = 0


def read_barcode(bases: NDArray[np.uint8], level: int, rng: np.random.Generator) -> Read:
    """Read a specimen's bases, with the faults of a level from 1 to 3."""
    often = 2.0 ** (level - 2)
    if rng.random() < _MISSING * often:
        return Read("", 0, 0)
    start, stop = 0, LENGTH
    if rng.random() < _PARTIAL * often:
        length = int(rng.integers(_SHORTEST, 480))
        start = int(rng.integers(0, LENGTH - length))
        stop = start + length
    elif rng.random() < _TRIMMED:
        start = min(int(rng.exponential(12)), 120)
        stop = LENGTH - min(int(rng.exponential(16)), 160)
    row = bases.copy()
    numt = bool(rng.random() < _NUMT * often)
    slips = 0
    if numt:
        drifted = rng.random(LENGTH) < rng.uniform(0.03, 0.07)
        row[drifted] = rng.integers(0, 4, size=int(drifted.sum()))
        slips = -int(rng.integers(1, 3))
    elif rng.random() < _SLIPPED * often:
        slips = 1 if rng.random() < 0.4 else -1
    row = _slip(row[start:stop], slips, rng)
    if rng.random() < _WITH_N * often:
        row = row.copy()
        # They stand where the signal fades: mostly towards an end.
        fade = rng.beta(0.6, 0.6, size=int(rng.integers(1, 7)))
        row[(fade * (len(row) - 1)).astype(int)] = _N
    text = as_text(row)
    reverse = bool(rng.random() < _REVERSED * often)
    return Read(reverse_complement(text) if reverse else text, start, stop, reverse, numt, slips)


def read_given(sequence: str, level: int, rng: np.random.Generator) -> Read:
    """Return a real sequence, which has faults of its own: a tube fails, a strand is turned."""
    often = 2.0 ** (level - 2)
    failed, turned = rng.random(2)
    if failed < _MISSING * often:
        return Read("", 0, 0)
    reverse = bool(turned < _REVERSED * often)
    text = reverse_complement(sequence) if reverse else sequence
    return Read(text, 0, len(sequence), reverse)


def _slip(row: NDArray[np.uint8], slips: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lose or double bases, in the longest of a few runs of equal ones."""
    for _ in range(abs(slips)):
        edges = np.flatnonzero(np.diff(row) != 0)
        runs = np.diff(edges)
        chosen = rng.integers(len(runs), size=8)
        at = int(edges[chosen[np.argmax(runs[chosen])]]) + 1
        row = np.delete(row, at) if slips < 0 else np.insert(row, at, row[at])
    return row
