"""A second process for pure-Python work on many texts.

The parser of names holds Python's global lock, so that threads do not help. The child is an
interpreter that runs `answer`: unlike `multiprocessing`, it never runs a caller's script
twice, and needs no guard in it.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

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
            theirs = json.loads(child.stdout.read())
        except BaseException:
            child.kill()
            raise
    return [*theirs, *mine]


def _find(function: str) -> Callable[..., list[Any]]:
    module, _, name = function.partition(":")
    found: Callable[..., list[Any]] = getattr(importlib.import_module(module), name)
    return found


def answer() -> None:
    """Be the child: do what the command line names with the list on standard input."""
    done = _find(sys.argv[1])(json.load(sys.stdin.buffer), *sys.argv[2:])
    sys.stdout.buffer.write(json.dumps(done).encode())
