"""Three small encoders and batches for them, that tests of contrasts share."""

from __future__ import annotations

import torch
from torch import nn

from merian.learn.modalities import Contrastive

ABOUT = {name: {"kind": "tower"} for name in "abc"}


class Tower(nn.Module):
    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(16, 8)

    def pooled(self, tokens, keep):
        return self.words(tokens).mean(1).tanh()


def objective(loss="info-nce"):
    torch.manual_seed(0)
    towers = {name: Tower() for name in "abc"}
    return Contrastive(towers, 8, loss=loss, about=ABOUT)


def batch(n):
    generator = torch.Generator().manual_seed(1)

    def draw(high, *shape):
        return torch.randint(0, high, shape, generator=generator)

    found = {f"{name}.tokens": draw(16, n, 5) for name in "abc"}
    found["labels"] = torch.stack([draw(2, n), draw(5, n) - 1], dim=1)
    found["present"] = torch.rand(n, 3, generator=generator) < 0.8
    return found
