"""Pictures that are done, kept until all are: a run that is stopped goes on with the rest.

Beside the folder that is to be there lies a hidden one. It has a line for each picture that is
done, in their order, with all that is written of it, and a folder for each picture of which files
are kept. A line also has a hash of all that decides what is found in its picture, the content of
the picture before all: where that is another one, this line and those behind it count for nothing.
A line that was half written when the machine stopped is one of them. When all is done the hidden
folder goes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from merian.files import content_hash, only_writer, to_disk
from merian.measure.asked import Asked
from merian.measure.stage import Rows
from merian.pictures import BadPictureError
from merian.threads import one_thread_each

__all__ = ["Entry", "Kept", "give_name", "kept_beside", "known_of"]

T = TypeVar("T")

_LINES = "done.jsonl"
_AHEAD = 2  # pictures a worker: so many wait for one that takes long


@dataclass(frozen=True)
class Entry:
    """What is known of a picture that is done.

    Attributes:
        key: Of all that decides it.
        rows: What is written of it; None if it was set aside.
        aside: Why it was.
        folder: Where its files are.
    """

    key: str
    rows: Rows | None
    aside: str
    folder: Path


class Kept:
    """The hidden folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def done(
        self,
        items: Iterable[T],
        key: Callable[[T], str],
        make: Callable[[T, Path], Rows],
        workers: int = 1,
    ) -> Iterator[tuple[T, Entry]]:
        """Yield what is known of each picture, in their order: what is kept, then what is made.

        Args:
            items: The pictures.
            key: Returns a hash of all that decides what is made.
            make: Looks at a picture, and writes what is to be kept into a folder that is not there
                yet.
            workers: How many pictures are looked at at once, in threads.
        """
        reading = True
        waiting: deque[tuple[T, Future[Entry]]] = deque()
        with (
            (self.folder / _LINES).open("a+b") as stream, one_thread_each(),
            ThreadPoolExecutor(workers) as pool,
        ):  # fmt: skip
            stream.seek(0)
            try:
                for number, item in enumerate(items):
                    told = _key(item, key)
                    if reading:
                        at = stream.tell()
                        entry = self._read(stream.readline(), number)
                        if entry is not None and entry.key == told:
                            yield item, entry
                            continue
                        stream.seek(at)
                        stream.truncate()
                        reading = False
                    if workers == 1:  # in this thread, which is the one that Ctrl-C reaches
                        yield item, self._written(stream, self._made(item, told, make, number))
                        continue
                    waiting.append((item, pool.submit(self._made, item, told, make, number)))
                    if len(waiting) >= _AHEAD * workers:
                        yield self._first(stream, waiting)
                while waiting:
                    yield self._first(stream, waiting)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _first(self, stream: BinaryIO, waiting: deque[tuple[T, Future[Entry]]]) -> tuple[T, Entry]:
        item, future = waiting.popleft()
        return item, self._written(stream, future.result())

    def _made(self, item: T, key: str, make: Callable[[T, Path], Rows], number: int) -> Entry:
        folder = self._folder(number)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            rows = make(item, folder)
        except BadPictureError as error:
            return Entry(key, None, str(error), folder)
        to_disk(folder)  # before the line, which says that they are there
        return Entry(key, rows, "", folder)

    @staticmethod
    def _written(stream: BinaryIO, entry: Entry) -> Entry:
        """Write down what was made, and return it."""
        rows = entry.rows.to_json() if entry.rows is not None else "null"
        told = f'{{"key": {json.dumps(entry.key)}, "aside": {json.dumps(entry.aside)}, "rows": '
        stream.write(f"{told}{rows}}}\n".encode())
        stream.flush()
        return entry

    def _read(self, line: bytes, number: int) -> Entry | None:
        """Return what a line says; None where it is none, or is cut short."""
        if not line.endswith(b"\n"):
            return None
        try:
            told = json.loads(line)
            rows = None if told["rows"] is None else Rows(*told["rows"])
            return Entry(told["key"], rows, told["aside"], self._folder(number))
        except (ValueError, TypeError, KeyError):
            return None

    def _folder(self, number: int) -> Path:
        return self.folder / f"{number:08}"


def _key(item: T, key: Callable[[T], str]) -> str:
    """Return the key of a picture; of one that cannot be read, its reason, which is told again."""
    try:
        return key(item)
    except BadPictureError as error:
        return str(error)


def known_of(asked: Asked) -> str:
    """Return all that is told of a picture, in words that do not hang on where it lies."""
    mask = content_hash(asked.mask) if asked.mask is not None else ""
    return f"{replace(asked, address='', mask=None)!r} {mask}"


def give_name(file: Path, name: Path) -> None:
    """Give a file that is kept its name in the output; it is copied where a disk knows no links."""
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)


@contextmanager
def kept_beside(out: Path, verb: str) -> Iterator[Kept]:
    """Hold the hidden folder of a run; it goes when the block ends without an error.

    Args:
        out: The folder that is to be there.
        verb: Whose run it is.
    """
    out = out.resolve()
    folder = out.with_name(f".{out.name}.{verb}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_writer(folder):
            yield Kept(folder)
    except BaseException:
        lines = folder / _LINES
        if not lines.is_file() or not lines.stat().st_size:  # nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)
