"""The yardstick of barcode identification: fixed splits of real data, and one scorer for all tools.

It is a script that lies beside the real data and not in this package, so that what measures stays
apart from what is measured. It is run as it is; what stands here finds it, asks it for its tasks
and writes further ones as it writes its own.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from merian.errors import FormatError, NotFoundError

__all__ = [
    "KINDS",
    "KNOWN",
    "PLACE",
    "SOURCES",
    "Row",
    "Task",
    "chosen",
    "load_yardstick",
    "novelty_of",
    "quietly",
    "rows_of",
    "tasks_of",
    "write_task",
    "write_tasks",
]

PLACE = Path("../shared/bench/barcodes.py")
SOURCES = ("coi", "insects", "yeast", "its1")
KINDS = ("mixed", "open", "closed", "specimens", "far")

KNOWN = ("species", "genus", "family", "none")
"""How far down a library knows a query, in the order of the strata of a promise."""

Row = tuple[str, str, list[str]]
"""Id, sequence and the names by the yardstick's ranks."""


@dataclass(frozen=True)
class Task:
    """One split of one source."""

    source: str
    kind: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.source}_{self.kind}_{self.seed}"


def chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    """Return the words of a setting, all that are known if it is empty."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in words if word not in known]:
        raise NotFoundError(f"there is no {what} {unknown[0]!r}; there are {', '.join(known)}")
    return words or list(known)


def tasks_of(sources: str = "", kinds: str = "", seeds: str = "") -> list[Task]:
    """Return the tasks of the sources, kinds and seeds named; all where none is."""
    return [
        Task(source, kind, int(seed))
        for source in chosen(sources, SOURCES, "source")
        for kind in chosen(kinds, KINDS, "kind")
        for seed in chosen(seeds, ("0", "1", "2"), "seed")
    ]


def load_yardstick(path: Path) -> ModuleType:
    """Return the yardstick as a module."""
    if not path.is_file():
        raise NotFoundError(
            f"{path}: the yardstick is not there; it lies beside the real data, which is not "
            "shipped. Name its place with --yardstick, or measure without real data"
        )
    spec = importlib.util.spec_from_file_location("merian_yardstick", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what the yardstick tells off the screen, and make its last words an error of ours."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except SystemExit as end:
        raise NotFoundError(str(end)) from None


def rows_of(yardstick: ModuleType, source: str) -> list[Row]:
    """Return the records of a source that have names, one of each sequence and species."""
    with quietly():
        rows: list[Row] = yardstick.unique(yardstick.named(list(yardstick.sources()[source]())))
    return rows


def write_tasks(yardstick: ModuleType, out: Path, tasks: Sequence[Task]) -> None:
    """Let the yardstick write its tasks, if one of these is not in the folder."""
    missing = [task for task in tasks if not (out / task.name / "truth.tsv").is_file()]
    if not missing:
        return
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tasks-", dir=out) as made, quietly():
        yardstick.split(made)
        for task in missing:
            (out / task.name).mkdir(exist_ok=True)
            for file in ("reference.fasta", "query.fasta", "truth.tsv"):  # the last one last
                (Path(made) / task.name / file).replace(out / task.name / file)


def write_task(
    yardstick: ModuleType, folder: Path, reference: Sequence[Row], query: Sequence[Row]
) -> None:
    """Write a task of other rows in the shape of the yardstick's own."""
    ranks = yardstick.RANKS
    folder.mkdir(parents=True, exist_ok=True)
    there = [{names[ranks.index(r)] for *_, names in reference} for r in yardstick.RANKS[:2:-1]]
    with (folder / "reference.fasta").open("w", encoding="ascii") as stream:
        for number, (_, sequence, names) in enumerate(reference):
            tax = ",".join(f"{r[0]}:{name}" for r, name in zip(ranks, names, strict=True))
            stream.write(f">r{number};tax={tax};\n{sequence}\n")
    with (
        (folder / "query.fasta").open("w", encoding="ascii") as stream,
        (folder / "truth.tsv").open("w", encoding="ascii") as truth,
    ):
        truth.write("\t".join(["id", *ranks, "known"]) + "\n")
        for number, (_, sequence, names) in enumerate(query):
            level = next((i for i in range(3) if names[-1 - i] in there[i]), 3)
            stream.write(f">q{number}\n{sequence}\n")
            truth.write("\t".join([f"q{number}", *names, KNOWN[level]]) + "\n")


def novelty_of(folder: Path) -> tuple[float, float, float, float]:
    """Return the true shares of a task's queries whose species, genus, family is (not) known."""
    with (folder / "truth.tsv").open(encoding="utf-8", newline="") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream, delimiter="\t"))
    if not rows:
        raise FormatError("lists no query", path=folder / "truth.tsv")
    count = Counter(row["known"] for row in rows)
    first, second, third = (count[known] / len(rows) for known in KNOWN[:3])
    return first, second, third, max(0.0, 1 - first - second - third)
