"""Vectors of pictures that are there already: those that `merian embed` has made of a catalogue.

They are taken where encoder and precision are the very ones that would be asked, so that a picture
is not sent through the network once more. A picture is found by its mediaID; what is kept of that
is a number of 64 bits, so that ten million take no more than some hundred megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.library.vectors import Raw

__all__ = ["StoredVectors", "stored_vectors"]

_INDEX = "index.json"
_EXACT = ("float32", "torch")  # as a library embeds its pictures, on every machine alike


@dataclass(frozen=True, eq=False)
class StoredVectors:
    """Vectors by mediaID.

    Attributes:
        folder: Where they lie.
        encoder: The id of their encoder.
    """

    folder: Path
    encoder: str
    _key: NDArray[np.uint64]
    _row: NDArray[np.int64]
    _vectors: Raw

    def of(self, media: Sequence[str]) -> list[Raw | None]:
        """Return the vector of each picture; None where there is none."""
        asked = _numbers(media)
        at = np.minimum(np.searchsorted(self._key, asked), max(len(self._key) - 1, 0))
        found: list[Raw | None] = []
        for place, number in zip(at.tolist(), asked, strict=True):
            known = len(self._key) > 0 and self._key[place] == number
            found.append(self._vectors[self._row[place]] if known else None)
        return found


def stored_vectors(place: Path, encoder: str) -> StoredVectors | None:
    """Return the vectors of pictures by an encoder; None where there are none.

    Args:
        place: What `merian embed` made, or a catalogue, in whose folder ``runs`` that may lie.
        encoder: The id of the encoder that would else be asked.
    """
    folders = [place]
    if not (place / _INDEX).is_file():
        folders = sorted(file.parent for file in (place / "runs").glob(f"vectors-*/{_INDEX}"))
    found = (_open(folder, encoder) for folder in folders)
    return next((one for one in found if one is not None), None)


def _open(folder: Path, encoder: str) -> StoredVectors | None:
    from merian.learn.embeddings import open_embeddings  # noqa: PLC0415 - not for who has none

    told = open_embeddings(folder)
    how = told.encoder.get("precision"), told.encoder.get("engine", "torch")
    if told.encoder["id"] != encoder or how != _EXACT:
        return None
    vectors = told.vectors()
    good = np.flatnonzero(~np.isnan(vectors).any(axis=1))
    keys = _numbers(told.ids())[good]
    order = np.argsort(keys, kind="stable")
    return StoredVectors(folder, encoder, keys[order], good[order], vectors)


def _numbers(ids: Sequence[str]) -> NDArray[np.uint64]:
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in ids)
    return np.frombuffer(digests, "<u8").astype(np.uint64)
