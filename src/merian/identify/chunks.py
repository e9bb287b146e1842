"""A long job in chunks: asked for in several processes, kept when done, continued when killed.

Each chunk of the input becomes a file of answers, and one of what was set aside, in a hidden
folder beside the output. What is there is not asked again. A sequence that was met before is not
either, as long as it is among the last that were: barcodes of one sample are mostly the same few.
No answer hangs on the chunks, since none hangs on the batch that it is in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from merian.files import new_file, only_writer, write_json, write_text
from merian.identify.answers import lines_of
from merian.identify.queries import Query
from merian.library.reading import Reject
from merian.processes import in_order

__all__ = ["CHUNK", "NONE", "Askable", "Work", "answer_chunks", "sample", "work_on"]

CHUNK = 500
"""Queries, and what was set aside between them, that are done or not done together."""

NONE = "!"
"""What an answer begins with that is none; the reason follows."""

_REMEMBERED = 50_000  # answers
_JOB, _ANSWERS, _REJECTS = "job.json", ".jsonl", ".rejects.jsonl"

T = TypeVar("T")


class Askable(Protocol):
    """What can be asked: a query, or a record of several.

    Attributes:
        id: Its id.
        file: Where it stands.
        line: There.
        asked: What is asked. The same has the same answer.
    """

    @property
    def id(self) -> str: ...  # noqa: D102 - told above

    @property
    def file(self) -> str: ...  # noqa: D102

    @property
    def line(self) -> int | None: ...  # noqa: D102

    @property
    def asked(self) -> str: ...  # noqa: D102


class Work:
    """The hidden folder of a job.

    Attributes:
        folder: Where it lies.
        notes: What the job has to remember beside its chunks.
    """

    def __init__(self, folder: Path, notes: dict[str, Any]) -> None:
        self.folder, self.notes = folder, notes

    def note(self, name: str, value: object) -> None:
        """Remember something of the job."""
        self.notes[name] = value
        write_json(self.folder / _JOB, self.notes)

    def has(self, number: int) -> bool:
        """Return whether a chunk is done."""
        return self._file(number, _ANSWERS).is_file()

    def keep(self, number: int, lines: Iterable[str], rejects: Iterable[Reject]) -> None:
        """Write down a chunk. The answers come last: where they are, all is."""
        rows = [[reject.file, reject.line, reject.id, reject.reason] for reject in rejects]
        if rows:
            text = "".join(json.dumps(row) + "\n" for row in rows)
            write_text(self._file(number, _REJECTS), text)
        with new_file(self._file(number, _ANSWERS), text=True) as stream:
            stream.writelines(lines)

    def answers(self, chunks: int) -> list[Path]:
        """Return the files of answers, in order."""
        return [self._file(number, _ANSWERS) for number in range(chunks)]

    def rejects(self, chunks: int) -> Iterator[list[Any]]:
        """Return file, line, id and reason of what was set aside."""
        for number in range(chunks):
            file = self._file(number, _REJECTS)
            if file.exists():
                yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())

    def _file(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:06}{suffix}"


@contextmanager
def work_on(out: Path, run: str) -> Iterator[Work]:
    """Hold the work folder of an output; it goes when the block ends without an error.

    What another command has left there is of no use and removed.

    Args:
        out: The output.
        run: What decides the result.
    """
    folder = out.with_name(f".{out.name}.identify")
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        notes: dict[str, Any] = {"run": run}
        try:
            left = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            left = {}
        if left.get("run") == run:
            notes = left
        else:
            for file in folder.iterdir():
                shutil.rmtree(file) if file.is_dir() else file.unlink()
        for part in folder.glob(".*.part"):  # a write that was killed
            part.unlink()
        work = Work(folder, notes)
        work.note("run", run)
        try:
            yield work
        except BaseException:
            if work.notes.keys() == {"run"} and not work.has(0):  # nothing to go on from
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)


# -- chunks -------------------------------------------------------------------------------------


@dataclass
class _Chunk:
    """A chunk under way.

    Attributes:
        number: Its place.
        items: What was read.
        keys: By query, the hash of its sequence.
        known: Answers that were remembered when it was read, by the hash of the sequence.
        fresh: Hashes of the sequences that are asked about.
    """

    number: int
    items: Sequence[Askable | Reject]
    keys: list[bytes] = field(default_factory=list)
    known: dict[bytes, str] = field(default_factory=dict)
    fresh: list[bytes] = field(default_factory=list)


def answer_chunks(
    stream: Iterable[Askable | Reject],
    work: Work,
    here: Callable[[list[str]], list[str]],
    opener: str,
    arguments: Sequence[str],
    processes: int,
    progress: Callable[[int], None],
    size: int | None = None,
    remembered: int | None = None,
) -> int:
    """Answer all queries, chunk by chunk, and return how many chunks there are.

    Args:
        stream: The queries.
        work: Keeps the chunks.
        here: Answers sequences in this process.
        opener: Makes such a function in a child (see `merian.processes.in_order`).
        arguments: What the opener is given.
        processes: How many at most.
        progress: Is told how many queries are done.
        size: How many are in a chunk; `CHUNK` if not given.
        remembered: Answers that are kept, for what is asked again; as usual if not given.
    """
    size = CHUNK if size is None else size
    remembered = _REMEMBERED if remembered is None else remembered
    # Whatever is under way when a sequence comes again must still be known when that is needed.
    memory = _Memory(max(remembered, (4 * processes + 4) * size))
    chunks = 0

    def unanswered() -> Iterator[tuple[_Chunk, list[Any]]]:
        nonlocal chunks
        for items in _batched(stream, size):
            chunks += 1
            if work.has(chunks - 1):
                progress(len(items))
            else:
                chunk = _Chunk(chunks - 1, items)
                yield chunk, memory.unknown(chunk)

    with closing(in_order(here, opener, arguments, unanswered(), processes)) as answered:
        for chunk, answers in answered:
            memory.learn(chunk, answers)
            work.keep(chunk.number, *_sorted_out(chunk, memory))
            progress(len(chunk.items))
    return chunks


def _sorted_out(chunk: _Chunk, memory: _Memory) -> tuple[list[str], list[Reject]]:
    """Return the lines of a chunk, and what was set aside, each in order."""
    keys = iter(chunk.keys)
    lines: list[str] = []
    rejects: list[Reject] = []
    for item in chunk.items:
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        answer = memory.answer(chunk, next(keys))
        if answer.startswith(NONE):
            reason = answer.removeprefix(NONE)
            rejects.append(Reject(item.file, item.line, item.id, reason))
        else:
            lines += lines_of([item.id], [answer])
    return lines, rejects


class _Memory:
    """The last answers, by the hash of their sequence."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: dict[bytes, str] = {}
        self._asked: set[bytes] = set()  # under way

    def unknown(self, chunk: _Chunk) -> list[str]:
        """Return the sequences of a chunk that have to be asked about, each once."""
        ask = []
        for item in chunk.items:
            if isinstance(item, Reject):
                continue
            key = _digest(item.asked)
            chunk.keys.append(key)
            if key in chunk.known or key in self._asked:
                continue
            if key in self._answers:
                chunk.known[key] = self._answers[key]
            else:
                self._asked.add(key)
                chunk.fresh.append(key)
                ask.append(item.asked)
        return ask

    def learn(self, chunk: _Chunk, answers: Sequence[str]) -> None:
        """Take in what was answered, and forget what is oldest."""
        self._asked.difference_update(chunk.fresh)
        self._answers.update(zip(chunk.fresh, answers, strict=True))
        surplus = len(self._answers) - self._size
        if surplus > 0:
            for key in [*islice(self._answers, surplus)]:
                del self._answers[key]

    def answer(self, chunk: _Chunk, key: bytes) -> str:
        """Return the answer to a query of a chunk, by the hash of its sequence."""
        return chunk.known[key] if key in chunk.known else self._answers[key]


def _digest(sequence: str) -> bytes:
    return hashlib.blake2b(sequence.encode(), digest_size=16).digest()


def _batched(stream: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(stream)
    while batch := [*islice(items, size)]:
        yield batch


def sample(stream: Iterable[Query | Reject], size: int) -> list[str]:
    """Return so many of the distinct sequences: those with the lowest hashes, so as by chance.

    They are the same whatever the order of the queries.
    """
    found: dict[bytes, str] = {}
    for item in stream:
        if isinstance(item, Query):
            found[_digest(item.sequence)] = item.sequence
            if len(found) >= 2 * size:
                found = {key: found[key] for key in sorted(found)[:size]}
    return [found[key] for key in sorted(found)[:size]]
