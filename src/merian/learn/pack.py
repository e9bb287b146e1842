"""A pack: examples in shards that lie on a disk, open at once and cost little memory.

The index is mapped, so that processes share it. A picture is one read at a known place; sequences
are read a shard at a time, and the last few shards are kept. The barcodes of records lie in the
index, since a record has other things to be read for. See `merian.learn.packing` for the
files.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import FormatError, InputError, NotFoundError, did_you_mean
from merian.files import content_hash, existing
from merian.learn.order import WINDOW, shard_starts
from merian.learn.pack_labels import COLUMNS
from merian.stamp import check_stamp
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors

__all__ = ["FORMAT", "HEADER", "INDEX", "LABELS", "REJECTS", "VERSION", "Pack", "check_pack",
           "open_pack"]  # fmt: skip

FORMAT, VERSION = "merian-pack", "1.2"  # 1.0 knew no sizes of pictures in life, 1.1 no records
HEADER, INDEX, LABELS = "pack.json", "index.safetensors", "labels.json"
REJECTS = "rejects.tsv"

Indices = NDArray[np.int64]
Numbers = NDArray[np.int32]


class Pack:
    """A pack, or one part of it. It can be pickled, and read in several processes.

    Attributes:
        folder: Where it lies.
        header: What ``pack.json`` says.
        kind: ``barcodes``, ``pictures`` or ``records``.
        shards: How many examples each shard has; example i is the i-th of all shards in a row.
        size: How many examples there are.
        ranks: The ranks at which something has a name, from high to low.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], part: str | None) -> None:
        self.folder, self.header, self._part = folder, header, part
        self.kind = str(header["kind"])
        self.ranks = tuple(str(rank) for rank in header["ranks"])
        chosen = [s for s in header["shards"] if part in {None, s["part"]}]
        self._files = [folder / str(shard["file"]) for shard in chosen]
        self.shards: Sequence[int] = tuple(int(shard["examples"]) for shard in chosen)
        self._starts = shard_starts(self.shards)
        self.size = int(self._starts[-1])
        before = header["shards"].index(chosen[0]) if chosen else 0
        self._first = sum(int(s["examples"]) for s in header["shards"][:before])
        # Of records: how many of the whole pack have a picture ("image"), a "barcode", a "place".
        self.modalities: dict[str, int] = dict(header.get("modalities", {}))
        self._kept: OrderedDict[int, list[str]] = OrderedDict()

    def __len__(self) -> int:
        return self.size

    def __reduce__(self) -> tuple[Any, ...]:
        return open_pack, (self.folder, self._part)

    @property
    def parts(self) -> dict[str, int]:
        """How many examples each part of the whole pack has."""
        return dict(self.header["examples"])

    def part(self, name: str) -> Pack:
        """Return one part of the pack: train, valid or test."""
        if name not in self.parts:
            raise NotFoundError(
                f"{self.folder}: has no part {name}; there are {', '.join(self.parts)}"
            )
        return Pack(self.folder, self.header, name)

    @cached_property
    def _index(self) -> dict[str, NDArray[Any]]:
        return map_tensors(self.folder / INDEX)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads((self.folder / LABELS).read_text(encoding="utf-8"))
        return found

    def card(self) -> dict[str, Any]:
        """Return what the card of a model tells of the data that it learned from."""
        told = ("hash", "kind", "examples", "ranks", "classes", "sources", "licences", "taxonomies")
        return {
            "pack": self.header["merian"]["run"],
            "taxonomy": self.header["merian"]["taxonomy"],
            **{key: self.header[key] for key in told},
        }

    def names(self, rank: str) -> list[str]:
        """Return the classes of a rank; the word ``label`` stands for the labels as they came."""
        if rank not in self._names:
            raise NotFoundError(
                f"{self.folder}: nothing has a name at the rank {rank!r}; there are "
                f"{', '.join(self._names) or 'no names at all'}.{did_you_mean(rank, self._names)}"
            )
        return self._names[rank]

    def labels(self, rank: str) -> Numbers:
        """Return int32[size]: the class of every example at a rank, -1 where it is unknown."""
        self.names(rank)
        classes = self._index["classes"][self._first : self._first + self.size]
        return cast(Numbers, classes[:, COLUMNS.index(rank)])

    def ids(self, indices: ArrayLike) -> list[str]:
        """Return the ids of sequences or pictures."""
        return Strings.among(self._index, "id").take(self._rows(indices))

    def records(self, indices: ArrayLike) -> list[str]:
        """Return the ids of the records that they belong to."""
        return Strings.among(self._index, "record").take(self._rows(indices))

    @property
    def sized(self) -> bool:
        """Whether it is known of any picture how large it is in life."""
        return "mm" in self._index

    @property
    def before_sizes(self) -> bool:
        """Whether it was made when no pack held sizes: made anew, it might know some."""
        version = str(self.header["merian"]["format_version"])
        return self.kind == "pictures" and version == "1.0" and not self.sized

    def millimetres(self, indices: ArrayLike) -> NDArray[np.float32]:
        """Return float32[n, 2]: the longer and the shorter side in mm, NaN where not known."""
        rows = self._rows(indices)
        if not self.sized:
            return np.full((len(rows), 2), np.nan, np.float32)
        return cast(NDArray[np.float32], self._index["mm"][rows])

    def read(self, indices: ArrayLike) -> list[str] | list[bytes]:
        """Return sequences, or the files of pictures, in the order that was asked for.

        A record without a picture gives no bytes.
        """
        if self.kind == "barcodes":
            return self.sequences(indices)
        rows = self._rows(indices)
        begins, lengths = self._index["begin"][rows], self._index["length"][rows]
        places = zip(self._shard_of(rows).tolist(), begins.tolist(), lengths.tolist(), strict=True)
        return [self._picture(*place) if place[2] else b"" for place in places]

    def sequences(self, indices: ArrayLike) -> list[str]:
        """Return sequences; "" where there is none."""
        rows = self._rows(indices)
        found = [""] * len(rows)
        if self.kind == "records":
            numbers = self.barcodes(indices)
            known = np.flatnonzero(numbers >= 0)
            texts = Strings.among(self._index, "spelled").take(numbers[known])
            for place, text in zip(known.tolist(), texts, strict=True):
                found[place] = text
        if self.kind != "barcodes":
            return found
        shard = self._shard_of(rows)
        for number in np.unique(shard).tolist():
            texts = self._texts(number)
            for place in np.flatnonzero(shard == number).tolist():
                found[place] = texts[int(rows[place] - self._first - self._starts[number])]
        return found

    def barcodes(self, indices: ArrayLike) -> Numbers:
        """Return int32[n]: which barcode a record has; the same have one number, -1 has none."""
        return cast(Numbers, self._of_records("barcode")[self._rows(indices)])

    def numbers(self, indices: ArrayLike) -> Numbers:
        """Return int32[n]: which record of the pack an example is of."""
        return cast(Numbers, self._of_records("number")[self._rows(indices)])

    def places(self, indices: ArrayLike) -> NDArray[np.float32]:
        """Return float32[n, 3]: latitude, longitude and day of the year, NaN where not known."""
        rows = self._rows(indices)
        if self.kind != "records":
            return np.full((len(rows), 3), np.nan, np.float32)
        return cast(NDArray[np.float32], self._index["place"][rows])

    def pictured(self, indices: ArrayLike) -> NDArray[np.bool_]:
        """Return bool[n]: whether each has a picture."""
        rows = self._rows(indices)
        if self.kind == "barcodes":
            return np.zeros(len(rows), bool)
        return np.asarray(self._index["length"][rows] > 0)

    def _of_records(self, name: str) -> NDArray[Any]:
        """Return an array that packs of records alone have."""
        if self.kind != "records":
            raise InputError(
                f"{self.folder}: holds {self.kind}, and records are needed; merian pack --kind "
                "records makes a pack of them"
            )
        return self._index[name]

    def _shard_of(self, rows: Indices) -> Indices:
        """Return in which shard of ours each row lies."""
        return np.searchsorted(self._starts, rows - self._first, side="right") - 1

    def _rows(self, indices: ArrayLike) -> Indices:
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if ((wanted < 0) | (wanted >= self.size)).any():
            raise IndexError(f"the pack has {self.size} examples, from 0 on")
        return wanted + self._first

    def _picture(self, shard: int, begin: int, length: int) -> bytes:
        file = existing(self._files[shard], "shard")
        with file.open("rb", buffering=0) as stream:
            stream.seek(begin)
            content = stream.read(length)
        if len(content) != length:
            raise FormatError(f"is cut off at {file.stat().st_size:,} bytes", path=file)
        return content

    def _texts(self, shard: int) -> list[str]:
        """Return the sequences of a shard; those of the last few shards are at hand."""
        if shard in self._kept:
            self._kept.move_to_end(shard)
            return self._kept[shard]
        file = existing(self._files[shard], "shard")
        sql = f"SELECT sequence FROM read_parquet({literal(file)})"
        with connect(threads=1) as con:
            texts: list[str] = con.execute(sql).fetchnumpy()["sequence"].tolist()
        if len(texts) != self.shards[shard]:
            raise FormatError(
                f"holds {len(texts):,} sequences, and {self.shards[shard]:,} were written; "
                "make the pack again",
                path=file,
            )
        while len(self._kept) >= WINDOW:
            self._kept.popitem(last=False)
        self._kept[shard] = texts
        return texts


