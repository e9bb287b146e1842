"""A measured child: its time and its memory are its own, not those of what prepared its data."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Measured", "end_with_parent", "on_cores", "run_child", "run_command"]


@dataclass(frozen=True)
class Measured:
    """Wall seconds, the peak of the largest process in gigabytes, what it printed, CPU seconds."""

    seconds: float
    peak: float
    output: str
    cpu: float = 0.0


def run_child(module: str, *arguments: str) -> Measured:
    """Run ``python -m module arguments`` and measure it, start of Python included."""
    return run_command(sys.executable, "-m", module, *arguments)


def run_command(*command: str) -> Measured:
    """Run a program and measure it."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, " ".join(command), output)
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    busy = usage.ru_utime + usage.ru_stime
    return Measured(time.perf_counter() - start, usage.ru_maxrss / unit, output, busy)


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let this process and its children run on so many cores at most, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end_with_parent() -> None:
    """End this process when its standard input does, which its parent holds open."""

    def wait() -> None:
        while os.read(0, 1):  # not by Python's own stream, whose lock would be held at the end
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
