"""Splits for encoders: what may be learned from, and what is asked, as files in a folder.

A split is a folder in the shape of the yardstick's tasks: references with their names, queries
without, and the truth. Only ``reference.fasta`` is ever packed, so no query can be learned from.
Splits come of the yardstick, or of rows of one's own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.audit.contain import Sequences, within
from merian.barcode import clean
from merian.barcode.words import as_text
from merian.bench.yardstick import Row, Task, load_yardstick, quietly, rows_of, write_task
from merian.errors import FormatError
from merian.files import content_hash, new_folder, write_text
from merian.nucleotides import reverse_complement
from merian.taxonomy.ranks import MAIN_RANKS

__all__ = [
    "RANKS",
    "RULER",
    "Split",
    "duplicates",
    "is_written",
    "open_split",
    "plain_name",
    "unique_rows",
    "write_split",
    "yardstick_split",
]

RANKS = MAIN_RANKS[1:]
REFERENCES, QUERIES, TRUTH = "reference.fasta", "query.fasta", "truth.tsv"

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """References and queries with their names.

    Attributes:
        folder: Where it lies; its name is the split's.
        references: Of each the sequence and its names by rank.
        queries: The same.
        known: How far down the references know each query, of `KNOWN`.
    """

    folder: Path
    references: Sequence[tuple[str, list[str]]]
    queries: Sequence[tuple[str, list[str]]]
    known: NDArray[np.str_]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.name

    @cached_property
    def hash(self) -> str:
        """What may be learned from, as a hash."""
        return content_hash(self.folder / REFERENCES)

    def labels(self, rank: str) -> NDArray[np.str_]:
        """Return the name of each reference at a rank; "" for none."""
        place = RANKS.index(rank)
        return np.array([names[place] for _, names in self.references], np.str_)

    def truth(self, rank: str) -> NDArray[np.str_]:
        """Return the name of each query at a rank."""
        place = RANKS.index(rank)
        return np.array([names[place] for _, names in self.queries], np.str_)

    def asked(self, rank: str) -> Flags:
        """Return which queries are asked at a rank.

        At species those whose species has a reference; at genus those of which the genus alone
        has one: the species is new.
        """
        return self.known == rank


def plain_name(name: str) -> str:
    """Return a name of letters that a FASTA header can hold."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name.strip())


def unique_rows(rows: Sequence[Row]) -> list[Row]:
    """Return one row of each sequence and species."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row[1], row[2][-1]), row)
    return list(first.values())


def is_written(folder: Path) -> bool:
    """Return whether a split is there."""
    return (folder / TRUTH).is_file()


def write_split(
    folder: Path,
    references: Sequence[Row],
    queries: Sequence[Row],
    beside: Mapping[str, str] | None = None,
) -> Split:
    """Write a split, if it is not there, and open it.

    Args:
        folder: Where.
        references: What may be learned from.
        queries: What is asked.
        beside: Other files, by name: what is in them.
    """
    if not is_written(folder):
        with new_folder(folder) as part:
            write_task(RULER, part, references, queries)
            for name, text in (beside or {}).items():
                write_text(part / name, text)
    return open_split(folder)


def open_split(folder: Path) -> Split:
    """Open a split that was written."""
    references = []
    for header, sequence in _fasta(folder / REFERENCES):
        references.append((sequence, _names(header)))
    with (folder / TRUTH).open(encoding="utf-8", newline="") as stream:
        truth = list(csv.DictReader(stream, delimiter="\t"))
    asked = [sequence for _, sequence in _fasta(folder / QUERIES)]
    if len(asked) != len(truth):
        raise FormatError(f"has {len(asked)} queries and the truth of {len(truth)}", path=folder)
    queries = [
        (sequence, [row[rank] for rank in RANKS])
        for sequence, row in zip(asked, truth, strict=True)
    ]
    known = np.array([row["known"] for row in truth], np.str_)
    return Split(folder, references, queries, known)


def yardstick_split(yardstick: Path, folder: Path, task: Task) -> Split:
    """Return a split of the yardstick, made as its own tasks are."""
    place = folder / task.name
    if is_written(place):
        return open_split(place)
    ruler = load_yardstick(yardstick)
    with quietly():
        references, queries = ruler.make(rows_of(ruler, task.source), task.kind, task.seed)
    return write_split(place, references, queries)


def duplicates(split: Split) -> Flags:
    """Return which queries are a reference, lie within one, or hold one, on either strand.

    The same read with other ends is found twice in collections; to name it shows nothing.
    """
    references = [clean(text) for text, _ in split.references]
    queries = [clean(text) for text, _ in split.queries]
    there = {*references, *map(reverse_complement, references)}
    found = np.array([text in there for text in queries], bool)
    known, asked = _joined(references), _joined(queries)
    found |= within(asked, known).of_pattern >= 0
    found |= within(known, asked).of_text >= 0
    return found


def _joined(texts: Sequence[str]) -> Sequences:
    start = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Sequences(as_text("".join(texts)), start)


def _names(header: str) -> list[str]:
    return [part.split(":", 1)[1] for part in header.partition(";tax=")[2].rstrip(";").split(",")]


def _fasta(path: Path) -> Iterator[tuple[str, str]]:
    """Yield headers and sequences of a file that `write_task` wrote: two lines a record."""
    lines = path.read_text(encoding="ascii").splitlines()
    if len(lines) % 2:
        raise FormatError("is cut off", path=path)
    for header, sequence in zip(lines[::2], lines[1::2], strict=True):
        yield header[1:], sequence


class _Ruler(ModuleType):
    """What the yardstick knows of the files of a task, for tasks that are none of its own."""

    RANKS = RANKS
    clean = staticmethod(plain_name)

    @staticmethod
    def fasta(path: Any) -> Iterator[tuple[str, str]]:
        """Yield headers and sequences."""
        return _fasta(Path(path))

    @staticmethod
    def reference_names(folder: Any) -> dict[str, list[str]]:
        """Return the names of each reference."""
        rows = _fasta(Path(folder) / REFERENCES)
        return {header.partition(";")[0]: _names(header) for header, _ in rows}

    @staticmethod
    def write_answers(path: Any, answers: Iterable[Sequence[Any]]) -> None:
        """Write answers as the yardstick does: id, names, their probabilities, rank."""
        lines = ["\t".join(["id", *RANKS, *(f"p_{rank}" for rank in RANKS), "rank"])]
        for query, names, confidence, rank in answers:
            lines.append("\t".join([query, *names, *(f"{c:.4f}" for c in confidence), rank]))
        write_text(Path(path), "\n".join(lines) + "\n")


RULER: ModuleType = _Ruler("merian_ruler")
