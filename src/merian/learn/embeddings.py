"""Embeddings on the disk: a vector for each item of a source, under the id of its encoder.

index.json           which encoder, which source, the shards with their hashes; written last
shards/00000.safetensors  vectors (float16), the ids of items and records, the files of pictures,
                     and what could not be read
rejects.tsv          what could not be read, and why; its rows are NaN
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.files import existing
from merian.stamp import check_stamp
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors

__all__ = ["FORMAT", "INDEX", "JOB", "VERSION", "Embeddings", "open_embeddings", "shard_file"]

FORMAT, VERSION = "merian-embeddings", "1.0"
INDEX, JOB = "index.json", "job.json"

Vectors = NDArray[np.float16]


@dataclass(frozen=True)
class Embeddings:
    """The vectors of a source.

    Attributes:
        folder: Where they lie.
        encoder: Its id, name, space, dim and precision.
        header: What ``index.json`` says.
    """

    folder: Path
    encoder: Mapping[str, Any]
    header: Mapping[str, Any]

    def __len__(self) -> int:
        return int(self.header["items"])

    def shard(self, number: int) -> tuple[list[str], list[str], Vectors]:
        """Return ids, records and vectors of a shard; the vectors are mapped from the disk."""
        arrays = map_tensors(shard_file(self.folder, number))
        ids, records = Strings.among(arrays, "id"), Strings.among(arrays, "record")
        return [*ids], [*records], arrays["vectors"]

    def ids(self) -> list[str]:
        """Return the ids of all items, in order."""
        return [key for number in self.shards for key in self.shard(number)[0]]

    def records(self) -> list[str]:
        """Return the ids of the records that they belong to."""
        return [key for number in self.shards for key in self.shard(number)[1]]

    def vectors(self) -> Vectors:
        """Return float16[n, dim]: of unit length, or NaN for what could not be read."""
        parts = [self.shard(number)[2] for number in self.shards]
        return np.concatenate([np.empty((0, int(self.encoder["dim"])), np.float16), *parts])

    def files(self, number: int) -> list[str]:
        """Return where the pictures of a shard lie; "" where that is not known."""
        arrays = map_tensors(shard_file(self.folder, number))
        if "file.text" not in arrays:
            return [""] * len(arrays["vectors"])
        return [*Strings.among(arrays, "file")]

    def reasons(self, number: int) -> dict[int, str]:
        """Return why rows of a shard have no vector, by row."""
        arrays = map_tensors(shard_file(self.folder, number))
        return dict(zip(arrays["reject"].tolist(), Strings.among(arrays, "reason"), strict=True))

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(len(self.header["shards"]))


def shard_file(folder: Path, number: int) -> Path:
    """Return where a shard lies."""
    return folder / "shards" / f"{number:05}.safetensors"


def open_embeddings(folder: Path | str) -> Embeddings:
    """Open embeddings; a shard that is missing or has another size than it should is told."""
    folder = existing(folder, "folder of embeddings")
    if not (folder / INDEX).is_file():
        began = (folder / JOB).is_file()
        raise FormatError(
            "is not complete; give the same `merian embed` once more, and it does what is left"
            if began
            else "holds no embeddings; `merian embed SOURCE --out FOLDER` makes them",
            path=folder,
        )
    header = check_stamp(folder / INDEX, FORMAT, 1)
    for number, told in enumerate(header["shards"]):
        file = shard_file(folder, number)
        if not file.is_file() or file.stat().st_size != told["bytes"]:
            raise FormatError(
                f"is missing, or not the {told['bytes']:,} bytes that were written; copy it again",
                path=file,
            )
    return Embeddings(folder, header["encoder"], header)
