"""More processes for work that holds Python's global lock: parsing names, drawing pictures.

A child is an interpreter that runs `answer`: unlike `multiprocessing`, it never runs a caller's
script twice, and needs no guard in it. The answers do not hang on the number of processes.
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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from merian.errors import MerianError

__all__ = ["in_processes"]

# Below this many short texts a second process costs more than it brings.
_WORTH_A_PROCESS = 10_000
_CHILD = "from merian.processes import answer; answer()"


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


def answer() -> None:
    """Be the child: do what the command line names with the list on standard input."""
    # Ctrl-C reaches both; the parent ends this process, and no second traceback is shown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    done = _find(sys.argv[1])(json.load(sys.stdin.buffer), *sys.argv[2:])
    sys.stdout.buffer.write(json.dumps(done).encode())
