"""Records of a pack as examples of several modalities: picture, barcode, text and place.

An example is a picture of a record with the record's barcode, place and names. What a record lacks
has a row that stands for nothing, so that a batch is whole, and `present` says so. All chance comes
from the generator that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from merian.barcode.tokens import MASK, PAD, UNKNOWN
from merian.barcode.vocabulary import Words
from merian.errors import InputError, did_you_mean
from merian.formats.fasta_headers import is_placeholder
from merian.learn.examples import Augmentation, Masking, PackedBarcodes, PackedPictures
from merian.learn.pack import Pack
from merian.learn.pack_labels import LABEL
from merian.learn.recipe_keys import MODALITIES
from merian.learn.task import Batch, Indices
from merian.text.wording import WORDINGS, any_wording, worded
from merian.text.words import TextWords

__all__ = ["PackedRecords"]

_GREY = 127  # what becomes 0 before a network
_LETTER = 1  # a word of a text: a network may not be asked to look at nothing

Here = NDArray[np.bool_]
Kept = NDArray[np.floating[Any]]


class PackedRecords:
    """Records of a pack; see `batch` for what an example becomes. They can be pickled.

    Args:
        pack: Of the kind records, or a part of one.
        modalities: Which, in the order of the columns of `present`.
        size: Width and height of pictures, in pixels.
        barcodes: The words that barcodes are cut into.
        texts: The words that texts are cut into.
        wordings: The wordings of a lineage: one is drawn while it learns, else it is the first.
        accounts: What is written of a taxon, by its name; that of the lowest name counts.
        learns: Whether it is learned from: only then are pictures augmented, barcodes masked and
            wordings drawn.
        augment: What chance does to pictures; nothing if not given.
        masking: What chance does to barcodes; nothing if not given. A hidden word stands in the
            batch as what is shown in its place.
        ranks: The columns of `labels`; all of the pack if not given.
        kept: By modality the vectors that a frozen tower made of the examples of this part, in
            their order: float[size, width], or a file of numpy that holds them, which is mapped.
            Then nothing of that modality is read or decoded. A row of NaN is no vector.
    """

    def __init__(
        self,
        pack: Pack,
        modalities: Sequence[str],
        *,
        size: int = 224,
        barcodes: Words | None = None,
        texts: TextWords | None = None,
        wordings: Sequence[str] = WORDINGS,
        accounts: Mapping[str, str] | None = None,
        learns: bool = False,
        augment: Augmentation | None = None,
        masking: Masking | None = None,
        ranks: Sequence[str] | None = None,
        kept: Mapping[str, NDArray[Any] | Path | str] | None = None,
    ) -> None:
        self.pack, self.shards = pack, pack.shards
        self.modalities, self.learns = tuple(modalities), learns
        self.wordings, self.accounts = tuple(wordings), dict(accounts or {})
        self.texts, self.kept = texts, dict(kept or {})
        self._open: dict[str, Kept] = {}
        self._check(barcodes)
        self.pictures = PackedPictures(pack, size, augment if learns else None, ranks)
        self.ranks = self.pictures.ranks
        self.barcodes = None
        if barcodes is not None:
            self.barcodes = PackedBarcodes(pack, barcodes, masking if learns else None, ())

    def _check(self, barcodes: Words | None) -> None:
        """Say what is missing for what was asked."""
        if self.pack.kind != "records":
            raise InputError(
                f"{self.pack.folder}: holds {self.pack.kind}, and records are needed; merian pack "
                "--kind records makes a pack of them"
            )
        given = (*self.modalities, *self.kept)
        for name in given:
            if name not in MODALITIES:
                raise InputError(
                    f"no modality is called {name!r}; there are {', '.join(MODALITIES)}."
                    + did_you_mean(name, MODALITIES)
                )
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise InputError(f"modalities {list(self.modalities)}; one or more expected, each once")
        for name in self.modalities:
            if self.pack.modalities.get(name) == 0:
                raise InputError(f"{self.pack.folder}: no record has what {name} needs")
        for name, words in (("barcode", barcodes), ("text", self.texts)):
            if name in self.modalities and name not in self.kept and words is None:
                raise InputError(f"{name} needs the words that it is cut into, or vectors")
        if not self.wordings:
            raise InputError("no wording of a lineage is given; one or more expected")

    def __getstate__(self) -> dict[str, Any]:
        """Leave mapped files behind; another process maps them again."""
        return {**vars(self), "_open": {}}

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What is done to the items of each modality before an encoder sees them."""
        told: dict[str, Any] = {"image": self.pictures.preprocessing, "place": {}}
        if self.barcodes is not None:
            told["barcode"] = self.barcodes.preprocessing
        if self.texts is not None:
            told["text"] = self.texts.preprocessing()
        return {name: told[name] for name in self.modalities if name in told}

    def names(self, indices: Indices) -> list[str]:
        """Return the records of some examples."""
        return self.pack.records(indices)

    def labels(self, indices: Indices) -> torch.Tensor:
        """Return int64[n, ranks], -1 where a class is not known."""
        return self.pictures.labels(indices)

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some examples.

        A batch holds what the encoder of each modality takes, under the modality and a dot:
        ``image.pixels`` uint8[b, size, size, 3] and, where the pack knows sizes, ``image.mm``
        float[b, 2]; ``barcode.tokens`` int64[b, t] and ``barcode.keep`` bool[b, t]; the same of
        ``text``; ``place.place`` float[b, 3], latitude, longitude and day of the year, NaN where
        not known; of kept vectors ``image.vectors`` float[b, width] and so on. ``present`` bool[b,
        modalities], ``labels`` int64[b, ranks], and ``ids`` int64[b], which record each is of.
        """
        indices = np.asarray(indices, np.int64)
        found: Batch = {}
        present = np.empty((len(indices), len(self.modalities)), bool)
        of: dict[str, Callable[..., tuple[Batch, Here]]] = {
            "image": self._images, "barcode": self._barcodes, "text": self._texts,
            "place": self._places,
        }  # fmt: skip
        for column, name in enumerate(self.modalities):
            if name in self.kept:
                some, present[:, column] = self._vectors(name, indices)
            else:
                some, present[:, column] = of[name](indices, random)
            found |= {f"{name}.{key}": rows for key, rows in some.items()}
        return found | {
            "present": torch.from_numpy(present),
            "labels": self.labels(indices),
            "ids": torch.from_numpy(self.pack.numbers(indices).astype(np.int64)),
        }

    def _images(self, indices: Indices, random: np.random.Generator) -> tuple[Batch, Here]:
        here = self.pack.pictured(indices)
        few = self.pictures.batch(indices[here], random)
        few.pop("labels")
        blank = {"pixels": _GREY, "mm": float("nan")}
        return {name: _among(rows, here, blank[name]) for name, rows in few.items()}, here

    def _barcodes(self, indices: Indices, random: np.random.Generator) -> tuple[Batch, Here]:
        assert self.barcodes is not None
        here = self.pack.barcodes(indices) >= 0
        few = self.barcodes.batch(indices[here], random)
        tokens = torch.where(few["masked"], few.get("shown", torch.tensor(MASK)), few["tokens"])
        return _padded(tokens, few["keep"], here, UNKNOWN), here

    def _texts(self, indices: Indices, random: np.random.Generator) -> tuple[Batch, Here]:
        assert self.texts is not None
        rows = [self.texts.encode(text) for text in self.worded(indices, random)]
        length = max(1, *(len(row) for row in rows)) if rows else 1
        tokens = np.full((len(rows), length), PAD, np.int64)
        keep = np.zeros((len(rows), length), bool)
        for number, row in enumerate(rows):
            tokens[number, : len(row)], keep[number, : len(row)] = row, True
        here = keep[:, 0]
        return _padded(
            torch.from_numpy(tokens[here]), torch.from_numpy(keep[here]), here, _LETTER
        ), here

    def _places(self, indices: Indices, _random: np.random.Generator) -> tuple[Batch, Here]:
        places = self.pack.places(indices)
        return {"place": torch.from_numpy(places)}, np.logical_not(np.isnan(places[:, 0]))

    def _vectors(self, name: str, indices: Indices) -> tuple[Batch, Here]:
        """Return vectors that a frozen tower has made; zeros where there is none."""
        rows = np.asarray(self._mapped(name)[indices], np.float32)
        here = np.asarray(np.isfinite(rows).all(axis=1))
        rows[~here] = 0
        return {"vectors": torch.from_numpy(rows)}, here

    def _mapped(self, name: str) -> Kept:
        """Return the vectors of a modality."""
        if name not in self._open:
            given = self.kept[name]
            array = np.load(given, mmap_mode="r") if isinstance(given, str | Path) else given
            if array.ndim != 2 or len(array) != self.pack.size or array.dtype.kind != "f":
                raise InputError(
                    f"vectors of {name}: {array.dtype}{list(array.shape)}; a row of numbers is "
                    f"expected for each of the {self.pack.size:,} examples"
                )
            self._open[name] = array
        return self._open[name]

    def worded(self, indices: Indices, random: np.random.Generator) -> list[str]:
        """Return the names of some examples as text; "" where a record has no name."""
        found = []
        for names in self.lineages(indices):
            account = next(
                (self.accounts[n] for n in reversed([*names.values()]) if n in self.accounts), ""
            )
            if self.learns:
                found.append(any_wording(names, random, account, wordings=self.wordings))
            else:
                found.append(worded(names, self.wordings[0], account=account))
        return found

    def lineages(self, indices: Indices) -> Iterator[dict[str, str]]:
        """Yield the names of some examples by rank, from high to low.

        Of a class that is no taxon (detritus, bubble) that is its label.
        """
        indices = np.asarray(indices, np.int64)
        ranks = [*self.pack.ranks, LABEL] if LABEL in self.pack.header["classes"] else (
            self.pack.ranks
        )  # fmt: skip
        known = {rank: (self.pack.names(rank), self.pack.labels(rank)[indices]) for rank in ranks}
        for row in range(len(indices)):
            names = {rank: all_[at[row]] for rank, (all_, at) in known.items() if at[row] >= 0}
            label = names.pop(LABEL, "")
            # A homonym is told apart by its kingdom, which a text says anyhow.
            told = f" ({names.get('kingdom')})"
            names = {rank: name.removesuffix(told) for rank, name in names.items()}
            if not names and label and not is_placeholder(label):
                names = {LABEL: label.replace("_", " ")}
            yield names


def _among(rows: torch.Tensor, here: Here, blank: float) -> torch.Tensor:
    """Return a row for each of `here`: the next of `rows`, or a blank where there is none."""
    whole = torch.full((len(here), *rows.shape[1:]), blank, dtype=rows.dtype)
    whole[torch.from_numpy(here)] = rows
    return whole


def _padded(tokens: torch.Tensor, keep: torch.Tensor, here: Here, word: int) -> Batch:
    """Return tokens for each of `here`; where there are none, one word stands for nothing."""
    whole, kept = _among(tokens, here, PAD), _among(keep, here, False)
    missing = torch.from_numpy(~here)
    whole[missing, 0], kept[missing, 0] = word, True
    return {"tokens": whole, "keep": kept}
