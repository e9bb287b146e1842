"""What is grouped: records with their sequences or vectors, from files or from a catalogue.

Records are put in the order of their ids, so that nothing hangs on the order of rows. Of several
sequences of one record the longest counts (of equals the first by its id), of several pictures the
mean of their vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import FormatError, InputError
from merian.identify.queries import Queries, Query
from merian.library.reading import Reject

__all__ = ["Subjects", "from_embeddings", "from_sequences", "is_embeddings", "of_vectors"]

Floats = NDArray[np.float32]

_BREAKS = str.maketrans("\t\r\n", "   ")


@dataclass(frozen=True, eq=False)
class Subjects:
    """Records that can be grouped.

    Attributes:
        ids: Of the records, each once, ascending.
        sequence: Of each, or ""; empty where sequences are not looked at.
        vector: float32[n, dim], of unit length; NaN where there is none; None likewise.
        encoder: What made the vectors: its id, or "".
        files: Where pictures of records lie, by record.
        called: Other ids of a record, as those of its sequence: the record.
        aside: What was set aside: file, line, id and reason.
        both: Whether they are grouped by sequences and vectors together, and not by vectors alone.
    """

    ids: Sequence[str]
    sequence: Sequence[str] = ()
    vector: Floats | None = None
    encoder: str = ""
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    aside: Sequence[tuple[str, str, str, str]] = ()
    both: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def there(self) -> NDArray[np.bool_]:
        """Return which records have what they are to be grouped by."""
        texts = np.array([bool(text) for text in self.sequence], bool)
        if self.vector is None:
            return texts
        seen = np.asarray(~np.isnan(self.vector).any(axis=1))
        return seen | texts if self.both else seen

    def only(self, chosen: NDArray[np.bool_]) -> Subjects:
        """Return some of the records."""
        at = np.flatnonzero(chosen).tolist()
        return Subjects(
            [self.ids[n] for n in at],
            [self.sequence[n] for n in at] if self.sequence else (),
            None if self.vector is None else self.vector[chosen],
            self.encoder,
            self.files,
            self.called,
            self.aside,
            self.both,
        )


def from_sequences(queries: Queries) -> Subjects:
    """Read the sequences of files."""
    best: dict[str, str] = {}
    aside = []
    with TemporaryDirectory(prefix="merian-") as work:
        for found in queries.read(Path(work)):
            if isinstance(found, Reject):
                line = "" if found.line is None else str(found.line)
                aside.append((str(found.file), line, found.id, found.reason))
            elif isinstance(found, Query) and len(found.sequence) > len(
                best.get(key := _one_line(found.id), "")
            ):
                best[key] = found.sequence
    ids = sorted(best)
    return Subjects(ids, [best[key] for key in ids], aside=aside)


def _one_line(text: str) -> str:
    """Return an id as tables without quotes hold it, so that it is found again in them."""
    return text.translate(_BREAKS)


def is_embeddings(path: Path) -> bool:
    """Return whether a path looks like what `merian embed` writes."""
    return (path / "index.json").is_file() or path.suffix.lower() == ".parquet"


def from_embeddings(path: Path) -> Subjects:
    """Read embeddings: a folder, or a Parquet file."""
    return _from_parquet(path) if path.is_file() else _from_folder(path)


def _from_folder(folder: Path) -> Subjects:
    from merian.learn.embeddings import open_embeddings  # noqa: PLC0415 - only where asked for

    opened = open_embeddings(folder)
    files = [file for number in opened.shards for file in opened.files(number)]
    reasons = [
        (names[row], "", keys[row], reason)
        for number in opened.shards
        for keys, names in [(opened.shard(number)[0], opened.files(number))]
        for row, reason in sorted(opened.reasons(number).items())
    ]
    return of_vectors(
        opened.records(), opened.vectors().astype(np.float32), str(opened.encoder["id"]), files,
        opened.ids(), reasons,
    )  # fmt: skip


def _from_parquet(path: Path) -> Subjects:
    """Read a table with the columns id (or record) and vector; those of others have no more."""
    with connect(threads=1) as con:
        try:
            told = con.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})").fetchall()
        except Exception as error:
            if "query interrupted" in str(error).lower():
                raise
            raise FormatError("is no Parquet file that can be read", path=path) from None
        columns = {str(name): str(kind) for name, kind, *_ in told}
        key = next((name for name in ("record", "id") if name in columns), None)
        if key is None or not columns.get("vector", "").startswith(("FLOAT[", "DOUBLE[")):
            raise FormatError(
                "expected the columns id and vector (a list of numbers), as `merian embed` writes "
                f"them; found {', '.join(columns) or 'none'}",
                path=path,
            )
        other = "id" if "id" in columns else key
        file = "file" if "file" in columns else "NULL"
        reason = "reason" if "reason" in columns else "NULL"
        rows = con.execute(
            f"SELECT {key}::VARCHAR, {other}::VARCHAR, coalesce({file}::VARCHAR, ''), "
            f"coalesce({reason}::VARCHAR, 'it has no vector') FROM read_parquet({literal(path)})"
        ).fetchall()
        vectors = _column(con, path)
    if not rows:
        raise InputError(f"{path}: holds no embeddings; there is nothing to group")
    reasons = [
        (row[2], "", row[1], row[3])
        for row, missing in zip(rows, np.asarray(np.isnan(vectors).any(axis=1)), strict=True)
        if missing
    ]
    return of_vectors(
        [row[0] or row[1] for row in rows], vectors, _encoder_in(path), [row[2] for row in rows],
        [row[1] for row in rows], reasons,
    )  # fmt: skip


def _column(con: Any, path: Path) -> Floats:
    """Return the vectors of a Parquet file as one array; NaN where there is none."""
    dims = con.execute(
        f"SELECT DISTINCT len(vector) FROM read_parquet({literal(path)}) WHERE vector IS NOT NULL"
    ).fetchall()
    if len(dims) != 1:
        found = "no vectors" if not dims else f"vectors of {len(dims)} different lengths"
        raise FormatError(f"holds {found}; expected all of one length", path=path)
    dim = int(dims[0][0])
    parts = [np.empty((0, dim), np.float32)]
    result = con.execute(
        f"SELECT coalesce(vector::FLOAT[], list_resize([]::FLOAT[], {dim}, 'nan'::FLOAT)) "
        f"FROM read_parquet({literal(path)})"
    )
    while batch := result.fetchmany(10_000):
        parts.append(np.array([row[0] for row in batch], np.float32))
    return np.concatenate(parts)


def _encoder_in(path: Path) -> str:
    """Return the id of the encoder of a Parquet file of ours, or ""."""
    sql = f"SELECT value FROM parquet_kv_metadata({literal(path)}) WHERE key = 'merian'"
    with connect(threads=1) as con:
        found = con.execute(sql).fetchall()
    try:
        return str(json.loads(bytes(found[0][0]))["encoder"]["id"])
    except (IndexError, KeyError, TypeError, ValueError):
        return ""


def of_vectors(
    records: Sequence[str],
    vectors: Floats,
    encoder: str = "",
    files: Iterable[str] = (),
    items: Sequence[str] | None = None,
    aside: Sequence[tuple[str, str, str, str]] = (),
) -> Subjects:
    """Return records with the mean of their vectors, of unit length.

    Args:
        records: Of each vector.
        vectors: float32[n, dim].
        encoder: The id of what made them.
        files: Where the pictures lie, in the same order; "" where not known.
        items: The ids of pictures or sequences, in the same order.
        aside: What was set aside.
    """
    records = [_one_line(record) for record in records]
    ids, number = np.unique(np.array(records, dtype=object).astype(str), return_inverse=True)
    number = number.reshape(-1)
    total = np.zeros((len(ids), vectors.shape[1]), np.float64)
    there = np.asarray(~np.isnan(vectors).any(axis=1))
    # In the order of ids and of the vectors themselves, so that sums do not hang on that of rows.
    order = np.lexsort((*vectors.T[:4], number)) if len(vectors) else np.empty(0, np.int64)
    order = order[there[order]]
    np.add.at(total, number[order], vectors[order].astype(np.float64))
    length = np.sqrt((total**2).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.where(length > 0, total / length, np.nan).astype(np.float32)
    shown: dict[str, list[str]] = {}
    for record, file in zip(records, files, strict=False):
        if file:
            shown.setdefault(record, []).append(file)
    called = {
        item: record for item, record in zip(items or (), records, strict=False) if item != record
    }
    return Subjects(
        ids.tolist(), (), unit, encoder, {k: sorted(v) for k, v in shown.items()}, called, aside
    )
