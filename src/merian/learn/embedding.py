"""Embedding: every sequence or picture of a source through an encoder, shard by shard.

A shard is written at once when it is done, so that a job that was killed does only what is left,
given the same command. Several processes each take a shard at a time; what they write does not hang
on how many there are.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import InputError, MerianError
from merian.files import content_hash, existing, only_writer, write_json, write_text
from merian.learn.aligned import modalities_of
from merian.learn.embedding_items import Items, ListedItems, PackedItems
from merian.learn.embeddings import (
    FORMAT,
    INDEX,
    JOB,
    VERSION,
    Embeddings,
    open_embeddings,
    shard_file,
)
from merian.learn.nearness import nearness
from merian.learn.pack import HEADER, open_pack
from merian.learn.pack_gather import MEMORY, Asked, NothingThereError, gather, items_sql, run_of
from merian.learn.saved import load_model, model_folder, read_card
from merian.learn.shelf import BARCODES, shelf_folder
from merian.processes import in_order
from merian.stamp import run_id, stamp
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors, write_tensors

__all__ = ["embed"]

REJECTS = "rejects.tsv"
_KINDS = {"barcode": "barcodes", "image": "pictures"}
_DEFAULT = "efficientnet-lite0"
_SHARD = 10_000
_OTHER = (
    "holds embeddings of another source or encoder, or made otherwise; name a new place, or remove "
    "that one"
)
_ITEMS = "items.parquet"

Aside = tuple[str, str, str, str]  # the file, the line, the record and the reason

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""


def embed(
    source: Path | str,
    out: Path | str,
    encoder: str | Path | None = None,
    *,
    asked: Asked | None = None,
    part: str | None = None,
    shard_size: int = _SHARD,
    processes: int = 1,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
    known: Mapping[str, Any] | None = None,
) -> Embeddings:
    """Embed a pack, a catalogue, or a file or folder that `merian import` reads.

    Args:
        source: It.
        out: The folder to make.
        encoder: A run, the folder of a model, or the name of an encoder that ships its weights;
            of pictures efficientnet-lite0 if not given, of barcodes the one that ships.
        asked: How files are read, and whether sequences or pictures are meant.
        part: Of a pack, only this part.
        shard_size: Items of a shard.
        processes: How many at most.
        device: cpu or cuda; where there is a GPU that, if not given.
        precision: As `merian.learn.load_model` takes it. How near the vectors are to those in
            float32 is asked on a sample, and written into the index; a precision that is given,
            and is too far from it, is refused.
        progress: Is told how far it is.
        known: The index of embeddings that are there already, elsewhere; if they are these, that
            is the answer, and if not, they are in the way.
    """
    if shard_size < 1 or processes < 1:
        raise InputError("a shard has 1 item or more, and 1 process or more makes it")
    source, asked = Path(source), asked or Asked()
    existing(source)
    chosen = _chosen(source, asked, encoder)
    way = _Way(part, shard_size, processes, device, precision, progress or (lambda *_: None), known)
    try:
        return _embed(source, Path(out), chosen, asked, way)
    except NothingThereError as error:
        if encoder is not None or chosen != _DEFAULT:
            raise
        if not shelf_folder(BARCODES):
            raise InputError(f"{error}. {_train(source)}") from None
    # Nobody said what is meant, and there are no pictures.
    try:
        return _embed(source, Path(out), _barcodes(source), asked, way)
    except NothingThereError as error:
        raise NothingThereError([source], tuple(_KINDS.values()), error.why) from None


@dataclass(frozen=True)
class _Way:
    """How it is done."""

    part: str | None
    shard_size: int
    processes: int
    device: str | None
    precision: str
    step: Progress
    known: Mapping[str, Any] | None


def _embed(source: Path, out: Path, chosen: str | Path, asked: Asked, way: _Way) -> Embeddings:
    """Embed with an encoder that is known."""
    packed = (source / HEADER).is_file()
    wanted = open_pack(source).kind if packed else asked.kind
    modality = _one_of_several(chosen, asked.kind or wanted)
    eye = load_model(chosen, way.device, way.precision, modality=modality)
    kind = _KINDS[eye.modality]
    if wanted not in {None, kind, "records"}:
        raise InputError(f"{eye.name} turns {kind} into vectors, and not {wanted}")
    asked = Asked(kind, format=asked.format, options=asked.options)
    held = open_pack(source, way.part).header["hash"] if packed else run_of([source], asked)
    if way.part is not None and not packed:
        raise InputError(f"--part {way.part}: only a pack has parts")
    run = run_id("embed", {
        "source": held, "part": way.part, "encoder": eye.id, "precision": eye.precision,
        "shard_size": way.shard_size,
        **({} if eye.engine == "torch" else {"engine": eye.engine}),
    })  # fmt: skip
    if way.known is not None:
        if way.known["merian"]["run"] != run:
            raise InputError(f"{out.with_suffix('')}: {_OTHER}")
        return Embeddings(out, way.known["encoder"], way.known)
    if (out / INDEX).is_file():
        done = open_embeddings(out)
        if done.header["merian"]["run"] == run:
            return done
    _begin(out, run)
    with only_writer(out):
        try:
            if packed:
                place, count = str(source.resolve()), open_pack(source, way.part).size
                aside: list[Aside] = []
            else:
                place, count, aside = _listed(source, asked, out, way.step)
            job = {"items": place, "part": way.part, "kind": kind, "encoder": str(chosen),
                   "device": eye.device, "precision": eye.precision, "engine": eye.engine,
                   "shard_size": way.shard_size, "count": count, "modality": modality}  # fmt: skip
            here = _Worker(out, job, eye)
            near = None
            if (eye.precision, eye.engine) != ("float32", "torch"):
                exact = load_model(chosen, way.device, "float32", "torch", modality)
                near = nearness(eye, exact, here.items, count, refuse=way.precision != "auto")
        except MerianError:
            if not any((out / "shards").iterdir()):
                shutil.rmtree(out)  # it would stand in the way of the next try
            raise
        _work(out, job, here, way.processes, way.step)
        _finish(out, run, eye, source, held, {**job, "nearness": near}, aside)
    return open_embeddings(out)


def _one_of_several(chosen: str | Path, kind: str | None) -> str | None:
    """Return the modality that is meant, where a model has encoders of several; else None."""
    folder = model_folder(chosen)
    several = modalities_of(read_card(folder)) if folder else ()
    if not several:
        return None
    meant = [name for name in several if kind is not None and _KINDS.get(name) == kind]
    if kind in _KINDS.values() and not meant:
        raise InputError(f"{chosen}: has encoders of {', '.join(several)}, and none for {kind}")
    if not meant:
        raise InputError(
            f"{chosen}: has encoders of {', '.join(several)}; say --kind pictures or "
            "--kind barcodes"
        )
    return meant[0]


def _chosen(source: Path, asked: Asked, encoder: str | Path | None) -> str | Path:
    """Return the encoder that is meant, as its whole path where it is a folder."""
    if encoder is not None:
        folder = model_folder(encoder)
        return folder.resolve() if folder else str(encoder)
    kind = asked.kind
    if kind is None and (source / HEADER).is_file():
        kind = open_pack(source).kind
    if kind == "barcodes" or (kind is None and source.suffix.lower() in {".fasta", ".fa", ".fas"}):
        return _barcodes(source)
    return _DEFAULT


def _barcodes(source: Path) -> Path:
    """Return the encoder of barcodes that ships."""
    folder = shelf_folder(BARCODES)
    if folder is None:
        raise InputError(_train(source))
    return folder.resolve()


def _train(source: Path) -> str:
    return (
        "No encoder of barcodes ships with Merian; train one (merian train barcode-masked "
        f"--data {source} --out RUN) and give it: --encoder RUN"
    )


def _begin(out: Path, run: str) -> None:
    """Make the folder, or make sure that it is that of this job."""
    if (out / JOB).is_file():
        begun = json.loads((out / JOB).read_text(encoding="utf-8"))["run"]
        if begun != run:
            raise InputError(f"{out}: {_OTHER}")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is not empty; embeddings need a new or empty folder")
    (out / "shards").mkdir(parents=True, exist_ok=True)
    write_json(out / JOB, {"run": run})


def _listed(source: Path, asked: Asked, out: Path, step: Progress) -> tuple[str, int, list[Aside]]:
    """Write a list of what a catalogue or files hold; return where it is, and how long."""
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out) as name:
        work = Path(name)
        found = gather([source], asked, work, lambda what, done: step(what, done, 0))
        table = work / _ITEMS
        columns = "id, record, " + ("sequence" if asked.kind == "barcodes" else
                                    "address, x, y, w, h, px_per_mm")  # fmt: skip
        with connect(memory=MEMORY, threads=1, spill=work / "spill") as con:
            con.execute(
                f"COPY (SELECT row_number() OVER (ORDER BY id) - 1 AS place, {columns} FROM "
                f"({items_sql(found.tables)}) ORDER BY place) TO {literal(table)} "
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10240)"
            )
            sql = f"SELECT count(*) FROM read_parquet({literal(table)})"
            count = int(con.execute(sql).fetchall()[0][0])
        table.replace(out / _ITEMS)
    return str(out / _ITEMS), count, found.rejects


# -- shards -------------------------------------------------------------------------------------


class _Worker:
    """Makes shards."""

    def __init__(self, out: Path, job: dict[str, Any], eye: Any) -> None:
        self._out, self._job, self._eye = out, job, eye
        self.items: Items = (
            ListedItems(job["items"], job["kind"])
            if job["items"].endswith(_ITEMS)
            else PackedItems(job["items"], job["part"], job["kind"])
        )

    def __call__(self, numbers: list[int]) -> list[int]:
        """Make shards and return how many items each has."""
        return [self._make(number) for number in numbers]

    def _make(self, number: int) -> int:
        size = self._job["shard_size"]
        first = number * size
        stop = min(first + size, self._job["count"])
        few = self.items.read(first, stop)
        rejects: list[tuple[int, str]] = []
        vectors = self._eye.encode(few.items, rejects)
        reject = {row: few.reasons[row] or why for row, why in rejects}
        arrays: dict[str, NDArray[Any]] = {
            "vectors": vectors.astype(np.float16),
            "reject": np.array(list(reject), np.int64),
            **Strings.of(few.ids).arrays("id"),
            **Strings.of(few.records).arrays("record"),
            **Strings.of(reject.values()).arrays("reason"),
        }
        if any(few.files):
            arrays |= Strings.of(few.files).arrays("file")
        _write_shard(shard_file(self._out, number), arrays)
        return len(few.ids)


def _write_shard(file: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a shard so that it is there whole or not at all."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        write_tensors(part, arrays, f"{FORMAT} {VERSION}")
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def open_worker(out: str, job: str) -> _Worker:
    """Make a worker in a child; see `merian.processes.in_order`."""
    told = json.loads(job)
    names = ("encoder", "device", "precision", "engine", "modality")
    chosen = (told[name] for name in names)
    return _Worker(Path(out), told, load_model(*chosen))


def _work(out: Path, job: dict[str, Any], here: _Worker, processes: int, step: Progress) -> None:
    """Make the shards that are not there yet."""
    for left in (out / "shards").glob("*.part"):  # of a killed process
        left.unlink()
    shards = -(-job["count"] // job["shard_size"])
    done = sum(shard_file(out, number).is_file() for number in range(shards))
    step("embedding", done * job["shard_size"], job["count"])

    def left_over() -> Iterator[tuple[int, list[Any]]]:
        for number in range(shards):
            if not shard_file(out, number).is_file():
                yield number, [number]

    arguments = (str(out.resolve()), json.dumps(job))
    opener = "merian.learn.embedding:open_worker"
    for _ in in_order(here, opener, arguments, left_over(), processes):
        done += 1
        step("embedding", min(done * job["shard_size"], job["count"]), job["count"])


def _finish(
    out: Path,
    run: str,
    eye: Any,
    source: Path,
    held: str,
    job: dict[str, Any],
    aside: list[Aside],
) -> None:
    """Write what could not be read, and the index, which says that all is there."""
    shards = []
    rejects = [("", record, file, str(line), why) for file, line, record, why in aside]
    made = Embeddings(out, {}, {})
    for number in range(-(-job["count"] // job["shard_size"])):
        file = shard_file(out, number)
        ids, records, _ = made.shard(number)
        files = made.files(number)
        rejects += [(ids[row], records[row], files[row], "", why)
                    for row, why in made.reasons(number).items()]  # fmt: skip
        shards.append({
            "items": len(ids), "bytes": file.stat().st_size, "hash": content_hash(file),
        })  # fmt: skip
    lines = ["id\trecord\tfile\tline\treason"]
    lines += ["\t".join(" ".join(cell.split()) for cell in row) for row in rejects]
    write_text(out / REJECTS, "\n".join(lines) + "\n")
    counted = Counter(why.split(":")[0].split(" (")[0] for *_, why in rejects)
    kept = ("id", "name", "modality", "dim", "space", "precision", "engine")
    told = cast(dict[str, Any], {key: getattr(eye, key) for key in kept})
    write_json(out / INDEX, {
        "merian": stamp(FORMAT, VERSION, run, eye.card.get("merian", {}).get("taxonomy")),
        "encoder": told,
        "cosine_to_float32": job["nearness"],
        "source": {"path": str(source), "hash": held, "part": job["part"]},
        "items": job["count"],
        "without_vector": sum(len(map_tensors(shard_file(out, n))["reject"])
                              for n in range(len(shards))),
        "set_aside": dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))),
        "shards": shards,
    })  # fmt: skip
    (out / _ITEMS).unlink(missing_ok=True)
    for left in out.glob(".work-*"):
        shutil.rmtree(left, ignore_errors=True)