def open_pack(path: Path | str, part: str | None = None) -> Pack:
    """Open a pack; a shard that is missing or has another size than it should is told at once.

    Args:
        path: Its folder.
        part: Only this part of it: train, valid or test.
    """
    folder = existing(path, "pack").resolve()
    if not (folder / HEADER).is_file():
        raise FormatError(
            f"is no pack, which holds {HEADER}; `merian pack SOURCE --out PACK` makes one",
            path=folder,
        )
    header = check_stamp(folder / HEADER, FORMAT, 1)
    for name, size, _ in _files_of(header):
        file = folder / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            said = (
                "is missing"
                if found is None
                else f"has {found:,} bytes where {size:,} were written"
            )
            raise FormatError(
                f"{said}: the pack is not complete. Copy it again, or make it again", path=file
            )
    whole = Pack(folder, header, None)
    return whole if part is None else whole.part(part)


def check_pack(path: Path | str) -> int:
    """Read every byte of a pack and return how many files are as they were written."""
    pack = open_pack(path)
    files = _files_of(pack.header)
    changed = [name for name, _, digest in files if content_hash(pack.folder / name) != digest]
    if changed:
        raise InputError(
            f"{pack.folder}: {len(changed)} of {len(files)} files have changed since they were "
            f"written: {', '.join(changed[:5])}. Copy the pack again, or make it again"
        )
    return len(files)


def _files_of(header: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Return the name, size and hash of every file of a pack."""
    beside = [(name, size, digest) for name, (size, digest) in header["files"].items()]
    return beside + [(s["file"], s["bytes"], s["hash"]) for s in header["shards"]]
