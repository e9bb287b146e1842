"""Packs as examples to learn from: tokens with words hidden, pictures cropped and turned.

All chance comes from the generator that is given, so that a batch is the same whoever reads it.
Pictures leave as uint8; the device makes numbers of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from merian.barcode.tokens import MASK, PAD, UNKNOWN
from merian.barcode.vocabulary import Words, preprocessing_of
from merian.errors import InputError
from merian.image.transforms import Augmentation, look, square
from merian.learn.pack import Pack
from merian.learn.task import Batch, Indices
from merian.nucleotides import reverse_complement
from merian.pictures import BadPictureError, decode

__all__ = ["Augmentation", "Masking", "PackedBarcodes", "PackedPictures", "barcode_batch"]


@dataclass(frozen=True)
class Masking:
    """What is done to a barcode before it is learned from.

    Attributes:
        share: Of the words, how many are hidden.
        any_frame: Whether the first word begins at any of its bases: a lost base must not make a
            barcode another one.
        either_strand: Whether half of the barcodes are turned to their other strand.
        random: Of the hidden words, in the place of how many another word stands and no mask.
    """

    share: float = 0.0
    any_frame: bool = False
    either_strand: bool = False
    random: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise InputError(f"a share of {self.share:g} hidden words; 0 to 1 expected")
        if not 0 <= self.random <= 1:
            raise InputError(f"a share of {self.random:g} random words; 0 to 1 expected")


class _Packed:
    """What examples of all kinds have. They can be pickled."""

    kind = ""

    def __init__(self, pack: Pack, ranks: Sequence[str] | None) -> None:
        if pack.kind not in {self.kind, "records"}:  # records have both
            raise InputError(f"{pack.folder}: holds {pack.kind}, and {self.kind} are needed")
        self.pack = pack
        self.shards = pack.shards
        self.ranks = pack.ranks if ranks is None else tuple(ranks)
        for rank in self.ranks:
            pack.names(rank)

    def names(self, indices: Indices) -> list[str]:
        """Return the records of some examples."""
        return self.pack.records(indices)

    def labels(self, indices: Indices) -> torch.Tensor:
        """Return int64[n, ranks], -1 where a class is not known."""
        indices = np.asarray(indices, np.int64)
        found = np.empty((len(indices), len(self.ranks)), np.int64)
        for column, rank in enumerate(self.ranks):
            found[:, column] = self.pack.labels(rank)[indices]
        return torch.from_numpy(found)


class PackedBarcodes(_Packed):
    """Barcodes of a pack as words; of a pack of records, ask for those that have one.

    A batch holds ``tokens`` int64[b, t], ``keep`` bool[b, t] (False is padding), ``masked``
    bool[b, t] (what is hidden; the word itself stays in ``tokens``) and ``labels`` int64[b, ranks];
    where other words than the mask stand for hidden ones, also ``shown`` int64[b, t].
    """

    kind = "barcodes"

    def __init__(
        self,
        pack: Pack,
        tokens: Words,
        masking: Masking | None = None,
        ranks: Sequence[str] | None = None,
    ) -> None:
        super().__init__(pack, ranks)
        self.tokens, self.masking = tokens, masking or Masking()

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What is done to a barcode before an encoder sees it, as a card holds it."""
        return preprocessing_of(self.tokens)

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some barcodes, and hide what is to be guessed."""
        texts = self.pack.sequences(indices)
        found = barcode_batch(texts, self.tokens, self.masking, random)
        return found | {"labels": self.labels(indices)}


def barcode_batch(
    texts: Sequence[str], tokens: Words, masking: Masking, random: np.random.Generator
) -> Batch:
    """Return barcodes as words, with what is to be guessed hidden: see `PackedBarcodes`."""
    rows = [tokens.encode(*_turned(text, tokens, masking, random)) for text in texts]
    length = max(1, *(len(row) for row in rows)) if rows else 1
    words = np.full((len(rows), length), PAD, np.int64)
    keep = np.zeros((len(rows), length), bool)
    masked = np.zeros((len(rows), length), bool)
    shown = np.full((len(rows), length), MASK, np.int64)
    for number, row in enumerate(rows):
        words[number, : len(row)] = row
        keep[number, : len(row)] = True
        hidden = _hidden(row, masking.share, random)
        masked[number, hidden] = True
        if masking.random:
            others = hidden[: round(masking.random * len(hidden))]
            shown[number, others] = random.integers(UNKNOWN + 1, tokens.size, len(others))
    found = {
        "tokens": torch.from_numpy(words),
        "keep": torch.from_numpy(keep),
        "masked": torch.from_numpy(masked),
    }
    return found | ({"shown": torch.from_numpy(shown)} if masking.random else {})


def _turned(
    text: str, tokens: Words, masking: Masking, random: np.random.Generator
) -> tuple[str, int]:
    """Return a barcode on the strand, and the place of its first word, that chance says."""
    if masking.either_strand and random.random() < 0.5:
        text = reverse_complement(text)
    return text, int(random.integers(tokens.frames)) if masking.any_frame else 0


def _hidden(row: Indices, share: float, random: np.random.Generator) -> Indices:
    """Return which words are hidden: the share of those that can be guessed, but one at least."""
    known = np.flatnonzero(row > UNKNOWN)
    if not share or not len(known):
        return known[:0]
    return random.permutation(known)[: max(1, round(share * len(known)))]


class PackedPictures(_Packed):
    """Pictures of a pack, all of one size; of a pack of records, ask for those that have one.

    A batch holds ``pixels`` uint8[b, size, size, 3] and ``labels`` int64[b, ranks]. A picture that
    is not square is filled up with the colour of its border, so that nothing is squeezed. Where the
    pack knows sizes it also holds ``mm`` float[b, 2], the longer and the shorter side in life, NaN
    where not known; of a crop they are as much shorter as the crop is.
    """

    kind = "pictures"

    def __init__(
        self,
        pack: Pack,
        size: int,
        augment: Augmentation | None = None,
        ranks: Sequence[str] | None = None,
    ) -> None:
        super().__init__(pack, ranks)
        if size < 1:
            raise InputError(f"pictures of {size} pixels; 1 or more expected")
        self.size, self.augment = size, augment
        # What a crop keeps must still be as large as what is made of it.
        self._decoded = size if augment is None else self._as_large(size, augment)

    @staticmethod
    def _as_large(size: int, augment: Augmentation) -> int:
        """Return how large a picture must be decoded, so that its smallest crop is that large."""
        return math.ceil(size / math.sqrt(augment.least))

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What is done to a picture before an encoder sees it, as a card holds it."""
        return {"size": self.size}

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read and decode some pictures."""
        pixels = np.empty((len(indices), self.size, self.size, 3), np.uint8)
        share = np.ones(len(indices), np.float32)
        for number, image in enumerate(self.pictures(indices)):
            if self.augment is not None:
                pixels[number], share[number] = look(image, self.size, self.augment, random)
            else:
                pixels[number] = square(image, self.size)
        found = {"pixels": torch.from_numpy(pixels), "labels": self.labels(indices)}
        return found | self.sizes(indices, {"mm": share})

    def sizes(self, indices: Indices, shares: Mapping[str, NDArray[np.float32]]) -> Batch:
        """Return float[b, ..., 2] by name: sides in mm of parts whose sides are shares of a whole.

        Args:
            indices: The pictures.
            shares: float32[b, ...]: by name, how long a side is beside that of the whole.
        """
        if not self.pack.sized:
            return {}
        whole = torch.from_numpy(np.array(self.pack.millimetres(indices)))
        return {
            name: torch.from_numpy(share)[..., None]
            * whole.view(len(whole), *[1] * (share.ndim - 1), 2)
            for name, share in shares.items()
        }

    def pictures(self, indices: Indices) -> Iterator[Image.Image]:
        """Yield some pictures, decoded no larger than is needed."""
        for number, content in enumerate(cast(list[bytes], self.pack.read(indices))):
            try:
                yield decode(content, self._decoded)
            except BadPictureError as error:
                name = self.names(indices[number : number + 1])[0]
                raise InputError(
                    f"{self.pack.folder}: the picture of {name} cannot be read: it "
                    f"{error}; mend or remove it, and pack again"
                ) from None
