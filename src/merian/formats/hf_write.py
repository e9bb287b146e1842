"""Writing a Hugging Face data set: pictures and what is known of them, in Parquet files.

A viewer and a training run read a row group at a time, so one holds a hundred pictures. DuckDB
fills row groups in steps of 2,048 rows unless its input comes in smaller pieces: so every hundred
rows are a file first, and those files make up a shard, in their order. No more than a hundred
pictures are held in memory. A name that ends in ``.parquet`` becomes one file, any other a folder.

Reference: Apache Parquet; https://huggingface.co/docs/datasets/about_dataset_features
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from merian.containers import BadAddressError, read_address
from merian.database import connect
from merian.errors import InputError
from merian.files import new_file, new_folder
from merian.formats.delimited import column, literal
from merian.formats.flat import rows
from merian.formats.hf_columns import BEFORE, Plan, plan_of
from merian.parquet import scan
from merian.pictures import BadPictureError, coloured, whole

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write_set"]

_GROUP = 100  # rows
_HELD = 64 << 20  # bytes of pictures in memory
_SHARD = 400 << 20  # bytes of a file


def write_set(catalogue: Catalogue, path: Path) -> int:
    """Write all records, complete or not at all, and return the number of rows."""
    plan = plan_of(catalogue)
    found = rows(catalogue, plan.sql)
    if path.suffix == ".parquet":
        return _write_file(plan, found, path)
    with new_folder(path) as folder, tempfile.TemporaryDirectory(dir=folder) as name:
        shards = []
        for split, group in groupby(found, key=lambda row: str(row[0])):
            shards.append((split, _Shards(plan, Path(name), split, _SHARD)))
            shards[-1][1].write(group)
        if not shards:
            raise InputError("the catalogue has no records; there is nothing to write")
        (folder / "data").mkdir()
        for split, own in shards:
            for number, file in enumerate(own.files):
                target = f"{split}-{number:05}-of-{len(own.files):05}.parquet"
                file.rename(folder / "data" / target)
    return sum(own.count for _, own in shards)


def _write_file(plan: Plan, found: Iterator[tuple[object, ...]], path: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="merian-parquet-") as name:
        shards = _Shards(plan, Path(name), "all", 1 << 62)
        shards.write(found)
        if not shards.files:
            raise InputError("the catalogue has no records; there is nothing to write")
        with new_file(path) as stream, shards.files[0].open("rb") as made:
            while block := made.read(1 << 20):
                stream.write(block)
    return shards.count


class _Shards:
    """The files of one part of a split."""

    def __init__(self, plan: Plan, work: Path, name: str, most: int) -> None:
        self.plan, self.work, self.name, self.most = plan, work, name, most
        self.files: list[Path] = []
        self.count = 0

    def write(self, found: Iterator[tuple[object, ...]]) -> None:
        """Write rows, in their order, a piece after the other."""
        with _database(self.work) as con:
            pieces: list[Path] = []
            size = 0
            for batch in _batches(found):
                piece = self.work / f"{self.name}.{len(pieces)}.piece"
                self._piece(con, batch, piece)
                pieces.append(piece)
                size += piece.stat().st_size
                self.count += len(batch)
                if size >= self.most:
                    self._shard(con, pieces)
                    pieces, size = [], 0
            if pieces:
                self._shard(con, pieces)

    def _piece(self, con: duckdb.DuckDBPyConnection, batch: list[_Row], file: Path) -> None:
        plan = self.plan
        columns: dict[str, Sequence[Any]] = {
            "content": [row.content for row in batch],
            "place": [row.place for row in batch],
            "label": [plan.number_of(row.label) for row in batch],
            **{f"c{i}": [row.values[i] for row in batch] for i in range(len(plan.names))},
        }
        parts = []
        if plan.pictures:
            parts.append(
                "CASE WHEN content IS NOT NULL OR place IS NOT NULL THEN "
                "{'bytes': CAST(content AS BLOB), 'path': CAST(place AS VARCHAR)} END AS image"
            )
        if plan.classes:
            parts.append("CAST(label AS BIGINT) AS label")
        parts += [
            f"CAST(c{i} AS {kind}) AS {column(name)}"
            for i, (name, kind) in enumerate(zip(plan.names, plan.types, strict=True))
        ]
        kinds = {name: "BLOB" if name == "content" else "VARCHAR" for name in columns}
        listed = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        con.execute(f"CREATE OR REPLACE TEMP TABLE batch (n BIGINT, {listed})").fetchall()
        unnested = ", ".join(f"unnest(?::{kind}[])" for kind in kinds.values())
        values = [list(column) for column in columns.values()]
        con.execute(
            f"INSERT INTO batch SELECT unnest(range(?)), {unnested}", [len(batch), *values]
        ).fetchall()
        con.execute(
            f"COPY (SELECT {', '.join(parts)} FROM batch ORDER BY n) TO {literal(str(file))} "
            "(FORMAT parquet)"
        ).fetchall()

    def _shard(self, con: duckdb.DuckDBPyConnection, pieces: list[Path]) -> None:
        """Put pieces together, each a row group."""
        file = self.work / f"{self.name}.{len(self.files)}.shard"
        # `datasets` takes its features only where a column may be empty, and DuckDB says that none
        # may be that it sees to be full: so it must not see it.
        names = [*(["image"] if self.plan.pictures else []),
                 *(["label"] if self.plan.classes else []), *self.plan.names]  # fmt: skip
        columns = ", ".join(
            f"CASE WHEN random() >= 0 THEN {column(name)} END AS {column(name)}" for name in names
        )
        listed = " UNION ALL ".join(
            f"(SELECT {columns} FROM {scan(str(piece))})" for piece in pieces
        )
        told = ", ".join(f"{key}: {literal(value)}" for key, value in self.plan.told().items())
        con.execute(
            f"COPY ({listed}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION snappy, "
            f"ROW_GROUP_SIZE {_GROUP}, KV_METADATA {{{told}}})"
        ).fetchall()
        for piece in pieces:
            piece.unlink()
        self.files.append(file)


@contextmanager
def _database(work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = connect(memory="1GB", threads=1, spill=work)
    try:
        yield con
    finally:
        con.close()


@dataclass(frozen=True)
class _Row:
    """A row as it is written."""

    content: bytes | None
    place: str | None
    label: str | None
    values: tuple[str | None, ...]


def _batches(found: Iterator[tuple[object, ...]]) -> Iterator[list[_Row]]:
    """Return rows with their pictures, a row group at a time."""
    batch: list[_Row] = []
    held = 0
    for _, address, derived, x, y, w, h, label, *values in found:
        content, place = _picture(address, None if derived else (x, y, w, h))
        texts = tuple(None if v is None else repr(v) if isinstance(v, float) else str(v)
                      for v in values)  # fmt: skip
        batch.append(_Row(content, place, None if label is None else str(label), texts))
        held += len(content or b"")
        if len(batch) == _GROUP or held > _HELD:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


assert len(BEFORE) == 8, "what stands before the columns is taken apart in _batches"


def _picture(address: object, box: tuple[object, ...] | None) -> tuple[bytes | None, str | None]:
    """Return the bytes of a picture, or where on the web it is."""
    if address is None:
        return None, None
    place = str(address)
    if "://" in place and not place.startswith("file://"):
        return None, place
    try:
        content = read_address(place)
        if box is None or None in box or box == (0, 0, 1, 1):
            return content, None
        return _cut(content, [float(str(side)) for side in box]), None
    except (BadAddressError, BadPictureError) as bad:
        raise InputError(
            f"{place}: {bad}; bring the picture, or take it out of the catalogue"
        ) from None


def _cut(content: bytes, box: list[float]) -> bytes:
    """Return a region of a picture, upright, as a PNG."""
    image = whole(content)
    (x, y, w, h), (width, height) = box, image.size
    left, top = (min(max(round(at * full), 0), full - 1) for at, full in ((x, width), (y, height)))
    right = min(max(round((x + w) * width), left + 1), width)
    below = min(max(round((y + h) * height), top + 1), height)
    piece = image.crop((left, top, right, below))
    held = io.BytesIO()
    (piece if piece.mode in {"L", "RGB"} else coloured(piece)).save(held, "PNG")
    return held.getvalue()
