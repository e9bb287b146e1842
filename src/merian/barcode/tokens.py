"""A barcode as numbers that a network reads: words of k bases, side by side or overlapping.

Words that do not overlap leave nothing of a hidden word in its neighbours, so that a network has
to learn the barcode to guess it. Where the first word begins (the frame) is free, and is drawn at
random in training: a lost base must not make a barcode another one.

Reference: Millan Arias et al., BarcodeBERT, Bioinformatics Advances 2026, vbag054.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.barcode.words import AMBIGUOUS, CODE, as_text
from merian.errors import InputError

__all__ = ["FIRST_WORD", "LETTERS", "MASK", "PAD", "UNKNOWN", "KmerTokens"]

PAD, MASK, UNKNOWN = range(3)  # the first words of every vocabulary
FIRST_WORD = 3
LETTERS = FIRST_WORD + 4  # words where they are single bases
_LONGEST = 8  # 65,536 words; more than a corpus of barcodes can teach

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class KmerTokens:
    """Words of k bases.

    Attributes:
        k: Bases of a word.
        stride: From the start of a word to the start of the next; None for words side by side.
        bases: What lies beyond so many bases is not read.
    """

    k: int = 6
    stride: int | None = None
    bases: int = 660

    def __post_init__(self) -> None:
        if not 1 <= self.k <= _LONGEST:
            raise InputError(f"words of {self.k} bases; 1 to {_LONGEST} expected")
        if self.stride is not None and self.stride < 1:
            raise InputError(f"a stride of {self.stride} bases; 1 or more expected")
        if self.bases < self.k:
            raise InputError(f"{self.bases} bases hold no word of {self.k}")

    @property
    def size(self) -> int:
        """How many words there are, with padding, mask and unknown."""
        return int(4**self.k) + FIRST_WORD

    @property
    def step(self) -> int:
        """Bases from word to word."""
        return self.stride or self.k

    @property
    def frames(self) -> int:
        """At how many bases a barcode may begin in training."""
        return self.k

    @property
    def shortest(self) -> int:
        """Bases without which nothing can be read."""
        return self.k

    @property
    def length(self) -> int:
        """The most words of a barcode."""
        return (self.bases - self.k) // self.step + 1

    def encode(self, sequence: str, offset: int = 0) -> Tokens:
        """Return the words of a clean sequence; what is left over at its end is not read.

        A word with a letter that is not A, C, G or T is unknown.

        Args:
            sequence: Capital letters of the IUPAC code, as `merian.barcode.clean` leaves them.
            offset: Where the first word begins.
        """
        code = CODE[as_text(sequence[offset : offset + self.bases])]
        if len(code) < self.k:
            return np.empty(0, np.int64)
        words = np.lib.stride_tricks.sliding_window_view(code, self.k)[:: self.step]
        numbers = words.astype(np.int64) @ (4 ** np.arange(self.k)[::-1]) + FIRST_WORD
        return np.where((words == AMBIGUOUS).any(axis=1), UNKNOWN, numbers)
