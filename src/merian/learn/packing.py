"""Making a pack: records in shards, in the order in which a training run can read them fast.

    pack.json           what it is: kind, counts, ranks, shards with their sizes and hashes,
                        sources, licences, lock; it is what `merian.learn.pack` opens
    labels.json         the classes of each rank
    index.safetensors   ids and classes of every example; of pictures, where in its shard each lies,
                        and the sides in mm where they are known of any; of records, also their
                        barcodes and places
    shards/             Parquet files of sequences, or tar files of pictures
    rejects.tsv         what was set aside, and why

The whole folder appears at once. A packing that was killed starts afresh with the same command,
and one that was done is seen to be done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.errors import InputError
from merian.files import content_hash, new_folder, write_json, write_text
from merian.learn.pack import FORMAT, HEADER, INDEX, LABELS, REJECTS, VERSION, Pack, open_pack
from merian.learn.pack_arrange import PARTS, arrange
from merian.learn.pack_gather import MEMORY, Asked, Gathered, Progress, gather, licences_of, run_of
from merian.learn.pack_items import KINDS
from merian.learn.pack_labels import COLUMNS, LABEL, Classes
from merian.learn.pack_pictures import tar_pictures
from merian.learn.pack_records import FACTS, modalities_of, record_arrays
from merian.stamp import stamp
from merian.taxonomy.strings import Strings
from merian.tensors import write_tensors

__all__ = ["Packed", "make_pack"]

# A reader keeps a few shards of sequences in memory; pictures are read one by one.
_SHARD_SIZE = {"barcodes": 16_384, "pictures": 4_096, "records": 4_096}
_BATCH = 10_000
_PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"


@dataclass(frozen=True)
class Packed:
    """What a packing did.

    Attributes:
        pack: It, open.
        set_aside: How many were set aside, by reason.
        done_before: Whether it was there already.
    """

    pack: Pack
    set_aside: dict[str, int]
    done_before: bool = False


def make_pack(
    sources: Sequence[Path | str],
    out: Path | str,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Pack catalogues and files.

    Args:
        sources: Folders of catalogues, and whatever `merian import` reads.
        out: The folder to make.
        asked: What to pack, and how.
        progress: Is told what is being done, and how many are done.
    """
    asked, out = asked or Asked(), Path(out)
    paths = [Path(source) for source in sources]
    _check(paths, asked)
    run = run_of(paths, asked)
    if (out / HEADER).is_file():
        pack = open_pack(out)
        if pack.header["merian"]["run"] == run:
            return Packed(pack, dict(pack.header["set_aside"]), done_before=True)
        raise InputError(f"{out}: holds another pack; name a new folder, or remove that one")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is not empty; a pack needs a new or empty folder")
    step = progress or (lambda _what, _done: None)
    with new_folder(out) as part:
        work = part / "work"
        work.mkdir()
        found = gather(paths, asked, work, step)
        with connect(work / "pack.duckdb", memory=MEMORY, threads=2, spill=work / "spill") as con:
            classes = arrange(con, found, asked.valid, work, step)
            _write(con, part, found, classes, run, asked, step)
        shutil.rmtree(work)
    pack = open_pack(out)
    return Packed(pack, dict(pack.header["set_aside"]))


def _check(paths: Sequence[Path], asked: Asked) -> None:
    if not paths:
        raise InputError("give what to pack: a catalogue, or files that `merian import` reads")
    if asked.kind not in {None, *KINDS}:
        raise InputError(f"--kind {asked.kind}: expected one of {', '.join(KINDS)}")
    if not 0 <= asked.valid < 1:
        raise InputError(f"--valid {asked.valid:g}: expected a share from 0 to 1, such as 0.05")
    if asked.shard_size is not None and asked.shard_size < 1:
        raise InputError(f"--shard-size {asked.shard_size}: expected a number of examples")


def _write(
    con: duckdb.DuckDBPyConnection,
    part: Path,
    found: Gathered,
    classes: Classes,
    run: str,
    asked: Asked,
    step: Progress,
) -> None:
    """Write all files of a pack into its folder."""
    con.execute("SET threads = 1")  # else the pieces of a file depend on who was first
    (part / "shards").mkdir()
    size = asked.shard_size or _SHARD_SIZE[found.kind]
    shards, places = _write_shards(con, part, found.kind, size, step)
    step("writing the index", 0)
    ids, cells = _ids_of(con)
    arrays = {**ids, **places, **_sizes_of(con, found.kind), "classes": classes.numbers[cells]}
    known: dict[str, Any] = {}
    if found.kind == "records":
        arrays |= record_arrays(con, part / "work")
        known = {"modalities": modalities_of(con)}
    write_tensors(part / INDEX, arrays, f"{FORMAT} {VERSION}")
    used = {c: names for c, names in classes.names.items() if names}
    write_json(part / LABELS, used)
    _write_rejects(part / REJECTS, found)
    counts = dict(con.execute("SELECT part, count(*) FROM packed GROUP BY part").fetchall())
    set_aside: dict[str, int] = {}
    for *_, reason in found.rejects:
        short = reason.split(":")[0]
        set_aside[short] = set_aside.get(short, 0) + 1
    files = {name: content_hash(part / name) for name in (INDEX, LABELS)}
    digest = "\n".join([*(str(s["hash"]) for s in shards), *files.values()]).encode()
    locks = {str(lock): lock for lock in found.locks}
    shown = "WHERE suffix IS NOT NULL" if found.kind == "records" else ""
    licences = dict(
        con.execute(f"SELECT license, count(*) FROM packed {shown} GROUP BY 1").fetchall()
    )
    write_json(part / HEADER, {
        "merian": stamp(FORMAT, VERSION, run, next(iter(locks.values())) if len(locks) == 1
                        else None),
        "kind": found.kind,
        "hash": hashlib.blake2b(digest, digest_size=16).hexdigest(),
        "examples": {p: counts[p] for p in PARTS if p in counts},
        **known,
        "ranks": [c for c in used if c != LABEL],
        "classes": {c: len(names) for c, names in used.items()},
        "labelled": {c: int((classes.numbers[cells, COLUMNS.index(c)] >= 0).sum()) for c in used},
        "valid": asked.valid,
        "taxonomies": [locks[text] for text in sorted(locks)],
        "sources": found.sources,
        "licences": licences_of(licences),
        "set_aside": dict(sorted(set_aside.items(), key=lambda item: (-item[1], item[0]))),
        "files": {name: [(part / name).stat().st_size, files[name]] for name in files},
        "shards": shards,
    })  # fmt: skip


