"""The spectrum of a barcode: how often it has each spaced word, made short by one matrix.

A spaced word skips places. Where every third place is skipped, one of the three frames of a gene
skips the third base of each codon, which changes without changing the protein; so words are still
shared where species are far apart. Counts go in as square roots, of unit length for each pattern,
less what all barcodes have in common. The matrix keeps the directions in which barcodes differ
most, the widest of them damped. It follows from the barcodes themselves (`fit`): no names, no
gradient, seconds.

References: Ma, Tromp, Li, PatternHunter, Bioinformatics 2002 (spaced words); Halko, Martinsson,
Tropp, SIAM Review 2011, arXiv:0909.4061 (the directions, from random ones).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.limits import check_letters
from merian.barcode.tokens import FIRST_WORD, LETTERS
from merian.errors import InputError
from merian.sizes import check_sizes

__all__ = ["BarcodeSpectrum", "SpectrumConfig"]

_HEAVIEST = 8  # bases of a word that count; 65,536 words
_MORE, _ROUNDS = 64, 3  # random directions more than are kept, and how often they are turned
_DAMPED = 0.5  # of a direction's spread the power by which it is divided
_LEAST = 1e-6
_ROUNDED = 1e-3  # of the largest spread: of 32 bits no more than rounding is left below

Batches = Callable[[], Iterable[Tensor]]
"""Reads int64[b, t] of letters from the beginning, each time it is called."""


@dataclass(frozen=True)
class SpectrumConfig:
    """What makes one of the family.

    Attributes:
        vocabulary: That of words of one base.
        width: Of the vector.
        patterns: Of the words, with a space between: 1 where a base counts, 0 where it does not.
        dropout: Of the vector, in training.
    """

    vocabulary: int = LETTERS
    width: int = 512
    patterns: str = "110110110 110100110100 11011000000011"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, {"width": 1})
        check_letters("barcode-spectrum", self.vocabulary)
        for pattern in self.patterns.split() or [""]:
            count = pattern.count("1")
            if set(pattern) - {"0", "1"} or not 1 <= count <= _HEAVIEST or pattern[0] != "1":
                raise InputError(
                    f"a pattern of the encoder is {pattern!r}; expected 1 and 0, a 1 first, and "
                    f"no more than {_HEAVIEST} of them, as in 110110110"
                )

    @property
    def counted(self) -> list[list[int]]:
        """The places of each pattern that count."""
        return [[i for i, x in enumerate(p) if x == "1"] for p in self.patterns.split()]


class BarcodeSpectrum(nn.Module):
    """Letters in, one vector for a barcode out."""

    mean: Tensor

    def __init__(self, config: SpectrumConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        # Not `words`: by that name an objective knows an encoder with a state for each word.
        self.size = sum(4 ** len(places) for places in config.counted)
        self.register_buffer("mean", torch.zeros(self.size))
        self.out = nn.Linear(self.size, config.width, bias=False)
        nn.init.normal_(self.out.weight, std=1.0)  # lengths of spectra are about 1
        self.dropout = nn.Dropout(config.dropout)

    def spectrum(self, tokens: Tensor) -> Tensor:
        """Return float[b, size]: of each pattern the roots of the counts, of unit length.

        A word with a letter that is none, or that reaches beyond the barcode, does not count.
        """
        letters = tokens - FIRST_WORD  # below 0 where there is no letter
        found = []
        for places in self.config.counted:
            short = max(places[-1] + 1 - letters.shape[1], 0)
            padded = functional.pad(letters, (0, short), value=-1)
            count, size = padded.shape[1] - places[-1], 4 ** len(places)
            word = torch.zeros_like(padded[:, :count])
            whole = torch.ones_like(word, dtype=torch.bool)
            for place in places:
                letter = padded[:, place : place + count]
                word = word * 4 + letter
                whole &= letter >= 0
            word = word.masked_fill(~whole, size)  # counted apart, and left out
            counts = torch.zeros(len(word), size + 1, device=word.device)
            counts.scatter_add_(1, word, torch.ones_like(word, dtype=torch.float32))
            found.append(functional.normalize(counts[:, :size].sqrt(), dim=1))
        return torch.cat(found, 1)

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width].

        Args:
            tokens: int64[b, t], words of one base.
            keep: bool[b, t], False where there is only padding.
        """
        if keep is not None:
            tokens = tokens.masked_fill(~keep, 0)
        vectors: Tensor = self.dropout(self.out(self.spectrum(tokens) - self.mean))
        return vectors

    forward = pooled

    @torch.no_grad()
    def fit(self, batches: Batches) -> None:
        """Take the mean and the matrix from barcodes.

        They are read a few times and none is kept, so there may be any number. Where there are
        fewer directions than the vector is wide, the rest of it is 0.

        Args:
            batches: Reads them; the same each time.
        """
        device = self.mean.device
        total, count = torch.zeros_like(self.mean, dtype=torch.float64), 0
        for tokens in batches():
            total += self.spectrum(tokens.to(device)).sum(0)
            count += len(tokens)
        if not count:
            raise InputError("barcode-spectrum is fitted to barcodes, and there are none")
        self.mean.copy_(total / count)
        wide = min(self.width + _MORE, self.size)
        turned = torch.linalg.qr(torch.randn(self.size, wide).to(device))[0]
        for _ in range(_ROUNDS):
            turned = torch.linalg.qr(self._spread(batches, turned))[0]
        inner = turned.T @ self._spread(batches, turned) / count
        values, vectors = torch.linalg.eigh(inner)
        kept = values.flip(0)[: self.width].clamp(min=0)
        spread = kept.sqrt()
        # A direction in which the barcodes do not differ would be scaled up as the others are, and
        # what differs in it by chance would say how near a barcode is.
        there = spread > _ROUNDED * spread[0].clamp(min=_LEAST)
        scale = torch.where(there, spread.clamp(min=_LEAST) ** -_DAMPED, 0)
        # So that the numbers of a vector are about 1, as heads on it expect.
        scale = scale / (scale * spread).square().mean().sqrt().clamp(min=_LEAST)
        self.out.weight.zero_()
        directions = (turned @ vectors.flip(1)[:, : self.width]).T  # kept, size
        self.out.weight[: len(directions)] = directions * scale[:, None]

    def _spread(self, batches: Batches, turned: Tensor) -> Tensor:
        """Return the spread of the spectra, float[size, size], times some directions."""
        found = torch.zeros_like(turned)
        for tokens in batches():
            rows = self.spectrum(tokens.to(turned.device)) - self.mean
            found += rows.T @ (rows @ turned)
        return found
