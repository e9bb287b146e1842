"""The vectors of a library's entries, and how near a query lies to each of them.

A vector is what the library's encoder makes of a sequence, less what all entries of the build have
in common, as whole numbers: its length is about 4,000. So products of two are whole numbers too,
none of their partial sums is beyond what 32 bits of a float hold exactly, and a cosine has the same
bytes whatever the batch, the number of threads and the library of linear algebra.

A segment keeps those of the entries that it brought, under the id of the encoder. A barcode is
asked on both of its strands, since an entry has but one; a picture as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.library.reading import Progress
from merian.library.segment import Segment
from merian.library.store import Library
from merian.library.towers import MODALITY, open_tower
from merian.nucleotides import reverse_complement
from merian.tensors import map_tensors, write_tensors

if TYPE_CHECKING:
    from merian.encoder import Encoder

__all__ = [
    "CENTRE",
    "Kinship",
    "Raw",
    "raw_vectors",
    "rewrite_vectors",
    "scaled",
    "sequence_vectors",
    "write_vectors",
]

CENTRE = "centre.safetensors"
_FORMAT = "merian-vectors 1.0"
_LENGTH = 4000.0  # with what rounding adds its square is below 2^24
_BLOCK, _TOGETHER = 8192, 16  # entries, and queries, whose cosines are reckoned at a time
_AT_ONCE = 2048  # sequences between two words about how far it is

Raw = NDArray[np.float16]
Scaled = NDArray[np.int16]
Cosines = NDArray[np.float32]


def vectors_file(segment: Path, encoder: str) -> Path:
    """Return where a segment has the vectors of an encoder."""
    return segment / f"vectors.{encoder}.safetensors"


def raw_vectors(
    eye: Encoder, items: Sequence[Any], rejects: list[tuple[int, str]] | None = None
) -> Raw:
    """Return float16[n, dim] of unit length; 0 where an encoder cannot read an item.

    Args:
        eye: The encoder.
        items: What it takes.
        rejects: What cannot be read is added here: its row, and why.
    """
    found = eye.encode(items, rejects)
    return np.nan_to_num(found, copy=False).astype(np.float16)


def scaled(raw: Raw, centre: NDArray[np.float32]) -> Scaled:
    """Return int16[n, dim]: vectors less the centre, of length 4,000, in whole numbers."""
    away = raw.astype(np.float64) - centre
    away[~raw.any(axis=1)] = 0
    length = np.sqrt((away * away).sum(axis=1, keepdims=True))
    found: Scaled = np.rint(away * (_LENGTH / np.maximum(length, 1e-9))).astype(np.int16)
    return found


def sequence_vectors(own: Segment, eye: Encoder, progress: Progress) -> Raw:
    """Embed the sequences of the entries of a segment.

    Args:
        own: The segment.
        eye: The encoder.
        progress: Is told how many entries are embedded.
    """
    raw = np.zeros((own.entries, eye.dim), np.float16)
    for first in range(0, own.entries, _AT_ONCE):
        progress("embedding", first)
        stop = min(first + _AT_ONCE, own.entries)
        raw[first:stop] = raw_vectors(eye, [own.letters(row) for row in range(first, stop)])
    return raw


def write_vectors(raw: Raw, segment: Path, eye: Encoder, encoder: Path) -> None:
    """Write the vectors of a segment. Those of the first one decide what they have in common.

    Args:
        raw: By entry; whole numbers are written into their place.
        segment: Where it lies for now.
        eye: The encoder.
        encoder: The folder of the library where it lies.
    """
    if not (encoder / CENTRE).exists():
        total = np.zeros(eye.dim)
        for first in range(0, len(raw), _BLOCK):
            total += raw[first : first + _BLOCK].sum(axis=0, dtype=np.float64)
        mean = (total / max(len(raw), 1)).astype(np.float32)
        write_tensors(encoder / CENTRE, {"centre": mean}, _FORMAT)
    centre = _centre(encoder)
    found = raw.view(np.int16)  # in its place: there may be a million
    for first in range(0, len(raw), _BLOCK):
        found[first : first + _BLOCK] = scaled(raw[first : first + _BLOCK], centre)
    write_tensors(vectors_file(segment, eye.id), {"vector": found}, _FORMAT)


def rewrite_vectors(library: Library, entries: NDArray[np.int64], segment: Path) -> None:
    """Write the vectors of these entries of a library, as they are, into a segment."""
    told = library.header.get("encoder")
    if told is None:
        return
    first = np.array(library.first_entry)
    found = np.empty((len(entries), int(told["dim"])), np.int16)
    for number, folder in enumerate(library.segment_folders):
        here = (entries >= first[number]) & (entries < first[number + 1])
        if here.any():
            rows = map_tensors(vectors_file(folder, told["id"]))["vector"]
            found[here] = rows[entries[here] - first[number]]
    write_tensors(vectors_file(segment, told["id"]), {"vector": found}, _FORMAT)


def _centre(encoder: Path) -> NDArray[np.float32]:
    found: NDArray[np.float32] = map_tensors(encoder / CENTRE)["centre"]
    return found


@dataclass(frozen=True, eq=False)
class Kinship:
    """The vectors of a library, and its encoder, which is loaded when it is first asked.

    Attributes:
        encoder: Its folder.
        vectors: int16[entries, dim] of each segment.
        kind: Of what: barcode or picture.
    """

    encoder: Path
    vectors: Sequence[Scaled]
    kind: str = "barcode"

    @staticmethod
    def open(library: Library) -> Kinship | None:
        """Open the vectors of a library; None where it has no encoder."""
        told = library.header.get("encoder")
        if told is None:
            return None
        found = []
        for folder, segment in zip(library.segment_folders, library.segments, strict=True):
            file = vectors_file(folder, told["id"])
            rows = map_tensors(file)["vector"]
            if rows.shape != (segment.entries, told["dim"]):
                raise FormatError(
                    f"has {list(rows.shape)} numbers and not {[segment.entries, told['dim']]}; "
                    "copy the library again, or build it anew",
                    path=file,
                )
            found.append(rows)
        return Kinship(library.folder / told["folder"], found, library.kind)

    @cached_property
    def eye(self) -> Any:
        """The encoder, in 32 bits on a CPU, so that all machines reckon alike."""
        return open_tower(self.encoder, MODALITY[self.kind])

    @cached_property
    def centre(self) -> NDArray[np.float32]:
        """What the entries have in common."""
        return _centre(self.encoder)

    def encode(self, items: Sequence[Any]) -> Scaled:
        """Return int16[n, dim] of clean sequences or of pictures; 0 where one cannot be read."""
        return scaled(raw_vectors(self.eye, items), self.centre)

    def of(self, queries: Sequence[Any]) -> Iterator[Cosines]:
        """Yield, query by query, its cosines to all entries.

        They are float32[2, entries] of a sequence, for its strands, and float32[1, entries] of a
        picture.

        Args:
            queries: Clean sequences; or pictures, in any form that `merian.learn.load_model` says
                that they can have.
        """
        asked = [queries]
        if self.kind == "barcode":
            asked.append([*map(reverse_complement, queries)])
        found = self.encode([item for strand in asked for item in strand])
        every = found.reshape(len(asked), len(queries), -1)
        for first in range(0, len(queries), _TOGETHER):
            few = every[:, first : first + _TOGETHER]
            products = self._products(few.reshape(-1, every.shape[2]))
            yield from products.reshape(*few.shape[:2], -1).swapaxes(0, 1)

    def of_vectors(self, raw: NDArray[np.floating[Any]]) -> Cosines:
        """Return float32[n, entries]: the cosines of what the encoder has made to all entries."""
        return self._products(scaled(np.asarray(raw, np.float16), self.centre))

    def to(self, items: Sequence[Any], entries: Sequence[int]) -> list[float]:
        """Return the cosine of each item to one entry."""
        if not items:
            return []
        every = np.concatenate([[0], np.cumsum([len(rows) for rows in self.vectors])])
        segment = np.searchsorted(every, entries, side="right") - 1
        own = [self.vectors[s][e - every[s]] for s, e in zip(segment, entries, strict=True)]
        whole = (self.encode(items).astype(np.int64) * np.array(own)).sum(axis=1)
        found: list[float] = _cosines(whole.astype(np.float32)).tolist()
        return found

    def _products(self, few: Scaled) -> Cosines:
        """Return float32[n, entries]: the cosines of some vectors to those of all entries."""
        asked = few.astype(np.float32)
        parts = [
            asked @ rows[first : first + _BLOCK].astype(np.float32).T
            for rows in self.vectors
            for first in range(0, len(rows), _BLOCK)
        ]
        found = np.concatenate(parts, axis=1) if parts else np.empty((len(few), 0), np.float32)
        return _cosines(found)


def _cosines(products: Cosines) -> Cosines:
    """Return the cosines of products; what rounding adds beyond 1 is cut off."""
    found: Cosines = np.clip(products / np.float32(_LENGTH * _LENGTH), -1, 1)
    return found
