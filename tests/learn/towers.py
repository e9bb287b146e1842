"""Three small encoders and batches for them, that tests of contrasts share."""

from __future__ import annotations

from typing import Any

import torch
from tests.learn import tiny
from torch import nn

from merian.learn.modalities import Contrastive
from merian.learn.task import Task

ABOUT = {name: {"kind": "tower"} for name in "abc"}


class Tower(nn.Module):
    width = 8

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.words = nn.Embedding(16, 8)
        self.dropout = nn.Dropout(dropout)

    def pooled(self, tokens, keep):
        return self.dropout(self.words(tokens)).mean(1).tanh()


class Normed(Tower):
    """A tower with batch normalisation."""

    def __init__(self, kept: bool) -> None:
        super().__init__()
        self.norm, self.kept = nn.BatchNorm1d(8), kept

    def train(self, mode: bool = True):
        super().train(mode)
        self.norm.train(mode and not self.kept)
        return self

    def pooled(self, tokens, keep):
        return self.norm(super().pooled(tokens, keep))


def objective(loss="info-nce", names="abc", dropout=0.0, **options):
    torch.manual_seed(0)
    towers = {name: Tower(dropout) for name in names}
    about = {name: ABOUT[name] for name in names}
    return Contrastive(towers, 8, loss=loss, about=about, **options)


def batch(n, names="abc"):
    generator = torch.Generator().manual_seed(1)

    def draw(high, *shape):
        return torch.randint(0, high, shape, generator=generator)

    found = {f"{name}.tokens": draw(16, n, 5) for name in names}
    found["labels"] = torch.stack([draw(2, n), draw(5, n) - 1], dim=1)
    found["present"] = torch.rand(n, len(names), generator=generator) < 0.8
    return found


class Records:
    """Records of three modalities, of which most have each."""

    def __init__(self, count: int, shards: int = 2) -> None:
        self.shards = [count // shards] * shards
        self.all = batch(count)

    def names(self, indices):
        return [f"R{i}" for i in indices]

    def batch(self, indices, random):
        return {name: tensor[torch.from_numpy(indices)] for name, tensor in self.all.items()}


def task(**options: Any) -> Task:
    """Return a task in 64 bits, so that nothing but mistakes tells one way from another."""
    return Task(objective(**options).double(), Records(32), Records(28), {"source": "towers"})


if __name__ == "__main__":
    tiny.main(task)
