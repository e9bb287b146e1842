"""The convolutional baseline of the papers: letters in, three convolutions, one layer.

It has no pretraining and is hard to beat where all species are known, so no encoder should be
praised without it. Letters are one of five (A, C, G, T, anything else); the convolutions run along
the barcode and treat the five rows alike.

Reference: Badirli and others, Fine-grained zero-shot learning with DNA as side information,
NeurIPS 2021, arXiv:2109.14133; in the comparison of BarcodeBERT.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.limits import check_letters
from merian.barcode.tokens import FIRST_WORD, LETTERS
from merian.errors import InputError
from merian.sizes import check_sizes

__all__ = ["BarcodeCnn", "CnnConfig"]

_CHANNELS = (64, 32, 16)
_POOL = 3  # letters that become one, three times
_LETTERS = 5


@dataclass(frozen=True)
class CnnConfig:
    """What makes one of the family.

    Attributes:
        vocabulary: That of words of one base.
        positions: Letters that are read.
        width: Of the vector.
        dropout: Of the vector, in training.
    """

    vocabulary: int = LETTERS
    positions: int = 660
    width: int = 500
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, {"width": 1})
        check_letters("barcode-cnn", self.vocabulary)
        if self.positions < _POOL**3:
            raise InputError(f"barcode-cnn needs {_POOL**3} bases or more; {self.positions} given")


class BarcodeCnn(nn.Module):
    """Letters in, one vector for a barcode out."""

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        layers: list[nn.Module] = []
        before = 1
        for channels in _CHANNELS:
            layers += [
                nn.Conv2d(before, channels, (3, 1), padding=(1, 0)),
                nn.ReLU(),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d((_POOL, 1)),
            ]
            before = channels
        self.layers = nn.Sequential(*layers)
        left = config.positions // _POOL // _POOL // _POOL
        self.norm = nn.BatchNorm1d(before * left * _LETTERS)
        self.out = nn.Linear(before * left * _LETTERS, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width].

        Args:
            tokens: int64[b, t], words of one base.
            keep: bool[b, t], False where there is only padding.
        """
        there = tokens > 0 if keep is None else keep & (tokens > 0)
        short = max(self.config.positions - tokens.shape[1], 0)
        tokens, there = (
            functional.pad(each[:, : self.config.positions], (0, short)) for each in (tokens, there)
        )
        letters = (tokens - FIRST_WORD).clamp(min=-1) % _LETTERS  # what is no letter is the fifth
        rows = functional.one_hot(letters, _LETTERS).to(self.norm.weight.dtype)
        rows = rows * there[:, :, None]  # padding is no letter at all
        x = self.norm(self.layers(rows[:, None]).flatten(1))  # b, channels * t / 27 * letters
        return self.dropout(torch.tanh(self.out(x)))

    forward = pooled