def _write_shards(
    con: duckdb.DuckDBPyConnection, part: Path, kind: str, size: int, step: Progress
) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Write the shards; return what the header says of them, and where pictures lie in them."""
    told, begins, lengths = [], [], []
    bounds = con.execute(
        "SELECT part, min(place), max(place) + 1 FROM packed GROUP BY part ORDER BY 2"
    ).fetchall()
    suffix = "parquet" if kind == "barcodes" else "tar"
    for name, low, high in bounds:
        for number, first in enumerate(range(low, high, size)):
            stop = min(first + size, high)
            step("writing shards", first)
            file = f"shards/{name}-{number:05}.{suffix}"
            if kind == "barcodes":
                _write_sequences(con, part / file, first, stop)
            else:
                with (part / file).open("wb") as stream:
                    for begin, length in tar_pictures(stream, _pictures(con, kind, first, stop)):
                        begins.append(begin)
                        lengths.append(length)
            told.append({
                "file": file, "part": name, "examples": stop - first,
                "bytes": (part / file).stat().st_size, "hash": content_hash(part / file),
            })  # fmt: skip
    if kind == "barcodes":
        return told, {}
    return told, {"begin": np.array(begins, np.int64), "length": np.array(lengths, np.int64)}


def _rows(first: int, stop: int, columns: str) -> str:
    named = ", ".join(f"a.{quoted(c)}" for c in COLUMNS)
    return (
        f"SELECT {columns}, {named} FROM packed p JOIN names a USING (cell) "
        f"WHERE place >= {first} AND place < {stop} ORDER BY place"
    )


def _write_sequences(con: duckdb.DuckDBPyConnection, file: Path, first: int, stop: int) -> None:
    sql = _rows(first, stop, "p.id, p.record, p.marker, p.sequence")
    con.execute(f"COPY ({sql}) TO {literal(file)} ({_PARQUET})")


def _pictures(
    con: duckdb.DuckDBPyConnection, kind: str, first: int, stop: int
) -> Iterator[dict[str, Any]]:
    """Yield the pictures of a shard, with what is told of each beside it."""
    facts = FACTS if kind == "records" else ()
    own = ("place", "address", "suffix", "x", "y", "w", "h", "id", "record", "license", *facts)
    rows = con.cursor().execute(_rows(first, stop, ", ".join(f"p.{c}" for c in own)))
    while batch := rows.fetchmany(_BATCH):
        for values in batch:
            row = dict(zip(own, values, strict=False))
            told = dict(zip((*own, *COLUMNS), values, strict=True))
            row["told"] = {c: told[c] for c in ("id", "record", "license", *facts, *COLUMNS)}
            yield row


def _ids_of(con: duckdb.DuckDBPyConnection) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return the ids of all examples as arrays, and the cell of each."""
    rows = con.execute("SELECT id, record, cell FROM packed ORDER BY place")
    ids, records, cells = bytearray(), bytearray(), []
    while batch := rows.fetchmany(_BATCH):
        some, those, few = zip(*batch, strict=True)
        ids += _ended(some)
        records += _ended(those)
        cells.append(np.array(few, np.int64))
    arrays = {
        **Strings.pack(bytes(ids)).arrays("id"), **Strings.pack(bytes(records)).arrays("record"),
    }  # fmt: skip
    return arrays, np.concatenate(cells)


def _sizes_of(con: duckdb.DuckDBPyConnection, kind: str) -> dict[str, NDArray[Any]]:
    """Return the sides of pictures in life, float32[n, 2]; nothing where none is known."""
    if kind == "barcodes":
        return {}
    rows = con.execute("SELECT longer, shorter FROM packed ORDER BY place").fetchnumpy()
    sides = [np.ma.filled(rows[name].astype(np.float32), np.nan) for name in ("longer", "shorter")]
    found = np.stack(sides, axis=1)
    return {} if np.isnan(found).all() else {"mm": found}


def _ended(texts: Sequence[str]) -> bytes:
    """Return texts with a newline behind each, as `Strings` has them."""
    return "".join(text.replace("\n", " ") + "\n" for text in texts).encode()


def _write_rejects(file: Path, found: Gathered) -> None:
    lines = ["file\tline\trecord\treason"]
    lines += ["\t".join(" ".join(cell.split()) for cell in row) for row in found.rejects]
    write_text(file, "\n".join(lines) + "\n")
