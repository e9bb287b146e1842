"""More processes for work that holds Python's global lock: parsing names, drawing pictures.

A child is an interpreter that runs `answer`: unlike `multiprocessing`, it never runs a caller's
script twice, and needs no guard in it. The answers do not hang on the number of processes.

`in_processes` shares out one list. `in_order` is for a stream: each child runs `serve`, opens what
it needs once, and answers one batch after the other.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from merian.errors import MerianError

__all__ = ["in_order", "in_processes"]

T = TypeVar("T")

# Below this many short texts a second process costs more than it brings.
_WORTH_A_PROCESS = 10_000
_CHILD = "from merian.processes import answer; answer()"
_SERVER = "from merian.processes import serve; serve()"
# As many processes as cores work already; threads of the linear algebra would only add to them.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def in_processes(
    function: str,
    items: Sequence[Any],
    *arguments: str,
    processes: int = 2,
    worth: int | None = None,
    slice_of: int | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> list[Any]:
    """Apply a function to a list and return its results in order.

    Args:
        function: ``module:name`` of a function from a list (and the arguments) to a list of the
            same length, item by item; both must be what JSON can carry.
        items: The list; each process gets a share of it if it is long.
        arguments: What else the function is given.
        processes: How many at most; no more than the machine has cores.
        worth: How many items make a further process worth its start.
        slice_of: How many items this process works on before it tells how far it is.
        progress: Is told how many items are done, and of how many.
    """
    worth = _WORTH_A_PROCESS if worth is None else worth
    count = max(1, min(processes, os.cpu_count() or 1)) if len(items) >= worth else 1
    bounds = [len(items) * i // count for i in range(count + 1)]
    command = [sys.executable, "-c", _CHILD, function, *arguments]
    with ExitStack() as stack:
        children = []
        for _ in range(count - 1):
            child = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
            )
            # What goes wrong here ends the children too, before they are waited for.
            stack.callback(child.kill)
            children.append(child)
        # The last share is ours; a child reads all of its own before it begins.
        for child, low, high in zip(children, bounds[:-2], bounds[1:-1], strict=True):
            assert child.stdin is not None
            child.stdin.write(json.dumps(items[low:high]).encode())
            child.stdin.close()
        mine = _work(_find(function), list(items[bounds[-2] :]), arguments, slice_of, progress)
        return [*(row for child in children for row in _collect(child)), *mine]


def _work(
    function: Callable[..., list[Any]],
    items: list[Any],
    arguments: tuple[str, ...],
    slice_of: int | None,
    progress: Callable[[float, float], None] | None,
) -> list[Any]:
    """Do this process's share, slice by slice; the others are taken to be as far."""
    size = slice_of or max(len(items), 1)
    done: list[Any] = []
    for low in range(0, max(len(items), 1), size):
        done += function(items[low : low + size], *arguments)
        if progress is not None:
            progress(len(done), len(items))
    return done


def _collect(child: subprocess.Popen[bytes]) -> list[Any]:
    """Return what a child has answered."""
    assert child.stdout is not None
    answers = child.stdout.read()
    if child.wait():
        raise MerianError(
            f"a process ended with {child.returncode}; if memory was short, ask for fewer at a time"
        )
    found: list[Any] = json.loads(answers)
    return found


def _find(function: str) -> Callable[..., list[Any]]:
    module, _, name = function.partition(":")
    found: Callable[..., list[Any]] = getattr(importlib.import_module(module), name)
    return found


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _follow_parent() -> None:
    """Leave Ctrl-C, which reaches both, to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def answer() -> None:
    """Be the child: do what the command line names with the list on standard input."""
    _follow_parent()
    done = _find(sys.argv[1])(json.load(sys.stdin.buffer), *sys.argv[2:])
    sys.stdout.buffer.write(json.dumps(done).encode())


# -- one batch after the other ------------------------------------------------------------------


def in_order(
    here: Callable[[list[Any]], list[Any]],
    opener: str,
    arguments: Sequence[str],
    batches: Iterable[tuple[T, list[Any]]],
    processes: int,
) -> Generator[tuple[T, list[Any]]]:
    """Answer a stream of batches, in order; no more than two batches a process are under way.

    Args:
        here: Answers a batch in this process. It does so where one process is enough.
        opener: ``module:name`` of what makes such a function of texts in a child.
        arguments: The texts.
        batches: What the caller knows a batch by, and what is asked; both sides are what JSON can
            carry. A batch that asks nothing is answered at once.
        processes: How many children at most.
    """
    stream = iter(batches)
    first: list[tuple[T, list[Any]]] = []
    count = 0  # of processes that have something to do
    for batch in stream:
        first.append(batch)
        count += bool(batch[1])
        if count == processes or len(first) == 4 * processes:
            break
    if count < 2:
        for known_by, asked in _chained(first, stream):
            yield known_by, here(asked) if asked else []
        return
    with ExitStack() as stack:
        idle: SimpleQueue[_Server] = SimpleQueue()
        pool = stack.enter_context(ThreadPoolExecutor(count))
        for _ in range(count):
            server = _Server(opener, arguments)
            # Ended before the pool waits for the threads that listen to them.
            stack.callback(server.end)
            idle.put(server)
        waiting: deque[tuple[T, Future[list[Any]] | None]] = deque()
        for known_by, asked in _chained(first, stream):
            waiting.append((known_by, pool.submit(_ask, idle, asked) if asked else None))
            if len(waiting) > 2 * count:
                yield _taken(waiting)
        while waiting:
            yield _taken(waiting)


def _chained(first: Iterable[T], rest: Iterable[T]) -> Iterator[T]:
    yield from first
    yield from rest


def _taken(waiting: deque[tuple[T, Future[list[Any]] | None]]) -> tuple[T, list[Any]]:
    known_by, future = waiting.popleft()
    return known_by, future.result() if future is not None else []


def _ask(idle: SimpleQueue[_Server], asked: list[Any]) -> list[Any]:
    server = idle.get()
    try:
        return server.ask(asked)
    finally:
        idle.put(server)


class _Server:
    """A child that answers batches."""

    def __init__(self, opener: str, arguments: Sequence[str]) -> None:
        environment: Mapping[str, str] = {**_ONE_THREAD, **os.environ}
        self._child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _SERVER, opener, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C is the parent's alone, also before the child can say so itself.
            process_group=None if sys.platform == "win32" else 0,
        )

    def ask(self, asked: list[Any]) -> list[Any]:
        """Return the answer to a batch."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(asked).encode() + b"\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except OSError:  # it is gone: the pipe is broken
            line = b""
        if not line:
            raise MerianError(
                f"a process ended with {self._child.wait()}; if memory was short, ask for fewer "
                "at a time"
            )
        answers = json.loads(line)
        if isinstance(answers, dict):
            raise MerianError(answers["error"])
        found: list[Any] = answers
        return found

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def serve() -> None:
    """Be the child: open what the command line names, and answer a batch a line."""
    _follow_parent()
    replies = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever else is printed must not come between the answers
    opener, *arguments = sys.argv[1:]
    try:
        opened: Any = _find(opener)(*arguments)
        for line in sys.stdin.buffer:
            replies.write(json.dumps(opened(json.loads(line))).encode() + b"\n")
            replies.flush()
    except MerianError as error:
        replies.write(json.dumps({"error": str(error)}).encode() + b"\n")
        replies.flush()
    except BrokenPipeError:
        os._exit(1)  # the parent was killed: nobody waits for an answer, or for a traceback
