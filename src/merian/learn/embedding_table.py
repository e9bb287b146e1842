"""Embeddings as one table: a Parquet file with a row for every sequence or picture.

    id, record   as in embeddings of a folder
    file         of a picture, where it lies
    vector       FLOAT[dim] of unit length; NULL for what could not be read
    reason       why there is no vector

Beside it stands a list of all that was set aside, also before it had a row. The work is done in
shards in a folder next to the file, so that a job that was killed does only what is left; the
folder goes when the table is there. The index of the embeddings stands in the metadata of the file,
under ``merian``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import InputError
from merian.files import new_file
from merian.learn.embedding import REJECTS, embed
from merian.learn.embeddings import FORMAT, Embeddings

__all__ = ["embed_table", "rejects_of", "table_header"]

_MARK = "merian"
_MEMORY = "1GB"


def embed_table(
    source: Path | str, out: Path | str, encoder: str | Path | None = None, **how: Any
) -> Mapping[str, Any]:
    """Embed into a Parquet file, and return the index of the embeddings.

    Args:
        source: As `merian.learn.embed` takes it.
        out: The file to make.
        encoder: As there.
        how: What else that takes.
    """
    out = Path(out)
    parts = out.with_name(f"{out.name}.parts")
    known = table_header(out) if out.exists() else None
    done = embed(source, parts, encoder, known=known, **how)
    if known is None:
        _copy(parts / REJECTS, rejects_of(out))
        _write(done, out)
    shutil.rmtree(parts, ignore_errors=True)
    return done.header


def rejects_of(out: Path) -> Path:
    """Return where the list is of what was set aside for a table."""
    return out.with_suffix(".rejects.tsv")


def table_header(out: Path) -> dict[str, Any]:
    """Return the index of the embeddings in a Parquet file of ours."""
    sql = f"SELECT value FROM parquet_kv_metadata({literal(out)}) WHERE key = '{_MARK}'"
    try:
        with connect(threads=1) as con:
            found = con.execute(sql).fetchall()
    except duckdb.Error:
        found = []
    header = json.loads(bytes(found[0][0])) if found else {}
    if not isinstance(header, dict) or header.get("merian", {}).get("format") != FORMAT:
        raise InputError(f"{out}: is there, and holds no embeddings; name another file")
    return header


def _write(done: Embeddings, out: Path) -> None:
    """Write the table, complete or not at all."""
    dim = int(done.encoder["dim"])
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out.parent) as name:
        work = Path(name)
        # One thread writes; otherwise the pieces of a file depend on who was first.
        with connect(threads=1, memory=_MEMORY, spill=work / "spill") as con:
            files = [_part(con, done, number, dim, work) for number in done.shards]
            listed = ", ".join(literal(file) for file in files)
            rows = (
                f"SELECT * EXCLUDE (place) FROM read_parquet([{listed}])" if files else
                f"SELECT '' AS id, '' AS record, '' AS file, NULL::FLOAT[{dim}] AS vector, "
                "'' AS reason WHERE false"
            )  # fmt: skip
            mark = literal(json.dumps(dict(done.header), sort_keys=True))
            options = (
                "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10240, "
                f"KV_METADATA {{{_MARK}: {mark}}}"
            )
            made = work / "table.parquet"
            con.execute(f"COPY ({rows}) TO {literal(made)} ({options})").fetchall()
        _copy(made, out)


def _part(
    con: duckdb.DuckDBPyConnection, done: Embeddings, number: int, dim: int, work: Path
) -> Path:
    """Write a shard as Parquet, and return where."""
    ids, records, vectors = done.shard(number)
    there = ~np.isnan(vectors).any(axis=1)
    held = np.empty(len(ids), object)
    for row in np.flatnonzero(there).tolist():
        held[row] = vectors[row].astype(np.float32)
    reasons = done.reasons(number)
    con.register("shard", {
        "place": np.arange(len(ids)), "id": _texts(ids), "record": _texts(records),
        "file": _texts(done.files(number)), "vector": held,
        "reason": _texts([reasons.get(row) for row in range(len(ids))]),
    })  # fmt: skip
    file = work / f"{number:05}.parquet"
    con.execute(
        "COPY (SELECT place, id, record, nullif(file, '') AS file, "
        f"vector::FLOAT[{dim}] AS vector, reason::VARCHAR AS reason FROM shard ORDER BY place) "
        f"TO {literal(file)} (FORMAT parquet)"
    ).fetchall()
    con.unregister("shard")
    return file


def _texts(texts: list[Any]) -> Any:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


def _copy(source: Path, out: Path) -> None:
    with source.open("rb") as stream, new_file(out) as target:
        shutil.copyfileobj(stream, target)
