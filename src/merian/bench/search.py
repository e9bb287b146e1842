"""How fast barcodes are named, and how that grows with the library: whole processes on two cores.

First the insects of the yardstick's task, each asked many times, and the same with every query made
different from all others, beside SINTAX and megablast on the same files; then libraries of
synthetic references. What can be built beforehand is built beforehand, the peers' databases too.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.barcode import read_query
from merian.bench.child import Measured, on_cores, run_child, run_command
from merian.bench.yardstick import PLACE, Task, load_yardstick, quietly, write_tasks
from merian.errors import MerianError
from merian.files import write_json

__all__ = ["WORKING", "repeated", "run"]

WORKING = ("out",)  # settings that do not decide the data

_TASK = Task("insects", "mixed", 0)
_INDEX = "words.safetensors"

Figures = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Asked:
    """What is run: references and queries as files, and a folder to work in."""

    name: str
    references: Path
    library: Path
    folder: Path
    cores: int


def run(
    *,
    yardstick: Path = PLACE,
    out: Path | None = None,
    real: bool = True,
    queries: int = 50_000,
    blast_queries: int = 5_000,
    sizes: str = "10000,100000,1000000",
    synthetic_queries: int = 20_000,
    peers_up_to: int = 100_000,
    cores: int = 2,
    seed: int = 0,
) -> Figures:
    """Measure naming on real queries, then on synthetic libraries of several sizes.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        out: A folder for references, libraries and answers; what lies there is used again. A
            temporary one if not given.
        real: Whether to ask the real insects.
        queries: How many of them.
        blast_queries: How many of these megablast is asked; all of them would take it an hour.
        sizes: How many synthetic references, with commas between.
        synthetic_queries: How many are asked of each of these libraries.
        peers_up_to: The largest synthetic library that the peers are asked about.
        cores: On which all run.
        seed: Of the order, the changes and the synthetic references.
    """
    figures: Figures = {}
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        stack.enter_context(on_cores(cores))
        folder = Path(out or made)
        if real:
            figures |= _real(yardstick, folder, queries, blast_queries, cores, seed)
        for size in (int(text) for text in sizes.replace("_", "").split(",") if text):
            peers = size <= peers_up_to
            figures |= _synthetic(folder, size, synthetic_queries, peers, cores, seed)
    return figures


def _real(
    yardstick: Path, folder: Path, count: int, blast_count: int, cores: int, seed: int
) -> Figures:
    """Ask the insects of the yardstick's task."""
    ruler = load_yardstick(yardstick)
    write_tasks(ruler, folder, [_TASK])
    task = folder / _TASK.name
    place = folder / "insects"
    place.mkdir(exist_ok=True)
    with quietly():
        # What is no barcode is set aside, and would be missing among the answers.
        texts = [text for _, text in ruler.fasta(task / "query.fasta") if read_query(text)[0]]
    figures: Figures = {}
    for name, changed in (("insects repeated", False), ("insects all different", True)):
        asked = Asked(name, task / "reference.fasta", place / "library", place, cores)
        _built(asked)
        path = asked.folder / f"{name}.fasta".replace(" ", "_")
        few = path.with_name(f"few_{path.name}")
        _write(path, repeated(texts, count, changed, seed))
        _write(few, repeated(texts, count, changed, seed)[:blast_count])
        figures |= _ours(asked, path, count) | _peers(asked, path, count, few, blast_count)
    return figures


def repeated(texts: list[str], count: int, changed: bool, seed: int) -> list[str]:
    """Return sequences over and over in a mixed order.

    Args:
        texts: The sequences.
        count: How many to return.
        changed: Whether to give each one or two wrong bases, so that no two are alike.
        seed: Of the order and the changes.
    """
    rng = np.random.default_rng(seed)
    drawn = [texts[i] for i in rng.permutation(np.arange(count) % len(texts))]
    if not changed:
        return drawn
    found: dict[str, None] = {}
    for text in drawn:
        while (other := _changed(text, rng)) in found:
            pass
        found[other] = None
    return list(found)


def _changed(text: str, rng: np.random.Generator) -> str:
    letters = list(text)
    for place in rng.choice(len(letters), size=int(rng.integers(1, 3)), replace=False):
        letters[place] = "ACGT".replace(letters[place], "")[int(rng.integers(3))]
    return "".join(letters)


