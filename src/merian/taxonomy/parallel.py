"""A second process for pure-Python work on many texts.

The parser of names holds Python's global lock, so that threads do not help. The child is an
interpreter that runs `answer`: unlike `multiprocessing`, it never runs a caller's script
twice, and needs no guard in it.
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
from typing import Any

from merian.errors import MerianError

__all__ = ["in_two_processes"]

# Below this many texts a second process costs more than it brings.
_WORTH_A_PROCESS = 10_000
_CHILD = "from merian.taxonomy.parallel import answer; answer()"


def in_two_processes(function: str, texts: Sequence[Any], *arguments: str) -> list[Any]:
    """Apply a function to a list and return its results in order.

    Args:
        function: ``module:name`` of a function from a list (and the arguments) to a list of the
            same length; both must be what JSON can carry.
        texts: The list; half of it goes to the child if it is long.
        arguments: What else the function is given.
    """
    if len(texts) < _WORTH_A_PROCESS or (os.cpu_count() or 1) < 2:
        return _find(function)(list(texts), *arguments)
    half = len(texts) // 2
    command = [sys.executable, "-c", _CHILD, function, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps(texts[:half]).encode())
            child.stdin.close()
            mine = _find(function)(list(texts[half:]), *arguments)
            answers = child.stdout.read()
            if child.wait():
                raise MerianError(
                    f"the second process ended with {child.returncode}; if memory was short, "
                    "ask for fewer names at a time"
                )
            theirs = json.loads(answers)
        except BaseException:
            child.kill()
            raise
    return [*theirs, *mine]


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
