"""Two small tasks on which optimizers are compared: hidden words of barcodes, and the next byte.

Barcodes are real COI, in words of four bases of which half are hidden, read by a small BarcodeBERT.
Text is the source of this Python's own library, which is on every machine, read byte by byte by
the same blocks looking backwards only. Both are written once as plain arrays, so that every
process that trains on them sees the same.
"""

from __future__ import annotations

import hashlib
import math
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode import clean
from merian.barcode.bert import BarcodeBert, BertConfig
from merian.barcode.tokens import MASK, PAD, KmerTokens
from merian.bench.yardstick import load_yardstick, rows_of
from merian.errors import NotFoundError

__all__ = ["TASKS", "TrainingTask", "open_task", "write_barcodes", "write_source"]

_K, _BASES = 4, 660
_WIDTH, _LAYERS, _HEADS = 128, 2, 4
_HIDDEN_SHARE = 0.5
_WINDOW, _BYTES = 96, 256
_BATCH = 16
_HELD_OUT = 10  # one distinct barcode in so many, and one file of the library
_TEXT_SIZE = 8_000_000

Numbers = NDArray[np.int64]


class TrainingTask(Protocol):
    """What is learnt: a network, batches, and the loss of a batch."""

    def network(self) -> nn.Module:
        """Return a network as it starts; `heads` are what is thrown away afterwards."""
        ...

    def batch(self, random: np.random.Generator, held_out: bool = False) -> Sequence[Tensor]:
        """Draw a batch."""
        ...

    def loss(self, network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        """Return its mean loss, in nats."""
        ...


def write_barcodes(folder: Path, yardstick: Path) -> None:
    """Write the distinct barcodes of the yardstick's two COI sources as words."""
    ruler = load_yardstick(yardstick)
    rows = (*rows_of(ruler, "coi"), *rows_of(ruler, "insects"))
    tokens = KmerTokens(_K, bases=_BASES)
    read = np.full((len(rows), tokens.length), PAD, np.int64)
    sequences = sorted({clean(sequence) for _, sequence, _ in rows})
    for number, sequence in enumerate(sequences):
        words = tokens.encode(sequence)
        read[number, : len(words)] = words
    held = np.array([_digest(s.encode()) % _HELD_OUT == 0 for s in sequences])
    read = read[: len(sequences)]
    np.savez(folder / "barcodes.npz", train=read[~held], valid=read[held])


def write_source(folder: Path) -> None:
    """Write the source of the standard library as bytes."""
    place = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in place.glob("*.py") if path.is_file())
    if not files:
        raise NotFoundError(f"{place}: holds no source of Python's library to learn from")
    held = [_digest(path.name.encode()) % _HELD_OUT == 0 for path in files]
    parts = {
        "train": b"".join(p.read_bytes() for p, h in zip(files, held, strict=True) if not h),
        "valid": b"".join(p.read_bytes() for p, h in zip(files, held, strict=True) if h),
    }
    arrays = {name: np.frombuffer(part[:_TEXT_SIZE], np.uint8) for name, part in parts.items()}
    np.savez(folder / "text.npz", train=arrays["train"], valid=arrays["valid"])


def open_task(name: str, folder: Path) -> TrainingTask:
    """Return a task whose arrays have been written to a folder."""
    return TASKS[name](folder)


def _digest(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class Barcodes:
    """Half of the words of a barcode are hidden, and guessed from the rest."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "barcodes.npz") as arrays:
            self._parts = (arrays["train"], arrays["valid"])

    def network(self) -> nn.Module:
        """Return a BarcodeBERT with a head that guesses words."""
        tokens = KmerTokens(_K, bases=_BASES)
        config = BertConfig(tokens.size, tokens.length, _WIDTH, _LAYERS, _HEADS)
        return Guesser(BarcodeBert(config), tokens.size)

    def batch(self, random: np.random.Generator, held_out: bool = False) -> Sequence[Tensor]:
        """Draw barcodes, and which of their words are hidden."""
        part = self._parts[held_out]
        words = part[random.integers(len(part), size=_BATCH)]
        hidden = (random.random(words.shape) < _HIDDEN_SHARE) & (words != PAD)
        hidden[:, 0] |= ~hidden.any(axis=1)  # never none
        return torch.from_numpy(words), torch.from_numpy(hidden)

    def loss(self, network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        """Return the mean over the hidden words."""
        words, hidden = batch
        guessed = network(words.masked_fill(hidden, MASK), words != PAD, hidden)
        return functional.cross_entropy(guessed, words[hidden])


class Guesser(nn.Module):
    """A reader, and a head over the words that are asked for."""

    def __init__(self, encoder: BarcodeBert, words: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.Linear(encoder.width, words)

    def forward(self, words: Tensor, keep: Tensor, asked: Tensor) -> Tensor:
        """Return float[asked, words]."""
        return self.heads(self.encoder(words, keep)[asked])


class Text:
    """The next byte is guessed from those before it."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "text.npz") as arrays:
            self._parts = (arrays["train"], arrays["valid"])

    def network(self) -> nn.Module:
        """Return the same blocks, looking backwards."""
        return NextByte()

    def batch(self, random: np.random.Generator, held_out: bool = False) -> Sequence[Tensor]:
        """Draw windows of text."""
        part = self._parts[held_out]
        starts = random.integers(len(part) - _WINDOW, size=_BATCH)
        windows = part[starts[:, None] + np.arange(_WINDOW + 1)]
        return (torch.from_numpy(windows.astype(np.int64)),)

    def loss(self, network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        """Return the mean over all bytes but the first."""
        (windows,) = batch
        return functional.cross_entropy(network(windows[:, :-1]).mT, windows[:, 1:])


class NextByte(nn.Module):
    """BarcodeBERT's blocks, over bytes and looking backwards only."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BarcodeBert(BertConfig(_BYTES, _WINDOW, _WIDTH, _LAYERS, _HEADS))
        self.heads = nn.Linear(_WIDTH, _BYTES)
        ahead = torch.full((_WINDOW, _WINDOW), -math.inf).triu(1)
        self.register_buffer("ahead", ahead[None, None], persistent=False)

    def forward(self, text: Tensor) -> Tensor:
        """Return float[b, t, bytes]."""
        encoder = self.encoder
        x = encoder.words(text) + encoder.positions.weight
        for block in encoder.blocks:
            x = block(x, self.ahead)
        return self.heads(encoder.norm_out(x))


TASKS: dict[str, type[Barcodes] | type[Text]] = {"barcodes": Barcodes, "text": Text}