def _synthetic(folder: Path, size: int, count: int, peers: bool, cores: int, seed: int) -> Figures:
    """Build a library of synthetic references and ask it."""
    place = folder / f"synthetic_{size}"
    place.mkdir(parents=True, exist_ok=True)
    references, queries, few = (
        place / f"{name}.fasta" for name in ("references", "queries", "few")
    )
    if not queries.is_file():
        run_child("merian.bench.references", str(place), str(size), str(count), str(seed))
    name = f"{size:,} references"
    asked = Asked(name, references, place / "library", place, cores)
    build = _built(asked)
    index = sum(file.stat().st_size for file in asked.library.rglob(_INDEX))
    whole = sum(file.stat().st_size for file in asked.library.rglob("*") if file.is_file())
    figures = {
        f"{name}: build": _figure(build["seconds"], size, "s, whole process"),
        f"{name}: build, peak memory": _figure(build["peak"], 1, "GB, larger process"),
        f"{name}: index": _figure(index / 1e9, 1, "GB"),
        f"{name}: library, index included": _figure(whole / 1e9, 1, "GB"),
    } | _ours(asked, queries, count)
    if peers:
        figures |= _peers(asked, queries, count, few, count // 10)
    return figures


def _built(asked: Asked) -> Mapping[str, float]:
    """Build the library if it is not there, and return what that took."""
    told = asked.folder / "build.json"
    if not told.is_file():
        shutil.rmtree(asked.library, ignore_errors=True)
        build = ("build", str(asked.references), "-o", str(asked.library), "--quiet")
        built = run_child("merian", "library", *build)
        write_json(told, {"seconds": built.seconds, "peak": built.peak})
    found: Mapping[str, float] = json.loads(told.read_text(encoding="utf-8"))
    return found


def _ours(asked: Asked, queries: Path, count: int) -> Figures:
    """Ask the library with the command that a user has."""
    answers = asked.folder / f"{queries.stem}.tsv"
    answers.unlink(missing_ok=True)
    measured = run_child(
        "merian", "identify", str(queries), "--library", str(asked.library), "-o", str(answers)
    )  # fmt: skip
    with answers.open(encoding="utf-8") as stream:
        rows = sum(1 for _ in stream) - 1
    if rows != count:
        raise MerianError(f"{answers}: {count:,} queries were asked, {rows:,} were answered")
    return dict(_of_tool(asked.name, "Merian", measured, count))


def _peers(asked: Asked, queries: Path, count: int, few: Path, few_count: int) -> Figures:
    """Ask the peers that are installed, megablast a part of the queries."""
    figures: Figures = {}
    folder, threads = asked.folder, str(asked.cores)
    if shutil.which("vsearch"):
        database = folder / "references.udb"
        if not database.exists():
            run_command(
                "vsearch", "--quiet", "--makeudb_usearch", str(asked.references),
                "--output", str(database),
            )  # fmt: skip
        measured = run_command(
            "vsearch", "--quiet", "--sintax", str(queries), "--db", str(database), "--tabbedout",
            str(folder / "sintax.out"), "--sintax_cutoff", "0", "--threads", threads,
        )  # fmt: skip
        figures |= _of_tool(asked.name, "SINTAX", measured, count)
    if shutil.which("blastn"):
        database = folder / "blastdb"
        if not list(folder.glob("blastdb.n*")):
            run_command(
                "makeblastdb", "-in", str(asked.references), "-dbtype", "nucl", "-out",
                str(database),
            )  # fmt: skip
        measured = run_command(
            "blastn", "-task", "megablast", "-query", str(few), "-db", str(database),
            "-max_target_seqs", "5", "-outfmt", "6 qseqid sseqid pident length bitscore",
            "-num_threads", threads, "-out", str(folder / "blast.out"),
        )  # fmt: skip
        figures |= _of_tool(asked.name, "megablast", measured, few_count)
    return figures


def _of_tool(
    name: str, tool: str, measured: Measured, count: int
) -> Iterator[tuple[str, dict[str, object]]]:
    yield f"{name}: {tool}", _figure(count / measured.seconds, count, "queries/s, whole process")
    yield f"{name}: {tool}, seconds", _figure(measured.seconds, count, "s, whole process")
    yield f"{name}: {tool}, peak memory", _figure(measured.peak, 1, "GB, larger process")


def _figure(value: float, n: int, unit: str) -> dict[str, object]:
    return {"value": float(f"{value:.4g}"), "n": n, "unit": unit}


def _write(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="ascii") as stream:
        stream.writelines(f">q{number}\n{text}\n" for number, text in enumerate(texts))
